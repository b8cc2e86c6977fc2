"""Features across the blocks: banks, river, lakes, railway, motorway, coast, harbour, bridges."""

from __future__ import annotations

import numpy as np
from shapely import LineString, Polygon, box, unary_union
from shapely.affinity import rotate, translate
from shapely.geometry.base import BaseGeometry

from howgreen.sample.canvas import Canvas, Ground, area_grounds, fill_area, rows
from howgreen.sample.layout import COAST_X, RIVER_Y, Land
from howgreen.sample.spectra import CODE

_BRIDGES = (2020.0, 2560.0, 3050.0, 3720.0, 4650.0, 5500.0)
"""Street crossings of the river, x in units of u."""


def rail_lines(land: Land) -> tuple[LineString, ...]:
    """Return the railway lines: from the east to the harbour, and a branch to the south."""
    main = land.line(
        (9600, 5720), (8200, 5780), (6900, 5560), (5600, 5560), (4300, 5640), (3300, 5900), (2300, 5860), (1800, 5700)
    )
    branch = land.line((4900, 5580), (4300, 5760), (3980, 6300), (4100, 7400), (3900, 8400), (4200, 9700))
    return main, branch


def motorway_line(land: Land) -> LineString:
    """Return the motorway around the east of the city."""
    return land.line(
        (9700, 2500), (8100, 2850), (6900, 3900), (6620, 4900), (6750, 5900), (6350, 7000), (6700, 8200), (7200, 9700)
    )


def _blob(land: Land, x: float, y: float, radius: float, seed: int) -> Polygon:
    rng = np.random.default_rng([land.seed, 51, seed])
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    shape = 1 + sum(0.26 / k * np.sin(k * angle + rng.uniform(0, 6.28)) for k in range(1, 7))
    middle = land.point(x, y)
    r = radius * land.u**0.8 * shape
    return Polygon(np.stack([middle.x + 1.3 * r * np.cos(angle), middle.y + 0.8 * r * np.sin(angle)], 1)).buffer(0)


def lakes(land: Land) -> BaseGeometry:
    """Lakes and flooded gravel pits."""
    spots = (
        (6150, 6350, 120),
        (5950, 6150, 60),
        (7450, 4330, 95),
        (7700, 4420, 55),
        (5150, 1150, 70),
        (3230, 3540, 55),
    )
    return unary_union([_blob(land, x, y, r, i) for i, (x, y, r) in enumerate(spots)])


def streams(land: Land) -> BaseGeometry:
    """Return a brook from the woods to the river and one from the south."""
    north = land.line((7000, 800), (6350, 1700), (6400, 2700), (5900, 3500), (5750, 4300), (5500, 4900))
    south = land.line((5800, 9700), (5000, 8300), (4700, 7300), (4900, 6500), (4560, 5800), (4300, 4930))
    return unary_union([north.buffer(3.2), south.buffer(2.6)])


def _banks(canvas: Canvas) -> None:
    land = canvas.land
    wide = land.river_area.buffer(34).union(land.island)
    for g in area_grounds(canvas, wide, salt=1):
        town = (g.u / land.u < 3900) & (g.u / land.u > 1100)
        g.put(~town, "meadow", tone=1.0)
        g.trees(np.clip(0.40 + 0.35 * g.patch, 0.02, 0.95), ~town, conifer=0.0)
        g.commit()
    for g in area_grounds(canvas, land.river_area.buffer(13), salt=2):
        quay = (g.u / land.u < 3300) & (g.v > 0)
        g.put(quay, "cobbles", tone=1.15)
        g.trees(0.35, quay, conifer=0.0)
        g.commit()
    for g in area_grounds(canvas, land.island, salt=3):
        g.put(g.v > 0, "meadow")
        g.trees(0.7, conifer=0.0)
        g.commit()
    for g in area_grounds(canvas, unary_union([streams(land).buffer(11), lakes(land).buffer(26)]), salt=4):
        g.put(g.patch > -1.2, "meadow")
        g.trees(np.clip(0.62 + 0.3 * g.patch_at(9), 0.05, 0.97), g.patch > -1.2, conifer=0.02)
        g.commit()


def _railway(canvas: Canvas) -> None:
    land = canvas.land
    lines = unary_union(rail_lines(land))
    _verges(canvas, lines.buffer(13), salt=10)
    yard = land.line((5950, 5545), (5300, 5575), (4600, 5600), (3950, 5720)).buffer(46 * land.u**0.5)
    harbour = land.line((2350, 5870), (1950, 5760)).buffer(26 * land.u**0.5)
    fill_area(canvas, lines.buffer(5), CODE["ballast"])
    for g in area_grounds(canvas, yard.union(harbour), salt=12):
        everywhere = np.ones(len(g.flat), bool)
        weeds = g.patch_at(3) > 1.15
        g.put(everywhere, "ballast", tone=(0.97 + 0.13 * g.patch).astype(np.float32))
        g.put(weeds, "grass dry", tone=0.9)
        g.put(g.patch_at(77) > 2.0, "asphalt old")
        g.commit()


def _verges(canvas: Canvas, area: BaseGeometry, *, salt: int) -> None:
    for g in area_grounds(canvas, area, salt=salt):
        g.put(np.ones(len(g.flat), bool), "meadow", tone=0.97)
        g.put(g.patch > 0.4, "shrub", height=2)
        g.trees(np.clip(0.2 + 0.3 * g.patch_at(5), 0, 0.8), conifer=0.0)
        g.commit()


