"""City blocks and fields: the warped plane, split repeatedly until each piece suits its use."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import repeat

import numpy as np

from howgreen.sample.identity import EXTENT_M, SEED
from howgreen.sample.layout import CENTRE, COAST_X, EXCLAVE, RIVER_Y, Doubles, Land

Spot = tuple[float, float]

TARGET_M2: dict[str, float] = {
    "old town": 3_800,
    "inner": 9_000,
    "villas": 15_000,
    "houses": 10_500,
    "estate": 30_000,
    "industry": 42_000,
    "allotments": 17_000,
    "orchard": 26_000,
    "farm": 38_000,
    "forest": 70_000,
    "park": 110_000,
    "cemetery": 90_000,
    "sports": 42_000,
    "village": 9_000,
    "meadow": 40_000,
}
"""Area above which a piece is split."""

_SAME = 1e-9
"""Lengths and areas within this relative tolerance are equal: only rounding differs."""
_RURAL = ("orchard", "farm", "forest", "meadow", "allotments")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A convex piece of the warped plane, up to the centre lines of the streets around it."""

    index: int
    corners: Doubles
    """(k, 2) warped metres, counter-clockwise with x right and y up in the warped plane."""
    half_width_m: Doubles
    """(k,): half the width of the street along the edge that starts at each corner."""
    use: str


@dataclass(frozen=True, kw_only=True)
class _Zones:
    land: Land
    k: Doubles
    phase: Doubles

    def use(self, point: Doubles) -> str:
        """Return the land use at a warped point."""
        here = point / self.land.u
        p = (float(here[0]), float(here[1]))
        n1, n2 = (float(value) for value in np.sin(self.k @ here + self.phase).sum(1) / 1.9)
        special = _special(p)
        if special:
            return special
        r = math.hypot(p[0] - CENTRE[0], (p[1] - CENTRE[1]) * 1.05) * (1 + 0.10 * n1)
        if r < 570:
            return "old town"
        if (p[0] < 2350 and 5000 < p[1] < 6250) or (3900 < p[0] < 6300 + 200 * n2 and 4960 < p[1] < 5750 + 150 * n1):
            return "industry"
        if r < 1300:
            return "inner"
        built = _suburb(p, r, n1, n2)
        return built or _country(p, r, n1, n2)


def _near(p: Spot, x: float, y: float, radius: float) -> bool:
    return (p[0] - x) ** 2 + (p[1] - y) ** 2 < radius**2


def _special(p: Spot) -> str:
    if _near(p, *EXCLAVE, 900):
        return "village" if _near(p, EXCLAVE[0] - 60, EXCLAVE[1] + 40, 270) else ""
    for x, y, radius, use in (
        (3230, 3560, 250, "park"),
        (2750, 5560, 190, "park"),
        (4450, 6350, 230, "park"),
        (1980, 3350, 150, "park"),
        (4150, 4500, 190, "cemetery"),
        (3500, 6250, 130, "sports"),
        (4900, 4350, 150, "sports"),
        (3700, 2350, 140, "sports"),
        (6900, 3350, 280, "village"),
        (7150, 6500, 230, "village"),
        (5450, 7900, 240, "village"),
        (2350, 7950, 200, "village"),
    ):
        if _near(p, x, y, radius):
            return use
    return ""


def _suburb(p: Spot, r: float, n1: float, n2: float) -> str:
    if p[0] < 3400 and 1250 < p[1] < 3150 + 200 * n1:
        return "villas"
    if any(
        _near(p, x, y, s) for x, y, s in ((4750, 3300, 620), (3350, 7000, 560), (5450, 6650, 430), (2300, 6700, 300))
    ):
        return "estate"
    if _near(p, 5650, 2250, 520) or _near(p, 6500, 5100, 420):
        return "industry"
    edge = 3450 + 380 * n2
    if r < edge:
        if n1 * n2 > 0.55 and r > 1800:
            return "allotments"
        return "houses"
    return "allotments" if r < edge + 260 and n1 > 0.15 else ""


def _country(p: Spot, r: float, n1: float, n2: float) -> str:
    woods = max(1 - math.hypot((p[0] - x) / rx, (p[1] - y) / ry) for x, y, rx, ry in _WOODS)
    if woods + 0.30 * n1 + 0.12 * n2 > 0.18:
        return "forest"
    if n2 < -0.55 and r < 5600:
        return "orchard"
    return "meadow" if n1 > 0.62 or abs(p[1] - RIVER_Y) < 170 or p[0] < COAST_X + 160 else "farm"


_WOODS = (
    (7300.0, 700.0, 2600.0, 1500.0),
    (3000.0, 300.0, 1500.0, 800.0),
    (3500.0, 8900.0, 1900.0, 700.0),
    (8700.0, 5400.0, 800.0, 1100.0),
    (7500.0, 8900.0, 900.0, 550.0),
)


def _make_zones(land: Land) -> _Zones:
    rng = np.random.default_rng([land.seed, 31])
    length = rng.uniform(1100, 2600, (2, 6))
    angle = rng.uniform(0, 2 * np.pi, (2, 6))
    k = np.stack([np.cos(angle), np.sin(angle)], 2) * (2 * np.pi / length)[..., None]
    return _Zones(land=land, k=k, phase=rng.uniform(0, 2 * np.pi, (2, 6)))


def _area(corners: Doubles) -> float:
    after = corners[np.arange(1, len(corners) + 1) % len(corners)]
    return float(np.sum(corners[:, 0] * after[:, 1] - after[:, 0] * corners[:, 1]) / 2)


