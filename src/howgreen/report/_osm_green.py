"""The figures beside OSM's green polygons."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from howgreen.report._folder import OSM_GREEN_FORMAT, SUMMARY

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd

    from howgreen.core.types import City

FILES = {
    "osm_green.gpkg": "the areas that OpenStreetMap maps as green, cut to the limits; EPSG:4326",
    "osm_green.tif": "1 mapped as green, 0 not, 255 outside the limits",
    SUMMARY: "this file",
}


def write_osm_green(city: City, areas: gpd.GeoDataFrame, folder: Path, *, share: float, source: str) -> dict[str, Any]:
    """Write and return ``summary.json`` of OSM's green.

    It holds the share (0-1) that is mapped as green, of all ground inside the limits, and the areas by group in square metres,
    overlaps counted in each.
    """
    found = {
        "format": OSM_GREEN_FORMAT,
        "city": {"name": city.name, "label": city.label, "id": city.id},
        "mapped_green_ratio": share,
        "n_areas": len(areas),
        "area_by_group_m2": {str(k): float(v) for k, v in areas.groupby("group")["area_m2"].sum().items()},
        "source": source,
        "files": FILES,
        "attributions": [text for text in dict.fromkeys((city.licence, areas.attrs.get("licence", ""))) if text],
    }
    (folder / SUMMARY).write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return found
