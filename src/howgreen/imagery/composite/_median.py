"""The median over dates, as a selection network of row-wise minima and maxima.

Reflectance is held as int16 in steps of 1e-4 (the code): exact for Sentinel-2, whose DN are such steps, and rounded to
the nearest step, at most 0.00005 off, for Landsat (DN steps of 0.0000275) and for floats.

A sorting network compares fixed positions, so every comparison is one vector instruction over many pixels, and plain
numpy is as fast as compiled code. A date that is not clear must not shift the middle: of a pixel's unclear dates, every
other one is set above all values and the rest below, so that the median of the clear ones stays in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howgreen.core.sensors import REFLECTANCE_SCALE
from howgreen.core.types import NEVER_CLEAR

STEP = REFLECTANCE_SCALE
"""Reflectance per code."""
LOWEST, HIGHEST = np.int16(NEVER_CLEAR), np.int16(32767)
"""Codes for *below* and *above* all values; reflectance is clipped to lie strictly between."""
SLAB_PX = 32 * 1024
"""Pixels processed at once: few enough that all dates of one band stay in a core's own cache."""

Int16s = NDArray[np.int16]
Planes = Sequence[Sequence[NDArray[Any]]] | NDArray[Any]
"""Pixels as [date][band] (y, x)."""
Bools = NDArray[np.bool_]


def whole_shift(dtype: np.dtype[Any], *, scale: float, offset: float) -> int | None:
    """Return the steps that make a DN a code, if adding is all it takes (uint16 in steps of 1e-4); else None."""
    factor, shift = scale / STEP, offset / STEP
    whole = round(shift)
    simple = abs(factor - 1) < 1e-9 and abs(shift - whole) < 1e-6 and -32767 <= whole <= 0
    return whole if simple and dtype == np.uint16 else None


def encode(dn: NDArray[Any], *, scale: float, offset: float) -> Int16s:
    """Encode ``dn * scale + offset``, rounded to nearest and clipped; NaN becomes 0 (the caller marks it)."""
    shift = whole_shift(dn.dtype, scale=scale, offset=offset)
    if shift is not None:
        return shifted(dn, shift)
    steps = dn.astype(np.float64) * (scale / STEP) + offset / STEP
    np.nan_to_num(steps, copy=False, nan=0.0)
    return np.clip(np.rint(steps, out=steps), -32767, 32766).astype(np.int16)


def shifted(dn: NDArray[np.uint16], shift: int, out: NDArray[np.uint16] | None = None) -> Int16s:
    """Encode DN that lack only the shift (0 or negative), see :func:`whole_shift`."""
    out = np.minimum(dn, np.uint16(min(32766 - shift, 65535)), out=out)
    if shift:  # unsigned wrap-around is two's complement subtraction
        np.add(out, np.uint16(shift % 65536), out=out)
    return out.view(np.int16)


def _merge_sort_pairs(n: int) -> list[tuple[int, int]]:
    """Comparisons (i < j) of Batcher's merge exchange sort of ``n`` values (Knuth, TAOCP 3, 5.2.2, algorithm M)."""
    pairs: list[tuple[int, int]] = []
    bits = (n - 1).bit_length()
    p = 1 << (bits - 1) if n > 1 else 0
    while p:
        q, r, d = 1 << (bits - 1), 0, p
        while True:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return pairs


