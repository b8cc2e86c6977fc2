"""Design-based estimates of a ratio of two totals, with or without strata, with or without the map's assistance.

Every estimate here is the ratio of two means over the frame: of green (y) over land (x), each a share of the unit's
area. If all of a unit is land, x is 1 and the ratio is a mean. The map enters by the difference estimator (Särndal,
Swensson & Wretman 1992, ch. 6; McRoberts 2010, doi:10.1016/j.rse.2009.10.013; "prediction-powered inference" is the
same for a mean): the map's mean over the whole frame, corrected by the mean residual in the sample. It is unbiased
however bad the map is. Variances are linearised (Särndal et al., ch. 5), degrees of freedom are Satterthwaite's, and an
interval never has width 0: it is Wilson's at an effective sample size (after Korn & Graubard 1998), except where the
map assists a simple sample, whose residuals are symmetric. See :mod:`howgreen.estimate.intervals`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import EstimateError
from howgreen.estimate.intervals import LEVEL, Way, intervals

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

FEWEST = 10
"""Fewest looks for an interval: with fewer, it is too wide to answer the question."""
FEWEST_IN_STRATUM = 2
NOTHING = 1e-18
"""A smaller variance is rounding: all answers of each stratum were equal."""


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
    """Number of looks it rests on."""
    method: str
    """Description in words."""

    @property
    def half_width(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Readings of the sampled units, in the order of looking."""

    green: Floats
    """(n,) green share of each unit, 0-1."""
    land: Floats
    """(n,) land share of each unit, 0-1; not less than ``green``."""
    stratum: Ints
    """(n,) stratum of each unit, from 0."""
    weight: Floats
    """(stratum,) share of the frame's area in each stratum; sums to 1."""
    effect: float = 1.0
    """Variance of the looks alone relative to a simple sample, at least 1: for a systematic sample, whose own looks
    cannot reveal it."""

    def __post_init__(self) -> None:
        """Check that the arrays are consistent.

        Raises
        ------
        EstimateError
            Shares outside 0-1, more green than land, arrays of different lengths, or weights that do not sum to 1.
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
    """The map's values for the same units, and for the whole frame."""

    green: Floats
    """(n,) mapped green share of each sampled unit."""
    land: Floats
    """(n,) mapped land share of each sampled unit."""
    frame_green: float
    """Mean of the mapped green share over the whole frame."""
    frame_land: float
    """Mean of the mapped land share over the whole frame."""


def unstratified(green: Floats, land: Floats | None = None) -> Looks:
    """Make the looks of a simple random sample; land is 1 everywhere if not given."""
    count = len(green)
    land = np.ones(count) if land is None else land
    return Looks(
        green=np.asarray(green, float),
        land=np.asarray(land, float),
        stratum=np.zeros(count, np.intp),
        weight=np.ones(1),
    )


def estimate_ratio(looks: Looks, assist: MapShares | None = None) -> Estimate:
    """Estimate green over land from a probability sample, stratified or simple, assisted by the map if given.

    Raises
    ------
    EstimateError
        Fewer than :data:`FEWEST` looks, a stratum with fewer than :data:`FEWEST_IN_STRATUM`, or no land in any look.
    """
    _check_counts(looks)
    line = _linearise(looks, assist)
    variance, df = _variance(line, looks, assist)
    method = "ratio of two stratified means" if len(looks.weight) > 1 else "ratio of two means"
    method = (
        method
        if (looks.land < 1).any() or assist is not None
        else method.replace("ratio of two ", "").replace("means", "mean")
    )
    if assist is not None:
        method += ", assisted by the map (difference estimator)"
    way: Way = "strata" if len(looks.weight) > 1 else "simple" if assist is None else "assisted"
    unexplained, alike = _unexplained(variance, looks)
    shape = _Shape(way=way, unexplained=unexplained, alike=alike)
    return _estimate(line.ratio, variance, df, len(looks.green), method, shape=shape)


def _unexplained(variance: float, looks: Looks) -> tuple[float, bool]:
    """Return the variance relative to an equal simple sample without a map, at most 1; and whether all are alike."""
    alone = _linearise(looks, None).residual
    most = _stratified_mean(alone**2, looks) / (len(alone) - 1)
    return (min(variance / most, 1.0), False) if most > NOTHING else (1.0, True)


@dataclass(frozen=True, kw_only=True)
class _Linearised:
    """A ratio of two estimated totals, and each look's contribution to its error."""

    ratio: float
    total_land: float
    residual: Floats
    """(n,) linearised residuals: the ratio's error is their stratified mean."""


