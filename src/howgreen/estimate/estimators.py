"""Design-based estimates of a ratio of two totals, with or without strata, with or without the map's help.

Every estimate here is the ratio of two means over the frame: of green (y) over land (x), each a share of the unit's area. Where all of a
unit is land, x is 1 and the ratio is a mean. The map enters by the difference estimator (Särndal, Swensson & Wretman 1992, ch. 6;
McRoberts 2010, doi:10.1016/j.rse.2009.10.013; "prediction-powered inference" for a mean is the same): the map's mean over the whole frame,
corrected by the mean miss in the sample. It is unbiased however bad the map is. Variances are linearised (Särndal et al., ch. 5), degrees of
freedom are Satterthwaite's, and an interval is never of width 0: shares near 0 or 1 get Wilson's interval at an effective
number of looks (after Korn & Graubard 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import EstimateError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

LEVEL = 0.95
FEWEST = 10
"""Looks below which no interval is given: with fewer, intervals are wider than the question."""
FEWEST_IN_STRATUM = 2
RARE = 0.25
"""Below this share, or above 1 - it, the interval is Wilson's: there, t intervals of few looks cover too little."""
COIN_LOOKS = 10
"""For Wilson's interval, the variance found is averaged with a coin's as if that came from this many looks: where green is rare, most small samples
hold hardly any and look surer than they are. With 10, intervals cover 94-98 % for towns of 5, 10 and 95 % green, 1 to 25 dots and 20 to 200
looks; with 0 they cover 88 % at worst."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An estimated ratio with its interval."""

    ratio: float
    se: float
    """Standard error."""
    df: float
    """Degrees of freedom of the standard error."""
    low: float
    high: float
    level: float
    n: int
    """Looks that it rests on."""
    method: str
    """In words."""

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What was read at the sampled units, in the order of looking."""

    green: Floats
    """(n,) green share of each unit, 0-1."""
    land: Floats
    """(n,) land share of each unit, 0-1; not less than ``green``."""
    stratum: Ints
    """(n,) stratum of each unit, from 0."""
    weight: Floats
    """(stratum,) share of the frame's area in each stratum; adds up to 1."""

    def __post_init__(self) -> None:
        """Check that the arrays go together.

        Raises
        ------
        EstimateError
            Shares outside 0-1, more green than land, arrays of other lengths, or weights that do not add up to 1.
        """
        lengths = {len(self.green), len(self.land), len(self.stratum)}
        if len(lengths) != 1 or not len(self.green):
            raise EstimateError(
                f"looks: {len(self.green)} shares of green, {len(self.land)} of land, {len(self.stratum)} strata; give one of each a look"
            )
        shares = np.stack([self.green, self.land])
        if not (np.isfinite(shares).all() and (shares >= 0).all() and (shares <= 1).all()):
            raise EstimateError("looks: shares of green and land are numbers of 0-1; check the answers")
        if (self.green > self.land + 1e-9).any():
            raise EstimateError("looks: a unit has more green than land; check the answers")
        if not np.isclose(self.weight.sum(), 1) or (self.weight <= 0).any():
            raise EstimateError(
                f"strata: their shares of the area add up to {self.weight.sum():.4g}, not 1; draw the sample again"
            )
        if self.stratum.min() < 0 or self.stratum.max() >= len(self.weight):
            raise EstimateError("strata: a look lies in none of them; draw the sample again")

    @property
    def counts(self) -> Ints:
        """(stratum,) looks in each."""
        return np.bincount(self.stratum, minlength=len(self.weight))


@dataclass(frozen=True, kw_only=True)
class MapShares:
    """What the map says of the same units, and of the whole frame."""

    green: Floats
    """(n,) mapped green share of each sampled unit."""
    land: Floats
    """(n,) mapped land share of each sampled unit."""
    frame_green: float
    """Mean of the mapped green share over the whole frame."""
    frame_land: float
    """Mean of the mapped land share over the whole frame."""


