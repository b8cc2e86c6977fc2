"""The slope of a series and what it can show: against published values, by hand, and by simulation of what is claimed."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from howgreen.core.trends import YearAnswer
from howgreen.trend import fit, join, mann_kendall, theil_sen, trend_of

SERIES = [0.412, 0.405, 0.418, 0.399, 0.421, 0.395, 0.401, 0.388, 0.392, 0.379, 0.385, 0.371]
"""Worked with pymannkendall 1.4.3 and scipy."""


def test_the_worked_example():
    found = mann_kendall(SERIES)
    assert found.s == -46
    assert (found.variance, found.z, found.p, found.tau) == pytest.approx(
        (212.6667, -3.085765, 0.002030, -0.696970), rel=1e-3
    )
    slope = theil_sen(range(12), SERIES)
    assert slope.slope == pytest.approx(-0.0035, abs=1e-9)
    assert slope.intercept == pytest.approx(0.41625, abs=1e-9)
    assert (slope.low, slope.high) == pytest.approx((-0.005222, -0.002), abs=1e-6)


def test_ties_and_a_gap():
    values = [1, 2, 2, 3, math.nan, 3, 4, 4, 5, 5]
    found = mann_kendall(values)
    assert (found.s, found.variance) == (32, 88)
    assert (found.z, found.p) == pytest.approx((3.304611, 0.000951), abs=1e-6)
    kept = [(year, value) for year, value in enumerate(values) if not math.isnan(value)]
    assert theil_sen(*zip(*kept, strict=True)).slope == pytest.approx(0.428571, abs=1e-6)  # .5 were the gap closed


def test_eight_years_of_two_points_of_noise_show_three_quarters_of_a_point():
    """0.76 points a year: t of 6 degrees of freedom, 2 / sqrt(42)."""
    values = np.array([1.0, -1, 0, 0, 0, 0, -1, 1])  # no slope, and no part of it beside the line
    noise = math.sqrt((values**2).sum() / 6)
    found = fit(range(2017, 2025), values * 2 / noise)
    assert found.noise == pytest.approx(2.0)
    assert found.detectable == pytest.approx(0.755, abs=0.001)


@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.9, "more green"), (-0.9, "less green"), (0.3, "no change that can be told from noise")]
)
def test_a_slope_beyond_the_noise_is_told_and_one_within_is_not(slope, verdict):
    noise = np.array([1.2, -1.0, 0.5, -0.8, 0.9, -0.4, 0.6, -1.0, 0.3, -0.3])
    found = fit(range(10), slope * np.arange(10) + noise)
    assert found.verdict == verdict
    assert found.slope.low < slope < found.slope.high


@pytest.mark.parametrize(("n", "told"), [(4, "too few years to tell"), (5, "less green")])
def test_four_years_are_too_few_however_straight(n, told):
    assert fit(range(n), [0.5 - 0.1 * year + 0.001 * (year % 2) for year in range(n)]).verdict == told


@pytest.mark.parametrize(("n", "told"), [(2, False), (3, False), (4, False), (5, True)])
def test_of_fewer_than_five_years_no_interval_is_told(n, told):
    found = fit(range(n), [0.5 + 0.01 * year + 0.001 * (-1) ** year for year in range(n)])
    assert math.isfinite(found.slope.low) is math.isfinite(found.slope.high) is told
    assert math.isfinite(found.detectable) is math.isfinite(found.noise) is (n > 2)


def test_both_the_interval_and_the_noise_have_their_say():
    """One wild year: the interval of the slope does not see it, the noise does."""
    values = [0.30, 0.31, 0.32, 0.33, 0.34, 0.35, 0.36, 0.90]
    found = fit(range(8), values)
    assert found.slope.low > 0
    assert found.verdict == "no change that can be told from noise"


@given(st.lists(st.floats(0, 1), min_size=5, max_size=12), st.randoms())
def test_the_order_of_the_years_is_nothing(values, random):
    pairs = list(zip(range(2000, 2000 + len(values)), values, strict=True))
    mixed = random.sample(pairs, len(pairs))
    one, other = fit(*zip(*pairs, strict=True)), fit(*zip(*mixed, strict=True))
    assert (one.verdict, one.mann_kendall) == (other.verdict, other.mann_kendall)
    assert one.slope.slope == pytest.approx(other.slope.slope, abs=1e-12)
    assert one.detectable == pytest.approx(other.detectable, rel=1e-6, abs=1e-12)


def test_false_alarms_on_independent_years_are_no_more_than_one_in_twenty():
    random = np.random.default_rng(5)
    verdicts = [fit(range(8), random.normal(0, 1, 8)).verdict for _ in range(600)]
    alarms = sum(verdict.endswith("green") for verdict in verdicts)
    assert 0.01 < alarms / 600 < 0.06


# ---- joining satellites


def answer(year: int, ratio: float, series: str = "sentinel-2") -> YearAnswer:
    return YearAnswer(
        year=year, series=series, ratio=ratio, low=ratio - 0.2, high=ratio + 0.2, model_low=ratio - 0.2, model_high=ratio + 0.2,
        unseen_low=ratio, unseen_high=ratio, observed_ratio=1.0, days=(date(year, 7, 1),),
    )  # fmt: skip


def old_and_new(step: float, wobble: float = 0.0, slope: float = 0.01):
    """Landsat from 2010 to 2020 below Sentinel-2 from 2016 on, by a step that varies."""
    old = [answer(y, 0.4 + slope * (y - 2010) - step + wobble * (-1) ** y, "landsat-8-9") for y in range(2010, 2021)]
    return [*old, *(answer(y, 0.4 + slope * (y - 2010)) for y in range(2016, 2025))]


ORDER = ("landsat-4-7", "landsat-8-9", "sentinel-2")


def test_a_step_between_satellites_is_no_trend_once_they_are_joined_by_shared_years():
    found = trend_of(old_and_new(0.08, slope=0.0), ORDER)
    (shift,) = found.joins
    assert (shift.older, shift.newer, shift.years) == ("landsat-8-9", "sentinel-2", (2016, 2017, 2018, 2019, 2020))
    assert shift.shift == pytest.approx(0.08)
    assert found.fit.slope.slope == pytest.approx(0.0, abs=1e-12)
    assert [p.answer.series for p in found.points] == ["landsat-8-9"] * 6 + ["sentinel-2"] * 9
    assert len(found.left_out) == 5  # the newer satellite takes the years that both saw


def test_an_unsure_step_widens_the_interval_and_what_can_be_told():
    sure, unsure = (trend_of(old_and_new(0.08, wobble), ORDER) for wobble in (0.0, 0.05))
    assert sure.joins[0].se == pytest.approx(0, abs=1e-12)
    assert unsure.joins[0].se > 0.02
    alone = fit([p.answer.year for p in unsure.points], [p.value for p in unsure.points])
    assert unsure.fit.detectable > 1.1 * alone.detectable
    assert unsure.fit.slope.low < alone.slope.low
    assert unsure.fit.slope.high > alone.slope.high
    # By hand: the step moves the first six of fifteen years together.
    around = np.arange(15) - 7.0
    joined = unsure.joins[0].se * around[:6].sum() / (around**2).sum()
    hidden = math.hypot(alone.detectable, 2.160369 * joined)
    assert unsure.fit.detectable == pytest.approx(hidden, rel=1e-6)


@pytest.mark.parametrize(("shared", "joined"), [(2, False), (3, True)])
def test_satellites_that_share_too_few_years_are_not_joined(shared, joined):
    old = [answer(y, 0.4, "landsat-8-9") for y in range(2010, 2016 + shared)]
    found = trend_of([*old, *(answer(y, 0.5) for y in range(2016, 2024))], ORDER)
    assert bool(found.joins) is joined
    assert found.unjoined == ({} if joined else {"landsat-8-9": 2})
    assert found.points[0].answer.year == (2010 if joined else 2016)


def test_three_families_are_joined_in_a_chain_and_a_break_in_it_ends_the_series():
    oldest = [answer(y, 0.3, "landsat-4-7") for y in range(2000, 2014)]
    middle = [answer(y, 0.35, "landsat-8-9") for y in range(2010, 2020)]
    newest = [answer(y, 0.45) for y in range(2016, 2024)]
    found = trend_of([*newest, *oldest, *middle], ORDER)
    assert {round(p.value, 9) for p in found.points} == {0.45}
    assert [one.older for one in found.joins] == ["landsat-8-9", "landsat-4-7"]
    broken = trend_of([*newest[4:], *oldest, *middle], ORDER)
    assert set(broken.unjoined) == {"landsat-8-9", "landsat-4-7"}
    assert broken.points[0].answer.year == 2020


def test_nothing_to_join_and_nothing_to_fit():
    assert join([answer(2020, 0.4)], [answer(2021, 0.4)]) is None
    with pytest.raises(ValueError, match="two years"):
        trend_of([answer(2020, 0.4)], ORDER)
