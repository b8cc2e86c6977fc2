"""Simulated cities from 3 to 90 % green in six climates, drawn by rules that no training uses.

The training towns and the sample city share one builder, one street pattern and one season. These cities share nothing
with them: streets are level lines of distances and waves, plants are four numbers per kind instead of a canopy model,
and roofs, fields and shores are from other places. They judge whether a ratio holds where greenness, light and land
differ; they do not measure accuracy in a real city.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howgreen.core.sensors import LANDSAT, SENTINEL2, Sensor
from howgreen.training.contest.classes import BARE, BUILT, CLASSES, CROP, LOW, TREE, WATER
from howgreen.training.contest.samples import Place

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

CELL_M = 2
EXTENT_M = 1200
_SIDE = EXTENT_M // CELL_M
_NM = np.array([492, 560, 665, 704, 740, 783, 833, 865, 1614, 2202], np.float32)


def _plant(infrared: float, pale: float, dry: float) -> tuple[float, ...]:
    """Ten bands of a closed canopy: near-infrared, paleness (0 dark green, 1 yellow), dryness of leaves (0-1)."""
    blue, red = 0.018 + 0.045 * pale, 0.018 + 0.10 * pale**1.5
    green, edge = 0.035 + 0.065 * pale, 0.05 + 0.13 * pale
    short = infrared * (0.34 + 0.62 * dry)
    return (blue, green, red, edge, edge + 0.72 * (infrared - edge), edge + 0.93 * (infrared - edge), infrared * 0.98,
            infrared, short, short * (0.36 + 0.3 * dry))  # fmt: skip


def _ramp(blue: float, red: float, infrared: float, short: float, far: float) -> tuple[float, ...]:
    """Ten bands of something without chlorophyll, interpolated through five of them."""
    steps = np.interp(_NM, [492, 665, 865, 1614, 2202], [blue, red, infrared, short, far])
    return tuple(float(value) for value in steps)


# name: (class, ten bands, height in metres)
_TABLE: Mapping[str, tuple[int, tuple[float, ...], float]] = {
    "broadleaf tree": (TREE, _plant(0.42, 0.12, 0.15), 12),
    "street tree": (TREE, _plant(0.36, 0.2, 0.25), 8),
    "spruce": (TREE, _plant(0.24, 0.08, 0.1), 18),
    "pine": (TREE, _plant(0.27, 0.16, 0.3), 12),
    "olive": (TREE, _plant(0.29, 0.38, 0.5), 4),
    "palm": (TREE, _plant(0.31, 0.28, 0.4), 8),
    "mango": (TREE, _plant(0.4, 0.1, 0.2), 10),
    "acacia": (TREE, _plant(0.27, 0.4, 0.55), 4),
    "lawn": (LOW, _plant(0.43, 0.25, 0.3), 0),
    "watered lawn": (LOW, _plant(0.48, 0.18, 0.2), 0),
    "tired lawn": (LOW, _plant(0.34, 0.55, 0.6), 0),
    "savanna grass": (LOW, _plant(0.33, 0.48, 0.55), 0),
    "vine": (CROP, _plant(0.4, 0.24, 0.3), 1),
    "maize": (CROP, _plant(0.46, 0.15, 0.2), 2),
    "rice": (CROP, _plant(0.36, 0.25, 0.05), 0),
    "winter wheat": (CROP, _plant(0.4, 0.2, 0.15), 0),
    "dead lawn": (BARE, _ramp(0.075, 0.15, 0.25, 0.33, 0.22), 0),
    "leafless crown": (BARE, _ramp(0.045, 0.085, 0.17, 0.2, 0.13), 10),
    "stubble": (BARE, _ramp(0.09, 0.18, 0.29, 0.36, 0.25), 0),
    "brown soil": (BARE, _ramp(0.06, 0.11, 0.18, 0.27, 0.24), 0),
    "red earth": (BARE, _ramp(0.05, 0.2, 0.28, 0.38, 0.33), 0),
    "desert sand": (BARE, _ramp(0.16, 0.31, 0.4, 0.5, 0.45), 0),
    "beach": (BARE, _ramp(0.28, 0.38, 0.44, 0.47, 0.43), 0),
    "salt": (BARE, _ramp(0.5, 0.56, 0.58, 0.42, 0.3), 0),
    "snow": (BARE, _ramp(0.8, 0.8, 0.74, 0.08, 0.06), 0),
    "asphalt": (BUILT, _ramp(0.08, 0.1, 0.12, 0.15, 0.14), 0),
    "worn asphalt": (BUILT, _ramp(0.12, 0.15, 0.18, 0.22, 0.21), 0),
    "paving": (BUILT, _ramp(0.15, 0.2, 0.24, 0.28, 0.26), 0),
    "laterite road": (BUILT, _ramp(0.07, 0.22, 0.3, 0.39, 0.35), 0),
    "blue metal": (BUILT, (0.2, 0.17, 0.1, 0.1, 0.12, 0.16, 0.2, 0.22, 0.24, 0.2), 7),
    "white metal": (BUILT, _ramp(0.55, 0.58, 0.57, 0.46, 0.38), 7),
    "tar": (BUILT, _ramp(0.05, 0.055, 0.065, 0.08, 0.08), 9),
    "clay tile": (BUILT, _ramp(0.07, 0.18, 0.27, 0.35, 0.33), 8),
    "thatch": (BUILT, _ramp(0.07, 0.13, 0.2, 0.28, 0.2), 5),
    "concrete roof": (BUILT, _ramp(0.2, 0.26, 0.28, 0.3, 0.27), 14),
    "rust": (BUILT, _ramp(0.06, 0.14, 0.22, 0.27, 0.26), 4),
    "solar panel": (BUILT, _ramp(0.055, 0.05, 0.075, 0.075, 0.07), 1),
    "greenhouse": (BUILT, _ramp(0.3, 0.33, 0.37, 0.3, 0.24), 3),
    "artificial turf": (BUILT, (0.03, 0.07, 0.04, 0.05, 0.09, 0.13, 0.15, 0.17, 0.22, 0.15), 0),
    "river": (WATER, _ramp(0.05, 0.05, 0.02, 0.008, 0.005), 0),
    "clear sea": (WATER, _ramp(0.04, 0.012, 0.005, 0.002, 0.002), 0),
    "muddy water": (WATER, _ramp(0.07, 0.1, 0.05, 0.01, 0.006), 0),
}
_CODE = {name: number for number, name in enumerate(_TABLE)}
_CLASS = np.array([row[0] for row in _TABLE.values()])
_SPECTRA = np.array([row[1] for row in _TABLE.values()], np.float32)
_HEIGHT_M = np.array([row[2] for row in _TABLE.values()], np.float32)


@dataclass(frozen=True, kw_only=True)
class Climate:
    """The materials of a climate's cities; names are keys of the table."""

    sun_elevation_deg: float
    trees: tuple[str, ...]
    yards: tuple[str, ...]
    """Green ones."""
    dry: tuple[str, ...]
    """Cover of ground that is neither green nor built."""
    fields: tuple[str, ...]
    roofs: tuple[str, ...]
    streets: tuple[str, ...]
    extras: tuple[str, ...]
    """Large patches of something unusual."""
    water: str
    haze: float


