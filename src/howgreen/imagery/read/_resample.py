"""Resampling of bands to a grid, so that a pixel's value never depends on the block it was read in.

Bands whose pixels are whole multiples of the grid's, edge on edge, are copied (a 20 m pixel becomes four 10 m pixels of
the same value: measured values are unchanged, no nodata bleeds, no halo is needed). All others are interpolated:
reflectance bilinearly over the valid neighbours, masks by the nearest pixel. The positions come from a lattice of
exactly projected points, anchored to the grid's own origin and not to the block, which GDAL's warper cannot do: its
approximation starts anew in every block.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS

from howgreen.core.geometry import transformer
from howgreen.core.grid import Window
from howgreen.core.types import Asset
from howgreen.imagery.read.opener import Files, Image, opened

LATTICE_PX = 32
"""Spacing of the exactly projected points; between two UTM zones, linear interpolation is good to 0.0001 pixel."""


@lru_cache(maxsize=256)
def same_crs(wkt: str, other: str) -> bool:
    """Tell whether two descriptions mean the same CRS."""
    return bool(CRS.from_user_input(wkt) == CRS.from_user_input(other))


def _whole(value: float) -> int | None:
    near = round(value)
    return near if abs(value - near) < 1e-3 else None


def alignment(dataset: Any, grid: GeoBox) -> tuple[int, int, int] | None:
    """Find ``(k, row, column)``: each pixel of the file covers k x k pixels of the grid, the first one at row, column.

    None if the file needs interpolation.
    """
    source, target = dataset.transform, grid.affine
    if source.b or source.d or source.a <= 0 or source.e >= 0:
        return None
    k, k_y = _whole(source.a / target.a), _whole(source.e / target.e)
    row, column = _whole((source.f - target.f) / target.e), _whole((source.c - target.c) / target.a)
    if not k or k != k_y or row is None or column is None:
        return None
    return (k, row, column) if same_crs(dataset.crs.to_wkt(), str(grid.crs)) else None


def file_window(dataset: Any, grid: GeoBox, window: Window) -> Window | None:
    """Find the window of the file that reading a block needs; None if the block misses it."""
    at = alignment(dataset, grid)
    if at is not None:
        return _not_empty(_aligned(dataset, window, at))
    return _bounds(*positions(grid, window, dataset.crs.to_wkt(), dataset.transform, dataset.width), dataset.shape)


def _aligned(dataset: Any, window: Window, at: tuple[int, int, int]) -> Window:
    """Find the pixels of an aligned file under a block of the grid; empty or inverted if they do not meet."""
    k, row, column = at
    return Window(
        top=max((window.top - row) // k, 0),
        left=max((window.left - column) // k, 0),
        bottom=min(-((row - window.bottom) // k), dataset.height),
        right=min(-((column - window.right) // k), dataset.width),
    )


def _not_empty(window: Window) -> Window | None:
    return window if window.top < window.bottom and window.left < window.right else None


def _copy(
    image: Image,
    index: int,
    window: Window,
    at: tuple[int, int, int],
    *,
    fill: Any,
    out: NDArray[Any] | None = None,
    table: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Read a block of an aligned band, with values mapped through ``table`` if given; ``fill`` outside the file."""
    dataset = image.dataset
    k, row, column = at
    in_file = _aligned(dataset, window, at)
    dtype = np.dtype(dataset.dtypes[index - 1] if table is None else table.dtype)
    out = np.empty(window.shape, dtype) if out is None or out.dtype != dtype else out
    if _not_empty(in_file) is None:
        out[...] = fill
        return out
    if table is None and k == 1 and in_file.shape == out.shape:
        return image.read(index, in_file, out=out)
    # Position of the file's window in the block; negative if a coarse pixel begins before it.
    y, x = in_file.top * k + row - window.top, in_file.left * k + column - window.left
    bottom, right = in_file.bottom * k + row - window.top, in_file.right * k + column - window.left
    inner = out[max(y, 0) : bottom, max(x, 0) : right]
    if inner.shape != out.shape:
        out[...] = fill
    values = image.read(index, in_file)
    _repeat(values if table is None else table[_codes(values)], k, skip=(max(-y, 0), max(-x, 0)), out=inner)
    return out


