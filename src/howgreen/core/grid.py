"""The grid of a city: its own UTM zone, edges at multiples of the resolution."""

from __future__ import annotations

import math

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.features import rasterize
from rasterio.warp import transform_geom
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from howgreen.core.errors import AreaError
from howgreen.core.geometry import polygonal
from howgreen.core.types import City

LONGEST_SIDE_M = 1_000_000
"""No grid is longer: beyond, the area is not a city, or its coordinates are not what they claim."""
EDGE_DEG = 0.01
"""Straight edges get a vertex at least this often before projection, for they bend there."""
COARSE_PX = 10_000
"""How many coarse pixels a city gets about, for looking at masks."""


def projected(city: City) -> BaseGeometry:
    """Boundary of the city in metres of ``city.crs``; parts on both sides of the antimeridian come together."""
    transformer = Transformer.from_crs("EPSG:4326", city.crs, always_xy=True)
    dense = shapely.segmentize(city.boundary, EDGE_DEG)
    shape: BaseGeometry = shapely.transform(
        dense, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
    )
    return shape


def grid(city: City, *, resolution_m: float = 10) -> GeoBox:
    """The pixels of a city.

    Parameters
    ----------
    city
        Its ``crs`` is the grid's.
    resolution_m
        Pixel size in metres; the grid's edges lie on multiples of it, outside the boundary.

    Raises
    ------
    AreaError
        If the boundary is empty or too large to be a city.
    """
    if city.boundary.is_empty:
        raise AreaError(f"{city.label}: the boundary is empty; give another with --area")
    bounds = projected(city).bounds
    if not all(map(math.isfinite, bounds)):
        raise AreaError(f"{city.label}: the boundary does not fit {city.crs}; check that its coordinates are lon, lat")
    west, south = (math.floor(v / resolution_m + 1e-6) for v in bounds[:2])
    east, north = (math.ceil(v / resolution_m - 1e-6) for v in bounds[2:])
    width, height = max(east - west, 1), max(north - south, 1)
    longest = max(width, height) * resolution_m
    if longest > LONGEST_SIDE_M:
        raise AreaError(
            f"{city.label}: {width * resolution_m / 1000:,.0f} x {height * resolution_m / 1000:,.0f} km is no city; "
            f"at most {LONGEST_SIDE_M / 1000:,.0f} km a side: check the boundary, or work on a part of it"
        )
    affine = Affine(resolution_m, 0, west * resolution_m, 0, -resolution_m, north * resolution_m)
    return GeoBox((height, width), affine, city.crs)


def outline(grid: GeoBox) -> Polygon | MultiPolygon:
    """EPSG:4326 outline of a grid, split where it crosses the antimeridian."""
    frame = shapely.box(*grid.boundingbox.bbox)
    dense = shapely.segmentize(frame, frame.length / 64)  # straight lines on one map are curves on another
    moved = transform_geom(grid.crs.to_wkt() if grid.crs else "", "EPSG:4326", shapely.geometry.mapping(dense))
    return polygonal(shapely.geometry.shape(moved))


def coarse(city: City) -> tuple[GeoBox, NDArray[np.bool_]]:
    """A grid of 10-100 m pixels for looking at masks, and which of its pixels (y, x) lie inside the city."""
    resolution_m = min(100, max(10, 10 * int(math.sqrt(city.area_m2 / COARSE_PX) / 10)))
    frame = grid(city, resolution_m=resolution_m)
    shape = projected(city)
    inside = rasterize([shape], out_shape=frame.shape, transform=frame.affine, dtype="uint8").astype(bool)
    if not inside.any():  # a sliver narrower than a pixel
        inside = rasterize(
            [shape], out_shape=frame.shape, transform=frame.affine, dtype="uint8", all_touched=True
        ).astype(bool)
    return frame, inside
