"""Make a ``City`` from a shape: valid, areas only, split at the antimeridian, of plausible size."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon

from howgreen.core.errors import AreaError
from howgreen.core.geometry import Area, check_crossings, geodesic_area_m2, polygonal, utm_crs
from howgreen.core.text import one_line
from howgreen.core.types import City
from howgreen.core.warnings import Caution

if TYPE_CHECKING:
    import numpy.typing as npt
    from shapely.geometry.base import BaseGeometry

MIN_AREA_M2 = 100.0
"""One Sentinel-2 pixel: nothing smaller can be measured."""
MAX_AREA_M2 = 1e11
"""100,000 km2: larger than any city's limits; a country was meant, or the CRS is wrong."""

# A repair may change at most this share of the area: a larger self-crossing is not what its author meant, and guessing
# which half is the city would decide the ratio.
_REPAIR_TOLERANCE = 1e-3
_MANY_VERTICES = 100_000


def from_shape(
    geometry: BaseGeometry,
    *,
    name: str,
    label: str | None = None,
    id: str | None = None,  # noqa: A002 (the word of City)
    kind: str = "drawn shape",
    licence: str = "",
    note: str = "",
) -> City:
    """Make a city from a shape.

    Parameters
    ----------
    geometry
        Polygon, MultiPolygon, or a collection that contains polygons; EPSG:4326 (lon, lat). May cross the antimeridian,
        with longitudes beyond 180 or jumping from 179 to -179.
    name
        Requested name.
    label, id, kind, licence, note
        See :class:`howgreen.core.types.City`; the label is the name and the id a hash of the shape if left out.

    Raises
    ------
    AreaError
        When the shape is empty, not an area, off the globe, self-crossing, smaller than 100 m2 or larger than 100,000
        km2.

    """
    cleaned = clean(geometry, what=label or name)
    boundary = cleaned.boundary
    area_m2 = _checked_area_m2(boundary, what=label or name)
    lon, lat = centre(boundary)
    return City(
        name=one_line(name),
        label=one_line(label or name),
        id=one_line(id or f"shape:{_digest(boundary)}"),
        boundary=boundary,
        crs=utm_crs(lon, lat),
        area_m2=area_m2,
        kind=kind,
        licence=one_line(licence),
        note=join_notes(one_line(note), *cleaned.notes),
        warnings=cleaned.warnings,
    )


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """A usable boundary, and the repairs made to it."""

    boundary: Area
    """EPSG:4326, valid, split at the antimeridian."""
    notes: tuple[str, ...] = ()
    warnings: tuple[Caution, ...] = ()


def clean(geometry: BaseGeometry | None, *, what: str) -> Cleaned:
    """Return the valid areas of a shape, split at the antimeridian.

    Parameters
    ----------
    geometry
        EPSG:4326 (lon, lat).
    what
        Name of the shape in errors.

    Raises
    ------
    AreaError
        When it is empty, not an area, off the globe, or so self-crossing that its inside is ambiguous.

    """
    parts = _polygons(geometry, what=what)
    check_degrees(MultiPolygon(parts), what=what)
    for part in parts:
        if shapely.get_num_coordinates(part) > _MANY_VERTICES:  # checking its validity takes as long as repairing it
            check_crossings(part, what=what)
    apart, islands = _islands_apart([_continuous(part, what=what) for part in parts])
    fixed, notes, left_out = _repaired(apart, what=what)
    mended = [f"{left_out} part{'s' * (left_out > 1)} without area left out"] if left_out else []
    mended += (
        [f"{islands} rings written as holes lie outside of their area, and are taken as islands"] if islands else []
    )
    return Cleaned(
        boundary=split_antimeridian(fixed),
        notes=(*notes, *(f"boundary repaired: {text}" for text in mended)),
        warnings=tuple(Caution("limits-mended", f"{what}: {text}; check the map") for text in mended),
    )


def join_notes(*notes: str) -> str:
    """Join the non-empty notes into one text."""
    return "; ".join(note for note in notes if note)


