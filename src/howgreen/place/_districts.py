"""The districts of a city from any vector file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import shapely

from howgreen.core.errors import AreaError
from howgreen.core.geometry import Area, exchanged, geodesic_area_m2, polygonal
from howgreen.core.text import truncate_list
from howgreen.core.types import City, District
from howgreen.core.warnings import Caution
from howgreen.place._attributes import number_column
from howgreen.place._osm_boundaries import add_districts, check_levels, clipped
from howgreen.place._shapes import MIN_AREA_M2, clean, join_notes, same_ground
from howgreen.place.vectors import Areas, Feature, TableOptions, read_file, read_frame

if TYPE_CHECKING:
    import geopandas as gpd

# Neighbouring areas of another data set overlap the city's edge by slivers: they are not districts of the city.
_LEAST_INSIDE = 0.01
_LEVEL_COLUMNS = frozenset({"admin_level", "adminlevel", "adm_level"})
# If districts overlap by more than this share of the city, their sum is not the city.
_MOST_OVERLAP = 0.01


def from_districts_file(
    city: City, path: Path, options: TableOptions | None = None, *, levels: Collection[int] = ()
) -> City:
    """Take the areas of a file as the city's districts, clipped to the city.

    Left out: areas with less than 1 % inside the city, which are neighbours; the city itself; broken shapes. Numbers
    stay the file's: an area called 7 is ``district 7``. Areas without a name or number are called ``district N`` by
    their position in the file; equal names get their number from the file's own table, else their position.

    Parameters
    ----------
    city
        City of these districts; they replace its current ones.
    path
        Any vector file, any CRS.
    options
        How to read its attributes.
    levels
        Only areas with these values of ``admin_level``, all of them side by side; empty for all areas, or for the layer
        with most areas if layers overlap.

    Raises
    ------
    AreaError
        When the file is unusable, has no areas of a level, or none of its areas lies in the city.

    """
    return _with(city, read_file(path, options), source=path.name, what=str(path), levels=levels)


def from_districts_frame(city: City, frame: gpd.GeoDataFrame, options: TableOptions | None = None) -> City:
    """Take the areas of a frame as the city's districts, as :func:`from_districts_file` does for a file.

    Raises
    ------
    AreaError
        When it has no CRS, or none of its areas lies in the city.

    """
    return _with(city, read_frame(frame, options), source="frame", what="the frame")


_SMALL_DEG2 = 1e-7
"""In square degrees, larger than a pixel almost everywhere: larger areas need no exact measurement."""


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One area, clipped to the city."""

    feature: Feature
    boundary: Area


def _with(city: City, areas: Areas, *, source: str, what: str, levels: Collection[int] = ()) -> City:
    parts: list[_Part] = []
    broken: list[str] = []
    for feature in areas.features:
        try:
            parts += _cut(feature, city, what=what)
        except AreaError as error:
            broken.append(str(error))
    if not parts and broken:
        raise AreaError(broken[0])
    if not parts:
        raise _none_inside(areas.features, city, what=what)
    chosen, note = _of_levels(parts, city, levels) if levels else _one_layer(_without_whole(parts, city))
    names = Counter(part.feature.name for part in chosen)
    numbers = number_column([part.feature.attributes for part in chosen])
    districts = tuple(
        _district(part, source=source, unique=names[part.feature.name] == 1, numbers=numbers) for part in chosen
    )
    layers = [[one for one in chosen if _level(one.feature) == level] for level in sorted(set(levels))] or [chosen]
    cautions = [*areas.warnings, *(one for layer in layers for one in _doubts(layer, broken, city, what=what))]
    made = add_districts(city, districts)
    note = join_notes(note, _too_small(areas.features, city))
    return replace(made, note=join_notes(made.note, note), warnings=(*made.warnings, *dict.fromkeys(cautions)))


def _level(feature: Feature) -> int | None:
    """Read an area's administrative level from the file; None if it has none."""
    value = next((value for key, value in feature.attributes.items() if key.casefold() in _LEVEL_COLUMNS), None)
    try:
        return int(float(value)) if value is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


def _of_levels(parts: Sequence[_Part], city: City, levels: Collection[int]) -> tuple[list[_Part], str]:
    """Select the areas of some levels, level by level."""
    found = Counter(level for part in parts if (level := _level(part.feature)) is not None)
    check_levels(city, levels, found)
    return [part for level in sorted(set(levels)) for part in parts if _level(part.feature) == level], ""


