"""How much direct light each surface of a pixel gets: shadows of houses and trees by their geometry, and slopes.

Buildings and crowns of plan density p and height-to-width ratio a throw shadows that leave ``exp(-p a tan(zenith) k)`` of the
ground lit, if they stand at random (the frontal-area density of Raupach 1992, Bound.-Layer Meteorol. 60: 375, seen from the
sun instead of the wind). What lies in shade gets skylight only, which is blue.
"""

from __future__ import annotations

import numpy as np

from howgreen.training.spectra import Array

_BLOCK = 0.9
"""Mean width of a house or crown across the sun over its width, of random orientation, less what falls on other roofs."""


def lit_share(roofs: Array, crowns: Array, *, tan_sun: Array, rng: np.random.Generator) -> Array:
    """(n, 1) share of the ground that direct light reaches.

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
    """(n, 1) direct light on sloping ground over that on level ground; most ground is level."""
    hilly = rng.random((count, 1)) < 0.1
    tilt = np.radians(rng.uniform(0, 30, (count, 1))) * hilly
    towards = np.cos(rng.uniform(0, 2 * np.pi, (count, 1)))
    return np.asarray(np.maximum(np.cos(tilt) + np.sin(tilt) * towards * tan_sun, 0.0))


def skylight(count: int, *, nm: Array, rng: np.random.Generator) -> Array:
    """(n, band) light in full shade over light in the sun: about a third at 490 nm, a twentieth at 2.2 um."""
    return np.asarray(rng.uniform(0.12, 0.4, (count, 1)) * (490 / nm) ** rng.uniform(0.8, 1.8, (count, 1)))
