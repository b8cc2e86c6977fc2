"""The clear pixels of each date.

Three steps, each using only the pixel and a few metres around it, so that blocks leave no seam:

1. **Decode** the sensor's codes into *no data*, *cloud* and *doubtful* (shadow, snow, all of Landsat's bits,
   which its producer has dilated already).
2. **Vote over dates.** Masks flag bright roofs as cloud or snow, and deep shade beside buildings as cloud shadow,
   on nearly every date: this removes exactly the grey surfaces and raises the green ratio. Real clouds move, and
   the ground looks different without them. So where at least two thirds of at least four dates are flagged, a
   flagged date is kept if its reflectance agrees with the median of all dates (within 0.015 + 12 %, in up to
   three bands), at least four dates and two thirds of them agree, and every unflagged date agrees too.
3. **Buffer** clouds of at least 60 m by 40 m, since Sentinel-2's mask misses their thin edges. Pixels flagged on
   two thirds of at least four dates are not buffered: those are roofs, not clouds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howgreen.imagery.composite._median import Int16s, Planes, median, shifted
from howgreen.imagery.read.quality import CLOUD, DOUBT, NO_DATA, Flags

BUFFER_M = 40
SMALLEST_CLOUD_M = 60
FEWEST_VOTES = 4
"""Dates required for a vote."""
TOLERANCE, TOLERANCE_PART = 150, 0.12
"""Agreement of codes (1e-4 reflectance): 0.015 + 12 % of the median."""

Bools = NDArray[np.bool_]


def halo_px(resolution_m: float) -> int:
    """Return the margin around a block, in pixels, that its buffer needs."""
    return 2 * _speck_px(resolution_m) + round(BUFFER_M / resolution_m)


def _speck_px(resolution_m: float) -> int:
    """Half-width of the square that fits into any cloud of SMALLEST_CLOUD_M, without its middle pixel."""
    return max(0, (round(SMALLEST_CLOUD_M / resolution_m) - 1) // 2)


def _reach(mask: Bools, radius: int) -> Bools:
    """Dilate the mask (y, x) by a square of ``2 radius + 1`` pixels; outside counts as false."""
    for axis in (0, 1):
        pad = [(radius, radius) if a == axis else (0, 0) for a in (0, 1)]
        out = np.pad(mask, pad)
        reach, size = 1, mask.shape[axis]
        while reach < 2 * radius + 1:  # doubling: each pass adds the pixels ``step`` further on
            step = min(reach, 2 * radius + 1 - reach)
            n = out.shape[axis] - step
            out = _part(out, axis, 0, n) | _part(out, axis, step, step + n)
            reach += step
        mask = _part(out, axis, 0, size)
    return mask


def _part(mask: Bools, axis: int, start: int, stop: int) -> Bools:
    return mask[start:stop] if axis == 0 else mask[:, start:stop]


def cloud_rims(flags: Flags, *, resolution_m: float) -> Bools:
    """Find the pixels (date, y, x) in clouds' buffers; ``flags`` has a margin of :func:`halo_px`, the result none."""
    margin = halo_px(resolution_m)
    core = np.s_[:, margin : flags.shape[1] - margin, margin : flags.shape[2] - margin]
    near = np.zeros(flags[core].shape, bool)
    flagged, data = flags & (CLOUD | DOUBT) != 0, flags & NO_DATA == 0
    often = _often(_count(flagged), _count(data))
    radius, grow = _speck_px(resolution_m), round(BUFFER_M / resolution_m)
    for t, layer in enumerate(flags):
        cloud = (layer & CLOUD != 0) & ~often
        if cloud.any():
            large = _reach(~_reach(~cloud, radius), radius + grow)
            near[t] = large[core[1:]]
    return near


def _count(layers: Bools) -> Flags:
    """How many of the first axis are true."""
    count: Flags = layers.view(np.uint8).sum(axis=0, dtype=np.uint8)
    return count


def _often(flagged: Flags, data: Flags) -> Bools:
    """Pixels flagged on two thirds of at least FEWEST_VOTES dates."""
    often: Bools = (data >= FEWEST_VOTES) & (flagged >= data - data // 3)
    return often


def false_alarms(codes: Int16s, *, flagged: Bools, data: Bools) -> Bools:
    """Find the flagged pixels that the vote over dates clears.

    Parameters
    ----------
    codes
        (date, band, pixel) reflectance in steps of 1e-4, of the bands that vote.
    flagged, data
        (date, pixel): flagged by the mask; has data.

    Returns
    -------
    (date, pixel) true where a flag should be ignored.
    """
    middle, _ = median(codes[..., None], data[..., None])
    centre = middle[..., 0].astype(np.float32)  # pixels without data agree with nothing, whatever their value
    tolerance = TOLERANCE + TOLERANCE_PART * np.abs(centre)
    agree = (np.abs(codes - centre) <= tolerance).all(axis=1) & data
    n_data, n_agree = data.sum(axis=0), agree.sum(axis=0)
    often = _often(_count(flagged), _count(data))
    steady = (n_agree >= FEWEST_VOTES) & (3 * n_agree >= 2 * n_data) & (agree | flagged | ~data).all(axis=0)
    ignored: Bools = flagged & agree & often & steady
    return ignored


def clear(
    flags: Flags,
    codes: Planes,
    missing: Bools,
    *,
    voters: tuple[int, ...],
    resolution_m: float,
    shifts: Sequence[int] | None = None,
) -> Bools:
    """Find the clear pixels of a block.

    Parameters
    ----------
    flags
        (date, y, x) with a margin of :func:`halo_px` on each side.
    codes
        [date][band] (y, x) as for :func:`howgreen.imagery.composite._median.median`, with ``shifts``; no margin.
    missing
        (date, y, x), no margin: a band has no data.
    voters
        Positions of the bands that vote.
    resolution_m
        Pixel size in metres.

    Returns
    -------
    (date, y, x).
    """
    margin = halo_px(resolution_m)
    inner = flags[:, margin : flags.shape[1] - margin, margin : flags.shape[2] - margin]
    data = (inner & NO_DATA == 0) & ~missing
    flagged = inner & (CLOUD | DOUBT) != 0
    good: Bools = data & ~flagged
    if len(flags) >= FEWEST_VOTES and voters:
        n_flagged, n_data = _count(flagged & data), _count(data)
        y, x = np.nonzero(_often(n_flagged, n_data))
        for part in range(0, len(y), 65536):  # bounds memory when a whole block is cloudy
            at = y[part : part + 65536], x[part : part + 65536]
            values = _gather(codes, shifts, voters, at)
            here = data[:, *at]
            good[:, *at] |= false_alarms(values, flagged=flagged[:, *at] & here, data=here)
    if (flags & CLOUD).any():
        good &= ~(cloud_rims(flags, resolution_m=resolution_m) & ~flagged)
    return good


def _gather(
    codes: Planes, shifts: Sequence[int] | None, voters: tuple[int, ...], at: tuple[NDArray[Any], NDArray[Any]]
) -> Int16s:
    """Codes (date, voter, pixel)."""
    out = np.empty((len(codes), len(voters), len(at[0])), np.int16)
    for t, planes in enumerate(codes):
        for v, band in enumerate(voters):
            values = planes[band][at]
            out[t, v] = shifted(values, shifts[t] if shifts else 0) if values.dtype == np.uint16 else values
    return out