def _codes(values: NDArray[Any]) -> NDArray[Any]:
    """Convert mask codes of any data type to table indices."""
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        return values
    clipped: NDArray[np.uint16] = np.clip(np.nan_to_num(values), 0, 65535).astype(np.uint16)
    return clipped


def _repeat(values: NDArray[Any], k: int, *, skip: tuple[int, int], out: NDArray[Any]) -> None:
    """Repeat each pixel k x k times into ``out``, without the first ``skip`` rows and columns of the result."""
    if k == 2 and values.dtype in _DOUBLE:  # one multiplication writes both halves of a wider integer
        wide_type, factor = _DOUBLE[values.dtype]
        wide = (values.astype(wide_type) * factor).view(values.dtype)
    else:
        wide = np.repeat(values, k, axis=1)
    wide = wide[:, skip[1] : skip[1] + out.shape[1]]
    for phase in range(k):
        first = (phase - skip[0]) % k
        rows = out[first::k]
        start = (first + skip[0]) // k
        rows[...] = wide[start : start + len(rows)]


_DOUBLE: dict[Any, tuple[type[np.unsignedinteger[Any]], Any]] = {
    np.dtype("uint8"): (np.uint16, np.uint16(0x0101)),
    np.dtype("uint16"): (np.uint32, np.uint32(0x00010001)),
}


@lru_cache(maxsize=256)
def _turn(crs: str) -> float | None:
    """Return the Earth's circumference in a CRS's own angular unit; None if its coordinates are not longitudes."""
    system = pyproj.CRS.from_user_input(crs)
    return 2 * math.pi / system.axis_info[0].unit_conversion_factor if system.is_geographic else None


def _near(x: NDArray[Any], *, city: float, file: float, turn: float) -> NDArray[np.float64]:
    """Shift longitudes to a file's convention, which may be 0 to 360, or continue across the antimeridian.

    ``city`` and ``file`` are the central longitudes of both. Whole turns are added, so that values without a shift stay
    bit-identical.
    """
    there = np.isfinite(x)
    whole = np.round((city - np.where(there, x, city)) / turn) + round((file - city) / turn)
    return np.where(there, x + turn * whole, x)


