"""The pixel grid of a city, and the test for pixels with their centre inside a shape."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise, product
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from howgreen.core.errors import AreaError
from howgreen.core.geometry import geodesic_area_m2, project, to_lonlat
from howgreen.core.types import City

if TYPE_CHECKING:
    from affine import Affine

LONGEST_SIDE_M = 1_000_000
"""Longest side of a grid: beyond, the area is not a city, or its coordinates are wrong."""
TOLERANCE_PX = 1e-6
"""Bounds may exceed a pixel's edge by this much without another row of pixels: rounding of the projection."""
COARSE_PX = 10_000
"""Approximate number of coarse pixels per city, for reading masks."""
BLOCK_PX = 1024
"""Side of the blocks that a raster in one plain array is cut into."""
EDGE_PX = 1e-6
"""Distance to a pixel's edge, in pixels, below which a point counts as on it."""
LARGEST_SQUARE_PX = 1024
"""Side of the first squares tested, a power of two."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A rectangle of pixels of a grid, in rows and columns; it may reach beyond the grid."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index into the whole raster."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin_px: int) -> Window:
        """Add a margin on every side."""
        return Window(
            top=self.top - margin_px,
            bottom=self.bottom + margin_px,
            left=self.left - margin_px,
            right=self.right + margin_px,
        )

    def union(self, other: Window) -> Window:
        """Return the smallest rectangle that contains both."""
        return Window(
            top=min(self.top, other.top),
            bottom=max(self.bottom, other.bottom),
            left=min(self.left, other.left),
            right=max(self.right, other.right),
        )

    def common(self, other: Window) -> Window:
        """Return the intersection."""
        return Window(
            top=max(self.top, other.top),
            bottom=min(self.bottom, other.bottom),
            left=max(self.left, other.left),
            right=min(self.right, other.right),
        )

    def within(self, outer: Window) -> tuple[slice, slice]:
        """Index into the raster of another window that contains this one."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )

    def bounds(self, transform: Affine) -> tuple[float, float, float, float]:
        """Return west, south, east and north on a north-up grid."""
        west, east = (transform.c + transform.a * column for column in (self.left, self.right))
        north, south = (transform.f + transform.e * row for row in (self.top, self.bottom))
        return west, south, east, north

    def quarters(self) -> Iterator[Window]:
        """Split the window in four (or two, where one side is a single pixel)."""
        for (top, bottom), (left, right) in product(_halves(self.top, self.bottom), _halves(self.left, self.right)):
            yield Window(top=top, bottom=bottom, left=left, right=right)


def _halves(start: int, stop: int) -> list[tuple[int, int]]:
    middle = (start + stop) // 2
    return [(start, stop)] if middle == start else [(start, middle), (middle, stop)]


def windows(heights: tuple[int, ...], widths: tuple[int, ...]) -> dict[tuple[int, int], Window]:
    """Return the window of each block of a raster, by block row and column, in reading order."""
    tops, lefts = (tuple(accumulate(sizes, initial=0)) for sizes in (heights, widths))
    return {
        (i, j): Window(top=tops[i], bottom=tops[i + 1], left=lefts[j], right=lefts[j + 1])
        for i, j in product(range(len(heights)), range(len(widths)))
    }


def chunk_sizes(length: int, step: int = BLOCK_PX, *, first: int = 0) -> tuple[int, ...]:
    """Return sizes of blocks that start at ``first`` modulo ``step``."""
    edges = [0, *range(first % step or step, length, step), length]
    return tuple(stop - start for start, stop in pairwise(edges))


def grid(city: City, *, resolution_m: float = 10) -> GeoBox:
    """Make the pixel grid of a city: in its own CRS, with edges at multiples of the resolution.

    Parameters
    ----------
    city
        Its ``crs`` is the grid's.
    resolution_m
        Pixel size in metres; the grid's edges lie on multiples of it, outside the boundary.

    Raises
    ------
    AreaError
        If the boundary is empty or too large to be a city, or the resolution is not a length.
    """
    if not (math.isfinite(resolution_m) and resolution_m > 0):
        raise AreaError(f"resolution {resolution_m:g} m: give a number of metres above 0")
    if city.boundary.is_empty:
        raise AreaError(f"{city.label}: the boundary is empty; give another with --area")
    shape = project(city.boundary, city.crs)
    west, south, east, north = shape.bounds
    if not all(map(math.isfinite, shape.bounds)):
        raise AreaError(f"{city.label}: the boundary does not fit {city.crs}; check that its coordinates are lon, lat")
    if max(east - west, north - south) + resolution_m > LONGEST_SIDE_M:
        raise AreaError(
            f"{city.label}: {(east - west) / 1000:,.0f} x {(north - south) / 1000:,.0f} km is no city; "
            f"at most {LONGEST_SIDE_M / 1000:,.0f} km a side: check the boundary, or work on a part of it"
        )
    return GeoBox.from_geopolygon(Geometry(shape, city.crs), resolution_m, anchor="edge", tol=TOLERANCE_PX)


