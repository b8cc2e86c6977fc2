"""Estimates against worked examples, other libraries' figures, and simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from howgreen.core.errors import EstimateError
from howgreen.estimate import estimators
from howgreen.estimate.estimators import (
    FEWEST,
    Gold,
    Looks,
    MapShares,
    ReadDots,
    estimate_by_regression,
    estimate_corrected,
    estimate_domain,
    estimate_ratio,
    estimate_two_phase,
    unstratified,
)
from howgreen.estimate.intervals import LEVEL, RARE, _coin_looks, _effective_looks, intervals, wilson

GREEN = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0.5, 0.25, 0.75, 1, 0, 0, 1, 0.5])
MAPPED = np.array(
    [0.9, 0.1, 0.8, 0.7, 0.2, 0.05, 0.95, 0.3, 0.85, 0.6, 0.15, 0.9, 0.4, 0.35, 0.55, 0.8, 0.1, 0.25, 0.75, 0.45]
)
FRAME_MEAN = 0.52
STRATUM = np.digitize(MAPPED, [0.25, 0.65])
WEIGHT = np.array([0.3, 0.3, 0.4])
STRATUM_MEANS = np.array([0.11, 0.47, 0.86])


def _map(mean=FRAME_MEAN):
    return MapShares(green=MAPPED, land=np.ones(20), frame_green=mean, frame_land=1.0)


def _of(mapped, mean):
    return MapShares(green=mapped, land=np.ones(len(mapped)), frame_green=mean, frame_land=1.0)


def _stratified():
    return Looks(green=GREEN, land=np.ones(20), stratum=STRATUM, weight=WEIGHT)


@pytest.mark.parametrize(
    ("estimate", "ratio", "se"),
    [
        (estimate_ratio(unstratified(GREEN)), 0.550000, 0.103555),
        (estimate_ratio(unstratified(GREEN), _map()), 0.562500, 0.042962),
        (estimate_by_regression(unstratified(GREEN), _map()), 0.567890, 0.031821),
        (estimate_ratio(_stratified()), 0.528571, 0.042408),
        (estimate_ratio(_stratified(), _map(float(WEIGHT @ STRATUM_MEANS))), 0.553786, 0.031638),
    ],
)
def test_the_worked_example_to_the_last_digit(estimate, ratio, se):
    assert (round(estimate.ratio, 6), round(estimate.se, 6)) == (ratio, se)
    assert estimate.low < ratio < estimate.high


def test_water_is_an_answer():
    """Half of the units are half water: the ratio is of the land, not of the frame."""
    land = np.where(np.arange(20) % 2, 0.5, 1.0)
    found = estimate_ratio(unstratified(np.full(20, 0.3), land))
    assert found.ratio == pytest.approx(0.3 / 0.75)
    assert found.se > 0  # the land's share is itself estimated


def test_the_ratios_variance_is_the_delta_methods():
    rng = np.random.default_rng(3)
    land = rng.uniform(0.2, 1, 60)
    green = land * rng.uniform(0, 1, 60)
    found = estimate_ratio(unstratified(green, land))
    residual = (green - found.ratio * land) / land.mean()
    assert found.se == pytest.approx(residual.std(ddof=1) / np.sqrt(60))


@pytest.mark.parametrize("share", [0.0, 1.0, 0.4])
def test_answers_that_are_all_alike_have_an_interval_all_the_same(share):
    found = estimate_ratio(unstratified(np.full(20, share)))
    assert found.se == 0
    assert found.high - found.low > 0.1
    assert found.low <= share <= found.high


def test_wilson_is_wilsons():
    # 8 of 10 at z = 1.96: Agresti & Coull 1998
    low, high = wilson(0.8, 10, quantile=1.959964)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert wilson(0.0, 20, quantile=1.96)[0] == 0
    assert wilson(1.0, 20, quantile=1.96)[1] == 1


def test_rare_shares_get_wilson_and_others_students():
    rng = np.random.default_rng(0)
    for share in (RARE - 0.02, RARE + 0.02):
        green = np.zeros(100)
        green[: round(100 * share)] = 1
        rng.shuffle(green)
        found = estimate_by_regression(unstratified(green), _of(rng.random(100), 0.5))
        assert ("Wilson" in found.method) == (found.ratio < RARE)
        assert "Wilson" in estimate_ratio(unstratified(green)).method  # looks alone: whatever the share


def test_too_few_looks_are_refused():
    with pytest.raises(EstimateError, match=f"needs {FEWEST}"):
        estimate_ratio(unstratified(np.ones(FEWEST - 1)))
    estimate_ratio(unstratified(np.ones(FEWEST)))


def test_a_stratum_of_one_look_is_refused():
    stratum = np.array([0] * 19 + [1])
    with pytest.raises(EstimateError, match="stratum 2: has 1 looks"):
        estimate_ratio(Looks(green=GREEN, land=np.ones(20), stratum=stratum, weight=np.array([0.9, 0.1])))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"green": GREEN[:-1]}, "one of each"),
        ({"green": GREEN + 0.1}, "0-1"),
        ({"land": GREEN - 0.1}, "0-1"),
        ({"land": np.full(20, 0.5)}, "more green than land"),
        ({"weight": np.array([0.3, 0.3, 0.3])}, "not 1"),
        ({"weight": np.array([0.5, 0.5])}, "none of them"),
        ({"green": np.where(np.arange(20) == 3, np.nan, GREEN)}, "0-1"),
    ],
)
def test_looks_that_do_not_go_together_are_refused(changes, word):
    values = {"green": GREEN, "land": np.ones(20), "stratum": STRATUM, "weight": WEIGHT}
    with pytest.raises(EstimateError, match=word):
        Looks(**(values | changes))


def test_no_land_at_all():
    with pytest.raises(EstimateError, match="on land"):
        estimate_ratio(unstratified(np.zeros(20), np.zeros(20)))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), strata=st.integers(1, 4))
def test_a_perfect_map_leaves_no_doubt_and_a_useless_constant_adds_none(seed, strata):
    rng = np.random.default_rng(seed)
    stratum = np.arange(40) % strata
    green = rng.uniform(0.3, 0.7, 40)
    looks = Looks(green=green, land=np.ones(40), stratum=stratum, weight=np.full(strata, 1 / strata))
    perfect = MapShares(green=green, land=np.ones(40), frame_green=0.51, frame_land=1.0)
    assert estimate_ratio(looks, perfect).ratio == pytest.approx(0.51)
    assert estimate_ratio(looks, perfect).se == pytest.approx(0, abs=1e-12)
    constant = MapShares(green=np.full(40, 0.2), land=np.ones(40), frame_green=0.2, frame_land=1.0)
    plain, assisted = estimate_ratio(looks), estimate_ratio(looks, constant)
    assert assisted.ratio == pytest.approx(plain.ratio)
    assert assisted.se == pytest.approx(plain.se)


def _gold(truth, positions, weight=None):
    positions = np.asarray(positions, np.intp)
    weight = np.ones(len(positions)) if weight is None else weight
    return Gold(position=positions, green=truth[positions], land=np.ones(len(positions)), weight=weight)


@pytest.mark.parametrize("errors", [(0.0, 0.0), (0.05, 0.05), (0.02, 0.10)])
@pytest.mark.parametrize("all_again", [True, False])
def test_two_phase_is_free_of_the_readers_errors(errors, all_again):
    """Where errors go one way the plain estimate fails, and the two-phase estimate covers."""
    rng = np.random.default_rng([int(100 * errors[1]), all_again])
    ratios, covered, plain = [], 0, 0
    for _ in range(600):
        truth = (rng.random(200) < 0.6).astype(float)
        reader, second = (np.where(rng.random(200) < np.where(truth == 1, *errors), 1 - truth, truth) for _ in range(2))
        looks = unstratified(reader)
        twice = np.arange(60)  # looks are in random order
        apart = twice[reader[:60] != second[:60]]
        alike = twice[reader[:60] == second[:60]]
        again = alike if all_again else alike[: max(len(apart), 12)]
        weight = np.r_[np.ones(len(apart)), np.full(len(again), len(alike) / len(again))]
        found = estimate_two_phase(looks, _gold(truth, np.r_[apart, again], weight))
        ratios.append(found.ratio)
        covered += found.low <= 0.6 <= found.high
        naive = estimate_ratio(looks)
        plain += naive.low <= 0.6 <= naive.high
    assert np.mean(ratios) == pytest.approx(0.6, abs=0.008)
    assert 0.92 <= covered / 600 <= 0.985
    if errors == (0.02, 0.10):
        assert plain / 600 < 0.93


def test_two_phase_with_gold_everywhere_is_the_plain_estimate():
    rng = np.random.default_rng(2)
    truth = rng.uniform(0.2, 0.8, 50)
    reader = np.clip(truth + rng.normal(0, 0.1, 50), 0, 1)
    found, plain = (
        estimate_two_phase(unstratified(reader), _gold(truth, range(50))),
        estimate_ratio(unstratified(truth)),
    )
    assert found.ratio == pytest.approx(plain.ratio)
    assert found.se == pytest.approx(plain.se)


def test_two_phase_needs_gold():
    with pytest.raises(EstimateError, match="agreed answers: 9"):
        estimate_two_phase(unstratified(np.ones(30)), _gold(np.ones(30), range(9)))


def _misread(low, high, *, looks, agreed, draws, dots=9):
    """Draws of a reader who calls bare dots green and green ones bare, and of the answers agreed on for the first of them."""
    rng = np.random.default_rng([int(100 * low), int(100 * high), looks])
    green = rng.binomial(dots, rng.beta(0.5, 1 / 3, (draws, looks)))  # six tenths are green
    bare = dots - green
    as_green, as_bare = rng.binomial(bare, low), rng.binomial(green, high)
    read = (green - as_bare + as_green) / dots
    for k in range(draws):
        told = (one[k, :agreed].astype(float) for one in (bare, as_green, green, as_bare))
        yield (
            estimate_ratio(unstratified(read[k])),
            ReadDots(
                **dict(zip(("bare", "bare_as_green", "green", "green_as_bare"), told, strict=True)),
                weight=np.ones(agreed),
            ),
        )


@pytest.mark.parametrize("errors", [(0.02, 0.2), (0.15, 0.02)])
def test_the_correction_covers_by_the_variance_of_both_error_rates(errors, monkeypatch):
    """A thousand looks, of which sixty were agreed on: without the variance of the rates the interval holds the truth three times in four."""
    pairs = list(_misread(*errors, looks=1000, agreed=60, draws=800))
    found = [estimate_corrected(*pair).estimate for pair in pairs]
    ratios, errors_told = np.array([one.ratio for one in found]), np.array([one.se for one in found])
    assert ratios.mean() == pytest.approx(0.6, abs=4 * ratios.std() / np.sqrt(800))
    assert (
        0.96 <= np.sqrt((errors_told**2).mean()) / ratios.std() <= 1.12
    )  # that rates and looks share answers is left out: a little wide
    assert 0.93 <= np.mean([one.low <= 0.6 <= one.high for one in found]) <= 0.97
    told = estimators._rate
    monkeypatch.setattr(estimators, "_rate", lambda *dots: (told(*dots)[0], 0.0))
    sure = [estimate_corrected(*pair).estimate for pair in pairs]
    assert [one.ratio for one in sure] == ratios.tolist()
    assert np.mean([one.low <= 0.6 <= one.high for one in sure]) <= 0.85
    plain = np.mean([one.low <= 0.6 <= one.high for one, _ in pairs])
    assert plain < 0.4


def test_only_who_tells_green_from_bare_and_on_enough_dots_is_corrected():
    seen = estimate_ratio(unstratified(np.tile(GREEN, 2)))

    def corrected(wrong, *, units=40, dots=5.0):
        known = np.full(units, dots)
        read = ReadDots(
            bare=known, bare_as_green=wrong * known, green=known, green_as_bare=wrong * known, weight=np.ones(units)
        )
        return estimate_corrected(seen, read)

    # A third of all wrong leaves a third of what a sure reader tells; 0.36 leaves 0.28, less than the 0.3 that are asked for.
    assert corrected(1 / 3).estimate.ratio == pytest.approx((seen.ratio - 1 / 3) * 3)
    assert corrected(0.36) is None
    assert corrected(0.1, units=10) is not None
    assert corrected(0.1, units=9) is None, "fewer units than any interval needs"
    assert corrected(0.1, units=40, dots=0.7) is None, "28 dots of either kind"


def test_a_district_that_is_everything_is_the_city():
    whole = estimate_domain(_stratified(), np.ones(20, bool))
    city = estimate_ratio(_stratified())
    assert (whole.ratio, whole.se) == pytest.approx((city.ratio, city.se))


def test_districts_cover():
    rng = np.random.default_rng(4)
    share = rng.beta(0.5, 0.4, 40_000)
    district = rng.random(40_000) < 0.3
    truth, covered = share[district].mean(), 0
    for _ in range(500):
        rows = rng.integers(0, 40_000, 100)
        found = estimate_domain(unstratified(rng.binomial(9, share[rows]) / 9), district[rows])
        covered += found.low <= truth <= found.high
    assert 0.925 <= covered / 500 <= 0.985


def test_a_district_needs_ten_looks():
    with pytest.raises(EstimateError, match="looks: 9"):
        estimate_domain(unstratified(GREEN), np.arange(20) < 9)


def _coverage(draw, truth, draws=4000):
    found = [draw() for _ in range(draws)]
    return np.mean([one.low <= truth <= one.high for one in found]), found


@pytest.mark.parametrize("truth", [0.05, 0.10, 0.60, 0.95])
@pytest.mark.parametrize(("dots", "n"), [(1, 20), (1, 50), (9, 20), (9, 50), (25, 200)])
def test_intervals_cover_in_towns_of_any_green(truth, dots, n):
    """Units whose own share is Beta-distributed, read by dots: what a reader gives for a pixel."""
    rng = np.random.default_rng([int(100 * truth), dots, n])
    spread = 0.8  # pixels are mostly full or empty, as 10 m pixels of towns are

    def draw():
        share = rng.beta(truth * spread, (1 - truth) * spread, n)
        return estimate_ratio(unstratified(rng.binomial(dots, share) / dots))

    covered, found = _coverage(draw, truth, draws=2000)
    assert min(one.high - one.low for one in found) > 0
    assert 0.93 <= covered <= (1 if n == 20 else 0.985), covered  # one dot of twenty: counts are coarse


def test_strata_and_the_map_cover_and_narrow():
    rng = np.random.default_rng(9)
    frame = rng.beta(0.5, 0.4, 20_000)
    mapped = np.clip(frame + rng.normal(0, 0.12, 20_000), 0, 1)
    stratum = np.digitize(mapped, [0.2, 0.5, 0.8])
    weight = np.bincount(stratum) / 20_000
    groups = [np.flatnonzero(stratum == h) for h in range(4)]
    mean, n = frame.mean(), (20, 20, 20, 40)
    widths = {"strata": [], "assisted": []}
    covered = {"strata": 0, "assisted": 0}
    for _ in range(1000):
        rows = np.concatenate([rng.choice(group, k) for group, k in zip(groups, n, strict=True)])
        read = rng.binomial(9, frame[rows]) / 9
        looks = Looks(green=read, land=np.ones(100), stratum=stratum[rows], weight=weight)
        assist = MapShares(green=mapped[rows], land=np.ones(100), frame_green=mapped.mean(), frame_land=1.0)
        for name, found in (("strata", estimate_ratio(looks)), ("assisted", estimate_ratio(looks, assist))):
            widths[name].append(found.half_width)
            covered[name] += found.low <= mean <= found.high
    assert all(0.93 <= count / 1000 <= 0.975 for count in covered.values()), covered
    assert np.mean(widths["assisted"]) < np.mean(widths["strata"])
    assert LEVEL == 0.95


@pytest.mark.parametrize(
    ("share", "n", "unexplained", "tosses"),
    [
        (0.05, 50, 1.0, 20.0), (0.1, 50, 1.0, 15.0), (0.9, 50, 1.0, 15.0), (0.2, 50, 1.0, 5.0), (0.25, 50, 1.0, 0.0), (0.6, 50, 1.0, 0.0),
        (0.05, 200, 1.0, 20.0), (0.05, 20, 1.0, 8.0), (0.05, 50, 0.5, 5.0), (0.05, 50, 0.2, 0.8), (0.05, 50, 0.1, 0.2), (0.05, 50, 0.03, 0.2),
    ],
)  # fmt: skip
def test_rare_green_is_guarded_by_a_coin_and_less_the_less_rare_and_the_more_is_explained(
    share, n, unexplained, tosses
):
    """Simulated to cover, so a change has to be simulated anew."""
    assert _coin_looks(share, n, unexplained=unexplained) == pytest.approx(tosses)
    coin, variance = share * (1 - share), 0.0002
    wanted = 1 + coin / (((n - 1) * variance + tosses * coin / (n - 1)) / (n - 1 + tosses))
    assert _effective_looks(share, variance, n, tosses=tosses) == pytest.approx(wanted)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6])
def test_answers_of_yes_or_no_are_worth_their_number(share):
    """Whatever the coin's tosses: the variance found is a coin's already."""
    for n in (20, 60):
        variance = share * (1 - share) / (n - 1)
        for tosses in (0, 7):
            assert _effective_looks(share, variance, n, tosses=tosses) == pytest.approx(n)


def test_strata_are_widened_as_korn_and_graubard_say():
    """The normal's quantile, times Student's at the degrees of freedom over that at n - 1: not Student's twice over."""
    n, df, share, variance = 50, 9.0, 0.4, 0.004
    quantile = stats.norm.ppf(0.975) * stats.t.ppf(0.975, df) / stats.t.ppf(0.975, n - 1)
    effective = float(_effective_looks(share, variance, n))
    low, high, wilsons = intervals(share, variance, df, n, way="strata")
    assert (low, high) == pytest.approx(wilson(share, effective, quantile=quantile))
    assert wilsons


