"""Clouds with fractal edges, their displaced shadows, and haze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from howgreen.sample.light import Sun
from howgreen.sample.spectra import CLOUD, PATH
from howgreen.sample.texture import fractal_noise

Floats = npt.NDArray[np.float32]

PIXEL_M = 10
_MARGIN_PX = 225
_CLOUD_SKYLIGHT = np.array([0.46, 0.42, 0.38, 0.36, 0.34, 0.32, 0.31, 0.30, 0.26, 0.24], np.float32)
"""Share of the light in the shadow of an opaque cloud, by band."""


@dataclass(frozen=True, kw_only=True)
class Sky:
    """State of the sky over 10 m pixels, (y, x) each."""

    opacity: Floats
    """Opacity of clouds in front of the ground, 0-1."""
    shadow: Floats
    """Opacity of clouds between ground and sun, 0-1."""
    haze: Floats
    """Share of haze in the signal, 0-1."""
    bright: Floats
    """Relative brightness of the clouds."""

    def coarser(self, factor: int) -> Sky:
        """Return the same sky over pixels of ``factor`` x 10 m (means)."""

        def mean(values: Floats) -> Floats:
            n = values.shape[0] // factor
            return np.asarray(values.reshape(n, factor, n, factor).mean((1, 3)), np.float32)

        return Sky(opacity=mean(self.opacity), shadow=mean(self.shadow), haze=mean(self.haze), bright=mean(self.bright))


def make_sky(
    rng: np.random.Generator, pixels: int, sun: Sun, *, cover: float, scale_m: float, base_m: float, haze: float
) -> Sky:
    """Simulate a sky of fair-weather clouds.

    Parameters
    ----------
    rng
        Determines the clouds' positions.
    pixels
        Side of the image, 10 m pixels.
    sun
        Determines where shadows fall.
    cover
        Share of the sky in cloud, 0-1; 0 for none.
    scale_m
        Distance between cloud groups.
    base_m
        Height of the clouds.
    haze
        Mean share of haze.

    """
    side = pixels + 2 * _MARGIN_PX
    thickness = fractal_noise(rng, (side, side), wavelength_px=scale_m / PIXEL_M, octaves=7, gain=0.56)
    billows = fractal_noise(rng, (side, side), wavelength_px=22, octaves=4, gain=0.7)
    veil = fractal_noise(rng, (pixels, pixels), wavelength_px=260, octaves=4)
    inner = slice(_MARGIN_PX, _MARGIN_PX + pixels)
    if cover > 0:
        level = np.quantile(thickness[inner, inner][::4, ::4], 1 - cover)
        depth = np.maximum(thickness - level + 0.10, 0) * (1 + 0.22 * billows)
        opacity = (1 - np.exp(-4.2 * np.maximum(depth, 0) ** 1.7)).astype(np.float32)
    else:
        opacity = np.zeros((side, side), np.float32)
    east, south = sun.shadow_per_m
    down, right = (round(part * base_m / PIXEL_M) for part in (south, east))
    rows = slice(_MARGIN_PX - down, _MARGIN_PX - down + pixels)
    cols = slice(_MARGIN_PX - right, _MARGIN_PX - right + pixels)
    shadow = _blurred(opacity, rows, cols)
    bright = np.clip(0.62 + 0.30 * opacity + 0.07 * billows, 0.4, 1.1)
    return Sky(
        opacity=opacity[inner, inner],
        shadow=shadow,
        haze=np.clip(haze * (1 + 0.35 * veil), 0, 0.8).astype(np.float32),
        bright=bright[inner, inner].astype(np.float32),
    )


def _blurred(values: Floats, rows: slice, cols: slice) -> Floats:
    rim = 6
    wide = values[rows.start - rim : rows.stop + rim, cols.start - rim : cols.stop + rim]
    return np.asarray(ndimage.gaussian_filter(wide, 1.2)[rim:-rim, rim:-rim], np.float32)


def under_sky(surface: Floats, sky: Sky, *, bands: npt.NDArray[np.int64]) -> Floats:
    """Simulate the atmospherically corrected reflectance of surfaces below a sky: (band, y, x) to (band, y, x).

    ``bands`` are the layers' positions in the simulator's band order.
    """
    lit = 1 - sky.shadow[None] * (1 - _CLOUD_SKYLIGHT[bands, None, None])
    hazy = surface * lit * (1 - sky.haze) + PATH[bands, None, None] * sky.haze
    cloud = CLOUD[bands, None, None] * sky.bright
    return np.asarray(hazy * (1 - sky.opacity) + cloud * sky.opacity, np.float32)
