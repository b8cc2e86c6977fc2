"""Items of Sentinel-1 as catalogues write them: hand-made, of the shape that the Planetary Computer documents."""

from __future__ import annotations

from copy import deepcopy

import pytest
from shapely import box
from shapely.geometry import mapping

from howgreen.core.errors import NoImageError
from howgreen.core.sensors import SENTINEL1
from howgreen.imagery.catalog import _items
from howgreen.imagery.catalog._search import _collections
from howgreen.net.endpoints import CATALOGS

PLANETARY = CATALOGS["planetary-computer"]


def native(**properties) -> dict:
    name = "S1A_IW_GRDH_1SDV_20240703T052455_20240703T052520_054594_06A4F3_rtc"
    where = "https://sentinel1euwestrtc.blob.core.windows.net/sentinel1-grd-rtc/GRD/2024/7/3/IW/DV"
    band = {"nodata": -32768, "data_type": "float32", "spatial_resolution": 10.0}
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-1-rtc", "links": [],
        "geometry": mapping(box(10, 46, 12, 47)), "bbox": [10, 46, 12, 47],
        "properties": {
            "datetime": "2024-07-03T05:25:08Z", "platform": "SENTINEL-1A", "constellation": "Sentinel-1",
            "sar:product_type": "RTC", "sar:polarizations": ["VV", "VH"], "sat:orbit_state": "descending", **properties,
        },
        "assets": {
            pol: {"href": f"{where}/iw-{pol}.rtc.tiff", "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                  "roles": ["data"], "raster:bands": [dict(band)]}
            for pol in ("vh", "vv")
        } | {"tilejson": {"href": "https://x/tilejson.json", "roles": ["tiles"]}},
    }  # fmt: skip


def test_terrain_corrected_power():
    found = _items.scene(native(), catalog=PLANETARY, sensor=SENTINEL1)
    assert found.bands == ("vv", "vh")
    assert (found.sensor, found.power, found.scale, found.offset, found.nodata) == (
        "sentinel-1",
        True,
        1.0,
        0.0,
        -32768,
    )
    assert found.platform == "sentinel-1a"
    assert "linear power" in found.radiometry
    assert "descending" in found.radiometry
    assert {asset.signer for asset in found.assets} == {"planetary-computer"}


def test_decibels_that_say_so():
    item = native()
    for asset in item["assets"].values():
        for band in asset.get("raster:bands", []):
            band["unit"] = "dB"
    assert _items.scene(item, catalog=PLANETARY, sensor=SENTINEL1).power is False


def test_ground_range_is_no_scene():
    """GRD is neither terrain-corrected nor on any map."""
    grd = native(**{"sar:product_type": "GRD"}) | {"collection": "sentinel-1-grd"}
    assert _items.scene(grd, catalog=PLANETARY, sensor=SENTINEL1) is None
    horizontal = native(**{"sar:polarizations": ["HH"]})
    horizontal["assets"] = {"hh": deepcopy(horizontal["assets"]["vv"])}
    assert _items.scene(horizontal, catalog=PLANETARY, sensor=SENTINEL1) is None


def test_a_catalogue_without_it_says_so():
    with pytest.raises(NoImageError, match=r"Earth Search: has no Sentinel-1 RTC.*--catalog"):
        _collections(None, CATALOGS["earth-search"], "sentinel-1")
