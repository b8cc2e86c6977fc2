"""Land within a city's limits: administrative areas extend into the sea, and the sea is never green.

OpenStreetMap has no polygons of the sea, only coastlines, drawn with the land on their left. They cut a box around the
limits into faces; a face is land if coastlines pass it on their left. If a line is broken, one face has it on both
sides: then nothing is guessed, and only the water class separates water from land.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely import LinearRing

from howgreen.core.errors import AreaError
from howgreen.core.geometry import Area, BBox, boxes, exchanged, geodesic_area_m2, polygonal
from howgreen.core.text import truncate
from howgreen.core.types import City
from howgreen.core.warnings import Caution
from howgreen.osm.extract import LICENCE, read_lines
from howgreen.place._shapes import join_notes

if TYPE_CHECKING:
    from shapely import LineString, Polygon
    from shapely.geometry.base import BaseGeometry

    from howgreen.place.vectors import Around

COAST = ("natural", "coastline")
"""Tag of a coastline."""
MARGIN_DEG = 0.01
"""Margin of the box around the limits in which coastlines are requested, in degrees."""
OSM_SOURCE = f"coastline of OpenStreetMap, {LICENCE}"

# Half the coordinate step of OpenStreetMap: this close to a segment lie the faces it separates.
_BESIDE_DEG = 2e-8
# A face with this share of its coast on the wrong side is not closed: its line is broken somewhere.
_MOST_WRONG = 0.01
# A smaller share of sea is just the difference between two drawings of one shore.
_LEAST_SEA = 1e-4
# A coast of closed rings alone does not say what surrounds them: an islet in a river is drawn like one in the sea. The
# rest counts as sea only if the rings hold this share of the limits.
_LEAST_IN_RINGS = 0.5
# With less land than this, the limits are not a city's: the coastline, or the file, is not what it seems.
_LEAST_LAND = 0.01
# Most lines of a file whose directions are compared.
_MOST_LINES = 20_000
_WATER_FILE = re.compile(
    r"(?<![a-z])(water|waters|ocean|oceans|sea|seas|wasser|meere?|eaux?|aguas?|oceanos?|océans?)(?![a-z])"
)
_WATER_KINDS = frozenset(("water", "ocean", "sea", "bay", "lake", "river", "riverbank", "reservoir", "strait"))


def with_land(city: City, *, osm: Path) -> City:
    """Remove the sea from a city's land by the coastline in an OpenStreetMap extract.

    Raises
    ------
    AreaError
        When the file cannot be read.

    """
    return of_lines(city, read_lines(osm, tags=[COAST]), source=OSM_SOURCE)


def with_land_file(city: City, path: Path) -> City:
    """Remove the sea from a city's land by a vector file: polygons of land, or coastlines with the land on their left.

    Only features around the city are read, so the file may cover the world. Closed lines are islands, whichever way
    they run: no format guarantees a direction.

    Raises
    ------
    AreaError
        When the file cannot be read, shows water instead of land, contradicts itself, or shows no land inside the
        limits.

    """
    from howgreen.place.vectors import read_around

    read = [read_around(path, box, margin_deg=MARGIN_DEG) for box in boxes(city.boundary)]
    shapes = [shape for part in read for shape in part.shapes]
    _refuse_water(path, read)
    source = f"land of {path.name}"
    areas = [polygonal(shape) for shape in shapes if shape.geom_type in {"Polygon", "MultiPolygon"}]
    if areas:
        return _of_file(city, shapely.union_all(areas), path=path, source=source)
    lines = [line for shape in shapes for line in shapely.get_parts(shape) if line.geom_type == "LineString"]
    if not lines:
        raise AreaError(f"{path}: shows no land inside the limits of {city.label}; give a file that holds it")
    rings, open_lines = _rings(lines)
    if not open_lines:
        return _of_file(city, _islands(rings), path=path, source=source)
    others = rings or _rings(read_lines_of(path))[0]
    if any(not ring.is_ccw for ring in others):
        raise AreaError(
            f"{path}: its closed lines run both ways, or with the land on their right, so that nobody can tell on which side of "
            "the others land lies; give polygons of land"
        )
    made = of_lines(city, [*open_lines, *rings], source=source)
    if others:
        return made
    text = f"{path.name} does not say on which side of its lines land lies; taken as on their left: check the map"
    return replace(made, warnings=(*made.warnings, Caution("coast-unclear", text)))


def read_lines_of(path: Path) -> list[LineString]:
    """Read the first lines of a whole vector file, to check their direction."""
    from howgreen.place.vectors import read_around

    read = read_around(path, (-180.0, -90.0, 180.0, 90.0), margin_deg=0.0, most=_MOST_LINES)
    return [line for shape in read.shapes for line in shapely.get_parts(shape) if line.geom_type == "LineString"]


def _refuse_water(path: Path, read: Sequence[Around]) -> None:
    """Refuse a file whose names or values say water."""
    names = [path.stem, *(layer for part in read for layer in part.layers)]
    names_of_water = [name for name in names if _WATER_FILE.search(name.lower()) and "land" not in name.lower()]
    kinds = [value for part in read for value in part.values if value.lower() in _WATER_KINDS]
    if names_of_water or kinds:
        raise AreaError(
            f"{path}: seems to hold water ({truncate((names_of_water + sorted(kinds))[0])}), not land; give polygons of land, or coastlines"
        )


def _rings(lines: Sequence[LineString]) -> tuple[list[LinearRing], list[LineString]]:
    """Join lines end to start; return the closed ones and the others."""
    joined = shapely.get_parts(shapely.line_merge(shapely.MultiLineString(list(lines)), directed=True))
    closed = [LinearRing(line.coords) for line in joined if line.is_closed and len(line.coords) > 3]
    return closed, [line for line in joined if not line.is_closed]


def _islands(rings: Sequence[LinearRing]) -> BaseGeometry:
    """Build polygons from closed lines; a ring inside another is its lake."""
    land: BaseGeometry = shapely.Polygon()
    for ring in rings:
        land = shapely.symmetric_difference(land, polygonal(shapely.Polygon(ring)))
    return land


def _of_file(city: City, land: BaseGeometry, *, path: Path, source: str) -> City:
    """Give the city the land shown by a user's file; AreaError if that cannot be its land."""
    inside = polygonal(shapely.intersection(city.boundary, land))
    if inside.is_empty:
        turned = exchanged(land)
        cure = "its latitude and longitude are exchanged" if turned.intersects(city.boundary) else "give another"
        raise AreaError(f"{path}: by this file all limits of {city.label} are sea; leave --land out, or {cure}")
    if geodesic_area_m2(inside) < _LEAST_LAND * city.area_m2:
        raise AreaError(f"{path}: shows almost no land in {city.label}; does it hold water? give polygons of land")
    return _with(city, inside, source=source)


