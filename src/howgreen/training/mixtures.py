"""Simulated satellite pixels of cities: linear mixtures of surfaces, shaded, hazy and noisy, with known shares.

A pixel's green share is the *planimetric* cover of vegetation: ground stays covered when a house shades it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from howgreen.core.models import ModelClass
from howgreen.training import atmosphere, canopy, paints, shade
from howgreen.training.spectra import Array, Materials, Responses, to_bands

CLASSES = (
    ModelClass(code=0, name="tree", green=True, colour="#1b6b2f"),
    ModelClass(code=1, name="low vegetation", green=True, colour="#8fc65a"),
    ModelClass(code=2, name="built", green=False, colour="#b0a8a0"),
    ModelClass(code=3, name="bare", green=False, colour="#d9b26f"),
    ModelClass(code=4, name="dry plants", green=False, colour="#cdbb7a"),
    ModelClass(code=5, name="water", green=False, colour="#3f7fbf"),
)
"""Classes that pixels are mixed from. Dry plants are straw, stubble, litter and dead or dormant grass."""
TREE, LOW, BUILT, BARE, DRY, WATER = range(6)
GREEN = np.array([cls.green for cls in CLASSES])

COVERS = (
    ModelClass(code=0, name="vegetation", green=True, colour="#4c9a3f"),
    ModelClass(code=1, name="built", green=False, colour="#b0a8a0"),
    ModelClass(code=2, name="bare", green=False, colour="#d9b26f"),
    ModelClass(code=3, name="dry plants", green=False, colour="#cdbb7a"),
    ModelClass(code=4, name="water", green=False, colour="#3f7fbf"),
)
"""Classes of the shipped models: trees and low plants are one, because single pixels confuse them. Of real woods
(Aberystwyth, Bolzano) most were classified as low plants, and a map must not show a difference that was not
observed."""
COVER_OF = np.array([0, 0, 1, 2, 3, 4])
"""Index in :data:`COVERS` of each of :data:`CLASSES`."""

_KIND_WEIGHT = {"A": 3.0, "C": 2.0, "R": 2.5, "B": 1.0, "X": 1.5, "L": 2.5, "S": 1.0, "G": 0.7, "V": 0.25, "Z": 0.6}
"""Frequency of each kind of SLUM material in a city seen from above (painted PVC is rare, asphalt is not)."""


@dataclass(frozen=True, kw_only=True)
class EndMembers:
    """Measured surfaces known only in a sensor's bands."""

    built: Array
    """(n, band) roofs, walls, metals, cloth."""
    source: npt.NDArray[np.str_]
    """(n,) origin of each measurement: a key of ``_SOURCES``."""
    turf: Array
    """(n, band) artificial turf."""
    bare: Array
    """(n, band) dirt and sand."""


@dataclass(frozen=True, kw_only=True)
class Surfaces:
    """Pure surfaces of each class, as band reflectance."""

    members: tuple[Array, ...]
    """One (n, band) array per class, in the order of :data:`CLASSES`."""
    covered: Array
    """(n,) share of the ground covered by each low plant, seen from above; the rest is bare."""
    littered: Array
    """(n,) the same for each dry plant."""
    crop: npt.NDArray[np.bool_]
    """(n,) which low plants are crops."""
    bands: tuple[str, ...]
    coarse: npt.NDArray[np.bool_]
    """(band,) whether the band's pixels are larger than the grid's, so that they blend with their neighbours."""

    def with_low(self, *, crops: bool) -> Surfaces:
        """Return the same with only crops as low plants, or only grass."""
        part = self.crop == crops
        members = (*self.members[:LOW], self.members[LOW][part], *self.members[LOW + 1 :])
        return replace(self, members=members, covered=self.covered[part], crop=self.crop[part])


@dataclass(frozen=True, kw_only=True)
class Mixtures:
    """Simulated pixels with their truth."""

    reflectance: Array
    """(n, band), 0-1."""
    shares: Array
    """(n, class), planimetric, each row sums to 1."""
    bands: tuple[str, ...]

    @property
    def green(self) -> Array:
        """(n,) share of vegetation: the sum over the green classes."""
        return np.asarray(self.shares[:, GREEN].sum(axis=1))

    def with_bands(self, bands: Sequence[str]) -> Mixtures:
        """Return the same pixels in a subset of the bands, in that order."""
        return replace(
            self, reflectance=self.reflectance[:, [self.bands.index(band) for band in bands]], bands=tuple(bands)
        )


