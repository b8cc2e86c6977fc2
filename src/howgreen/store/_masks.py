"""Foreign cloud masks, translated to the codes of the sensor's own mask."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.clouds import omnicloudmask
from howgreen.core.errors import ImageError
from howgreen.core.grid import pixel_m
from howgreen.core.sensors import QA_BAD_BITS, SCL_BAD, SENTINEL2, Sensor
from howgreen.core.warnings import Caution

if TYPE_CHECKING:
    import numpy.typing as npt
    from odc.geo.geobox import GeoBox

LEAST_PROBABILITY = 40
"""Cloud probability in percent at which a pixel counts as cloud: the threshold recommended by s2cloudless."""
NOTHING, CLEAR, WATER, SHADOW, CLOUD, CIRRUS, SNOW = range(7)
MOST_TOLD = 8
"""Most mask values listed in a message."""
_SCL = np.array([0, 7, 6, 3, 9, 10, 11], np.uint8)
"""SCL codes; clear is 7, *unclassified*, so that no class is invented."""
_QA_PIXEL = np.array([1, 21824, 21952, 23888, 22280, 54596, 30048], np.uint16)
"""QA_PIXEL codes as USGS writes them for Landsats 8 and 9."""


def kind_of(name: str) -> str | None:
    """Return which of :data:`KINDS` a band or file is, by its name; None if it is no such mask."""
    plain = re.sub(r"[^a-z0-9]+", "", name.lower())
    return next((kind for kind, pattern in _NAMES.items() if re.fullmatch(pattern, plain)), None)


_NAMES: Mapping[str, str] = {
    "qa60": r"qa60|mskclassi",
    "fmask": r"c?fmask\d?",
    "probability": r"(msk)?cldprb(10m|20m|60m)?|cld|clp|cloudprob(ability)?|probability|s2cloudless",
    "flag": r"clm|cloudmask|clouds?|mskclouds?|cloudflag",
    "qai": r"qai",
    "bqa": r"bqa",
    "pixel_qa": r"pixelqa",
}


def clear(codes: npt.NDArray[Any], mask: str) -> npt.NDArray[np.bool_]:
    """Tell whether each code of a sensor's own mask means clear ground, water included."""
    if mask == "scl":
        return ~np.isin(codes, SCL_BAD)
    bad = sum(1 << bit for bit in QA_BAD_BITS)
    return np.asarray(codes.astype(np.uint16) & np.uint16(bad) == 0)


def _coded(classes: npt.NDArray[np.uint8], sensor: Sensor) -> npt.NDArray[Any]:
    codes: npt.NDArray[Any] = (_SCL if sensor is SENTINEL2 else _QA_PIXEL)[classes]
    return codes


