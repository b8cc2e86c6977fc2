"""The small cloud detection networks: choose one by bands, and run it on cells."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from howgreen.clouds.card import CELL_M, METADATA_KEY, OUTPUT, CloudCard
from howgreen.core.known_types import known
from howgreen.core.onnx_runtime import open_session

__all__ = ["CELL_M", "bands_of", "card", "detector_for", "mostly_veiled", "probabilities"]

FOLDER = Path(__file__).parent / "models"
BANDS: Mapping[str, tuple[str, ...]] = {
    "clouds-10": ("blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "swir16", "swir22"),
    "clouds-6": ("blue", "green", "red", "nir", "swir16", "swir22"),
    "clouds-4": ("blue", "green", "red", "nir"),
    "clouds-3": ("green", "red", "nir"),
}
"""Bands of the detectors, the best first; their cards say the same."""
FEW_BANDS = ("clouds-4", "clouds-3")
"""Detectors with few bands."""
CLEAR, HAZE, CLOUD, SHADOW, SNOW = range(5)
"""Indices on the probability axis."""
NOTHING = 2.0
"""Reflectance that stands for no data: it darkens no neighbour."""
VEILED = 0.5
"""Share of haze, cloud or snow above which an image says nothing about its ground."""
LEAST_VEIL = 0.4
"""Probability of haze, cloud and snow together from which a cell is not clear. Below one half, because a missed cloud
covers a town, while a roof mistaken for cloud is recovered by its size, its missing shadow and its other dates."""

Floats = NDArray[np.float32]


def detector_for(bands: Collection[str], *, few: bool = False) -> str | None:
    """Return the best detector whose bands are all available; None if even the simplest lacks one.

    Parameters
    ----------
    few
        Consider only the detectors with the fewest bands.
    """
    return next((name for name in (FEW_BANDS if few else BANDS) if set(BANDS[name]) <= set(bands)), None)


def bands_of(name: str) -> tuple[str, ...]:
    """List the bands of a detector in its order."""
    return BANDS[name]


@cache
def _session(name: str) -> Any:
    path = FOLDER / f"{name}.onnx"
    return open_session(path.read_bytes(), looks_around=True, source=str(path))


def card(name: str) -> CloudCard:
    """Read the card of a detector."""
    text = _session(name).get_modelmeta().custom_metadata_map[METADATA_KEY]
    return msgspec.json.decode(text, type=known(CloudCard))


def probabilities(name: str, reflectance: Floats) -> Floats:
    """Return the probabilities of clear, haze, cloud, shadow and snow.

    Parameters
    ----------
    name
        Name of the detector, see :func:`detector_for`.
    reflectance
        (band, y, x) in the order of its bands, cells of about 40 m; NaN where there are no data.

    Returns
    -------
    (5, y, x); undefined where there are no data.
    """
    filled = np.where(np.isfinite(reflectance), reflectance, np.float32(NOTHING)).astype(np.float32)
    found: Floats = _session(name).run([OUTPUT], {"reflectance": filled[None]})[0][0]
    return found


def veil(probability: Floats) -> Floats:
    """Compute the probability (y, x) of everything bright that hides the ground: haze, cloud and snow."""
    hidden: Floats = probability[HAZE] + probability[CLOUD] + probability[SNOW]
    return hidden


def mostly_veiled(light: Mapping[str, NDArray[Any]]) -> bool:
    """Tell whether most of some pixels are haze, cloud or snow, by their reflectance (pixel,) in each band, in any order.

    False if the bands, or the pixels, are insufficient.
    """
    name = detector_for(light)
    if name is None or len({values.size for band, values in light.items() if band in BANDS[name]}) != 1:
        return False
    rows = np.stack([light[band].ravel() for band in BANDS[name]])[:, None, :].astype(np.float32)
    if not rows.size:
        return False
    return bool((veil(probabilities(name, rows)) >= LEAST_VEIL).mean() > VEILED)