def test_one_dot_covers_as_enumerated():
    """Simple samples of one dot, every count weighed by the binomial: what the table of the docs says, without a draw."""
    for n, share, wanted in (
        (20, 0.05, 0.984),
        (20, 0.10, 0.957),
        (20, 0.60, 0.963),
        (50, 0.05, 0.962),
        (50, 0.60, 0.941),
    ):
        held = 0.0
        for count in range(n + 1):
            answers = np.r_[np.ones(count), np.zeros(n - count)]
            found = estimate_ratio(unstratified(answers))
            held += stats.binom.pmf(count, n, share) * (found.low <= share <= found.high)
        assert held == pytest.approx(wanted, abs=5e-4), (n, share)


def test_a_map_leaves_students_where_that_holds_a_share_and_is_careful_where_all_answers_are_alike():
    mapped = np.r_[np.full(10, 0.01), np.full(10, 0.05)]
    shares = MapShares(green=mapped, land=np.ones(20), frame_green=0.0299, frame_land=1.0)
    alike = estimate_ratio(unstratified(np.zeros(20)), shares)
    assert alike.ratio < 0
    assert alike.high == pytest.approx(wilson(0.0, 20, quantile=stats.t.ppf(0.975, 19))[1])  # the map alone varies
    above = estimate_ratio(unstratified(np.zeros(20)), replace(shares, frame_green=0.0301))
    assert above.ratio > 0
    assert above.high > 0.16
    answers = np.r_[np.zeros(19), 0.02]
    below = estimate_ratio(unstratified(answers), replace(shares, frame_green=0.025))
    assert below.ratio < 0
    assert below.high == pytest.approx(below.ratio + stats.t.ppf(0.975, 19) * below.se)


