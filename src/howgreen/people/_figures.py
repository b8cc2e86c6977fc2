"""Figures of people and green, each weighted by population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from howgreen.people._cells import Counts

Floats = npt.NDArray[np.float64]
AROUND_M = (100, 300, 500)
"""Distances within which green is summed around people."""
NEAR_M = 300.0
"""Straight-line distance of about five minutes' walk (WHO Regional Office for Europe, 2016)."""
MIN_PATCH_M2 = 5000.0
"""Half a hectare: the minimum size in the same indicator."""
DECILES = tuple(round(0.1 * n, 1) for n in range(1, 10))


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The surroundings of each cell's people; one value per cell, NaN if unknown."""

    green_m2: Mapping[int, Floats]
    """By distance in metres."""
    share: Mapping[int, Floats]
    near_patch: Floats
    """Share of the cell's seen land within :data:`NEAR_M` of a vegetated patch."""
    near_public: Floats | None
    """The same for public green spaces; None if no map of them was given."""
    green_ratio: Floats
    """Green share of the cell's own seen land."""
    walk_m: Floats | None = None
    """Distance in metres along ways from the cell's centre to a public green space, inf for none; None if not
    requested."""


@dataclass(frozen=True, kw_only=True)
class AroundFigures:
    """Green within one distance of where people live."""

    metres: int
    mean_m2: float | None
    mean_share: float | None
    decile_shares: tuple[float, ...]
    """At 10, 20, ... 90 % of the population, those with the least green first; empty without people."""


@dataclass(frozen=True, kw_only=True)
class PeopleFigures:
    """Figures of one zone."""

    name: str
    id: str
    people: float
    """People in the population's cells inside the zone."""
    used: float
    """Of them, those with any seen land around: the basis of the figures below."""
    around: tuple[AroundFigures, ...]
    near_patch: float | None
    """Share of people within 300 m, in a straight line, of a vegetated patch of at least half a hectare."""
    near_public: float | None
    """Share of people within 300 m, in a straight line, of a public green space of at least half a hectare."""
    near_public_walk: float | None
    """Share of people within 300 m of one along ways mapped in OpenStreetMap."""
    gini: float | None
    """Population-weighted Gini coefficient of the green within 300 m: 0 if all have the same, towards 1 if few have
    all."""


def figures(zone: Counts, around: Surroundings) -> PeopleFigures:
    """Weight the surroundings of each cell by its people inside a zone."""
    known = np.isfinite(around.share[AROUND_M[1]])
    weight = np.where(known, zone.people, 0.0)
    return PeopleFigures(
        name=zone.name,
        id=zone.id,
        people=float(zone.people.sum()),
        used=float(weight.sum()),
        around=tuple(_around(metres, weight, around) for metres in AROUND_M),
        near_patch=_mean(around.near_patch, weight),
        near_public=None if around.near_public is None else _mean(around.near_public, weight),
        near_public_walk=None if around.walk_m is None else _mean((around.walk_m <= NEAR_M).astype(float), weight),
        gini=gini(around.green_m2[AROUND_M[1]], weight),
    )


def _around(metres: int, weight: Floats, around: Surroundings) -> AroundFigures:
    share = around.share[metres]
    return AroundFigures(
        metres=metres,
        mean_m2=_mean(around.green_m2[metres], weight),
        mean_share=_mean(share, weight),
        decile_shares=tuple(weighted_quantiles(share, weight, DECILES)),
    )


def _mean(values: Floats, weight: Floats) -> float | None:
    use = np.isfinite(values) & (weight > 0)
    return float(np.average(values[use], weights=weight[use])) if use.any() else None


def weighted_quantiles(values: Floats, weight: Floats, at: Sequence[float]) -> list[float]:
    """Find weighted quantiles: the lowest value at which the cumulative weight reaches the share."""
    use = np.isfinite(values) & (weight > 0)
    if not use.any():
        return []
    order = np.argsort(values[use], kind="stable")
    reached = np.cumsum(weight[use][order])
    places = np.searchsorted(reached, np.asarray(at) * reached[-1] * (1 - 1e-12))
    return [float(one) for one in values[use][order][np.minimum(places, use.sum() - 1)]]


def gini(values: Floats, weight: Floats | None = None) -> float | None:
    """Compute the Gini coefficient of values weighted by people: 1 less twice the area under the Lorenz curve.

    None if there are no people, or nothing to share.
    """
    values = np.asarray(values, float)
    weight = np.ones(len(values)) if weight is None else np.asarray(weight, float)
    use = np.isfinite(values) & (weight > 0)
    values, weight = values[use], weight[use]
    total = float((values * weight).sum())
    if not len(values) or total <= 0:
        return None
    order = np.argsort(values, kind="stable")
    people = np.concatenate([[0.0], np.cumsum(weight[order])]) / weight.sum()
    held = np.concatenate([[0.0], np.cumsum((values * weight)[order])]) / total
    return float(1 - ((held[1:] + held[:-1]) * np.diff(people)).sum())
