"""Whether the intervals hold what they promise, on towns whose truth is known: coverage, width, looks needed, as tables in Markdown.

Run by name, ``python benchmarks/sim_estimate.py [--draws 4000] [part ...]``: some minutes. The parts are ``coverage``, ``enumerated``, ``width``,
``readers``, ``stop`` and ``systematic``; ``--picture FILE`` draws what the looks bring. Every figure is of the estimators that are shipped; with 4,000 draws
a coverage of 95 % is known to 0.35 points.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage, special, stats

from howgreen.estimate.answers import DISAGREE, FEWEST_AGREED
from howgreen.estimate.design import FLOOR, Strata, allocate, expected_spread, stratify
from howgreen.estimate.estimators import (
    LEAST_FREE,
    NOTHING,
    Estimate,
    Gold,
    Looks,
    MapShares,
    _bell_mccaffrey,
    estimate_by_regression,
    estimate_ratio,
    estimate_two_phase,
)
from howgreen.estimate.frame import Frame, systematic_effect
from howgreen.estimate.intervals import intervals

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

SIDE_PX, PIXEL_M = 200, 10
PATCHINESS = 0.43
"""Of the beta distribution of green shares: a pixel's spread is then that of Sampleton."""
GREEN = (0.05, 0.10, 0.60, 0.95)
MAP_R2 = (0.5, 0.8, 0.9)
DOTS = (1, 9, 25)
LOOKS = (20, 50, 200)
ERRORS = ((0.0, 0.0), (0.05, 0.05), (0.10, 0.10), (0.02, 0.10))
HALF_WIDTHS = (0.03, 0.05)
MOST_LOOKS = 600


@dataclass(frozen=True, kw_only=True)
class Town:
    """A simulated town: what is true, and what its map says."""

    true: Floats
    """(pixel,) green share; a square, row by row."""
    mapped: Floats

    @property
    def ratio(self) -> float:
        """The truth."""
        return float(self.true.mean())


def town(green: float, r2: float, *, seed: int = 1) -> Town:
    """Make a town with patches of green, and a map whose squared correlation with the truth is ``r2``; it may be biased."""
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=(SIDE_PX, SIDE_PX)), 3, mode="wrap").ravel()
    rank = (stats.rankdata(field) - 0.5) / field.size
    true = np.asarray(stats.beta.ppf(rank, PATCHINESS * green, PATCHINESS * (1 - green)))
    noise = rng.normal(size=field.size)
    low, high = 0.0, 3.0
    for _ in range(30):  # the more noise, the less is left
        middle = (low + high) / 2
        kept = np.corrcoef(true, np.clip(true + middle * noise, 0, 1))[0, 1] ** 2
        low, high = (middle, high) if kept > r2 else (low, middle)
    return Town(true=true, mapped=np.clip(true + low * noise, 0, 1))


@dataclass(frozen=True, kw_only=True)
class Design:
    """Strata of a town, and how many looks each gets."""

    stratum: Ints
    """(pixel,)"""
    weight: Floats
    counts: Ints


def simple(place: Town, looks: int) -> Design:
    """Draw without strata."""
    return Design(stratum=np.zeros(place.true.size, np.intp), weight=np.ones(1), counts=np.array([looks]))