def test_few_dots_of_rare_green_cover():
    """A town of 5 %, nine dots in each of fifty places, looks alone: with half the tosses it covers 91 %."""
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(1500):
        answers = rng.binomial(9, rng.beta(0.43 * 0.05, 0.43 * 0.95, 50)) / 9
        found = estimate_ratio(unstratified(answers))
        covered += found.low <= 0.05 <= found.high
    assert 0.93 <= covered / 1500 <= 0.97


def test_answers_that_are_alike_in_each_stratum_are_no_certainty():
    """Their variance is rounding, 1e-35 or so; ten looks at a stratum of one kind do not make the town known to a tenth of a point."""
    answers = np.r_[np.zeros(40), np.full(10, 8 / 9)]
    weight = np.array([0.953, 0.047])
    found = estimate_ratio(Looks(green=answers, land=np.ones(50), stratum=np.repeat([0, 1], [40, 10]), weight=weight))
    assert found.se == 0
    assert found.high - found.low > 0.08


@pytest.fixture(scope="module")
def rare():
    """A town of 5 % green in patches of pixels, mostly full or empty."""
    return np.random.default_rng(3).beta(0.43 * 0.05, 0.43 * 0.95, 40_000)


def _mapped(frame, noise):
    return np.clip(frame + np.random.default_rng(4).normal(0, noise, len(frame)), 0, 1)


