"""Canopies by PROSPECT-D and 4SAIL, soils and water: the natural surfaces of the mixtures, as band reflectance.

Priors are deliberately wide: a network that has seen every kind of leaf is not surprised by a city. Sources: Féret et
al. 2017 (PROSPECT-D), Verhoef et al. 2007 (4SAIL), run through the package ``prosail``; water after Gordon et al. 1988
with the pure-water absorption of Pope & Fry 1997, Kou et al. 1993 and Smith & Baker 1981.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howgreen.training.spectra import WAVELENGTH_NM, Array, Responses, to_bands

Span = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Ranges from which a kind of canopy is drawn, uniformly; units as in PROSAIL."""

    leaf_layers: Span
    chlorophyll_ug_cm2: Span
    brown: Span
    water_cm: Span
    dry_matter_g_cm2: Span
    leaf_area_index: Span
    leaf_angle_deg: Span
    anthocyanin_ug_cm2: Span = (0.0, 3.0)
    open_ground: bool = False
    """Plants in rows, with soil visible between them: only part of such ground is covered."""
    weathered: Span = (0.0, 0.0)
    """Exponent by which dead leaves darken towards short wavelengths, from 1,650 nm on: humus, which PROSPECT does not
    model."""
    commonness: float = 1.0
    """Relative frequency within its class."""


TREES = {
    "broadleaf": Prior(
        leaf_layers=(1.1, 2.1), chlorophyll_ug_cm2=(22, 70), brown=(0, 0.2), water_cm=(0.008, 0.03),
        dry_matter_g_cm2=(0.002, 0.011), leaf_area_index=(2, 7.5), leaf_angle_deg=(30, 72),
    ),
    "street tree": Prior(
        leaf_layers=(1.2, 2.3), chlorophyll_ug_cm2=(15, 55), brown=(0, 0.5), water_cm=(0.006, 0.026),
        dry_matter_g_cm2=(0.003, 0.013), leaf_area_index=(0.8, 3.5), leaf_angle_deg=(25, 70),
    ),
    "conifer": Prior(
        leaf_layers=(1.1, 2.3), chlorophyll_ug_cm2=(25, 80), brown=(0, 0.7), water_cm=(0.012, 0.05),
        dry_matter_g_cm2=(0.008, 0.03), leaf_area_index=(1.5, 8), leaf_angle_deg=(50, 82),
    ),
    "grey shrub": Prior(
        leaf_layers=(1.4, 2.6), chlorophyll_ug_cm2=(8, 40), brown=(0.1, 1.1), water_cm=(0.002, 0.012),
        dry_matter_g_cm2=(0.006, 0.022), leaf_area_index=(0.6, 3), leaf_angle_deg=(40, 80), commonness=0.25,
    ),
    "budding wood": Prior(
        leaf_layers=(1.1, 2.0), chlorophyll_ug_cm2=(15, 45), brown=(0, 0.8), water_cm=(0.006, 0.02),
        dry_matter_g_cm2=(0.002, 0.01), leaf_area_index=(0.5, 1.8), leaf_angle_deg=(30, 72), commonness=0.25,
    ),
    "shrub": Prior(
        leaf_layers=(1.4, 2.6), chlorophyll_ug_cm2=(15, 60), brown=(0, 0.7), water_cm=(0.005, 0.025),
        dry_matter_g_cm2=(0.005, 0.02), leaf_area_index=(1, 4.5), leaf_angle_deg=(35, 75),
    ),
}  # fmt: skip
"""Woody plants, including shrubs, which no 10 m satellite pixel separates from trees."""

