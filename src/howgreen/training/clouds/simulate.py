"""Simulated skies over every surface: cloud of any depth, haze, cloud shadow, snow, and bright ground without any.

A cloud is a layer that scatters and hardly absorbs: it reflects ``x / (1 + x)`` of the incident light, with ``x = (1 -
g) tau / (2 cos(sun))`` (two streams; Meador & Weaver 1980, J. Atmos. Sci. 37: 630); the transmitted light reaches the
ground and is reflected back through it. Droplets absorb a little of the short-wave infrared, ice much of it (Nakajima &
King 1990, J. Atmos. Sci. 47: 1878). Haze and smoke are aerosol. Haze and cloud are labelled by the light that the sky
adds, not by their kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from howgreen.training import atmosphere, canopy, mixtures, shade
from howgreen.training.atmosphere import Air
from howgreen.training.spectra import Array, Materials, Responses

CLASSES = ("clear", "haze", "cloud", "shadow", "snow")
CLEAR, HAZE, CLOUD, SHADOW, SNOW = range(5)

LEAST_HAZE, MOST_CLEAR = 0.045, 0.025
"""Light added by the sky in the red: haze from the first value on, clear up to the second; between them nothing is
labelled."""
LEAST_CLOUD = 0.16
"""Light added by the sky in the red from which it is a cloud."""
ASYMMETRY = 0.85
SHARES = {"clear": 0.36, "bright": 0.07, "hazy": 0.15, "cloudy": 0.28, "shaded": 0.09, "snowy": 0.05}
"""Frequency of each kind of pixel."""
FULL_SHADOW, NO_SHADOW = 0.55, 0.85
"""Transmitted share of direct light: shadow below the first value, none above the second."""
LEAST_SNOW = 0.5
"""Share of the pixel under snow."""
SAME_SKY, CLEAR_BESIDE = 0.45, 0.3
"""How often haze or cloud also covers the whole surroundings, and how often it has a gap there."""
DOUBLINGS = 6
"""Exponent of two for the most places around a pixel over which the minimum is taken."""


@dataclass(frozen=True, kw_only=True)
class Sky:
    """Simulated pixels under a sky, with their class."""

    reflectance: Array
    """(n, band)."""
    floor: Array
    """(n, band) minimum around the pixel, band by band."""
    label: npt.NDArray[np.int64]
    """(n,) index in :data:`CLASSES`; -1 if ambiguous."""
    bands: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A cloud over each of n pixels, (n, 1) or (n, band) each."""

    depth: Array
    """Optical depth, 0 for no cloud."""
    part: Array
    """Share of the pixel that it covers."""
    sun_cos: Array
    absorbed: Array
    """Share of its own light that a deep cloud absorbs, by band."""
    relief: Array
    """Illumination of its top relative to a level one."""
    tint: Array


def simulate(
    materials: Materials,
    responses: Responses,
    count: int,
    *,
    per_kind: int,
    rng: np.random.Generator,
    measured: mixtures.EndMembers | None = None,
) -> Sky:
    """Draw ``count`` pixels of all kinds for a sensor."""
    bands, nm = responses.bands, mixtures.centres_nm(responses.bands)
    surface = _snowless(mixtures.surfaces(materials, responses, per_kind=per_kind, rng=rng, measured=measured))
    kinds = rng.choice(len(SHARES), count, p=list(SHARES.values()))
    is_kind = {name: kinds == number for number, name in enumerate(SHARES)}
    ground = _ground(surface, count, rng=rng)
    around = _darkest(ground, rng=rng)
    ground = np.where(is_kind["bright"][:, None], _bright(surface, ground, rng=rng), ground)
    ground, around, label = _snowed(ground, around, is_kind["snowy"], responses=responses, rng=rng)
    ground, around, label = _shaded(ground, around, label, is_kind["shaded"], nm=nm, rng=rng)
    air = _air(count, hazy=is_kind["hazy"], rng=rng)
    layer = _cloud(count, is_kind["cloudy"], sun_cos=air.sun_cos, nm=nm, rng=rng)
    label = _named(label, _added(air, layer, red=bands.index("red"), nm=nm))
    own = below(layer, atmosphere.through(ground, air, nm=nm))
    # Often the sky is uniform; otherwise it has gaps, or is thinner.
    chance, thin = rng.random((count, 1)), rng.random((count, 1))
    alike = np.select([chance < SAME_SKY, chance < SAME_SKY + CLEAR_BESIDE], [1.0, 0.0], thin)
    thinner = replace(air, aerosol_550nm=np.where(is_kind["hazy"][:, None], alike, 1.0) * air.aerosol_550nm)
    gaps = replace(layer, depth=layer.depth * alike, part=np.where(alike == 1, layer.part, alike))
    floor = below(gaps, atmosphere.through(np.minimum(around, ground), thinner, nm=nm))
    gain = np.exp(rng.normal(0, 0.03, (count, 1)) + rng.normal(0, 0.015, own.shape))
    seen = own * gain + rng.normal(0, 1, own.shape) * (0.0015 + 0.008 * own)
    return Sky(reflectance=seen, floor=np.minimum(floor * gain, seen), label=label, bands=bands)


