"""Recorded answers of real catalogues."""

import json

import pytest

from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.core.stac import deduplicate
from howgreen.imagery.catalog import _items
from howgreen.net.endpoints import CATALOGS

pytestmark = pytest.mark.real
EARTH_SEARCH, PLANETARY, _, COPERNICUS = CATALOGS.values()


@pytest.fixture
def earth_search(shared_data):
    pages = [json.loads((shared_data / "api" / f"earthsearch_v1_page{n}.json").read_text()) for n in (1, 2)]
    return [item for page in pages for item in page["features"]]


def recorded(shared_data, name):
    return json.loads((shared_data / "api" / "stac_items" / f"{name}.json").read_text())


def test_earth_search_pages_become_scenes_of_one_sensor(earth_search):
    scenes = [s for item in earth_search if (s := _items.scene(item, catalog=EARTH_SEARCH, sensor=SENTINEL2))]
    assert {s.native["collection"] for s in scenes} == {"sentinel-2-l2a", "sentinel-2-c1-l2a"}
    assert all(s.bands == (*SENTINEL2.band_names, "scl") for s in scenes)
    assert all(a.href.startswith("https://") and a.href.endswith(".tif") for s in scenes for a in s.assets)
    assert {(s.native["collection"], s.offset) for s in scenes} == {
        ("sentinel-2-l2a", 0.0),
        ("sentinel-2-c1-l2a", -0.1),
    }
    assert not any(_items.scene(item, catalog=EARTH_SEARCH, sensor=LANDSAT) for item in earth_search)


def test_each_tile_of_earth_search_is_there_once_and_from_the_first_collection(earth_search):
    scenes = [s for item in earth_search if (s := _items.scene(item, catalog=EARTH_SEARCH, sensor=SENTINEL2))]
    single = [scenes[i] for i in deduplicate(scenes, collections=("sentinel-2-l2a", "sentinel-2-c1-l2a"))]
    tiles = [s.native["properties"]["grid:code"] for s in scenes]
    assert len(tiles) > len(set(tiles)) == len(single)
    both = {t for t in tiles if tiles.count(t) == 2}
    assert all(
        s.native["collection"] == "sentinel-2-l2a" for s in single if s.native["properties"]["grid:code"] in both
    )


def test_planetary_computer_keys_and_old_baseline(shared_data):
    item = recorded(shared_data, "S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531")
    scene = _items.scene(item, catalog=PLANETARY, sensor=SENTINEL2)
    assert scene.bands == (*SENTINEL2.band_names, "scl")
    assert {a.band: a.href.rsplit("_", 2)[1] for a in scene.assets}["nir08"] == "B8A"
    assert scene.offset == 0.0
    assert "02.12" in scene.radiometry
    assert {a.signer for a in scene.assets} == {"planetary-computer"}


def test_baseline_out_of_an_old_items_product_name(shared_data):
    item = recorded(shared_data, "S2A_28QCH_20200714_0_L2A")
    scene = _items.scene(item, catalog=EARTH_SEARCH, sensor=SENTINEL2)
    assert scene.offset == 0.0
    assert "02.14" in scene.radiometry


@pytest.mark.parametrize(
    "name", ["LC08_L2SP_028030_20200114_20200824_02_T1_SR", "LE07_L2SP_044033_20210329_20210424_02_T1_SR"]
)
def test_landsat_near_infrared_is_nir_by_the_common_name_whatever_the_satellite(shared_data, name):
    scene = _items.scene(recorded(shared_data, name), catalog=PLANETARY, sensor=LANDSAT)
    assert scene.bands == (*LANDSAT.band_names, "qa_pixel")
    tails = {a.band: a.href.rsplit("_", 1)[1] for a in scene.assets}
    assert tails["nir"] == ("B5.TIF" if name.startswith("LC08") else "B4.TIF")
    assert (scene.scale, scene.offset, scene.nodata) == (0.0000275, -0.2, 0)
