"""Detection of haze, cloud, shadow and snow from the pixels themselves."""

from howgreen.clouds.detect import CELL_M, bands_of, card, detector_for, mostly_veiled, probabilities
from howgreen.clouds.steps import (
    CLEAR_CELL,
    CLOUD_CELL,
    FEWEST_DATES,
    SHADOW_CELL,
    SNOW_CELL,
    Look,
    alone,
    evenly_veiled,
    moved,
    together,
)

__all__ = [
    "CELL_M",
    "CLEAR_CELL",
    "CLOUD_CELL",
    "FEWEST_DATES",
    "SHADOW_CELL",
    "SNOW_CELL",
    "Look",
    "alone",
    "bands_of",
    "card",
    "detector_for",
    "evenly_veiled",
    "mostly_veiled",
    "moved",
    "probabilities",
    "together",
]