def _linearise(looks: Looks, assist: MapShares | None) -> _Linearised:
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
    return _Linearised(ratio=ratio, total_land=total_land, residual=(green - ratio * land) / total_land)


def estimate_by_regression(looks: Looks, assist: MapShares) -> Estimate:
    """Estimate the ratio by regression on the map, for simple or stratified samples (Särndal et al. 1992, ch. 6, 7).

    This is the difference estimator with the map rescaled by the slope of answers on map. It helps if the map's scale
    is wrong and strata cannot correct that: strata that follow the map already gain nearly all it can give. With few
    looks the slope is uncertain and adapts to the answers. So each residual is weighted by its contribution to the
    total (Särndal, Swensson & Wretman 1989, doi:10.1093/biomet/76.3.527) and corrected for its leverage on the line
    (MacKinnon & White 1985, HC2), with Bell and McCaffrey's degrees of freedom (2002). The interval rests on that;
    ``se`` is the textbook's, from plain residuals, and smaller with few looks.

    Raises
    ------
    EstimateError
        As :func:`estimate_ratio`; or the map is constant.
    """
    _check_counts(looks)
    green = _line(looks, looks.green, assist.green, assist.frame_green)
    if green is None:
        raise EstimateError("map: it says the same of every place in the sample; use the difference estimator")
    land = _line(looks, looks.land, assist.land, assist.frame_land) or replace(green, slope=0.0, shift=0.0)
    stretched = MapShares(
        green=green.slope * assist.green,
        land=land.slope * assist.land,
        frame_green=green.slope * assist.frame_green,
        frame_land=land.slope * assist.frame_land,
    )
    line = _linearise(looks, stretched)
    counts_for = 1 + green.shift * green.across
    of_green, of_land = (
        one - _stratum_means(one, looks) for one in (looks.green - stretched.green, looks.land - stretched.land)
    )
    left = counts_for * of_green - line.ratio * (1 + land.shift * land.across) * of_land
    own = 1 - 1 / looks.counts[looks.stratum]
    free = np.maximum(own - green.pull, LEAST_FREE)
    variance, df = _of_squares((left / line.total_land) ** 2 * own / free, looks)
    stratified = len(looks.weight) > 1
    df = max(df - 1, 1.0) if stratified else _bell_mccaffrey(counts_for**2 / free, green.across)
    unexplained, alike = _unexplained(variance, looks)
    shape = _Shape(way="strata" if stratified else "other", unexplained=unexplained, alike=alike)
    method = "ratio of two means, assisted by the map (regression estimator)"
    found = _estimate(line.ratio, variance, df, len(looks.green), method, shape=shape)
    most = len(looks.green) - len(looks.weight)
    return replace(found, se=float(np.sqrt(variance_of(line.residual, looks)[0] * most / (most - 1))))


@dataclass(frozen=True, kw_only=True)
class _Line:
    """The regression line of answers on map over the frame, by weighted least squares."""

    slope: float
    across: Floats
    """(n,) position of each look on the map axis, from the mean."""
    shift: float
    """Distance from the looks' mean to the frame's on the map axis, over the looks' mean square ``across``."""
    pull: Floats
    """(n,) leverage of each look on the slope: its total leverage less that on the mean."""


LEAST_FREE = 0.01
"""Least part of a residual that is free of the look's own leverage: a look that determines the line alone has none."""


def _line(looks: Looks, answers: Floats, mapped: Floats, frame_mean: float) -> _Line | None:
    """Fit answers on map; None if the map is constant."""
    weight = (looks.weight / looks.counts)[looks.stratum]
    mean = float((weight * mapped).sum())
    across = mapped - mean
    square = float((weight * across**2).sum())
    if square < NOTHING:
        return None
    slope = float((weight * across * answers).sum()) / square
    return _Line(slope=slope, across=across, shift=(frame_mean - mean) / square, pull=weight * across**2 / square)


def _bell_mccaffrey(part: Floats, across: Floats) -> float:
    """Compute the degrees of freedom of a variance that sums ``part`` x residual^2, in a line with a mean.

    All residuals are assumed to have equal variance.
    """
    count, square = len(part), float((across**2).sum())
    diagonal = 1 - 1 / count - across**2 / square
    both = part.sum() ** 2 / count**2 + 2 * (part * across).sum() ** 2 / (count * square)
    both += (part * across**2).sum() ** 2 / square**2
    return float((part * diagonal).sum() ** 2 / ((part**2 * (2 * diagonal - 1)).sum() + both))


