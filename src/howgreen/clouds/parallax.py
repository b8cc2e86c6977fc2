"""Parallax test for cloud masks: Sentinel-2's bands see a cloud, but not a roof, at different positions.

Its detectors image a place one band after another as the satellite moves on, red a second after blue: an object one
kilometre high is displaced by 9.5 m in red. Images are registered to the ground, so a roof lies at the same position in
both bands. (Frantz et al. 2018, Remote Sensing of Environment 215: 471, with three near-infrared bands; Skakun et al.
2018, IEEE Geoscience and Remote Sensing Letters, with blue, green and red.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BANDS = ("blue", "red")
"""Of all 10 m bands, the two farthest apart in time that still look alike."""
PIXEL_M = 10
"""Pixel size of this test. A displacement of a third of a pixel, a cloud 300 m high, counts as moving."""
LARGEST_PX = 40
"""Largest height and width of a tested patch: anything larger may be fog, which lies on the ground."""
REACH_PX = 3
"""Largest shift tested: clouds up to 3 km high. Higher ones do not match best at zero shift either."""
BESIDE_PX = 3
"""Radius of the neighbourhood that is matched, per pixel: a cloud that touches a roof is in one patch with it."""
MARGIN_PX = REACH_PX + BESIDE_PX
"""Known pixels required beyond a patch."""
LEAST_MATCH = 0.8
"""Least correlation between both bands around a pixel for it to count: a uniform roof has nothing to match."""
LEAST_AT_REST = 0.9
"""Least share of these pixels whose neighbourhood matches best at zero shift."""
TINY = 1e-12
"""A variance that counts as zero."""
LEAST_OUTLINE = 0.5
"""Least correlation of each band with the patch's outline: lower under a thin veil, where it is the ground that
matches."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


def standing(cloud: Bools, blue: Floats, red: Floats) -> Bools:
    """Find small patches of a cloud mask that do not move, and so stand on the ground.

    Parameters
    ----------
    cloud
        (y, x) on pixels of PIXEL_M.
    blue, red
        (y, x) reflectance or proportional numbers, of the same pixels and pass; NaN for no data.

    Returns
    -------
    (y, x). Excludes any patch nearer than MARGIN_PX to an edge or to missing data.
    """
    from scipy import ndimage  # takes a tenth of a second to load

    still = np.zeros(cloud.shape, bool)
    numbers, _ = ndimage.label(cloud, structure=np.ones((3, 3)))
    for number, place in enumerate(ndimage.find_objects(numbers), 1):
        around = tuple(slice(side.start - MARGIN_PX, side.stop + MARGIN_PX) for side in place)
        inside = all(side.start >= 0 and side.stop <= size for side, size in zip(around, cloud.shape, strict=True))
        if not inside or max(side.stop - side.start for side in place) > LARGEST_PX:
            continue
        patch = numbers[around] == number
        if _stands_still(patch, blue[around], red[around]):
            still[around] |= patch
    return still


def _stands_still(patch: Bools, blue: Floats, red: Floats) -> bool:
    """Tell whether a patch (y, x) stands out in both bands and these match best at zero shift; margins are MARGIN_PX."""
    from scipy import ndimage

    if not (np.isfinite(blue).all() and np.isfinite(red).all()):
        return False
    near = ndimage.binary_dilation(patch, structure=np.ones((3, 3)), iterations=BESIDE_PX)
    if min(_correlation(patch[near], light[near]) for light in (blue, red)) < LEAST_OUTLINE:
        return False
    inner = np.s_[REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
    here, shape = blue[inner].astype(np.float64), patch[inner].shape
    shifts = np.lib.stride_tricks.sliding_window_view(red.astype(np.float64), shape).reshape(-1, *shape)
    mean, spread = _moments(here)
    match = []
    for there in shifts:
        other_mean, other_spread = _moments(there)
        together = ndimage.uniform_filter(here * there, 2 * BESIDE_PX + 1) - mean * other_mean
        match.append(together / np.sqrt(spread * other_spread))
    of_patch = np.stack(match)[:, patch[inner]]
    seen = of_patch.max(axis=0) >= LEAST_MATCH
    at_rest = of_patch.argmax(axis=0)[seen] == len(shifts) // 2
    return bool(seen.any() and at_rest.mean() >= LEAST_AT_REST)


def _correlation(one: NDArray[Any], two: NDArray[Any]) -> float:
    """Return Pearson's correlation; 0 if one input is uniform."""
    left, right = (part - part.mean(dtype=np.float64) for part in (one, two))
    length = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / length if length else 0.0


def _moments(light: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance (y, x) of the reflectance around each pixel."""
    from scipy import ndimage

    mean = ndimage.uniform_filter(light, 2 * BESIDE_PX + 1)
    return mean, np.maximum(ndimage.uniform_filter(light**2, 2 * BESIDE_PX + 1) - mean**2, TINY)
