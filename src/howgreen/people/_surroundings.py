"""What lies around every pixel: green within a distance, the nearest patch of plants, and what a map of green areas misses."""

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
    """The map of a place and of what lies around it, on one grid."""

    green: npt.NDArray[np.float32]
    """(y, x) green share of seen land; NaN elsewhere."""
    inside: Bools
    """(y, x) centre inside the limits."""
    pixel_m: float

    @property
    def seen(self) -> Bools:
        """(y, x) land that was seen, within the limits and beyond them."""
        known: Bools = np.isfinite(self.green)
        return known


@dataclass(frozen=True, kw_only=True)
class Around:
    """Green around every pixel, within one distance."""

    green_m2: npt.NDArray[np.float32]
    """(y, x) green area within the distance, as far as it was seen."""
    share: npt.NDArray[np.float32]
    """(y, x) of the land that was seen within the distance; NaN where none was."""
    seen: npt.NDArray[np.float32]
    """(y, x) share of the circle that is seen land."""


def disk(radius_px: float) -> npt.NDArray[np.float32]:
    """Make the pixels whose centres lie within a distance, as ones."""
    reach = int(radius_px)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(np.hypot(y, x) <= radius_px, np.float32)


def around(ground: Ground, radius_m: float) -> Around:
    """Sum the green within a distance of every pixel's centre, block by block with what lies around the block.

    Ground beyond the images counts as not seen.
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
    # Sums of zeros come out of a Fourier transform as a little more or less than zero.
    green, seen = np.maximum(green, 0), np.rint(seen)
    share = np.divide(green, seen, out=np.full(green.shape, np.nan, np.float32), where=seen > 0)
    return Around(
        green_m2=(green * ground.pixel_m**2).astype(np.float32),
        share=np.minimum(share, 1).astype(np.float32),
        seen=(seen / kernel.sum()).astype(np.float32),
    )


def patches(ground: Ground, least_m2: float) -> Bools:
    """Mark pixels at least half green that hang together, side by side, over at least some area."""
    from scipy import ndimage

    numbered, count = ndimage.label(np.nan_to_num(ground.green, nan=0.0) >= HALF_GREEN)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)
    large = sizes * ground.pixel_m**2 >= least_m2
    large[0] = False
    marked: Bools = large[numbered]
    return marked


def distance_m(marked: Bools, pixel_m: float) -> npt.NDArray[np.float32]:
    """Measure how far each pixel's centre lies from the nearest marked pixel, in a straight line to its edge; inf for none."""
    from scipy import ndimage

    if not marked.any():
        return np.full(marked.shape, np.inf, np.float32)
    centres = ndimage.distance_transform_edt(~marked)
    return np.asarray(np.maximum(centres * pixel_m - pixel_m / 2, 0) * ~marked, np.float32)


def mapped_and_seen(ground: Ground, mapped: Bools, zone: Bools) -> Mapping[str, float]:
    """Compare green areas of another map with what was seen, in m2 of seen land.

    Parameters
    ----------
    mapped
        (y, x) whether the other map has a green area there.
    zone
        (y, x) which pixels to look at.
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
