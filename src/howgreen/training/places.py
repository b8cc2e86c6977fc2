"""Error of a model in a new place: a random-effects model of its mean errors in several places.

A place's mean error has two parts: the sampling error of its pixels, and the effect of the place itself (its light,
soils, season). The second does not shrink with more pixels, and only more places reveal it. DerSimonian & Laird 1986
(Controlled Clinical Trials 7: 177) for the variance between places, Hartung & Knapp 2001 (Statist. Med. 20: 3875) for
the error of the mean, Higgins, Thompson & Spiegelhalter 2009 (J. R. Statist. Soc. A 172: 137) for the interval of a new
place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from howgreen.core.models import PlaceError

LEVEL = 0.95
LEAST_PLACES = 3
"""With two, no degree of freedom is left for a new one."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What the errors of several places imply for a new one."""

    mean: float
    """Mean error over places."""
    standard_error: float
    """Standard error of that mean (Hartung-Knapp, at least the plain one)."""
    tau: float
    """Standard deviation between places."""
    half_width: float
    """Half of the prediction interval of a new place's mean error, around :attr:`mean`."""
    places: int

    @property
    def about_the_ratio(self) -> float:
        """Half of an interval around the model's prediction, which is biased by :attr:`mean` to begin with."""
        return abs(self.mean) + self.half_width


def spread(places: Sequence[PlaceError]) -> Spread:
    """Estimate the spread between places and the prediction interval of a new one, ``t(k - 2) sqrt(tau^2 + SE^2)``.

    Raises
    ------
    ValueError
        Fewer than :data:`LEAST_PLACES` places.
    """
    from scipy import stats

    count = len(places)
    if count < LEAST_PLACES:
        raise ValueError(f"{count} places: a prediction interval needs at least {LEAST_PLACES}")
    error = np.array([place.error for place in places])
    variance = np.array([place.standard_error**2 for place in places])
    fixed = 1 / variance
    q = float(np.sum(fixed * (error - np.average(error, weights=fixed)) ** 2))
    between = max(0.0, (q - (count - 1)) / float(fixed.sum() - np.sum(fixed**2) / fixed.sum()))
    weight = 1 / (variance + between)
    mean = float(np.average(error, weights=weight))
    scale = max(1.0, float(np.sum(weight * (error - mean) ** 2)) / (count - 1))
    squared = scale / float(weight.sum())
    quantile = float(stats.t.ppf((1 + LEVEL) / 2, count - 2))
    return Spread(
        mean=mean,
        standard_error=math.sqrt(squared),
        tau=math.sqrt(between),
        half_width=quantile * math.sqrt(between + squared),
        places=count,
    )
