"""Sampling design: how many places to interpret, and where: strata, allocation, size.

Strata follow the map's green share by the cumulative square root rule (Dalenius & Hodges 1959); looks are allocated by
the expected spread of the *answers* (Neyman 1934), not by the map's own, which is small where the map is confident; a
minimum per stratum keeps the variance estimable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import EstimateError
from howgreen.estimate.intervals import LEVEL

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

MOST_STRATA = 5
LOOKS_PER_STRATUM = 8
"""There are only as many strata as leave this many looks in each."""
FLOOR = 5
"""Fewest looks in a stratum."""
BINS = 100
"""Bins of the histogram for the cumulative square root rule."""
SURELY = 0.01
"""Residual variance of the answers even where the map says 0 or 1: no map is that certain."""
FEWEST_LOOKS, MOST_LOOKS = 20, 5000


@dataclass(frozen=True, kw_only=True)
class Strata:
    """Strata of green share: stratum h holds shares from ``bounds[h - 1]`` up to, but not with, ``bounds[h]``."""

    bounds: tuple[float, ...]
    """Inner bounds, ascending; none for a single stratum."""

    def of(self, share: Floats) -> Ints:
        """Find the stratum of each green share, from 0."""
        return np.digitize(share, self.bounds)

    def __len__(self) -> int:
        return len(self.bounds) + 1


def stratify(share: Floats, area: Floats, *, looks: int) -> Strata:
    """Choose strata of the mapped green share.

    Parameters
    ----------
    share
        (pixel,) mapped green share, 0-1.
    area
        (pixel,) area of each pixel inside the frame.
    looks
        Number of looks planned; a uniform town gets fewer strata, down to one.
    """
    wanted = min(MOST_STRATA, looks // LOOKS_PER_STRATUM)
    if wanted < 2 or not area.sum() > 0:
        return Strata(bounds=())
    counts, edges = np.histogram(share, bins=BINS, range=(0, 1), weights=area)
    cumulated = np.cumsum(np.sqrt(counts))
    cuts = {float(edges[1 + int(np.searchsorted(cumulated, cumulated[-1] * k / wanted))]) for k in range(1, wanted)}
    bounds = [cut for cut in sorted(cuts) if 0 < cut < 1]
    # A bound with nothing on one side makes a stratum that cannot be sampled.
    used = Strata(bounds=tuple(bounds)).of(share)
    filled = np.bincount(used, weights=area, minlength=len(bounds) + 1) > 0
    return Strata(
        bounds=tuple(bound for bound, below in zip(bounds, filled, strict=False) if below and share.max() >= bound)
    )


def expected_spread(share: Floats) -> Floats:
    """Predict the standard deviation of answer - map where the map says ``share``: largest in between 0 and 1."""
    clipped = np.clip(share, 0, 1)
    return np.asarray(np.sqrt(clipped * (1 - clipped) / 3 + SURELY))


def allocate(weight: Floats, spread: Floats, *, looks: int, floor: int = FLOOR) -> Ints:
    """Allocate looks to strata in proportion to weight x spread, at least ``floor`` to each; they sum to ``looks``.

    Raises
    ------
    EstimateError
        ``looks`` are too few for the floor.
    """
    strata = len(weight)
    if looks < strata * floor:
        raise EstimateError(
            f"{looks} looks in {strata} strata: at least {floor} each; take {strata * floor} or more, or fewer strata"
        )
    claim = weight * np.maximum(spread, 1e-9)
    given = np.full(strata, floor, np.intp)
    # The floor is met first; the rest goes one look at a time to where it lowers the variance most, so that whole
    # numbers sum to the total.
    for _ in range(looks - strata * floor):
        given[int(np.argmax(claim / np.sqrt(given * (given + 1))))] += 1
    return given


@dataclass(frozen=True, kw_only=True)
class AnswerSpread:
    """Expected spread of the answers as read: with few dots, more than that of the truth."""

    variance: float
    """Variance (S2) of the answers."""
    residual: float
    """Variance of answer - map: what remains with the map's assistance."""

    @property
    def r2(self) -> float:
        """Share of the answers' variance that the map explains."""
        return 1 - self.residual / self.variance if self.variance > 0 else 0.0


def expect_answers(share: Floats, area: Floats, *, dots: int, map_rmse: float) -> AnswerSpread:
    """Predict the answers' spread before any look: from the map, its error, and the number of dots.

    A reader who counts ``dots`` dots in a pixel of share y gives a binomial share: dots add y (1 - y) / dots to its
    variance.
    """
    weight = area / area.sum()
    mean = float((weight * share).sum())
    between = float((weight * (share - mean) ** 2).sum())
    mixed = float((weight * share * (1 - share)).sum())
    # The truth varies around the map by its error, which reduces the part left to the dots.
    reading = max(mixed - map_rmse**2, 0.0) / dots
    residual = map_rmse**2 + reading
    return AnswerSpread(variance=between + residual, residual=residual)


def looks_needed(half_width: float, spread: AnswerSpread, *, assisted: bool) -> int:
    """Compute the size of a simple random sample that brings the interval to ± ``half_width`` (0-1).

    Raises
    ------
    EstimateError
        The width is not between 0 and half, or would take more than :data:`MOST_LOOKS` looks.
    """
    from scipy import stats

    if not 0 < half_width < 0.5:
        raise EstimateError(f"half-width {half_width:g}: give one between 0 and 0.5 (3 points are 0.03)")
    variance = spread.residual if assisted else spread.variance
    looks = FEWEST_LOOKS
    for _ in range(20):  # t depends on the resulting number
        quantile = float(stats.t.ppf((1 + LEVEL) / 2, looks - 1))
        wanted = max(int(np.ceil(quantile**2 * variance / half_width**2)), FEWEST_LOOKS)
        if wanted == looks:
            break
        looks = wanted
    if looks > MOST_LOOKS:
        raise EstimateError(
            f"half-width {half_width:g}: would take {looks:,} looks, more than {MOST_LOOKS:,}; ask for a wider one"
        )
    return looks


def looks_in_all(half_width: float, looked: int, se: float) -> int:
    """Compute the total number of looks for an interval of ± ``half_width`` (0-1), from the standard error so far.

    The order of looking is random, so the spread of the first answers represents that of all, as read by this reader in
    this design.
    """
    variance = se**2 * looked
    return looks_needed(half_width, AnswerSpread(variance=variance, residual=variance), assisted=False)
