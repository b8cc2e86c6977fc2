"""Comparison of a map with people's labels: any labels, or points drawn at random.

Labels drawn where it was easy, or taken from a cadastre, describe those places and no others: their figures have no
interval, however many they are. Points drawn at random are a probability sample: there, intervals hold for the whole
place (Wilson's for shares, Student's for the bias).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from howgreen.core.errors import LabelError
from howgreen.core.labels import CLASS_NAMES, GREEN_CLASSES
from howgreen.core.types import HALF_GREEN
from howgreen.estimate.estimators import FEWEST
from howgreen.estimate.intervals import LEVEL, wilson

Floats = npt.NDArray[np.float64]

KINDS = ("green", "not green", "water")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Labelled places with the map's values: pixels of polygons, pixels under points."""

    label: npt.NDArray[np.intp]
    """(n,) index in :data:`howgreen.core.labels.CLASS_NAMES`."""
    mapped_green: Floats
    """(n,) mapped green share, 0-1."""
    mapped_water: npt.NDArray[np.bool_]
    """(n,) whether it is mapped as water."""
    share: Floats | None = None
    """(n,) labelled green share, if labels have one; else a class is fully green or not at all."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share, its number of cases, and its interval if one is valid."""

    value: float | None
    """None without cases."""
    n: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class ClassAtLabels:
    """The map at the labels of one class."""

    places: int
    called_green: float
    """Share of them mapped as green: at least half of the pixel."""
    mean_green: float
    """Mean mapped green share."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Comparison of a map with labels."""

    places: int
    probability: bool
    """Whether labels are a probability sample, so that intervals hold for the whole place; else the figures describe
    these places only."""
    overall: Share
    kappa: float | None
    """Cohen's kappa; None if chance explains all."""
    users: Mapping[str, Share]
    """User's accuracy: of what the map calls the kind, the share that labels call so."""
    producers: Mapping[str, Share]
    """Producer's accuracy: of what labels call the kind, the share that the map calls so."""
    counts: Mapping[str, Mapping[str, int]]
    """Places by mapped kind, then by labelled kind."""
    classes: Mapping[str, ClassAtLabels]
    rmse: float
    """Of the green share of a place, water counting 0."""
    bias: Share
    """Mapped - labelled green share; its ``value`` may be negative."""


def judge(places: Places, *, probability: bool) -> Judgement:
    """Compare a map with labels.

    Raises
    ------
    LabelError
        No place, or too few for an interval.
    """
    count = len(places.label)
    if not count:
        raise LabelError("labels: none lies where the map shows ground; check their places, or use another map")
    if probability and count < FEWEST:
        raise LabelError(
            f"labels: {count} places, and an interval needs {FEWEST}; give more, or leave --probability out"
        )
    names = np.array(CLASS_NAMES)[places.label]
    green = np.isin(names, list(GREEN_CLASSES))
    true = np.select([names == "water", green], [2, 0], 1)
    mapped = np.select([places.mapped_water, places.mapped_green >= HALF_GREEN], [2, 0], 1)
    matrix = np.zeros((3, 3), int)
    np.add.at(matrix, (mapped, true), 1)

    def share(right: int, of: int) -> Share:
        value = right / of if of else None
        if value is None or not probability:
            return Share(value=value, n=of)
        low, high = wilson(value, of, quantile=_quantile())
        return Share(value=value, n=of, low=low, high=high)

    used = [i for i in range(3) if matrix[i].any() or matrix[:, i].any()]
    labelled = (green.astype(float) if places.share is None else places.share) * (names != "water")
    miss = np.where(places.mapped_water, 0.0, places.mapped_green) - labelled
    return Judgement(
        places=count,
        probability=probability,
        overall=share(int(np.trace(matrix)), count),
        kappa=_kappa(matrix),
        users={KINDS[i]: share(int(matrix[i, i]), int(matrix[i].sum())) for i in used},
        producers={KINDS[i]: share(int(matrix[i, i]), int(matrix[:, i].sum())) for i in used},
        counts={KINDS[i]: {KINDS[j]: int(matrix[i, j]) for j in used} for i in used},
        classes={name: _class(places, names == name) for name in CLASS_NAMES if (names == name).any()},
        rmse=float(np.sqrt((miss**2).mean())),
        bias=_bias(miss) if probability else Share(value=float(miss.mean()), n=count),
    )


def to_json(found: Judgement) -> dict[str, Any]:
    """Return all figures as plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(found, enc_hook=dict)
    return plain


def _quantile() -> float:
    from scipy import special

    return float(special.ndtri((1 + LEVEL) / 2))


def _kappa(matrix: npt.NDArray[np.int_]) -> float | None:
    shares = matrix / matrix.sum()
    chance = float(shares.sum(axis=0) @ shares.sum(axis=1))
    return (float(np.trace(shares)) - chance) / (1 - chance) if chance < 1 else None


def _class(places: Places, here: npt.NDArray[np.bool_]) -> ClassAtLabels:
    green = np.where(places.mapped_water, 0.0, places.mapped_green)[here]
    return ClassAtLabels(
        places=int(here.sum()), called_green=float((green >= HALF_GREEN).mean()), mean_green=float(green.mean())
    )


def _bias(miss: Floats) -> Share:
    """Mean of mapped - labelled; if all differences are equal, no interval is given rather than one of width 0."""
    from scipy import special

    mean, spread = float(miss.mean()), float(miss.std(ddof=1))
    half = float(special.stdtrit(len(miss) - 1, (1 + LEVEL) / 2)) * spread / np.sqrt(len(miss))
    if spread == 0:
        return Share(value=mean, n=len(miss))
    return Share(value=mean, n=len(miss), low=mean - half, high=mean + half)
