"""Direct light on each surface of a pixel: shadows of houses and trees by their geometry, and slopes.

Buildings and crowns of plan density p and height-to-width ratio a cast shadows that leave ``exp(-p a tan(zenith) k)``
of the ground lit, if randomly placed (the frontal-area density of Raupach 1992, Bound.-Layer Meteorol. 60: 375, seen
from the sun instead of the wind). Shaded ground gets only skylight, which is blue.
"""

from __future__ import annotations

import numpy as np

from howgreen.training.spectra import Array

_BLOCK = 0.9
"""Mean width of a randomly oriented house or crown across the sun relative to its width, less the shadow that falls on
other roofs."""


def lit_share(roofs: Array, crowns: Array, *, tan_sun: Array, rng: np.random.Generator) -> Array:
    """Return the share of the ground in direct light, (n, 1).

    Parameters
    ----------
    roofs, crowns
        (n, 1) plan density of buildings and of trees around, 0-1.
    tan_sun
        (n, 1) tangent of the sun's zenith angle.
    """
    house = np.exp(rng.normal(np.log(0.45), 0.5, roofs.shape))
    tree = np.exp(rng.normal(np.log(0.5), 0.4, crowns.shape))
    return np.asarray(np.exp(-_BLOCK * tan_sun * (roofs * house + crowns * tree)))


def slopes(count: int, *, tan_sun: Array, rng: np.random.Generator) -> Array:
    """Draw the direct light on sloping ground relative to level ground, (n, 1); most ground is level."""
    hilly = rng.random((count, 1)) < 0.1
    tilt = np.radians(rng.uniform(0, 30, (count, 1))) * hilly
    towards = np.cos(rng.uniform(0, 2 * np.pi, (count, 1)))
    return np.asarray(np.maximum(np.cos(tilt) + np.sin(tilt) * towards * tan_sun, 0.0))


def skylight(count: int, *, nm: Array, rng: np.random.Generator) -> Array:
    """Return light in full shade relative to sunlight, (n, band): about a third at 490 nm, a twentieth at 2.2 um."""
    return np.asarray(rng.uniform(0.12, 0.4, (count, 1)) * (490 / nm) ** rng.uniform(0.8, 1.8, (count, 1)))
