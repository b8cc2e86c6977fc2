from __future__ import annotations

import errno
import json
import math
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from odc.geo.geobox import GeoBox
from rio_cogeo import cog_validate

from howgreen import store
from howgreen.core import cog
from howgreen.core.errors import ImageError, StoreError
from howgreen.core.sensors import SENSORS
from howgreen.core.types import City, District, Population
from howgreen.store import _footprint, layout

WHEN = datetime(2023, 7, 1, 10, 15, 59, tzinfo=UTC)


def put(root, rasters, **options):
    given = {
        "id": "S2A_test",
        "sensor": SENSORS["sentinel-2"],
        "time": WHEN,
        "scale": 1e-4,
        "offset": -0.1,
        "nodata": 0,
    }
    return store.put_scene(root, store.Header(**(given | options)), rasters)


@pytest.fixture
def root(tmp_path, grid, values):
    """A store with one scene of two grids and a mask."""
    folder = tmp_path / "store"
    coarse = grid((30, 40), 20.0)
    scl = values((30, 40), 5, 0, 12, "uint8")
    rasters = {"red": (values(), grid()), "swir16": (values((30, 40), 2), coarse), "scl": (scl, coarse)}
    put(folder, rasters, cloud_cover_pct=3.25, baseline="05.09", platform="sentinel-2a")
    return folder


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.sampled_from(["uint8", "uint16", "int16", "float32"]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
        )
    ),
    res=st.sampled_from([10.0, 20.0, 0.3]),
    tilt=st.sampled_from([0.0, 30.0]),
    crs=st.sampled_from(["EPSG:32632", "EPSG:27700", "EPSG:3857"]),
)
def test_band_comes_back_as_it_went(tmp_path, data, res, tilt, crs):
    cos, sin = res * math.cos(math.radians(tilt)), res * math.sin(math.radians(tilt))
    affine = Affine(cos, sin, 400000.25, sin, -cos, 250000.5)
    path = tmp_path / "band.tif"
    cog.write(path, data, grid=GeoBox(data.shape, affine, crs), band="red", nodata=0, scale=1e-4, offset=-0.1)
    with rasterio.open(path) as found:
        np.testing.assert_array_equal(found.read(1), data)
        assert found.transform.almost_equals(affine, 1e-9)
        assert found.crs == rasterio.crs.CRS.from_string(crs)
        assert (found.scales, found.offsets, found.descriptions) == ((1e-4,), (-0.1,), ("red",))


@pytest.mark.parametrize(("band", "dtype"), [("red", "uint16"), ("scl", "uint8"), ("qa_pixel", "uint16")])
def test_bands_are_valid_cogs_with_overviews(tmp_path, grid, values, band, dtype):
    data = values((1300, 700), low=1, high=12, dtype=dtype)
    path = tmp_path / "band.tif"
    written = cog.write(path, data, grid=grid((1300, 700)), band=band, nodata=0)
    valid, errors, warnings = cog_validate(path)
    assert (valid, errors, warnings) == (True, [], [])
    assert written.size_bytes == path.stat().st_size
    with rasterio.open(path) as found:
        assert found.block_shapes == [(512, 512)]
        assert found.overviews(1) == [2, 4]
        assert found.compression.value == "DEFLATE"


def test_overviews_leave_nodata_out_and_never_mix_classes(tmp_path, grid):
    half = np.zeros((1024, 1024), np.uint16)
    half[:, 1::2] = 4000  # every second column has no data: the mean of the rest is still 4000
    cog.write(tmp_path / "red.tif", half, grid=grid((1024, 1024)), band="red", nodata=0)
    classes = np.where(np.arange(1024)[None, :] % 3, 4, 8).astype(np.uint8) * np.ones((1024, 1), np.uint8)
    cog.write(tmp_path / "scl.tif", classes, grid=grid((1024, 1024)), band="scl", nodata=0)
    with rasterio.open(tmp_path / "red.tif") as red, rasterio.open(tmp_path / "scl.tif") as scl:
        assert np.unique(red.read(1, out_shape=(512, 512))).tolist() == [4000]
        assert set(np.unique(scl.read(1, out_shape=(512, 512)))) <= {4, 8}


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [("bool", "uint8"), ("float64", "float32"), ("int64", "uint16"), ("uint64", "uint16"), ("float16", "float32")],
)
def test_wide_numbers_are_narrowed_without_loss(dtype, stored):
    data = np.array([[0, 1], [1, 0]], dtype)
    assert cog.storable(data).dtype == stored
    np.testing.assert_array_equal(cog.storable(data).astype(dtype), data)


