"""What varies within a material: dry patches of grass, and a sea with depth, river mud, surf and swell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from howgreen.sample.canvas import Canvas
from howgreen.sample.layout import COAST_X, RIVER_Y, Land
from howgreen.sample.light import CELL_M, Shift
from howgreen.sample.spectra import CODE, MATERIALS, dryness
from howgreen.sample.texture import fractal_noise, resized

Floats = npt.NDArray[np.float32]
_IRRIGATED = {"lawn": 0.9, "meadow": 1.15, "turf": 0.25}
"""How readily each grass dries."""


@dataclass(frozen=True, kw_only=True)
class Variation:
    """Fields over the 5 m cells, (y, x)."""

    drought: Floats
    """Mean 1: how much drier than usual a spot is."""
    shallow: Floats
    """Share of sea over visible ground, 0-1."""
    mud: Floats
    """Share of sea with river mud at mean flow, 0-1."""
    surf: Floats
    """Share of foam at a strong swell, 0-1."""
    swell: Floats
    """Brightness of the sea's surface, mean 1."""


def _from_coast(canvas: Canvas) -> Floats:
    """Metres from the nearest dry cell, by cells, from the 1 m map at 10 m."""
    is_sea = canvas.material[5::10, 5::10] == CODE["sea"]
    far = ndimage.distance_transform_edt(np.pad(is_sea, 1, mode="edge"))[1:-1, 1:-1].astype(np.float32) * 10
    cells = canvas.land.extent_m // CELL_M
    return np.maximum(resized(far, (cells, cells)), 0)


def _mouth_distance(land: Land, middles: npt.NDArray[np.float64]) -> Floats:
    """How far a cell lies from the river's mouth along the plume, which the current bends southward."""
    mouth_y = RIVER_Y * land.u + float(land.river(np.array([COAST_X * land.u]))[0])
    mouth_x = COAST_X * land.u + float(land.coast(np.array([mouth_y]))[0])
    x, y = np.meshgrid((middles - mouth_x) / land.u, (middles - mouth_y) / land.u)
    axis = y - 0.00045 * x**2 * 0.9
    return np.hypot(x / 620, axis / (150 + 0.30 * np.abs(x))).astype(np.float32)


def make_variation(canvas: Canvas) -> Variation:
    """The fields of a painted city."""
    land = canvas.land
    cells = land.extent_m // CELL_M
    shape, rng = (cells, cells), np.random.default_rng([land.seed, 71])
    scale = max(land.u, 0.3)
    off = _from_coast(canvas)
    middles = (np.arange(cells) + 0.5) * CELL_M
    curl = fractal_noise(rng, shape, wavelength_px=160 * scale, octaves=5, gain=0.55)
    bars = fractal_noise(rng, shape, wavelength_px=60 * scale, octaves=4)
    shallow = np.exp(-off / (150 * scale) * np.exp(-0.35 * curl)) * (1 + 0.16 * bars)
    mud = np.exp(-((_mouth_distance(land, middles) * np.exp(0.38 * curl)) ** 1.5))
    mud += 0.30 * np.exp(-off / (420 * scale)) * np.clip(0.8 + 0.5 * curl, 0, 2)
    surf = np.exp(-(((off - 22) / 13) ** 2)) * np.clip(0.35 + 0.6 * bars, 0, 1)
    surf += 0.7 * np.exp(-(((off - 62) / 9) ** 2)) * np.clip(bars - 0.5, 0, 1)
    x, y = np.meshgrid(middles, middles)
    chop = fractal_noise(rng, shape, wavelength_px=14, octaves=3, gain=0.7)
    swell = (
        1 + 0.05 * np.sin((x * 0.94 + y * 0.34) * 2 * np.pi / 95 + 2.2 * bars + off / 300) + 0.035 * chop + 0.05 * curl
    )
    drought = 1 + 0.42 * fractal_noise(rng, shape, wavelength_px=120, octaves=6, gain=0.65)
    return Variation(
        drought=np.clip(drought, 0, 2.4).astype(np.float32),
        shallow=np.clip(shallow, 0, 1).astype(np.float32),
        mud=np.clip(mud, 0, 1).astype(np.float32),
        surf=np.clip(surf, 0, 1).astype(np.float32),
        swell=swell.astype(np.float32),
    )


def shifter(fields: Variation, *, day_of_year: int, flow: float, surf: float) -> Shift:
    """How shares move between materials on a day.

    ``flow`` 0-1 is how muddy the river runs, ``surf`` 0-1 how strong the swell is.
    """
    dry_today = np.float32(dryness(day_of_year))

    def shift(cover: Floats, rows: slice) -> None:
        dry = np.minimum(dry_today * fields.drought[rows].reshape(-1), 0.6)
        foam = surf * fields.surf[rows].reshape(-1)
        mud = np.minimum(flow * fields.mud[rows].reshape(-1), 0.92) * (1 - foam)
        shallow = 0.75 * fields.shallow[rows].reshape(-1) * (1 - foam - mud)
        for lit in (0, len(MATERIALS)):
            for name, thirst in _IRRIGATED.items():
                _move(cover, CODE[name] + lit, ((CODE["grass dry"] + lit, dry * np.float32(thirst)),))
            cover[:, CODE["sea"] + lit] *= fields.swell[rows].reshape(-1)
            parts = (("foam", foam), ("sea turbid", mud), ("sea shallow", shallow))
            _move(cover, CODE["sea"] + lit, tuple((CODE[name] + lit, share) for name, share in parts))

    return shift


def _move(cover: Floats, source: int, parts: tuple[tuple[int, Floats], ...]) -> None:
    whole = cover[:, source].copy()
    for target, share in parts:
        moved = whole * share
        cover[:, target] += moved
        cover[:, source] -= moved