def _held(frame, mapped, counts, *, stratum=None, assisted=False, dots=9, draws=1200):
    """Share of intervals that hold the frame's mean, and their mean half-width."""
    rng = np.random.default_rng([dots, *counts])
    stratum = np.zeros(len(frame), np.intp) if stratum is None else stratum
    weight = np.bincount(stratum) / len(frame)
    rows = np.concatenate([rng.choice(np.flatnonzero(stratum == h), (draws, k)) for h, k in enumerate(counts)], axis=1)
    read, land = rng.binomial(dots, frame[rows]) / dots, np.ones(rows.shape[1])
    found = []
    for one, answers in zip(rows, read, strict=True):
        looks = Looks(green=answers, land=land, stratum=stratum[one], weight=weight)
        assist = (
            MapShares(green=mapped[one], land=land, frame_green=mapped.mean(), frame_land=1.0) if assisted else None
        )
        found.append(estimate_ratio(looks, assist))
    return np.mean([one.low <= frame.mean() <= one.high for one in found]), np.mean([one.half_width for one in found])


@pytest.mark.parametrize("dots", [1, 9])
def test_a_good_map_of_rare_green_covers_and_no_more(rare, dots):
    """With a coin's caution these covered 98 to 100 %; of one dot, 8 samples of 100 hold no green at all, and get Wilson's."""
    held, half = _held(rare, _mapped(rare, 0.06), (50,), assisted=True, dots=dots)
    assert 0.93 <= held <= (0.985 if dots == 1 else 0.975)
    assert half < 0.04


