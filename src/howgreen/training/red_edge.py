"""Bands that Landsat lacks, for pixels with field-measured cover: drawn from similar simulated pixels.

Dry plants, soil and sparse leaves rise smoothly from the red to the near-infrared, so that six bands determine almost
all of what lies between.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.training.mixtures import BUILT, WATER, Mixtures
from howgreen.training.network import DARK, logged

_SHARED = tuple("nir08" if band == "nir" else band for band in LANDSAT.band_names)
"""Sentinel-2's names of Landsat's bands: its near-infrared is the narrow one."""
_DRAWN = tuple(band for band in SENTINEL2.band_names if band not in _SHARED)
_ENDS = ("red", "nir08")
"""The bands are drawn by their difference from the mean of these."""
_NEIGHBOURS = 5
_NOISE = 0.03
"""Noise of a drawn band."""
_OTHER = 0.02
"""Largest share of built land and water in a simulated neighbour pixel: neither was measured in the field."""


def with_red_edge(measured: Mixtures, simulated: Mixtures, *, rng: np.random.Generator) -> Mixtures:
    """Convert Landsat's pixels to Sentinel-2's bands: missing ones follow the nearest simulated pixels.

    The relation to red and near-infrared is that of the neighbours.

    Parameters
    ----------
    simulated
        Pixels in Sentinel-2's bands; those that are built or wet are left out.
    """
    from scipy.spatial import cKDTree

    shared, drawn = ([simulated.bands.index(band) for band in names] for names in (_SHARED, _DRAWN))
    open_land = simulated.shares[:, [BUILT, WATER]].sum(axis=1) <= _OTHER
    deck, seen = logged(simulated.reflectance[open_land]), logged(measured.reflectance)
    _, near = cKDTree(deck[:, shared]).query(seen, k=_NEIGHBOURS)
    level = deck[:, [simulated.bands.index(band) for band in _ENDS]].mean(axis=1)
    own = seen[:, [_SHARED.index(band) for band in _ENDS]].mean(axis=1)
    rise = np.median(deck[near][:, :, drawn] - level[near][:, :, None], axis=1)
    # The median of neighbours is smoother than any pixel, which must not give it away.
    rise += rng.normal(0, _NOISE, rise.shape)
    found = np.empty((len(seen), len(simulated.bands)))
    found[:, shared], found[:, drawn] = measured.reflectance, np.maximum(np.exp(own[:, None] + rise) - DARK, 0.0)
    return replace(measured, reflectance=found, bands=simulated.bands)
