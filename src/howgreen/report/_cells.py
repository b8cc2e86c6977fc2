"""The green shares embedded in a page, so that it can answer for any area by itself.

A cell is one pixel of the city's grid, or a square of several if the city is large. It holds sums, not means of means:
how much of it is seen land, how green that is, and how much is unseen land. The rest is water, sea, or outside the
limits.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import deflate
import numpy as np

from howgreen.core.geometry import transformer
from howgreen.core.models import ZONE_SCORES_M2
from howgreen.core.types import UNSEEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from odc.geo.geobox import GeoBox

    from howgreen.core.models import ModelCard

Array = np.ndarray[Any, Any]

MOST_CELLS = 1_000_000
"""Most cells of a page: about a megabyte."""
STEPS = 100
"""Value of a whole cell, or a fully green one: rounding to half a hundredth vanishes in any area of many cells."""
_TERMS = tuple((i, j) for i in range(4) for j in range(4 - i))


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Sums over squares of the grid; each uint8 (y, x), in hundredths."""

    green: Array
    """Green share of the seen land."""
    seen: Array
    """Share of the cell that is seen land."""
    unseen: Array
    """Share of the cell that is land without any clear image."""
    side_px: int
    """Grid pixels along a cell's edge."""

    def packed(self) -> str:
        """Concatenate the three planes and return them deflated (zlib), as base64."""
        planes = b"".join(np.ascontiguousarray(plane).tobytes() for plane in (self.green, self.seen, self.unseen))
        return b64encode(deflate.zlib_compress(planes, 9)).decode()


def side_of(shape: tuple[int, int]) -> int:
    """Return the grid pixels along a cell's edge that give at most :data:`MOST_CELLS` cells."""
    side = 1
    while -(-shape[0] // side) * -(-shape[1] // side) > MOST_CELLS:
        side += 1
    return side


def cells(strips: Iterable[tuple[Array, Array, Array]], side_px: int) -> Cells:
    """Sum strips of rows; each but the last has a height that is a multiple of ``side_px``.

    Parameters
    ----------
    strips
        Label (uint8, 255 unseen), green share (NaN if not counted) and land (bool), each (y, x).
    """
    rows = [_sums(label, fraction, land, side_px) for label, fraction, land in strips]
    green, seen, unseen = (np.concatenate([row[n] for row in rows]) for n in range(3))
    return Cells(green=green, seen=seen, unseen=unseen, side_px=side_px)


def _sums(label: Array, fraction: Array, land: Array, side: int) -> tuple[Array, Array, Array]:
    counted = ~np.isnan(fraction)
    seen = _added(counted, side)
    green = _added(np.where(counted, fraction, np.float32(0)), side)
    unseen = _added(land & (label == UNSEEN) & ~counted, side)
    share = np.divide(green, seen, out=np.zeros_like(green), where=seen > 0)
    whole = np.float32(STEPS) / (side * side)
    return _bytes(share * STEPS), _bytes(seen * whole), _bytes(unseen * whole)


def _added(values: Array, side: int) -> Array:
    """Sum squares of ``side`` pixels, float32; the last ones may be cut by the edge."""
    if side == 1:
        return values.astype(np.float32)
    height, width = values.shape
    strips = np.zeros((-(-height // side), width), np.float32)
    for row in range(side):
        here = values[row::side]
        strips[: len(here)] += here
    whole = np.zeros((len(strips), -(-width // side)), np.float32)
    for column in range(side):
        part = strips[:, column::side]
        whole[:, : part.shape[1]] += part
    return whole


def _bytes(values: Array) -> Array:
    rounded: Array = np.rint(np.clip(values, 0, STEPS)).astype(np.uint8)
    return rounded


def pixel_interval(card: ModelCard) -> dict[str, Any] | None:
    """Return the components of any area's interval: the error of a place, and those of zones by area."""
    error = card.reference_error
    if error is None:
        return None
    zones = sorted((area, card.scores[name]) for name, area in ZONE_SCORES_M2.items() if name in card.scores)
    return {"half_width": error.half_width, "level": error.level, "zones": [list(zone) for zone in zones]}


def to_degrees(grid: GeoBox) -> dict[str, Any]:
    """Fit longitude and latitude by polynomials of third order in column and row, so that the page needs no projection.

    Returns
    -------
    dict
        ``centre`` and ``half`` of the grid in pixels (column, row), ``lon`` and ``lat`` with one factor for each of
        ``terms``: powers of (column - centre) / half and (row - centre) / half. ``worst_px`` is how far it is off at
        most, in pixels.
    """
    (height, width), t = grid.shape, grid.affine
    columns, rows = (array.ravel() for array in np.meshgrid(np.linspace(0, width, 13), np.linspace(0, height, 13)))
    x, y = t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f
    lon, lat = transformer(str(grid.crs), "EPSG:4326").transform(x, y)
    lon = np.asarray(lon)
    lon = lon[0] + (lon - lon[0] + 180) % 360 - 180  # continues across the antimeridian
    half = (width / 2, height / 2)
    u, v = columns / half[0] - 1, rows / half[1] - 1
    base = np.column_stack([u**i * v**j for i, j in _TERMS])
    factors = [np.linalg.lstsq(base, np.asarray(values), rcond=None)[0] for values in (lon, lat)]
    back = transformer("EPSG:4326", str(grid.crs)).transform(base @ factors[0], base @ factors[1])
    worst = np.hypot(np.asarray(back[0]) - x, np.asarray(back[1]) - y).max() / abs(t.a)
    return {
        "half": list(half),
        "terms": [list(term) for term in _TERMS],
        "lon": [float(value) for value in factors[0]],
        "lat": [float(value) for value in factors[1]],
        "worst_px": float(worst),
    }


def for_page(made: Cells, grid: GeoBox, card: ModelCard, found: Mapping[str, Any], pixels: float) -> dict[str, Any]:
    """Gather the data for the page's measuring tool.

    Parameters
    ----------
    found
        The summary.
    pixels
        Planar size of the zone in grid pixels, by which its ellipsoidal area is divided.
    """
    height, width = (int(size) for size in made.seen.shape)
    return {
        "width": width,
        "height": height,
        "side": made.side_px,
        "steps": STEPS,
        "grid": [int(grid.shape[1]), int(grid.shape[0])],
        "metres": abs(grid.affine.a),
        "m2": found["zone_area_m2"] / pixels if pixels else grid.affine.a**2,
        "interval": pixel_interval(card),
        "degrees": to_degrees(grid),
        "name": found["city"]["label"],
    }
