"""Catalogues in the forms in which they answer: one odd item leaves the rest usable, and accounts are told."""

from dataclasses import replace

import numpy as np
import pytest
import shapely

from howgreen.core.errors import NetworkError, NoImageError
from howgreen.core.geometry import geodesic_area_m2
from howgreen.core.types import Period
from howgreen.imagery import estimate_bytes, grid, search
from howgreen.imagery.catalog import _coverage
from howgreen.net.endpoints import Endpoints
from howgreen.place import from_shape
from loopback import OUTLINE, catalogue, found, item, loop

CITY = from_shape(shapely.box(14.48, 52.32, 14.52, 52.34), name="Here")
DAYS = ("2025-06-03", "2025-07-08", "2025-08-12")
ZIP = "https://zipper.dataspace.copernicus.eu/odata/v1/Products(0)/$value"


def asked(features, name="earth-search", sensor="sentinel-2"):
    with loop(catalogue(lambda ask: found(features))) as far:
        catalog = Endpoints().catalog(f"{name}={far.url}/v1")
        return search(CITY, Period.parse("2025"), catalog=catalog, sensor=sensor)


def cdse(day):
    """As Copernicus Data Space's STAC v1 answers: bands on s3, their alternates behind a sign-in, the product as a zip."""
    one = item(day)
    one["assets"] = {
        f"{key}_{'20m' if key == 'SCL' else '10m'}": {
            "href": f"s3://eodata/Sentinel-2/MSI/L2A/2025/07/08/X.SAFE/{key}.jp2", "type": "image/jp2", "roles": ["data"],
            "auth:refs": ["s3"], "alternate": {"https": {"href": ZIP, "auth:refs": ["oidc"]}},
        }
        for key in ("B02", "B03", "B04", "B08", "SCL")
    }  # fmt: skip
    one["assets"]["Product"] = {"href": ZIP, "type": "application/zip", "roles": ["data", "metadata", "archive"]}
    return one


def test_cdse_needs_an_account_although_its_product_has_a_web_address():
    with pytest.raises(NoImageError, match="the files of its 3 scenes need an account; use another --catalog"):
        asked([cdse(day) for day in DAYS], "copernicus")


def test_scenes_that_anybody_can_read_are_used_beside_those_with_an_account():
    result = asked([cdse(DAYS[0]), item(DAYS[1])])
    assert [scene.time.day for scene in result.scenes] == [8]
    assert result.notes == ("Earth Search: 1 scenes left out, their files need an account",)


def test_a_public_alternate_is_read_where_the_first_address_is_not():
    one = item(DAYS[0])
    for entry in one["assets"].values():
        entry["alternate"] = {"https": {"href": entry["href"].replace("example.org", "mirror.example")}}
        entry["href"] = "s3://bucket/x.tif"
    (scene,) = asked([one]).scenes
    assert all(asset.href.startswith("https://mirror.example/") for asset in scene.assets)


def test_stactools_sentinel2_166_a_geometry_collection_is_its_area():
    """sentinel2#166: make_valid gives an area and a line."""
    line = {"type": "LineString", "coordinates": [[14.3, 52.2], [14.9, 52.2]]}
    one = item(DAYS[0]) | {"geometry": {"type": "GeometryCollection", "geometries": [OUTLINE, line]}}
    (scene,) = asked([one]).scenes
    assert scene.footprint.equals(shapely.geometry.shape(OUTLINE))


def test_an_item_without_geometry_is_the_box_that_it_states():
    (scene,) = asked([item(DAYS[0]) | {"geometry": None}]).scenes
    assert scene.footprint.equals(shapely.box(14.3, 52.2, 14.7, 52.45))


BROKEN = {
    "neither geometry nor box": {"geometry": None, "bbox": None},
    "a collection of lines": {"geometry": {"type": "GeometryCollection", "geometries": []}},
    "a point": {"geometry": {"type": "Point", "coordinates": [14.5, 52.3]}},
    "no properties": {"properties": None},
    "assets as a list": {"assets": []},
    "no day": {"properties": {**item(DAYS[0])["properties"], "datetime": None}},
    "a day that is none": {"properties": {**item(DAYS[0])["properties"], "datetime": "yesterday"}},
    "coordinates of text": {"geometry": {"type": "Polygon", "coordinates": [["a", "b"]]}},
    "an address that is a number": {"assets": {"red": {"href": 7}, "nir": None}},
}


@pytest.mark.parametrize("fault", sorted(BROKEN))
def test_one_broken_item_leaves_the_rest_usable(fault):
    result = asked([item(DAYS[0]), item(DAYS[1]) | BROKEN[fault], item(DAYS[2])])
    assert [scene.time.date().isoformat() for scene in result.scenes] == [DAYS[0], DAYS[2]]
    if fault not in {"assets as a list", "an address that is a number"}:  # those show no band that can be read
        (caution,) = result.warnings
        assert caution.code == "image-left-out"
        assert "1 items are not proper STAC, and were left out: S2B_33UVT_20250708_0_L2A" in caution.text