@dataclass(frozen=True, kw_only=True)
class Gold:
    """Agreed answers at some of the units read by two people."""

    position: Ints
    """(g,) index of the look each belongs to."""
    green: Floats
    """(g,) agreed green share."""
    land: Floats
    """(g,) agreed land share."""
    weight: Floats
    """(g,) number of units read twice that each represents: 1 for a disagreement, all of which are agreed on; for an
    agreement, the number of agreements over those interpreted again."""


def estimate_two_phase(looks: Looks, gold: Gold, assist: MapShares | None = None) -> Estimate:
    """Estimate the ratio free of the reader's errors, by double sampling.

    The readers' estimate is corrected by the mean of (agreed - read) over the units read twice, themselves a simple
    random subsample of the looks. No error rate has to be known; the price is the variance of that correction (Särndal
    et al. 1992, ch. 9). If not all agreements were interpreted again, they are a stratum of the second phase (Cochran
    1977, ch. 12).

    Raises
    ------
    EstimateError
        Fewer than :data:`FEWEST` agreed answers, or as :func:`estimate_ratio`.
    """
    agreed = len(gold.position)
    if agreed < FEWEST:
        raise EstimateError(f"agreed answers: {agreed}, and an interval needs {FEWEST}; agree on more places")
    _check_counts(looks)
    line = _linearise(looks, assist)
    count, twice = len(looks.green), float(gold.weight.sum())
    unit_weight = count * (looks.weight / looks.counts)[looks.stratum]  # 1 in a simple sample
    missed_green, missed_land = gold.green - looks.green[gold.position], gold.land - looks.land[gold.position]
    missed = (missed_green - line.ratio * missed_land) / line.total_land * unit_weight[gold.position]
    correction = float((gold.weight * missed).sum()) / twice
    read = line.residual[gold.position] * unit_weight[gold.position]
    read_mean = float((gold.weight * read).sum()) / twice
    spread = float((gold.weight * (missed - correction) ** 2).sum()) / (twice - 1)
    shared = float((gold.weight * (missed - correction) * (read - read_mean)).sum()) / (twice - 1)
    # Variance of the truth in the first phase, plus that of the second, in which not all agreements are interpreted
    # again.
    variance, _ = _variance(line, looks, assist)
    variance = max(variance + (spread + 2 * shared) / count, 0.0) + spread * (1 / twice - 1 / count)
    again = gold.weight > 1
    if again.sum() > 1:
        alike = float(gold.weight[again].sum())
        left = 1 / float(again.sum()) - 1 / alike
        variance += (alike / twice) ** 2 * float(missed[again].var(ddof=1)) * left
    method = "two-phase difference: agreed answers on some, readers on all" + (
        ", the map everywhere" if assist is not None else ""
    )
    shape = _Shape(way="other" if assist is None else "assisted")
    return _estimate(line.ratio + correction, variance, agreed - 1, count, method, shape=shape)


@dataclass(frozen=True, kw_only=True)
class ReadDots:
    """A reader's calls on dots with a known agreed answer, by unit."""

    bare: Floats
    """(g,) land dots that truly are not green."""
    bare_as_green: Floats
    green: Floats
    """(g,) dots that truly are green."""
    green_as_bare: Floats
    weight: Floats
    """(g,) weight of each unit."""


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """A ratio corrected by the reader's own error rates."""

    estimate: Estimate
    bare_as_green: float
    """Share of bare dots that the reader called green (e0)."""
    green_as_bare: float
    """Share of green dots that the reader called bare (e1)."""


FEWEST_DOTS = 30
"""Fewest dots of either kind for an error rate."""
LEAST_SKILL = 0.3
"""Least 1 - e0 - e1: below it, the reader separates green from bare hardly better than chance, and dividing by it
amplifies noise."""