def _snowless(surface: mixtures.Surfaces) -> mixtures.Surfaces:
    """Leave out materials with a snow-like spectrum: snow is a kind of its own here."""
    green, swir = surface.bands.index("green"), surface.bands.index("swir16")
    kept = list(surface.members)
    for code in (mixtures.BUILT, mixtures.BARE):
        bright, far = kept[code][:, green], kept[code][:, swir]
        kept[code] = kept[code][~((bright > 0.3) & (bright - far > 0.4 * (bright + far)))]
    return replace(surface, members=tuple(kept))


def _vacuum(count: int) -> Air:
    none = np.zeros((count, 1))
    return Air(aerosol_550nm=none, angstrom=none + 1, backscatter=none, molecules=none, sun_cos=none + 0.8, gases=none)


def _ground(surface: mixtures.Surfaces, count: int, *, rng: np.random.Generator) -> Array:
    """Reflectance (count, band) of ground without atmosphere: single pixels, and means of up to three.

    The means stand for coarser resolution.
    """
    weight = rng.dirichlet((0.35, 0.35, 0.35), count)
    shares = [mixtures.draw_shares(count, rng=rng) for _ in range(3)]
    parts = [mixtures.mix_of(surface, one, rng=rng, air=_vacuum(count)).reflectance for one in shares]
    return np.asarray(sum(weight[:, [i]] * part for i, part in enumerate(parts)))


def _darkest(ground: Array, *, rng: np.random.Generator) -> Array:
    """Minimum (n, band) over some places around each pixel, few or many, similar or not."""
    count = len(ground)
    alike, doublings = rng.beta(0.6, 1.2, (count, 1)), rng.integers(1, DOUBLINGS + 1, (count, 1))
    darkest = ground
    for k in range(DOUBLINGS):
        darker = np.minimum(darkest, darkest[rng.permutation(count)])
        darkest = np.where(k < doublings, darker, darkest)
    return np.asarray(alike * ground + (1 - alike) * darkest)


def _bright(surface: mixtures.Surfaces, ground: Array, *, rng: np.random.Generator) -> Array:
    """Cover part of the ground with roofs, sand, stone or plastic that reflect a fifth to three quarters of light."""
    count, bands = ground.shape
    green = surface.bands.index("green")
    pool = np.concatenate([surface.members[mixtures.BUILT], surface.members[mixtures.BARE]])
    pool = pool[pool[:, green] > np.quantile(pool[:, green], 0.7)]
    drawn = pool[rng.integers(0, len(pool), count)]
    grey = np.exp(rng.normal(0, 0.04, (count, bands)).cumsum(axis=1))
    plants = surface.members[mixtures.LOW]
    film = 0.75 * grey + 0.25 * plants[rng.integers(0, len(plants), count)]
    shape = np.select([rng.random((count, 1)) < 0.6, rng.random((count, 1)) < 0.6], [drawn, grey], film)
    level = rng.uniform(0.2, 0.75, (count, 1))
    bright = np.clip(shape * level / np.maximum(shape[:, [green]], 0.02), 0, 1.0)
    part = rng.beta(2, 1, (count, 1))
    return np.asarray(part * bright + (1 - part) * ground)


def _snowed(
    ground: Array, around: Array, snowy: npt.NDArray[np.bool_], *, responses: Responses, rng: np.random.Generator
) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Add snow to some pixels, and less of it around them."""
    count = len(ground)
    snow = canopy.snows(count, responses=responses, rng=rng) * rng.uniform(0.5, 1.0, (count, 1))
    part = np.where(snowy, rng.uniform(0.3, 1.0, count), 0.0)[:, None]
    beside = part * rng.random((count, 1))
    label = np.full(count, CLEAR)
    label[snowy] = np.where(part[snowy, 0] > LEAST_SNOW, SNOW, -1)
    return part * snow + (1 - part) * ground, beside * snow + (1 - beside) * around, label


def _shaded(
    ground: Array,
    around: Array,
    label: npt.NDArray[np.int64],
    shaded: npt.NDArray[np.bool_],
    *,
    nm: Array,
    rng: np.random.Generator,
) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Reduce direct light; under a cloud the rest is skylight, and light transmitted by the cloud."""
    count = len(ground)
    direct = np.where(shaded, rng.uniform(0.0, 1.0, count) ** 1.5, 1.0)[:, None]
    sky = shade.skylight(count, nm=nm, rng=rng) + rng.uniform(0, 0.12, (count, 1))
    lit = np.where(shaded[:, None], direct * (1 - sky) + sky, 1.0)
    told = label.copy()
    told[shaded] = np.select([direct[shaded, 0] < FULL_SHADOW, direct[shaded, 0] > NO_SHADOW], [SHADOW, CLEAR], -1)
    return ground * lit, around * np.where(rng.random((count, 1)) < 0.5, lit, 1.0), told


