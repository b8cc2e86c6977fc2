"""The summary of OSM's green polygons."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from howgreen.report._folder import OSM_GREEN_FORMAT, SUMMARY

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd

    from howgreen.core.types import City

RASTER = "osm_green.tif"
NAMES = ("not mapped as green", "mapped as green")
FILES = {
    "osm_green.gpkg": "the areas that OpenStreetMap maps as green, cut to the limits; EPSG:4326",
    RASTER: "1 mapped as green, 0 not, 255 outside the limits",
    SUMMARY: "this file",
}


def write_osm_green(city: City, areas: gpd.GeoDataFrame, folder: Path, *, share: float, source: str) -> dict[str, Any]:
    """Write and return ``summary.json`` of OSM's green areas.

    It holds the share (0-1) of all ground inside the limits that is mapped as green, and the areas by group in square
    metres, with overlaps counted in each.
    """
    _style(folder / RASTER)
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


def _style(raster: Path) -> None:
    """Name the values, and add a QGIS style in the raster's own colours."""
    import rasterio

    from howgreen.report._qgis import write_class_style
    from howgreen.report._rasters import write_category_names

    with rasterio.open(raster) as file:
        colours = file.colormap(1)
    write_category_names(raster, dict(enumerate(NAMES)))
    write_class_style(raster, {code: (name, "#" + bytes(colours[code][:3]).hex()) for code, name in enumerate(NAMES)})