def same_ground(one: Area, other: Area, *, within: float = 1e-3) -> bool:
    """Tell whether two shapes differ by less than a share of their area."""
    return shapely.symmetric_difference(one, other).area < within * max(one.area, other.area)


def check_degrees(geometry: BaseGeometry, *, what: str) -> None:
    """Check that all coordinates are plausible (lon, lat) in degrees.

    Raises
    ------
    AreaError
        Names the coordinates and their likely CRS.

    """
    coordinates = shapely.get_coordinates(geometry)
    if not np.isfinite(coordinates).all():
        raise AreaError(f"{what}: coordinates are not all finite numbers; export the boundary again")
    west, south, east, north = geometry.bounds
    # Web maps keep counting when panned around the globe, so one more turn is accepted.
    if -540 <= west <= east <= 540 and -90 <= south <= north <= 90:
        return
    where = f"x {west:g}…{east:g}, y {south:g}…{north:g}"
    if max(abs(south), abs(north)) <= 540 and max(abs(west), abs(east)) <= 90:
        raise AreaError(f"{what}: latitudes beyond ±90 ({where}); is it written lat, lon? write lon first, then lat")
    raise AreaError(
        f"{what}: {where} are not degrees, they look like metres; its CRS is missing or wrong: save it with the right one"
    )


def _polygons(geometry: BaseGeometry | None, *, what: str) -> list[Polygon]:
    """List all non-empty polygons of a shape."""
    if geometry is None or geometry.is_empty:
        raise AreaError(f"{what}: the boundary is empty; give a polygon")
    parts = [leaf for leaf in _leaves(shapely.force_2d(geometry)) if isinstance(leaf, Polygon) and not leaf.is_empty]
    if not parts:
        raise AreaError(f"{what}: a {geometry.geom_type} is not an area; give a Polygon or MultiPolygon")
    return parts


def _leaves(geometry: BaseGeometry) -> Iterator[BaseGeometry]:
    """Yield the members of a collection, flattening nested ones."""
    for part in getattr(geometry, "geoms", [geometry]):
        if hasattr(part, "geoms"):
            yield from _leaves(part)
        else:
            yield part


def _are_apart(one: Polygon, other: Polygon) -> bool:
    """Tell whether two valid areas share no ground; they may touch."""
    return one.is_valid and other.is_valid and (one.disjoint(other) or one.touches(other))


def _islands_apart(parts: Sequence[Polygon]) -> tuple[list[Polygon], int]:
    """Turn rings wholly outside their outer ring into parts of their own, and count them.

    Some programs write every further ring of an area as a hole, islands too. A ring inside such an island is its hole.
    """
    apart: list[Polygon] = []
    count = 0
    for part in parts:
        shell, holes = Polygon(part.exterior), [Polygon(hole) for hole in ([] if part.is_valid else part.interiors)]
        outside = [hole for hole in holes if _are_apart(shell, hole)]
        if not outside:
            apart.append(part)
            continue
        count += len(outside)
        apart.append(Polygon(part.exterior, [hole.exterior for hole in holes if hole not in outside]))
        islands: BaseGeometry = Polygon()
        for island in outside:
            islands = shapely.symmetric_difference(islands, island)
        apart += [leaf for leaf in _leaves(islands) if isinstance(leaf, Polygon)]
    return apart, count


def _continuous(polygon: Polygon, *, what: str) -> Polygon:
    """Undo jumps from 179 to -179: longitudes continue beyond 180."""
    west, _, east, _ = polygon.bounds
    if east - west <= 180:
        return polygon
    shell = _unwrapped(polygon.exterior.coords, what=what)
    low, high = shell[:, 0].min(), shell[:, 0].max()
    holes = [_unwrapped(hole.coords, what=what) for hole in polygon.interiors]
    for hole in holes:
        hole[:, 0] += 360 * np.round(((low + high) / 2 - hole[:, 0].mean()) / 360)
    return Polygon(shell, holes)


def _unwrapped(ring: Any, *, what: str) -> npt.NDArray[np.float64]:
    coordinates = np.array(ring, dtype=float)
    coordinates[:, 0] = np.unwrap(coordinates[:, 0], period=360)
    if abs(coordinates[0, 0] - coordinates[-1, 0]) > 1e-9:
        raise AreaError(f"{what}: the boundary goes around a pole; give limits that do not hold one")
    return coordinates


