"""Towns of the sample city's simulator with other seeds: their images, with shares counted on their 1 m maps.

Training towns are painted with materials of the reference library, redrawn each time. Judging towns keep the sample
city's own materials, which no learner has seen: so a learner is not judged on its training data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.sample import sensors_sim
from howgreen.sample.canvas import Canvas
from howgreen.sample.layout import make_land
from howgreen.sample.light import Day, mixed, sun_at
from howgreen.sample.paint import paint_city
from howgreen.sample.spectra import BANDS, MATERIALS, SKYLIGHT, season_table
from howgreen.sample.variation import make_variation, relief, shifter
from howgreen.training.contest.classes import CLASSES, LOW, SAMPLE
from howgreen.training.contest.samples import Place
from howgreen.training.mixtures import CLASSES as FIVE
from howgreen.training.mixtures import LOW as LOW_OF_FIVE
from howgreen.training.mixtures import Surfaces

Floats = npt.NDArray[np.float32]

_CLASS = np.array([SAMPLE[material.cover] for material in MATERIALS])
_NM = np.array([492, 560, 665, 704, 740, 783, 833, 865, 1614, 2202], np.float32)


def learned_town(seed: int, *, extent_m: int, looks: int, library: Surfaces, sensor: str) -> list[Place]:
    """Simulate one town ``looks`` times, each time with other materials under the same sun."""
    rng = np.random.default_rng([seed, 91])
    canvas = paint_city(make_land(seed, extent_m=extent_m))
    sun = sun_at(int(rng.integers(120, 270)))
    days = [Day(table=_materials(library, rng), shift=_nothing) for _ in range(looks)]
    light = relief(make_variation(canvas), sun)
    cubes = mixed(canvas, sun, days, relief=light, threads=1)
    shares = true_shares(canvas, pixel_m=_pixel_m(sensor))
    return [
        _place(f"town {seed}.{number}", cube, shares, sensor=sensor, haze=float(rng.exponential(0.015)), rng=rng)
        for number, cube in enumerate(cubes)
    ]


def judging_town(seed: int, *, extent_m: int, sensor: str) -> Place:
    """Simulate one town with the sample city's own materials, on a day between mid-May and mid-September."""
    rng = np.random.default_rng([seed, 92])
    canvas, day = paint_city(make_land(seed, extent_m=extent_m)), int(rng.integers(135, 258))
    fields, sun = make_variation(canvas), sun_at(day)
    shift = shifter(fields, day_of_year=day, flow=float(rng.random()), surf=float(rng.random()))
    cube = mixed(canvas, sun, [Day(table=season_table(day), shift=shift)], relief=relief(fields, sun), threads=1)[0]
    shares = true_shares(canvas, pixel_m=_pixel_m(sensor))
    haze = float(np.clip(rng.normal(0.002, 0.006), -0.01, 0.03))
    return _place(f"simulated {seed}", cube, shares, sensor=sensor, haze=haze, rng=rng)


def true_shares(canvas: Canvas, *, pixel_m: int) -> Floats:
    """Count shares (class, y, x) on the 1 m map."""
    side = canvas.land.extent_m // pixel_m
    codes = _CLASS[canvas.material[: side * pixel_m, : side * pixel_m]]
    blocks = codes.reshape(side, pixel_m, side, pixel_m)
    return np.stack([(blocks == code).mean((1, 3), dtype=np.float32) for code in range(len(CLASSES))])


def _pixel_m(sensor: str) -> int:
    return 30 if sensor == LANDSAT.name else 10


def _nothing(cover: Floats, _: slice) -> tuple[Floats, Floats]:
    """No shift between materials: their spectra vary by draw."""
    return np.zeros((1, cover.shape[1]), np.float32), np.zeros((len(SKYLIGHT), 1), np.float32)


def _materials(library: Surfaces, rng: np.random.Generator) -> Floats:
    """Return a library spectrum for every material of the simulator, (material, band)."""
    members = dict(zip((cls.name for cls in FIVE), library.members, strict=True))
    # The simulator's plants hide all their ground, so plants with open ground do not qualify.
    grass, crops = (library.with_low(crops=crops) for crops in (False, True))
    full = [part.members[LOW_OF_FIVE][part.covered == 1] for part in (grass, crops)]
    pools = [members.get(cls.name, full[1]) for cls in CLASSES]
    pools[LOW] = full[0]
    picked = [pools[code][rng.integers(0, len(pools[code]), 2)] for code in _CLASS]
    return np.array([rng.dirichlet((1, 1)) @ pair for pair in picked], np.float32)


def _place(name: str, cube: Floats, shares: Floats, *, sensor: str, haze: float, rng: np.random.Generator) -> Place:
    sensed = LANDSAT if sensor == LANDSAT.name else SENTINEL2
    image = _image(cube, sensor)
    nm = _NM[_positions(sensed.band_names, sensor)]
    path = haze * (490 / nm) ** rng.uniform(1.0, 3.5)
    gain = np.exp(rng.normal(0, 0.03) + rng.normal(0, 0.02, len(nm)))
    noise = rng.normal(0, 1, image.shape) * (0.0015 + 0.008 * image)
    seen = image * gain[:, None, None] + path[:, None, None] + noise
    return Place(name=name, bands=sensed.band_names, reflectance=seen.astype(np.float32), shares=shares)


def _positions(names: Sequence[str], sensor: str) -> list[int]:
    # Landsat's only near-infrared is the narrow one, which Sentinel-2 calls nir08.
    return [BANDS.index("nir08" if sensor == LANDSAT.name and name == "nir" else name) for name in names]


def _image(cube: Floats, sensor: str) -> Floats:
    """Simulate an image (band, y, x) through the optics; 20 m bands are replicated to 10 m, as in a composite."""
    if sensor == LANDSAT.name:
        return sensors_sim.seen(cube, bands=np.array(_positions(LANDSAT.band_names, sensor)), pixel_m=30)
    layers = []
    for place, band in enumerate(SENTINEL2.bands):
        layer = sensors_sim.seen(cube, bands=np.array([place]), pixel_m=int(band.resolution_m))[0]
        layers.append(layer if band.resolution_m == 10 else layer.repeat(2, 0).repeat(2, 1))
    return np.stack(layers)
