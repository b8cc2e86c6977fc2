"""Whether digital numbers, scaled as said, can be surface reflectance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.core.errors import ImageError
from howgreen.core.sensors import LANDSAT, SENTINEL1
from howgreen.core.stac import DECIBEL, POWER

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from howgreen.store.sources import Source

_LOW_MEDIAN, _HIGH_MEDIAN = 0.005, 1.2
# Even where most is sea, one pixel in a hundred is land, and plants alone reflect 0.2-0.5 in the near infrared.
_LOW_TOP = 0.08
_SHIFT_DN = 1000
"""What Sentinel-2 baselines from 04.00 add."""
_FILL_BIT, _SNOW_CONFIDENCE_BIT = 1, 1 << 12
"""Of QA_PIXEL (USGS LSDS-1619): every pixel that is no fill has a snow confidence of low (01) or high (11)."""
_MOST_WRONG, _MOST_NEGATIVE = 0.5, 0.1
_LAND_NIR = 0.15
_BRIGHT, _DARKER, _MOST_ODD = 0.2, 0.45, 0.01
_LOW_DB, _HIGH_DB = -35.0, 5.0


def check(source: Source, samples: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raises ImageError when a scene's numbers cannot be reflectance with its scale and offset, and says which could.

    Parameters
    ----------
    source
        Its scale and offset.
    samples
        Valid digital numbers of each reflective band; codes of the mask.

    """
    codes = samples.get(source.sensor.mask)
    samples = {band: one for band, one in samples.items() if band != source.sensor.mask}
    if source.sensor is SENTINEL1:
        _check_radar(source, samples)
        return
    if source.sensor is LANDSAT:
        _check_collection(source, samples, codes)
    values = np.concatenate([np.asarray(one, np.float64).ravel() for one in samples.values()])
    values = values[np.isfinite(values)]
    if not values.size:
        return
    middle, top = np.percentile(values, [50, 99])
    if not _possible(middle, top, source.scale, source.offset):
        raise ImageError(_wrong_scale(source, samples, middle, top))
    _check_order(source, samples)
    if source.sensor.name == "sentinel-2" and source.offset_from == "default" and source.offset == 0:
        _check_shift(source, samples)


def exchanged(red: npt.NDArray[np.floating], nir: npt.NDArray[np.floating]) -> float:
    """Share of pixels that are bright in red light and less than half as bright just beyond, where that can only be because two
    bands were taken for each other: plants look so then, and no ground does. Else 0.

    Parameters
    ----------
    red, nir
        Reflectance of the same pixels.
    """
    odd, usual = (float(((one > _BRIGHT) & (other < _DARKER * one)).mean()) for one, other in ((red, nir), (nir, red)))
    return odd if odd > _MOST_ODD and odd > 10 * usual else 0.0


def _check_order(source: Source, samples: Mapping[str, npt.NDArray[Any]]) -> None:
    """See :func:`exchanged`."""
    red, nir = samples.get("red"), samples.get("nir", samples.get("nir08"))
    if red is None or nir is None or red.size != nir.size or not red.size:
        return
    odd = exchanged(*(one.astype(np.float64) * source.scale + source.offset for one in (red, nir)))
    if odd:
        raise ImageError(
            f"{source.name}: {100 * odd:.0f} % of its pixels reflect more than twice as much red as near-infrared light, which no "
            "ground does: its bands are in another order; give it with --bands"
        )


def _check_collection(source: Source, samples: Mapping[str, npt.NDArray[Any]], codes: npt.NDArray[Any] | None) -> None:
    """Collection 1, or Level 1, taken for Collection 2 Level-2: other quality bits, and land darker than black."""
    cure = "get Collection 2 Level-2 (L2SP), or give the right --scale and --offset and leave its quality band out"
    flags = np.zeros(0, np.uint16) if codes is None else codes.astype(np.uint16)
    seen = flags[flags & _FILL_BIT == 0]
    if seen.size and (seen & _SNOW_CONFIDENCE_BIT == 0).mean() > _MOST_WRONG:
        raise ImageError(f"{source.name}: its quality codes are not those of Collection 2 (QA_PIXEL); {cure}")
    visible = [samples[band] for band in ("blue", "green", "red") if band in samples]
    nir = samples.get("nir")
    if nir is None or not visible or any(one.size != nir.size for one in visible):
        return
    land = nir * source.scale + source.offset >= _LAND_NIR
    below = np.logical_or.reduce([one * source.scale + source.offset < 0 for one in visible])
    if land.any() and below[land].mean() > _MOST_NEGATIVE:
        raise ImageError(
            f"{source.name}: {100 * below[land].mean():.0f} % of its land reflects less than nothing with --scale "
            f"{source.scale:g} --offset {source.offset:g}: its numbers are no surface reflectance of Collection 2; {cure}"
        )


