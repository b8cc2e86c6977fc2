"""Where ESA WorldCover's tiles are: 3 by 3 degrees, named after their lower left corner."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from howgreen.core.geometry import boxes

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon

SIDE_DEG = 3
_SOUTH, _NORTH = -60, 84


def tile_names(area: Polygon | MultiPolygon) -> tuple[str, ...]:
    """Name the tiles that an EPSG:4326 area touches: ``N45E003`` holds 45-48 N, 3-6 E. None beyond 60 S and 84 N.

    Source: WorldCover Product User Manual v2.0 (ESA, 2022), section on tiling.
    """
    names = set()
    for west, south, east, north in boxes(area):
        for lat in _steps(max(south, _SOUTH), min(north, _NORTH), last=_NORTH):
            names |= {_name(lon, lat) for lon in _steps(west, east, last=180)}
    return tuple(sorted(names))


def tile_urls(area: Polygon | MultiPolygon, *, root: str) -> tuple[str, ...]:
    """Addresses of the tiles that an area touches, under the folder ``root``."""
    return tuple(f"{root.rstrip('/')}/ESA_WorldCover_10m_2021_v200_{name}_Map.tif" for name in tile_names(area))


def _steps(low: float, high: float, *, last: int) -> range:
    """Lower edges of the tiles from one coordinate to another; an upper edge belongs to the next tile, if there is one."""
    first = math.floor(low / SIDE_DEG) * SIDE_DEG
    end = math.floor(high / SIDE_DEG) * SIDE_DEG
    return range(min(first, last - SIDE_DEG), min(end, last - SIDE_DEG) + 1, SIDE_DEG) if low <= high else range(0)


def _name(lon: int, lat: int) -> str:
    return f"{'N' if lat >= 0 else 'S'}{abs(lat):02d}{'E' if lon >= 0 else 'W'}{abs(lon):03d}"