def _cut(feature: Feature, city: City, *, what: str) -> list[_Part]:
    """Clip an area to the city; empty if it is a neighbour, or far away."""
    if not feature.fault and not _near(feature.geometry.bounds, city):
        return []
    shape = clean(feature.shape(), what=f"{what}, {feature.name or f'area {feature.number}'}").boundary
    boundary = clipped(shape, city)
    least_m2 = max(MIN_AREA_M2, _LEAST_INSIDE * geodesic_area_m2(shape))
    return [_Part(feature=feature, boundary=boundary)] if geodesic_area_m2(boundary) >= least_m2 else []


def _too_small(features: Sequence[Feature], city: City) -> str:
    """Name the areas in the city that are smaller than a pixel: they are left out."""
    small = [one for one in features if not one.fault and 0 < one.geometry.area < _SMALL_DEG2]
    names = [
        one.name or f"area {one.number}"
        for one in small
        if geodesic_area_m2(polygonal(one.geometry)) < MIN_AREA_M2 and one.geometry.intersects(city.boundary)
    ]
    return f"districts smaller than a pixel were left out: {truncate_list(names)}" if names else ""


def _near(bounds: tuple[float, float, float, float], city: City) -> bool:
    """Tell whether bounds touch those of the city: a broken area on another continent does not matter."""
    west, south, east, north = bounds
    if west < -180 or east > 180 or east - west > 180:
        return True
    return bool(shapely.box(west, south, east, north).intersects(shapely.box(*city.boundary.bounds)))


def _none_inside(features: Sequence[Feature], city: City, *, what: str) -> AreaError:
    turned = [exchanged(one.geometry) for one in features if not one.fault]
    if any(city.boundary.intersects(shapely.box(*shape.bounds)) for shape in turned):
        return AreaError(f"{what}: latitude and longitude are exchanged; write lon first, then lat")
    return AreaError(f"{what}: none of its {len(features)} areas lies in {city.label}; give the districts of this city")


def _without_whole(parts: Sequence[_Part], city: City) -> list[_Part]:
    """Drop areas that cover the whole city: they are the city itself, or contain it."""
    inside = [part for part in parts if not same_ground(part.boundary, city.boundary)]
    return inside or list(parts)


def _one_layer(parts: Sequence[_Part]) -> tuple[list[_Part], str]:
    """Of overlapping layers (levels of one administration), keep the one with most areas, with a note on the others."""
    by_layer: dict[str, list[_Part]] = {}
    for part in parts:
        by_layer.setdefault(part.feature.layer, []).append(part)
    if len(by_layer) == 1 or _overlap_m2(parts) < _MOST_OVERLAP * geodesic_area_m2(_union(parts)):
        return list(parts), ""
    name, chosen = max(by_layer.items(), key=lambda item: len(item[1]))
    others = [layer for layer in by_layer if layer != name]
    return chosen, f"districts of the layer {name}; not of {truncate_list(others, most=4)}, on the same ground"


def _union(parts: Sequence[_Part]) -> Area:
    return polygonal(shapely.union_all([part.boundary for part in parts]))


def _overlap_m2(parts: Sequence[_Part]) -> float:
    return sum(geodesic_area_m2(part.boundary) for part in parts) - geodesic_area_m2(_union(parts))


def _doubts(parts: Sequence[_Part], broken: Sequence[str], city: City, *, what: str) -> list[Caution]:
    doubts = []
    if broken:
        more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        doubts.append(Caution("districts-doubtful", f"an area is left out: {broken[0]}{more}"))
    overlap_m2 = _overlap_m2(parts)
    if overlap_m2 > _MOST_OVERLAP * city.area_m2:
        text = f"{what}: its areas overlap on {overlap_m2 / 1e6:.2f} km², which counts in each of them"
        doubts.append(Caution("districts-doubtful", text))
    return doubts


def _district(part: _Part, *, source: str, unique: bool, numbers: str | None) -> District:
    feature = part.feature
    name = feature.name or "district"
    name = f"district {name}" if name.isdecimal() else name
    if not (unique and feature.name):
        name = f"{name} ({feature.attributes[numbers]})" if numbers else f"{name} {feature.number}"
    return District(name=name, id=f"file:{source}#{feature.number}", boundary=part.boundary, level=_level(feature))
