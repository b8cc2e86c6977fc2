"""Variation within materials and with the terrain: dry grass, slopes, and a sea with mud, surf and swell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from howgreen.sample.canvas import Canvas
from howgreen.sample.layout import COAST_X, RIVER_Y, Land
from howgreen.sample.light import CELL_M, Shift, Sun
from howgreen.sample.spectra import CODE, MATERIALS, SKYLIGHT, dryness, season_table
from howgreen.sample.texture import fractal_noise, resized

Floats = npt.NDArray[np.float32]
_THIRST = {"lawn": 0.9, "meadow": 1.15, "turf": 0.25}
"""How readily each grass dries."""
_SEA = CODE["sea"]


@dataclass(frozen=True, kw_only=True)
class Variation:
    """Fields over the 5 m cells, (y, x)."""

    drought: Floats
    """Drought relative to the mean 1: how much drier than usual a spot is."""
    hills: Floats
    """Metres above a plain; only their slopes matter."""
    shallow: Floats
    """Share of sea over visible ground, 0-1."""
    mud: Floats
    """Share of sea with river mud at full flow, 0-1."""
    surf: Floats
    """Share of foam at a strong swell, 0-1."""
    swell: Floats
    """Brightness of the sea's surface, mean 0."""


def _far_from(canvas: Canvas, names: tuple[str, ...], cells: int) -> Floats:
    """Return the distance in metres to the nearest of some materials, by cell, from every tenth 1 m pixel."""
    sample = canvas.material[5::10, 5::10]
    away = ~np.isin(sample, [CODE[name] for name in names])
    if away.all():
        return np.full((cells, cells), 1e6, np.float32)
    far = ndimage.distance_transform_edt(away).astype(np.float32) * 10
    return np.maximum(resized(far, (cells, cells)), 0)


def _plume(land: Land, middles: npt.NDArray[np.float64]) -> Floats:
    """Return the distance from the river's mouth in plume widths; the current deflects the plume southward."""
    mouth_y = RIVER_Y * land.u + float(land.river(np.array([COAST_X * land.u]))[0])
    mouth_x = COAST_X * land.u + float(land.coast(np.array([mouth_y]))[0])
    x, y = np.meshgrid((middles - mouth_x) / land.u, (middles - mouth_y) / land.u)
    axis = y - 0.0011 * x**2
    return np.hypot(x / 900, axis / (190 + 0.45 * np.abs(x))).astype(np.float32)


def make_variation(canvas: Canvas) -> Variation:
    """Make the variation fields of a painted city."""
    land = canvas.land
    cells, coarse = land.extent_m // CELL_M, land.extent_m // (2 * CELL_M)
    rng, scale = np.random.default_rng([land.seed, 71]), max(land.u, 0.3)

    def noise(wavelength_m: float, octaves: int, gain: float) -> Floats:
        wavelength_px = wavelength_m / (2 * CELL_M)
        return resized(
            fractal_noise(rng, (coarse, coarse), wavelength_px=wavelength_px, octaves=octaves, gain=gain),
            (cells, cells),
        )

    from_land = _far_from(canvas, tuple(m.name for m in MATERIALS if m.cover not in ("sea", "water")), cells)
    from_sand = _far_from(canvas, ("sand", "sand wet"), cells)
    middles = (np.arange(cells, dtype=np.float64) + 0.5) * CELL_M
    curl, bars, chop = noise(1500 * scale, 7, 0.58), noise(500 * scale, 5, 0.5), noise(70, 3, 0.8)
    shallow = np.exp(-from_sand / (190 * scale) * np.exp(-0.35 * curl)) * (1 + 0.16 * bars)
    mud = np.exp(-((_plume(land, middles) * np.exp(0.35 * curl)) ** 1.6))
    mud += 0.35 * np.exp(-from_land / (480 * scale) * np.exp(-0.3 * curl))
    surf = np.exp(-(((from_sand - 20) / 11) ** 2)) * np.clip(0.30 + 0.55 * bars, 0, 1)
    surf += 0.6 * np.exp(-(((from_sand - 58) / 9) ** 2)) * np.clip(bars - 0.5, 0, 1)
    x, y = np.meshgrid(middles, middles)
    crests = np.sin((x * 0.94 + y * 0.34) * 2 * np.pi / 95 + 2.5 * bars + 1.5 * curl)
    inland = np.clip((x / land.u - 2600) / 4500, 0.05, 1) * np.clip(np.abs(y / land.u - RIVER_Y) / 2200, 0.05, 1)
    return Variation(
        drought=np.clip(1 + 0.42 * noise(900 * scale, 7, 0.65), 0, 2.4),
        hills=(noise(1900 * scale, 6, 0.42) * 48 * inland).astype(np.float32),
        shallow=np.clip(shallow, 0, 1),
        mud=np.clip(mud, 0, 1),
        surf=np.clip(surf, 0, 1),
        swell=(0.030 * crests * np.clip(1 + curl, 0.2, 2) + 0.03 * chop + 0.05 * curl).astype(np.float32),
    )


def relief(fields: Variation, sun: Sun) -> Floats:
    """Return the light on each cell's slope relative to flat ground (cosine to the sun, damped by skylight)."""
    down, right = np.gradient(fields.hills, CELL_M)
    east, south = sun.shadow_per_m
    # The sun's direction is opposite to the shadow's; a slope that rises towards it faces away from it.
    facing = 1 + right * east + down * south
    return np.asarray(np.clip(0.2 + 0.8 * facing / np.sqrt(1 + right**2 + down**2), 0.45, 1.4), np.float32)


def shifter(fields: Variation, *, day_of_year: int, flow: float, surf: float) -> Shift:
    """Make a function that moves shares between materials on a day.

    ``flow`` 0-1 is the river's turbidity, ``surf`` 0-1 the strength of the swell.
    """
    dry_today, table = np.float32(dryness(day_of_year)), season_table(day_of_year)
    grass = tuple(table[CODE["grass dry"]] - table[CODE[name]] for name in _THIRST)
    waters = tuple(table[CODE[name]] - table[_SEA] for name in ("foam", "sea turbid", "sea shallow"))
    sunlit = np.stack([*grass, *waters, table[_SEA]])
    change = np.ascontiguousarray(np.concatenate([sunlit, sunlit * SKYLIGHT]).T)

    def shift(cover: Floats, rows: slice) -> tuple[Floats, Floats]:
        dry = np.minimum(dry_today * fields.drought[rows].reshape(-1), 0.6)
        foam = np.float32(surf) * fields.surf[rows].reshape(-1)
        mud = np.minimum(np.float32(flow) * fields.mud[rows].reshape(-1), 0.92) * (1 - foam)
        shallow = 0.75 * fields.shallow[rows].reshape(-1) * (1 - foam - mud)
        dried = [(name, dry * np.float32(thirst)) for name, thirst in _THIRST.items()]
        sea = (foam, mud, shallow, fields.swell[rows].reshape(-1))
        turns = [*((CODE[name], share) for name, share in dried), *((_SEA, share) for share in sea)]
        moved = np.empty((2 * len(turns), cover.shape[1]), np.float32)
        for number, (code, share) in enumerate(turns):
            np.multiply(cover[code], share, out=moved[number])
            np.multiply(cover[code + len(MATERIALS)], share, out=moved[number + len(turns)])
        return moved, change

    return shift
