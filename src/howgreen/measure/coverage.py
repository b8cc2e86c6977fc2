"""Exact pixel coverage of a polygon: whole inside, partial along its edge, without visiting the inside pixels.

A window is quartered until a part lies wholly inside or outside the polygon, or is small enough for ``exactextract`` to
compute the share of each pixel. The polygon is clipped together with the window, so the cost grows with the length of
the edge and not with the area.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely

from howgreen.core.geometry import polygonal
from howgreen.core.grid import Window

if TYPE_CHECKING:
    from affine import Affine
    from shapely.geometry.base import BaseGeometry

LEAF_PX = 128
"""Window side at which splitting stops. Smaller means more calls, larger means more pixels examined needlessly."""

_WHOLE = 1 - 1e-12


@dataclass(frozen=True, kw_only=True)
class CoverageWindow:
    """A window of pixels that a polygon covers."""

    window: Window
    pixels: np.ndarray[Any, Any] | None
    """Flat indices inside the window; None for all pixels."""
    share: np.ndarray[Any, Any] | None
    """Covered share of each pixel, 0-1; None for 1 everywhere."""


def coverage_windows(polygon: BaseGeometry, window: Window, transform: Affine) -> Iterator[CoverageWindow]:
    """Find the pixels of a window that a polygon in the grid's CRS covers, with the covered share of each.

    Parameters
    ----------
    polygon
        Polygon or MultiPolygon, in the units of ``transform``; may reach beyond the window.
    transform
        Of the whole raster; north up.
    """
    box = shapely.box(*window.bounds(transform))
    cut = shapely.intersection(polygon, box)
    if cut.area == 0:
        return
    if cut.area >= box.area * _WHOLE:
        yield CoverageWindow(window=window, pixels=None, share=None)
    elif max(window.shape) <= LEAF_PX:
        yield _edge(cut, window, transform)
    else:
        for quarter in window.quarters():
            yield from coverage_windows(cut, quarter, transform)


def covered_share(shape: BaseGeometry, size: Sequence[int], transform: Affine) -> npt.NDArray[np.float64]:
    """Return the exact share (y, x) of each raster pixel inside a shape in the same CRS."""
    share = np.zeros((size[0], size[1]))
    whole = Window(top=0, bottom=size[0], left=0, right=size[1])
    for part in coverage_windows(shape, whole, transform):
        view = share[part.window.slices]
        if part.pixels is None:
            view[...] = 1
        else:
            rows, columns = np.unravel_index(part.pixels, part.window.shape)
            view[rows, columns] = np.asarray(part.share)
    return share


def _edge(cut: BaseGeometry, window: Window, transform: Affine) -> CoverageWindow:
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    # The values do not matter: only the positions and the coverage of the pixels.
    blank = np.zeros(window.shape, dtype=np.uint8)
    source = NumPyRasterSource(blank, *window.bounds(transform))
    feature = {"type": "Feature", "geometry": shapely.geometry.mapping(polygonal(cut)), "properties": {}}
    cells = exact_extract(source, feature, ["cell_id", "coverage"])[0]["properties"]
    return CoverageWindow(window=window, pixels=cells["cell_id"], share=cells["coverage"])
