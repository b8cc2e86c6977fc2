"""Intervals of an estimated ratio: Wilson's at an effective sample size, or Student's, and never of width 0."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
"""Confidence level of every interval."""
RARE = 0.25
"""Below this share, or above 1 - it, green is rare: Student's intervals of few looks cover too little there."""
COIN_SHARE, MOST_COIN_LOOKS, LEAST_COIN = 0.5, 25, 0.01
"""For Wilson's interval, the estimated variance is averaged with the binomial one as if the latter came from this many
looks: half of the actual ones, at most 25, fewer the less rare green is (none at :data:`RARE`), and scaled by the
square of the share of variance that strata and map leave unexplained, a hundredth at least. Most small samples of rare
green contain hardly any and understate their variance; where the map locates the green this is not so, and a binomial
variance is too large. ``benchmarks/sim_estimate.py`` shows the coverage of the intervals. The price: where one place in
a hundred is entirely different from a good map, most samples of fifty looks contain none of them, and no rule that is
right elsewhere can know."""

Way = Literal["simple", "strata", "assisted", "other"]
"""Kind of estimate: a simple sample; one with strata (with the map or without); one assisted by the map that is simple,
or corrected for readers' errors by agreed answers; anything else."""
_DIFFERENT = np.zeros((), bool)


def intervals(
    ratio: Floats | float,
    variance: Floats | float,
    df: Floats | float,
    n: int,
    *,
    unexplained: Floats | float = 1.0,
    way: Way = "other",
    alike: npt.NDArray[np.bool_] = _DIFFERENT,
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Compute lower and upper ends around ratios, and which of them are Wilson's.

    A simple sample gets Wilson's interval with Student's quantile, with the binomial trials among its degrees of
    freedom (as for a variance averaged with another: Smyth 2004); strata get it with the normal quantile, widened by
    the ratio of Student's quantile at their degrees of freedom to that at n - 1 (Korn & Graubard 1998). A simple sample
    assisted by the map gets Student's wherever that contains any possible share, since its residuals are symmetric;
    anything else gets Student's, or Wilson's where green is rare.

    Parameters
    ----------
    ratio, variance, df
        Of one estimate, or arrays of many.
    unexplained
        Share of the variance that strata and map leave unexplained; see
        :func:`howgreen.estimate.estimators.estimate_ratio`.
    way
        Kind of estimate.
    alike
        Whether all answers were equal: then Student's interval reflects the map's scatter alone, and is made at least
        as wide as Wilson's.
    """
    from scipy import special

    se, inside = np.sqrt(variance), np.clip(ratio, 0.0, 1.0)
    quantile = special.stdtrit(df, (1 + LEVEL) / 2)  # Student's t; scipy.stats takes fifty times as long
    low, high = ratio - quantile * se, ratio + quantile * se
    tosses, score_quantile = _coin_looks(inside, n, unexplained=unexplained), quantile
    if way == "simple":
        score_quantile = special.stdtrit(df + tosses, (1 + LEVEL) / 2)
    elif way == "strata":
        score_quantile = special.ndtri((1 + LEVEL) / 2) * quantile / special.stdtrit(n - 1, (1 + LEVEL) / 2)
    score_low, score_high = _scores(inside, _effective_looks(inside, variance, n, tosses=tosses), score_quantile)
    outside = (ratio <= 0) | (ratio >= 1)  # an estimate outside 0-1 says little about where the share is
    if way == "assisted":
        outside = (high <= 0) | (low >= 1)
    nowhere = (se == 0) | outside | alike
    wilsons = (inside < RARE) | (inside > 1 - RARE) if way == "other" else np.full_like(nowhere, way != "assisted")
    low = np.where(nowhere, np.minimum(low, score_low), np.where(wilsons, score_low, low))
    high = np.where(nowhere, np.maximum(high, score_high), np.where(wilsons, score_high, high))
    return np.maximum(low, 0.0), np.minimum(high, 1.0), np.asarray(nowhere | wilsons)


def _coin_looks(share: Floats | float, n: int, *, unexplained: Floats | float = 1.0) -> Floats:
    """Return the number of binomial trials that a variance is averaged with: see :data:`COIN_SHARE`."""
    rarity = 1 - np.minimum(np.minimum(share, np.subtract(1, share)), RARE) / RARE
    return np.asarray(min(COIN_SHARE * n, MOST_COIN_LOOKS) * np.maximum(np.square(unexplained), LEAST_COIN) * rarity)


def _effective_looks(
    share: Floats | float, variance: Floats | float, n: int, *, tosses: Floats | float = 0.0
) -> Floats:
    """Return the number of binomial trials as precise as ``n`` looks of this variance; ``n`` if nothing varied.

    The binomial variance is share x (1 - share), which a sample underestimates by the variance of the share itself:
    hence one more. Binary answers are worth ``n``.
    """
    coin = np.multiply(share, np.subtract(1, share))
    mixed = (np.multiply(n - 1, variance) + tosses * coin / (n - 1)) / (n - 1 + tosses)
    nothing = (np.asarray(variance) == 0) | (coin == 0)
    return np.where(nothing, float(n), 1 + coin / np.where(nothing, 1.0, mixed))


def wilson(share: float, n: float, *, quantile: float) -> tuple[float, float]:
    """Compute Wilson's score interval (1927) of a share of ``n`` looks; ``quantile`` is the normal's or Student's."""
    low, high = _scores(share, n, quantile)
    return float(low), float(high)


def _scores(share: Floats | float, n: Floats | float, quantile: Floats | float) -> tuple[Floats, Floats]:
    squared = np.square(quantile)
    middle = (share + squared / (2 * n)) / (1 + squared / n)
    half = quantile * np.sqrt(share * (1 - share) / n + squared / (4 * n**2)) / (1 + squared / n)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)
