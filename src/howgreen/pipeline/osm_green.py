"""Areas mapped as green in OpenStreetMap within a place, written to files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen import report
from howgreen.core.errors import PlaceNotFoundError
from howgreen.core.types import City
from howgreen.core.warnings import warn
from howgreen.net.network import Network
from howgreen.osm import green_areas, green_areas_online, green_raster, green_share
from howgreen.pipeline.inputs import to_city

if TYPE_CHECKING:
    import geopandas as gpd

    from howgreen.core.types import Progress


@dataclass(frozen=True, kw_only=True)
class OsmGreen:
    """The areas mapped as green in OpenStreetMap within a place."""

    city: City
    areas: gpd.GeoDataFrame
    """EPSG:4326; see :func:`howgreen.osm.green_areas`."""
    share: float
    """Area of their union over the area of the place."""
    folder: str | Path
    """Folder or URL; holds ``osm_green.gpkg``, ``osm_green.tif`` and ``summary.json``."""
    summary: Mapping[str, Any]
    """The contents of ``summary.json``."""


def osm_green(
    place: City | str,
    *,
    out: str | Path,
    osm: str | Path | None = None,
    network: Network | None = None,
    progress: Progress | None = None,
) -> OsmGreen:
    """Write OSM's green areas of a place as polygons and as a 0/1 GeoTIFF (255 outside the limits).

    Parameters
    ----------
    out
        A folder or a URL of fsspec.
    osm
        A local extract; None to query Overpass.
    network
        How to reach Overpass, and the services that look up a place by name.

    Raises
    ------
    HowgreenError
        One line, as :func:`plan` does; PlaceNotFoundError for a simulated city.
    """
    city = to_city(place, network=network, progress=progress)
    if city.synthetic:
        raise PlaceNotFoundError(f"{city.label}: is simulated, OpenStreetMap knows nothing of it; name a real place")
    warn(*city.warnings)
    if osm is None:
        areas = green_areas_online(city, network=network or Network(), progress=progress)
    else:
        areas = green_areas(city, osm=Path(osm), progress=progress)
    share = green_share(areas, city)
    with report.new_target(out, progress=progress) as scratch:
        green_raster(areas, city, out=scratch / "osm_green.tif", progress=progress)
        areas.drop(columns="access").to_file(scratch / "osm_green.gpkg", layer="osm_green", driver="GPKG")
        summary = report.write_osm_green(city, areas, scratch, share=share, source=str(osm or "Overpass"))
    return OsmGreen(city=city, areas=areas, share=share, folder=out, summary=summary)


def add_layer(report_folder: Path, city: City, *, osm: Path, name: str) -> None:
    """Add the green areas of an extract to a report, as a raster beside the observed green."""
    report.add_file(green_raster(green_areas(city, osm=osm), city, out=report_folder / name))