def test_numbers_that_fit_no_type_are_refused():
    with pytest.raises(ImageError, match="convert the image"):
        cog.storable(np.array([[0, 2**40]]))
    with pytest.raises(ImageError, match="convert the image"):
        cog.storable(np.array([[1j]]))
    with pytest.raises(ImageError, match="does not fit"):
        cog.fitting_nodata(np.dtype("uint8"), 65535)


def test_catalogue_opens_in_pystac(root):
    catalog = pystac.Catalog.from_file(str(root / "catalog.json"))
    (found,) = catalog.get_items(recursive=True)
    assert [child.id for child in catalog.get_children()] == ["sentinel-2-l2a"]
    assert found.datetime == WHEN
    assert found.get_collection().id == "sentinel-2-l2a"
    assert found.properties["eo:cloud_cover"] == 3.25
    assert found.properties["s2:processing_baseline"] == "05.09"
    assert found.properties["howgreen:clear_source"] == "scl"
    for parent in (catalog, *catalog.get_children(), found):
        for link in parent.links:
            assert link.rel == "self" or not str(link.href).startswith("/")
            assert link.rel == "self" or (root / link.get_absolute_href()).exists()
    interval = catalog.get_child("sentinel-2-l2a").extent.temporal.intervals[0]
    assert interval == [WHEN, WHEN]


def test_assets_say_what_readers_need(root):
    (found,) = store.items(root)
    red, scl = found.assets["red"].to_dict(), found.assets["scl"].to_dict()
    file = root / "sentinel-2-l2a" / "S2A_test" / "red.tif"
    assert found.assets["red"].get_absolute_href() == str(file)
    assert red["file:size"] == file.stat().st_size
    assert red["raster:bands"][0] == {
        "data_type": "uint16",
        "spatial_resolution": 10.0,
        "nodata": 0,
        "scale": 1e-4,
        "offset": -0.1,
    }
    assert red["eo:bands"][0]["common_name"] == "red"
    assert (red["proj:code"], red["proj:shape"]) == ("EPSG:32632", [60, 80])
    assert "scale" not in scl["raster:bands"][0]
    assert red["file:checksum"].startswith("1220")
    with rasterio.open(root / "sentinel-2-l2a" / "S2A_test" / "scl.tif") as mask:
        assert (mask.scales, mask.offsets) == ((1.0,), (0.0,))


# odc-geo still calls what affine 3 and shapely 2.2 warn of.
@pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
def test_other_readers_load_it(root, values):
    odc_stac = pytest.importorskip("odc.stac")
    items = list(pystac.Catalog.from_file(str(root / "catalog.json")).get_items(recursive=True))
    cube = odc_stac.load(items, bands=["red", "scl"])
    np.testing.assert_array_equal(cube.red.values[0], values())
    assert cube.red.dtype == np.uint16
    assert cube.red.attrs["nodata"] == 0


def test_scene_says_the_same_as_was_put(root):
    (scene,) = store.scenes(root)
    assert (scene.id, scene.sensor, scene.time) == ("S2A_test", "sentinel-2", WHEN)
    assert (scene.scale, scene.offset, scene.nodata) == (1e-4, -0.1, 0)
    assert scene.bands == ("red", "swir16", "scl")
    assert scene.cloud_cover_pct == 3.25
    assert scene.synthetic is False
    asset = scene.asset("red")
    assert Path(asset.href).is_absolute()
    assert asset.size_bytes == Path(asset.href).stat().st_size
    assert pystac.Item.from_dict(dict(scene.native)).assets["red"].href == asset.href


