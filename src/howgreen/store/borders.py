"""Undeclared no-data borders: one exact value in all bands, as many writers leave beyond a swath."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.core.warnings import Caution
from howgreen.store._fill import COMMON
from howgreen.store.sources import broken, grid_of, opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox

    from howgreen.store.sources import BandSource, Source

FEWEST_BORDER_PX = 64
"""A smaller patch of one value at the border may be ground."""
LEAST_EDGE = 8
"""Contiguous pixels of one value on the image's edge that suggest such a border."""


def find_borders(source: Source) -> tuple[dict[GeoBox, npt.NDArray[np.bool_]], tuple[Caution, ...]]:
    """Find undeclared borders of one exact value in all bands: one mask (y, x) for each grid that has one."""
    grids: dict[GeoBox, list[BandSource]] = {}
    for one in source.bands:
        if one.band == source.sensor.mask:
            continue
        with opened(one.path) as dataset:
            grids.setdefault(grid_of(dataset, one.path), []).append(one)
    found = {grid: mask for grid, bands in grids.items() if (mask := _border(bands, source)) is not None}
    if not found:
        return {}, ()
    share = 100 * max(float(mask.mean()) for mask in found.values())
    text = f"a border of one value in all bands, {share:.0f} % of it, is taken for no data; give --nodata if it is something else"
    return found, (Caution("nodata-assumed", text),)


def _border(bands: Sequence[BandSource], source: Source) -> npt.NDArray[np.bool_] | None:
    """Return the border (y, x) of one file grid; None if there is none, or its value is already declared as no data.

    Its value is the extreme of every band: a value inside their range is ground.
    """
    from scipy import ndimage

    candidates: set[float] | None = None
    for one in bands:
        on_edge = _edge_values(one, source)
        candidates = on_edge if candidates is None else candidates & on_edge
        if not candidates:
            return None
    whole: npt.NDArray[np.bool_] | None = None
    for value in sorted(candidates or ()):
        same = _same(bands, value)
        labels, _ = ndimage.label(same)
        edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        sizes = np.bincount(labels.ravel())
        large = [label for label in edge if label and sizes[label] >= FEWEST_BORDER_PX]
        mask = np.isin(labels, large)
        if large and _is_extreme(bands, value, ~mask):
            whole = mask if whole is None else whole | mask
    return whole


def _is_extreme(bands: Sequence[BandSource], value: float, others: npt.NDArray[np.bool_]) -> bool:
    """Tell whether a value lies below, or above, every other value in every band."""
    below = above = True
    for one in bands:
        values = _pixels(one)[others]
        values = values[np.isfinite(values) & (values != COMMON)]
        if not values.size:
            return False
        below &= bool(value <= values.min())
        above &= bool(value >= values.max())
    return below or above


def _pixels(one: BandSource) -> npt.NDArray[Any]:
    with opened(one.path) as dataset, broken(one):
        values: npt.NDArray[Any] = dataset.read(one.index)
        return values


def _edge_values(one: BandSource, source: Source) -> set[float]:
    """Return undeclared values that fill LEAST_EDGE contiguous pixels on a band's edge."""
    with opened(one.path) as dataset, broken(one):
        height, width = dataset.shape
        windows = [
            ((0, 1), (0, width)),
            ((height - 1, height), (0, width)),
            ((0, height), (0, 1)),
            ((0, height), (width - 1, width)),
        ]
        lines = [dataset.read(one.index, window=window).ravel() for window in windows]
        own = None if source.nodata_given else dataset.nodatavals[one.index - 1]
    known = {own, source.encoding(one.band).nodata, float(COMMON)}
    found: set[float] = set()
    for line in lines:
        starts = np.flatnonzero(np.r_[True, line[1:] != line[:-1]])
        lengths = np.diff(np.r_[starts, line.size])
        found |= {float(line[start]) for start in starts[lengths >= min(LEAST_EDGE, line.size)]}
    return {value for value in found if np.isfinite(value) and value not in known}


def _same(bands: Sequence[BandSource], value: float) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] | None = None
    for one in bands:
        here = np.asarray(_pixels(one) == value)
        same = here if same is None else same & here
    return np.zeros((1, 1), bool) if same is None else same
