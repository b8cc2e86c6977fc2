"""The surroundings of every pixel: green within a distance, the nearest patch, and what a map of green areas misses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from howgreen.core.types import HALF_GREEN

if TYPE_CHECKING:
    from collections.abc import Mapping

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
BLOCK_PX = 1024


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The map of a place and its surroundings, on one grid."""

    green: npt.NDArray[np.float32]
    """(y, x) green share of seen land; NaN elsewhere."""
    inside: Bools
    """(y, x) whether the centre is inside the limits."""
    pixel_m: float

    @property
    def seen(self) -> Bools:
        """(y, x) land seen, inside the limits and beyond."""
        known: Bools = np.isfinite(self.green)
        return known


@dataclass(frozen=True, kw_only=True)
class Around:
    """Green around every pixel, within one distance."""

    green_m2: npt.NDArray[np.float32]
    """(y, x) green area within the distance, as far as seen."""
    share: npt.NDArray[np.float32]
    """(y, x) green share of the land seen within the distance; NaN if none was."""
    seen: npt.NDArray[np.float32]
    """(y, x) share of the circle that is seen land."""


def disk(radius_px: float) -> npt.NDArray[np.float32]:
    """Make a kernel of ones for the pixels whose centres lie within a distance."""
    reach = int(radius_px)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(np.hypot(y, x) <= radius_px, np.float32)


def around(ground: Ground, radius_m: float) -> Around:
    """Sum the green within a distance of every pixel's centre, block by block with a margin.

    Ground beyond the images counts as unseen.
    """
    from scipy.signal import oaconvolve

    kernel = disk(radius_m / ground.pixel_m)
    halo = kernel.shape[0] // 2
    height, width = ground.green.shape
    green, seen = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    filled = np.nan_to_num(ground.green, nan=0.0)
    known = ground.seen.astype(np.float32)
    for top in range(0, height, BLOCK_PX):
        for left in range(0, width, BLOCK_PX):
            bottom, right = min(top + BLOCK_PX, height), min(left + BLOCK_PX, width)
            rows, columns = slice(max(top - halo, 0), bottom + halo), slice(max(left - halo, 0), right + halo)
            inner = slice(top - rows.start, bottom - rows.start), slice(left - columns.start, right - columns.start)
            for values, out in ((filled, green), (known, seen)):
                out[top:bottom, left:right] = oaconvolve(values[rows, columns], kernel, mode="same")[inner]
    # A Fourier transform turns sums of zeros into values slightly off zero.
    green, seen = np.maximum(green, 0), np.rint(seen)
    share = np.divide(green, seen, out=np.full(green.shape, np.nan, np.float32), where=seen > 0)
    return Around(
        green_m2=(green * ground.pixel_m**2).astype(np.float32),
        share=np.minimum(share, 1).astype(np.float32),
        seen=(seen / kernel.sum()).astype(np.float32),
    )


def patches(ground: Ground, least_m2: float) -> Bools:
    """Mark pixels at least half green in connected patches (4-neighbourhood) of at least some area."""
    from scipy import ndimage

    numbered, count = ndimage.label(np.nan_to_num(ground.green, nan=0.0) >= HALF_GREEN)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)
    large = sizes * ground.pixel_m**2 >= least_m2
    large[0] = False
    marked: Bools = large[numbered]
    return marked


def distance_m(marked: Bools, pixel_m: float) -> npt.NDArray[np.float32]:
    """Measure the straight distance from each pixel's centre to the edge of the nearest marked pixel; inf for none."""
    from scipy import ndimage

    if not marked.any():
        return np.full(marked.shape, np.inf, np.float32)
    centres = ndimage.distance_transform_edt(~marked)
    return np.asarray(np.maximum(centres * pixel_m - pixel_m / 2, 0) * ~marked, np.float32)


def mapped_and_seen(ground: Ground, mapped: Bools, zone: Bools) -> Mapping[str, float]:
    """Compare another map's green areas with the green seen, in m2 of seen land.

    Parameters
    ----------
    mapped
        (y, x) whether the other map has a green area there.
    zone
        (y, x) the pixels to compare.
    """
    use = ground.seen & zone
    green, area = ground.green[use].astype(np.float64), ground.pixel_m**2
    there = mapped[use]
    return {
        "mapped_green_m2": float(green[there].sum()) * area,
        "unmapped_green_m2": float(green[~there].sum()) * area,
        "mapped_not_green_m2": float((1 - green[there]).sum()) * area,
        "neither_m2": float((1 - green[~there]).sum()) * area,
    }