def _repaired(parts: list[Polygon], *, what: str) -> tuple[Area, tuple[str, ...], int]:
    """Merge the parts, each made valid, with notes on repairs, and count those dropped for lack of area."""
    notes: list[str] = []
    fixed: list[Area] = []
    without_area: list[str] = []
    for part in parts:
        if part.is_valid:
            fixed.append(part)
            continue
        check_crossings(part, what=what)
        reason, near = _fault(part)
        mended = polygonal(shapely.make_valid(part, method="structure", keep_collapsed=False))
        if mended.is_empty:
            without_area.append(f"{reason}{near}")
            continue
        if abs(mended.area - part.area) > _REPAIR_TOLERANCE * mended.area:
            raise AreaError(f"{what}: the boundary crosses itself ({reason}{near}); redraw it without crossings")
        fixed.append(mended)
        notes.append(f"boundary repaired: {reason}{near}")
    if not fixed:
        raise AreaError(f"{what}: the boundary encloses no area ({without_area[0]}); draw it again")
    whole = MultiPolygon([polygon for piece in fixed for polygon in getattr(piece, "geoms", [piece])])
    if not whole.is_valid:
        notes.append("overlapping parts of the boundary were merged")
        return polygonal(shapely.union_all(fixed)), tuple(notes), len(without_area)
    return (whole.geoms[0] if len(whole.geoms) == 1 else whole), tuple(notes), len(without_area)


def _fault(polygon: Polygon) -> tuple[str, str]:
    """Say why a polygon is not valid, and where."""
    text = shapely.is_valid_reason(polygon)
    match = re.match(r"(.*?)\s*\[(\S+) (\S+)\]", text)
    if not match:
        return text.lower(), ""
    return match[1].lower(), f" near lon {float(match[2]):.5f}, lat {float(match[3]):.5f}"


def split_antimeridian(geometry: Area) -> Area:
    """Split a shape at the antimeridian: the same ground with all longitudes in -180..180, shifted by full turns.

    Parameters
    ----------
    geometry
        Valid, with longitudes continuing beyond 180 at the crossing.

    """
    west, _, east, _ = geometry.bounds
    if west >= -180 and east <= 180:
        return geometry
    pieces = []
    for turn in range(int((west + 180) // 360), int((east + 180) // 360) + 1):
        strip = shapely.box(-180 + 360 * turn, -90, 180 + 360 * turn, 90)
        inside = polygonal(shapely.intersection(geometry, strip))
        pieces.append(shapely.transform(inside, lambda xy, turn=turn: xy - np.array([360.0 * turn, 0.0])))
    return polygonal(shapely.union_all(pieces))


def centre(boundary: Area) -> tuple[float, float]:
    """Return longitude and latitude of a shape's middle, even if it lies on both sides of the antimeridian."""
    west, _, east, _ = boundary.bounds
    if east - west > 180:
        boundary = shapely.transform(boundary, lambda xy: np.where([True, False], xy % 360, xy))
    middle = boundary.centroid
    return (middle.x + 180) % 360 - 180, middle.y


def _checked_area_m2(boundary: Area, *, what: str) -> float:
    area_m2 = geodesic_area_m2(boundary)
    if area_m2 < MIN_AREA_M2:
        raise AreaError(
            f"{what}: encloses {area_m2:.3g} m², less than one pixel ({MIN_AREA_M2:.0f} m²); check its CRS, or give a larger area"
        )
    if area_m2 > MAX_AREA_M2:
        raise AreaError(
            f"{what}: encloses {area_m2 / 1e6:,.0f} km², more than {MAX_AREA_M2 / 1e6:,.0f} km²; check its CRS, or give a smaller area"
        )
    return area_m2


def _digest(boundary: Area) -> str:
    return hashlib.sha256(shapely.to_wkb(shapely.normalize(boundary), byte_order=1)).hexdigest()[:12]