CLIMATES: Mapping[str, Climate] = {
    "temperate summer": Climate(
        sun_elevation_deg=58, trees=("broadleaf tree", "street tree", "pine"), yards=("lawn", "tired lawn"),
        dry=("brown soil", "dead lawn"), fields=("maize", "stubble", "brown soil"), water="river", haze=0.004,
        roofs=("clay tile", "tar", "concrete roof", "blue metal"), streets=("asphalt", "paving"),
        extras=("solar panel", "artificial turf"),
    ),
    "temperate winter": Climate(
        sun_elevation_deg=22, trees=("leafless crown", "spruce", "leafless crown"), yards=("lawn", "tired lawn"),
        dry=("brown soil", "dead lawn"), fields=("winter wheat", "brown soil", "stubble"), water="river", haze=0.008,
        roofs=("clay tile", "tar", "concrete roof"), streets=("asphalt", "worn asphalt"), extras=("snow", "greenhouse"),
    ),
    "mediterranean": Climate(
        sun_elevation_deg=62, trees=("olive", "pine", "street tree"), yards=("tired lawn", "watered lawn"),
        dry=("dead lawn", "red earth"), fields=("vine", "stubble", "olive"), water="clear sea", haze=0.006,
        roofs=("clay tile", "concrete roof", "white metal"), streets=("worn asphalt", "paving"),
        extras=("beach", "greenhouse", "solar panel"),
    ),
    "arid": Climate(
        sun_elevation_deg=66, trees=("palm", "acacia"), yards=("watered lawn", "tired lawn"), water="muddy water",
        dry=("desert sand", "brown soil", "red earth"), fields=("watered lawn", "desert sand", "palm"), haze=0.015,
        roofs=("concrete roof", "white metal", "rust"), streets=("worn asphalt", "desert sand"),
        extras=("salt", "solar panel"),
    ),
    "tropical": Climate(
        sun_elevation_deg=60, trees=("mango", "palm", "broadleaf tree"), yards=("savanna grass", "watered lawn"),
        dry=("red earth",), fields=("rice", "savanna grass", "muddy water"), water="muddy water", haze=0.012,
        roofs=("rust", "thatch", "white metal", "blue metal"), streets=("laterite road", "asphalt"), extras=("greenhouse", "beach"),
    ),
    "boreal": Climate(
        sun_elevation_deg=44, trees=("spruce", "pine", "broadleaf tree"), yards=("lawn", "tired lawn"), water="clear sea",
        dry=("brown soil", "dead lawn"), fields=("lawn", "stubble"), haze=0.003, roofs=("tar", "rust", "blue metal"),
        streets=("asphalt", "worn asphalt"), extras=("artificial turf", "snow"),
    ),
}  # fmt: skip

