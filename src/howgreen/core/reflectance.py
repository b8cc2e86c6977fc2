"""From an image's numbers to reflectance: the one rule for all items and files, from any provider.

ESA adds 1000 to Sentinel-2's DN from processing baseline 04.00 on, reprocessed older scenes included, so the *baseline*
decides and not the date. Providers differ: some pass on ESA's files unchanged, some remove the 1000 and say so in a
flag, while the ``raster:bands`` offset of the same item still says -0.1. So for numbers in ESA's own steps that entry
decides only if nothing better is known; numbers in other steps are read as their item states.
:func:`howgreen.imagery.decisions` checks every decision against the pixels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from howgreen.core.sensors import S2_OFFSET_04, SENTINEL2, Sensor, common_name
from howgreen.core.types import Encoding

FLAG = "boa_offset_applied"
"""Suffix of the property by which providers say that they removed the offset from the pixels: its prefix is
``earthsearch:``, in older items ``sentinel:``, and elsewhere up to the provider."""
NOTHING_STATED = "processing baseline unknown and no offset stated: none"
"""Reason recorded for an item that states no offset: then the pixels alone decide."""
NEW_BASELINE = (4, 0)
NEWEST_BASELINE = (10, 0)
"""Newer versions are not real: Sen2Cor run by users writes 99.99."""
_IN_NAME = re.compile(r"_N(\d{2})\.?(\d{2})(?:_|$)")
_NUMBER = re.compile(r"^N?0?(\d{1,2})\.?(\d{2})?$", re.IGNORECASE)
_SHORT = re.compile(r"^N?(\d{1,2})\.(\d)$", re.IGNORECASE)
_BASELINES = ("s2:processing_baseline", "sentinel:processing_baseline", "sentinel2:processing_baseline",
              "processing_baseline", "processing:version")  # fmt: skip
_NAMES = ("s2:product_uri", "sentinel:product_id", "s2:datatake_id", "s2:granule_id", "s2:tile_id")

Habit = Literal["as delivered", "flagged", "unknown"]
"""Whether a provider removes Sentinel-2's offset from the pixels: never; where the item's flag says so; unknown."""


@dataclass(frozen=True, kw_only=True)
class Radiometry:
    """How a scene's DN become reflectance."""

    scale: float
    offset: float
    nodata: float | None
    why: str
    """The decision in words, for the record."""
    bands: Mapping[str, Encoding] = field(default_factory=lambda: MappingProxyType({}))
    """Encodings of bands that differ from the scene's."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """An item's statements about one asset's numbers; None if absent."""

    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None
    every_dn_is_data: bool = False
    """The item describes the band without a nodata value."""
    is_float: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether the scale is a writer's default: 1 for whole numbers."""
        return self.scale == 1 and not self.offset and not self.is_float


def radiometry(
    native: Mapping[str, Any],
    sensor: Sensor,
    *,
    habit: Habit = "unknown",
    entries: Mapping[str, Mapping[str, Any]] | None = None,
) -> Radiometry:
    """Decide how the numbers of a STAC item become reflectance.

    Parameters
    ----------
    native
        The item.
    sensor
        Of the item.
    habit
        How its provider treats Sentinel-2's offset.
    entries
        The item's assets by common band name; None finds them by their keys.
    """
    if entries is None:
        named = {common_name(key, sensor): entry for key, entry in (native.get("assets") or {}).items()}
        entries = {band: entry for band, entry in named.items() if band}
    statements = {band: stated(entry) for band, entry in entries.items() if band != sensor.mask}
    if "howgreen:sensor" in (native.get("properties") or {}):  # an item of our own stores: already decided
        found = {band: _as_stated(one, sensor) for band, one in statements.items()}
        why = str(native["properties"].get("howgreen:radiometry") or "")
    elif sensor is not SENTINEL2:
        found = {band: _as_stated(one, sensor) for band, one in statements.items()}
        first = next(iter(found.values()), _own(sensor))
        why = f"{sensor.label}: DN x {first.scale:g} {first.offset:+g}"
    else:
        found, why = _sentinel2(native, habit, statements)
    first = next(iter(found.values()), _own(sensor))
    others = {band: one for band, one in found.items() if one != first}
    return Radiometry(scale=first.scale, offset=first.offset, nodata=first.nodata, why=why, bands=others)


def stated(entry: Mapping[str, Any]) -> Stated:
    """Read scale, offset and nodata of an asset's (only) band, as stated in STAC 1.0 or 1.1."""
    words: dict[str, Any] = {}
    for key in ("bands", "raster:bands"):
        listed = entry.get(key)
        if isinstance(listed, list) and listed and isinstance(listed[0], Mapping):
            words |= listed[0]
    words |= {key: entry[key] for key in _WORDS if key in entry}
    return Stated(
        scale=number(words.get("raster:scale", words.get("scale"))),
        offset=number(words.get("raster:offset", words.get("offset"))),
        nodata=number(words.get("nodata")),
        every_dn_is_data="data_type" in words and "scale" in words and "nodata" not in words,
        is_float=str(words.get("data_type", "")).startswith("float"),
    )


_WORDS = ("scale", "offset", "nodata", "data_type", "raster:scale", "raster:offset")


def number(value: object) -> float | None:
    """Read a finite number out of JSON, or None."""
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except ValueError:
        return None
    return found if found is not None and abs(found) < float("inf") else None