def unstratified(green: Floats, land: Floats | None = None) -> Looks:
    """Make the looks of a simple random sample; land is 1 everywhere where it is not given."""
    count = len(green)
    land = np.ones(count) if land is None else land
    return Looks(
        green=np.asarray(green, float),
        land=np.asarray(land, float),
        stratum=np.zeros(count, np.intp),
        weight=np.ones(1),
    )


def estimate_ratio(looks: Looks, assist: MapShares | None = None, *, level: float = LEVEL) -> Estimate:
    """Estimate green over land from looks at a probability sample, stratified or simple, assisted by the map where it is given.

    Raises
    ------
    EstimateError
        Fewer than :data:`FEWEST` looks, a stratum with fewer than :data:`FEWEST_IN_STRATUM`, or no land in any look.
    """
    _check_counts(looks)
    green, land, base_green, base_land = looks.green, looks.land, 0.0, 0.0
    if assist is not None:
        green, land = green - assist.green, land - assist.land
        base_green, base_land = assist.frame_green, assist.frame_land
    total_green = base_green + _stratified_mean(green, looks)
    total_land = base_land + _stratified_mean(land, looks)
    if total_land <= 0:
        raise EstimateError(
            "looks: none of them is on land, so there is no green ratio of the land; look at more places"
        )
    ratio = total_green / total_land
    residual = (green - ratio * land) / total_land
    variance, df = _variance(residual, looks)
    method = "ratio of two stratified means" if len(looks.weight) > 1 else "ratio of two means"
    method = (
        method
        if (looks.land < 1).any() or assist is not None
        else method.replace("ratio of two ", "").replace("means", "mean")
    )
    if assist is not None:
        method += ", assisted by the map (difference estimator)"
    return _estimate(ratio, variance, df, len(looks.green), level, method)


def estimate_by_regression(green: Floats, mapped: Floats, frame_mean: float, *, level: float = LEVEL) -> Estimate:
    """Estimate a mean from a simple random sample by its regression on the map.

    It serves samples that others drew: where strata follow the map, they already bring nearly all that the map can.

    Raises
    ------
    EstimateError
        Fewer than :data:`FEWEST` looks, or a map that says the same of all of them.
    """
    count = len(green)
    if count < FEWEST:
        raise EstimateError(f"looks: {count}, and an interval needs {FEWEST}; look at more places")
    centred = mapped - mapped.mean()
    spread = float((centred**2).sum())
    if spread <= 0:
        raise EstimateError("map: it says the same of every place in the sample; use the difference estimator")
    slope = float((centred * (green - green.mean())).sum()) / spread
    ratio = float(green.mean()) + slope * (frame_mean - float(mapped.mean()))
    residual = green - green.mean() - slope * centred
    variance = float((residual**2).sum()) / (count - 2) / count
    return _estimate(ratio, variance, count - 2, count, level, "mean, assisted by the map (regression estimator)")


@dataclass(frozen=True, kw_only=True)
class TwoPhase:
    """Two-phase difference: gold answers at some units, a reader's at all, the map everywhere."""

    estimate: Estimate
    gold: int
    """Units with a gold answer."""


