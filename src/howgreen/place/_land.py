"""Half-degree mask of the Earth's land, to detect limits with swapped latitude and longitude.

``land.bin`` is 360 rows from the north by 720 columns from the west, one bit each, packed by numpy and zlib. A bit is
set if the cell holds any land of GLOBE 1.0 (Hastings and Dunbar 1999, NOAA National Geophysical Data Center, 30 arc
seconds; public domain).
"""

from __future__ import annotations

import zlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.core.errors import AreaError

if TYPE_CHECKING:
    from howgreen.core.types import City

_ROWS, _COLUMNS = 360, 720
_MOST_CELLS = 400
"""A place of more cells is too large for a city, and for this mask."""


@cache
def _mask() -> Any:
    """(360, 720) whether a cell or a neighbour holds land: the mask may miss an atoll, and shores are imprecise."""
    bits = np.frombuffer(zlib.decompress(files("howgreen.place").joinpath("land.bin").read_bytes()), np.uint8)
    land = np.unpackbits(bits).reshape(_ROWS, _COLUMNS).astype(bool)
    rows = np.pad(land, ((1, 1), (0, 0)))
    wide = rows[:-2] | rows[1:-1] | rows[2:]
    return wide | np.roll(wide, 1, axis=1) | np.roll(wide, -1, axis=1)


def in_open_sea(west: float, south: float, east: float, north: float) -> bool:
    """Tell whether a box in degrees lies at least half a degree from any land."""
    top, bottom = (min(max(int((90 - lat) * 2), 0), _ROWS - 1) for lat in (north, south))
    left, right = int((west + 180) * 2), int((east + 180) * 2)
    if (bottom - top + 1) * (right - left + 1) > _MOST_CELLS:
        return False
    return not _mask()[top : bottom + 1, np.arange(left, right + 1) % _COLUMNS].any()


def check_order(city: City, *, what: str = "its limits lie", cure: str = "write lon first, then lat") -> None:
    """Refuse limits in the open sea that would lie on land with latitude and longitude swapped.

    If both positions are near land, the position alone cannot tell.

    Raises
    ------
    AreaError
        They are swapped.
    """
    west, south, east, north = map(float, city.boundary.bounds)
    turned_is_possible = west >= -90 and east <= 90
    if turned_is_possible and in_open_sea(west, south, east, north) and not in_open_sea(south, west, north, east):
        raise AreaError(
            f"{city.label}: {what} in the open sea ({(south + north) / 2:.1f}° N, {(west + east) / 2:.1f}° E), and on land with latitude "
            f"and longitude exchanged; {cure}"
        )
