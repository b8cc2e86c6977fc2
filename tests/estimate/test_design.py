"""Strata, allocation and size of a sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from howgreen.core.errors import EstimateError
from howgreen.estimate.design import (
    FLOOR,
    LOOKS_PER_STRATUM,
    MOST_LOOKS,
    MOST_STRATA,
    AnswerSpread,
    allocate,
    expect_answers,
    expected_spread,
    looks_in_all,
    looks_needed,
    stratify,
)


def test_the_cumulative_square_root_rule():
    """Even shares: the bounds cut them evenly. All mass in two spikes: the bounds keep them apart."""
    even = np.linspace(0, 1, 100_001)
    assert stratify(even, np.ones_like(even), looks=100).bounds == pytest.approx((0.2, 0.4, 0.6, 0.8), abs=0.011)
    spikes = np.r_[np.full(500, 0.1), np.full(500, 0.9)]
    found = stratify(spikes, np.ones(1000), looks=100)
    assert len(set(found.of(spikes).tolist())) == len(found) == 2


@pytest.mark.parametrize(("looks", "strata"), [(15, 1), (16, 2), (24, 3), (39, 4), (40, 5), (1000, MOST_STRATA)])
def test_strata_leave_eight_looks_to_each(looks, strata):
    even = np.linspace(0, 1, 10_001)
    assert len(stratify(even, np.ones_like(even), looks=looks)) == strata
    assert LOOKS_PER_STRATUM == 8


@settings(max_examples=100, deadline=None)
@given(shares=st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.77, 1.0]), min_size=1, max_size=60), looks=st.integers(1, 200))
def test_no_stratum_is_empty_whatever_the_ties(shares, looks):
    share = np.array(shares)
    found = stratify(share, np.ones(len(share)), looks=looks)
    assert np.bincount(found.of(share), minlength=len(found)).min() > 0


def test_pixels_count_by_their_area():
    share = np.linspace(0, 1, 1001)
    area = np.where(share < 0.5, 1e-9, 1.0)
    assert min(stratify(share, area, looks=100).bounds) > 0.5


@settings(max_examples=100, deadline=None)
@given(data=st.data(), strata=st.integers(1, 6))
def test_allocation_adds_up_and_keeps_the_floor(data, strata):
    weight = np.array(data.draw(st.lists(st.floats(0.01, 1), min_size=strata, max_size=strata)))
    spread = np.array(data.draw(st.lists(st.floats(0, 0.5), min_size=strata, max_size=strata)))
    looks = data.draw(st.integers(strata * FLOOR, 400))
    found = allocate(weight / weight.sum(), spread, looks=looks)
    assert found.sum() == looks
    assert found.min() >= FLOOR


def test_allocation_is_neymans_where_the_floor_does_not_bind():
    # Olofsson et al. 2014: 641 looks, weights and standard deviations of the paper's four strata
    weight = np.array([0.020, 0.015, 0.320, 0.645])
    spread = np.sqrt(np.array([0.7 * 0.3, 0.6 * 0.4, 0.9 * 0.1, 0.95 * 0.05]))
    found = allocate(weight, spread, looks=641, floor=2)
    np.testing.assert_allclose(found, [23.2, 18.6, 243.1, 356.0], atol=1)


def test_too_few_looks_for_the_floor():
    with pytest.raises(EstimateError, match="take 10 or more"):
        allocate(np.array([0.5, 0.5]), np.ones(2), looks=9)


def test_answers_are_expected_to_vary_most_in_the_middle():
    assert expected_spread(np.array([0.5]))[0] == pytest.approx(np.sqrt(0.25 / 3 + 0.01))
    assert expected_spread(np.array([0.0, 1.0])).tolist() == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize("dots", [1, 9, 25])
def test_expected_answers_are_what_a_reader_gives(dots):
    rng = np.random.default_rng(dots)
    mapped = rng.beta(0.6, 0.5, 200_000)
    # A truth that scatters around the map, more so in the middle, as truths must to stay within 0-1.
    truth = rng.beta(mapped * 8 + 1e-6, (1 - mapped) * 8 + 1e-6)
    read = rng.binomial(dots, truth) / dots
    expected = expect_answers(
        mapped, np.ones(200_000), dots=dots, map_rmse=float(np.sqrt(((truth - mapped) ** 2).mean()))
    )
    assert expected.variance == pytest.approx(read.var(), rel=0.03)
    assert expected.residual == pytest.approx((read - mapped).var(), rel=0.03)
    left = read[:500] - mapped[:500]
    sized = looks_in_all(0.03, 500, float(left.std(ddof=1) / np.sqrt(500)))
    assert sized == pytest.approx(looks_needed(0.03, expected, assisted=True), rel=0.15)


def test_a_sample_is_sized_anew_by_the_answers_so_far():
    """A standard error halves with four times the looks."""
    assert looks_in_all(0.03, 50, 0.03) == pytest.approx(50 * (1.97 * 0.03 / 0.03) ** 2, rel=0.02)
    assert looks_in_all(0.015, 50, 0.03) == pytest.approx(4 * looks_in_all(0.03, 50, 0.03), rel=0.02)


def test_the_map_saves_looks():
    """The rows of a realistic map: variance of what is read, and what of it the map explains."""
    one_dot = AnswerSpread(variance=0.229, residual=0.229 * (1 - 0.63))
    nine_dots = AnswerSpread(variance=0.168, residual=0.168 * (1 - 0.86))
    assert looks_needed(0.03, one_dot, assisted=False) == pytest.approx(978, rel=0.01)
    assert looks_needed(0.03, one_dot, assisted=True) == pytest.approx(359, rel=0.02)
    assert looks_needed(0.03, nine_dots, assisted=True) == pytest.approx(98, rel=0.06)  # t, not 1.96
    assert looks_needed(0.03, AnswerSpread(variance=0.25, residual=0.25), assisted=False) == pytest.approx(
        1068, rel=0.01
    )


@pytest.mark.parametrize("half_width", [0, -0.03, 0.5, 3, float("nan")])
def test_widths_that_are_none(half_width):
    with pytest.raises(EstimateError, match=r"3 points are 0\.03"):
        looks_needed(half_width, AnswerSpread(variance=0.2, residual=0.1), assisted=True)


def test_widths_that_nobody_looks_for():
    with pytest.raises(EstimateError, match="ask for a wider one"):
        looks_needed(0.001, AnswerSpread(variance=0.2, residual=0.1), assisted=False)
    assert MOST_LOOKS == 5000
