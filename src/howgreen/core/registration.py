"""Co-registration test of bands: edges of fields, roads and roofs are at the same position in all of them.

Small patches all over an image are compared by the gradient of their light, which is similar in all bands even if the
light itself is not (woods are dark in red and bright in near-infrared). Clouds, which a satellite's bands see at
different positions, displace few patches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

PATCH_PX = 64
"""Side of a patch."""
SMALLEST_PX = 24
"""Side of the smallest usable patch: half of a smaller image's."""
MOST_PATCHES = 5
"""Patches along each side of an image."""
REACH_PX = 12
"""Largest shift tested."""
LEAST_MATCH = 0.3
"""Least correlation of matching patches; for red and near-infrared of woods it is lower."""
FEWEST_PATCHES = 3
"""Fewest matching patches for a verdict."""
LEAST_SHIFT = 2.0
"""Least shift reported, in pixels: in 17 real images the median patch is shifted by none in all bands, but by two if
all is cloud."""
MOST_ASTRAY = 0.5
"""Largest share of patches that deviate from the median shift."""

LEAST_KNOWN = 0.9
"""Least share of a patch with data in both bands."""

_DARKEST, _DARK_PART = 1e-6, 0.05
"""Smaller values, and smaller parts of a patch's median, are clipped before the logarithm."""

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Lattice:
    """Positions of an image's patches, on the pixels of its first band, whatever the grids of other bands."""

    grid: GeoBox

    def patches(self, values: npt.NDArray[Any], valid: npt.NDArray[np.bool_], grid: GeoBox) -> Floats | None:
        """Cut the patches (n, y, x) out of a band (y, x); NaN without data; None if its CRS differs."""
        if grid.crs != self.grid.crs:
            return None
        rows, columns = self._pixels()
        to_band = ~grid.affine @ self.grid.affine
        middles = (columns.ravel() + 0.5, rows.ravel() + 0.5)
        column, row = (np.floor(one).astype(np.intp).reshape(rows.shape) for one in to_band @ middles)
        inside = (row >= 0) & (row < values.shape[0]) & (column >= 0) & (column < values.shape[1])
        row, column = np.where(inside, row, 0), np.where(inside, column, 0)
        found = values[row, column].astype(np.float32)
        found[~(inside & valid[row, column])] = np.nan
        return found

    def _pixels(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Rows and columns (n, y, x) of the patches' pixels."""
        height, width = self.grid.shape
        side = min(PATCH_PX, height // 2, width // 2) if min(height, width) < 2 * PATCH_PX else PATCH_PX
        starts = [
            np.linspace(0, size - side, max(2, min(MOST_PATCHES, size // side))).astype(np.intp)
            for size in (height, width)
        ]
        tops, lefts = (one.ravel() for one in np.meshgrid(*starts, indexing="ij"))
        within = np.arange(side)
        rows = tops[:, None, None] + within[:, None]
        columns = lefts[:, None, None] + within
        shape = (len(tops), side, side)
        return np.broadcast_to(rows, shape), np.broadcast_to(columns, shape)


def apart(patches: Mapping[str, Floats]) -> tuple[str, tuple[int, int]] | None:
    """Find a band displaced from the others.

    Parameters
    ----------
    patches
        By band, (n, y, x) at the same positions: light, or numbers proportional to it, NaN without data.

    Returns
    -------
    tuple
        The band, and its displacement from the others down and right in pixels; None if all are aligned, or it cannot
        be determined.
    """
    names = list(patches)
    if len(names) < 2 or patches[names[0]].shape[1] < SMALLEST_PX:
        return None
    first, *others = names
    shifts = {band: shift for band in others if (shift := _shift(patches[first], patches[band])) is not None}
    far = {band: shift for band, shift in shifts.items() if np.hypot(*shift) >= LEAST_SHIFT}
    if not far:
        return None
    if len(far) == len(shifts) > 1 and np.ptp(list(far.values()), axis=0).max() <= 1:
        down, right = next(iter(far.values()))
        return first, (-down, -right)
    return max(far.items(), key=lambda pair: float(np.hypot(*pair[1])))


def repeated(patches: Floats) -> float | None:
    """Return the share of neighbours (n, y, x) in a row that hold the same value; None if none are known.

    In 16 real images, the least of their bands has at most 0.16; of an image blown up n times, each of whose pixels stands n times in a
    row, it is 1 - 1/n and more.
    """
    left, right = patches[..., :-1], patches[..., 1:]
    known = np.isfinite(left) & np.isfinite(right)
    return float((left == right)[known].mean()) if known.any() else None


def _shift(one: Floats, other: Floats) -> tuple[int, int] | None:
    """Estimate the shift (down, right) of a band in pixels; None if too few patches match, or they disagree."""
    found = [
        match
        for a, b in zip(one, other, strict=True)
        if min(np.isfinite(a).mean(), np.isfinite(b).mean()) >= LEAST_KNOWN and (match := _match(a, b)) is not None
    ]
    if len(found) < FEWEST_PATCHES:
        return None
    down, right = (int(np.median([shift[axis] for shift in found])) for axis in (0, 1))
    astray = np.mean([max(abs(y - down), abs(x - right)) > 1 for y, x in found])
    return (down, right) if astray <= MOST_ASTRAY else None


def _match(one: Floats, other: Floats) -> tuple[int, int] | None:
    """Find the shift (down, right) at which two patches match best; None if they match nowhere."""
    first, second = _steepness(one), _steepness(other)
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    if norm == 0:
        return None
    whole = np.fft.irfft2(np.fft.rfft2(second) * np.conj(np.fft.rfft2(first)), first.shape) / norm
    reach = min(REACH_PX, (first.shape[0] - 1) // 2)
    near = np.roll(whole, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    best = np.unravel_index(int(near.argmax()), near.shape)
    return (int(best[0]) - reach, int(best[1]) - reach) if near[best] >= LEAST_MATCH else None


def _steepness(patch: Floats) -> npt.NDArray[np.float64]:
    """Gradient magnitude of the log light around each pixel, less its mean, tapered towards the patch's edges."""
    middle = max(float(np.nanmedian(patch)), _DARKEST)
    steep = np.hypot(*np.gradient(np.log(np.maximum(patch.astype(np.float64), _DARK_PART * middle))))
    known = np.isfinite(steep)
    steep = np.minimum(steep, np.percentile(steep[known], 99))
    fade = np.hanning(patch.shape[0])[:, None] * np.hanning(patch.shape[1])
    centred: npt.NDArray[np.float64] = np.where(known, steep - steep[known].mean(), 0) * fade
    return centred