def estimate_corrected(observed: Estimate, dots: ReadDots) -> Corrected | None:
    """Correct the reader's share by the error rates at agreed answers: (p - e0) / (1 - e0 - e1) (Rogan & Gladen 1978).

    The interval includes the variance of both rates, with units as clusters. None if there are too few dots for the
    rates, or the reader hardly separates green from bare. The two-phase estimate does not assume constant rates, and
    takes precedence.
    """
    if len(dots.weight) < FEWEST or min(dots.bare.sum(), dots.green.sum()) < FEWEST_DOTS:
        return None
    low, low_variance = _rate(dots.bare_as_green, dots.bare, dots.weight)
    high, high_variance = _rate(dots.green_as_bare, dots.green, dots.weight)
    skill = 1 - low - high
    if skill < LEAST_SKILL:
        return None
    ratio = (observed.ratio - low) / skill
    variance = (observed.se**2 + (1 - ratio) ** 2 * low_variance + ratio**2 * high_variance) / skill**2
    found = _estimate(ratio, variance, len(dots.weight) - 1, observed.n, "corrected by the reader's error rates")
    return Corrected(estimate=found, bare_as_green=low, green_as_bare=high)


def _rate(part: Floats, whole: Floats, weight: Floats) -> tuple[float, float]:
    """Compute the ratio of two weighted sums over clusters, and its variance."""
    total = float((weight * whole).sum())
    rate = float((weight * part).sum()) / total
    left = weight * (part - rate * whole)
    return rate, float((left**2).sum()) * len(weight) / (len(weight) - 1) / total**2


def estimate_domain(looks: Looks, inside: npt.NDArray[np.bool_], assist: MapShares | None = None) -> Estimate:
    """Estimate the ratio of a part of the frame, a district, from the looks inside it.

    Parameters
    ----------
    inside
        (n,) whether each look lies in it.
    assist
        The map's shares at the looks, and the means of the map inside the part over the *whole* frame.

    Raises
    ------
    EstimateError
        Fewer than :data:`FEWEST` looks in it.
    """
    count = int(inside.sum())
    if count < FEWEST:
        raise EstimateError(f"looks: {count}, and an interval needs {FEWEST}; look at more places")
    part = Looks(green=looks.green * inside, land=looks.land * inside, stratum=looks.stratum, weight=looks.weight)
    if assist is not None:
        assist = MapShares(
            green=assist.green * inside,
            land=assist.land * inside,
            frame_green=assist.frame_green,
            frame_land=assist.frame_land,
        )
    _check_counts(looks)
    line = _linearise(part, assist)
    variance, df = _variance(line, looks, assist)
    method = "ratio of two means of a part" + (
        ", assisted by the map (difference estimator)" if assist is not None else ""
    )
    return _estimate(line.ratio, variance, min(df, count - 1), count, method)


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


def _variance(line: _Linearised, looks: Looks, assist: MapShares | None) -> tuple[float, float]:
    """Variance of a ratio, and its degrees of freedom; the map's residuals have no pattern to coincide with a grid."""
    variance, df = variance_of(line.residual, looks)
    return variance * (looks.effect if assist is None else 1.0), df


def variance_of(residual: Floats, looks: Looks) -> tuple[float, float]:
    """Compute the variance of a stratified mean of residuals, and Satterthwaite's degrees of freedom (1946)."""
    return _of_squares((residual - _stratum_means(residual, looks)) ** 2, looks)


def _of_squares(squares: Floats, looks: Looks) -> tuple[float, float]:
    counts = looks.counts
    sums = np.bincount(looks.stratum, weights=squares, minlength=len(counts))
    parts = looks.weight**2 * sums / (counts * (counts - 1))
    variance = float(parts.sum())
    most = len(squares) - len(counts)
    if variance < NOTHING:
        return 0.0, float(most)
    return variance, float(np.clip(variance**2 / (parts**2 / (counts - 1)).sum(), 1, most))


def _stratum_means(values: Floats, looks: Looks) -> Floats:
    """Return each look's stratum mean."""
    sums = np.bincount(looks.stratum, weights=values, minlength=len(looks.weight))
    return np.asarray((sums / looks.counts)[looks.stratum], float)


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """Inputs of :func:`intervals` besides an estimate's figures."""

    way: Way = "other"
    unexplained: float = 1.0
    alike: bool = False


def _estimate(ratio: float, variance: float, df: float, n: int, method: str, *, shape: _Shape = _Shape()) -> Estimate:
    """Put the interval around a ratio: see :func:`intervals`."""
    low, high, wilsons = intervals(
        ratio, variance, df, n, unexplained=shape.unexplained, way=shape.way, alike=np.array(shape.alike)
    )
    method += "; Wilson's interval" if wilsons else ""
    se = float(np.sqrt(variance))
    return Estimate(ratio=ratio, se=se, df=df, low=float(low), high=float(high), level=LEVEL, n=n, method=method)