def _air(count: int, *, hazy: npt.NDArray[np.bool_], rng: np.random.Generator) -> Air:
    """Draw corrected images with correction residuals, a third uncorrected, and haze."""
    raw = rng.random((count, 1)) < 0.33
    usual = np.where(raw, np.exp(rng.normal(np.log(0.1), 0.5, (count, 1))), rng.normal(0.01, 0.05, (count, 1)))
    haze = rng.uniform(0.1, 2.2, (count, 1))
    return Air(
        aerosol_550nm=np.where(hazy[:, None], haze, usual),
        angstrom=rng.uniform(0.4, 1.7, (count, 1)),
        backscatter=rng.uniform(0.15, 0.4, (count, 1)),
        molecules=raw.astype(float),
        sun_cos=np.cos(np.radians(rng.uniform(20, 65, (count, 1)))),
        gases=raw * rng.uniform(0.6, 1.5, (count, 1)),
    )


def _cloud(count: int, cloudy: npt.NDArray[np.bool_], *, sun_cos: Array, nm: Array, rng: np.random.Generator) -> Layer:
    """Draw a cloud for some pixels, of droplets or of ice, over all of the pixel or part of it."""
    depth = np.where(cloudy, np.exp(rng.uniform(np.log(0.4), np.log(120), count)), 0.0)[:, None]
    ice = rng.random((count, 1)) < 0.35
    far = np.where(ice, rng.uniform(0.3, 0.65, (count, 1)), rng.uniform(0.02, 0.3, (count, 1)))
    farther = np.where(ice, rng.uniform(0.4, 0.8, (count, 1)), rng.uniform(0.15, 0.5, (count, 1)))
    return Layer(
        depth=depth,
        part=np.where(rng.random((count, 1)) < 0.75, 1.0, rng.uniform(0.2, 1.0, (count, 1))),
        sun_cos=sun_cos,
        absorbed=np.select([nm > 2000, nm > 1400], [farther, far], 0.0),
        relief=np.where(depth > 5, rng.uniform(0.65, 1.15, (count, 1)), 1.0),
        tint=np.exp(rng.normal(0, 0.04, (count, 1)) * np.log(nm / 665) * 2),
    )


def _back(layer: Layer) -> Array:
    """Share of the light that a layer reflects, without ground and absorption."""
    scattered = (1 - ASYMMETRY) * layer.depth / (2 * layer.sun_cos)
    return np.asarray(scattered / (1 + scattered))


def below(layer: Layer, ground: Array) -> Array:
    """Add a cloud above reflectance (n, band)."""
    back = _back(layer)
    absorbed = layer.absorbed * layer.depth / (layer.depth + 4)
    own = back * (1 - absorbed) * layer.relief * layer.tint
    through = (1 - back) * (1 - absorbed / 2)
    over = own + through**2 * ground / np.maximum(1 - ground * back, 0.2)
    return np.asarray(layer.part * over + (1 - layer.part) * ground)


def _added(air: Air, layer: Layer, *, red: int, nm: Array) -> Array:
    """Light (n,) added by aerosol and cloud in the red over black ground."""
    black = np.zeros((len(layer.depth), len(nm)))
    clean = replace(air, aerosol_550nm=np.zeros_like(air.aerosol_550nm))
    hazy = atmosphere.through(black, air, nm=nm) - atmosphere.through(black, clean, nm=nm)
    return np.asarray(hazy[:, red] + (layer.part * _back(layer) * layer.relief)[:, 0])


def _named(label: npt.NDArray[np.int64], added: Array) -> npt.NDArray[np.int64]:
    """Label haze and cloud by the light they add, whatever is below; values in between get no label."""
    sky = np.select([added >= LEAST_CLOUD, added >= LEAST_HAZE, added > MOST_CLEAR], [CLOUD, HAZE, -1], -2)
    return np.where(sky == -2, label, sky)
