"""Catalogues that others made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pystac
import pytest

from howgreen import store
from howgreen.core import stac


def native(**change):
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2B_1",
        "bbox": [11, 46, 12, 47],
        "geometry": {"type": "Polygon", "coordinates": [[[11, 46], [12, 46], [12, 47], [11, 47], [11, 46]]]},
        "properties": {"datetime": "2023-07-01T10:15:59Z", "platform": "sentinel-2b", "constellation": "sentinel-2"},
        "links": [],
        "assets": {"B04": {"href": "https://example.com/B04.tif"}, "SCL": {"href": "https://example.com/SCL.tif"}},
    }
    return item | change


def scene(**change):
    return stac.scene(native(**change), resolve=str)


def with_properties(**change):
    return native()["properties"] | change


def test_native_band_names_and_defaults():
    found = scene()
    assert found.bands == ("red", "scl")
    assert (found.sensor, found.scale, found.offset, found.nodata) == ("sentinel-2", 1e-4, 0.0, 0)
    assert found.time.isoformat() == "2023-07-01T10:15:59+00:00"


@pytest.mark.parametrize(
    ("properties", "raster", "offset"),
    [
        ({"s2:processing_baseline": "03.01"}, None, 0.0),
        ({"s2:processing_baseline": "04.00"}, None, -0.1),
        ({"s2:processing_baseline": "05.09"}, {"scale": 1e-4, "offset": 0}, 0.0),
        ({"s2:processing_baseline": "02.14"}, {"scale": 1e-4, "offset": -0.1}, 0.0),  # providers state it for all
        ({"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True}, {"offset": -0.1}, 0.0),
        ({}, None, 0.0),
    ],
)
def test_offset_is_what_the_catalogue_means(properties, raster, offset):
    entry = {"href": "https://example.com/B04.tif"} | ({"raster:bands": [raster]} if raster else {})
    assert scene(properties=with_properties(**properties), assets={"B04": entry}).offset == offset


def test_descriptions_help_where_keys_do_not():
    assets = {
        "visual": {"href": "https://x/tci.tif", "eo:bands": [{"common_name": "red"}, {"common_name": "green"}]},
        "red-jp2": {"href": "https://x/B04.jp2", "type": "image/jp2", "eo:bands": [{"common_name": "red"}]},
        "band_4": {"href": "https://x/b4.tif", "type": "image/tiff", "eo:bands": [{"common_name": "red"}]},
        "thumb": {"href": "https://x/t.tif", "roles": ["thumbnail"], "bands": [{"eo:common_name": "nir"}]},
    }
    found = scene(assets=assets)
    assert [(a.band, a.href) for a in found.assets] == [("red", "https://x/b4.tif")]


def test_landsat_numbers_depend_on_the_satellite():
    assets = {f"SR_B{n}": {"href": f"https://x/SR_B{n}.TIF"} for n in (1, 2, 3, 4, 5, 6, 7)}
    for platform, red, nir in [("landsat-8", 4, 5), ("landsat-9", 4, 5), ("landsat-5", 3, 4), ("LANDSAT_7", 3, 4)]:
        found = scene(properties=with_properties(platform=platform, constellation="landsat"), assets=assets)
        assert found.asset("red").href == f"https://x/SR_B{red}.TIF"
        assert found.asset("nir").href == f"https://x/SR_B{nir}.TIF"
        assert (found.scale, found.offset) == (2.75e-5, -0.2)


def test_what_is_no_scene_of_ours_is_left_out():
    assert scene(properties=with_properties(platform="sentinel-1a", constellation="sentinel-1")) is None
    assert scene(assets={"SCL": {"href": "x"}}) is None
    assert scene(assets={}) is None


def test_catalogue_written_by_pystac_is_read(tmp_path):
    """Another layout: an item straight under the catalogue, in a folder of its own choosing."""
    catalog = pystac.Catalog(id="theirs", description="not ours")
    item = pystac.Item.from_dict(native())
    (tmp_path / "S2B_1").mkdir()
    item.assets["B04"].href = str(tmp_path / "S2B_1" / "red.tif")
    catalog.add_item(item)
    catalog.normalize_hrefs(str(tmp_path))
    catalog.make_all_asset_hrefs_relative()
    catalog.save(catalog_type=pystac.CatalogType.SELF_CONTAINED)
    (found,) = store.scenes(tmp_path)
    assert found.asset("red").href == str(tmp_path / "S2B_1" / "red.tif")
    (fault,) = store.verify(tmp_path)
    assert fault.path == tmp_path / "S2B_1" / "red.tif"


def test_items_with_a_span_of_time_count_from_its_start():
    span = {"datetime": None, "start_datetime": "2023-07-01T00:00:00Z", "end_datetime": "2023-07-02T00:00:00Z"}
    assert scene(properties=with_properties(**span)).time.day == 1


def test_listing_says_what_a_table_needs(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "a.json").write_text(json.dumps(native()))
    (tmp_path / "catalog.json").write_text(
        json.dumps(stac.catalog() | {"links": [{"rel": "item", "href": "./a/a.json"}]})
    )
    (row,) = store.listing(tmp_path)
    assert (row.id, row.sensor, row.bands, row.size_bytes, row.places) == (
        "S2B_1",
        "sentinel-2",
        ("red", "scl"),
        None,
        (),
    )


def test_importing_the_store_is_light():
    code = "import sys, howgreen.store; print(*[m for m in ('rasterio', 'pystac', 'geopandas', 'odc.geo') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == []


@pytest.mark.real
def test_recorded_items_of_real_catalogues(shared_data: Path):
    expected = {
        "S2A_28QCH_20200714_0_L2A": ("sentinel-2", 10),
        "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531": ("sentinel-2", 10),
        "LC08_L2SP_028030_20200114_20200824_02_T1_SR": ("landsat", 6),
        "LE07_L2SP_044033_20210329_20210424_02_T1_SR": ("landsat", 6),
        "LC08_L2SR_081119_20200101_20200823_02_T2": ("landsat", 6),
    }
    for name, (sensor, bands) in expected.items():
        item = json.loads((shared_data / "api" / "stac_items" / f"{name}.json").read_text())
        found = stac.scene(item, resolve=str)
        assert found.sensor == sensor
        reflective = [band for band in found.bands if band not in {"scl", "qa_pixel"}]
        assert len(reflective) == bands, found.bands
        assert all(asset.href.lower().endswith(".tif") for asset in found.assets)
        if name.startswith("L"):
            codes = (1, 2, 3, 4, 5, 7) if name.startswith("LE07") else (2, 3, 4, 5, 6, 7)
            tails = [asset.href.split("_SR_")[1][:2] for asset in found.assets if asset.band != "qa_pixel"]
            assert tails == [f"B{code}" for code in codes]