@pytest.mark.parametrize("assisted", [False, True])
def test_strata_of_a_good_map_cover_and_no_more(rare, assisted):
    mapped = _mapped(rare, 0.1)
    stratum = np.digitize(mapped, [0.05, 0.2, 0.6])
    held, half = _held(rare, mapped, (60, 60, 40, 40), stratum=stratum, assisted=assisted)
    assert 0.93 <= held <= 0.97
    assert half < 0.009


def test_regression_on_a_good_map_covers_and_no_more(rare):
    mapped, rng, held, halves = _mapped(rare, 0.06), np.random.default_rng(6), 0, []
    for _ in range(1200):
        rows = rng.integers(0, len(rare), 50)
        read = unstratified(rng.binomial(9, rare[rows]) / 9)
        found = estimate_by_regression(read, _of(mapped[rows], float(mapped.mean())))
        held += found.low <= rare.mean() <= found.high
        halves.append(found.half_width)
    assert 0.925 <= held / 1200 <= 0.97
    assert np.mean(halves) < 0.03


def test_strata_that_tell_nothing_leave_the_coin_where_it_was(rare):
    """Half the guard, or none, and these cover 90 %."""
    stratum = np.arange(len(rare)) % 5
    held, _ = _held(rare, rare, (10, 10, 10, 10, 10), stratum=stratum, dots=25, draws=2500)
    assert 0.93 <= held <= 0.97


