"""One scene, as four providers serve it, has one reflectance."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from shapely import MultiPolygon, Polygon, box

from howgreen.core.errors import ImageError, NetworkError
from howgreen.core.reflectance import radiometry
from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.core.stac import deduplicate
from howgreen.core.types import Asset
from howgreen.imagery import composite, decisions
from howgreen.imagery.catalog import _items
from howgreen.net.endpoints import CATALOGS, Endpoints

EARTH_SEARCH, PLANETARY, _, COPERNICUS = CATALOGS.values()
URL = "https://example.org"
RASTER = [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}]


def native(keys=("red", "nir", "scl"), *, name="S2B_32TPS_20240601_0_L2A", collection="sentinel-2-l2a", raster=RASTER,
           href=URL, footprint=None, baseline="05.11", **properties):  # fmt: skip
    shape = box(10, 46, 11, 47) if footprint is None else footprint
    entry = {"type": "image/tiff", "roles": ["data"]} | ({"raster:bands": raster} if raster else {})
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection, "links": [],
        "geometry": shapely.geometry.mapping(shape),
        "properties": {"datetime": "2024-06-01T10:10:00Z", "constellation": "sentinel-2", "grid:code": "MGRS-32TPS"}
        | ({"s2:processing_baseline": baseline} if baseline else {}) | properties,
        "assets": {key: {**entry, "href": f"{href}/{key}.tif"} for key in keys},
    }  # fmt: skip


def served(kind, baseline):
    """An item as a provider shapes it, the provider, and what it has added to the bare DN."""
    added = 1000 if baseline >= "04.00" else 0
    flag = {"earthsearch:boa_offset_applied": True}
    return {
        "earth-search": (native(baseline=baseline, **(flag if added else {})), EARTH_SEARCH, 0),
        "earth-search-c1": (native(collection="sentinel-2-c1-l2a", baseline=baseline), EARTH_SEARCH, added),
        "planetary-computer": (native(("B04", "B08", "SCL"), raster=None, baseline=baseline), PLANETARY, added),
        "copernicus": (
            native(("B04_10m", "B04_20m", "B08_10m", "SCL_20m"), raster=None, baseline=None,
                   **{"processing:version": baseline}),
            COPERNICUS, added,
        ),
    }[kind]  # fmt: skip


@pytest.mark.parametrize("baseline", ["02.14", "04.00", "05.11"])
@pytest.mark.parametrize("kind", ["earth-search", "earth-search-c1", "planetary-computer", "copernicus"])
def test_the_same_scene_from_any_provider_has_the_same_reflectance(make_scene, kind, baseline):
    bare = np.random.default_rng(3).integers(150, 4000, (40, 40)).astype(np.uint16)
    item, provider, added = served(kind, baseline)
    scene = _items.scene(item, catalog=provider, sensor=SENTINEL2)
    files = make_scene(
        {"red": bare + np.uint16(added), "nir": bare + np.uint16(added), "scl": np.full((40, 40), 4, np.uint8)}
    )
    assert scene.bands == files.bands
    scene = replace(scene, assets=tuple(Asset(band=a.band, href=files.asset(a.band).href) for a in scene.assets))
    import rasterio
    from odc.geo.geobox import GeoBox

    with rasterio.open(files.assets[0].href) as source:
        grid = GeoBox(source.shape, source.transform, "EPSG:32632")
    got = composite([scene], grid=grid, bands=["red", "nir"]).data["reflectance"].compute(scheduler="synchronous")
    np.testing.assert_allclose(got.values, np.stack([bare, bare]) * np.float32(1e-4), rtol=0, atol=1e-7)
    assert decisions([scene])["scenes"][0]["offset_why"] == scene.radiometry


def test_pc_134_planetary_computer_never_harmonises():
    item = native(**{"earthsearch:boa_offset_applied": True})
    assert radiometry(item, SENTINEL2, habit="as delivered").offset == -0.1


def test_earth_search_66_71_the_flag_outweighs_the_raster_bands_offset():
    found = radiometry(native(**{"earthsearch:boa_offset_applied": True}), SENTINEL2, habit="flagged")
    assert found.offset == 0.0
    assert "taken the offset out" in found.why


def test_earth_search_66_71_a_wrong_flag_is_contradicted_by_the_pixels(make_scene):
    rng = np.random.default_rng(8)
    bare = rng.integers(100, 2500, (128, 128)).astype(np.uint16)
    dark = {"blue": bare, "green": bare, "red": bare, "scl": np.full((128, 128), 4, np.uint8)}
    lies = _items.scene(
        native(("red",), **{"earthsearch:boa_offset_applied": False}), catalog=EARTH_SEARCH, sensor=SENTINEL2
    )
    wrong = replace(make_scene(dark), offset=lies.offset, radiometry=lies.radiometry)
    with pytest.raises(ImageError, match="negative reflectance"):
        decisions([wrong])


def test_numbers_written_into_a_file_are_not_applied_again(make_scene):
    """One normaliser, with loader rescaling off: GDAL's own scale and offset of a file change nothing."""
    import rasterio
    from odc.geo.geobox import GeoBox

    files = make_scene({"red": np.full((40, 40), 1500, np.uint16)}, offset=-0.1)
    with rasterio.open(files.assets[0].href, "r+") as file:
        file.scales, file.offsets = (0.0001,), (-0.1,)
        grid = GeoBox(file.shape, file.transform, "EPSG:32632")
    got = composite([files], grid=grid, bands=["red"]).data["reflectance"].compute(scheduler="synchronous")
    np.testing.assert_allclose(got.values, 0.05, atol=1e-7)


