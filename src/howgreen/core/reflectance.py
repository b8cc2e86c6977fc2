"""One normaliser of Sentinel-2's and Landsat's numbers, whoever serves them: reflectance = DN * scale + offset.

ESA adds 1000 to Sentinel-2's DN from processing baseline 04.00 on, reprocessed older scenes included, so the
*baseline* decides and not the date. Providers then differ: some hand on what ESA delivers, some take the 1000 out and
say so in a flag, while the ``raster:bands`` offset of the same item still says -0.1. So that entry decides only
where nothing better is known, and :func:`howgreen.imagery.decisions` asks the pixels about every answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from howgreen.core.sensors import S2_OFFSET_04, SENTINEL2, Sensor

FLAG = "earthsearch:boa_offset_applied"
NEW_BASELINE = (4, 0)
_IN_NAME = re.compile(r"_N(\d{2})\.?(\d{2})(?:_|$)")
_NUMBER = re.compile(r"^\s*(\d{1,2})\.(\d{1,2})\s*$")
_NAMES = ("s2:product_uri", "sentinel:product_id", "s2:datatake_id", "s2:granule_id", "s2:tile_id")

Habit = Literal["as delivered", "flagged", "unknown"]
"""Whether a provider takes Sentinel-2's offset out of the pixels: never; where a flag of the item says so; who knows."""


@dataclass(frozen=True, kw_only=True)
class Radiometry:
    """How a scene's DN become reflectance."""

    scale: float
    offset: float
    nodata: int
    why: str
    """The decision in words, for the record."""


def radiometry(native: Mapping[str, Any], sensor: Sensor, *, habit: Habit = "unknown") -> Radiometry:
    """The decision for one STAC item of a public catalogue.

    Parameters
    ----------
    native
        The item.
    sensor
        Of the item.
    habit
        What its provider does to Sentinel-2's pixels.
    """
    if sensor is not SENTINEL2:
        why = f"{sensor.label}: DN x {sensor.scale:g} {sensor.offset:+g}"
        return Radiometry(scale=sensor.scale, offset=sensor.offset, nodata=sensor.nodata, why=why)
    offset, why = _sentinel2(native, habit)
    return Radiometry(scale=sensor.scale, offset=offset, nodata=sensor.nodata, why=why)


def baseline(native: Mapping[str, Any]) -> tuple[int, int] | None:
    """Sentinel-2's processing baseline, ``(5, 11)``: from the item's properties, else out of the product's name."""
    properties = native.get("properties") or {}
    for key in ("s2:processing_baseline", "processing:version"):
        if found := _NUMBER.match(str(properties.get(key) or "")):
            return int(found[1]), int(found[2])
    for text in (*(properties.get(key) for key in _NAMES), native.get("id")):
        if found := _IN_NAME.search(str(text or "").removesuffix(".SAFE")):
            return int(found[1]), int(found[2])
    return None


def _sentinel2(native: Mapping[str, Any], habit: Habit) -> tuple[float, str]:
    number = baseline(native)
    flag = (native.get("properties") or {}).get(FLAG)
    if number is None:
        said = _said(native)
        if flag is True or said is None:
            return 0.0, "processing baseline unknown and no offset stated: none"
        return said, f"processing baseline unknown: offset {said:+g} as the item states"
    words = f"baseline {number[0]:02d}.{number[1]:02d}"
    if number < NEW_BASELINE:
        return 0.0, f"{words}, before 04.00: no offset"
    if habit != "as delivered" and flag is True:
        return 0.0, f"{words}, and the provider has taken the offset out of the pixels ({FLAG})"
    if habit == "as delivered":
        return S2_OFFSET_04, f"{words}, pixels as ESA delivers them: offset {S2_OFFSET_04:g}"
    return S2_OFFSET_04, f"{words}, and no word that the offset was taken out of the pixels: offset {S2_OFFSET_04:g}"


def _said(native: Mapping[str, Any]) -> float | None:
    """The offset that the item's first reflective band states; None without any."""
    for entry in (native.get("assets") or {}).values():
        bands = entry.get("raster:bands") or entry.get("bands") or [{}]
        for words in (bands[0] if isinstance(bands[0], dict) else {}, entry):
            scale = words.get("scale", words.get("raster:scale"))
            offset = words.get("offset", words.get("raster:offset"))
            if scale == SENTINEL2.scale and isinstance(offset, int | float):
                return float(offset)
    return None
