"""Population cells against the map's pixels: the people of each cell in each zone, and the pixels of each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely

from howgreen.core.geometry import transformer

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
NONE = -1
_ROWS = 256
"""Grid rows processed at once."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """People of each cell inside one zone."""

    name: str
    id: str
    people: Floats
    """(n,) for each cell, its people times its share inside."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The population cells that a place touches."""

    zones: tuple[Counts, ...]
    """The place itself, then its districts."""
    of_pixel: npt.NDArray[np.int32]
    """(y, x) index of the cell that contains each pixel's centre; -1 for none."""
    shapes: Sequence[BaseGeometry]
    """(n,) in the population's CRS."""
    crs: str
    without_pixel: Ints
    """(k,) cells without the centre of any map pixel: smaller than a pixel, or slivers."""
    pixel_under: Ints
    """(k, 2) row and column of the pixel that represents each of these; -1 beyond the map."""

    @property
    def people(self) -> Floats:
        """(n,) people of each cell inside the place."""
        return self.zones[0].people

    def mean(self, values: npt.NDArray[np.floating], where: npt.NDArray[np.bool_]) -> Floats:
        """Average map pixels over each cell; NaN for cells without a pixel that counts.

        Parameters
        ----------
        values, where
            (y, x): the values to average, and the pixels that count.
        """
        use = where & (self.of_pixel != NONE) & np.isfinite(values)
        index = self.of_pixel[use]
        count = np.bincount(index, minlength=len(self.people))
        total = np.bincount(index, weights=values[use].astype(np.float64), minlength=len(self.people))
        mean: Floats = np.divide(total, count, out=np.full(len(self.people), np.nan), where=count > 0)
        row, column = self.pixel_under.T
        there = (row >= 0) & where[row, column]
        mean[self.without_pixel[there]] = values[row[there], column[there]]
        return mean


def cells_of_grid(
    people: Floats, cells: GeoBox, covers: Mapping[tuple[str, str], npt.NDArray[np.floating]], grid: GeoBox
) -> Cells:
    """Select the raster cells that the place touches.

    Parameters
    ----------
    people, cells
        (y, x) people in each cell, and the raster's own grid.
    covers
        By (name, id) of a zone, the place first: (y, x) exact share of each population cell inside it.
    grid
        Of the map.
    """
    first = next(iter(covers.values()))
    rows, columns = np.nonzero(first > 0)
    number = np.full(first.shape, NONE, np.int32)
    number[rows, columns] = np.arange(len(rows), dtype=np.int32)
    zones = tuple(
        Counts(name=name, id=identity, people=(people * cover)[rows, columns])
        for (name, identity), cover in covers.items()
    )
    of_pixel = _cells_under(grid, cells, number)
    alone = _without_pixel(of_pixel, len(rows))
    middle: Any = (columns[alone] + 0.5, rows[alone] + 0.5)
    x, y = cells.affine @ middle
    return Cells(
        zones=zones,
        of_pixel=of_pixel,
        shapes=_squares(cells, rows, columns),
        crs=str(cells.crs),
        without_pixel=alone,
        pixel_under=_pixels_under(grid, *transformer(str(cells.crs), str(grid.crs)).transform(x, y)),
    )


def _without_pixel(of_pixel: npt.NDArray[np.int32], count: int) -> Ints:
    return np.flatnonzero(np.bincount(of_pixel[of_pixel != NONE], minlength=count) == 0)


def _pixels_under(grid: GeoBox, x: Floats, y: Floats) -> Ints:
    """(k, 2) row and column of the pixel at each position; -1 beyond the grid."""
    column, row = np.floor(~grid.affine @ (np.asarray(x), np.asarray(y)))
    height, width = grid.shape
    there = np.isfinite(row) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    found: Ints = np.where(there, np.nan_to_num([row, column], posinf=NONE, neginf=NONE), NONE).T.astype(np.intp)
    return found


def _squares(grid: GeoBox, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Sequence[BaseGeometry]:
    a, e, c, f = grid.affine.a, grid.affine.e, grid.affine.c, grid.affine.f
    west, north = c + a * columns, f + e * rows
    return list(shapely.box(west, north + e, west + a, north))


def _cells_under(grid: GeoBox, cells: GeoBox, number: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Find the cell at the centre of each pixel, some rows at a time."""
    height, width = grid.shape
    found = np.full((height, width), NONE, np.int32)
    move = transformer(str(grid.crs), str(cells.crs)).transform
    inverse = ~cells.affine
    across = np.arange(width) + 0.5
    for top in range(0, height, _ROWS):
        down = np.arange(top, min(top + _ROWS, height)) + 0.5
        x, y = grid.affine * np.meshgrid(across, down)
        column, row = inverse * np.array(move(x, y))
        row, column = np.floor(row), np.floor(column)
        there = np.isfinite(row) & (row >= 0) & (row < number.shape[0]) & (column >= 0) & (column < number.shape[1])
        part = found[top : top + _ROWS]
        part[there] = number[row[there].astype(int), column[there].astype(int)]
    return found


def cells_of_areas(
    shapes: Sequence[BaseGeometry], people: Floats, zones: Mapping[tuple[str, str], BaseGeometry], grid: GeoBox
) -> Cells:
    """Use areas with a count each, as from a census; people are assumed to be spread evenly over an area.

    Parameters
    ----------
    shapes
        (n,) on the map's CRS.
    people
        (n,) people of each whole area.
    zones
        By (name, id), the place first: its shape on the map's CRS.
    """
    from rasterio.features import rasterize

    first = next(iter(zones.values()))
    shapely.prepare(first)
    touching = np.flatnonzero(shapely.intersects(np.array(shapes, object), first)).tolist()
    kept = [shapes[i] for i in touching]
    counts = tuple(
        Counts(
            name=name,
            id=identity,
            people=np.array(
                [people[i] * shapely.intersection(shapes[i], zone).area / shapes[i].area for i in touching]
            ),
        )
        for (name, identity), zone in zones.items()
    )
    of_pixel = np.full(tuple(grid.shape), NONE, np.int32)
    if kept:
        of_pixel = rasterize(
            [(shape, number) for number, shape in enumerate(kept)], out_shape=tuple(grid.shape), transform=grid.affine, fill=NONE,
            dtype="int32",
        )  # fmt: skip
    alone = _without_pixel(of_pixel, len(kept))
    inner = shapely.point_on_surface(np.array(kept, object)[alone])
    return Cells(
        zones=counts,
        of_pixel=of_pixel,
        shapes=kept,
        crs=str(grid.crs),
        without_pixel=alone,
        pixel_under=_pixels_under(grid, shapely.get_x(inner), shapely.get_y(inner)),
    )