@lru_cache(maxsize=64)
def selection(n: int) -> tuple[tuple[int, int, bool, bool], ...]:
    """List the comparisons ``(i, j, needs minimum, needs maximum)`` that move the middle of ``n`` values into place.

    This is a sorting network without the operations that cannot affect the middle two positions.
    """
    needed = set(range(max(n // 2 - 1, 0), n // 2 + 1))
    steps: list[tuple[int, int, bool, bool]] = []
    for i, j in reversed(_merge_sort_pairs(n)):
        low, high = i in needed, j in needed
        if low or high:
            steps.append((i, j, low, high))
            needed |= {i, j}
    return tuple(reversed(steps))


def _select(planes: list[Int16s], spare: Int16s) -> None:
    """Move the middle of ``planes`` into place, in place."""
    for i, j, low, high in selection(len(planes)):
        a, b = planes[i], planes[j]
        if low and high:
            np.minimum(a, b, out=spare)
            np.maximum(a, b, out=b)
            planes[i], spare = spare, a
        elif low:
            np.minimum(a, b, out=a)
        else:
            np.maximum(a, b, out=b)


def _fillers(clear: Bools) -> tuple[list[Int16s | None], list[Int16s | None]]:
    """For each date, the AND and OR masks for its codes; None if every pixel is clear."""
    keeps: list[Int16s | None] = []
    fills: list[Int16s | None] = []
    low_next = np.zeros(clear.shape[1:], bool)
    for is_clear in clear:
        if is_clear.all():
            keeps.append(None)
            fills.append(None)
            continue
        keep = -(is_clear.astype(np.int16))
        side = np.where(low_next, LOWEST, HIGHEST)  # the first unclear date of a pixel goes above
        keeps.append(keep)
        fills.append(np.bitwise_and(side, ~keep))
        low_next ^= ~is_clear
    return keeps, fills


def _middle(planes: list[Int16s], even: Bools, never: Bools | None, out: Int16s) -> None:
    """Write the median to ``out``.

    It is the upper or lower of the middle two, or their mean with halves rounded to even, and NEVER_CLEAR where
    ``never``.
    """
    n = len(planes)
    # For an odd number of unclear dates, one more is *above* than *below*, so one fixed position of the two counts
    # alone.
    alone, other = (planes[n // 2], planes[n // 2 - 1]) if n % 2 else (planes[n // 2 - 1], planes[n // 2])
    if n == 1 or not even.any():
        out[...] = alone
    else:
        np.copyto(other, alone, where=~even)
        # The mean without a + b, which int16 may not hold: the bits both have, plus half of the bits one has.
        np.bitwise_and(alone, other, out=out)
        odd = np.bitwise_xor(alone, other, out=other)
        out += np.right_shift(odd, 1, out=alone)
        odd &= out
        odd &= 1
        out += odd
    if never is not None:
        out[never] = NEVER_CLEAR


def median(codes: Planes, clear: Bools, *, shifts: Sequence[int] | None = None) -> tuple[Int16s, NDArray[np.uint8]]:
    """Compute the median of the clear dates.

    Parameters
    ----------
    codes
        (date, band, y, x), an array or nested lists of planes (y, x): int16 codes, or uint16 DN that become codes by
        adding the date's shift.
    clear
        (date, y, x).
    shifts
        For each date, see :func:`whole_shift`; needed where planes are uint16.

    Returns
    -------
    Codes (band, y, x), with an even number of dates the mean of the middle two, halves rounded to the even code;
    NEVER_CLEAR where no date is clear. And the number of clear dates, uint8 (y, x).
    """
    dates, height, width = clear.shape
    rows = max(1, SLAB_PX // max(width, 1))
    out = np.empty((len(codes[0]), height, width), np.int16)
    n_clear = np.empty((height, width), np.uint8)
    line = np.empty((dates + 1, min(rows, height), width), np.int16)
    for top in range(0, height, rows):
        at = slice(top, min(top + rows, height))
        is_clear = clear[:, at]
        n_clear[at] = count = is_clear.view(np.uint8).sum(axis=0, dtype=np.uint8)
        even, never = (count & 1) == 0, count == 0
        unseen = never if never.any() else None
        fillers = _fillers(is_clear)
        for band in range(len(out)):
            planes = [plane[: at.stop - top] for plane in line]
            spare = planes.pop()
            _prepare(planes, [date[band][at] for date in codes], fillers, shifts)
            _select(planes, spare)
            _middle(planes, even, unseen, out[band, at])
    return out, n_clear


def _prepare(
    planes: list[Int16s],
    parts: list[NDArray[Any]],
    fillers: tuple[list[Int16s | None], list[Int16s | None]],
    shifts: Sequence[int] | None,
) -> None:
    """Copy the codes of one band of a slab to ``planes``, with fillers in place of unclear dates."""
    for t, (plane, part, keep, fill) in enumerate(zip(planes, parts, *fillers, strict=True)):
        codes = part
        if part.dtype == np.uint16:
            codes = shifted(part, shifts[t] if shifts else 0, out=plane.view(np.uint16))
        elif keep is None:
            np.copyto(plane, part)
        if keep is not None and fill is not None:
            np.bitwise_and(codes, keep, out=plane)
            np.bitwise_or(plane, fill, out=plane)
