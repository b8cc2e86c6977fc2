"""Classes of the contestants, and the bands available to them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from howgreen.core.models import ModelClass
from howgreen.core.sensors import LANDSAT, SENTINEL2

CLASSES = (
    ModelClass(code=0, name="tree", green=True, colour="#1b6b2f"),
    ModelClass(code=1, name="low vegetation", green=True, colour="#8fc65a"),
    ModelClass(code=2, name="cropland", green=True, colour="#cfd65a"),
    ModelClass(code=3, name="built", green=False, colour="#b0a8a0"),
    ModelClass(code=4, name="bare", green=False, colour="#d9b26f"),
    ModelClass(code=5, name="water", green=False, colour="#3f7fbf"),
)
"""Six covers. Single pixels often confuse trees, low plants and crops: the confusion matrices show it."""
TREE, LOW, CROP, BUILT, BARE, WATER = range(6)
NAMES = tuple(cls.name for cls in CLASSES)
GREEN = np.array([cls.green for cls in CLASSES])

FROM_MIXED = np.array([TREE, LOW, BUILT, BARE, BARE, WATER])
"""Index here of each class of :data:`howgreen.training.mixtures.CLASSES`."""

BAND_SETS: Mapping[str, tuple[str, ...]] = {
    "sentinel-2": SENTINEL2.band_names,
    "four": ("blue", "green", "red", "nir"),
    "landsat": LANDSAT.band_names,
}
"""Ten bands of Sentinel-2; the four of nearly every sensor; Landsat at 30 m."""
PIXEL_M: Mapping[str, int] = {"sentinel-2": 10, "four": 10, "landsat": 30}

GERMAN: Mapping[str, int] = {
    "ConiferousForest": TREE, "DeciduousForest": TREE, "MixedForest": TREE, "Grassland": LOW, "PlantedFields": CROP,
    "Industrial": BUILT, "Urban": BUILT, "OpenSoil": BARE, "Water": WATER,
}  # fmt: skip
WELSH: Mapping[str, int] = {"forest": TREE, "grass": LOW, "urban": BUILT, "water": WATER}
SAMPLE: Mapping[str, int] = {
    "tree": TREE, "shrub": TREE, "grass": LOW, "crop": CROP, "bare soil": BARE, "sand": BARE, "paved": BUILT,
    "building": BUILT, "rail": BUILT, "water": WATER, "sea": WATER,
}  # fmt: skip
"""From a class of the sample city's truth to one of :data:`CLASSES`."""
