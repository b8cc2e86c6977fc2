"""Whether what a mask calls cloud stands on the ground: Sentinel-2's bands see a cloud, but no roof, at different places.

Its detectors look at a place one band after the other while the satellite flies on, red a second after blue: what is one kilometre
high lies 9.5 m further along in red. Images are put in place for the ground alone, so a roof lies in both bands where it is. (Frantz
et al. 2018, Remote Sensing of Environment 215: 471, with three near-infrared bands; Skakun et al. 2018, IEEE Geoscience and Remote
Sensing Letters, with blue, green and red.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BANDS = ("blue", "red")
"""Of all bands of 10 m the two that are farthest apart in time and still alike."""
PIXEL_M = 10
"""Pixels that all this is for. What is off by a third of one, a cloud 300 m high, does not stand still."""
LARGEST_PX = 40
"""Height and width of the largest patch that is looked at: what is larger may be fog, which lies on the ground."""
REACH_PX = 3
"""How far off a patch is looked for: clouds up to 3 km. Of higher ones no shift matches best where they are, either."""
BESIDE_PX = 3
"""How far around a pixel light is compared: a cloud that touches a roof is one patch with it, so each pixel is asked for."""
MARGIN_PX = REACH_PX + BESIDE_PX
"""Pixels beyond a patch that have to be known."""
LEAST_MATCH = 0.8
"""Correlation of the light around a pixel in both bands from which it tells anything: an even roof has nothing to match."""
LEAST_AT_REST = 0.9
"""Share of these pixels whose surroundings match best where they are."""
TINY = 1e-12
"""A variance that is none."""
LEAST_OUTLINE = 0.5
"""Correlation of each band with the patch's outline, at least: below a veil through which the ground shows, the ground is what matches."""

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


def standing(cloud: Bools, blue: Floats, red: Floats) -> Bools:
    """Find the small patches of what a mask calls cloud that stand on the ground.

    Parameters
    ----------
    cloud
        (y, x) on pixels of PIXEL_M.
    blue, red
        (y, x) light or numbers in proportion to it, of the same pixels and one pass; NaN where there are none.

    Returns
    -------
    (y, x). A patch nearer than MARGIN_PX to an edge, or to where there are no numbers, is never among them.
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
    """Tell whether a patch (y, x) stands out in both bands, and these match best where it lies; all have a margin of MARGIN_PX."""
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
    """Pearson's; 0 where one of them is even."""
    left, right = (part - part.mean(dtype=np.float64) for part in (one, two))
    length = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / length if length else 0.0


def _moments(light: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance (y, x) of the light around each pixel."""
    from scipy import ndimage

    mean = ndimage.uniform_filter(light, 2 * BESIDE_PX + 1)
    return mean, np.maximum(ndimage.uniform_filter(light**2, 2 * BESIDE_PX + 1) - mean**2, TINY)