def _whole(values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Convert mask values to integers; non-integers become 255."""
    return np.nan_to_num(values.astype(np.float64), nan=255, posinf=255, neginf=255).astype(np.int64)


def qa60(values: npt.NDArray[Any], sensor: Sensor) -> npt.NDArray[Any]:
    """Earth Engine's QA60: bit 10 opaque cloud, bit 11 cirrus."""
    bits = _whole(values)
    return _coded(
        np.select([bits >> 10 & 1 == 1, bits >> 11 & 1 == 1], [CLOUD, CIRRUS], CLEAR).astype(np.uint8), sensor
    )


def fmask(values: npt.NDArray[Any], sensor: Sensor) -> npt.NDArray[Any]:
    """Read an Fmask as written by its authors, by python-fmask or by HLS; the values tell which.

    Authors: 0 clear, 1 water, 2 shadow, 3 snow, 4 cloud. python-fmask: 1 clear, 2 cloud, 3 shadow, 4 snow, 5 water, 0
    no data. HLS: bits. 255 is no data.
    """
    codes = _whole(values)
    seen = codes[(codes >= 0) & (codes < 255)]
    if seen.size and seen.max() > 5:
        tests = [codes == 255, codes >> 1 & 1 == 1, codes & 1 == 1, codes >> 3 & 1 == 1, codes >> 2 & 1 == 1,
                 codes >> 4 & 1 == 1, codes >> 5 & 1 == 1]  # fmt: skip
        kinds = [NOTHING, CLOUD, CIRRUS, SHADOW, CLOUD, SNOW, WATER]
        return _coded(np.select(tests, kinds, CLEAR).astype(np.uint8), sensor)
    table = np.full(256, NOTHING, np.uint8)
    python_fmask = (seen == 5).any() or (seen == 1).sum() > (seen == 0).sum()
    table[:6] = (
        [NOTHING, CLEAR, CLOUD, SHADOW, SNOW, WATER] if python_fmask else [CLEAR, WATER, SHADOW, SNOW, CLOUD, NOTHING]
    )
    return _coded(table[np.clip(codes, 0, 255)], sensor)


def probability(values: npt.NDArray[Any], sensor: Sensor) -> npt.NDArray[Any]:
    """Cloud probability in percent, on a 0-255 scale, or 0-1 in floats."""
    plain = np.nan_to_num(values.astype(np.float32), nan=0.0)
    highest = float(plain.max(initial=0))
    per_cent = 100.0 if values.dtype.kind == "f" and highest <= 1 else 100 / 255 if highest > 100 else 1.0
    return _coded(np.where(plain * per_cent >= LEAST_PROBABILITY, CLOUD, CLEAR).astype(np.uint8), sensor)


def flag(values: npt.NDArray[Any], sensor: Sensor) -> npt.NDArray[Any]:
    """Cloud or not: 0 clear, anything else cloud; 255 is no data unless all values are 0 or 255."""
    codes = _whole(values)
    two = set(np.unique(codes).tolist()) <= {0, 255}
    return _coded(np.select([codes == 0, (codes == 255) & (not two)], [CLEAR, NOTHING], CLOUD).astype(np.uint8), sensor)


def qai(values: npt.NDArray[Any], sensor: Sensor) -> npt.NDArray[Any]:
    """Read FORCE's QAI: bit 0 no data, bits 1-2 cloud (3 cirrus), bit 3 shadow, bit 4 snow, bit 5 water."""
    bits = _whole(values)
    cloud = bits >> 1 & 3
    tests = [bits & 1 == 1, cloud == 3, cloud > 0, bits >> 3 & 1 == 1, bits >> 4 & 1 == 1, bits >> 5 & 1 == 1]
    return _coded(np.select(tests, [NOTHING, CIRRUS, CLOUD, SHADOW, SNOW, WATER], CLEAR).astype(np.uint8), sensor)


def bqa(values: npt.NDArray[Any], sensor: Sensor) -> npt.NDArray[Any]:
    """Read Collection 1's BQA (USGS LSDS-1873): bit 0 fill, 4 cloud; confidence, 3 high, of shadow (7-8), snow (9-10) and cirrus (11-12)."""
    bits = _whole(values)
    tests = [bits & 1 == 1, bits >> 4 & 1 == 1, bits >> 11 & 3 == 3, bits >> 7 & 3 == 3, bits >> 9 & 3 == 3]
    return _coded(np.select(tests, [NOTHING, CLOUD, CIRRUS, SHADOW, SNOW], CLEAR).astype(np.uint8), sensor)


def pixel_qa(values: npt.NDArray[Any], sensor: Sensor) -> npt.NDArray[Any]:
    """Read Collection 1's ``pixel_qa`` of surface reflectance (USGS LSDS-1368): a bit per kind, cirrus confidence (8-9)."""
    bits = _whole(values)
    tests = [bits & 1 == 1, bits >> 5 & 1 == 1, bits >> 8 & 3 == 3, bits >> 3 & 1 == 1, bits >> 4 & 1 == 1,
             bits >> 2 & 1 == 1]  # fmt: skip
    return _coded(np.select(tests, [NOTHING, CLOUD, CIRRUS, SHADOW, SNOW, WATER], CLEAR).astype(np.uint8), sensor)


KINDS: Mapping[str, Callable[[Any, Sensor], Any]] = {
    "qa60": qa60,
    "fmask": fmask,
    "probability": probability,
    "flag": flag,
    "qai": qai,
    "bqa": bqa,
    "pixel_qa": pixel_qa,
}
"""Mask readers (y, x) by kind; each returns codes of the sensor's own mask."""
_CLEAR_CODES = "clear="


def kind_with(clear: Sequence[float]) -> str:
    """Return the kind of a mask whose clear values the user gives."""
    return _CLEAR_CODES + ",".join(f"{number:g}" for number in clear)


def read_as(kind: str, values: npt.NDArray[Any], sensor: Sensor) -> npt.NDArray[Any]:
    """Translate a mask (y, x) of one of :data:`KINDS`, or of :func:`kind_with`, to codes of the sensor's own mask.

    If the user gives the clear values, all other values are cloud and NaN is no data.
    """
    clear = clear_numbers(kind)
    if not clear:
        return np.asarray(KINDS[kind](values, sensor))
    numbers = values.astype(np.float64)
    classes = np.select([np.isin(numbers, clear), np.isnan(numbers)], [CLEAR, NOTHING], CLOUD)
    return _coded(classes.astype(np.uint8), sensor)


def clear_numbers(kind: str) -> list[float]:
    """Return the clear values of a :func:`kind_with` kind; empty for any other kind."""
    said = kind.removeprefix(_CLEAR_CODES)
    return [] if said == kind else [float(number) for number in said.split(",")]


def never_clear(kind: str, values: npt.NDArray[Any]) -> Caution | None:
    """Warn if a mask (y, x) has none of the values its user calls clear, listing its values; None for any other mask."""
    clear = clear_numbers(kind)
    if not clear or np.isin(values, clear).any():
        return None
    numbers = np.unique(values[~np.isnan(values)]).tolist()
    told = [f"{one:g}" for one in numbers[:MOST_TOLD]]
    if len(numbers) > MOST_TOLD:
        told[-1] = f"... {numbers[-1]:g}"
    text = (
        f"its mask holds {', '.join(told) or 'no numbers'}, and none that --mask-clear calls clear "
        f"({', '.join(f'{one:g}' for one in clear)}): all of it counts as cloud"
    )
    return Caution("mask-never-clear", text)


def of_omnicloudmask(
    light: npt.NDArray[np.float32], grid: GeoBox, name: str, sensor: Sensor
) -> tuple[npt.NDArray[Any], GeoBox]:
    """Run OmniCloudMask on an image; return codes (y, x) of the sensor's own mask and their grid.

    Parameters
    ----------
    light
        See :func:`howgreen.clouds.omnicloudmask.ask`.
    grid
        Its pixels.
    name
        Name of the image, for messages.
    """
    side = pixel_m(grid)
    if not omnicloudmask.FINEST_M <= side <= omnicloudmask.COARSEST_M:
        raise ImageError(
            f"{name}: pixels of {side:.3g} m; {omnicloudmask.NAME} knows 10 to 50 m: leave --mask out, or resample the image with gdalwarp"
        )
    table = np.array([CLEAR, CLOUD, CIRRUS, SHADOW], np.uint8)  # clear, thick cloud, thin cloud, shadow
    return _coded(table[omnicloudmask.ask(light)], sensor), grid
