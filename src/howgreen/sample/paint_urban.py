"""Blocks of the built-up city seen from above: one painter for each use."""

from __future__ import annotations

import numpy as np

from howgreen.sample.canvas import Bools, Floats, Ground, Ints, rows
from howgreen.sample.spectra import CODE

RED_ROOFS = (("tile red", 0.62), ("tile brown", 0.28), ("slate", 0.10))
MIXED_ROOFS = (("tile red", 0.36), ("tile brown", 0.24), ("slate", 0.16), ("gravel roof", 0.14), ("bitumen", 0.10))
FLAT_ROOFS = (("gravel roof", 0.42), ("roof concrete", 0.30), ("bitumen", 0.20), ("solar", 0.08))
HALL_ROOFS = (
    ("metal grey", 0.30),
    ("gravel roof", 0.20),
    ("white membrane", 0.14),
    ("bitumen", 0.14),
    ("roof concrete", 0.10),
    ("metal blue", 0.07),
    ("solar", 0.05),
)


def roofs(
    g: Ground, where: Bools, key: np.ndarray, choice: tuple[tuple[str, float], ...], *, height: Floats | float
) -> None:
    """Paint roofs with a material and a tone drawn by key."""
    dice, tone = g.pick(key, 5), 0.80 + 0.40 * g.pick(key, 6)
    low = 0.0
    for name, share in choice:
        g.put(where & (dice >= low) & (dice < low + share + 1e-6), name, tone=tone)
        low += share
    np.copyto(g.height, np.asarray(height).astype(np.uint8), where=where)


def street(g: Ground, *, pavement: str = "concrete", trees: float = 0.5, radius: float = 3.4) -> None:
    """Paint carriageway, pavements, and a row of trees along the share ``trees`` of kerbs."""
    road = g.d < 0
    g.put(road, "asphalt old" if g.rng.random() < 0.4 else "asphalt", tone=0.85 + 0.3 * float(g.rng.random()))
    g.put(road & (g.d > -2.0), pavement, tone=0.82)
    near = np.flatnonzero((g.d < 1.25 * radius - 1.4) & (g.height < 4))
    edge = g.edge.take(near).astype(np.int64)
    tree, along = rows(g.t.take(near), 13)
    key = tree + edge * 64
    in_row = (g.pick(edge, 1) < trees) & (g.pick(key, 2) < 0.82)
    size = radius * (0.75 + 0.5 * g.pick(key, 3))
    off = (along - 6.5) ** 2 + (g.d.take(near) + 1.4) ** 2
    crown = in_row & (off < size**2)
    at = near[crown]
    g.material[at] = CODE["broadleaf"]
    g.tone[at] = 0.85 + 0.3 * g.pick(key[crown], 4)
    g.height[at] = (9 - 0.25 * off[crown]).clip(3, 12).astype(np.uint8)


def perimeter(
    g: Ground, *, depth: float, height: float, plot: float, roofing: tuple[tuple[str, float], ...], court_green: float
) -> None:
    """Paint closed rows of houses around a courtyard: old town and inner city."""
    house, across = rows(g.t, plot)
    key = house + g.edge * 64
    deep = depth * (0.8 + 0.45 * g.pick(key, 1))
    g.put(g.d >= 0, "cobbles", tone=0.95)
    court = g.d >= deep
    g.put(court & (g.patch + 1.8 * court_green > 0.9), "lawn")
    rear = court & (g.pick(key, 2) < 0.35) & (g.d < deep + 9) & (across < plot * 0.6)
    roofs(g, rear, key + 17, roofing, height=6)
    g.trees(court_green, court & ~rear, conifer=0.03)
    front = (g.d >= 0) & ~court & (g.pick(key, 3) > 0.035)
    ridge = 1 + 0.16 * np.sign(g.d - deep / 2) * np.cos(g.edge * 1.7 + g.rng.random())
    roofs(g, front, key, roofing, height=height * (0.8 + 0.4 * g.pick(key, 4)))
    g.tone[front] *= ridge[front].astype(np.float32)


def old_town(g: Ground) -> None:
    """Dense roofs, narrow courts."""
    perimeter(g, depth=12, height=11, plot=9, roofing=RED_ROOFS, court_green=0.22)
    street(g, pavement="cobbles", trees=0.04)


def inner(g: Ground) -> None:
    """Tall blocks of the nineteenth century."""
    perimeter(g, depth=14, height=17, plot=18, roofing=MIXED_ROOFS, court_green=0.25 + 0.35 * float(g.rng.random()))
    street(g, trees=0.5)


