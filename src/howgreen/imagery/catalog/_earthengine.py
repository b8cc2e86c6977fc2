"""Google Earth Engine as a catalogue, queried through its client library (extra ``[ee]``).

Sentinel-2 comes from the harmonised collection, in which Google has removed the offset of baselines from 04.00 on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import shapely

from howgreen.core.errors import NetworkError
from howgreen.core.geometry import BBox, area_from, boxes
from howgreen.core.sensors import LANDSAT, SENTINEL2, Sensor, common_name
from howgreen.core.types import Asset, City, Period, Scene
from howgreen.imagery.read.earthengine import SIGNER, URL, connect, translate_errors

COLLECTIONS: Mapping[str, Mapping[str, str]] = {
    "sentinel-2": {"COPERNICUS/S2_SR_HARMONIZED": "sentinel-2"},
    "landsat": {
        "LANDSAT/LC09/C02/T1_L2": "landsat-9",
        "LANDSAT/LC08/C02/T1_L2": "landsat-8",
        "LANDSAT/LE07/C02/T1_L2": "landsat-7",
        "LANDSAT/LT05/C02/T1_L2": "landsat-5",
        "LANDSAT/LT04/C02/T1_L2": "landsat-4",
    },
}
"""By sensor: collections, and each one's satellite."""
MOST_ITEMS = 2000


def scenes(city: City, period: Period, *, sensor: Sensor, url: str = URL) -> list[Scene]:
    """List all scenes of a sensor that touch a city in a period, without coverage.

    Raises
    ------
    MissingExtraError, NetworkError
        As :func:`connect`; or more than MOST_ITEMS are found.
    """
    connect(url)
    found: dict[str, Scene] = {}
    for collection, platform in COLLECTIONS[sensor.name].items():
        for box in boxes(city.boundary):
            for asset in _listed(collection, box, period, url=url):
                one = _scene(asset, sensor=sensor, platform=platform, url=url)
                if one.time in period and one.footprint.intersects(city.boundary):
                    found[one.id] = one
    return list(found.values())


def _listed(collection: str, box: BBox, period: Period, *, url: str) -> list[Mapping[str, Any]]:
    import ee

    region = json.dumps(shapely.geometry.mapping(shapely.box(*box))).replace('"', "'")
    first, after = period.start.isoformat(), (period.end + timedelta(days=1)).isoformat()
    condition = f'startTime >= "{first}T00:00:00Z" AND startTime < "{after}T00:00:00Z" AND intersects("{region}")'
    with translate_errors(url):
        answer = ee.data.listAssets({"parent": collection, "filter": condition, "pageSize": MOST_ITEMS})
        if answer.get("nextPageToken"):
            raise NetworkError(f"Earth Engine: more than {MOST_ITEMS} scenes of {period}; choose a shorter --period")
        listed: list[Mapping[str, Any]] = answer["assets"]
    return listed


def _scene(asset: Mapping[str, Any], *, sensor: Sensor, platform: str, url: str) -> Scene:
    with translate_errors(url):
        name, properties = str(asset["name"]), asset.get("properties") or {}
        native = {
            "collection": name.split("/assets/", 1)[1].rpartition("/")[0],
            "id": name.rpartition("/")[2],
            "properties": {
                "s2:mgrs_tile": properties.get("MGRS_TILE"),
                "s2:datatake_id": properties.get("DATATAKE_IDENTIFIER"),
                "s2:processing_baseline": properties.get("PROCESSING_BASELINE"),
                "s2:generation_time": str(properties.get("GENERATION_TIME") or ""),
            },
        }
        cloud = properties.get("CLOUDY_PIXEL_PERCENTAGE", properties.get("CLOUD_COVER"))
        return Scene(
            id=name.rpartition("/")[2],
            sensor=sensor.name,
            time=datetime.fromisoformat(asset["startTime"]),
            footprint=area_from(asset["geometry"]),
            assets=tuple(_assets(asset, name, sensor=sensor, platform=platform, url=url)),
            scale=sensor.scale,
            offset=sensor.offset,
            nodata=sensor.nodata,
            cloud_cover_pct=None if cloud is None else float(cloud),
            platform=platform if sensor is LANDSAT else "",
            radiometry=_WORDS[sensor.name],
            native=native,
        )


_WORDS = {
    SENTINEL2.name: "Earth Engine's harmonised collection: no offset, whatever the baseline",
    LANDSAT.name: f"{LANDSAT.label}: DN x {LANDSAT.scale:g} {LANDSAT.offset:+g}",
}


def _assets(asset: Mapping[str, Any], name: str, *, sensor: Sensor, platform: str, url: str) -> Iterator[Asset]:
    for band in asset["bands"]:
        known = common_name(band["id"], sensor, satellite=platform)
        if known is not None:
            yield Asset(band=known, href=f"{url}/v1/{name}:getPixels#{band['id']}", signer=SIGNER)