def test_a_map_that_is_hardly_better_than_none_covers_too(rare):
    """Its estimates are often below 0 or above 1, and tell little there."""
    noise = np.random.default_rng(5).random(len(rare))
    held, _ = _held(rare, noise, (100,), assisted=True)
    assert held >= 0.93
    below = estimate_ratio(
        unstratified(np.zeros(20)),
        MapShares(green=np.linspace(0, 1, 20), land=np.ones(20), frame_green=0.4, frame_land=1.0),
    )
    assert below.ratio < 0
    assert below.low == 0
    assert below.high > 0.1


def _by_matrices(green, mapped, frame_mean):
    """HC2 of a regression's value at the frame's mean, and Bell and McCaffrey's degrees of freedom, by matrices."""
    count = len(green)
    design = np.column_stack([np.ones(count), mapped])
    inverse = np.linalg.inv(design.T @ design)
    hat = design @ inverse @ design.T
    counts_for = design @ inverse @ np.array([1, frame_mean])  # the estimate is counts_for @ green
    free = np.eye(count) - hat
    part = np.diag(counts_for**2 / np.diag(free))
    residual = free @ green
    both = free @ part
    return counts_for @ green, residual @ part @ residual, np.trace(both) ** 2 / np.trace(both @ both)


def test_regression_stands_on_hc2_and_bell_and_mccaffreys_degrees_of_freedom():
    ratio, variance, df = _by_matrices(GREEN, MAPPED, FRAME_MEAN)
    found = estimate_by_regression(unstratified(GREEN), _map())
    assert found.ratio == pytest.approx(ratio, abs=1e-12)
    assert found.df == pytest.approx(df, abs=1e-9)
    assert df < 18  # the textbooks' n - 2
    half = float(stats.t.ppf(0.975, df)) * variance**0.5
    assert (found.low, found.high) == pytest.approx((ratio - half, ratio + half), abs=1e-12)


