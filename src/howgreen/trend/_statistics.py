"""The slope of a short yearly series: Theil-Sen estimate with its interval, residual noise and detectable change.

The Mann-Kendall test serves as a description only. On a dozen autocorrelated years, no variant of it keeps its level
(``benchmarks/trend_alarms.py``); on four years or fewer it can never reach 0.05.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from howgreen.core.trends import Fit, MannKendall, Slope, Verdict

FEWEST_YEARS = 5
"""With fewer, nothing can be separated from noise: with four, a straight line leaves two degrees of freedom."""
LEVEL = 0.95


def fit(
    years: Sequence[float], values: Sequence[float], *, step_se: Sequence[tuple[float, NDArray[np.bool_]]] = ()
) -> Fit:
    """Fit a line to a yearly series, and say whether it is distinguishable from noise.

    The change is distinguishable if it exceeds ``t`` standard errors of a straight line, and if the interval of the
    slope excludes 0.

    Parameters
    ----------
    years, values
        In any order; at least two different years. A missing year is a gap, and counts as one.
    step_se
        Standard errors shared by some of the years (of a shift that joins two satellites), with those years: they widen
        the interval and the detectable change.
    """
    x, y = np.asarray(years, float), np.asarray(values, float)
    n = len(x)
    slope = theil_sen(x, y)
    left = y - slope.intercept - slope.slope * x
    noise = math.sqrt(float(((left - left.mean()) ** 2).sum()) / (n - 2)) if n > 2 else math.nan
    around = x - x.mean()
    spread = float((around**2).sum())
    joined = sum((se * float(around[which].sum()) / spread) ** 2 for se, which in step_se)
    t = _t(n - 2)
    detectable = t * math.sqrt(noise**2 / spread + joined) if n > 2 else math.nan
    slope = _widened(slope, t * math.sqrt(joined))
    return Fit(
        slope=slope,
        noise=noise,
        year_half_width=t * noise,
        detectable=detectable,
        verdict=_verdict(slope, detectable, n),
        mann_kendall=mann_kendall(y[np.argsort(x, kind="stable")]),
    )


def _verdict(slope: Slope, detectable: float, n: int) -> Verdict:
    if n < FEWEST_YEARS:
        return "too few years to tell"
    if abs(slope.slope) <= detectable or slope.low <= 0 <= slope.high:
        return "no change that can be told from noise"
    return "more green" if slope.slope > 0 else "less green"


def _widened(slope: Slope, by: float) -> Slope:
    """Widen the interval of a slope by an independent error, adding squares."""
    low = slope.slope - math.hypot(slope.slope - slope.low, by)
    high = slope.slope + math.hypot(slope.high - slope.slope, by)
    return Slope(slope=slope.slope, low=low, high=high, intercept=slope.intercept)


def _t(df: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, df)) if df > 0 else math.nan


def theil_sen(years: Sequence[float] | NDArray[np.float64], values: Sequence[float] | NDArray[np.float64]) -> Slope:
    """Return the median slope over all pairs of years, with its interval at LEVEL (Sen 1968; as in scipy)."""
    from scipy.stats import theilslopes

    found = theilslopes(np.asarray(values, float), np.asarray(years, float), alpha=LEVEL)
    told = len(np.unique(np.asarray(years, float))) >= FEWEST_YEARS  # with fewer, Sen's interval does not reach 95 %
    return Slope(
        slope=float(found.slope),
        low=float(found.low_slope) if told else math.nan,
        high=float(found.high_slope) if told else math.nan,
        intercept=float(found.intercept),
    )


def mann_kendall(values: Sequence[float] | NDArray[np.float64]) -> MannKendall:
    """Describe a series in chronological order: Mann 1945 and Kendall 1975, with ties; NaN is a gap."""
    from scipy.stats import norm

    series = np.asarray(values, float)
    series = series[np.isfinite(series)]
    n = len(series)
    s = int(sum(np.sign(series[i + 1 :] - series[i]).sum() for i in range(n - 1)))
    _, ties = np.unique(series, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    z = 0.0 if s == 0 or variance == 0 else (s - math.copysign(1, s)) / math.sqrt(variance)
    pairs = n * (n - 1) / 2
    return MannKendall(s=s, variance=variance, z=z, p=float(2 * norm.sf(abs(z))), tau=s / pairs if pairs else 0.0)
