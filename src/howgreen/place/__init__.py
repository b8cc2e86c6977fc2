"""From words to limits: a name, an OSM id, coordinates, a boundary file or a drawn shape becomes a ``City``.

Places are found in what is handed in, in stores, in a local OpenStreetMap extract, and only with leave (``online``)
over the network.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from howgreen.place.endpoints import Endpoints as Endpoints
    from howgreen.place.endpoints import read_endpoints as read_endpoints
    from howgreen.place.files import from_file as from_file
    from howgreen.place.files import from_text as from_text
    from howgreen.place.green import GREEN_TAGS as GREEN_TAGS
    from howgreen.place.green import green_area_m2 as green_area_m2
    from howgreen.place.green import green_areas as green_areas
    from howgreen.place.green import green_share as green_share
    from howgreen.place.green_online import green_areas_online as green_areas_online
    from howgreen.place.lookup import candidates as candidates
    from howgreen.place.lookup import described as described
    from howgreen.place.lookup import find as find
    from howgreen.place.online import Online as Online
    from howgreen.place.points import from_point as from_point
    from howgreen.place.polite import Manners as Manners
    from howgreen.place.raster import green_raster as green_raster
    from howgreen.place.shapes import from_shape as from_shape

# Geometry libraries take a tenth of a second each to import: a module is loaded when one of its names is first used.
_HOME = {
    "GREEN_TAGS": "green",
    "Endpoints": "endpoints",
    "Manners": "polite",
    "Online": "online",
    "candidates": "lookup",
    "described": "lookup",
    "find": "lookup",
    "from_file": "files",
    "from_point": "points",
    "from_shape": "shapes",
    "from_text": "files",
    "green_area_m2": "green",
    "green_areas": "green",
    "green_areas_online": "green_online",
    "green_raster": "raster",
    "green_share": "green",
    "read_endpoints": "endpoints",
}

__all__ = [  # noqa: PLE0604 (a computed list; sorted in _HOME)
    *_HOME
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
