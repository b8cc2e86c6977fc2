"""Sun, shade, and the physical mixing of 1 m surfaces into what a sensor's pixel sees."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howgreen.sample.canvas import PLAIN, Canvas
from howgreen.sample.spectra import MATERIALS, SKYLIGHT

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

CELL_M = 5
"""Side of the cells in which spectra are mixed, before the point-spread function."""
_STRIP_CELLS = 60
_TALLEST_M = 30


@dataclass(frozen=True, kw_only=True)
class Sun:
    """Where the sun stands."""

    elevation_deg: float
    azimuth_deg: float
    """Clockwise from north."""

    @property
    def shadow_per_m(self) -> tuple[float, float]:
        """Shadow of a height of 1 m: metres to the east and to the *south* (image coordinates)."""
        length = 1 / np.tan(np.radians(self.elevation_deg))
        away = np.radians(self.azimuth_deg + 180)
        return float(length * np.sin(away)), float(-length * np.cos(away))


def sun_at(day_of_year: int, *, latitude_deg: float = 45.0, hour: float = 10.75) -> Sun:
    """The sun at a local solar hour (Cooper's declination formula; about half a degree true)."""
    declination = np.radians(23.45 * np.sin(2 * np.pi * (284 + day_of_year) / 365))
    latitude, angle = np.radians(latitude_deg), np.radians(15 * (hour - 12))
    up = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(angle)
    elevation = np.arcsin(up)
    towards = np.arctan2(
        -np.cos(declination) * np.sin(angle),
        np.sin(declination) * np.cos(latitude) - np.cos(declination) * np.sin(latitude) * np.cos(angle),
    )
    return Sun(elevation_deg=float(np.degrees(elevation)), azimuth_deg=float(np.degrees(towards)) % 360)


def cast_shade(height: Bytes, sun: Sun, *, first: int, last: int) -> npt.NDArray[np.bool_]:
    """Which pixels of rows ``first`` to ``last`` lie in the shade of something higher.

    ``height`` is in metres on 1 m pixels. The ray to the sun is walked in steps of one metre.
    """
    east, south = sun.shadow_per_m
    run = float(np.hypot(east, south))
    size = height.shape[1]
    ground = height[first:last]
    shade = np.zeros(ground.shape, bool)
    raised = np.empty_like(ground)
    for step in range(1, int(_TALLEST_M * run) + 1):
        dx, dy = round(-east / run * step), round(-south / run * step)
        top, bottom = max(first + dy, 0), min(last + dy, height.shape[0])
        left, right = max(dx, 0), min(size + dx, size)
        rows, cols = slice(top - dy - first, bottom - dy - first), slice(left - dx, right - dx)
        np.add(ground, np.uint8(np.ceil(step / run)), out=raised)
        shade[rows, cols] |= height[top:bottom, left:right] > raised[rows, cols]
    return shade


def _cover(canvas: Canvas, sun: Sun, first: int, last: int) -> Floats:
    """Tone-weighted share of every material, sunlit then shaded, in the cells of some rows: (cells, 2 x materials)."""
    size, kinds = canvas.land.extent_m, 2 * len(MATERIALS)
    shade = cast_shade(canvas.height, sun, first=first, last=last)
    across, down = size // CELL_M, (last - first) // CELL_M
    cell = (np.arange(down).repeat(CELL_M) * across)[:, None] + np.arange(across).repeat(CELL_M)[None, :]
    slot = cell.astype(np.int32) * np.int32(kinds)
    slot += canvas.material[first:last]
    slot += shade.view(np.uint8) * np.uint8(len(MATERIALS))
    weight = canvas.tone[first:last].reshape(-1)
    total = np.bincount(slot.reshape(-1), weights=weight, minlength=across * down * kinds)
    return (total.reshape(-1, kinds) / (PLAIN * CELL_M**2)).astype(np.float32)


Shift = Callable[[Floats, slice], None]
"""Moves shares between materials (in place) for the cells of some rows: what varies within a material."""


def mixed(canvas: Canvas, sun: Sun, dates: list[tuple[Floats, Shift]], *, threads: int = 2) -> list[Floats]:
    """Surface reflectance of 5 m cells on dates that share a sun: float32 (band, y, x) each.

    Parameters
    ----------
    canvas
        The 1 m maps.
    sun
        Casts the shadows.
    dates
        For each date the materials' reflectance (material, band), and how shares move within a material.
    threads
        How many strips are worked on at once.

    """
    size = canvas.land.extent_m
    cells = size // CELL_M
    bands = dates[0][0].shape[1]
    out = [np.empty((bands, cells, cells), np.float32) for _ in dates]

    def strip(start: int) -> None:
        stop = min(start + _STRIP_CELLS, cells)
        cover = _cover(canvas, sun, start * CELL_M, stop * CELL_M)
        for target, (table, shift) in zip(out, dates, strict=True):
            moved = cover.copy()
            shift(moved, slice(start, stop))
            both = np.concatenate([table, table * SKYLIGHT])
            target[:, start:stop] = (moved @ both).T.reshape(bands, stop - start, cells)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(strip, range(0, cells, _STRIP_CELLS)))
    return out


def _kernel(pixel_m: float, blur_m: float) -> Floats:
    """Weights of 5 m cells in one pixel: a box of the pixel's size, blurred by a Gaussian of the optics."""
    reach = int(np.ceil((pixel_m / 2 + 2.5 * blur_m) / CELL_M))
    fine = np.arange(-reach * CELL_M, reach * CELL_M) + 0.5
    box = (np.abs(fine) < pixel_m / 2).astype(float)
    gauss = np.exp(-0.5 * ((np.arange(-60, 61)) / blur_m) ** 2)
    response = np.convolve(box, gauss)[60:-60]
    weights = response.reshape(-1, CELL_M).sum(1)
    return (weights / weights.sum()).astype(np.float32)


def through_optics(cells: Floats, *, pixel_m: int) -> Floats:
    """What pixels of ``pixel_m`` (a multiple of 10) see of 5 m cells: (y, x) to (y, x).

    The point-spread function is a box of the pixel blurred by a Gaussian of 0.4 pixel, which brings
    the modulation at the Nyquist frequency to 0.29, about what Sentinel-2 states for itself.
    """
    kernel, step = _kernel(pixel_m, 0.4 * pixel_m), pixel_m // CELL_M
    pad = (len(kernel) - step) // 2
    padded = np.pad(cells, pad, mode="edge")
    n_rows, n_cols = cells.shape[0] // step, cells.shape[1] // step
    rows = sum(w * padded[i : i + step * n_rows : step] for i, w in enumerate(kernel))
    return np.asarray(sum(w * rows[:, i : i + step * n_cols : step] for i, w in enumerate(kernel)), np.float32)  # type: ignore[index]