PATTERNS = ("rings", "ribbons", "alleys", "contours")
GREENNESS = (0.0, 0.3, 0.62, 0.97)
"""Target greenness of each climate's cities; the resulting share is counted on the cells."""


def wide_cities(sensor: Sensor = SENTINEL2, *, per_climate: int = len(GREENNESS)) -> list[Place]:
    """Draw the judging cities of all climates, from grey to green."""
    return [
        wide_city(name, GREENNESS[number], seed=100 * place + number, sensor=sensor)
        for place, name in enumerate(CLIMATES)
        for number in range(per_climate)
    ]


def wide_city(climate: str, greenness: float, *, seed: int, sensor: Sensor) -> Place:
    """Draw one city and simulate a sensor's image of it; shares are counted on cells of 2 m."""
    rng, kind = np.random.default_rng([seed, 17]), CLIMATES[climate]
    cells = _painted(kind, greenness, PATTERNS[seed % len(PATTERNS)], rng)
    image = _seen(cells, kind, sensor, rng)
    pixel = 15 if sensor is LANDSAT else 5
    classes = _CLASS[cells].reshape(_SIDE // pixel, pixel, _SIDE // pixel, pixel)
    shares = np.stack([(classes == code).mean((1, 3), dtype=np.float32) for code in range(len(CLASSES))])
    return Place(name=f"{climate} {seed}", bands=sensor.band_names, reflectance=image, shares=shares)


def covers(climate: str, greenness: float, *, seed: int) -> tuple[npt.NDArray[np.int_], Floats]:
    """Return the class (y, x) of each cell of the same city, and its height in metres."""
    cells = _painted(CLIMATES[climate], greenness, PATTERNS[seed % len(PATTERNS)], np.random.default_rng([seed, 17]))
    return _CLASS[cells], _HEIGHT_M[cells]


def _noise(rng: np.random.Generator, scale_m: float) -> Floats:
    """Smooth noise, roughly uniform over 0-1."""
    from scipy.ndimage import zoom
    from scipy.special import ndtr

    knots = max(int(EXTENT_M / scale_m) + 3, 4)
    field = zoom(rng.standard_normal((knots, knots)), _SIDE / (knots - 2), order=2)[:_SIDE, :_SIDE]
    return np.asarray(ndtr((field - field.mean()) / field.std()), np.float32)


def _painted(kind: Climate, greenness: float, pattern: str, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Paint the material of each cell, (y, x)."""
    y, x = np.mgrid[:_SIDE, :_SIDE] * float(CELL_M)
    street, lot = _streets(pattern, x, y, rng)

    def pick(names: tuple[str, ...], scale_m: float) -> npt.NDArray[np.uint8]:
        chosen = np.minimum((_noise(rng, scale_m) * len(names)).astype(int), len(names) - 1)
        return np.asarray(np.array([_CODE[name] for name in names], np.uint8)[chosen])

    # The built share falls from the centre outwards, unevenly; open land and gardens take the rest.
    density = 0.75 * _noise(rng, 420) + 0.25 * _noise(rng, 90)
    rural = density < 0.75 * greenness
    roof = (lot < 0.62 - 0.42 * greenness) & ~street & ~rural
    garden = _noise(rng, 14) < 0.08 + 0.9 * greenness
    crowns = _noise(rng, 7) < 0.02 + (0.3 + 0.25 * _noise(rng, 250)) * greenness
    paved = _noise(rng, 30) < 0.75 - 0.5 * greenness
    ground = np.where(paved, pick(kind.streets, 120), pick(kind.dry, 60))
    cells = np.where(garden, pick(kind.yards, 50), ground)
    land = np.where(_noise(rng, 160) < 0.4 + 0.4 * greenness, pick(kind.yards, 130), pick(kind.fields, 110))
    cells = np.where(rural, np.where(_noise(rng, 25) < 0.15 + 0.75 * greenness, land, pick(kind.dry, 80)), cells)
    cells = _rows(cells, x, y, rng)
    crowns |= rural & (_noise(rng, 200) < 0.5 * greenness)
    cells = np.where(street & ~rural, pick(kind.streets, 200), cells)
    cells = np.where(crowns & ~(street & (_noise(rng, 9) > 0.25)), pick(kind.trees, 35), cells)
    cells = np.where(roof, pick(kind.roofs, 45), cells)
    cells = np.where(_noise(rng, 150) > 0.965, pick(kind.extras, 400), cells)
    # A river or a shore.
    bend = np.abs(y - EXTENT_M * (0.15 + 0.2 * np.sin(x / 500 + rng.uniform(0, 6))) - 200)
    cells = np.where(bend < rng.uniform(8, 60), _CODE[kind.water], cells)
    return cells.astype(np.uint8)


def _rows(cells: npt.NDArray[np.integer], x: npt.NDArray[np.float64], y: npt.NDArray[np.float64],
          rng: np.random.Generator) -> npt.NDArray[np.integer]:  # fmt: skip
    """Vines and olives in rows 6 m apart over bare ground."""
    turn = rng.uniform(0, np.pi)
    between = np.mod(x * np.cos(turn) + y * np.sin(turn), 6.0) > 3.2
    planted = np.isin(cells, [_CODE["vine"], _CODE["olive"]])
    return np.where(planted & between, _CODE["red earth"], cells)


def _streets(
    pattern: str, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[Mask, Floats]:
    """Find the streets, and each cell's position within its lot (0 its middle, 1 its edge)."""
    from scipy.spatial import cKDTree

    if pattern == "alleys":
        points = rng.uniform(-50, EXTENT_M + 50, (int((EXTENT_M / 38) ** 2), 2))
        near, _ = cKDTree(points).query(np.stack([x.ravel(), y.ravel()], axis=1), k=2)
        gap = (near[:, 1] - near[:, 0]).reshape(x.shape)
        return gap < 4, (near[:, 0].reshape(x.shape) / 24).astype(np.float32)
    if pattern == "rings":
        dx, dy = x - EXTENT_M * rng.uniform(0.3, 0.7), y - EXTENT_M * rng.uniform(0.3, 0.7)
        u, v = np.hypot(dx, dy), np.arctan2(dy, dx) * 400
    elif pattern == "ribbons":
        u, v = x + 60 * np.sin(y / 170), y + 40 * np.sin(x / 230)
    else:
        u, v = 1600 * _noise(rng, 600).astype(float), x + 0.4 * y
    u, v = np.mod(u, 74.0) - 37, np.mod(v, 130.0) - 65
    street = (np.abs(u) > 33) | (np.abs(v) > 61)
    inner_u, inner_v = np.mod(u + 37, 24.7) - 12.3, np.mod(v + 65, 18.6) - 9.3
    return street, np.maximum(np.abs(inner_u) / 12.3, np.abs(inner_v) / 9.3).astype(np.float32)


def _seen(cells: npt.NDArray[np.uint8], kind: Climate, sensor: Sensor, rng: np.random.Generator) -> Floats:
    """Simulate the image (band, y, x) in sun and shade, through the optics and a little haze."""
    from scipy.ndimage import gaussian_filter

    lit = 1 - _shadow(cells, kind.sun_elevation_deg, rng)[:, :, None]
    sky = (0.24 * (490 / _NM)).astype(np.float32)
    patchy = np.exp(0.12 * (_noise(rng, 40) - 0.5) * 3.4 + rng.normal(0, 0.06, cells.shape)).astype(np.float32)
    spectra = _SPECTRA * np.exp(rng.normal(0, 0.07, (len(_SPECTRA), 1))).astype(np.float32)
    layers = []
    for number, band in enumerate(SENTINEL2.bands):
        light = lit[:, :, 0] * (1 - sky[number]) + sky[number]
        layer = spectra[cells, number] * patchy * light
        pixel_m = 30.0 if sensor is LANDSAT else band.resolution_m
        fold = int(pixel_m // CELL_M)
        blurred = gaussian_filter(layer, 0.4 * fold, mode="nearest")
        small = blurred.reshape(_SIDE // fold, fold, _SIDE // fold, fold).mean((1, 3))
        layers.append(small if sensor is LANDSAT or pixel_m == 10 else small.repeat(2, 0).repeat(2, 1))
    names = list(SENTINEL2.band_names)
    chosen = ["nir08" if sensor is LANDSAT and name == "nir" else name for name in sensor.band_names]
    image = np.stack([layers[names.index(name)] for name in chosen])
    nm = _NM[[names.index(name) for name in chosen]]
    path = kind.haze * (490 / nm) ** 2
    gain = np.exp(rng.normal(0, 0.02, len(nm)))
    noise = rng.normal(0, 0.003, image.shape)
    return (image * gain[:, None, None] + path[:, None, None] + noise).astype(np.float32)


def _shadow(cells: npt.NDArray[np.uint8], elevation_deg: float, rng: np.random.Generator) -> Floats:
    """Compute the share of direct light (y, x) blocked by something taller, 0-1: by marching towards the sun."""
    height = _HEIGHT_M[cells]
    azimuth, slope = rng.uniform(0, 2 * np.pi), np.tan(np.radians(elevation_deg))
    shadow = np.zeros(cells.shape, np.float32)
    for step in range(1, 16):
        far_m = step * CELL_M
        rows, columns = round(step * np.sin(azimuth)), round(step * np.cos(azimuth))
        taller = np.roll(height, (rows, columns), (0, 1)) - height > far_m * slope
        # Crowns let some light through, walls none.
        solid = np.where(np.roll(_CLASS[cells], (rows, columns), (0, 1)) == BUILT, 1.0, 0.7).astype(np.float32)
        shadow = np.maximum(shadow, taller * solid)
    return shadow