def _motorway(canvas: Canvas) -> None:
    line = motorway_line(canvas.land)
    _verges(canvas, line.buffer(27), salt=20)
    fill_area(canvas, line.buffer(13), CODE["asphalt"], tone=1.1)
    fill_area(canvas, line.buffer(1.6), CODE["meadow"])


def bridges(land: Land) -> BaseGeometry:
    """Return decks over the river, including the railway's and the motorway's."""
    decks: list[BaseGeometry] = []
    for x in _BRIDGES:
        y = RIVER_Y * land.u + float(land.river(np.array([x * land.u]))[0])
        lean = float(np.random.default_rng([land.seed, 52, int(x)]).uniform(-8, 8))
        reach = 105 * land.u**0.5
        deck = LineString([(x * land.u, y - reach), (x * land.u, y + reach)])
        decks.append(rotate(deck, lean).buffer(7.5, cap_style="flat"))
    near_river = land.river_area.buffer(30)
    decks.append(motorway_line(land).buffer(14).intersection(near_river))
    return unary_union(decks)


def harbour(land: Land) -> tuple[BaseGeometry, BaseGeometry]:
    """Return concrete piers and breakwaters, and the basins cut into the land."""
    u = land.u
    piers: list[BaseGeometry] = []
    basins: list[BaseGeometry] = []
    for south in (5260.0, 5520.0, 5790.0):
        shore = COAST_X * u + float(land.coast(np.array([south * u]))[0])
        basins.append(translate(box(-40 * u, -34 * u, 330 * u, 34 * u), shore, south * u))
        piers.append(translate(box(-300 * u, 70 * u, 60 * u, 165 * u), shore, south * u))
    y = np.linspace(4960, 6230, 60) * u
    bow = 520 * u * np.sin(np.linspace(0.15, 1, 60) * np.pi * 0.97) ** 0.6
    x = COAST_X * u + land.coast(y) - bow
    wall = LineString(np.stack([x, y], 1)).buffer(8)
    mouth_y = 4700 * u
    mouth_x = COAST_X * u + float(land.coast(np.array([mouth_y]))[0])
    mole = LineString(
        [(mouth_x + 10, mouth_y), (mouth_x - 230 * u, mouth_y - 30 * u), (mouth_x - 380 * u, mouth_y + 30 * u)]
    ).buffer(6)
    turn = -2.0
    return unary_union([*(rotate(p, turn) for p in piers), wall, mole]), unary_union([rotate(b, turn) for b in basins])


def coast_water(land: Land) -> BaseGeometry:
    """Return the sea with the harbour's basins, without piers and breakwaters."""
    piers, basins = harbour(land)
    return unary_union([land.sea, basins]).difference(piers)


def beach_area(land: Land) -> BaseGeometry:
    """Sand along the coast, except at the harbour and the mouth."""
    u, rng = land.u, np.random.default_rng([land.seed, 53])
    coast = np.asarray(land.sea.exterior.coords)
    parts = []
    for start, end, wide in ((-0.1, 0.12, 22), (0.12, 0.36, 48), (0.36, 0.475, 30), (0.70, 0.86, 55), (0.86, 1.1, 26)):
        keep = coast[(coast[:, 1] / u > start * 9000) & (coast[:, 1] / u < end * 9000) & (coast[:, 0] > 0)]
        if len(keep) > 1:
            parts.append(LineString(keep).buffer(wide * rng.uniform(0.85, 1.15) * u**0.3))
    return unary_union(parts).difference(land.sea)


def _shore(canvas: Canvas) -> None:
    land = canvas.land
    sand = beach_area(land)
    for g in area_grounds(canvas, sand.buffer(38 * land.u**0.3).difference(land.river_area.buffer(20)), salt=30):
        dune = g.patch_at(3) > -0.3
        g.put(dune, "meadow", tone=(0.96 + 0.08 * g.patch).astype(np.float32))
        g.put(g.patch_at(3) > 0.75, "shrub", height=2)
        g.put(dune & (g.patch_at(41) > 1.15), "sand", tone=0.9)
        g.commit()
    fill_area(canvas, sand, CODE["sand"])
    fill_area(canvas, sand.intersection(land.sea.buffer(9)), CODE["sand wet"])


def _harbour(canvas: Canvas) -> None:
    piers, basins = harbour(canvas.land)
    fill_area(canvas, basins.buffer(24), CODE["concrete"], tone=0.75)
    fill_area(canvas, coast_water(canvas.land), CODE["sea"])
    for g in area_grounds(canvas, piers, salt=35):
        _pier(g)
        g.commit()


def _pier(g: Ground) -> None:
    g.put(np.ones(len(g.flat), bool), "concrete", tone=0.7)
    (column, in_u), (row, _) = rows(g.u, 9), rows(g.v, 14)
    key = column * 31 + row
    stack = g.pick(key, 1)
    for low, name in ((0.80, "tile red"), (0.86, "metal blue"), (0.92, "metal grey"), (0.97, "white membrane")):
        g.put((stack > low) & (in_u < 7.5), name, height=5)


def paint_overlay(canvas: Canvas) -> None:
    """Paint all of it; later features cover earlier ones."""
    land = canvas.land
    _banks(canvas)
    _railway(canvas)
    _motorway(canvas)
    _shore(canvas)
    _harbour(canvas)
    fresh = unary_union([land.river_area, streams(land)]).difference(land.sea)
    fill_area(canvas, fresh, CODE["river"])
    fill_area(canvas, lakes(land), CODE["lake"])
    fill_area(canvas, bridges(land), CODE["asphalt old"], tone=1.1, height=4)
    over = unary_union(rail_lines(land)).buffer(5).intersection(streams(land).buffer(10))
    fill_area(canvas, over, CODE["ballast"], height=3)