LOW = {
    "grass": Prior(
        leaf_layers=(1.2, 2.4), chlorophyll_ug_cm2=(10, 50), brown=(0, 0.6), water_cm=(0.006, 0.03),
        dry_matter_g_cm2=(0.002, 0.007), leaf_area_index=(1.8, 7), leaf_angle_deg=(25, 70),
    ),
    "dry grass": Prior(
        leaf_layers=(1.3, 2.6), chlorophyll_ug_cm2=(3, 25), brown=(0.1, 1.2), water_cm=(0.001, 0.01),
        dry_matter_g_cm2=(0.003, 0.012), leaf_area_index=(0.8, 4), leaf_angle_deg=(35, 80),
    ),
    "parched grass": Prior(
        leaf_layers=(1.4, 2.6), chlorophyll_ug_cm2=(3, 14), brown=(0.1, 0.9), water_cm=(0.001, 0.008),
        dry_matter_g_cm2=(0.003, 0.012), leaf_area_index=(0.8, 3.5), leaf_angle_deg=(35, 78), commonness=0.8,
    ),
    "crop": Prior(
        leaf_layers=(1.2, 2.0), chlorophyll_ug_cm2=(20, 70), brown=(0, 0.4), water_cm=(0.01, 0.036),
        dry_matter_g_cm2=(0.002, 0.008), leaf_area_index=(1.6, 7), leaf_angle_deg=(25, 65),
    ),
    "young crop": Prior(
        leaf_layers=(1.1, 1.8), chlorophyll_ug_cm2=(25, 65), brown=(0, 0.2), water_cm=(0.012, 0.036),
        dry_matter_g_cm2=(0.002, 0.006), leaf_area_index=(0.15, 2), leaf_angle_deg=(25, 70),
        open_ground=True, commonness=0.15,
    ),
}  # fmt: skip

DRY = {
    "straw": Prior(
        leaf_layers=(1.5, 3.0), chlorophyll_ug_cm2=(0, 0.5), brown=(0, 0.25), water_cm=(0.0005, 0.003),
        dry_matter_g_cm2=(0.004, 0.015), leaf_area_index=(0.3, 4), leaf_angle_deg=(25, 80), open_ground=True, weathered=(0, 0.6),
    ),
    "litter": Prior(
        leaf_layers=(1.5, 3.0), chlorophyll_ug_cm2=(0, 1.5), brown=(0.2, 1.4), water_cm=(0.0005, 0.006),
        dry_matter_g_cm2=(0.004, 0.015), leaf_area_index=(0.5, 4), leaf_angle_deg=(20, 70), open_ground=True, commonness=0.3,
        weathered=(0, 0.4),
    ),
}  # fmt: skip
"""Dead grass, stubble and fallen leaves: nothing in them is green, and the ground between them is bare."""


