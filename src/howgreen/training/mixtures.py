"""What a satellite pixel over a city holds: linear mixtures of surfaces, shaded, hazy and noisy, with known shares.

A pixel's green share is the *planimetric* cover of vegetation: what is below stays covered when a house shades it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from howgreen.training import canopy
from howgreen.training.spectra import Array, Materials, Responses, to_bands
from howgreen.types import ModelClass

CLASSES = (
    ModelClass(code=0, name="tree", green=True, colour="#1b6b2f"),
    ModelClass(code=1, name="low vegetation", green=True, colour="#8fc65a"),
    ModelClass(code=2, name="built", green=False, colour="#b0a8a0"),
    ModelClass(code=3, name="bare", green=False, colour="#d9b26f"),
    ModelClass(code=4, name="water", green=False, colour="#3f7fbf"),
)
"""What pixels are mixed from."""
TREE, LOW, BUILT, BARE, WATER = range(5)
GREEN = np.array([cls.green for cls in CLASSES])

COVERS = (
    ModelClass(code=0, name="vegetation", green=True, colour="#4c9a3f"),
    ModelClass(code=1, name="built", green=False, colour="#b0a8a0"),
    ModelClass(code=2, name="bare", green=False, colour="#d9b26f"),
    ModelClass(code=3, name="water", green=False, colour="#3f7fbf"),
)
"""What shipped models tell apart: trees and low plants are one, because pixels alone confuse them. Of real woods
(Aberystwyth, Bolzano) most came out as low plants, and a map must not show a difference that was not seen."""
COVER_OF = np.array([0, 0, 1, 2, 3])
"""Place in :data:`COVERS` of each of :data:`CLASSES`."""

_KIND_WEIGHT = {"A": 3.0, "C": 2.0, "R": 2.5, "B": 1.0, "X": 1.5, "L": 2.5, "S": 1.0, "G": 0.7, "V": 0.25, "Z": 0.6}
"""How common each kind of SLUM material is in a city seen from above (painted PVC is rare, asphalt is not)."""

_COARSE = ("rededge1", "rededge2", "rededge3", "nir08", "swir16", "swir22")
"""Bands of 20 m, in which a 10 m pixel is seen together with its neighbours."""


@dataclass(frozen=True, kw_only=True)
class Surfaces:
    """Pure surfaces of each class, as band reflectance."""

    members: tuple[Array, ...]
    """One (n, band) array a class, in the order of :data:`CLASSES`."""
    bands: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Mixtures:
    """Simulated pixels and the truth about them."""

    reflectance: Array
    """(n, band), 0-1."""
    shares: Array
    """(n, class), planimetric, each row sums to 1."""
    bands: tuple[str, ...]

    @property
    def green(self) -> Array:
        """(n,) share of vegetation: the sum of the green classes' shares."""
        return np.asarray(self.shares[:, GREEN].sum(axis=1))


