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
_STRIP_CELLS = 6


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
    tallest = int(height[max(first - 60, 0) : last + 60].max())
    reach = int(tallest * run) + 1
    for step in [*range(1, min(reach, 12)), *range(12, reach + 1, 2)]:  # nothing tall is narrower than 2 m
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
    down_slot = (np.arange(down, dtype=np.int32) * np.int32(across * kinds)).repeat(CELL_M)
    across_slot = (np.arange(across, dtype=np.int32) * np.int32(kinds)).repeat(CELL_M)
    slot = down_slot[:, None] + across_slot
    slot += canvas.material[first:last] + shade.view(np.uint8) * np.uint8(len(MATERIALS))
    weight = canvas.tone[first:last].reshape(-1)
    total = np.bincount(slot.reshape(-1), weights=weight, minlength=across * down * kinds)
    return total.astype(np.float32).reshape(-1, kinds) * np.float32(1 / (PLAIN * CELL_M**2))


Shift = Callable[[Floats, slice], tuple[Floats, Floats]]
"""What varies within a material: given the cover of the cells of some rows, (cells, 2 x materials), the shares
that turn into something else, (cells, n), and the change of reflectance that goes with each, (n, band)."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """What a date does to the ground."""

    table: Floats
    """Reflectance of the materials, (material, band)."""
    shift: Shift


def mixed(canvas: Canvas, sun: Sun, days: list[Day], *, relief: Floats, threads: int = 2) -> list[Floats]:
    """Surface reflectance of 5 m cells on dates that share a sun: float32 (band, y, x) each.

    Parameters
    ----------
    canvas
        The 1 m maps.
    sun
        Casts the shadows.
    days
        Spectra of each date.
    relief
        Relative light on each cell's slope, (y, x).
    threads
        How many strips are worked on at once.

    """
    cells = canvas.land.extent_m // CELL_M
    bands = len(SKYLIGHT)
    out = [np.empty((bands, cells, cells), np.float32) for _ in days]
    tables = np.concatenate([np.concatenate([day.table, day.table * SKYLIGHT]) for day in days], 1)

    def strip(start: int) -> None:
        stop = min(start + _STRIP_CELLS, cells)
        cover = _cover(canvas, sun, start * CELL_M, stop * CELL_M)
        light = relief[start:stop].reshape(-1)
        for number, (target, day) in enumerate(zip(out, days, strict=True)):
            shares, change = day.shift(cover, slice(start, stop))
            signal = cover @ tables[:, number * bands : (number + 1) * bands] + shares @ change
            target[:, start:stop] = (signal.T * light).reshape(bands, stop - start, cells)

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
    return np.asarray(weights / weights.sum(), np.float32)


def through_optics(cells: Floats, *, pixel_m: int) -> Floats:
    """What pixels of ``pixel_m`` (a multiple of 10) see of 5 m cells: (y, x) to (y, x).

    The point-spread function is a box of the pixel blurred by a Gaussian of 0.4 pixel, which brings
    the modulation at the Nyquist frequency to 0.29, about what Sentinel-2 states for itself.
    """
    kernel, step = _kernel(pixel_m, 0.4 * pixel_m), pixel_m // CELL_M
    pad = (len(kernel) - step) // 2
    padded = np.pad(cells, pad, mode="edge")
    n_rows, n_cols = cells.shape[0] // step, cells.shape[1] // step
    rows = np.zeros((n_rows, padded.shape[1]), np.float32)
    for i, weight in enumerate(kernel):
        rows += weight * padded[i : i + step * n_rows : step]
    pixels = np.zeros((n_rows, n_cols), np.float32)
    for i, weight in enumerate(kernel):
        pixels += weight * rows[:, i : i + step * n_cols : step]
    return pixels
