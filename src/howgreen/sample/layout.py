"""The terrain: coast, river, and a warped coordinate system in which streets follow both.

Local coordinates are metres, x to the east and y to the *south* from the image's top left corner. The large shapes
scale with the extent (unit ``u`` = extent / 9000), so that a small variant for tests has every part; streets, houses
and trees keep their true size.

Streets are straight lines in *warped* coordinates (X, Y): X is about the distance from the coast, Y the distance from
the river, plus gentle waves. Straight there is curved on the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from shapely import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry

from howgreen.sample.identity import EXTENT_M

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

CRS = "EPSG:32625"
"""UTM zone 25 north: the city lies in the open Atlantic, where it cannot be mistaken for a real place."""
LEFT_M, TOP_M = 496_800.0, 4_992_000.0
"""Easting and northing of the image's top left corner (about 45.08 N, 33.04 W); multiples of 60 m."""

COAST_X, RIVER_Y = 1500.0, 4900.0
CENTRE = (2550.0, 4250.0)
EXCLAVE = (8180.0, 8130.0)
EXCLAVE_RADIUS = 690.0


@dataclass(frozen=True, kw_only=True)
class Wave:
    """One sinusoid of a warp: amplitude x sin(kx x + ky y + phase)."""

    amplitude: float
    kx: float
    ky: float
    phase: float


