"""Sun, shade, and the physical mixing of 1 m surfaces into sensor pixels."""

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
_STRIP_CELLS = 12
_LAYER_CELLS = 2
"""Rows whose cover is held at once: they should fit into the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class Sun:
    """Position of the sun."""

    elevation_deg: float
    azimuth_deg: float
    """Clockwise from north."""

    @property
    def shadow_per_m(self) -> tuple[float, float]:
        """Shadow of an object 1 m high: metres to the east and to the *south* (image coordinates)."""
        length = 1 / np.tan(np.radians(self.elevation_deg))
        away = np.radians(self.azimuth_deg + 180)
        return float(length * np.sin(away)), float(-length * np.cos(away))


def sun_at(day_of_year: int, *, latitude_deg: float = 45.0, hour: float = 10.75) -> Sun:
    """Return the sun at a local solar hour (Cooper's declination formula; accurate to about half a degree)."""
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
    """Return which pixels of rows ``first`` to ``last`` are shaded by something higher.

    ``height`` is in metres on 1 m pixels. The ray to the sun is traced in steps of one metre.
    """
    east, south = sun.shadow_per_m
    run = float(np.hypot(east, south))
    size = height.shape[1]
    ground = height[first:last]
    shade = np.zeros(ground.shape, bool)
    raised = np.empty_like(ground)
    tallest = int(height[max(first - 60, 0) : last + 60].max())
    reach = int(tallest * run) + 1
    for step in [*range(1, min(reach, 12)), *range(12, reach + 1, 2)]:  # no tall object is narrower than 2 m
        dx, dy = round(-east / run * step), round(-south / run * step)
        top, bottom = max(first + dy, 0), min(last + dy, height.shape[0])
        left, right = max(dx, 0), min(size + dx, size)
        if top >= bottom or left >= right:  # the ray has left the image
            break
        rows, cols = slice(top - dy - first, bottom - dy - first), slice(left - dx, right - dx)
        np.add(ground, np.uint8(np.ceil(step / run)), out=raised)
        shade[rows, cols] |= height[top:bottom, left:right] > raised[rows, cols]
    return shade


def _cover(canvas: Canvas, shade: npt.NDArray[np.bool_], first: int) -> Floats:
    """Return tone-weighted shares of all materials, sunlit then shaded, in cells of some rows: (2 x materials, cells)."""
    last, kinds = first + len(shade), 2 * len(MATERIALS)
    across, down = shade.shape[1] // CELL_M, len(shade) // CELL_M
    cells = across * down
    kind = shade.view(np.uint8) * np.uint8(len(MATERIALS))
    kind += canvas.material[first:last]
    slot = (np.arange(kinds) * cells).take(kind)
    slot += np.arange(across).repeat(CELL_M)
    slot += (np.arange(down) * across).repeat(CELL_M)[:, None]
    weight = canvas.tone[first:last].reshape(-1)
    total = np.bincount(slot.reshape(-1), weights=weight, minlength=cells * kinds)
    return np.multiply(total, 1 / (PLAIN * CELL_M**2), dtype=np.float32, casting="same_kind").reshape(kinds, cells)


Shift = Callable[[Floats, slice], tuple[Floats, Floats]]
"""Variation within materials: given the cover of the cells of some rows, (2 x materials, cells), returns the shares
that turn into something else, (n, cells), and the accompanying change of reflectance of each, (band, n)."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """Effects of a date on the ground."""

    table: Floats
    """Reflectance of the materials, (material, band)."""
    shift: Shift


def mixed(canvas: Canvas, sun: Sun, days: list[Day], *, relief: Floats, threads: int = 2) -> list[Floats]:
    """Return surface reflectance of 5 m cells for dates with the same sun position: float32 (band, y, x) each.

    Parameters
    ----------
    canvas
        The 1 m maps.
    sun
        Casts the shadows.
    days
        Spectra of each date.
    relief
        Relative illumination of each cell's slope, (y, x).
    threads
        Number of strips processed at once.

    """
    cells = canvas.land.extent_m // CELL_M
    bands = len(SKYLIGHT)
    out = [np.empty((bands, cells, cells), np.float32) for _ in days]
    tables = [np.concatenate([day.table, day.table * SKYLIGHT]).T for day in days]

    def strip(start: int) -> None:
        stop = min(start + _STRIP_CELLS, cells)
        shade = cast_shade(canvas.height, sun, first=start * CELL_M, last=stop * CELL_M)
        for top in range(start, stop, _LAYER_CELLS):
            rows = slice(top, min(top + _LAYER_CELLS, stop))
            cover = _cover(canvas, shade[(top - start) * CELL_M : (rows.stop - start) * CELL_M], top * CELL_M)
            for target, day, table in zip(out, days, tables, strict=True):
                shares, change = day.shift(cover, rows)
                signal = _weighted(table, cover)
                signal += _weighted(change, shares)
                np.multiply(signal.reshape(bands, -1, cells), relief[rows], out=target[:, rows])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(strip, range(0, cells, _STRIP_CELLS)))
    return out


def _weighted(table: Floats, shares: Floats) -> Floats:
    """Compute ``table @ shares`` in pieces so small that BLAS starts no threads to compete with ours."""
    out = np.empty((len(table), shares.shape[1]), np.float32)
    step = 200_000 // table.size
    for start in range(0, shares.shape[1], step):
        np.matmul(table, shares[:, start : start + step], out=out[:, start : start + step])
    return out


def _kernel(pixel_m: float, blur_m: float) -> Floats:
    """Return the weights of 5 m cells in one pixel: a box of the pixel's size, blurred by a Gaussian for the optics."""
    reach = int(np.ceil((pixel_m / 2 + 2.5 * blur_m) / CELL_M))
    fine = np.arange(-reach * CELL_M, reach * CELL_M) + 0.5
    box = (np.abs(fine) < pixel_m / 2).astype(float)
    gauss = np.exp(-0.5 * ((np.arange(-60, 61)) / blur_m) ** 2)
    response = np.convolve(box, gauss)[60:-60]
    weights = response.reshape(-1, CELL_M).sum(1)
    return np.asarray(weights / weights.sum(), np.float32)


def through_optics(cells: Floats, *, pixel_m: int) -> Floats:
    """Simulate pixels of ``pixel_m`` (a multiple of 10) from 5 m cells: (y, x) to (y, x).

    The point-spread function is a box of the pixel blurred by a Gaussian of 0.4 pixel, which brings the modulation at
    the Nyquist frequency to 0.29, close to Sentinel-2's own specification.
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
