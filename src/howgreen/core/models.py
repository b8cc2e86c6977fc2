"""A model's description of itself: card, classes, and errors in new places. Frozen, each field with its unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

DRY_PLANTS = "dry plants"
"""Class of straw, stubble, litter, and dead or dormant grass: plants that are not green."""


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
    """A class, from a model's card or a summary."""

    @property
    def code(self) -> int:
        """Value in the label raster."""

    @property
    def name(self) -> str:
        """Its name."""


def is_water(item: NamedClass) -> bool:
    """Tell whether a class is the one that is not land: named water, in any case."""
    return item.name.casefold() == "water"


def water_codes(classes: Iterable[NamedClass]) -> tuple[int, ...]:
    """List the codes of the classes that are not land."""
    return tuple(item.code for item in classes if is_water(item))


def dry_code(classes: Iterable[NamedClass]) -> int | None:
    """Return the code of the dry-plant class; None if a model does not separate it from bare ground."""
    return next((item.code for item in classes if item.name.casefold() == DRY_PLANTS), None)


@dataclass(frozen=True, kw_only=True)
class PlaceError:
    """Mean error of a model in one place that it was not trained on."""

    place: str
    """Its name, and the reference data there."""
    error: float
    """Mean of (predicted - reference) green fraction."""
    standard_error: float
    """Of that mean, with pixels of one polygon, block or site clustered."""
    n: int
    """Number of pixels."""
    clusters: int


@dataclass(frozen=True, kw_only=True)
class ReferenceScore:
    """A model's errors on unseen reference data, in units of green fraction."""

    source: str
    """The reference data, with year and place."""
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
    """How half_width is derived from the errors, in a sentence."""
    places: tuple[PlaceError, ...] = ()
    """Places whose mean errors show how far off a new place may be; empty if half_width rests on one place."""
    tau: float = 0.0
    """Standard deviation of the mean error between places, beyond what sampling explains."""


ZONE_SCORES_M2: Mapping[str, float] = {
    "zone_1_ha_half_width": 1e4,
    "zone_9_ha_half_width": 9e4,
    "zone_36_ha_half_width": 36e4,
}
"""Scores by which a card may state the interval's half-width in a small zone, with the zone's area: neighbouring pixels
err together, so that a small zone's error does not average out as a city's does."""


@dataclass(frozen=True, kw_only=True)
class TrainingImage:
    """A training image of a local model: where, when and by which satellite the model has learned."""

    sensor: str
    """Key of :data:`howgreen.core.sensors.SENSORS`."""
    day: str
    """ISO date; empty if unknown."""
    bounds: tuple[float, float, float, float]
    """West, south, east, north in EPSG:4326."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """A model's description of itself, inside its ONNX file (metadata key ``howgreen``)."""

    name: str
    version: str
    description: str
    bands: tuple[str, ...]
    """Common names in the order of the input's channel axis."""
    resolution_m: float
    """Pixel size it was made for, in metres."""
    normalisation: str
    """How the graph itself normalises reflectance (0-1) before the first layer."""
    tile_px: int
    """Largest square accepted in one call."""
    halo_px: int
    """Pixels around a tile that influence it; 0 for a pixel model."""
    stride_px: int
    """Tiles start at multiples of this, counted from the grid's own origin. If it is less than ``tile_px`` - 2
    ``halo_px``, they overlap and are blended."""
    classes: tuple[ModelClass, ...]
    scores: Mapping[str, float]
    """Named evaluation scores."""
    reference_error: ReferenceScore | None
    """None if no reference was available: reports then show no interval and say why."""
    training_data: str
    licence: str
    learned_from: tuple[TrainingImage, ...] = ()
    """Images of the one place that it was made for; empty for a model meant for any place."""

    @property
    def overlap_px(self) -> int:
        """Overlap of the cores of neighbouring tiles, in pixels."""
        return self.tile_px - 2 * self.halo_px - self.stride_px

    @property
    def looks_around(self) -> bool:
        """Whether neighbouring pixels matter: not so for a pixel model."""
        return self.halo_px > 0 or self.overlap_px > 0