def estimate_two_phase(
    reader: Floats, gold: Floats, *, mapped: Floats | None = None, frame_mean: float | None = None, level: float = LEVEL
) -> TwoPhase:
    """Estimate a mean free of the reader's errors.

    The reader's mean (itself assisted by the map) is corrected by the mean of (gold - reader) over a probability subsample. No error rate
    has to be known; the price is the variance of that correction (Särndal et al. 1992, ch. 9).

    Parameters
    ----------
    reader
        (n,) the reader's shares at all units of a simple random sample.
    gold
        (n,) agreed shares, NaN where there is none; those there are a simple random subsample.
    mapped, frame_mean
        The map at the units, and its mean over the frame; None for no map.

    Raises
    ------
    EstimateError
        Fewer than :data:`FEWEST` gold answers.
    """
    known = np.isfinite(gold)
    count, agreed = len(reader), int(known.sum())
    if agreed < FEWEST:
        raise EstimateError(f"gold answers: {agreed}, and an interval needs {FEWEST}; agree on more places")
    base = np.zeros(count) if mapped is None else mapped
    first = (0.0 if frame_mean is None else frame_mean) + float((reader - base).mean())
    correction = (gold - reader)[known]
    ratio = first + float(correction.mean())
    # The first phase's variance, of what the truth differs from the map, estimated on the gold units.
    truth = (gold - base)[known]
    variance = float(truth.var(ddof=1)) / count + float(correction.var(ddof=1)) * (1 / agreed - 1 / count)
    method = "two-phase difference: gold answers on some, the reader on all" + (
        ", the map everywhere" if mapped is not None else ""
    )
    return TwoPhase(estimate=_estimate(ratio, variance, agreed - 1, count, level, method), gold=agreed)


def wilson(share: float, n: float, *, quantile: float) -> tuple[float, float]:
    """Give Wilson's score interval (1927) of a share of ``n`` looks; ``quantile`` is that of the normal or t distribution."""
    squared = quantile**2
    middle = (share + squared / (2 * n)) / (1 + squared / n)
    half = quantile * np.sqrt(share * (1 - share) / n + squared / (4 * n**2)) / (1 + squared / n)
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def _check_counts(looks: Looks) -> None:
    count = len(looks.green)
    if count < FEWEST:
        raise EstimateError(f"looks: {count}, and an interval needs {FEWEST}; look at more places")
    poor = np.flatnonzero(looks.counts < FEWEST_IN_STRATUM)
    if len(poor):
        raise EstimateError(
            f"stratum {poor[0] + 1}: has {looks.counts[poor[0]]} looks, and each needs {FEWEST_IN_STRATUM}; look at more places of it, in the file's order"
        )


def _stratified_mean(values: Floats, looks: Looks) -> float:
    sums = np.bincount(looks.stratum, weights=values, minlength=len(looks.weight))
    return float((looks.weight * sums / looks.counts).sum())


def _variance(residual: Floats, looks: Looks) -> tuple[float, float]:
    """Variance of a stratified mean of residuals, and Satterthwaite's degrees of freedom (1946)."""
    counts = looks.counts
    parts = np.zeros(len(counts))
    for stratum, count in enumerate(counts):
        parts[stratum] = looks.weight[stratum] ** 2 * residual[looks.stratum == stratum].var(ddof=1) / count
    variance = float(parts.sum())
    most = len(residual) - len(counts)
    if variance <= 0:
        return 0.0, float(most)
    return variance, float(np.clip(variance**2 / (parts**2 / (counts - 1)).sum(), 1, most))


def _estimate(ratio: float, variance: float, df: float, n: int, level: float, method: str) -> Estimate:
    """Put the interval around a ratio: Student's, or Wilson's where the share is rare or nothing varied."""
    from scipy import stats

    se = float(np.sqrt(variance))
    inside = min(max(ratio, 0.0), 1.0)
    quantile = float(stats.t.ppf((1 + level) / 2, df))
    low, high = ratio - quantile * se, ratio + quantile * se
    if se == 0 or inside < RARE or inside > 1 - RARE:
        low, high = wilson(inside, _effective_looks(inside, variance, n), quantile=quantile)
        method += "; Wilson's interval"
    return Estimate(ratio=ratio, se=se, df=df, low=max(low, 0.0), high=min(high, 1.0), level=level, n=n, method=method)


def _effective_looks(share: float, variance: float, n: int) -> float:
    """Count the tosses of a coin that would be as sure as ``n`` looks of this variance; not more than ``n`` when nothing varied."""
    coin = share * (1 - share)
    if variance == 0 or coin == 0:
        return float(n)
    return max(coin / (((n - 1) * variance + COIN_LOOKS * coin / n) / (n - 1 + COIN_LOOKS)), 1.0)
