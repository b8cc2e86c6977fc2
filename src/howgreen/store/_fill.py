"""Pixels without data, as marked by a value, a mask or an alpha band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import MaskFlags

from howgreen.core.cog import alpha_index

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

COMMON = -9999
"""Value that many writers use for no data, declared or not."""
FEWEST_HOLES, BESIDE, MOST_COMMON = 0.0005, 5, 3.0
"""Share of a band's pixels above which holes are reported; number of values compared on each side of the nodata value;
and the highest frequency of a ground value relative to these."""
SPARSE = 8
"""Row and column step that suffices to see whether the nodata value lies within the range of others."""


def hidden(dataset: Any, index: int) -> npt.NDArray[np.bool_] | None:
    """Find the pixels of a band hidden by the file's own mask (internal, or a ``.msk`` beside it) or alpha band; None if it has neither."""
    if alpha := alpha_index(dataset):
        return np.asarray(dataset.read(alpha) == 0)
    flags = dataset.mask_flag_enums[index - 1]
    if MaskFlags.per_dataset not in flags or MaskFlags.alpha in flags:
        return None
    return np.asarray(dataset.read_masks(index) == 0)


def as_nodata(
    values: npt.NDArray[Any], nodata: float | None, *, own: float | None, empty: Iterable[npt.NDArray[np.bool_]]
) -> npt.NDArray[Any]:
    """Set all pixels without data to one value: ``nodata``, or NaN in floats.

    Parameters
    ----------
    values
        (y, x); changed in place.
    nodata
        The band's nodata value from now on; None for floats.
    own
        The file's own nodata value.
    empty
        (y, x) each: pixels without data for another reason.
    """
    target: float = np.nan if values.dtype.kind == "f" else 0 if nodata is None else nodata
    if values.dtype.kind == "f":
        values[~np.isfinite(values)] = np.nan
    for marker in (own, nodata, COMMON):
        if marker is not None and np.isfinite(marker) and marker != target and fits(marker, values.dtype):
            values[values == values.dtype.type(marker)] = target
    for mask in empty:
        values[mask] = target
    return values


def fits(value: float, dtype: np.dtype[Any]) -> bool:
    """Tell whether a data type can hold a number."""
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max


def holes(values: npt.NDArray[Any], nodata: float | None) -> float | None:
    """Return the share of a band (y, x) marked as no data that seems to be ground; None if none does.

    A true nodata value lies outside the range of all others, or is far more common than adjacent values. If isolated
    pixels within the range have it as often as the adjacent values, it is one of the data values.
    """
    if nodata is None or not np.isfinite(nodata) or not _is_among(values[::SPARSE, ::SPARSE], nodata):
        return None
    alone = _alone(values == nodata)
    share = float(alone.mean())
    if share < FEWEST_HOLES:
        return None
    levels, counts = np.unique(values[values != nodata], return_counts=True)
    place = int(np.searchsorted(levels, nodata))
    beside = [*counts[max(0, place - BESIDE) : place].tolist(), *counts[place : place + BESIDE].tolist()]
    if place < BESIDE or len(levels) - place < BESIDE:
        return None
    return share if alone.sum() <= MOST_COMMON * float(np.median(beside)) else None


def _is_among(values: npt.NDArray[Any], nodata: float) -> bool:
    """Tell whether there are numbers both below and above a value."""
    return bool((values < nodata).any() and (values > nodata).any())


def _alone(empty: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Find empty pixels with at most two empty neighbours out of four."""
    around = np.pad(empty, 1).astype(np.uint8)
    beside = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    alone: npt.NDArray[np.bool_] = empty & (beside <= 2)
    return alone