def positions(
    grid: GeoBox, window: Window, crs: str, transform: Affine, width: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute row and column in the file (0.5 = centre of the first pixel) of every pixel centre of the block.

    A grid pixel gets bit-identical positions in every block. ``width`` is the file's.
    """
    step = LATTICE_PX
    rows = np.arange(math.floor(window.top / step), -(-window.bottom // step) + 1) * step
    columns = np.arange(math.floor(window.left / step), -(-window.right // step) + 1) * step
    across, down = (nodes.astype(np.float64) + 0.5 for nodes in np.meshgrid(columns, rows))
    move = transformer(str(grid.crs), crs).transform
    x, y = move(*_moved(grid.affine, across, down))
    if turn := _turn(crs):
        city = move(*(grid.affine @ (grid.shape[1] / 2, grid.shape[0] / 2)))[0]
        x = _near(x, city=city, file=transform.c + transform.a * width / 2, turn=turn)
    node_columns, node_rows = _moved(~transform, _finite(x), _finite(y))
    return _spread(node_rows, window, rows[0], columns[0]), _spread(node_columns, window, rows[0], columns[0])


def _moved(affine: Affine, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return affine.a * x + affine.b * y + affine.c, affine.d * x + affine.e * y + affine.f


def _finite(values: Any) -> NDArray[np.float64]:
    """Move points that cannot be projected far outside any file."""
    return np.nan_to_num(np.asarray(values, np.float64), nan=1e9, posinf=1e9, neginf=-1e9)


def _spread(nodes: NDArray[np.float64], window: Window, top: int, left: int) -> NDArray[np.float64]:
    """Interpolate lattice nodes bilinearly to the pixels of the block."""
    row, row_part = np.divmod(np.arange(window.top, window.bottom) - top, LATTICE_PX)
    column, column_part = np.divmod(np.arange(window.left, window.right) - left, LATTICE_PX)
    down, across = row_part[:, None] / LATTICE_PX, column_part[None, :] / LATTICE_PX
    across_all = nodes[:, column] * (1 - across) + nodes[:, column + 1] * across
    values: NDArray[np.float64] = across_all[row] * (1 - down) + across_all[row + 1] * down
    return values


def _bounds(rows: NDArray[np.float64], columns: NDArray[np.float64], shape: tuple[int, int]) -> Window | None:
    """Find the part of the file that the positions need, with a margin of one pixel; None if they miss it."""
    window = Window(
        top=max(math.floor(rows.min()) - 2, 0),
        bottom=min(math.ceil(rows.max()) + 2, shape[0]),
        left=max(math.floor(columns.min()) - 2, 0),
        right=min(math.ceil(columns.max()) + 2, shape[1]),
    )
    return _not_empty(window)


def coarsened(values: NDArray[Any], valid: NDArray[np.bool_], k: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Average the valid values among each k x k pixels."""
    height, width = values.shape[0] // k, values.shape[1] // k
    cut = np.s_[: height * k, : width * k]
    data = np.where(valid[cut], values[cut], 0).astype(np.float64).reshape(height, k, width, k).sum(axis=(1, 3))
    count = valid[cut].reshape(height, k, width, k).sum(axis=(1, 3))
    return (data / np.maximum(count, 1)).astype(np.float32), count > 0


def _interpolate(
    image: Image, index: int, grid: GeoBox, window: Window, nodata: float | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Interpolate a block bilinearly, and mark pixels without data.

    A file much finer than the grid is first averaged by an integer factor, counted from the file's own corner.
    """
    dataset = image.dataset
    crs, transform = dataset.crs.to_wkt(), dataset.transform
    rows, columns = positions(grid, window, crs, transform, dataset.width)
    inner = _bounds(rows, columns, dataset.shape)
    if inner is None:
        return np.zeros(window.shape, np.float32), np.ones(window.shape, bool)
    k = shrink(grid, crs, transform)
    top, left = inner.top // k * k, inner.left // k * k
    bottom, right = min(-(-inner.bottom // k) * k, dataset.height), min(-(-inner.right // k) * k, dataset.width)
    values = image.read(index, Window(top=top, bottom=bottom, left=left, right=right))
    valid = ~missing(values, nodata)
    if k > 1:
        values, valid = coarsened(values, valid, k)
        rows, columns = rows / k, columns / k
        top, left = top // k, left // k
    return _bilinear(values, valid, rows - (top + 0.5), columns - (left + 0.5))


def shrink(grid: GeoBox, crs: str, transform: Affine) -> int:
    """Return the width of the grid's middle pixel in file pixels, as a whole number, at least 1."""
    y, x = grid.shape[0] // 2, grid.shape[1] // 2
    rows, columns = positions(grid, Window(top=y, bottom=y + 2, left=x, right=x + 2), crs, transform)
    step = math.hypot(rows[1, 0] - rows[0, 0], columns[1, 0] - columns[0, 0])
    return max(1, int(step + 0.25))


def _bilinear(
    values: NDArray[Any], valid: NDArray[np.bool_], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Weighted mean of the valid among the four pixels around each position (0 = centre of the first)."""
    height, width = values.shape
    row, column = np.floor(rows), np.floor(columns)
    down, across = (rows - row).astype(np.float32), (columns - column).astype(np.float32)
    row_0, column_0 = row.astype(np.int64), column.astype(np.int64)
    inside = (rows >= -0.5) & (rows < height - 0.5) & (columns >= -0.5) & (columns < width - 0.5)
    total = np.zeros(rows.shape, np.float32)
    weights = np.zeros(rows.shape, np.float32)
    for y, y_weight in ((row_0, 1 - down), (row_0 + 1, down)):
        for x, x_weight in ((column_0, 1 - across), (column_0 + 1, across)):
            at = np.clip(y, 0, height - 1) * width + np.clip(x, 0, width - 1)
            good = valid.ravel()[at]
            weight = np.where(good, y_weight * x_weight, np.float32(0))
            total += weight * np.where(good, values.ravel()[at], 0).astype(np.float32)
            weights += weight
    some = inside & (weights > 1e-6)
    return np.divide(total, weights, out=np.zeros_like(total), where=some), ~some


def _nearest(image: Image, index: int, grid: GeoBox, window: Window, *, fill: Any) -> NDArray[Any]:
    dataset = image.dataset
    rows, columns = positions(grid, window, dataset.crs.to_wkt(), dataset.transform, dataset.width)
    inner = _bounds(rows, columns, dataset.shape)
    out = np.full(window.shape, fill, dataset.dtypes[index - 1])
    if inner is None:
        return out
    values = image.read(index, inner)
    row = np.floor(rows).astype(np.int64) - inner.top
    column = np.floor(columns).astype(np.int64) - inner.left
    inside = (row >= 0) & (row < values.shape[0]) & (column >= 0) & (column < values.shape[1])
    out[inside] = values[row[inside], column[inside]]
    return out


COMMON_NODATA = -9999
"""The value that many writers use for no data, declared or not; no reflectance is that far below zero."""


def missing(values: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    """Find the values that are nodata, -9999, or not finite."""
    none: NDArray[np.bool_] = np.zeros(values.shape, bool) if nodata is None else values == nodata
    if values.dtype.kind != "u":
        none |= values == COMMON_NODATA
    if values.dtype.kind == "f":
        none |= ~np.isfinite(values)
    return none


def _all_there(values: NDArray[Any], nodata: float | None) -> bool:
    """Tell whether no value can be nodata or NaN: finding the minimum is quicker than testing each."""
    if values.dtype.kind != "u":
        return False
    return nodata is None or bool(nodata < values.min())


def read_band(
    asset: Asset,
    *,
    grid: GeoBox,
    window: Window,
    nodata: float | None,
    out: NDArray[Any] | None = None,
    files: Files | None = None,
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Read DN of a block of one band and where data is missing (None: nowhere), both (y, x); float32 if interpolated.

    ``out`` is written to and returned if its dtype is that of the DN.

    Raises
    ------
    ImageError
        The file cannot be read; it is named.
    """
    with opened(asset, files) as plain:
        dataset, image = plain.dataset, plain
        if plain.masks(asset.index):  # pixels hidden by the mask become nodata
            nodata = plain.nodata(asset.index, nodata)
            image = plain.with_mask(np.nan if nodata is None else nodata)
        at = alignment(dataset, grid)
        if at is None:
            return _interpolate(image, asset.index, grid, window, nodata)
        values = _copy(image, asset.index, window, at, fill=0 if nodata is None else nodata, out=out)
        if nodata is None:
            return values, missing(values, nodata) | _outside(dataset, window, at)
        return values, None if _all_there(values, nodata) else missing(values, nodata)


def _outside(dataset: Any, window: Window, at: tuple[int, int, int]) -> NDArray[np.bool_]:
    k, row, column = at
    y, x = np.arange(window.top, window.bottom) - row, np.arange(window.left, window.right) - column
    inside: NDArray[np.bool_] = ((y >= 0) & (y < dataset.height * k))[:, None] & ((x >= 0) & (x < dataset.width * k))
    return ~inside


def read_codes(
    asset: Asset, *, grid: GeoBox, window: Window, fill: int, table: NDArray[Any], files: Files | None = None
) -> NDArray[Any]:
    """Read the codes (y, x) of a mask band by nearest neighbour, mapped through ``table`` of 65,536 entries.

    Outside the file it is ``fill`` (looked up).

    Raises
    ------
    ImageError
        The file cannot be read; it is named.
    """
    with opened(asset, files) as image:
        dataset = image.dataset
        at = alignment(dataset, grid)
        if at is None:
            looked_up: NDArray[Any] = table[_codes(_nearest(image, asset.index, grid, window, fill=fill))]
            return looked_up
        return _copy(image, asset.index, window, at, fill=table[fill], table=table)


def tile_grid(asset: Asset, *, grid: GeoBox) -> tuple[int, int] | None:
    """Return row and column of the grid at the file's first pixel; None if the file needs interpolation."""
    with opened(asset) as image:
        at = alignment(image.dataset, grid)
        return None if at is None else (at[1], at[2])
