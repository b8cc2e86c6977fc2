"""Which pixels have their centre inside a shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

if TYPE_CHECKING:
    from affine import Affine
    from shapely.geometry.base import BaseGeometry

LEAF_PX = 64
"""Side of a window at which its pixels are looked at one by one."""


def inside(shape: BaseGeometry, transform: Affine, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Bool (rows, columns): whether each pixel's centre lies inside a shape on the raster's CRS.

    A window is split until it lies wholly in or out. rasterio could draw the shape, but it changes the filters
    of warnings while it does, which no two threads may do at once.

    Parameters
    ----------
    transform
        Of the raster; north up.
    size
        Rows and columns.
    """
    shapely.prepare(shape)
    found = np.zeros(size, dtype=bool)
    _fill(found, shape, transform, (0, size[0]), (0, size[1]))
    return found


def _fill(found: Any, shape: BaseGeometry, t: Affine, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    west, east = (t.c + t.a * column for column in columns)
    north, south = (t.f + t.e * row for row in rows)
    window = shapely.box(west, south, east, north)
    if not shape.intersects(window):
        return
    height, width = rows[1] - rows[0], columns[1] - columns[0]
    if shape.contains_properly(window):
        found[slice(*rows), slice(*columns)] = True
    elif max(height, width) <= LEAF_PX:
        x = t.c + t.a * (np.arange(*columns) + 0.5)
        y = t.f + t.e * (np.arange(*rows) + 0.5)
        found[slice(*rows), slice(*columns)] = shapely.contains_xy(shape, *np.meshgrid(x, y))
    else:
        for part in _halves(rows):
            for other in _halves(columns):
                _fill(found, shape, t, part, other)


def _halves(span: tuple[int, int]) -> list[tuple[int, int]]:
    middle = (span[0] + span[1]) // 2
    return [span] if middle == span[0] else [(span[0], middle), (middle, span[1])]