def test_nothing_but_broken_items_is_one_line():
    with pytest.raises(
        NoImageError, match=r"item S2B_33UVT_20250603_0_L2A .* is not proper STAC; use another --catalog"
    ):
        asked([item(DAYS[0]) | BROKEN["a point"]])


def test_planetary_computers_landsat_is_read_and_usgs_own_is_said_to_need_an_account():
    """Recorded forms, cut: https with a token on Planetary Computer; a sign-in and s3 where the reader pays at USGS."""

    def landsat(href, **more):
        keys = ("blue", "green", "red", "nir08", "swir16", "swir22", "qa_pixel")
        return {
            **item(DAYS[0]), "id": "LC09_L2SP_192024_20250603_02_T1", "collection": "landsat-c2-l2",
            "properties": {"datetime": f"{DAYS[0]}T10:00:00Z", "platform": "landsat-9", "constellation": "landsat",
                           "landsat:correction": "L2SP"},
            "assets": {key: {"href": f"{href}/{key}.TIF", "roles": ["data"], **more} for key in keys},
        }  # fmt: skip

    (scene,) = asked(
        [landsat("https://landsateuwest.blob.core.windows.net/c2")], "planetary-computer", "landsat"
    ).scenes
    assert {asset.signer for asset in scene.assets} == {"planetary-computer"}
    with pytest.raises(NoImageError, match="need an account"):
        asked([landsat("s3://usgs-landsat/c2", alternate={"s3": {"href": "s3://x"}})], "planetary-computer", "landsat")


def test_sentinel_1_ground_range_is_no_radar_that_can_be_used():
    """sentinel-1-grd of CDSE lies on no map: it is passed over in one line, not taken for terrain-corrected radar."""
    one = cdse(DAYS[0]) | {"collection": "sentinel-1-rtc"}
    one["properties"] = {"datetime": f"{DAYS[0]}T05:00:00Z", "platform": "sentinel-1a", "constellation": "sentinel-1",
                         "sar:product_type": "GRD"}  # fmt: skip
    assert asked([one | {"collection": "sentinel-1-grd"}], "planetary-computer", "sentinel-1").scenes == ()
    with pytest.raises(NoImageError, match="Copernicus Data Space: has no Sentinel-1"):
        asked([one], "copernicus", "sentinel-1")


def test_a_double_that_lacks_a_band_does_not_beat_its_whole_twin():
    """The newer processing has no near-infrared: with it the date would be lost, as no model can use it."""
    whole, newer = item(DAYS[0]), item(DAYS[0])
    newer["id"] = "S2B_33UVT_20250603_1_L2A"
    newer["properties"] = {**newer["properties"], "s2:processing_baseline": "05.12"}
    assert [scene.id for scene in asked([whole, newer]).scenes] == [newer["id"]]
    del newer["assets"]["nir"]
    assert [scene.id for scene in asked([whole, newer]).scenes] == [whole["id"]]


@pytest.mark.parametrize(("broken", "good", "raises"), [(2, 1, False), (3, 1, True), (2, 0, True), (1, 0, True)])
def test_masks_that_cannot_be_read_lose_their_dates_unless_the_first_three_all_do(monkeypatch, broken, good, raises):
    def coverage_of(scene, frame):
        if scene.time.month < 6 + broken:
            raise NetworkError(f"no {scene.id}")
        packed = np.packbits(np.ones(frame.shape, bool)).tobytes()
        return packed, packed, False

    monkeypatch.setattr(_coverage, "_coverage", coverage_of)
    days = [f"2025-{6 + n:02d}-01" for n in range(broken + good)]
    scenes = asked([item(day) for day in days if day < "2025-10"]).scenes
    if raises:
        with pytest.raises(NetworkError, match="no S2B"):
            _coverage.look_each(scenes, city=CITY)
        return
    seen, lost = _coverage.look_each(scenes, city=CITY)
    assert (len(seen), len(lost)) == (good, broken)


def test_a_jpeg_2000_file_counts_whole_and_a_geotiff_its_share():
    (cog,) = asked([item(DAYS[0])]).scenes
    whole = replace(cog, assets=tuple(replace(one, href=one.href.replace(".tif", ".jp2")) for one in cog.assets))
    small = grid(CITY, resolution_m=10)
    pixels = geodesic_area_m2(cog.footprint) / 100
    assert estimate_bytes([cog], ["red"], small) < 2 * small.shape[0] * small.shape[1] * 2
    expected = 0.9 * (pixels + pixels / 4)  # the band at 10 m and the mask at 20 m
    assert estimate_bytes([whole], ["red"], small) == pytest.approx(expected, rel=1e-6)
    stated = replace(whole, assets=tuple(replace(one, size_bytes=1000) for one in whole.assets))
    assert estimate_bytes([stated], ["red"], small) == 2000