def square(g: Ground) -> None:
    """Paint a paved square with trees around it, or a church on it."""
    g.put(g.d >= 0, "cobbles", tone=1.1)
    g.trees(0.8, (g.d > 2) & (g.d < 8), conifer=0.0)
    if g.rng.random() < 0.6:
        nave = (np.abs(g.u) < 17) & (np.abs(g.v) < 7) & (g.d > 3)
        g.put(nave, "copper" if g.rng.random() < 0.4 else "slate", height=18)
    street(g, pavement="cobbles", trees=0.1)


def gardens(g: Ground, *, plot: float, tree_share: float) -> tuple[Ints, Floats]:
    """Paint lawns, beds, hedges, drives and trees of house plots; return the plots' keys and metres across them."""
    number, across = rows(g.t, plot)
    key = number + g.edge * 64
    lot = g.d >= 0
    g.put(lot, "lawn", tone=0.88 + 0.24 * g.pick(key, 1))
    g.put(lot & (g.patch_at(3) > 1.1), "vegetable bed")
    g.put(lot & (g.patch_at(7) + 0.7 * g.pick(key, 9) > 1.75), "gravel", tone=0.9)
    g.put(lot & (across < 1.1) & (g.d > 4) & (g.pick(key, 2) < 0.65), "shrub", height=2)
    g.put(lot & (g.d < 1.2) & (g.pick(key, 3) < 0.5), "shrub", height=1)
    g.trees(tree_share * (0.5 + g.pick(key, 4)), lot, conifer=0.18)
    drive = (g.d >= 0) & (g.d < 9) & (across > plot - 3.6) & (across < plot - 0.8)
    g.put(drive & (g.pick(key, 5) < 0.8), "concrete", tone=0.85)
    g.put(lot & (g.d < 5) & (g.pick(key, 7) < 0.25), "concrete", tone=0.8)
    return key, across


def _detached(
    g: Ground, *, plot: float, setback: float, depth: float, margin: float, tree_share: float, height: float
) -> None:
    key, across = gardens(g, plot=plot, tree_share=tree_share)
    front = setback * (0.7 + 0.6 * g.pick(key, 8))
    deep = front + depth * (0.8 + 0.5 * g.pick(key, 9))
    side = margin * (0.6 + 0.8 * g.pick(key, 10))
    body = (g.d > front) & (g.d < deep) & (across > side) & (across < plot - margin) & (g.pick(key, 11) > 0.05)
    g.put((g.d >= deep) & (g.d < deep + 3.5) & (across > side) & (across < plot - margin * 1.4), "gravel", tone=0.95)
    ridge = np.where(g.d < (front + deep) / 2, 0.9, 1.08) + 0.06 * (g.edge % 2)
    roofs(g, body, key, RED_ROOFS if g.pick(g.edge[:1].astype(np.int64), 12)[0] < 0.7 else MIXED_ROOFS, height=height)
    g.tone[body] *= ridge[body].astype(np.float32)
    shed = (g.d > deep + 9) & (g.d < deep + 13) & (across > 2) & (across < 5.5) & (g.pick(key, 13) < 0.4)
    g.put(shed, "tile brown", height=2)


def houses(g: Ground) -> None:
    """Detached houses in gardens."""
    _detached(
        g,
        plot=float(g.rng.uniform(15, 20)),
        setback=5.5,
        depth=11,
        margin=3.2,
        tree_share=0.20 + 0.14 * float(g.rng.random()),
        height=7,
    )
    street(g, trees=0.35, radius=2.8)


def terraces(g: Ground) -> None:
    """Rows of narrow houses."""
    _detached(g, plot=float(g.rng.uniform(7, 9)), setback=4, depth=10, margin=0.3, tree_share=0.16, height=8)
    street(g, trees=0.3, radius=2.6)


def villas(g: Ground) -> None:
    """Large houses among old trees, some with a pool."""
    plot = float(g.rng.uniform(27, 38))
    _detached(g, plot=plot, setback=10, depth=13, margin=7, tree_share=0.42 + 0.2 * float(g.rng.random()), height=8)
    number, across = rows(g.t, plot)
    key = number + g.edge * 64
    pool = (np.abs(across - plot * 0.6) < 4.5) & (np.abs(g.d - 36) < 2.5) & (g.pick(key, 14) < 0.22)
    g.put(pool, "pool")
    street(g, trees=0.55)


