"""Walkable ways in OpenStreetMap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from howgreen.osm.extract import Tags, read_lines

if TYPE_CHECKING:
    from shapely import LineString

WALKED = (
    "footway", "path", "pedestrian", "steps", "living_street", "residential", "service", "unclassified", "track", "road",
    "cycleway", "bridleway", "tertiary", "tertiary_link", "secondary", "secondary_link", "primary", "primary_link",
)  # fmt: skip
"""Walkable values of ``highway``, unless access is forbidden."""
_CLOSED = ("no", "private")
_OPEN = ("yes", "designated", "permissive", "public")


def walkable(tags: Tags) -> bool:
    """Tell whether a way is walkable, as far as its tags say."""
    if tags.get("area") == "yes" or tags.get("indoor") == "yes":
        return False
    foot = tags.get("foot", "")
    return foot in _OPEN or (foot not in _CLOSED and tags.get("access") not in _CLOSED)


def read_ways(path: Path) -> list[LineString]:
    """Read the walkable ways of an extract, as lines (EPSG:4326).

    Raises
    ------
    AreaError
        The file is missing, truncated or not OpenStreetMap data.
    """
    return read_lines(path, tags=[("highway", value) for value in WALKED], matches=walkable)