def canopies(
    prior: Prior, count: int, *, grounds: Array, responses: Responses, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Simulate canopies from ``prior`` over grounds (n, wavelength): reflectance (count, band), covered share (count,).

    The covered share of open ground is the part hidden from above by randomly placed leaves, ``1 - exp(-0.5 LAI)``
    (Nilson 1971); a crown or a lawn counts as a whole.
    """
    import prosail

    def draw(span: Span) -> Array:
        return rng.uniform(span[0], span[1], count)

    leaf = [draw(prior.leaf_layers), draw(prior.chlorophyll_ug_cm2)]
    carotenoid = leaf[1] * rng.uniform(0.12, 0.3, count) + 0.5
    brown, water, dry = draw(prior.brown), draw(prior.water_cm), draw(prior.dry_matter_g_cm2)
    red_leaf = draw(prior.anthocyanin_ug_cm2) * (rng.random(count) < 0.3)
    # Uniform in log: each further leaf layer has less effect.
    area = np.exp(rng.uniform(np.log(prior.leaf_area_index[0]), np.log(prior.leaf_area_index[1]), count))
    angle, hotspot = draw(prior.leaf_angle_deg), rng.uniform(0.01, 0.4, count)
    sun, view, turn = rng.uniform(20, 65, count), rng.uniform(0, 11, count), rng.uniform(0, 180, count)
    below = rng.integers(0, len(grounds), count)
    spectra = np.array(
        [
            prosail.run_prosail(
                leaf[0][i], leaf[1][i], carotenoid[i], brown[i], water[i], dry[i], area[i], angle[i], hotspot[i],
                sun[i], view[i], turn[i], ant=red_leaf[i], prospect_version="D", rsoil0=grounds[below[i]],
            )
            for i in range(count)
        ]
    )  # fmt: skip
    covered = 1 - np.exp(-0.5 * area) if prior.open_ground else np.ones(count)
    weathered = np.minimum(WAVELENGTH_NM / 1650, 1.0) ** draw(prior.weathered)[:, None]
    return to_bands(spectra * weathered, responses), np.asarray(covered)


def soils(count: int, *, rng: np.random.Generator) -> Array:
    """Simulate spectra (count, wavelength) of bare soils: dry to wet, dark to bright, grey to red."""
    from prosail import spectral_lib

    dry, wet = spectral_lib.soil.rsoil1, spectral_lib.soil.rsoil2
    moisture = rng.uniform(0, 1, (count, 1))
    base = (1 - moisture) * dry + moisture * wet * rng.uniform(0.7, 3.0, (count, 1))
    tilt = (WAVELENGTH_NM / 1000) ** rng.normal(-0.25, 0.22, (count, 1))
    # Iron oxides darken blue and green: a logistic step of variable position and depth.
    place, depth = rng.uniform(520, 600, (count, 1)), rng.uniform(0, 0.5, (count, 1))
    iron = 1 - depth / (1 + np.exp((WAVELENGTH_NM - place) / 30))
    wanted = np.exp(rng.uniform(np.log(0.08), np.log(0.55), (count, 1)))
    shape = base * tilt * iron
    at_850nm = shape[:, [int(850 - WAVELENGTH_NM[0])]]
    return np.asarray(np.clip(shape / at_850nm * wanted, 0.005, 0.9))


def snows(count: int, *, responses: Responses, rng: np.random.Generator) -> Array:
    """Simulate band reflectance (count, band) of snow, fresh to dirty and wet: bright in the visible, dark in SWIR.

    The shape is a logistic decline between 900 and 1,500 nm with the levels of Wiscombe & Warren 1980 (J. Atmos. Sci.
    37: 2712).
    """
    nm = WAVELENGTH_NM
    bright, far = rng.uniform(0.4, 0.95, (count, 1)), rng.uniform(0.01, 0.14, (count, 1))
    dirt = 1 - rng.uniform(0, 0.3, (count, 1)) * np.exp(-(nm - 400) / 300)
    fall = 1 / (1 + np.exp((nm - rng.uniform(1050, 1250, (count, 1))) / rng.uniform(80, 160, (count, 1))))
    return to_bands((far + (bright - far) * fall) * dirt, responses)


_NM = (400, 440, 490, 520, 560, 600, 620, 665, 680, 705, 740, 760, 783, 810, 833, 865, 900, 970, 1100, 1300, 2500)
_WATER_PER_M = (0.007, 0.006, 0.015, 0.041, 0.062, 0.22, 0.28, 0.43, 0.47, 0.70, 2.3, 2.6, 2.2, 2.0, 3.3, 4.6, 7.0,
                45.0, 20.0, 150.0, 1500.0)  # fmt: skip
_PIGMENT_M2_MG = (0.03, 0.04, 0.028, 0.018, 0.008, 0.008, 0.01, 0.02, 0.021, 0.003, 0.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def waters(count: int, *, responses: Responses, rng: np.random.Generator) -> Array:
    """Simulate band reflectance (count, band) of open water: clear to muddy, with algae, peat, glint and foam."""

    def log_uniform(low: float, high: float) -> Array:
        return np.asarray(np.exp(rng.uniform(np.log(low), np.log(high), (count, 1))))

    nm = WAVELENGTH_NM
    water, pigment = np.interp(nm, _NM, _WATER_PER_M), np.interp(nm, _NM, _PIGMENT_M2_MG)
    mud_g_m3 = log_uniform(0.1, 120)
    absorbed = water + pigment * log_uniform(0.2, 60) ** 0.8 + log_uniform(0.02, 4) * np.exp(-0.015 * (nm - 440))
    absorbed = absorbed + 0.03 * mud_g_m3 * np.exp(-0.011 * (nm - 440))
    back = 0.0012 * (500 / nm) ** 4.3 + 0.012 * mud_g_m3 * (560 / nm) ** rng.uniform(0, 1.2, (count, 1))
    u = back / (absorbed + back)
    below = 0.0949 * u + 0.0794 * u**2
    leaving = np.pi * 0.52 * below / (1 - 1.7 * below)
    shallow = (rng.random((count, 1)) < 0.15) * rng.uniform(0.05, 0.3, (count, 1))
    bed = shallow * np.exp(-2 * (absorbed + back) * log_uniform(0.2, 3)) * (nm / 2500) ** 0.3
    glint = rng.exponential(0.006, (count, 1)) * (rng.random((count, 1)) < 0.6)
    return to_bands(leaving + bed + np.minimum(glint, 0.06), responses)
