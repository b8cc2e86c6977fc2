"""Which part of a city's limits is land: administrations reach into the sea, and the sea is never green.

OpenStreetMap has no polygons of the sea, only coastlines, drawn with the land on their left. They cut a box around the
limits into faces; a face is land where coastlines pass it on their left. Where a line is broken, one face has it on
both sides: then nothing is guessed, and water is told by its class alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from howgreen.core.errors import AreaError
from howgreen.core.geometry import BBox, boxes, geodesic_area_m2, polygonal
from howgreen.core.types import City
from howgreen.osm.extract import LICENCE, read_lines
from howgreen.place.shapes import join_notes

if TYPE_CHECKING:
    from shapely import LineString, Polygon
    from shapely.geometry.base import BaseGeometry

COAST = ("natural", "coastline")
"""The tag of a coastline."""
MARGIN_DEG = 0.01
"""Of the box around the limits in which coastlines are asked for."""
OSM_SOURCE = f"coastline of OpenStreetMap, {LICENCE}"

# Half a width of OpenStreetMap's own grid of coordinates beside a segment lies what it parts.
_BESIDE_DEG = 2e-8
# A face that has so much of its coast on the wrong side is not closed: its line is broken somewhere.
_MOST_WRONG = 0.01
# Less sea than this is the difference of two drawings of one shore.
_LEAST_SEA = 1e-4


def with_land(city: City, *, osm: Path) -> City:
    """The city with its land as the coastline in an OpenStreetMap extract cuts it out.

    Raises
    ------
    AreaError
        When the file cannot be read.

    """
    return of_lines(city, read_lines(osm, tags=[COAST]), source=OSM_SOURCE)


def with_land_file(city: City, path: Path) -> City:
    """The city with its land out of a vector file: polygons of land, or coastlines with the land on their left.

    Only what lies around the city is read, so that the file may hold the world.

    Raises
    ------
    AreaError
        When the file cannot be read, or shows no land inside the limits.

    """
    from howgreen.place.vectors import read_around

    shapes = [shape for box in boxes(city.boundary) for shape in read_around(path, box, margin_deg=MARGIN_DEG)[0]]
    areas = [polygonal(shape) for shape in shapes if shape.geom_type in {"Polygon", "MultiPolygon"}]
    source = f"land of {path.name}"
    if areas:
        return _with(city, shapely.union_all(areas), source=source)
    lines = [line for shape in shapes for line in shapely.get_parts(shape) if line.geom_type == "LineString"]
    if not lines:
        raise AreaError(f"{path}: shows no land inside the limits of {city.label}; give a file that holds it")
    return of_lines(city, lines, source=source)


def of_lines(city: City, coast: Sequence[LineString], *, source: str) -> City:
    """The city with its land as coastlines (EPSG:4326, land on their left) cut it out of the limits.

    As it was where no coastline comes near; with a note where they are broken there.
    """
    pieces = [_land_around(box, city.boundary, coast) for box in boxes(city.boundary)]
    if any(piece is None for piece in pieces):
        return replace(city, note=join_notes(city.note, f"sea told by its colour alone: the {source} is broken here"))
    return _with(city, shapely.union_all(pieces), source=source)


def _land_around(box: BBox, limits: BaseGeometry, coast: Sequence[LineString]) -> BaseGeometry | None:
    """The land in a box of the limits; None where that cannot be told.

    Where a line is broken in a wide frame, as at an extract's edge, a narrow one is tried, and then the limits
    themselves: they often follow the shore.
    """
    whole = shapely.box(*box)
    wide, narrow = (whole.buffer(margin_deg, join_style="mitre") for margin_deg in (MARGIN_DEG, MARGIN_DEG / 100))
    for frame in (wide, narrow, shapely.intersection(limits, whole)):
        near = [part for line in coast if line.intersects(frame) for part in _inside(line, frame)]
        land = _land_in(frame, near) if near else frame
        if land is not None:
            return land
    return None


def _with(city: City, land: BaseGeometry, *, source: str) -> City:
    inside = polygonal(shapely.intersection(city.boundary, land))
    if inside.is_empty:
        raise AreaError(f"{city.label}: by the {source} all of its limits are sea; leave --land out, or give another")
    sea_m2 = city.area_m2 - geodesic_area_m2(inside)
    if sea_m2 < _LEAST_SEA * city.area_m2:
        return city
    note = f"{sea_m2 / 1e6:.1f} km² of the limits are sea and count nowhere ({source})"
    return replace(city, land=inside, land_source=source, note=join_notes(city.note, note))


def _inside(line: LineString, frame: BaseGeometry) -> list[LineString]:
    """The pieces of a line in a frame, in its own direction."""
    cut = shapely.intersection(line, frame)
    return [part for part in shapely.get_parts(cut) if part.geom_type == "LineString" and part.length > 0]


def _land_in(frame: BaseGeometry, coast: Sequence[LineString]) -> BaseGeometry | None:
    """The land in a frame; None where the lines do not close around it."""
    noded = shapely.union_all([shapely.boundary(frame), *coast])
    faces: list[Any] = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded))).tolist()
    left, right = _votes(faces, coast)
    if (
        np.minimum(left, right) >= _MOST_WRONG * np.maximum(left, right)
    ).any():  # of a face without a coast, both are 0
        return None
    return shapely.union_all([face for face, votes in zip(faces, left > right, strict=True) if votes])


def _votes(faces: Sequence[Polygon], coast: Sequence[LineString]) -> tuple[Any, Any]:
    """For each face, the length of coastline that has it on its left and on its right."""
    ends = [np.asarray(line.coords)[:, :2] for line in coast]
    start, end = (np.concatenate(points) for points in ([p[:-1] for p in ends], [p[1:] for p in ends]))
    along = end - start
    length = np.hypot(*along.T)
    keep = length > 0
    start, along, length = start[keep], along[keep], length[keep]
    aside = np.column_stack([-along[:, 1], along[:, 0]]) / length[:, None] * _BESIDE_DEG
    tree = shapely.STRtree(faces)
    found = []
    for side in (1, -1):
        votes = np.zeros(len(faces))
        points = shapely.points(start + along / 2 + side * aside)
        segment, face = tree.query(points, predicate="within")
        np.add.at(votes, face, length[segment])
        found.append(votes)
    return found[0], found[1]