def surfaces(
    materials: Materials,
    responses: Responses,
    *,
    per_kind: int,
    rng: np.random.Generator,
    measured: EndMembers | None = None,
) -> Surfaces:
    """Simulate spectral libraries of all classes; ``per_kind`` spectra for each kind of canopy.

    Parameters
    ----------
    measured
        End members in the sensor's bands, added to the materials with full spectra.
    """
    ground = canopy.soils(2 * per_kind, rng=rng)
    street = np.concatenate([ground[:per_kind], materials.spectra])

    def grow(kind: str, prior: canopy.Prior) -> tuple[Array, Array]:
        return canopy.canopies(prior, max(round(per_kind * prior.commonness), 1), responses=responses, rng=rng,
                               grounds=street if kind == "street tree" else ground)  # fmt: skip

    trees = np.concatenate([grow(kind, prior)[0] for kind, prior in canopy.TREES.items()])
    grown = {kind: grow(kind, prior) for kind, prior in canopy.LOW.items()}
    crop = np.concatenate([np.full(len(covered), "crop" in kind) for kind, (_, covered) in grown.items()])
    low, covered = (np.concatenate(parts) for parts in zip(*grown.values(), strict=True))
    dry, littered = (np.concatenate(parts) for parts in zip(*(grow(*kind) for kind in canopy.DRY.items()), strict=True))
    snow = canopy.snows(max(per_kind // 12, 1), responses=responses, rng=rng)
    bare = np.concatenate([to_bands(ground, responses), snow])
    built = _built(materials, 4 * per_kind, responses=responses, rng=rng)
    if measured is not None:
        bare = np.concatenate([bare, _varied(measured.bare, per_kind // 4, rng=rng)])
        built = np.concatenate([built, _measured_built(measured, round(1.2 * per_kind), responses=responses, rng=rng)])
    water = canopy.waters(4 * per_kind, responses=responses, rng=rng)
    return Surfaces(members=(trees, low, built, bare, dry, water), covered=covered, littered=littered, crop=crop,
                    bands=responses.bands, coarse=responses.resolution_m > responses.resolution_m.min())  # fmt: skip


def _built(materials: Materials, count: int, *, responses: Responses, rng: np.random.Generator) -> Array:
    """Make roofs and streets: one to three materials side by side, weathered, facing the sun or not."""
    weight = np.array([_KIND_WEIGHT.get(name[0], 1.0) for name in materials.names])
    chosen = rng.choice(len(weight), (count, 3), p=weight / weight.sum())
    parts = rng.dirichlet((0.5, 0.5, 0.5), count)
    pure = to_bands(materials.spectra, responses)
    faced = np.exp(rng.normal(-0.15, 0.4, (count, 1)))
    return np.asarray(np.einsum("np,npb->nb", parts, pure[chosen]) * faced)


_SOURCES = {"klum": 0.7, "gulfport": 0.3}
"""Frequency of each source of measured materials; half of Gulfport's is coloured cloth."""
_LIKE_PLANTS = 0.25
"""Share of paint and artificial turf among built surfaces without full spectra."""
_BESIDE = 0.3
"""Share of them with a common material beside them, in one end member."""


def _measured_built(measured: EndMembers, count: int, *, responses: Responses, rng: np.random.Generator) -> Array:
    """Draw measured materials, sources equally often, and paints and turf, weathered and some beside another."""
    paint = _varied(np.concatenate([measured.turf, paints.draw(60, responses=responses, rng=rng)]), count, rng=rng)
    sources = [_varied(measured.built[measured.source == name], count, rng=rng) for name in _SOURCES]
    picked = rng.choice(len(sources), count, p=list(_SOURCES.values()))
    other = np.stack(sources)[picked, np.arange(count)]
    found = np.where(rng.random((count, 1)) < _LIKE_PLANTS, paint, other)
    part = np.where(rng.random((count, 1)) < _BESIDE, rng.random((count, 1)), 1.0)
    return np.asarray(part * found + (1 - part) * rng.permutation(other))


def _varied(spectra: Array, count: int, *, rng: np.random.Generator) -> Array:
    """Draw spectra (count, band), brighter or darker and slightly tilted, so that a few represent a kind."""
    chosen = spectra[rng.integers(0, len(spectra), count)]
    tilt = rng.normal(0, 0.08, (count, 1)) * np.linspace(-1, 1, spectra.shape[1])
    return np.clip(chosen * np.exp(rng.normal(-0.05, 0.2, (count, 1)) + tilt), 0.001, 1.2)


_WET_PATCHES, _WET_EDGES = 0.28, 0.16
_RANGELAND = 0.2
"""Shares of patchwork and of edges with water."""


def draw_shares(count: int, *, rng: np.random.Generator) -> Array:
    """Draw shares (count, class): pure pixels, edges between two surfaces, and the patchwork of a city."""
    classes = len(CLASSES)
    kind = rng.choice(3, count, p=(0.40, 0.24, 0.36))
    first = rng.choice(classes, count, p=(0.24, 0.26, 0.22, 0.10, 0.08, 0.10))
    second = rng.choice(classes, count, p=(0.26, 0.26, 0.22, 0.06, 0.04, _WET_EDGES))
    pure = np.eye(classes)[first]
    split = rng.random((count, 1))
    edge = split * pure + (1 - split) * np.eye(classes)[second]
    # Some neighbourhoods are even and some patchy: their ratio controls the curvature of the response along a mixing
    # line.
    evenness = rng.uniform(0.35, 1.0, (count, 1))
    patch = np.zeros((count, classes))
    rangeland = rng.random((count, 1)) < _RANGELAND
    parts = (
        rng.standard_gamma(np.where(rangeland, (0.3, 0.75, 0.1, 0.7, 1.0), (0.75, 0.75, 1.1, 0.2, 0.2)) * evenness)
        + 1e-9
    )
    wet = np.where(rng.random((count, 1)) < _WET_PATCHES, rng.beta(0.7, 0.7, (count, 1)), 0.0)
    patch[:, :WATER] = (1 - wet) * parts / parts.sum(axis=1, keepdims=True)
    patch[:, [WATER]] = wet
    return np.asarray(np.select([kind[:, None] == 0, kind[:, None] == 1], [pure, edge], patch))


def mix(surface: Surfaces, count: int, *, rng: np.random.Generator) -> Mixtures:
    """Simulate ``count`` satellite pixels, most of them atmospherically corrected."""
    return mix_of(surface, draw_shares(count, rng=rng), rng=rng)


def mix_of(
    surface: Surfaces, shares: Array, *, rng: np.random.Generator, air: atmosphere.Air | None = None
) -> Mixtures:
    """Simulate pixels with these shares (n, class); under the default atmosphere unless one is given."""
    count = len(shares)
    beside = draw_shares(count, rng=rng)
    shore = (shares[:, [WATER]] > 0) & (shares[:, [WATER]] < 1)
    alike = np.where(shore | (rng.random((count, 1)) < 0.5), rng.random((count, 1)), 0.0)
    around_shares = (1 - alike) * shares + alike * beside
    nm, air = centres_nm(surface.bands), air or atmosphere.draw(count, rng=rng)
    light = _light(shares, around_shares, sun_cos=air.sun_cos, nm=nm, rng=rng)
    own, covered = _lit(surface, shares, light=light, rng=rng)
    around, _ = _lit(surface, around_shares, light=light, rng=rng)
    around = np.where(~shore & (rng.random((count, 1)) < 0.5), own, around)
    seen = atmosphere.through(_blurred(own, around, coarse=surface.coarse, shore=shore, rng=rng), air, nm=nm)
    return Mixtures(reflectance=_measured(seen, rng=rng), shares=_opened(shares, covered), bands=surface.bands)


def _opened(shares: Array, covered: Array) -> Array:
    """Return shares in which bare soil between low and dry plants, of which (n, 2) is ``covered``, counts as bare."""
    opened = shares.copy()
    for column, code in enumerate((LOW, DRY)):
        opened[:, code] *= covered[:, column]
        opened[:, BARE] += shares[:, code] * (1 - covered[:, column])
    return opened


_DEEP = 0.03
"""Share of pixels in the shade of something large: a tower, a forest edge, a cliff."""


def _light(shares: Array, around: Array, *, sun_cos: Array, nm: Array, rng: np.random.Generator) -> Array:
    """Compute the light on each class relative to open level ground, (class, n, band).

    Roofs and crowns are sunlit and shade the ground; lawns are farther from walls. Water is recognised by its darkness,
    and is not shaded.
    """
    tan_sun = np.sqrt(1 / sun_cos**2 - 1)
    near = (shares + around) / 2
    roofed = rng.uniform(0.1, 0.8, sun_cos.shape)
    ground = shade.lit_share(near[:, [BUILT]] * roofed, near[:, [TREE]], tan_sun=tan_sun, rng=rng)
    deep = np.where(rng.random(sun_cos.shape) < _DEEP, 0.8 * rng.beta(0.6, 1.6, sun_cos.shape), 0.0)
    slope = shade.slopes(len(shares), tan_sun=tan_sun, rng=rng)
    crowns, lawns = 1 - 0.3 * (1 - ground), 1 - 0.7 * (1 - ground)
    direct = np.stack([crowns, lawns, roofed + (1 - roofed) * ground, ground, lawns, np.ones_like(ground)])
    direct[:WATER] *= (1 - deep) * slope
    sky = shade.skylight(len(shares), nm=nm, rng=rng)
    return np.asarray(direct * (1 - sky) + sky)


def _lit(surface: Surfaces, shares: Array, *, light: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Mix surfaces with the light (class, n, band) on each.

    Returns
    -------
    reflectance (n, band), and the covered share of the low and of the dry plants (n, 2).
    """
    count = len(shares)
    seen, covered = np.zeros((count, len(surface.bands))), np.ones((count, 2))
    for code, members in enumerate(surface.members):
        pick = rng.integers(0, len(members), (2, count))
        part = rng.random((count, 1))
        pure = part * members[pick[0]] + (1 - part) * members[pick[1]]
        seen += shares[:, [code]] * pure * light[code]
        if code in (LOW, DRY):
            hidden = surface.covered if code == LOW else surface.littered
            covered[:, [LOW, DRY].index(code)] = part[:, 0] * hidden[pick[0]] + (1 - part[:, 0]) * hidden[pick[1]]
    return seen, covered


_CENTRE_NM = {
    "blue": 492, "green": 560, "red": 665, "rededge1": 704, "rededge2": 740, "rededge3": 783,
    "nir": 833, "nir08": 865, "swir16": 1614, "swir22": 2202,
}  # fmt: skip


def centres_nm(bands: Sequence[str]) -> Array:
    """Return the wavelengths of bands by common name, (band,)."""
    return np.array([_CENTRE_NM[band] for band in bands], dtype=float)


def _blurred(
    own: Array,
    around: Array,
    *,
    coarse: npt.NDArray[np.bool_],
    shore: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> Array:
    """Blur a pixel by its point-spread function: coarse bands include more of the neighbours.

    On a shore (n, 1) the neighbours are the bank: for a band with twice the pixel's side, a quarter is the pixel
    itself.
    """
    fine_weight = rng.uniform(0.75, 1.0, (len(own), 1))
    least = np.where(shore, 0.25, 0.4)
    weight = np.where(coarse, fine_weight * (least + (0.95 - least) * rng.random((len(own), 1))), fine_weight)
    return np.asarray(weight * own + (1 - weight) * around)


def _measured(seen: Array, *, rng: np.random.Generator) -> Array:
    """Add small calibration errors and sensor noise."""
    gain = np.exp(rng.normal(0, 0.05, (len(seen), 1)) + rng.normal(0, 0.035, seen.shape))
    noise = rng.normal(0, 1, seen.shape) * (0.002 + 0.015 * seen)
    return np.asarray(seen * gain + noise)


def joined(first: Mixtures, second: Mixtures, *, rng: np.random.Generator) -> Mixtures:
    """Merge two sets of pixels in the same bands, in random order."""
    order = rng.permutation(len(first.shares) + len(second.shares))
    reflectance, shares = (np.concatenate(pair)[order] for pair in (
        (first.reflectance, second.reflectance), (first.shares, second.shares)))  # fmt: skip
    return Mixtures(reflectance=reflectance, shares=shares, bands=first.bands)


def covers(shares: Array) -> Array:
    """Convert shares of :data:`CLASSES` (n, 6) to shares of :data:`COVERS` (n, 5)."""
    return np.asarray(shares @ np.eye(len(COVERS))[COVER_OF])
