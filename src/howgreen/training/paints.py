"""Paint, cloth and artificial turf: they reflect green and near-infrared light, but hold no water or chlorophyll.

They differ from plants by a slow rise where leaves jump (700-740 nm), and no decline beyond 1,000 nm as in wet leaves.
The spectra are drawn from shapes common to pigments (phthalocyanine and chromium oxide: a peak in the blue or the
green, dark red, and a near-infrared determined by the polymer), not from any single measurement.
"""

from __future__ import annotations

import numpy as np

from howgreen.training.spectra import WAVELENGTH_NM, Array, Responses, to_bands


def draw(count: int, *, responses: Responses, rng: np.random.Generator) -> Array:
    """Draw green and blue paints, cloths and turfs (count, band)."""

    def uniform(low: float, high: float) -> Array:
        return rng.uniform(low, high, (count, 1))

    nm = WAVELENGTH_NM
    floor = np.exp(rng.uniform(np.log(0.015), np.log(0.12), (count, 1)))
    peak = floor * uniform(0.4, 3.0) * np.exp(-(((nm - uniform(450, 550)) / uniform(30, 60)) ** 2))
    # The pigment becomes transparent between 690 and 900 nm, over some 40 to 150 nm; a leaf's red edge takes 30.
    rise = np.exp(rng.uniform(np.log(0.02), np.log(0.5), (count, 1)))
    infrared = rise / (1 + np.exp(-(nm - uniform(715, 860)) / uniform(14, 45)))
    beyond = 1 + uniform(-0.25, 0.6) * np.clip((nm - 900) / 700, 0, 1)
    fall = 1 - uniform(0.2, 0.6) * np.clip((nm - 1650) / 500, 0, 1)
    return np.clip(to_bands((floor + peak + infrared) * beyond * fall, responses), 0.001, 1.0)
