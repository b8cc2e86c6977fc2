"""Materials of the sample city's ground, and their reflectance in ten bands.

The numbers are our own round, typical values, chosen for plausibility; they are neither measurements nor a reference.
The vegetation rows were computed once with PROSAIL (PROSPECT-D + 4SAIL, sun 30 degrees, nadir view; leaf area 2-4.5,
chlorophyll 24-55 ug/cm2) over boxcar bands and rounded; trees were then darkened by a fifth for gaps inside the crown.
Nothing here comes from the material library that models are trained with, so the sample city stays an independent check
of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howgreen.core.sensors import SENTINEL2

Floats = npt.NDArray[np.float32]

BANDS: tuple[str, ...] = SENTINEL2.band_names
"""Order of the band axis everywhere in the simulator."""

CLASSES: dict[str, int] = {
    "tree": 1,
    "shrub": 2,
    "grass": 3,
    "crop": 4,
    "bare soil": 5,
    "sand": 6,
    "paved": 7,
    "building": 8,
    "rail": 9,
    "water": 10,
    "sea": 11,
}
"""Truth classes: name to code. 0 is never used inside the image."""

GREEN_CLASSES: tuple[str, ...] = ("tree", "shrub", "grass", "crop")
"""Vegetated surface in the growing season, seen from above; bare and stubble fields are ``bare soil``."""

WATER_CLASSES: tuple[str, ...] = ("water", "sea")
"""Classes that are not land."""

CLASS_COLOURS: dict[int, tuple[int, int, int]] = {
    1: (30, 95, 45),
    2: (90, 135, 60),
    3: (140, 190, 90),
    4: (205, 205, 90),
    5: (165, 125, 85),
    6: (235, 220, 170),
    7: (150, 150, 150),
    8: (190, 70, 60),
    9: (95, 85, 80),
    10: (70, 130, 190),
    11: (30, 75, 140),
}
"""RGB by class code, for colour tables."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """One surface material."""

    name: str
    cover: str
    """Truth class."""
    reflectance: tuple[float, ...]
    """By band, in the order of :data:`BANDS`, 0-1, sunlit."""


# name: (class, blue, green, red, re1, re2, re3, nir, nir08, swir16, swir22)
_TABLE: dict[str, tuple[str, tuple[float, ...]]] = {
    "broadleaf": ("tree", (0.023, 0.052, 0.020, 0.076, 0.304, 0.394, 0.400, 0.402, 0.175, 0.064)),
    "conifer": ("tree", (0.018, 0.038, 0.016, 0.056, 0.210, 0.265, 0.270, 0.272, 0.123, 0.043)),
    "orchard tree": ("tree", (0.026, 0.058, 0.026, 0.082, 0.290, 0.360, 0.370, 0.374, 0.190, 0.078)),
    "shrub": ("shrub", (0.030, 0.062, 0.030, 0.092, 0.300, 0.370, 0.380, 0.386, 0.215, 0.090)),
    "lawn": ("grass", (0.033, 0.074, 0.038, 0.105, 0.310, 0.385, 0.400, 0.408, 0.220, 0.102)),
    "meadow": ("grass", (0.036, 0.072, 0.042, 0.108, 0.285, 0.350, 0.365, 0.374, 0.232, 0.112)),
    "turf": ("grass", (0.028, 0.072, 0.030, 0.092, 0.330, 0.420, 0.430, 0.433, 0.190, 0.080)),
    "grass dry": ("grass", (0.052, 0.092, 0.078, 0.138, 0.270, 0.318, 0.345, 0.360, 0.292, 0.165)),
    "row crop": ("crop", (0.028, 0.063, 0.024, 0.086, 0.355, 0.465, 0.475, 0.478, 0.215, 0.086)),
    "leafy crop": ("crop", (0.030, 0.076, 0.026, 0.092, 0.370, 0.480, 0.495, 0.497, 0.185, 0.066)),
    "grain": ("crop", (0.030, 0.066, 0.034, 0.090, 0.300, 0.385, 0.400, 0.408, 0.210, 0.090)),
    "vegetable bed": ("crop", (0.040, 0.080, 0.052, 0.112, 0.270, 0.335, 0.350, 0.358, 0.245, 0.135)),
    "crop young": ("crop", (0.062, 0.096, 0.098, 0.150, 0.270, 0.310, 0.330, 0.342, 0.300, 0.205)),
    "grain ripe": ("crop", (0.068, 0.112, 0.140, 0.200, 0.265, 0.295, 0.330, 0.350, 0.340, 0.220)),
    "soil brown": ("bare soil", (0.070, 0.098, 0.135, 0.158, 0.175, 0.190, 0.210, 0.222, 0.310, 0.265)),
    "soil light": ("bare soil", (0.105, 0.145, 0.195, 0.222, 0.240, 0.255, 0.275, 0.288, 0.370, 0.320)),
    "stubble": ("bare soil", (0.095, 0.138, 0.185, 0.220, 0.245, 0.262, 0.288, 0.302, 0.380, 0.285)),
    "bark path": ("bare soil", (0.075, 0.105, 0.135, 0.158, 0.178, 0.195, 0.215, 0.228, 0.300, 0.240)),
    "sand": ("sand", (0.200, 0.258, 0.310, 0.332, 0.348, 0.360, 0.375, 0.385, 0.430, 0.390)),
    "sand wet": ("sand", (0.110, 0.142, 0.168, 0.178, 0.182, 0.186, 0.190, 0.192, 0.150, 0.110)),
    "asphalt": ("paved", (0.082, 0.092, 0.101, 0.105, 0.109, 0.113, 0.117, 0.121, 0.150, 0.145)),
    "asphalt old": ("paved", (0.112, 0.128, 0.142, 0.148, 0.154, 0.158, 0.163, 0.168, 0.198, 0.186)),
    "concrete": ("paved", (0.175, 0.205, 0.230, 0.240, 0.248, 0.254, 0.262, 0.268, 0.290, 0.265)),
    "cobbles": ("paved", (0.108, 0.124, 0.140, 0.147, 0.153, 0.158, 0.164, 0.170, 0.205, 0.195)),
    "gravel": ("paved", (0.140, 0.172, 0.205, 0.218, 0.228, 0.236, 0.246, 0.254, 0.305, 0.285)),
    "tartan": ("paved", (0.060, 0.068, 0.190, 0.215, 0.225, 0.232, 0.240, 0.246, 0.270, 0.230)),
    "clay court": ("paved", (0.085, 0.115, 0.240, 0.275, 0.292, 0.300, 0.310, 0.318, 0.360, 0.320)),
    "artificial turf": ("paved", (0.035, 0.068, 0.042, 0.055, 0.085, 0.110, 0.125, 0.135, 0.165, 0.110)),
    "tile red": ("building", (0.072, 0.092, 0.172, 0.212, 0.235, 0.246, 0.256, 0.264, 0.340, 0.310)),
    "tile brown": ("building", (0.065, 0.078, 0.118, 0.140, 0.154, 0.163, 0.172, 0.180, 0.245, 0.225)),
    "slate": ("building", (0.075, 0.080, 0.084, 0.087, 0.090, 0.093, 0.097, 0.101, 0.135, 0.130)),
    "bitumen": ("building", (0.058, 0.062, 0.066, 0.069, 0.072, 0.075, 0.078, 0.082, 0.105, 0.100)),
    "gravel roof": ("building", (0.150, 0.175, 0.195, 0.204, 0.212, 0.218, 0.226, 0.233, 0.270, 0.250)),
    "roof concrete": ("building", (0.190, 0.215, 0.235, 0.243, 0.250, 0.256, 0.262, 0.268, 0.290, 0.270)),
    "white membrane": ("building", (0.500, 0.530, 0.540, 0.545, 0.548, 0.550, 0.548, 0.546, 0.420, 0.330)),
    "metal grey": ("building", (0.255, 0.272, 0.282, 0.288, 0.292, 0.296, 0.302, 0.308, 0.330, 0.310)),
    "metal blue": ("building", (0.185, 0.160, 0.130, 0.128, 0.140, 0.170, 0.215, 0.235, 0.260, 0.230)),
    "copper": ("building", (0.125, 0.175, 0.140, 0.135, 0.132, 0.130, 0.130, 0.132, 0.190, 0.200)),
    "solar": ("building", (0.052, 0.046, 0.044, 0.046, 0.050, 0.056, 0.062, 0.072, 0.070, 0.066)),
    "greenhouse": ("building", (0.240, 0.262, 0.270, 0.290, 0.340, 0.365, 0.375, 0.380, 0.300, 0.240)),
    "ballast": ("rail", (0.088, 0.102, 0.118, 0.127, 0.134, 0.140, 0.148, 0.155, 0.195, 0.185)),
    "river": ("water", (0.048, 0.066, 0.050, 0.038, 0.022, 0.021, 0.018, 0.015, 0.006, 0.004)),
    "lake": ("water", (0.036, 0.050, 0.034, 0.028, 0.016, 0.015, 0.013, 0.011, 0.005, 0.003)),
    "pool": ("water", (0.190, 0.235, 0.120, 0.060, 0.030, 0.028, 0.024, 0.020, 0.008, 0.006)),
    "sea": ("sea", (0.030, 0.020, 0.009, 0.006, 0.005, 0.005, 0.004, 0.004, 0.002, 0.002)),
    "sea shallow": ("sea", (0.078, 0.098, 0.062, 0.036, 0.016, 0.014, 0.011, 0.009, 0.004, 0.003)),
    "sea turbid": ("sea", (0.062, 0.086, 0.078, 0.062, 0.032, 0.031, 0.024, 0.020, 0.006, 0.004)),
    "foam": ("sea", (0.330, 0.335, 0.330, 0.315, 0.290, 0.280, 0.265, 0.255, 0.120, 0.080)),
}

MATERIALS: tuple[Material, ...] = tuple(
    Material(name=name, cover=cover, reflectance=values) for name, (cover, values) in _TABLE.items()
)
"""All materials; the position is the code in the simulator's material map."""

