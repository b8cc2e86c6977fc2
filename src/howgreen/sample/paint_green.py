"""Parks, gardens, fields and woods seen from above: one painter for each use."""

from __future__ import annotations

import numpy as np

from howgreen.sample.canvas import Ground, rows
from howgreen.sample.paint_urban import street


def track(g: Ground) -> None:
    """Paint a lane between fields, with grass verges and an occasional hedge."""
    road = g.d < 0
    wide = float(-g.d.min()) > 2.3 if len(g.d) else False
    g.put(road, "asphalt old" if wide else "gravel", tone=0.85)
    g.put(road & (g.d > -0.8), "meadow")
    hedge = (g.pick(g.edge.astype(np.int64), 21) < 0.16) & (g.d > -0.8) & (g.d < 4)
    g.put(hedge, "shrub", height=3)
    g.trees(0.55, hedge, conifer=0.0)


def park(g: Ground) -> None:
    """Paint lawns, groves, winding paths and, in a large park, a pond."""
    lot = g.d >= 0
    g.put(lot, "lawn", tone=1.0 + 0.06 * g.patch_at(5))
    g.put(lot & (g.patch_at(11) > 1.0), "meadow")
    grove = 0.30 + 0.42 * g.patch + 0.5 * np.exp(-np.maximum(g.d, 0) / 9)
    g.trees(np.clip(grove, 0.03, 0.96), lot, conifer=0.12)
    paths = lot & (np.abs(g.patch_at(23)) < 0.05)
    g.put(paths & (g.height < 8), "gravel", tone=0.9)
    if len(g.d) > 25_000:
        pond = (g.u / 62) ** 2 + (g.v / 34) ** 2 + 0.28 * g.patch_at(31) < 1
        g.put(pond & (g.d > 14), "lake")
    street(g, trees=0.6)


def cemetery(g: Ground) -> None:
    """Rows of graves between avenues of trees."""
    lot = g.d >= 0
    g.put(lot, "lawn", tone=0.92)
    in_u, in_v = rows(g.u, 38)[1], rows(g.v, 46)[1]
    g.put(lot & (rows(g.v, 5)[1] < 1.2), "gravel", tone=0.85)
    g.put(lot & ((in_u < 2.4) | (in_v < 2.4)), "gravel")
    g.trees(0.9, lot & ((in_u > 33) | (in_v > 41)), conifer=0.35)
    g.trees(0.22, lot, conifer=0.5)
    g.trees(0.95, lot & (g.d < 7), conifer=0.3)
    g.put((np.abs(g.u) < 9) & (np.abs(g.v) < 13), "slate", height=9)
    street(g, trees=0.3)


def sports(g: Ground) -> None:
    """Paint a pitch in a running track, further pitches, courts, changing rooms."""
    lot = g.d >= 0
    g.put(lot, "lawn")
    g.trees(0.85, lot & (g.d < 9), conifer=0.1)
    oval = (np.maximum(np.abs(g.u) - 42, 0) ** 2 + g.v**2) ** 0.5
    ok = g.d > 4
    g.put(ok & (oval < 46), "tartan")
    stripes = 1 + 0.10 * np.sign(np.sin(g.u * np.pi / 9))
    g.put(ok & (oval < 36), "turf", tone=stripes.astype(np.float32))
    left = g.u + 140
    kind = "artificial turf" if g.rng.random() < 0.5 else "turf"
    g.put(ok & (np.abs(left) < 36) & (np.abs(g.v) < 52), kind, tone=1.0)
    right = g.u - 120
    courts = ok & (np.abs(right) < 24) & (np.abs(g.v) < 42) & (np.abs(rows(right, 20)[1] - 10) < 8)
    g.put(courts & (np.abs(rows(g.v, 40)[1] - 20) < 17), "clay court")
    g.put(ok & (np.abs(g.u) < 30) & (np.abs(g.v - 56) < 6), "roof concrete", height=8)
    street(g, trees=0.3)


def allotments(g: Ground) -> None:
    """Paint small plots: beds, grass, fruit trees, huts."""
    lot = g.d >= 0
    (row, in_v), (col, in_u) = rows(g.v, 15), rows(g.u, 22)
    key = row * 53 + col * 7
    dice = g.pick(key, 1)
    g.put(lot, "lawn", tone=0.85 + 0.3 * g.pick(key, 2))
    bed = (in_u > 9) & (in_v > 2) & (in_v < 13)
    g.put(lot & bed & (dice < 0.7), "vegetable bed", tone=0.8 + 0.4 * g.pick(key, 3))
    g.put(lot & bed & (dice < 0.22), "soil brown")
    g.trees(0.14 + 0.3 * g.pick(key, 4), lot, kind="orchard tree", conifer=0.03)
    g.put(lot & ((in_v < 0.9) | (in_u < 0.9)), "shrub", height=1)
    g.put(lot & (rows(g.v, 30)[1] > 28.2), "gravel", tone=0.95)
    hut = lot & (in_u > 2.5) & (in_u < 7) & (in_v > 4.5) & (in_v < 8.5) & (g.pick(key, 5) < 0.85)
    g.put(hut, "bitumen" if g.rng.random() < 0.5 else "tile brown", height=3, tone=0.8 + 0.6 * g.pick(key, 6))
    house = lot & (in_u > 14) & (in_u < 18) & (in_v > 4) & (in_v < 7) & (g.pick(key, 7) < 0.1)
    g.put(house, "greenhouse", height=2)
    track(g)


