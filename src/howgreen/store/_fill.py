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


def hidden(dataset: Any, index: int) -> npt.NDArray[np.bool_] | None:
    """Pixels of a band hidden by the file's own mask (internal, or a ``.msk`` beside it) or alpha band; None if it has neither."""
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
    """Whether a data type can hold a number."""
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return float(value).is_integer() and limits.min <= value <= limits.max
