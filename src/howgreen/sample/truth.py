"""Exact truth of the sample city: counted on its 1 m map, never measured from an image.

Green is vegetated surface seen from above in the growing season: trees (including crowns over streets), shrubs, grass
and growing crops. Bare and stubble fields are not green, nor is artificial turf. Grass counts as green even if slightly
dry. Land is the zone without sea, river, lakes and pools. A 1 m pixel belongs to the zone that holds its centre.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from howgreen.core.errors import StoreError

FOLDER = "truth"


@dataclass(frozen=True, kw_only=True)
class ZoneTruth:
    """Truth for the city or one district."""

    name: str
    id: str
    zone_area_m2: float
    land_area_m2: float
    """Without sea, river, lakes and pools."""
    green_area_m2: float
    green_ratio: float
    """Green / land."""
    green_pixel_ratio: float
    """Share of 10 m land pixels (at least half land) that are at least half green, by their area in the zone."""
    area_by_class_m2: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Truth for the sample city."""

    city: ZoneTruth
    districts: tuple[ZoneTruth, ...]
    """In the order of ``City.districts``."""
    green_fraction: Path
    """GeoTIFF, float32 0-1, 10 m, on the city's grid (UTM bounds snapped outward to 10 m): green area / pixel area."""
    classes_10m: Path
    """GeoTIFF, uint8, 10 m, same grid: most common class."""
    classes_1m: Path
    """GeoTIFF, uint8, 1 m, same bounds."""
    classes: Mapping[str, int]
    """Class name to code in the class maps."""

    @property
    def green_ratio(self) -> float:
        """Green / land of the whole city."""
        return self.city.green_ratio

    @property
    def green_pixel_ratio(self) -> float:
        """See :attr:`ZoneTruth.green_pixel_ratio`."""
        return self.city.green_pixel_ratio

    @property
    def land_area_m2(self) -> float:
        """Land of the whole city."""
        return self.city.land_area_m2


def truth(root: Path) -> Truth:
    """Read the truth of a sample store made by :func:`howgreen.sample.build`.

    Raises
    ------
    StoreError
        When ``root`` is not a sample store.

    """
    folder = root / FOLDER
    try:
        found = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{root} holds no truth: build the sample city there first ({error})") from error
    return Truth(
        city=ZoneTruth(**found["city"]),
        districts=tuple(ZoneTruth(**zone) for zone in found["districts"]),
        green_fraction=folder / "green_fraction.tif",
        classes_10m=folder / "classes_10m.tif",
        classes_1m=folder / "classes_1m.tif",
        classes=found["classes"],
    )
