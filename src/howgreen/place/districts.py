"""The districts of a city out of any vector file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from howgreen.core.errors import AreaError
from howgreen.core.geometry import geodesic_area_m2
from howgreen.core.types import City, District
from howgreen.place.limits import add_districts, clipped
from howgreen.place.shapes import MIN_AREA_M2, clean
from howgreen.place.vectors import Feature, read_file, read_frame

if TYPE_CHECKING:
    import geopandas as gpd

# Neighbouring areas of another data set overlap the city's edge by slivers: they are not districts of the city.
_LEAST_INSIDE = 0.01


def from_districts_file(city: City, path: Path) -> City:
    """The city with the areas of a file as its districts, cut to the city.

    An area of which less than 1 % lies in the city is a neighbour, and left out. Areas without a name are called
    ``district N``; equal names get their number in the file.

    Parameters
    ----------
    city
        Whose districts these are; those it had are replaced.
    path
        Any vector file, any CRS.

    Raises
    ------
    AreaError
        When the file cannot be used, or none of its areas lies in the city.

    """
    return _with(city, read_file(path), source=path.name, what=str(path))


def from_districts_frame(city: City, frame: gpd.GeoDataFrame) -> City:
    """Take the areas of a frame as the city's districts, as :func:`from_districts_file` does those of a file.

    Raises
    ------
    AreaError
        When it has no CRS, or none of its areas lies in the city.

    """
    return _with(city, read_frame(frame), source="frame", what="the frame")


def _with(city: City, features: Sequence[Feature], *, source: str, what: str) -> City:
    names = Counter(feature.name for feature in features)
    made = [_district(feature, city, source=source, unique=names[feature.name] == 1) for feature in features]
    districts = tuple(district for district in made if district)
    if not districts:
        raise AreaError(
            f"{what}: none of its {len(features)} areas lies in {city.label}; give the districts of this city"
        )
    return add_districts(city, districts)


def _district(feature: Feature, city: City, *, source: str, unique: bool) -> District | None:
    shape, _ = clean(feature.geometry, what=f"{source}, {feature.name or f'area {feature.number}'}")
    boundary = clipped(shape, city)
    inside_m2 = geodesic_area_m2(boundary)
    if inside_m2 < max(MIN_AREA_M2, _LEAST_INSIDE * geodesic_area_m2(shape)):
        return None
    name = feature.name or "district"
    return District(
        name=name if unique and feature.name else f"{name} {feature.number}",
        id=f"file:{source}#{feature.number}",
        boundary=boundary,
    )
