"""Thumbnails of single dates, for people to see which were clear."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen.core.types import Scene
from howgreen.imagery.read._coarse import read_means

SIDE_PX = 112
"""Longer side of a picture."""
BRIGHTEST = 0.35
"""Reflectance shown as white, chosen so that clouds saturate and most roofs do not."""
GAMMA = 0.7
COLOURS = ("red", "green", "blue")
FALSE_COLOURS = ("nir", "red", "green")
"""Bands if there is no blue."""


def frame_of(grid: GeoBox) -> GeoBox:
    """Make a grid of at most SIDE_PX squared pixels over a city's."""
    factor = max(1, math.ceil(max(grid.shape) / SIDE_PX))
    return grid.zoom_out(factor)


def thumbnail(scene: Scene, frame: GeoBox) -> NDArray[np.uint8] | None:
    """Draw one image (y, x, 3) in natural colours, else in false colours like infrared film; None with too few bands.

    Grey without data. ImageError or NetworkError if a file cannot be read.
    """
    bands = next((names for names in (COLOURS, FALSE_COLOURS) if all(scene.asset(name) for name in names)), None)
    if bands is None:
        return None
    light = np.empty((*frame.shape, 3), np.float32)
    for place, band in enumerate(bands):
        asset, own = scene.asset(band), scene.encoding(band)
        if asset is None:
            return None
        values = read_means(asset, frame, nodata=own.nodata)
        light[..., place] = values * own.scale + own.offset
    if scene.nodata is None:
        light[(light == 0).all(axis=-1)] = np.nan
    shown = np.clip(light / BRIGHTEST, 0, 1) ** GAMMA
    picture: NDArray[np.uint8] = np.where(np.isfinite(shown), np.nan_to_num(shown) * 255, 128).astype(np.uint8)
    return picture