def _choices(land: Land) -> Iterator[int]:
    """Yield which of several smallest boxes to take at each tie: those of Sampleton's first build, else the first.

    A fifth of all pieces have two boxes of equal area, and the last bit of a product, which processors round
    differently, must not decide: otherwise every machine would get a different city.
    """
    if (land.seed, land.extent_m) == (SEED, EXTENT_M):
        text = files("howgreen.sample").joinpath("ties.txt").read_text(encoding="ascii")
        yield from map(int, "".join(text.split()))
    yield from repeat(0)


def _long_axis(corners: Doubles, choices: Iterator[int]) -> tuple[Doubles, float]:
    """Return the direction of the longer side of a convex shape's smallest box, and its length-to-width ratio."""
    edges = corners[np.arange(1, len(corners) + 1) % len(corners)] - corners
    units = edges / np.maximum(np.sqrt((edges**2).sum(1)), 1e-9)[:, None]
    normals = units[:, ::-1] * (-1.0, 1.0)
    along, across = np.ptp(corners @ units.T, 0), np.ptp(corners @ normals.T, 0)
    areas = along * across
    smallest = np.flatnonzero(areas <= areas.min() * (1 + _SAME))
    best = int(smallest[next(choices) if len(smallest) > 1 else 0])
    axis = units[best] if along[best] >= across[best] * (1 - _SAME) else normals[best]
    return axis, float(max(along[best], across[best]) / max(min(along[best], across[best]), 1e-9))


def _cut(
    corners: Doubles, widths: Doubles, point: Doubles, normal: Doubles, half_width: float
) -> list[tuple[Doubles, Doubles]]:
    """Split a convex shape by the line through ``point``; the cut edge gets ``half_width``."""
    sides = ((corners - point) @ normal).tolist()
    points, old = corners.tolist(), widths.tolist()
    parts = []
    for sign in (1.0, -1.0):
        new: list[list[float]] = []
        new_widths: list[float] = []
        for i, (here, side) in enumerate(zip(points, sides, strict=True)):
            j = (i + 1) % len(points)
            if sign * side >= 0:
                new.append(here)
                new_widths.append(old[i])
            if side * sides[j] < 0:
                share = side / (side - sides[j])
                new.append([a + (b - a) * share for a, b in zip(here, points[j], strict=True)])
                new_widths.append(half_width if sign * side >= 0 else old[i])
        if len(new) >= 3:
            parts.append((np.array(new), np.array(new_widths)))
    return parts


def _half_width(area: float, use: str, *, near_centre: bool) -> float:
    """Return half of a new street's width: wide between large pieces, narrow in the fields and the old town."""
    if use in _RURAL:
        return 4.5 if area > 3e6 else 2.6 if area > 4e5 else 1.6
    if area > 1.5e6:
        return 11.0
    if area > 2.2e5:
        return 8.0
    if use == "old town":
        return 3.0
    return 6.5 if near_centre or use == "industry" else 5.0


def _final_use(use: str, area: float, rng: np.random.Generator) -> str:
    """Assign another use to some blocks of each zone."""
    dice = rng.random()
    if use in ("houses", "inner", "estate", "villas"):
        for limit, other, most in ((0.035, "park", 6e4), (0.055, "school", 6e4), (0.075, "shops", 6e4)):
            if dice < limit and 4_000 < area < most:
                return other
        if dice > 0.985 and use != "inner":
            return "allotments"
        if use == "houses" and dice > 0.74:
            return "terraces"
    if use == "farm" and dice < 0.05:
        return "meadow"
    if use == "old town" and dice < 0.05:
        return "square"
    return use


def _split(
    corners: Doubles, widths: Doubles, use: str, zones: _Zones, rng: np.random.Generator, choices: Iterator[int]
) -> list[tuple[Doubles, Doubles]]:
    axis, shape = _long_axis(corners, choices)
    area = _area(corners)
    wild = 0.32 if use in ("old town", "farm", "forest") or area > 1e6 else 0.13
    angle = rng.normal(0, wild * 0.6)
    normal = np.array(
        [axis[0] * np.cos(angle) - axis[1] * np.sin(angle), axis[0] * np.sin(angle) + axis[1] * np.cos(angle)]
    )
    along = corners @ axis
    share = rng.uniform(0.40, 0.60) if shape < 2.4 else rng.uniform(0.3, 0.7)
    point = corners.mean(0) + axis * (along.min() + share * np.ptp(along) - corners.mean(0) @ axis)
    near_centre = bool(np.hypot(*(point / zones.land.u - CENTRE)) < 1500)
    return _cut(corners, widths, point, normal, _half_width(area, use, near_centre=near_centre))


def make_blocks(land: Land) -> Iterator[Block]:
    """Yield all blocks of the land, in a fixed order; they tile the warped plane east of the coast."""
    zones, rng, u = _make_zones(land), np.random.default_rng([land.seed, 32]), land.u
    choices = _choices(land)
    west, east, north, south = (COAST_X - 400) * u - 60, 10_600 * u, -1600 * u, 10_600 * u
    river = RIVER_Y * u
    todo = [
        (np.array([[west, a], [east, a], [east, b], [west, b]]), np.full(4, 6.0))
        for a, b in ((north, river), (river, south))
    ]
    index = 0
    while todo:
        corners, widths = todo.pop()
        middle, area = corners.mean(0), _area(corners)
        use = zones.use(middle)
        if area > TARGET_M2.get(use, 4e4) * float(
            np.exp(rng.uniform(-0.9, 0.75) if use in _RURAL else rng.uniform(-0.3, 0.4))
        ):
            todo.extend(_split(corners, widths, use, zones, rng, choices))
            continue
        index += 1
        yield Block(index=index, corners=corners, half_width_m=widths, use=_final_use(use, area, rng))
