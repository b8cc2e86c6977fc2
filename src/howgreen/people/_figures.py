"""Figures of people and green, each weighted by the people who live there."""

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
"""Distances at which green is summed around people."""
NEAR_M = 300.0
"""Straight line, about five minutes' walk (WHO Regional Office for Europe, 2016)."""
MIN_PATCH_M2 = 5000.0
"""Half a hectare: the least size of the same indicator."""
DECILES = tuple(round(0.1 * n, 1) for n in range(1, 10))


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What lies around the people of each cell; arrays of one value a cell, NaN where nothing is known."""

    green_m2: Mapping[int, Floats]
    """By distance in metres."""
    share: Mapping[int, Floats]
    near_patch: Floats
    """Share of the cell's seen land within :data:`NEAR_M` of a patch of plants."""
    near_public: Floats | None
    """The same for public green spaces; None where no map of them was given."""
    green_ratio: Floats
    """Green share of the cell's own seen land."""
    walk_m: Floats | None = None
    """Metres along ways from the cell's middle to a public green space, inf for none; None where it was not asked for."""


@dataclass(frozen=True, kw_only=True)
class AroundFigures:
    """Green within one distance of people."""

    metres: int
    mean_m2: float | None
    mean_share: float | None
    decile_shares: tuple[float, ...]
    """At 10, 20, ... 90 % of the people, those with the least green first; empty without people."""


@dataclass(frozen=True, kw_only=True)
class PeopleFigures:
    """Figures of one zone."""

    name: str
    id: str
    people: float
    """That the population's cells hold inside the zone."""
    used: float
    """Of them, those around whom land was seen: what the figures below rest on."""
    around: tuple[AroundFigures, ...]
    near_patch: float | None
    """Share of people within 300 m, in a straight line, of a vegetated patch of at least half a hectare."""
    near_public: float | None
    """Share of people within 300 m, in a straight line, of a public green space of at least half a hectare."""
    near_public_walk: float | None
    """Share of people within 300 m of one along the ways that OpenStreetMap maps."""
    gini: float | None
    """Of the green within 300 m, weighted by people: 0 all have the same, towards 1 few have all."""


def figures(zone: Counts, around: Surroundings) -> PeopleFigures:
    """Weight what lies around each cell by the people of the cell inside a zone."""
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
    """Find the values that a share of the weight does not exceed: the lowest value whose weights up to it reach the share."""
    use = np.isfinite(values) & (weight > 0)
    if not use.any():
        return []
    order = np.argsort(values[use], kind="stable")
    reached = np.cumsum(weight[use][order])
    places = np.searchsorted(reached, np.asarray(at) * reached[-1] * (1 - 1e-12))
    return [float(one) for one in values[use][order][np.minimum(places, use.sum() - 1)]]


def gini(values: Floats, weight: Floats | None = None) -> float | None:
    """Compute the Gini coefficient of values, each held by some people: 1 less twice the area under Lorenz' curve.

    None where nobody is there, or there is nothing to share.
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