def _check_radar(source: Source, samples: Mapping[str, npt.NDArray[Any]]) -> None:
    """Backscatter of land lies between -35 and +5 dB, and is weaker across polarisations than along."""
    lowest = min(float(one.min()) * source.scale + source.offset for one in samples.values() if one.size)
    if source.unit == DECIBEL and lowest >= 0:
        raise ImageError(
            f"{source.name}: taken as decibels, and none is negative: it is linear power; leave --unit dB out"
        )
    middle = {band: _decibels(source, one) for band, one in samples.items() if one.size}
    for band, level in middle.items():
        if not _LOW_DB <= level <= _HIGH_DB:
            unit = "linear power" if source.unit == POWER else "decibels"
            found = f"has a median of {level:.0f} dB" if math.isfinite(level) else "is mostly not above zero"
            raise ImageError(
                f"{source.name}: taken as {unit}, band {band} {found}: no calibrated backscatter of land; give --unit dB or --unit power as its provider says, and --scale for whole numbers"
            )
    if "vv" in middle and "vh" in middle and middle["vh"] > middle["vv"]:
        raise ImageError(
            f"{source.name}: VH is stronger than VV ({middle['vh']:.1f} and {middle['vv']:.1f} dB), which no land does; "
            "check the order of --bands"
        )


def _decibels(source: Source, values: npt.NDArray[Any]) -> float:
    """Median of a radar band in decibels."""
    middle = float(np.median(values.astype(np.float64) * source.scale + source.offset))
    if source.unit == DECIBEL:
        return middle
    return 10 * math.log10(middle) if middle > 0 else -math.inf


def _possible(middle: float, top: float, scale: float, offset: float) -> bool:
    low, high = middle * scale + offset, top * scale + offset
    return _LOW_MEDIAN <= low <= _HIGH_MEDIAN and high >= _LOW_TOP


def _wrong_scale(source: Source, samples: Mapping[str, npt.NDArray[Any]], middle: float, top: float) -> str:
    found = middle * source.scale + source.offset
    said = f"--scale {source.scale:g} --offset {source.offset:g}"
    what = f"{source.name}: with {said} half of the pixels reflect less than {found:.3g}, and 1 % more than"
    what = f"{what} {top * source.scale + source.offset:.3g}: not surface reflectance (0-1)"
    if all(one.dtype == np.uint8 for one in samples.values()):
        return f"{what}; an 8-bit picture was stretched for the eye: get the surface reflectance (L2A)"
    likely = _likely(source, middle, top)
    return f"{what}; {likely}" if likely else f"{what}; ask its provider for the right --scale and --offset"


def _likely(source: Source, middle: float, top: float) -> str:
    known = (source.sensor.scale, source.sensor.offset)
    for scale, offset in (known, (1e-4, 0.0), (1e-3, 0.0), (1e-2, 0.0), (1.0, 0.0)):
        same = abs(scale - source.scale) < 1e-12 and abs(offset - source.offset) < 1e-12
        if not same and 0.02 <= middle * scale + offset <= 0.7 and 0.12 <= top * scale + offset <= 1.6:
            return f"likely --scale {scale:g}" + (f" --offset {offset:g}" if offset or source.offset else "")
    return ""


def _check_shift(source: Source, samples: Mapping[str, npt.NDArray[Any]]) -> None:
    """No dark pixel anywhere, and the darkest just above 1000: the numbers look shifted by baseline 04.00."""
    unit = source.scale / 1e-4  # the shift is 0.1 in reflectance, whatever the numbers' unit
    darkest = [np.percentile(one, 1) * unit for one in samples.values() if one.size]
    if not darkest or not all(dark >= _SHIFT_DN for dark in darkest):
        return
    if min(darkest) <= _SHIFT_DN + 500:
        raise ImageError(
            f"{source.name}: no pixel is darker than {min(darkest) * 1e-4:.3f}: the numbers seem to hold the +1000 of "
            "Sentinel-2 baselines from 04.00 on; give --offset -0.1, or --offset 0 when it was taken out already"
        )