def surfaces(materials: Materials, responses: Responses, *, per_kind: int, rng: np.random.Generator) -> Surfaces:
    """Libraries of all five classes; ``per_kind`` spectra for each kind of canopy."""
    ground = canopy.soils(2 * per_kind, rng=rng)
    street = np.concatenate([ground[:per_kind], materials.spectra])

    def grow(priors: Mapping[str, canopy.Prior]) -> Array:
        kinds = [
            canopy.canopies(prior, per_kind, grounds=street if name == "street tree" else ground,
                            responses=responses, rng=rng)
            for name, prior in priors.items()
        ]  # fmt: skip
        return np.concatenate(kinds)

    straw = canopy.canopies(canopy.STRAW, per_kind // 2, grounds=ground, responses=responses, rng=rng)
    bare = np.concatenate([to_bands(ground, responses), straw])
    built = _built(materials, 4 * per_kind, responses=responses, rng=rng)
    water = canopy.waters(4 * per_kind, responses=responses, rng=rng)
    return Surfaces(members=(grow(canopy.TREES), grow(canopy.LOW), built, bare, water), bands=responses.bands)


def _built(materials: Materials, count: int, *, responses: Responses, rng: np.random.Generator) -> Array:
    """Roofs and streets: one to three materials side by side, weathered, facing the sun or not."""
    weight = np.array([_KIND_WEIGHT.get(name[0], 1.0) for name in materials.names])
    chosen = rng.choice(len(weight), (count, 3), p=weight / weight.sum())
    parts = rng.dirichlet((0.5, 0.5, 0.5), count)
    pure = to_bands(materials.spectra, responses)
    faced = np.exp(rng.normal(-0.1, 0.3, (count, 1)))
    return np.asarray(np.einsum("np,npb->nb", parts, pure[chosen]) * faced)


def draw_shares(count: int, *, rng: np.random.Generator) -> Array:
    """Shares (count, class): pure pixels, edges between two surfaces, and the patchwork of a city."""
    classes = len(CLASSES)
    kind = rng.choice(3, count, p=(0.34, 0.26, 0.40))
    first = rng.choice(classes, count, p=(0.25, 0.25, 0.24, 0.14, 0.12))
    second = rng.choice(classes, count, p=(0.26, 0.26, 0.30, 0.12, 0.06))
    pure = np.eye(classes)[first]
    split = rng.random((count, 1))
    edge = split * pure + (1 - split) * np.eye(classes)[second]
    patch = np.zeros((count, classes))
    patch[:, :WATER] = rng.dirichlet((0.75, 0.75, 1.1, 0.3), count)
    return np.asarray(np.select([kind[:, None] == 0, kind[:, None] == 1], [pure, edge], patch))


def mix(surface: Surfaces, count: int, *, rng: np.random.Generator) -> Mixtures:
    """``count`` pixels as Sentinel-2 L2A would show them."""
    shares = draw_shares(count, rng=rng)
    own = _lit(surface, shares, rng=rng)
    around_shares = draw_shares(count, rng=rng)
    alike = rng.choice((0.0, 1.0), (count, 1), p=(0.5, 0.5)) * rng.random((count, 1))
    around = _lit(surface, (1 - alike) * shares + alike * around_shares, rng=rng)
    same_place = rng.random((count, 1)) < 0.5
    around = np.where(same_place, own, around)
    seen = _blurred(own, around, bands=surface.bands, rng=rng)
    return Mixtures(reflectance=_measured(seen, bands=surface.bands, rng=rng), shares=shares, bands=surface.bands)


_SHADED = (0.8, 0.8, 1.0, 0.8, 0.0)
"""How deep the shade of a town falls on each class: plants keep their distance from walls, water is told by darkness."""


def _lit(surface: Surfaces, shares: Array, *, rng: np.random.Generator) -> Array:
    """Reflectance (n, band) of mixed and partly shaded surfaces."""
    count = len(shares)
    nm = np.array([_CENTRE_NM[band] for band in surface.bands])
    # Skylight, all that a shaded surface gets, is blue: about a third of the light at 490 nm, a twentieth at 2.2 um.
    sky = rng.uniform(0.12, 0.4, (count, 1)) * (490 / nm) ** rng.uniform(0.8, 1.8, (count, 1))
    town = rng.random(count) < 0.45
    seen = np.zeros((count, len(surface.bands)))
    for code, members in enumerate(surface.members):
        pick = rng.integers(0, len(members), (2, count))
        part = rng.random((count, 1))
        pure = part * members[pick[0]] + (1 - part) * members[pick[1]]
        shaded = np.where(town, rng.beta(0.45, 2.2, count), 0.0)[:, None] * _SHADED[code]
        seen += shares[:, [code]] * pure * (1 - shaded * (1 - sky))
    return seen


_CENTRE_NM = {
    "blue": 492, "green": 560, "red": 665, "rededge1": 704, "rededge2": 740, "rededge3": 783,
    "nir": 833, "nir08": 865, "swir16": 1614, "swir22": 2202,
}  # fmt: skip


def _blurred(own: Array, around: Array, *, bands: tuple[str, ...], rng: np.random.Generator) -> Array:
    """A pixel as its point-spread function shows it: coarse bands see more of the neighbours."""
    coarse = np.array([band in _COARSE for band in bands])
    fine_weight = rng.uniform(0.75, 1.0, (len(own), 1))
    weight = np.where(coarse, fine_weight * rng.uniform(0.4, 0.95, (len(own), 1)), fine_weight)
    return np.asarray(weight * own + (1 - weight) * around)


def _measured(seen: Array, *, bands: tuple[str, ...], rng: np.random.Generator) -> Array:
    """Reflectance with residual haze (either sign), small calibration errors and sensor noise."""
    count = len(seen)
    nm = np.array([_CENTRE_NM[band] for band in bands])
    usual = rng.normal(0.002, 0.006, (count, 1))
    hazy = rng.exponential(0.03, (count, 1)) * (rng.random((count, 1)) < 0.15)
    path = (usual + np.minimum(hazy, 0.1)) * (490 / nm) ** rng.uniform(1.0, 3.5, (count, 1))
    gain = np.exp(rng.normal(0, 0.04, (count, 1)) + rng.normal(0, 0.025, (count, len(bands))))
    noise = rng.normal(0, 1, seen.shape) * (0.002 + 0.015 * seen)
    return np.asarray(seen * gain + path + noise)


def covers(shares: Array) -> Array:
    """Shares of :data:`COVERS` (n, 4) from shares of :data:`CLASSES` (n, 5)."""
    return np.asarray(shares @ np.eye(len(COVERS))[COVER_OF])