def baseline(native: Mapping[str, Any]) -> tuple[int, int] | None:
    """Read Sentinel-2's processing baseline, ``(5, 11)``: from the item's properties, else from the product name."""
    properties = native.get("properties") or {}
    for key in _BASELINES:
        if found := baseline_of(properties.get(key)):
            return found
    for text in (*(properties.get(key) for key in _NAMES), native.get("id")):
        if match := _IN_NAME.search(str(text or "").removesuffix(".SAFE")):
            return _real(int(match[1]), int(match[2]))
    return None


def baseline_of(value: object) -> tuple[int, int] | None:
    """Read a baseline in any usual spelling (``05.09``, ``5``, ``5.1`` as a number, ``N0509``); None if invalid."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        if not abs(value) < 100:
            return None
        return _real(*divmod(round(value * 100), 100))
    text = str(value).strip()
    if short := _SHORT.match(text):
        return _real(int(short[1]), int(short[2]))
    match = _NUMBER.match(text)
    return _real(int(match[1]), int(match[2] or 0)) if match else None


def _real(major: int, minor: int) -> tuple[int, int] | None:
    return (major, minor) if (0, 0) < (major, minor) < NEWEST_BASELINE else None


def offset_removed(properties: Mapping[str, Any]) -> str | None:
    """Name the property that says the offset was removed from the pixels; None if there is none."""
    return next(
        (
            key
            for key, value in properties.items()
            if key.endswith(FLAG) and str(value).strip().lower() in {"true", "1"}
        ),
        None,
    )


def _own(sensor: Sensor) -> Encoding:
    return Encoding(scale=sensor.scale, offset=sensor.offset, nodata=sensor.nodata)


def _nodata(one: Stated, sensor: Sensor) -> float | None:
    # Our items always state an existing offset; others omit what their sensor's handbook says.
    if one.nodata is None:
        return None if one.every_dn_is_data or one.is_float else sensor.nodata
    return int(one.nodata) if one.nodata.is_integer() else one.nodata


def _as_stated(one: Stated, sensor: Sensor) -> Encoding:
    """Use the band's own statement, completed by the sensor's defaults."""
    if one.is_float:  # reflectance already, unless stated otherwise
        return Encoding(scale=one.scale or 1.0, offset=one.offset or 0.0, nodata=_nodata(one, sensor))
    if not one.scale or one.is_empty:
        own = sensor.offset if one.offset is None or one.is_empty else one.offset
        return Encoding(scale=sensor.scale, offset=own, nodata=_nodata(one, sensor))
    same = abs(one.scale / sensor.scale - 1) < 1e-6
    offset = (sensor.offset if same else 0.0) if one.offset is None else one.offset
    return Encoding(scale=sensor.scale if same else one.scale, offset=offset, nodata=_nodata(one, sensor))


def _in_esa_steps(one: Stated) -> bool:
    """Tell whether a band's numbers are in ESA's own steps, according to its item."""
    return not one.is_float and (not one.scale or one.is_empty or abs(one.scale / SENTINEL2.scale - 1) < 1e-6)


def _sentinel2(
    native: Mapping[str, Any], habit: Habit, statements: Mapping[str, Stated]
) -> tuple[dict[str, Encoding], str]:
    """Return encodings by band; numbers not in ESA's steps are read as stated."""
    others = {band: one for band, one in statements.items() if not _in_esa_steps(one)}
    offset, why = _offset(native, habit, {band: one for band, one in statements.items() if band not in others})
    found = {}
    for band, one in statements.items():
        if band in others:
            found[band] = _as_stated(one, SENTINEL2)
        else:
            own = one.offset if offset is None and one.offset is not None else offset or 0.0
            found[band] = Encoding(scale=SENTINEL2.scale, offset=own, nodata=_nodata(one, SENTINEL2))
    if others:
        listed = ", ".join(f"{band} x {found[band].scale:g} {found[band].offset:+g}" for band in others)
        stated_words = f"as the item states: {listed}"
        why = stated_words if len(others) == len(statements) else f"{why}; {stated_words}"
    return found, why


def _offset(native: Mapping[str, Any], habit: Habit, statements: Mapping[str, Stated]) -> tuple[float | None, str]:
    """Return the offset of numbers in ESA's own steps, None for each band's own as stated; and the reason."""
    properties = native.get("properties") or {}
    removed = None if habit == "as delivered" else offset_removed(properties)
    offsets = {one.offset for one in statements.values() if one.offset is not None and not one.is_empty}
    release = baseline(native)
    if release is None:
        if removed:
            return 0.0, f"processing baseline unknown, and the offset is out of the pixels ({removed})"
        if not offsets:
            return 0.0, NOTHING_STATED
        listed = ", ".join(f"{one:+g}" for one in sorted(offsets))
        return None, f"processing baseline unknown: offset {listed} as the item states"
    words = f"baseline {release[0]:02d}.{release[1]:02d}"
    if release < NEW_BASELINE:
        return 0.0, f"{words}, before 04.00: no offset"
    if removed:
        return 0.0, f"{words}, and the provider has taken the offset out of the pixels ({removed})"
    if habit == "as delivered":
        return S2_OFFSET_04, f"{words}, pixels as ESA delivers them: offset {S2_OFFSET_04:g}"
    if len(offsets) > 1 or (habit == "unknown" and offsets == {0.0}):
        return None, f"{words}, and no word of the pixels but the offset of each band that the item states"
    return S2_OFFSET_04, f"{words}, and no word that the offset was taken out of the pixels: offset {S2_OFFSET_04:g}"
