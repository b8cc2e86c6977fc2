"""The NDVI rule: green fraction linear in NDVI; dark pixels with more green than near-infrared are water.

Gutman & Ignatov 1998 (Int. J. Remote Sensing 19: 1533) for the linear fraction, McFeeters 1996 (ibid. 17: 1425) for the
sign of NDWI as water. Here its two anchors are fitted to simulated mixtures.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from howgreen.core.models import ModelClass
from howgreen.training.mixtures import Mixtures
from howgreen.training.spectra import Array

BANDS = ("green", "red", "nir")
CLASSES = (
    ModelClass(code=0, name="not green", green=False, colour="#b0a8a0"),
    ModelClass(code=1, name="green", green=True, colour="#4c9a3f"),
    ModelClass(code=2, name="water", green=False, colour="#3f7fbf"),
)

WATER_NIR = 0.1
"""Upper reflectance of water: brighter near-infrared means a blue or wet roof."""
TINY = 1e-6
"""Least sum of red and near-infrared as the divisor of NDVI."""


def ndvi(reflectance: npt.ArrayLike) -> Array:
    """Compute NDVI (n,) of reflectance (n, band) with bands :data:`BANDS`, clipped to 0-2 first."""
    _, red, nir = np.clip(np.asarray(reflectance, dtype=np.float64), 0, 2).T
    return np.asarray((nir - red) / np.maximum(nir + red, TINY))


def fraction_and_water(reflectance: npt.ArrayLike, *, bare: float, full: float) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Compute green fraction (n,) and water (n,), as the graph does."""
    green, _, nir = np.clip(np.asarray(reflectance, dtype=np.float64), 0, 2).T
    water = (green > nir) & (nir < WATER_NIR)
    return np.clip((ndvi(reflectance) - bare) / (full - bare), 0, 1) * ~water, water


def fit_anchors(pixels: Mixtures) -> tuple[float, float]:
    """Fit the NDVI of bare and of fully green ground, to 0.01, by least squares on simulated mixtures."""
    reflectance = pixels.reflectance[:, [pixels.bands.index(band) for band in BANDS]]
    pairs = [(bare / 100, full / 100) for bare in range(0, 40, 2) for full in range(50, 100, 2)]

    def missed(pair: tuple[float, float]) -> float:
        fraction, _ = fraction_and_water(reflectance, bare=pair[0], full=pair[1])
        return float(np.mean((fraction - pixels.green) ** 2))

    return min(pairs, key=missed)
