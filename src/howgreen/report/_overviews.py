"""Overviews of a block for a GeoTIFF, each level half the size of the last.

GDAL builds them band by band on one core, and rereads the whole map; here a block's are built while it is in memory. As
in GDAL, *no data* is ignored: of four pixels, the mean or the mode of the valid ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def pyramid(block: Array, levels: int, *, nodata: float, smooth: bool) -> Iterator[Array]:
    """Shrink the block (..., y, x) to a half, a quarter, and so on, ``levels`` times; odd edges are rounded up.

    Parameters
    ----------
    nodata
        Value of *no data*; may be NaN.
    smooth
        Use means (halves are rounded up), for quantities; else modes, for classes.
    """
    for _ in range(levels):
        block = (_means if smooth else _modes)(_even(block, nodata), nodata)
        yield block


def _even(block: Array, nodata: float) -> Array:
    odd = [(0, 0)] * (block.ndim - 2) + [(0, size % 2) for size in block.shape[-2:]]
    return np.pad(block, odd, constant_values=nodata) if any(after for _, after in odd) else block


def _quarters(block: Array) -> list[Array]:
    """List the four source pixels of each new one, in reading order."""
    return [block[..., y::2, x::2] for y in (0, 1) for x in (0, 1)]


def _is(values: Array, nodata: float) -> Array:
    missing: Array = np.isnan(values) if np.isnan(nodata) else values == nodata
    return missing


def _means(block: Array, nodata: float) -> Array:
    out = np.empty((*block.shape[:-2], block.shape[-2] // 2, block.shape[-1] // 2), block.dtype)
    for place in np.ndindex(*block.shape[:-2]):  # plane by plane: intermediate results stay in the core's cache
        out[place] = _plane_means(block[place], nodata)
    return out


def _plane_means(plane: Array, nodata: float) -> Array:
    whole = plane.dtype.kind != "f"
    missing = _is(plane, nodata)
    if not missing.any():
        rows = np.add(plane[0::2], plane[1::2], dtype=np.int32 if whole else plane.dtype)
        four: Array = rows[:, 0::2] + rows[:, 1::2]
        return ((four + 2) >> 2 if whole else four / 4).astype(plane.dtype)
    total = np.stack(_quarters(np.where(missing, 0, plane))).sum(axis=0, dtype=np.float64)
    count = np.stack(_quarters(~missing)).sum(axis=0, dtype=np.uint8)
    mean = total / np.maximum(count, 1)
    return np.where(count > 0, np.floor(mean + 0.5) if whole else mean, nodata).astype(plane.dtype)


def _modes(block: Array, nodata: float) -> Array:
    """Of equally frequent values, the first in reading order."""
    parts = [np.ascontiguousarray(part) for part in _quarters(block)]
    best, most = parts[0].copy(), np.zeros(parts[0].shape, np.uint8)
    for part in parts:
        votes = np.stack([part == other for other in parts]).sum(axis=0, dtype=np.uint8)
        votes = np.where(_is(part, nodata), np.uint8(0), votes)
        better = votes > most
        np.copyto(best, part, where=better)
        np.copyto(most, votes, where=better)
    return best