def stratified(place: Town, looks: int) -> Design:
    """Draw by strata, as ``howgreen sample`` does."""
    strata: Strata = stratify(place.mapped, np.ones(place.mapped.size), looks=looks)
    code = strata.of(place.mapped)
    weight = np.bincount(code, minlength=len(strata)) / code.size
    spread = np.array([expected_spread(place.mapped[code == one]).mean() for one in range(len(strata))])
    counts = allocate(weight, spread, looks=looks, floor=min(FLOOR, looks // len(weight)))
    return Design(stratum=code, weight=weight, counts=counts)


def drawn(design: Design, draws: int, rng: np.random.Generator) -> Ints:
    """(draw, look) pixels; the order of looking is random across strata."""
    parts = [
        rng.choice(np.flatnonzero(design.stratum == one), (draws, count)) for one, count in enumerate(design.counts)
    ]
    return np.asarray(rng.permuted(np.concatenate(parts, axis=1), axis=1))


def answered(place: Town, pixels: Ints, dots: int, rng: np.random.Generator) -> Floats:
    """Count dots without error."""
    return rng.binomial(dots, place.true[pixels]) / dots


def looks_of(green: Floats, design: Design, pixels: Ints) -> Looks:
    """Put one draw into the estimator's words."""
    return Looks(green=green, land=np.ones(len(green)), stratum=design.stratum[pixels], weight=design.weight)


def map_of(place: Town, pixels: Ints) -> MapShares:
    """Give what the map says."""
    return MapShares(
        green=place.mapped[pixels],
        land=np.ones(len(pixels)),
        frame_green=float(place.mapped.mean()),
        frame_land=1.0,
    )


@dataclass
class Tally:
    """How often the truth was inside, and how wide the interval was."""

    truth: float
    found: list[Estimate]

    @property
    def coverage(self) -> float:
        """Share of intervals that hold the truth."""
        return float(np.mean([one.low <= self.truth <= one.high for one in self.found]))

    @property
    def half_width(self) -> float:
        """Mean half-width."""
        return float(np.mean([one.half_width for one in self.found]))

    @property
    def bias(self) -> float:
        """Mean miss."""
        return float(np.mean([one.ratio for one in self.found])) - self.truth


Estimator = Callable[[Town, Design, Ints, Floats], Estimate]


def plain(_: Town, design: Design, pixels: Ints, green: Floats) -> Estimate:
    """Estimate from the looks alone."""
    return estimate_ratio(looks_of(green, design, pixels))


def with_map(place: Town, design: Design, pixels: Ints, green: Floats) -> Estimate:
    """Estimate from the looks and the map."""
    return estimate_ratio(looks_of(green, design, pixels), map_of(place, pixels))


def regression(place: Town, design: Design, pixels: Ints, green: Floats) -> Estimate:
    """Estimate by regression on the map."""
    return estimate_by_regression(looks_of(green, design, pixels), map_of(place, pixels))


WAYS: dict[str, tuple[Callable[[Town, int], Design], Estimator]] = {
    "looks alone": (simple, plain),
    "with the map": (simple, with_map),
    "regression": (simple, regression),
    "strata": (stratified, plain),
    "strata and map": (stratified, with_map),
    "strata and regression": (stratified, regression),
}


@dataclass
class Tallies:
    """As :class:`Tally`, of many draws at once."""

    truth: float
    low: Floats
    high: Floats

    @property
    def coverage(self) -> float:
        """Share of intervals that hold the truth."""
        return float(((self.low <= self.truth) & (self.truth <= self.high)).mean())

    @property
    def half_width(self) -> float:
        """Mean half-width."""
        return float((self.high - self.low).mean()) / 2


CHECKED = 10
"""Draws of each cell that are estimated one by one as well: both must give the same interval."""


def tallies(place: Town, looks: int, dots: int, draws: int, *, seed: int) -> dict[str, Tallies]:
    """Draw a cell's samples and estimate in every way."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, (make, estimator) in WAYS.items():
        design = make(place, looks)
        if len(design.weight) == 1 and make is stratified:
            continue
        pixels = drawn(design, draws, rng)
        green = answered(place, pixels, dots, rng)
        low, high = at_once(place, design, pixels, green, way=estimator)
        for one, answers, *ends in zip(pixels[:CHECKED], green, low, high, strict=False):
            shipped = estimator(place, design, one, answers)
            if not np.allclose(ends, (shipped.low, shipped.high), atol=1e-9):
                raise RuntimeError(f"{name}: {ends} at once, {shipped} one by one")
        found[name] = Tallies(place.ratio, low, high)
    return found


def at_once(place: Town, design: Design, pixels: Ints, green: Floats, *, way: Estimator) -> tuple[Floats, Floats]:
    """Give the ends of the intervals of all draws (draw, look), by the estimators' own rule of intervals."""
    looks, mapped, mean = green.shape[1], place.mapped[pixels], float(place.mapped.mean())
    if way is regression:
        return _by_regression(design, design.stratum[pixels], green, mapped, mean)
    stratum, left = design.stratum[pixels], green - mapped if way is with_map else green
    ratio, variance, df = _means(design, stratum, left)
    square, _, _ = _means(design, stratum, green**2)
    alone = ratio if way is plain else _means(design, stratum, green)[0]
    whole = (square - alone**2) / (looks - 1)
    unexplained = np.where(whole > 1e-15, np.minimum(variance / np.where(whole > 1e-15, whole, 1), 1), 1.0)
    assisted = way is with_map
    low, high, _ = intervals(
        ratio + (mean if assisted else 0.0), variance, df, looks, unexplained=unexplained,
        way="strata" if len(design.weight) > 1 else "assisted" if assisted else "simple",
        alike=np.ptp(green, axis=1) == 0,
    )  # fmt: skip
    return low, high


def _means(design: Design, stratum: Ints, values: Floats) -> tuple[Floats, Floats, Floats]:
    """Give the stratified mean of each draw (draw, look), its variance and Satterthwaite's degrees of freedom."""
    mean, variance, parts = (np.zeros(len(values)) for _ in range(3))
    for one, (weight, count) in enumerate(zip(design.weight, design.counts, strict=True)):
        mine = stratum == one
        middle = (values * mine).sum(axis=1) / count
        spread = (((values - middle[:, None]) ** 2) * mine).sum(axis=1) / (count - 1)
        mean += weight * middle
        variance += weight**2 * spread / count
        parts += (weight**2 * spread / count) ** 2 / (count - 1)
    variance[variance < NOTHING] = 0
    most = values.shape[1] - len(design.weight)
    return mean, variance, np.clip(np.where(variance > 0, variance**2 / np.where(parts > 0, parts, 1), most), 1, most)


def _by_regression(design: Design, stratum: Ints, green: Floats, mapped: Floats, mean: float) -> tuple[Floats, Floats]:
    """Give the ends by regression; see :func:`howgreen.estimate.estimators.estimate_by_regression`."""
    looks, weight = green.shape[1], (design.weight / design.counts)[stratum]
    across, up = (one - (weight * one).sum(axis=1, keepdims=True) for one in (mapped, green))
    spread = (weight * across**2).sum(axis=1, keepdims=True)
    slope = (weight * across * up).sum(axis=1, keepdims=True) / spread
    shift = mean - (weight * mapped).sum(axis=1, keepdims=True)
    ratio = ((weight * green).sum(axis=1, keepdims=True) + slope * shift)[:, 0]
    own = (1 - 1 / design.counts)[stratum]
    free = np.maximum(own - weight * across**2 / spread, LEAST_FREE)
    left, counts_for = up - slope * across, 1 + shift * across / spread
    for one in range(len(design.weight)):
        mine = stratum == one
        left = np.where(mine, left - (left * mine).sum(axis=1, keepdims=True) / design.counts[one], left)
    squares = (counts_for * left) ** 2 * own / free
    parts = np.stack(
        [
            weight**2 * (squares * (stratum == one)).sum(axis=1) / count / (count - 1)
            for one, (weight, count) in enumerate(zip(design.weight, design.counts, strict=True))
        ],
        axis=1,
    )
    variance = parts.sum(axis=1)
    variance[variance < NOTHING] = 0
    most = looks - len(design.weight)
    df = variance**2 / np.maximum((parts**2 / (design.counts - 1)).sum(axis=1), 1e-300)
    df = np.clip(np.where(variance > 0, df, most), 1, most)
    alone, _, _ = _means(design, stratum, up**2)
    whole = np.maximum(alone / (looks - 1), 1e-15)
    if len(design.weight) > 1:
        df = np.maximum(df - 1, 1)
    else:
        df = np.array([_bell_mccaffrey(*one) for one in zip(counts_for**2 / free, across, strict=True)])
    low, high, _ = intervals(
        ratio, variance, df, looks, unexplained=np.where(whole > 1e-15, np.minimum(variance / whole, 1), 1.0),
        way="strata" if len(design.weight) > 1 else "other", alike=np.ptp(green, axis=1) == 0,
    )  # fmt: skip
    return low, high


def coverage(draws: int) -> None:
    """Print coverage and half-width of every cell, then the worst of each way."""
    table(["green", "map R²", "dots", "looks", *(f"{name}" for name in WAYS)])
    worst: dict[tuple[str, int], list[float]] = {}
    for green in GREEN:
        for r2 in MAP_R2:
            place = town(green, r2)
            for dots in DOTS:
                for looks in LOOKS:
                    found = tallies(place, looks, dots, draws, seed=looks + dots)
                    cells = [
                        f"{100 * found[name].coverage:.1f} (±{100 * found[name].half_width:.1f})"
                        if name in found
                        else "–"
                        for name in WAYS
                    ]
                    row([f"{place.ratio:.2f}", f"{r2:.1f}", str(dots), str(looks), *cells])
                    for name, one in found.items():
                        worst.setdefault((name, looks), []).append(one.coverage)
    print()
    table(["way", "looks", "least covered, %", "most covered, %", "cells of 93-97 %"])
    for (name, looks), values in sorted(worst.items(), key=lambda item: (list(WAYS).index(item[0][0]), item[0][1])):
        good = sum(0.93 <= value <= 0.97 for value in values)
        row([name, str(looks), f"{100 * min(values):.1f}", f"{100 * max(values):.1f}", f"{good} of {len(values)}"])


def enumerated(_: int) -> None:
    """Print exact coverage where one dot is read in each place: every count weighed by its probability, for the intervals that are best known."""
    known = {name: ends for name, ends in _known_intervals().items() if name != "ours"}
    table(["green", "looks", "nearest that a range of counts can cover, %", *known, "ours"])
    for green in GREEN:
        share = town(green, MAP_R2[0]).ratio
        for looks in LOOKS:
            chance = stats.binom.pmf(np.arange(looks + 1), looks, share)
            ends = np.concatenate([[0.0], np.cumsum(chance)])
            ranges = (ends[None, :] - ends[:, None])[np.triu_indices(looks + 2, 1)]
            below, above = ranges[ranges <= 0.95].max(), ranges[ranges > 0.95].min()
            counts = np.arange(looks + 1) / looks
            row([f"{share:.2f}", str(looks), f"{100 * below:.1f}, {100 * above:.1f}",
                 *(f"{100 * _held(interval(counts, np.full(looks + 1, float(looks))), share, chance):.1f}" for interval in known.values()),
                 f"{100 * _held(_ours(counts, counts * (1 - counts) / (looks - 1), np.full(looks + 1, looks - 1.0), looks, strata=False), share, chance):.1f}"])  # fmt: skip
    print()
    table(["green", "map R²", "one dot in the largest stratum moves the estimate by", *known, "ours"])
    for green in GREEN:
        for r2 in MAP_R2:
            _enumerate_strata(town(green, r2), r2, known)


Interval = Callable[[Floats, Floats], tuple[Floats, Floats]]


def _known_intervals() -> dict[str, Interval]:
    """Intervals of a share by (shares, effective looks): Brown, Cai & DasGupta 2001; in strata, Korn & Graubard's (1998) looks."""
    normal = float(stats.norm.ppf(0.975))

    def wilsons(share: Floats, looks: Floats) -> tuple[Floats, Floats]:
        middle = (share + normal**2 / (2 * looks)) / (1 + normal**2 / looks)
        half = normal * np.sqrt(share * (1 - share) / looks + normal**2 / (4 * looks**2)) / (1 + normal**2 / looks)
        return middle - half, middle + half

    def agresti_coull(share: Floats, looks: Floats) -> tuple[Floats, Floats]:
        more = looks + normal**2
        middle = (share * looks + normal**2 / 2) / more
        half = normal * np.sqrt(middle * (1 - middle) / more)
        return middle - half, middle + half

    def jeffreys(share: Floats, looks: Floats) -> tuple[Floats, Floats]:
        count = share * looks
        low, high = (stats.beta.ppf(end, count + 0.5, looks - count + 0.5) for end in (0.025, 0.975))
        return np.where(share <= 0, 0.0, low), np.where(share >= 1, 1.0, high)

    def clopper_pearson(share: Floats, looks: Floats) -> tuple[Floats, Floats]:
        count, tiny = share * looks, 1e-9
        low = stats.beta.ppf(0.025, np.maximum(count, tiny), looks - count + 1)
        high = stats.beta.ppf(0.975, count + 1, np.maximum(looks - count, tiny))
        return np.where(count <= tiny, 0.0, low), np.where(looks - count <= tiny, 1.0, high)

    def mid_p(share: Floats, looks: Floats) -> tuple[Floats, Floats]:
        """Search where half of the count's own probability belongs to the tail."""
        count, ends = share * looks, []
        for upper in (False, True):
            low, high = np.zeros_like(share), np.ones_like(share)
            for _ in range(40):
                middle = (low + high) / 2
                least = special.betainc(np.maximum(count, 1e-9), looks - count + 1, middle)  # of so many or more
                more = special.betainc(count + 1, np.maximum(looks - count, 1e-9), middle)
                tail = (np.where(count <= 0, 1.0, least) + np.where(count >= looks, 0.0, more)) / 2
                go_up = (tail if not upper else tail - 1) < (0.025 if not upper else -0.025)
                low, high = np.where(go_up, middle, low), np.where(go_up, high, middle)
            ends.append((low + high) / 2)
        return np.where(count <= 0, 0.0, ends[0]), np.where(count >= looks, 1.0, ends[1])

    return {
        "Wilson": wilsons, "Agresti-Coull": agresti_coull, "Jeffreys": jeffreys, "mid-p": mid_p, "Clopper-Pearson": clopper_pearson,
    }  # fmt: skip


def _held(ends: tuple[Floats, Floats], truth: float, chance: Floats) -> float:
    return float(chance[(ends[0] <= truth) & (truth <= ends[1])].sum() / chance.sum())


def _ours(share: Floats, variance: Floats, df: Floats, looks: int, *, strata: bool) -> tuple[Floats, Floats]:
    whole = share * (1 - share) / (looks - 1)
    unexplained = np.where(whole > 0, np.minimum(variance / np.where(whole > 0, whole, 1), 1), 1.0)
    low, high, _ = intervals(
        share, variance, df, looks, unexplained=unexplained, way="strata" if strata else "simple", alike=whole <= 0
    )
    return low, high


LEAST_CHANCE = 1e-8
"""Of a combination of counts that is looked at."""


def _enumerate_strata(place: Town, r2: float, known: dict[str, Interval], *, looks: int = 50) -> None:
    """Print a row: all combinations of counts in the strata that ``howgreen sample`` makes."""
    design = stratified(place, looks)
    strata = len(design.weight)
    true = np.array([place.true[design.stratum == one].mean() for one in range(strata)])
    counts = np.stack(
        [one.ravel() for one in np.meshgrid(*(np.arange(n + 1) for n in design.counts), indexing="ij")], axis=1
    )
    chance = np.exp(stats.binom.logpmf(counts, design.counts, true).sum(axis=1))
    counts, chance = counts[chance > LEAST_CHANCE], chance[chance > LEAST_CHANCE]
    each = counts / design.counts
    share = each @ design.weight
    parts = design.weight**2 * each * (1 - each) / (design.counts - 1)
    variance = np.where(parts.sum(axis=1) < NOTHING, 0.0, parts.sum(axis=1))
    varied = np.where(variance > 0, variance, 1.0)
    df = np.clip(
        np.where(
            variance > 0, variance**2 / np.maximum((parts**2 / (design.counts - 1)).sum(axis=1), 1e-30), looks - strata
        ),
        1,
        looks - strata,
    )
    effective = np.where(variance > 0, share * (1 - share) / varied, looks)
    effective = np.maximum(effective * (stats.t.ppf(0.975, looks - 1) / stats.t.ppf(0.975, df)) ** 2, 1)
    found = [_held(interval(share, effective), place.ratio, chance) for interval in known.values()]
    found.append(_held(_ours(share, variance, df, looks, strata=True), place.ratio, chance))
    moved = 100 * float((design.weight / design.counts)[design.weight.argmax()])
    row([f"{place.ratio:.2f}", f"{r2:.1f}", f"{moved:.1f} points", *(f"{100 * one:.1f}" for one in found)])


def readers(draws: int, *, looks: int = 200, green: float = 0.6, r2: float = 0.8) -> None:
    """Print what readers' errors do to the estimate from one reader, and to the two-phase one."""
    place = town(green, r2)
    design = stratified(place, looks)
    table(
        [
            "dots",
            "bare read as green / green as bare",
            "one reader: bias",
            "covers, %",
            "agreed answers: bias",
            "covers, %",
            "half-width",
        ]
    )
    for dots in (1, 9):
        for wrong in ERRORS:
            rng = np.random.default_rng(looks + dots)
            pixels = drawn(design, draws, rng)
            read = Tally(place.ratio, [])
            agreed = Tally(place.ratio, [])
            for one in pixels:
                true = rng.random((looks, dots)) < place.true[one][:, None]
                first, second = (_misread(true, wrong, rng) for _ in range(2))
                green_read = first.mean(axis=1)
                read.found.append(with_map(place, design, one, green_read))
                gold = _gold(true.mean(axis=1), green_read, second.mean(axis=1), rng)
                agreed.found.append(estimate_two_phase(looks_of(green_read, design, one), gold, map_of(place, one)))
            row([
                str(dots), f"{wrong[0]:.0%} / {wrong[1]:.0%}", f"{100 * read.bias:+.1f}", f"{100 * read.coverage:.1f}",
                f"{100 * agreed.bias:+.1f}", f"{100 * agreed.coverage:.1f}", f"±{100 * agreed.half_width:.1f}",
            ])  # fmt: skip


def _misread(
    true: npt.NDArray[np.bool_], wrong: tuple[float, float], rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    return true ^ (rng.random(true.shape) < np.where(true, wrong[1], wrong[0]))


def _gold(true: Floats, first: Floats, second: Floats, rng: np.random.Generator) -> Gold:
    """Agree on all disagreements of a fifth, and on others, as ``howgreen label --agree`` asks."""
    twice = rng.choice(len(true), len(true) // 5, replace=False)
    apart = twice[np.abs(first[twice] - second[twice]) > DISAGREE]
    alike = np.setdiff1d(twice, apart)
    again = rng.choice(alike, min(max(len(apart), FEWEST_AGREED - len(apart)), len(alike)), replace=False)
    position = np.concatenate([apart, again]).astype(np.intp)
    weight = np.concatenate([np.ones(len(apart)), np.full(len(again), len(alike) / len(again))])
    return Gold(position=position, green=true[position], land=np.ones(len(position)), weight=weight)


def stop(draws: int, *, green: float = 0.6, r2: float = 0.8) -> None:
    """Print coverage where looking stops as soon as the interval is as narrow as wanted."""
    place = town(green, r2)
    table(["design", "dots", "stops at", "covers, %", "looks: mean", "least", "most"])
    for make, start in ((simple, 20), (stratified, 30)):
        for dots in (1, 9):
            for wanted in HALF_WIDTHS:
                rng = np.random.default_rng(start + dots)
                design = make(place, MOST_LOOKS)
                tally, counts = Tally(place.ratio, []), []
                for _ in range(draws):
                    pixels = drawn(design, 1, rng)[0]
                    answers = answered(place, pixels, dots, rng)
                    tally.found.append(_stopped(place, design, pixels, answers, start=start, wanted=wanted))
                    counts.append(tally.found[-1].n)
                row([
                    "strata" if make is stratified else "simple", str(dots), f"±{100 * wanted:.0f}", f"{100 * tally.coverage:.1f}",
                    f"{np.mean(counts):.0f}", str(min(counts)), str(max(counts)),
                ])  # fmt: skip


def _stopped(place: Town, design: Design, pixels: Ints, answers: Floats, *, start: int, wanted: float) -> Estimate:
    """Look at one place after the other until the interval may be shown and is narrow enough."""
    for looks in range(start, len(pixels) + 1):
        seen, green = pixels[:looks], answers[:looks]
        counts = np.bincount(design.stratum[seen], minlength=len(design.weight))
        if (len(design.weight) > 1 and counts.min() < FLOOR) or np.ptp(green) == 0:
            continue
        found = with_map(place, design, seen, green)
        if found.half_width <= wanted:
            break
    return found


def systematic(draws: int, *, r2: float = 0.8) -> None:
    """Print what a systematic sample's interval covers, and how much more its variance is than a simple one's by the map, and in truth."""
    table(["green", "looks", "effect by the map", "in truth", "looks alone: covers, %", "half-width", "with the map: covers, %", "half-width"])  # fmt: skip
    for green in GREEN:
        place = town(green, r2)
        for step in (28, 20, 14):
            rng = np.random.default_rng(step)
            looks = round((SIDE_PX / step) ** 2)
            effect = systematic_effect(_frame(place), looks, rng)
            alone, helped = Tally(place.ratio, []), Tally(place.ratio, [])
            for top, left in rng.integers(0, step, (draws, 2)):
                rows, columns = np.meshgrid(
                    np.arange(top, SIDE_PX, step), np.arange(left, SIDE_PX, step), indexing="ij"
                )
                pixels = (rows * SIDE_PX + columns).ravel()
                design = simple(place, len(pixels))
                seen = looks_of(answered(place, pixels, 9, rng), design, pixels)
                alone.found.append(estimate_ratio(replace(seen, effect=effect)))
                helped.found.append(estimate_ratio(seen, map_of(place, pixels)))
            expected = np.mean([one.se**2 for one in alone.found]) / effect
            true = np.mean([(one.ratio - place.ratio) ** 2 for one in alone.found]) / expected
            row([
                f"{place.ratio:.2f}", str(looks), f"{effect:.2f}", f"{true:.2f}", f"{100 * alone.coverage:.1f}",
                f"±{100 * alone.half_width:.1f}", f"{100 * helped.coverage:.1f}", f"±{100 * helped.half_width:.1f}",
            ])  # fmt: skip


def _frame(place: Town) -> Frame:
    """Put a town on a grid of 10 m."""
    side = SIDE_PX * PIXEL_M
    whole = np.ones((SIDE_PX, SIDE_PX), np.float32)
    return Frame(
        place="town", place_id="town", plan_sha256="", grid=GeoBox(whole.shape, Affine(PIXEL_M, 0, 0, 0, -PIXEL_M, side), "EPSG:32631"),
        shape=shapely.box(0, 0, side, side), cover=whole, green=place.mapped.reshape(whole.shape).astype(np.float32), land=whole, map_rmse=0.2,
    )  # fmt: skip


def width(draws: int, *, picture: Path | None = None) -> None:
    """Print, and draw, the half-width by the number of looks."""
    place = town(0.6, 0.8)
    steps = (20, 30, 50, 75, 100, 150, 200, 300, 400)
    table(["dots", "looks", *WAYS])
    curves: dict[tuple[int, str], list[float]] = {}
    for dots in (1, 9):
        for looks in steps:
            found = tallies(place, looks, dots, max(draws // 10, 20), seed=looks)
            row(
                [
                    str(dots),
                    str(looks),
                    *(f"±{100 * found[name].half_width:.1f}" if name in found else "–" for name in WAYS),
                ]
            )
            for name, one in found.items():
                curves.setdefault((dots, name), []).append(100 * one.half_width)
    if picture is not None:
        _draw(curves, steps, picture)


def _draw(curves: dict[tuple[int, str], list[float]], steps: tuple[int, ...], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    shown = (
        (1, "looks alone", "#9a8f7d", "looks alone, one dot a place"), (9, "looks alone", "#b8733c", "looks alone, nine dots a place"),
        (1, "strata and map", "#7fae6b", "looks and map, one dot"), (9, "strata and map", "#1b6b2f", "looks and map, nine dots"),
    )  # fmt: skip
    for dots, name, colour, label in shown:
        axes.plot(steps, curves[dots, name], color=colour, lw=2.4, label=label)
    axes.axhline(3, color="#555555", lw=0.8, ls=(0, (4, 3)))
    axes.text(4, 2.85, "±3 points", va="top", size=9, color="#555555")
    axes.set(
        xlabel="places that a person looks at",
        ylabel="half-width of the 95 % interval, points",
        ylim=(0, None),
        xlim=(0, steps[-1]),
    )
    axes.grid(axis="y", color="#e4e0d8")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(file, dpi=140)


def table(names: Iterable[str]) -> None:
    """Print the head of a Markdown table."""
    names = list(names)
    row(names)
    row(["---"] * len(names))


def row(cells: Iterable[str]) -> None:
    """Print a row of a Markdown table."""
    print("| " + " | ".join(cells) + " |", flush=True)


PARTS: dict[str, Callable[[int], None]] = {
    "readers": readers, "width": width, "systematic": systematic, "coverage": coverage, "enumerated": enumerated, "stop": stop,
}  # fmt: skip


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    for name in asked.parts or PARTS:
        started = time.perf_counter()
        print(f"\n## {name}, {asked.draws:,} draws a cell\n", flush=True)
        width(asked.draws, picture=asked.picture) if name == "width" else PARTS[name](asked.draws)
        print(f"\n({time.perf_counter() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
