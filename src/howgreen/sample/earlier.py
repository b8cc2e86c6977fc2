"""Sampleton one year earlier: the same city but for a few places, so that the change is exactly known.

Some of the area built up in 2024 was meadow in 2023, and some of the green was bare. Three scenes of that year are
added to the store when a change is requested; nobody else waits for them, and an answer for 2024 does not use them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from howgreen.core.errors import StoreError
from howgreen.core.files import write_atomic
from howgreen.core.geometry import project
from howgreen.core.types import Progress
from howgreen.sample.canvas import PLAIN, Canvas
from howgreen.sample.layout import CRS, LEFT_M, TOP_M, make_land
from howgreen.sample.limits import make_city
from howgreen.sample.paint import paint_city
from howgreen.sample.sensors_sim import SHOTS, Shot
from howgreen.sample.simulation import simulate, store_scene
from howgreen.sample.spectra import CODE, GREEN_CLASSES, MATERIALS
from howgreen.sample.truth import FOLDER

YEAR = 2023
FILE = "earlier.json"
SIDE_M = 120
"""Side of a changed place, in metres."""
BUILT, PLANTED = 6, 4
"""Number of places built on since, and planted since."""
_DAYS = ((6, 30), (7, 20), (8, 29))


@dataclass(frozen=True, kw_only=True)
class EarlierYear:
    """The exact change from 2023 to 2024 inside the limits, counted at 1 m."""

    lost_m2: float
    """Green in 2023, not green in 2024."""
    gained_m2: float
    built: tuple[tuple[float, float, float, float], ...]
    """Boxes (west, south, east, north) in the city's CRS that have been built on since."""
    planted: tuple[tuple[float, float, float, float], ...]


def ensure_earlier(root: Path, *, progress: Progress | None = None) -> EarlierYear | None:
    """Add the earlier year to a store made by :func:`howgreen.sample.ensure`, once; None for any other store.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    named = re.fullmatch(r"sampleton-\d+-(\d+)-(\d+)", root.name)
    if named is None:
        return None
    known = root / FOLDER / FILE
    if known.exists():
        return _read(known)
    seed, extent_m = int(named[1]), int(named[2])
    now = paint_city(make_land(seed, extent_m=extent_m), progress=progress)
    then, found = earlier(now)
    shots = _shots()
    total = sum(len(group) for _, group in shots)
    try:
        for done, scene in enumerate(simulate(then, shots=shots)):
            if progress:
                progress("simulating the year before", done, total)
            store_scene(root, scene)
        write_atomic(known, json.dumps(found.__dict__))
    except OSError as error:
        raise StoreError(f"{root}: cannot write the sample city's earlier year there ({error})") from error
    return found


def _read(path: Path) -> EarlierYear:
    values = json.loads(path.read_text(encoding="utf-8"))
    built, planted = (tuple(tuple(one) for one in values[name]) for name in ("built", "planted"))
    return EarlierYear(lost_m2=values["lost_m2"], gained_m2=values["gained_m2"], built=built, planted=planted)


def earlier(now: Canvas) -> tuple[Canvas, EarlierYear]:
    """Paint the earlier year, and measure the change."""
    limits = project(make_city(now.land).boundary, CRS)
    covers = np.array([material.cover for material in MATERIALS])
    built = np.isin(covers, ["building", "paved"])[now.material]
    green = np.isin(covers, list(GREEN_CLASSES))[now.material]
    places = _squares(built, now, limits, least=0.7, most=BUILT)
    planted = _squares(green, now, limits, least=0.9, most=PLANTED)
    material, height, tone = now.material.copy(), now.height.copy(), now.tone.copy()
    for squares, name in ((places, "meadow"), (planted, "soil light")):
        for rows, columns in squares:
            material[rows, columns], height[rows, columns], tone[rows, columns] = CODE[name], 0, PLAIN
    before = np.isin(covers, list(GREEN_CLASSES))[material]
    return replace(now, material=material, height=height, tone=tone), EarlierYear(
        lost_m2=float((before & ~green).sum()),
        gained_m2=float((~before & green).sum()),
        built=tuple(_box(*square) for square in places),
        planted=tuple(_box(*square) for square in planted),
    )


def _squares(
    wanted: npt.NDArray[np.bool_], canvas: Canvas, limits: BaseGeometry, *, least: float, most: int
) -> list[tuple[slice, slice]]:
    """Return squares wholly inside the limits with most of the wanted ground, spread over the city."""
    side = canvas.land.extent_m // SIDE_M
    cut = wanted[: side * SIDE_M, : side * SIDE_M].reshape(side, SIDE_M, side, SIDE_M).mean((1, 3))
    order = np.argsort(-cut, axis=None, kind="stable")
    chosen: list[tuple[int, int]] = []
    for row, column in zip(*np.unravel_index(order, cut.shape), strict=True):
        near = any(abs(row - r) + abs(column - c) < 3 for r, c in chosen)
        inside = limits.contains(box(*_box(*_slices(int(row), int(column)))))
        if cut[row, column] >= least and not near and inside:
            chosen.append((int(row), int(column)))
        if len(chosen) == most or cut[row, column] < least:
            break
    return [_slices(*one) for one in chosen]


def _slices(row: int, column: int) -> tuple[slice, slice]:
    return slice(row * SIDE_M, (row + 1) * SIDE_M), slice(column * SIDE_M, (column + 1) * SIDE_M)


def _box(rows: slice, columns: slice) -> tuple[float, float, float, float]:
    return LEFT_M + columns.start, TOP_M - rows.stop, LEFT_M + columns.stop, TOP_M - rows.start


def _shots() -> tuple[tuple[int, tuple[Shot, ...]], ...]:
    """List the sample's own clear dates, one year earlier."""
    kept = []
    for sun_day, shots in SHOTS:
        taken = tuple(
            replace(shot, day=shot.day.replace(year=YEAR), split=False)
            for shot in shots
            if shot.sensor == "sentinel-2" and (shot.day.month, shot.day.day) in _DAYS
        )
        if taken:
            kept.append((sun_day, taken))
    return tuple(kept)
