"""OpenStreetMap data: extracts, Overpass, tags, and the areas mapped as green."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from howgreen.osm._green import GREEN_TAGS as GREEN_TAGS
    from howgreen.osm._green import green_area_m2 as green_area_m2
    from howgreen.osm._green import green_areas as green_areas
    from howgreen.osm._green import green_share as green_share
    from howgreen.osm._green import is_public as is_public
    from howgreen.osm._green_online import green_areas_online as green_areas_online
    from howgreen.osm._raster import green_raster as green_raster
    from howgreen.osm._ways import read_ways as read_ways

# Geometry libraries take a tenth of a second each to import, so a module is loaded at first use of one of its names.
_HOME = {
    "GREEN_TAGS": "_green",
    "green_area_m2": "_green",
    "green_areas": "_green",
    "green_areas_online": "_green_online",
    "green_raster": "_raster",
    "green_share": "_green",
    "is_public": "_green",
    "read_ways": "_ways",
}

__all__ = [  # noqa: PLE0604 (a computed list; sorted in _HOME)
    *_HOME
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