def test_scene_of_the_same_id_is_replaced_and_the_old_files_go(root, grid, values):
    put(root, {"red": (values(seed=9), grid())}, synthetic=True)
    (scene,) = store.scenes(root)
    assert scene.bands == ("red",)
    assert scene.synthetic is True
    with rasterio.open(scene.asset("red").href) as found:
        np.testing.assert_array_equal(found.read(1), values(seed=9))
    assert len(list((root / "sentinel-2-l2a" / "S2A_test").glob("*.tif"))) == 1
    assert store.verify(root) == []


def test_a_hundred_catalogue_entries_keep_their_order_and_extent(tmp_path, grid, values):
    for day in (3, 1, 2):
        put(tmp_path, {"red": (values((8, 8)), grid((8, 8)))}, id=f"day-{day}", time=datetime(2023, 7, day))  # noqa: DTZ001 (no time zone is what is tested)
    assert [scene.id for scene in store.scenes(tmp_path)] == ["day-1", "day-2", "day-3"]
    (collection,) = pystac.Catalog.from_file(str(tmp_path / "catalog.json")).get_children()
    first, last = collection.extent.temporal.intervals[0]
    assert (first.day, last.day) == (1, 3)
    assert [link.title for link in collection.get_item_links()] == ["day-1", "day-2", "day-3"]


def test_float_reflectance_keeps_its_nan(tmp_path, grid):
    data = np.full((20, 20), 0.25, np.float64)
    data[:5] = np.nan
    put(tmp_path, {"red": (data, grid((20, 20)))}, scale=1.0, offset=0.0, nodata=None)
    (scene,) = store.scenes(tmp_path)
    assert (scene.scale, scene.nodata) == (1.0, None)
    with rasterio.open(scene.asset("red").href) as found:
        assert np.isnan(found.nodata)
        np.testing.assert_array_equal(found.read(1), data.astype(np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "../evil"}, "scene id"),
        ({"id": "a/b"}, "scene id"),
        ({"id": ".hidden"}, "scene id"),
        ({"id": ""}, "scene id"),
        ({"nodata": 70000}, "does not fit"),
    ],
)
def test_bad_scenes_are_refused_and_leave_nothing(tmp_path, grid, values, change, message):
    with pytest.raises((ImageError, StoreError), match=message):
        put(tmp_path / "new", {"red": (values(), grid())}, **change)
    assert not (tmp_path / "new").exists()


def test_bad_bands_are_refused_and_leave_nothing(tmp_path, grid, values):
    cases = [
        ({"purple": (values(), grid())}, "bands purple are unknown"),
        ({"scl": (values(dtype="uint8", low=0, high=9), grid())}, "no reflective band"),
        ({"red": (values((5, 5)), grid())}, "they must agree"),
        ({"red": (np.zeros((60, 80), np.uint16), grid())}, "every pixel is nodata"),
        ({"red": (values(), grid()), "scl": (values(), grid())}, "scene classification"),
    ]
    for rasters, message in cases:
        with pytest.raises(ImageError, match=message):
            put(tmp_path / "new", rasters)
        assert not (tmp_path / "new").exists()


# ---- footprints


@given(
    mask=hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)),
    limit=st.sampled_from([4, 512]),
)
def test_outline_holds_every_valid_pixel(mask, limit):
    box = GeoBox(mask.shape, Affine(10, 0, 500000, 0, -10, 5150000), "EPSG:32632")
    before, _footprint.LARGEST_SIDE_PX = _footprint.LARGEST_SIDE_PX, limit
    try:
        outline = _footprint.outline(mask, box)
    finally:
        _footprint.LARGEST_SIDE_PX = before
    assert outline.is_empty == (not mask.any())
    rows, columns = np.nonzero(mask)
    xs, ys = 500005 + 10 * columns, 5149995 - 10 * rows
    lons, lats = rasterio.warp.transform("EPSG:32632", "EPSG:4326", xs.tolist(), ys.tolist())
    assert all(shapely.contains_xy(outline, lons, lats)) if lons else True


def test_outline_of_a_split_swath_follows_it(grid):
    mask = np.tri(200, dtype=bool)
    found = _footprint.outline(mask, grid((200, 200)))
    whole = _footprint.outline(np.ones((200, 200), bool), grid((200, 200)))
    assert 0.5 <= found.area / whole.area < 0.53
    assert len(found.exterior.coords) < 800