def test_regression_with_strata_and_water_follows_the_weighted_line():
    """Everything, the map's shares included, half as much land: the same ratio. The slope is that of weighted least squares."""
    looks, frame_mean = _stratified(), float(WEIGHT @ STRATUM_MEANS)
    found = estimate_by_regression(looks, _map(frame_mean))
    weight = (WEIGHT / looks.counts)[STRATUM]
    slope, level = np.polyfit(MAPPED, GREEN, 1, w=np.sqrt(weight))
    assert found.ratio == pytest.approx(level + slope * frame_mean)
    assert found.low < found.ratio < found.high
    half = replace(looks, green=GREEN / 2, land=np.full(20, 0.5))
    mapped = MapShares(green=MAPPED / 2, land=np.full(20, 0.5), frame_green=frame_mean / 2, frame_land=0.5)
    again = estimate_by_regression(half, mapped)
    assert (again.ratio, again.se, again.low, again.high) == pytest.approx(
        (found.ratio, found.se, found.low, found.high)
    )


def test_a_map_of_water_helps_the_land_by_its_own_line():
    rng = np.random.default_rng(3)
    land = (rng.random(4000) < 0.8).astype(float)
    green = land * rng.beta(0.5, 0.5, 4000)
    mapped, rows = np.clip(green + rng.normal(0, 0.1, 4000) * land, 0, 1), rng.integers(0, 4000, 100)
    looks = unstratified(green[rows], land[rows])
    assist = MapShares(green=mapped[rows], land=land[rows], frame_green=mapped.mean(), frame_land=land.mean())
    found, blind = (
        estimate_by_regression(looks, one) for one in (assist, replace(assist, land=np.ones(100), frame_land=1.0))
    )
    assert abs(found.ratio - green.sum() / land.sum()) < 3 * found.se
    assert found.half_width < blind.half_width


def test_regression_of_few_looks_covers_where_the_textbooks_interval_does_not(rare):
    """A poor map of rare green, twenty looks: with the textbooks' variance and n - 2 it held the truth in 92 %."""
    mapped, rng, held = _mapped(rare, 0.25), np.random.default_rng(8), 0
    for _ in range(2000):
        rows = rng.integers(0, len(rare), 20)
        read = unstratified(rng.binomial(25, rare[rows]) / 25)
        found = estimate_by_regression(read, _of(mapped[rows], float(mapped.mean())))
        held += found.low <= rare.mean() <= found.high
    assert 0.93 <= held / 2000 <= 0.975


def test_the_effect_of_a_systematic_sample_widens_looks_alone():
    looks = unstratified(GREEN)
    for effect in (1.0, 2.0):
        wide = replace(looks, effect=effect)
        assert estimate_ratio(wide).se == pytest.approx(effect**0.5 * estimate_ratio(looks).se)
        assert estimate_ratio(wide, _map()).se == estimate_ratio(looks, _map()).se
