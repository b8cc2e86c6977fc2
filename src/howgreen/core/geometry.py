"""Geodesy and projection: metric grids, areas on the ellipsoid, shapes projected from longitude and latitude."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import shapely.geometry
from pyproj import Transformer
from shapely import MultiPolygon, Polygon
from shapely.errors import ShapelyError

from howgreen.core.errors import AreaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shapely.geometry.base import BaseGeometry

Area = Polygon | MultiPolygon
DENSIFY_DEG = 0.005
"""Longest piece of an edge, in degrees, projected as a straight line: within 2 cm of the true edge."""
MOST_CROSSINGS = 10_000
"""Most self-crossings of an outline: more take minutes to repair, and enclose nothing meaningful."""
_SAMPLED_EDGES = 500
_FEW_EDGES = 300
_GEOD = pyproj.Geod(ellps="WGS84")

# Sentinel-2 tiles follow the military grid reference system, which widens zones over Norway and Svalbard: (south,
# north, west, east, zone). A city there should lie on the same grid as its images.
_WIDENED = (
    (56.0, 64.0, 3.0, 12.0, 32),
    (72.0, 84.0, 0.0, 9.0, 31),
    (72.0, 84.0, 9.0, 21.0, 33),
    (72.0, 84.0, 21.0, 33.0, 35),
    (72.0, 84.0, 33.0, 42.0, 37),
)

BBox = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


def boxes(area: Polygon | MultiPolygon) -> tuple[BBox, ...]:
    """Return west, south, east, north of an EPSG:4326 area; two boxes if the antimeridian splits it."""
    parts = list(getattr(area, "geoms", [area]))
    west, _, east, _ = area.bounds
    sides = [[p for p in parts if p.bounds[0] >= 0], [p for p in parts if p.bounds[0] < 0]]
    halves = [parts] if east - west <= 180 else sides
    bounds = [np.array([part.bounds for part in half]) for half in halves]
    return tuple((*b[:, :2].min(axis=0).tolist(), *b[:, 2:].max(axis=0).tolist()) for b in bounds)


def bounds_of(area: Polygon | MultiPolygon) -> BBox:
    """Return west, south, east, north of an EPSG:4326 area as in GeoJSON (RFC 7946, 5.2).

    West exceeds east if the antimeridian splits it.
    """
    halves = boxes(area)
    (west, *_), (*_, east, _) = halves[0], halves[-1]
    return west, min(half[1] for half in halves), east, max(half[3] for half in halves)


def utm_crs(lon: float, lat: float) -> str:
    """Choose the metric CRS of a place: its UTM zone, or polar stereographic (UPS) beyond 84 N and 80 S.

    Parameters
    ----------
    lon, lat
        Degrees, EPSG:4326. ``lon`` may lie outside -180..180; it is wrapped.

    Returns
    -------
    str
        ``EPSG:326zz`` (north), ``EPSG:327zz`` (south), ``EPSG:32661`` or ``EPSG:32761`` (poles).

    Raises
    ------
    AreaError
        The numbers are no position on Earth.

    """
    if not (math.isfinite(lon) and math.isfinite(lat) and abs(lat) <= 90):
        raise AreaError(f"longitude {lon}, latitude {lat}: not a position on Earth; give degrees as (lon, lat)")
    if lat >= 84:
        return "EPSG:32661"
    if lat < -80:
        return "EPSG:32761"
    return f"EPSG:{326 if lat >= 0 else 327}{_zone((lon + 180) % 360 - 180, lat):02d}"


def _zone(lon: float, lat: float) -> int:
    for south, north, west, east, zone in _WIDENED:
        if south <= lat < north and west <= lon < east:
            return zone
    return int((lon + 180) // 6) + 1


@lru_cache(maxsize=64)
def transformer(from_crs: str, to_crs: str) -> Transformer:
    """Make, once, a transformer between two CRS, x (or lon) first; pyproj lets threads share it."""
    return Transformer.from_crs(from_crs, to_crs, always_xy=True)


def densify(shape: BaseGeometry) -> BaseGeometry:
    """Add vertices to long edges of an EPSG:4326 shape, every :data:`DENSIFY_DEG`.

    Edges are straight in longitude and latitude, as in GeoJSON; on a grid and on the ellipsoid they curve.
    """
    return shapely.segmentize(shape, DENSIFY_DEG)


def project(shape: BaseGeometry, crs: str) -> BaseGeometry:
    """Project an EPSG:4326 (lon, lat) shape to another CRS, with curved edges.

    A shape split at the antimeridian is rejoined; the result is valid.
    """
    move = transformer("EPSG:4326", crs).transform
    moved: BaseGeometry = shapely.transform(densify(shape), lambda p: np.column_stack(move(p[:, 0], p[:, 1])))
    # The halves of a split shape share an edge that is no outline.
    return moved if moved.is_valid else shapely.make_valid(moved, method="structure")


def exchanged(shape: BaseGeometry) -> BaseGeometry:
    """Swap the coordinates of a shape: its position if latitude had been written first."""
    turned: BaseGeometry = shapely.transform(shape, lambda points: points[:, ::-1])
    return turned


def to_lonlat(shape: BaseGeometry, crs: str) -> Polygon | MultiPolygon:
    """Transform an area from another CRS to EPSG:4326 (lon, lat), split where it crosses the antimeridian."""
    from rasterio.warp import transform_geom

    # Straight lines in one projection are curves in another.
    dense = shapely.segmentize(shape, shapely.box(*shape.bounds).length / 64)
    return polygonal(shapely.geometry.shape(transform_geom(crs, "EPSG:4326", shapely.geometry.mapping(dense))))


def geodesic_area_m2(geom: BaseGeometry) -> float:
    """Compute the area on the WGS 84 ellipsoid in m2, without holes; 0 for points and lines.

    Parameters
    ----------
    geom
        EPSG:4326 (lon, lat). Edges are geodesics, as pyproj's ``Geod`` has them (Karney 2013).

    """
    if geom.geom_type not in ("Polygon", "MultiPolygon"):
        return float(sum(geodesic_area_m2(part) for part in getattr(geom, "geoms", ())))
    # PROJ's sign wants anticlockwise rings; orient_polygons also orients the holes the other way.
    return abs(float(_GEOD.geometry_area_perimeter(shapely.orient_polygons(geom))[0]))


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Compute the geodesic distance between two points (lon, lat) on WGS 84, in metres."""
    return float(_GEOD.inv(*one, *other)[2])