@dataclass(frozen=True, kw_only=True)
class Land:
    """The large shapes for one seed and extent."""

    seed: int
    extent_m: int
    bend_x: tuple[Wave, ...]
    bend_y: tuple[Wave, ...]
    phases: tuple[float, ...]
    """Phases of coast and river."""

    @property
    def u(self) -> float:
        """Scale of the large shapes; 1 for the full city."""
        return self.extent_m / EXTENT_M

    def coast(self, y: Doubles) -> Doubles:
        """Return how far east of its mean line the coast lies."""
        p, s = self.phases, y / self.u
        offset: Doubles = self.u * (360 * np.sin(s / 1150 + p[0]) + 95 * np.sin(s / 420 + p[1]))
        return offset

    def river(self, x: Doubles) -> Doubles:
        """Return how far south of its mean line the river lies."""
        p, s = self.phases, x / self.u
        offset: Doubles = self.u * (230 * np.sin(s / 840 + p[2]) + 60 * np.sin(s / 390 + p[3]))
        return offset

    def _fades(self, x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
        near_coast = np.exp(-(((x / self.u - COAST_X) / 3000) ** 2))
        near_river = np.exp(-(((y / self.u - RIVER_Y) / 2300) ** 2))
        return near_coast, near_river

    def bend(self, x: Doubles, y: Doubles) -> tuple[Doubles, Doubles]:
        """Return the warped coordinates (X, Y) of points."""
        near_coast, near_river = self._fades(x, y)
        big_x = x - self.coast(y) * near_coast
        big_y = y - self.river(x) * near_river
        for wave in self.bend_x:
            big_x = big_x + wave.amplitude * np.sin(wave.kx * x + wave.ky * y + wave.phase)
        for wave in self.bend_y:
            big_y = big_y + wave.amplitude * np.sin(wave.kx * x + wave.ky * y + wave.phase)
        return big_x, big_y

    def bend_window(self, xs: Doubles, ys: Doubles) -> tuple[Floats, Floats]:
        """Warp all points of a window, (y, x); fast because every term is a product."""
        near_coast, near_river = self._fades(xs, ys)
        ones_x, ones_y = np.ones_like(xs), np.ones_like(ys)
        down_x, across_x = [ones_y, -self.coast(ys)], [xs, near_coast]
        down_y, across_y = [ys, -near_river], [ones_x, self.river(xs)]
        for down, across, waves in ((down_x, across_x, self.bend_x), (down_y, across_y, self.bend_y)):
            for wave in waves:
                a, b = wave.kx * xs + wave.phase, wave.ky * ys
                down += [wave.amplitude * np.cos(b), wave.amplitude * np.sin(b)]
                across += [np.sin(a), np.cos(a)]
        return _product(down_x, across_x), _product(down_y, across_y)

    def unbend(self, points: Doubles) -> Doubles:
        """Return local (x, y) of warped (X, Y), shape (n, 2), to about a decimetre (fixed-point iteration)."""
        guess = points.copy()
        for _ in range(10):
            big_x, big_y = self.bend(guess[:, 0], guess[:, 1])
            guess += 0.9 * (points - np.stack([big_x, big_y], 1))
        return guess

    def line(self, *points: tuple[float, float]) -> LineString:
        """Return the ground curve through warped points given in units of u."""
        corners = np.array(points, float) * self.u
        steps = np.linspace(0, len(corners) - 1, 60 * (len(corners) - 1) + 1)
        smooth = np.stack([_through(corners[:, axis], steps) for axis in (0, 1)], 1)
        return LineString(self.unbend(smooth))

    @cached_property
    def sea(self) -> Polygon:
        """Everything west of the coast."""
        rng = np.random.default_rng([self.seed, 21])
        y = np.arange(-300.0, self.extent_m + 300.0, 6.0)
        detail = np.zeros_like(y)
        for amplitude, step in ((7.0, 100.0), (3.5, 40.0), (1.5, 16.0)):
            knots = np.arange(y[0] - step, y[-1] + 2 * step, step)
            detail += amplitude * np.interp(y, knots, rng.standard_normal(len(knots)))
        x = COAST_X * self.u + self.coast(y) + detail
        return Polygon([(-400.0, -300.0), *zip(x, y, strict=True), (-400.0, float(y[-1]))]).buffer(0)

    @cached_property
    def river_line(self) -> LineString:
        """Centre line of the river, from the east to the sea."""
        x = np.arange(self.extent_m + 300.0, (COAST_X - 500) * self.u, -10.0)
        return LineString(np.stack([x, RIVER_Y * self.u + self.river(x)], 1))

    @cached_property
    def river_area(self) -> BaseGeometry:
        """The river without its islands; wider towards the mouth."""
        points = np.asarray(self.river_line.coords)
        s = points[:, 0] / self.u
        width = (62 + 75 * np.exp(-(((s - 1300) / 750) ** 2)) + 8 * np.sin(s / 130) + 5 * np.sin(s / 47)) * self.u**0.5
        slope = np.gradient(points[:, 1], points[:, 0])
        normal = np.stack([-slope, np.ones_like(slope)], 1) / np.hypot(slope, 1)[:, None]
        banks = [points + sign * normal * width[:, None] / 2 for sign in (1, -1)]
        area = Polygon(np.concatenate([banks[0], banks[1][::-1]])).buffer(0)
        return area.difference(self.island)

    @cached_property
    def island(self) -> Polygon:
        """A long island in the river."""
        x = np.linspace(3560, 3860, 40) * self.u
        half = 13 * self.u**0.5 * np.sin(np.linspace(0, np.pi, 40)) ** 0.7
        middle = RIVER_Y * self.u + self.river(x) + 3
        upper, lower = np.stack([x, middle - half], 1), np.stack([x, middle + half], 1)
        return Polygon(np.concatenate([upper, lower[::-1]])).buffer(0)

    def point(self, x: float, y: float) -> Point:
        """Return the ground point of warped (x, y), in units of u."""
        return Point(self.unbend(np.array([[x * self.u, y * self.u]]))[0])


def _product(down: list[Doubles], across: list[Doubles]) -> Floats:
    """Sum the products of factors, (y, x), in pieces small enough that BLAS starts no threads of its own."""
    left, right = np.array(down, np.float32).T, np.array(across, np.float32)
    out = np.empty((left.shape[0], right.shape[1]), np.float32)
    step = max(1, 200_000 // right.size)
    for start in range(0, len(left), step):
        np.matmul(left[start : start + step], right, out=out[start : start + step])
    return out


def _through(values: Doubles, steps: Doubles) -> Doubles:
    """Return a smooth curve through equally spaced values (Catmull-Rom)."""
    padded = np.concatenate([[2 * values[0] - values[1]], values, [2 * values[-1] - values[-2]]])
    k = np.minimum(steps.astype(int), len(values) - 2)
    f = steps - k
    a, b, c, d = (padded[k + shift] for shift in range(4))
    curve: Doubles = 0.5 * (2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3)
    return curve


def _waves(rng: np.random.Generator, u: float) -> tuple[Wave, ...]:
    waves = []
    for length, amplitude in (
        (4200 * u + 600, 95 * u + 5),
        (2300 * u + 400, 55 * u + 4),
        (1100.0, 13.0),
        (520.0, 5.0),
        (230.0, 2.4),
    ):
        angle = rng.uniform(0, 2 * np.pi)
        k = 2 * np.pi / length
        waves.append(
            Wave(amplitude=amplitude, kx=k * np.cos(angle), ky=k * np.sin(angle), phase=rng.uniform(0, 2 * np.pi))
        )
    return tuple(waves)


def make_land(seed: int, *, extent_m: int = EXTENT_M) -> Land:
    """Make the land for a seed. ``extent_m`` must be a multiple of 60, so that 10, 20 and 30 m grids fit."""
    if extent_m % 60 or extent_m < 600:
        raise ValueError(f"extent_m={extent_m}: use a multiple of 60, at least 600")
    rng = np.random.default_rng([seed, 1])
    u = extent_m / EXTENT_M
    jitter = rng.uniform(-0.5, 0.5, 4)
    return Land(
        seed=seed,
        extent_m=extent_m,
        bend_x=_waves(rng, u),
        bend_y=_waves(rng, u),
        phases=(0.6 + jitter[0], 2.0 + jitter[1], 4.1 + jitter[2], 1.0 + jitter[3]),
    )