def village(g: Ground) -> None:
    """Farmhouses, barns and gardens."""
    _detached(g, plot=24, setback=4, depth=15, margin=5, tree_share=0.3, height=7)
    street(g, pavement="gravel", trees=0.15)


def estate(g: Ground) -> None:
    """Slabs of flats on lawns, with rows of parked cars between."""
    pitch, length = float(g.rng.uniform(42, 56)), float(g.rng.uniform(60, 95))
    lot = g.d >= 0
    g.put(lot, "lawn", tone=1.0)
    (row, in_v), (col, in_u) = rows(g.v, pitch), rows(g.u, length)
    key = row * 37 + col * 11
    g.put(lot & (g.patch > 1.6), "bark path")
    g.trees(0.16 + 0.24 * float(g.rng.random()), lot, conifer=0.1)
    parking = lot & (in_v > pitch - 17) & (in_v < pitch - 2) & (g.pick(row, 1) < 0.55) & (g.d > 3)
    g.put(parking, "asphalt", tone=1.05)
    g.put(lot & (np.abs(in_v - 16) < 1.2), "concrete", tone=0.8)
    slab = (in_v > 2) & (in_v < 14) & (in_u > 6) & (in_u < length - 6) & (g.d > 5) & (g.pick(key, 2) > 0.12)
    roofs(g, slab, key, FLAT_ROOFS, height=14 + 12 * g.pick(key, 3))
    street(g, trees=0.5)


def industry(g: Ground) -> None:
    """Halls and yards."""
    lot = g.d >= 0
    length, pitch = float(g.rng.uniform(60, 150)), float(g.rng.uniform(48, 105))
    (row, in_v), (col, in_u) = rows(g.v + np.float32(pitch / 2), pitch), rows(g.u + np.float32(length / 2), length)
    key = row * 37 + col * 11
    in_v, in_u = np.abs(in_v - np.float32(pitch / 2)), np.abs(in_u - np.float32(length / 2))
    yard = g.pick(key, 1)
    g.put(lot, "asphalt", tone=0.85 + 0.5 * yard)
    g.put(lot & (yard > 0.55), "concrete", tone=0.75 + 0.3 * yard)
    g.put(lot & (yard > 0.9), "gravel")
    g.put(lot & (g.pick(key, 2) > 0.9), "meadow")
    half_v = pitch * (0.24 + 0.18 * g.pick(key, 3))
    half_u = length * (0.26 + 0.18 * g.pick(key, 4))
    hall = (in_v < half_v) & (in_u < half_u) & (g.d > 7) & (g.pick(key, 7) > 0.14)
    roofs(g, hall, key, HALL_ROOFS, height=7 + 7 * g.pick(key, 8))
    skylight = hall & (rows(in_u, 12)[1] < 1.5) & (g.pick(key, 9) < 0.5)
    g.tone[skylight] *= np.float32(1.25)
    rim = lot & (g.d < 5)
    g.put(rim & (g.pick(g.edge.astype(np.int64), 10) < 0.5), "lawn")
    g.trees(0.45, rim, conifer=0.1)
    street(g, trees=0.15)


def shops(g: Ground) -> None:
    """One big flat roof and its car park."""
    lot = g.d >= 0
    g.put(lot, "asphalt")
    width = float(np.percentile(np.abs(g.u), 98))
    hall = (g.u < 0.15 * width) & (g.d > 9)
    g.put(hall, ("white membrane", "gravel roof", "roof concrete")[int(g.rng.integers(3))], height=8)
    bays = lot & ~hall & (rows(g.v, 17)[1] < 2.2) & (g.d > 4)
    g.put(bays, "lawn")
    g.trees(0.5, bays, conifer=0.0)
    g.put(lot & (g.d < 3.5), "lawn")
    street(g, trees=0.3)


def school(g: Ground) -> None:
    """Paint buildings, a yard and a field."""
    lot = g.d >= 0
    g.put(lot, "lawn")
    g.put(lot & (g.u < 5), "cobbles")
    wings = ((np.abs(g.u + 26) < 8) | (np.abs(g.v) < 7)) & (g.u < 2) & (g.d > 8)
    g.put(wings, "gravel roof" if g.rng.random() < 0.6 else "tile red", height=11)
    field = (g.u > 14) & (g.d > 10)
    g.put(field, "turf" if g.rng.random() < 0.7 else "artificial turf")
    g.trees(0.7, lot & (g.d < 8), conifer=0.05)
    street(g, trees=0.4)
