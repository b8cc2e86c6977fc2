"""From words to limits: a name, an OSM id, coordinates, a boundary file or a drawn shape becomes a ``City``.

Places are found in what is handed in, in stores, in a local OpenStreetMap extract, and only with leave (``online``)
over the network.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from howgreen.place.doors import place_from_file as place_from_file
    from howgreen.place.doors import place_from_geometry as place_from_geometry
    from howgreen.place.doors import place_from_point as place_from_point
    from howgreen.place.doors import with_districts as with_districts
    from howgreen.place.doors import with_land as with_land
    from howgreen.place.files import from_file as from_file
    from howgreen.place.files import from_text as from_text
    from howgreen.place.lookup import PlaceFiles as PlaceFiles
    from howgreen.place.lookup import candidates as candidates
    from howgreen.place.lookup import described as described
    from howgreen.place.lookup import find as find
    from howgreen.place.points import from_point as from_point
    from howgreen.place.shapes import from_shape as from_shape

# Geometry libraries take a tenth of a second each to import: a module is loaded when one of its names is first used.
_HOME = {
    "PlaceFiles": "lookup",
    "candidates": "lookup",
    "described": "lookup",
    "find": "lookup",
    "from_file": "files",
    "from_point": "points",
    "from_shape": "shapes",
    "from_text": "files",
    "place_from_file": "doors",
    "place_from_geometry": "doors",
    "place_from_point": "doors",
    "with_districts": "doors",
    "with_land": "doors",
}

__all__ = [  # noqa: PLE0604 (a computed list; sorted in _HOME)
    *_HOME
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