def orchard(g: Ground) -> None:
    """Paint rows of small trees on grass; some young."""
    lot = g.d >= 0
    pitch, step, radius = float(g.rng.uniform(4.5, 8)), float(g.rng.uniform(3, 6)), float(g.rng.uniform(1.1, 2.3))
    g.put(lot, "meadow", tone=(1.0 + 0.07 * g.patch).astype(np.float32))
    row, in_v = rows(g.v, pitch)
    tree, in_u = rows(g.u + (row & 1).astype(np.float32) * np.float32(step / 2), step)
    key = row * 67 + tree
    off = (in_v - pitch / 2) ** 2 + (in_u - step / 2) ** 2
    crown = lot & (g.d > 4) & (off < radius**2) & (g.pick(key, 1) > 0.06)
    g.put(crown, "orchard tree", height=round(1.5 + 1.2 * radius), tone=0.85 + 0.3 * g.pick(key, 2))
    track(g)


_CROPS = (
    ("row crop", 0.22),
    ("leafy crop", 0.20),
    ("grain", 0.11),
    ("meadow", 0.19),
    ("soil brown", 0.10),
    ("soil light", 0.05),
    ("stubble", 0.13),
)


def farm(g: Ground) -> None:
    """Paint a field with its own crop, worked in rows, uneven where the soil is."""
    lot = g.d >= 0
    names, shares = zip(*_CROPS, strict=True)
    crop = names[int(np.searchsorted(np.cumsum(shares), g.rng.random()))]
    swing = 0.035 + 0.05 * float(g.rng.random())
    tone = float(np.clip(g.rng.normal(1.04, 0.17), 0.7, 1.45)) * (1 + swing * g.patch + 0.04 * g.patch_at(9))
    lines = 1 + (0.10 if crop in ("stubble", "grain", "meadow") else 0.05) * (
        1 - 2 * (rows(g.v, 9)[0] & 1).astype(np.float32)
    )
    g.put(lot, crop, tone=(tone * lines).astype(np.float32))
    if crop in ("row crop", "leafy crop", "grain"):
        g.put(lot & (rows(g.v, 27)[1] < 0.9), "soil brown")
        g.put(lot & (g.patch_at(17) > 2.3), "soil brown")
    g.put(lot & (g.d < 2.0), "meadow")
    track(g)


def meadow(g: Ground) -> None:
    """Paint grass with scattered trees and bushes, mown in parts."""
    lot = g.d >= 0
    mown = np.where(g.u * 0.8 + 25 * g.patch > float(g.rng.uniform(-60, 60)), 1.1, 0.94) * g.rng.uniform(0.92, 1.22)
    g.put(lot, "meadow", tone=(mown * (1 + 0.07 * g.patch_at(9))).astype(np.float32))
    scatter = float(g.rng.choice([0.01, 0.04, 0.15]))
    g.trees(np.clip(scatter + 0.10 * (g.patch_at(13) - 0.8), 0, 0.7), lot, conifer=0.05)
    g.put(lot & (g.patch_at(29) > 1.9), "shrub", height=2)
    track(g)


def forest(g: Ground) -> None:
    """Stands of broadleaf and conifer, with clearings and rides."""
    stand = float(g.rng.choice([0.06, 0.25, 0.85]))
    g.put(g.d >= -9, "shrub", height=2, tone=(0.9 + 0.05 * g.patch).astype(np.float32))
    clearing = g.patch_at(19) + 0.5 * g.patch > 2.4
    g.put(clearing, "meadow")
    mix = stand + 0.35 * np.sign(g.patch_at(37)) * (np.abs(g.patch_at(37)) > 0.7)
    dense = np.where(clearing, 0.05, 0.98).astype(np.float32)
    g.trees(dense, mix < 0.5, conifer=0.12)
    g.trees(dense, mix >= 0.5, conifer=0.86)
    g.tone *= (1 + 0.07 * g.patch).astype(np.float32)
    ride = g.d < -0.4
    g.put(ride & (g.height < 11), "bark path")
