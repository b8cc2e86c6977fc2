"""Atmospheric effects on reflectance: all of them without correction, or the residual of a correction.

Single scattering towards nadir: the air adds path radiance, attenuates light on both paths, and scatters some of it
back to the ground. Sources: Hansen & Travis 1974 (Space Sci. Rev. 16: 527) for the Rayleigh optical depth, Ångström
1929 for that of aerosols, Tanré et al. 1979 (Appl. Opt. 18: 3587) for how path, transmittance and spherical albedo
enter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howgreen.training.spectra import Array

UNCORRECTED = 0.15
"""Share of pixels at top-of-atmosphere reflectance: users do bring uncorrected images."""


@dataclass(frozen=True, kw_only=True)
class Air:
    """Atmosphere over each of n pixels."""

    aerosol_550nm: Array
    """(n, 1) optical depth at 550 nm; negative after overcorrection."""
    angstrom: Array
    """(n, 1) exponent."""
    backscatter: Array
    """(n, 1) aerosol phase function towards the satellite, times single-scattering albedo."""
    molecules: Array
    """(n, 1) share of the Rayleigh scattering still in the image: 0 corrected, 1 not."""
    sun_cos: Array
    """(n, 1) cosine of the sun's zenith angle."""
    gases: Array
    """(n, 1) strength of ozone and water vapour, 1 for a typical summer day, 0 if corrected."""


def draw(count: int, *, rng: np.random.Generator) -> Air:
    """Draw mostly corrected images with correction residuals, and some uncorrected ones."""
    raw = rng.random((count, 1)) < UNCORRECTED
    missed = rng.normal(0.02, 0.05, (count, 1)) + rng.exponential(0.2, (count, 1)) * (rng.random((count, 1)) < 0.15)
    whole = np.exp(rng.normal(np.log(0.12), 0.6, (count, 1)))
    return Air(
        aerosol_550nm=np.where(raw, whole, np.minimum(missed, 0.8)),
        angstrom=rng.uniform(0.6, 1.8, (count, 1)),
        backscatter=rng.uniform(0.15, 0.4, (count, 1)),
        molecules=raw.astype(float),
        sun_cos=np.cos(np.radians(rng.uniform(20, 60, (count, 1)))),
        gases=raw * rng.uniform(0.6, 1.5, (count, 1)),
    )


def through(reflectance: Array, air: Air, *, nm: Array) -> Array:
    """Convert surface reflectance (n, band) to its value through the atmosphere; ``nm`` are the bands' centres."""
    um = nm / 1000
    rayleigh = 0.008569 * um**-4 * (1 + 0.0113 * um**-2 + 0.00013 * um**-4) * air.molecules
    aerosol = air.aerosol_550nm * (nm / 550) ** -air.angstrom
    towards = 0.75 * (1 + air.sun_cos**2)  # Rayleigh phase function for backscattering at the sun's angle
    # A fifth more for multiple scattering: 6S at these optical depths.
    path = 1.2 * (rayleigh * towards + aerosol * air.backscatter) / (4 * air.sun_cos)
    lost = (0.5 * rayleigh + 0.16 * aerosol) * (1 / air.sun_cos + 1)
    given_back = np.clip(0.7 * rayleigh + 0.2 * aerosol, 0, 0.3)
    seen = path + np.exp(-lost) * reflectance / (1 - given_back * reflectance)
    return np.asarray(seen * (1 - air.gases * np.interp(nm, _GAS_NM, _GAS)))


_GAS_NM = (400, 492, 560, 620, 665, 704, 740, 783, 833, 865, 1000, 1614, 2202, 2500)
_GAS = (0.0, 0.02, 0.07, 0.08, 0.04, 0.04, 0.03, 0.02, 0.05, 0.01, 0.01, 0.02, 0.05, 0.05)
"""Approximate two-way absorption by ozone, water vapour and carbon dioxide in the sensors' bands."""
