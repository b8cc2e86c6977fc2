"""The colours of all maps, and the colour of each value: one rule for the page, the files, and the tile server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.core.sensors import RADAR_BANDS, SENTINEL1
from howgreen.core.types import UNSEEN

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, Any]

PHOTOS = (
    (("red", "green", "blue"), "true colour"),
    (("nir", "red", "green"), "false colour: plants red"),
    (("swir16", "nir", "red"), "false colour: plants green"),
)
"""Bands of the photo and its name, best first."""

RADAR = "radar"
"""Prefix of the photo's name for a place without optical images."""
RADAR_DB = (-25.0, 0.0)
"""Backscatter shown as black and as white."""
RADAR_COLOURS = ((-20.0, -2.0), (-27.0, -9.0), (2.0, 14.0))
"""Decibels shown as zero and full red (VV), green (VH) and blue (VV over VH): woods green, houses pink and white,
fields and bare ground blue to violet, water black."""
RADAR_PAIR = SENTINEL1.band_names
GAMMA = 1.7
WHITE = (0.18, 0.45)
"""Range of the reflectance shown as white: 0.3, except for very dark or very bright cities."""
NO_DATA = (214, 212, 205)
_TABLE = 4096

RAMP = ("#f4ecd8", "#dfdfa8", "#b3cc7e", "#76ad60", "#3b874f", "#0d5a3a", "#04361f")
"""Green share from 0 to 1; steadily darker, so that it is readable in greyscale."""
WATER = "#bcd3e2"
UNSURE_RAMP = ("#f6f2ea", "#dccbdc", "#b997c0", "#8d5f9f", "#5c2f74", "#34104a")
"""Standard error from 0 to :data:`UNSURE_MOST`."""
UNSURE_MOST = 0.3
"""Standard error of a completely unknown pixel: 0.29."""
CLEAR_RAMP = ("#f6efe6", "#d6dfe6", "#a6c4dc", "#6ea0cb", "#3a76b0", "#174b87")
"""Number of clear dates of a pixel, from none to :data:`CLEAR_MOST` or more."""
CLEAR_MOST = 5
STEPS = 40
"""Shades of the fraction map: finer than anyone can distinguish, and a small file."""


def photo_bands(there: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Choose the photo's bands from those available, and name what it shows."""
    for names, kind in PHOTOS:
        if set(names) <= set(there):
            return names, kind
    if set(RADAR_PAIR) <= set(there):
        return RADAR_PAIR, f"{RADAR} in VV and VH"
    return (there[0],) * 3, f"{RADAR} in {there[0].upper()}" if there[0] in RADAR_BANDS else f"band {there[0]}"


def stretch(photo: Array, kind: str, inside: Array) -> tuple[float, Array]:
    """Return the black and white points of each of the photo's three colours: reflectance, or dB for radar.

    Parameters
    ----------
    photo
        float32 (band, y, x), NaN never clear.
    kind
        From :func:`photo_bands`.
    inside
        bool (y, x): inside the limits.
    """
    if "true" in kind:
        thin = slice(None, None, max(1, max(photo.shape[1:]) // 500))  # enough for a percentile
        seen = photo[:, thin, thin][:, inside[thin, thin]]
        bright = np.nanpercentile(seen, 99) if np.isfinite(seen).any() else WHITE[0]
        return 0.0, np.full(3, np.clip(1.15 * bright, *WHITE))
    if kind.startswith(RADAR):
        return RADAR_DB[0], np.full(3, RADAR_DB[1])
    return 0.0, np.array([0.45, 0.3, 0.3])


def photo_rgb(values: Array, black: float, white: Array) -> Array:
    """Render reflectance or dB (3, y, x) as uint8 (y, x, 3): one stretch for the whole city."""
    if len(values) == len(RADAR_PAIR):
        return radar_rgb(values)
    if black:
        values, white = (values - black) / (white[0] - black), np.ones(3)
    # Powers come from a lookup table: finer than a byte, in a fifth of the time.
    table = np.rint(255 * np.linspace(0, 1, _TABLE) ** (1 / GAMMA)).astype(np.uint8)
    missing = np.isnan(values).any(axis=0)
    rgb = np.empty((*missing.shape, 3), np.uint8)
    for number, plane in enumerate(values):
        places = np.clip(np.nan_to_num(plane) * np.float32((_TABLE - 1) / white[number]), 0, _TABLE - 1)
        rgb[..., number] = table[places.astype(np.uint16)]
    rgb[missing] = NO_DATA
    return rgb


def radar_rgb(decibels: Array) -> Array:
    """Render VV and VH (2, y, x) as uint8 (y, x, 3), by :data:`RADAR_COLOURS`."""
    vv, vh = decibels
    shades = [
        np.clip((values - low) / (high - low), 0, 1)
        for values, (low, high) in zip((vv, vh, vv - vh), RADAR_COLOURS, strict=True)
    ]
    rgb = np.rint(255 * np.nan_to_num(np.stack(shades, axis=-1))).astype(np.uint8)
    rgb[np.isnan(decibels).any(axis=0)] = NO_DATA
    return np.asarray(rgb)


def ramp(position: float, colours: tuple[str, ...] = RAMP) -> str:
    """Return the colour of a green share, or of a position from 0 to 1 on another ramp, ``#rrggbb``."""
    place = min(max(position, 0.0), 1.0) * (len(colours) - 1)
    left = min(int(place), len(colours) - 2)
    one, two = (np.array(list(bytes.fromhex(colours[n][1:]))) for n in (left, left + 1))
    return "#" + bytes(np.rint(one + (place - left) * (two - one)).astype(np.uint8)).hex()


def fraction_codes(fraction: Array, wet: Array) -> Array:
    """Encode green shares as uint8 (y, x) indices of :func:`fraction_colours`; UNSEEN where NaN and not water."""
    return _steps(fraction, wet)


def fraction_colours() -> dict[int, str]:
    """List the colours of green shares by code; water, which no ratio counts, has its own."""
    return {n: ramp(n / STEPS) for n in range(STEPS + 1)} | {STEPS + 1: WATER}


def uncertainty_codes(error: Array, wet: Array) -> Array:
    """Encode standard errors as uint8 (y, x) indices of :func:`uncertainty_colours`; UNSEEN where NaN and not water."""
    return _steps(error / np.float32(UNSURE_MOST), wet)


def uncertainty_colours() -> dict[int, str]:
    """List the colours of standard errors by code."""
    return {n: ramp(n / STEPS, UNSURE_RAMP) for n in range(STEPS + 1)} | {STEPS + 1: WATER}


def clear_codes(clear: Array, land: Array) -> Array:
    """Encode numbers of clear dates as uint8 (y, x) indices of :data:`CLEAR_RAMP`; UNSEEN off land, and where 0."""
    return np.where(land & (clear > 0), np.minimum(clear, CLEAR_MOST), UNSEEN).astype(np.uint8)


def _steps(shares: Array, wet: Array) -> Array:
    steps = np.rint(np.nan_to_num(shares) * STEPS).clip(0, STEPS).astype(np.uint8)
    index = np.where(np.isnan(shares), np.uint8(UNSEEN), steps)
    return np.where(wet, np.uint8(STEPS + 1), index)


def palette(index: Array, colours: Mapping[int, str]) -> Image:
    """Make a picture of codes (uint8, y, x) in their colours; 255 is transparent."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(index), mode=None).convert("L")
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    flat = [0] * 768
    for code, colour in colours.items():
        flat[3 * code : 3 * code + 3] = list(bytes.fromhex(colour[1:]))
    picture.putpalette(flat)
    picture.info["transparency"] = UNSEEN
    return picture