def area_from(value: Mapping[str, Any]) -> Polygon | MultiPolygon:
    """Return the polygon or multipolygon of a GeoJSON geometry, unchanged; ValueError for any other kind.

    Parameters
    ----------
    value
        GeoJSON geometry.

    """
    try:
        geom = shapely.geometry.shape(dict(value))
    except (ShapelyError, AttributeError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"not a GeoJSON geometry: {error!r}") from error
    if not isinstance(geom, Polygon | MultiPolygon):
        raise ValueError(f"a {geom.geom_type}, not an area")  # noqa: TRY004 (the value is wrong, not the caller)
    return geom


def check_crossings(geom: BaseGeometry, *, what: str = "an outline") -> None:
    """Refuse a shape whose edges cross at :data:`MOST_CROSSINGS` points or more, judged by a sample of its edges.

    Repair would take time and memory quadratic in its edges: a minute for 2,000 that all cross.

    Raises
    ------
    AreaError
        It crosses itself that often.
    """
    lines = shapely.get_rings(shapely.get_parts(shapely.force_2d(geom)))
    points, ring = shapely.get_coordinates(lines, return_index=True)
    same = ring[1:] == ring[:-1]
    edges = np.asarray(shapely.linestrings(np.stack([points[:-1][same], points[1:][same]], axis=1)))
    if len(edges) <= _FEW_EDGES:
        return
    tree, most = shapely.STRtree(edges), 2 * MOST_CROSSINGS * min(_SAMPLED_EDGES, len(edges)) / len(edges)
    sample = edges[np.linspace(0, len(edges) - 1, min(_SAMPLED_EDGES, len(edges))).astype(int)]
    found = 0
    for edge in sample:
        found += len(tree.query(edge, predicate="crosses"))
        if found > most:
            raise AreaError(f"{what}: crosses itself at thousands of places; draw it again, or export it anew")


def repaired(geom: BaseGeometry) -> BaseGeometry:
    """Make a shape valid; AreaError as :func:`check_crossings`."""
    check_crossings(geom)
    return shapely.make_valid(geom)


def polygonal(geom: BaseGeometry) -> Polygon | MultiPolygon:
    """Keep the areas of a geometry, made valid; lines and points are dropped. May return an empty geometry.

    Parameters
    ----------
    geom
        Any geometry, any CRS.

    """
    whole = geom if geom.is_valid else repaired(geom)
    if isinstance(whole, Polygon | MultiPolygon):
        return whole
    parts = [part for part in getattr(whole, "geoms", ()) if part.geom_type in {"Polygon", "MultiPolygon"}]
    merged = shapely.union_all(parts) if parts else Polygon()
    return merged if isinstance(merged, Polygon | MultiPolygon) else Polygon()


def crs_of(geom: BaseGeometry) -> str:
    """Choose the metric CRS at an area's centre; areas split at the antimeridian count as one piece.

    Parameters
    ----------
    geom
        EPSG:4326 (lon, lat).

    """
    west, _, east, _ = geom.bounds
    whole = geom
    if east - west > 180:
        whole = shapely.transform(geom, lambda xy: xy + [[360, 0]] * (xy[:, :1] < 0))
    middle = whole.centroid
    return utm_crs(middle.x, middle.y)
