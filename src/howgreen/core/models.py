"""What a model says of itself: its card, its classes, how it erred where it had never been. Frozen, each field with its unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

DRY_PLANTS = "dry plants"
"""Class of straw, stubble, litter, and grass that is dead or dormant: plants that are not green."""


@dataclass(frozen=True, kw_only=True)
class ModelClass:
    """One land-cover class of a model."""

    code: int
    """Value in the label raster, 0-254; also the position on the probability axis."""
    name: str
    green: bool
    """Whether the class counts as vegetation."""
    colour: str
    """``#rrggbb``."""


class NamedClass(Protocol):
    """A class as a model's card or a summary has it."""

    @property
    def code(self) -> int:
        """Value in the label raster."""

    @property
    def name(self) -> str:
        """What it is called."""


def is_water(item: NamedClass) -> bool:
    """Say whether a class is the one that is not land: it is called water, in small or capital letters."""
    return item.name.casefold() == "water"


def water_codes(classes: Iterable[NamedClass]) -> tuple[int, ...]:
    """Codes of the classes that are not land."""
    return tuple(item.code for item in classes if is_water(item))


def dry_code(classes: Iterable[NamedClass]) -> int | None:
    """Code of the class of dry plants; None where a model does not tell them from bare ground."""
    return next((item.code for item in classes if item.name.casefold() == DRY_PLANTS), None)


@dataclass(frozen=True, kw_only=True)
class PlaceError:
    """How far off a model was, on average, in one place that taught it nothing."""

    place: str
    """Its name, and what is known there."""
    error: float
    """Mean of (predicted - reference) green fraction."""
    standard_error: float
    """Of that mean, pixels of one polygon, block or site moving together."""
    n: int
    """Pixels."""
    clusters: int


@dataclass(frozen=True, kw_only=True)
class ReferenceScore:
    """How a model erred on reference data it never saw, in units of green fraction."""

    source: str
    """Which data, with year and place."""
    n: int
    rmse: float
    mae: float
    bias: float
    """Mean of (predicted - reference)."""
    r2: float
    half_width: float
    """Half of the interval of the *mean* green fraction of a new place at ``level``: see ``method``."""
    level: float
    method: str
    """How half_width follows from the errors, in a sentence."""
    places: tuple[PlaceError, ...] = ()
    """Places whose mean errors say how far off a new place may be; empty where half_width rests on one place."""
    tau: float = 0.0
    """Standard deviation of the mean error between places, beyond what sampling explains."""


ZONE_SCORES_M2: Mapping[str, float] = {
    "zone_1_ha_half_width": 1e4,
    "zone_9_ha_half_width": 9e4,
    "zone_36_ha_half_width": 36e4,
}
"""Scores by which a card may say how wide the interval of a small zone must be, and the zone's area: neighbouring pixels err
together, so that a small zone's error does not average out as a city's does."""


@dataclass(frozen=True, kw_only=True)
class TrainingImage:
    """An image that taught a model of one place: what the model knows, and where, when and by which satellite it knows it."""

    sensor: str
    """Key of :data:`howgreen.core.sensors.SENSORS`."""
    day: str
    """ISO date; empty where nobody said it."""
    bounds: tuple[float, float, float, float]
    """West, south, east, north in EPSG:4326."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model says about itself, inside its ONNX file (metadata key ``howgreen``)."""

    name: str
    version: str
    description: str
    bands: tuple[str, ...]
    """Common names in the order of the input's channel axis."""
    resolution_m: float
    """Pixel size it was made for."""
    normalisation: str
    """What the graph itself does to reflectance (0-1) before the first layer."""
    tile_px: int
    """Largest square that one call takes."""
    halo_px: int
    """Pixels around a tile that influence it; 0 for a pixel model."""
    stride_px: int
    """Tiles start at multiples of this, counted from the grid's own origin. Where it is less than ``tile_px`` - 2 ``halo_px``, they
    overlap and are blended."""
    classes: tuple[ModelClass, ...]
    scores: Mapping[str, float]
    """Named figures of its evaluation."""
    reference_error: ReferenceScore | None
    """None where no reference was at hand: reports then show no interval and say why."""
    training_data: str
    licence: str
    learned_from: tuple[TrainingImage, ...] = ()
    """Images of the one place that it was made for; empty for a model that is meant for any place."""

    @property
    def overlap_px(self) -> int:
        """Pixels that the middles of neighbouring tiles share."""
        return self.tile_px - 2 * self.halo_px - self.stride_px

    @property
    def looks_around(self) -> bool:
        """Whether neighbours may decide: not so for a pixel model."""
        return self.halo_px > 0 or self.overlap_px > 0