def outline(grid: GeoBox) -> Polygon | MultiPolygon:
    """Return the EPSG:4326 outline of a grid, split where it crosses the antimeridian."""
    return to_lonlat(shapely.box(*grid.boundingbox.bbox), grid.crs.to_wkt() if grid.crs else "")


def pixel_m(grid: GeoBox) -> float:
    """Return the mean pixel size on the ground in metres, for any unit and projection of the grid."""
    whole = to_lonlat(grid.extent.geom, grid.crs.to_wkt() if grid.crs else "")
    return math.sqrt(geodesic_area_m2(whole) / (grid.shape[0] * grid.shape[1]))


def coarse_grid(city: City) -> tuple[GeoBox, NDArray[np.bool_]]:
    """Make a grid of 10-100 m pixels for reading masks, and a bool (y, x) of the pixels inside the city."""
    resolution_m = min(100, max(10, 10 * int(math.sqrt(city.area_m2 / COARSE_PX) / 10)))
    frame = grid(city, resolution_m=resolution_m)
    shape = project(city.boundary, city.crs)
    within = inside(shape, frame)
    return frame, within if within.any() else inside(shape, frame, in_part=True)  # a sliver narrower than a pixel


def inside(shapes: BaseGeometry | Iterable[BaseGeometry], grid: GeoBox, *, in_part: bool = False) -> NDArray[np.bool_]:
    """Find the pixels whose centre lies inside a shape, or inside any of several.

    Squares are quartered until they lie wholly inside or outside. rasterio can rasterise shapes, but changes the
    warning filters meanwhile, which two threads must not do at once.

    Parameters
    ----------
    shapes
        On the grid's CRS; may reach beyond it.
    grid
        North up.
    in_part
        Also find pixels that lie partly inside.

    Returns
    -------
    bool (y, x)
    """
    marked = np.zeros(grid.shape, dtype=bool)
    for shape in [shapes] if isinstance(shapes, BaseGeometry) else shapes:
        window = _around(shape, grid)
        if window is not None:
            # GEOS builds a prepared shape's index lazily, at the first query: threads that share one crash, so each
            # gets a copy.
            own = shapely.from_wkb(shapely.to_wkb(shape))
            shapely.prepare(own)
            _fill(marked, own, grid.affine, window, in_part=in_part)
    return marked


def _around(shape: BaseGeometry, grid: GeoBox) -> Window | None:
    """Find the pixels of a grid within the bounds of a shape; None if it misses them."""
    (height, width), t = grid.shape, grid.affine
    west, south, east, north = shape.bounds
    if not all(map(math.isfinite, (west, south, east, north))):
        return None if shape.is_empty else Window(top=0, bottom=height, left=0, right=width)
    window = Window(
        top=max(math.floor((north - t.f) / t.e), 0),
        bottom=min(math.ceil((south - t.f) / t.e), height),
        left=max(math.floor((west - t.c) / t.a), 0),
        right=min(math.ceil((east - t.c) / t.a), width),
    )
    return window if window.top < window.bottom and window.left < window.right else None


def _fill(marked: NDArray[np.bool_], shape: BaseGeometry, t: Affine, window: Window, *, in_part: bool) -> None:
    """Mark the pixels of a window: squares cut by the shape's edge are quartered, size by size, down to pixels."""
    height, width = window.shape
    side = min(LARGEST_SQUARE_PX, 1 << (min(height, width) - 1).bit_length())
    down, across = -(-height // side), -(-width // side)
    found = np.zeros((down * side, across * side), dtype=bool)
    rows, columns = (index.ravel() for index in np.indices((down, across)))
    while True:
        west, north = t.c + t.a * (window.left + columns * side), t.f + t.e * (window.top + rows * side)
        if side == 1:
            break
        squares = shapely.box(west, north + t.e * side, west + t.a * side, north)
        reached = shapely.intersects(shape, squares)
        whole = reached & shapely.contains_properly(shape, squares)
        found.reshape(len(found) // side, side, -1, side)[rows[whole], :, columns[whole]] = True
        cut = reached & ~whole
        side //= 2
        rows = np.add.outer(2 * rows[cut], (0, 0, 1, 1)).ravel()
        columns = np.add.outer(2 * columns[cut], (0, 1, 0, 1)).ravel()
    if in_part:
        edge = EDGE_PX * t.a  # a pixel that only touches the shape's edge is not inside
        pixels = shapely.box(west + edge, north + t.e + edge, west + t.a - edge, north - edge)
        found[rows, columns] = shapely.intersects(shape, pixels)
    else:
        found[rows, columns] = shapely.contains_xy(shape, west + t.a / 2, north + t.e / 2)
    marked[window.slices] |= found[:height, :width]