CODE: dict[str, int] = {material.name: code for code, material in enumerate(MATERIALS)}
"""Material name to code."""

REFLECTANCE: Floats = np.array([material.reflectance for material in MATERIALS], np.float32)
"""(material, band)."""

CLASS_OF: npt.NDArray[np.uint8] = np.array([CLASSES[material.cover] for material in MATERIALS], np.uint8)
"""Truth class by material code."""

SKYLIGHT: Floats = np.array([0.36, 0.30, 0.25, 0.22, 0.20, 0.18, 0.17, 0.16, 0.10, 0.08], np.float32)
"""Share of the light that still reaches shaded ground, by band: the sky is blue."""

PATH: Floats = np.array([0.30, 0.25, 0.215, 0.20, 0.19, 0.18, 0.175, 0.17, 0.10, 0.07], np.float32)
"""Reflectance of a thick haze layer by band."""

CLOUD: Floats = np.array([0.80, 0.79, 0.79, 0.80, 0.80, 0.80, 0.79, 0.78, 0.52, 0.38], np.float32)
"""Reflectance of the brightest cloud by band."""


def _bump(day: float, peak: float, width: float) -> float:
    return float(np.exp(-(((day - peak) / width) ** 2)))


def dryness(day_of_year: int) -> float:
    """Return the mean share of dry blades in grass on a day, 0.1 in May to 0.35 in mid-August."""
    return 0.10 + 0.25 * _bump(day_of_year, 226, 38)


def season_table(day_of_year: int) -> Floats:
    """Return the reflectance of every material on a day, shape (material, band).

    Row crops close their canopy by mid-June; grain ripens in the last weeks of August; leaves are slightly thinner in
    May and slightly yellower in September.
    """
    table = REFLECTANCE.copy()
    young = float(np.clip((175 - day_of_year) / 35, 0, 0.9))
    ripe = float(np.clip((day_of_year - 232) / 15, 0, 0.85))
    for name, other, share in (("row crop", "crop young", young), ("grain", "grain ripe", ripe)):
        table[CODE[name]] = (1 - share) * table[CODE[name]] + share * table[CODE[other]]
    leaves = [CODE[name] for name in ("broadleaf", "orchard tree", "shrub")]
    spring, autumn = _bump(day_of_year, 125, 22), _bump(day_of_year, 270, 22)
    table[leaves, :3] *= np.array([1 + 0.10 * spring, 1 + 0.18 * spring, 1 + 0.05 * spring + 0.35 * autumn], np.float32)
    table[leaves, 4:8] *= np.float32(1 - 0.05 * spring - 0.10 * autumn)
    return table