def test_outline_across_the_antimeridian_is_split():
    box = GeoBox((100, 100), Affine(1000, 0, 790000, 0, -1000, 8000000), "EPSG:32760")
    found = _footprint.outline(np.ones((100, 100), bool), box)
    assert found.geom_type == "MultiPolygon"
    assert {round(abs(x)) for x in (found.bounds[0], found.bounds[2])} == {180}


# ---- places


def city(**change) -> City:
    part = District(
        name="Gries",
        id="d:1",
        boundary=shapely.box(11.3, 46.46, 11.35, 46.5),
        population=Population(count=5, year=2021, source="x"),
    )
    hole = shapely.box(11.3, 46.46, 11.4, 46.5).difference(shapely.box(11.32, 46.47, 11.33, 46.48))
    given = {
        "name": "Bolzano",
        "label": "Bolzano/Bozen",
        "id": "osm:R47207",
        "boundary": shapely.MultiPolygon([hole, shapely.box(11.5, 46.5, 11.6, 46.51)]),
        "crs": "EPSG:32632",
        "area_m2": 52.1e6 / 3,
        "kind": "municipality",
        "admin_level": 8,
        "districts": (part, part),
        "population": Population(count=107025, year=2023, source="ISTAT"),
        "licence": "ODbL",
        "note": "with an exclave",
    }
    return City(**(given | change))


def test_place_round_trips(tmp_path):
    for one in (city(), city(name="Sampleton", synthetic=True, population=None, districts=(), admin_level=None)):
        file = store.put_place(tmp_path, one)
        assert store.place(tmp_path, one.name) == one
        assert json.loads(file.read_text())["type"] == "FeatureCollection"
    assert [one.name for one in store.places(tmp_path)] == ["Bolzano", "Sampleton"]
    assert store.verify(tmp_path) == []


def test_city_survives_json():
    text = json.dumps(store.city_to_feature(city()))
    assert store.city_from_feature(json.loads(text)) == city()


@pytest.mark.parametrize("asked", ["bolzano", "BOZEN", "Bolzano/Bozen", " bolzano ", "osm:R47207", "Bólzano"])
def test_place_is_found_whatever_the_spelling(tmp_path, asked):
    store.put_place(tmp_path, city())
    assert store.place(tmp_path, asked) == city()
    assert store.place(tmp_path, "Bolz") is None


def test_place_whose_name_has_no_latin_letter_gets_a_file(tmp_path):
    store.put_place(tmp_path, city(name="東京"))
    store.put_place(tmp_path, city(name="大阪"))
    assert {one.name for one in store.places(tmp_path)} == {"東京", "大阪"}


# ---- what the disk refuses


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path, grid, values, monkeypatch):
    real = os.fsync

    def full(handle):
        if stat.S_ISREG(os.fstat(handle).st_mode) and os.fstat(handle).st_size > 2000:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="disk is full") as caught:
        put(tmp_path / "store", {"red": (values(), grid())})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_full_disk_keeps_what_was_there(root, grid, values, monkeypatch):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def full(path, value):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(layout, "write_json", full)
    with pytest.raises(StoreError, match="disk is full"):
        put(root, {"red": (values(seed=3), grid())})
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert store.verify(root) == []


def test_folder_that_may_not_be_written(tmp_path, grid, values, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # permissions do not hold back root, who may run the tests
    with pytest.raises(StoreError, match="may not be written"):
        put(tmp_path / "store", {"red": (values(), grid())})


def test_a_file_is_no_store(tmp_path, grid, values):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="a file"):
        put(tmp_path / "file", {"red": (values(), grid())})
    with pytest.raises(StoreError, match="a file"):
        put(tmp_path / "file" / "deeper", {"red": (values(), grid())})
    for reader in (store.scenes, store.items, store.places, store.listing, store.verify):
        with pytest.raises(StoreError, match="a file, not a store"):
            reader(tmp_path / "file")
        with pytest.raises(StoreError, match="howgreen store add"):
            reader(tmp_path)
        with pytest.raises(StoreError, match="no such store"):
            reader(tmp_path / "nowhere")