def test_torchgeo_3224_reprocessed_scenes_before_2022_carry_the_offset():
    assert radiometry(native(baseline="05.00", datetime="2018-06-01T10:00:00Z"), SENTINEL2).offset == -0.1
    assert radiometry(native(baseline="03.01", datetime="2022-06-01T10:00:00Z"), SENTINEL2).offset == 0.0


@pytest.mark.parametrize(
    ("said", "name", "offset"),
    [
        ({"s2:product_uri": "S2B_MSIL2A_20250731T130249_N0511_R095_T24MVV_20250731T132745.SAFE"}, "x", -0.1),
        ({}, "S2A_MSIL2A_20200714T115221_N0214_R123_T28QCH_20200714T191310", 0.0),
        ({}, "nothing-known", -0.1),  # then the item's own raster:bands decide
    ],
)
def test_a_baseline_that_is_not_stated_is_read_off_the_name(said, name, offset):
    assert radiometry(native(name=name, baseline=None, **said), SENTINEL2).offset == offset


def test_landsat_collection_2_scale_and_offset():
    found = radiometry({"properties": {}}, LANDSAT)
    assert (found.scale, found.offset, found.nodata) == (0.0000275, -0.2, 0)


def scene(**options):
    return _items.scene(native(**options), catalog=EARTH_SEARCH, sensor=SENTINEL2)


def single(scenes, **options):
    return [scenes[i] for i in deduplicate(scenes, **options)]


def test_earth_search_25_of_doubled_items_the_newest_baseline_stays():
    """cirrus-earth-search#4, earth-search#25: items ``_0`` and ``_1`` of one tile and datatake."""
    old = scene(
        name="S2B_32TPS_20240601_1_L2A", baseline="04.00", **{"s2:datatake_id": "GS2B_20240601T100559_037_N04.00"}
    )
    new = scene(
        name="S2B_32TPS_20240601_0_L2A", baseline="05.11", **{"s2:datatake_id": "GS2B_20240601T100559_037_N05.11"}
    )
    for order in ([old, new], [new, old]):
        assert single(order) == [new]


def test_earth_search_29_65_70_what_one_collection_lacks_the_other_has():
    """earth-search#29, #65, #70: gaps in Collection 1."""
    order = ("sentinel-2-l2a", "sentinel-2-c1-l2a")
    here, twice = scene(), scene(name="S2B_T32TPS_20240601T101000_L2A", collection=order[1])
    other = scene(name="S2B_T32TPT_20240601T101000_L2A", collection=order[1], **{"grid:code": "MGRS-32TPT"})
    assert single([twice, other, here], collections=order) == [other, here]


def test_doubles_of_one_baseline_keep_the_later_number():
    first, second = scene(name="S2B_32TPS_20240601_0_L2A"), scene(name="S2B_32TPS_20240601_1_L2A")
    assert single([first, second]) == [second]


def test_pc_256_the_halves_of_a_split_strip_both_stay():
    west = scene(name="S2B_32TPS_20240601_0_L2A", footprint=box(10, 46, 10.5, 47))
    east = scene(name="S2B_32TPS_20240601_1_L2A", footprint=box(10.5, 46, 11, 47))
    assert single([west, east]) == [west, east]


def test_landsat_real_time_gives_way_to_tier_1():
    def landsat(name):
        item = native(("red", "nir08", "qa_pixel"), name=name, collection="landsat-c2-l2", baseline=None,
                      constellation="landsat", platform="landsat-9")  # fmt: skip
        return _items.scene(item, catalog=PLANETARY, sensor=LANDSAT)

    early, late = (landsat(f"LC09_L2SP_193027_20240601_{tail}") for tail in ("20240601_02_RT", "20240615_02_T1"))
    assert single([late, early]) == [late]


@pytest.mark.parametrize(
    "ring",
    [
        [(179.2, -18.5), (-179.9, -18.5), (-179.9, -17.5), (179.2, -17.5)],
        [(179.2, -18.5), (180.1, -18.5), (180.1, -17.5), (179.2, -17.5)],
        [(-180.8, -18.5), (-179.9, -18.5), (-179.9, -17.5), (-180.8, -17.5)],
    ],
)
def test_footprints_across_the_antimeridian_are_split_there(ring):
    found = scene(footprint=Polygon(ring)).footprint
    assert isinstance(found, MultiPolygon)
    assert found.equals(box(179.2, -18.5, 180, -17.5).union(box(-180, -18.5, -179.9, -17.5)))


def test_level_1_and_other_sensors_are_no_scenes():
    assert _items.scene(native(collection="sentinel-2-l1c"), catalog=EARTH_SEARCH, sensor=SENTINEL2) is None
    assert _items.scene(native(), catalog=EARTH_SEARCH, sensor=LANDSAT) is None


@pytest.mark.parametrize("href", ["s3://eodata/x", "file:///etc", "/vsizip/x"])
def test_only_http_is_read(href):
    item = native(href=href)
    assert _items.scene(item, catalog=COPERNICUS, sensor=SENTINEL2) is None
    assert _items.needs_account(item, sensor=SENTINEL2) == href.startswith(("s3:", "file:"))


def test_catalogues_by_name_by_url_and_as_mirrors():
    assert Endpoints().catalog("Earth-Search") is EARTH_SEARCH
    assert Endpoints().catalog(PLANETARY.url + "/") == PLANETARY
    assert Endpoints().catalog("http://127.0.0.1:8/stac/").url == "http://127.0.0.1:8/stac"
    mirror = Endpoints().catalog("planetary-computer=http://127.0.0.1:8/")
    assert (mirror.url, mirror.signer) == ("http://127.0.0.1:8", "planetary-computer")
    for wrong in ("nobody", "nobody=http://127.0.0.1", "earth-search=ftp://x", ""):
        with pytest.raises(NetworkError, match="use one of earth-search"):
            Endpoints().catalog(wrong)
