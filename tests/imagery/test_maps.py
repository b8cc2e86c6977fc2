"""Tiles of a finished map, found by a STAC API that nobody here wrote."""

from __future__ import annotations

import json

import pytest
from shapely import MultiPolygon, box, to_geojson

from catalogue import served
from howgreen.core.errors import NetworkError
from howgreen.imagery import find_tiles
from howgreen.net.endpoints import Catalog


def _item(name: str, west: float, south: float, *, collection: str = "esa-worldcover", asset: str = "map") -> dict:
    area = box(west, south, west + 3, south + 3)
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection, "bbox": list(area.bounds),
        "geometry": json.loads(to_geojson(area)), "links": [], "properties": {"datetime": "2021-01-01T00:00:00Z"},
        "assets": {asset: {"href": f"https://tiles.example/{name}.tif"}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    items = [
        _item("WC_2020_N45E009", 9, 45), _item("WC_2021_N45E009", 9, 45), _item("WC_2021_N45E012", 12, 45),
        _item("WC_2021_N48E009", 9, 48), _item("WC_2021_S18E177", 177, -18), _item("WC_2021_S18W180", -180, -18),
        _item("WC_2021_other", 9, 45, collection="io-lulc"), _item("WC_2021_bare", 9, 45, asset="quality"),
    ]  # fmt: skip
    with served(items, tmp_path_factory.mktemp("tiles")) as url:
        yield Catalog(name="tiles", label="Tiles", url=url)


def _found(api, area) -> list[str]:
    found = find_tiles(area, catalog=api, collection="esa-worldcover", asset="map", version="_2021_")
    return [href.removeprefix("https://tiles.example/WC_2021_").removesuffix(".tif") for href in found]


def test_tiles_under_an_area_of_one_year_and_one_collection(api):
    assert _found(api, box(10, 46, 10.5, 46.5)) == ["N45E009"]
    assert _found(api, box(11.9, 46, 12.1, 46.5)) == ["N45E009", "N45E012"]


def test_a_city_across_the_antimeridian_asks_on_both_sides(api):
    both = MultiPolygon([box(179.9, -16.5, 180, -16.4), box(-180, -16.5, -179.9, -16.4)])
    assert _found(api, both) == ["S18E177", "S18W180"]


def test_no_tile_and_no_server_are_one_line_with_a_cure(api):
    with pytest.raises(NetworkError, match=r"Tiles: has no tile of esa-worldcover here; .*give a file"):
        _found(api, box(50, 10, 50.1, 10.1))
    dead = Catalog(name="dead", label="Dead", url="http://127.0.0.1:9")
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:9.*give a file") as caught:
        _found(dead, box(10, 46, 10.5, 46.5))
    assert "\n" not in str(caught.value)