def of_lines(city: City, coast: Sequence[LineString], *, source: str) -> City:
    """Remove the sea from a city's land by coastlines (EPSG:4326, land on their left).

    Return the city unchanged if no coastline comes near. If lines are broken or implausible, nothing is removed: a note
    and a warning say so, and only the water class identifies water.
    """
    pieces = [_land_around(box, city.boundary, coast) for box in boxes(city.boundary)]
    lands = [piece.land for piece in pieces]
    if any(land is None for land in lands):
        return _unclear(city, f"the {source} is broken here")
    inside = polygonal(shapely.intersection(city.boundary, shapely.union_all(lands)))
    share = geodesic_area_m2(inside) / city.area_m2
    if share < _LEAST_IN_RINGS and all(piece.rings_alone for piece in pieces):
        return _unclear(city, f"the {source} holds only closed rings here, which may be islets of a river")
    if share < _LEAST_LAND:
        return _unclear(city, f"by the {source} {1 - share:.1%} of the limits would be sea")
    return _with(city, inside, source=source)


def _unclear(city: City, reason: str) -> City:
    text = f"sea told by its colour alone: {reason}"
    caution = Caution("coast-unclear", f"{city.label}: {text}; give polygons of land with --land")
    return replace(city, note=join_notes(city.note, text), warnings=(*city.warnings, caution))


@dataclass(frozen=True, kw_only=True)
class _Land:
    """The land in a box."""

    land: BaseGeometry | None
    """None if it cannot be determined."""
    rings_alone: bool = False
    """Whether its coast consists of closed rings wholly inside the box."""


def _land_around(box: BBox, limits: BaseGeometry, coast: Sequence[LineString]) -> _Land:
    """Find the land in a box around the limits.

    If a line is broken in a wide frame, as at an extract's edge, try a narrow one, and then the limits themselves,
    which often follow the shore.
    """
    whole = shapely.box(*box)
    wide, narrow = (whole.buffer(margin_deg, join_style="mitre") for margin_deg in (MARGIN_DEG, MARGIN_DEG / 100))
    for frame in (wide, narrow, shapely.intersection(limits, whole)):
        near = [part for line in coast if line.intersects(frame) for part in _inside(line, frame)]
        if not near:
            return _Land(land=frame)
        land = _land_in(frame, near)
        if land is not None:
            return _Land(land=land, rings_alone=frame is wide and not _rings(near)[1])
    return _Land(land=None)


def _with(city: City, inside: Area, *, source: str) -> City:
    sea_m2 = city.area_m2 - geodesic_area_m2(inside)
    if sea_m2 < _LEAST_SEA * city.area_m2:
        return city
    note = f"{sea_m2 / 1e6:.1f} km² of the limits are sea and count nowhere ({source})"
    return replace(city, land=inside, land_source=source, note=join_notes(city.note, note))


def _inside(line: LineString, frame: BaseGeometry) -> list[LineString]:
    """Clip a line to a frame, keeping its direction."""
    cut = shapely.intersection(line, frame)
    return [part for part in shapely.get_parts(cut) if part.geom_type == "LineString" and part.length > 0]


def _land_in(frame: BaseGeometry, coast: Sequence[LineString]) -> BaseGeometry | None:
    """Find the land in a frame; None if the lines do not close around it."""
    noded = shapely.union_all([shapely.boundary(frame), *coast])
    faces: list[Any] = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded))).tolist()
    left, right = _votes(faces, coast)
    if (np.minimum(left, right) >= _MOST_WRONG * np.maximum(left, right)).any():  # both 0 without a coast
        return None
    return shapely.union_all([face for face, votes in zip(faces, left > right, strict=True) if votes])


def _votes(faces: Sequence[Polygon], coast: Sequence[LineString]) -> tuple[Any, Any]:
    """Measure for each face the length of coastline that has it on its left and on its right."""
    ends = [np.asarray(line.coords)[:, :2] for line in coast]
    start, end = (np.concatenate(points) for points in ([p[:-1] for p in ends], [p[1:] for p in ends]))
    along = end - start
    length = np.hypot(*along.T)
    keep = length > 0
    start, along, length = start[keep], along[keep], length[keep]
    aside = np.column_stack([-along[:, 1], along[:, 0]]) / length[:, None] * _BESIDE_DEG
    tree = shapely.STRtree(faces)
    sides = []
    for side in (1, -1):
        votes = np.zeros(len(faces))
        points = shapely.points(start + along / 2 + side * aside)
        segment, face = tree.query(points, predicate="within")
        np.add.at(votes, face, length[segment])
        sides.append(votes)
    return sides[0], sides[1]
