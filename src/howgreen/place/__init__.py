"""From words to limits: a name, an OSM id, coordinates, a boundary file or a drawn shape becomes a ``City``.

Places are looked up in the input itself, in stores, in a local OpenStreetMap extract, and over the network only if
allowed (``online``).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from howgreen.place._doors import place_from_file as place_from_file
    from howgreen.place._doors import place_from_geometry as place_from_geometry
    from howgreen.place._doors import place_from_point as place_from_point
    from howgreen.place._doors import with_districts as with_districts
    from howgreen.place._doors import with_land as with_land
    from howgreen.place._files import from_file as from_file
    from howgreen.place._files import from_text as from_text
    from howgreen.place._lookup import PlaceFiles as PlaceFiles
    from howgreen.place._lookup import candidates as candidates
    from howgreen.place._lookup import described as described
    from howgreen.place._lookup import find as find
    from howgreen.place._osm_boundaries import Named as Named
    from howgreen.place._osm_boundaries import named_in as named_in
    from howgreen.place._points import from_point as from_point
    from howgreen.place._shapes import from_shape as from_shape

# Geometry libraries take a tenth of a second each to import, so a module is loaded at first use of one of its names.
_HOME = {
    "Named": "_osm_boundaries",
    "PlaceFiles": "_lookup",
    "candidates": "_lookup",
    "described": "_lookup",
    "find": "_lookup",
    "from_file": "_files",
    "from_point": "_points",
    "from_shape": "_shapes",
    "named_in": "_osm_boundaries",
    "from_text": "_files",
    "place_from_file": "_doors",
    "place_from_geometry": "_doors",
    "place_from_point": "_doors",
    "with_districts": "_doors",
    "with_land": "_doors",
}

__all__ = [  # noqa: PLE0604 (a computed list; sorted in _HOME)
    *_HOME
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
