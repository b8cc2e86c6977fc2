from __future__ import annotations

import dataclasses
import warnings
from datetime import UTC, date, datetime

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rio_cogeo import cog_validate
from store_files import ORIGIN, RGBN, make_values

from howgreen import store
from howgreen.core.errors import HowgreenError, ImageError, StoreError
from howgreen.core.geometry import crs_of, geodesic_area_m2
from howgreen.core.types import City
from howgreen.store._add import FOOTPRINT_KIND

DAY = date(2023, 7, 1)


def read(scene, band):
    with rasterio.open(scene.asset(band).href) as found:
        return found.read(1)


def limits() -> City:
    area = shapely.box(11.27, 46.51, 11.28, 46.52)
    return City(
        name="given.geojson",
        label="Bolzano/Bozen",
        id="file:x",
        boundary=area,
        crs=crs_of(area),
        area_m2=geodesic_area_m2(area),
    )


def test_many_band_tiff_by_option(tif, root):
    path = tif()
    (name,) = store.add(
        [path], root=root, city="Bolzano", boundary=limits(), options=store.Options(bands=RGBN, scale=1e-4, date=DAY)
    )
    (scene,) = store.scenes(root)
    assert scene.id == name == "sentinel-2-2023-07-01-image-20230701"
    assert (scene.scale, scene.offset, scene.nodata, scene.time.date()) == (1e-4, 0.0, 0, DAY)
    for index, band in enumerate(RGBN):
        np.testing.assert_array_equal(read(scene, band), make_values(seed=index))
        assert cog_validate(scene.asset(band).href)[0]
        with rasterio.open(scene.asset(band).href) as kept, rasterio.open(path) as given:
            assert kept.transform == given.transform
            assert kept.crs == given.crs
    assert store.place(root, "Bolzano") == dataclasses.replace(limits(), name="Bolzano")
    assert store.verify(root) == []


@pytest.mark.parametrize(
    "names", [("B04", "B03", "B02", "B08"), ("Red", "green", "BLUE", "nir"), ("b4", "b3", "b2", "b8")]
)
def test_bands_by_their_own_descriptions(tif, root, names):
    store.add([tif(names=names)], root=root, city="X")
    (scene,) = store.scenes(root)
    assert scene.bands == ("blue", "green", "red", "nir")
    np.testing.assert_array_equal(read(scene, "red"), make_values(seed=0))
    np.testing.assert_array_equal(read(scene, "nir"), make_values(seed=3))


def test_described_bands_that_nobody_needs_are_left_out(tif, root):
    store.add([tif(names=("B04", "B01", "AOT", "B08"))], root=root, city="X")
    assert store.scenes(root)[0].bands == ("red", "nir")


def test_dash_leaves_a_band_out(tif, root):
    store.add([tif()], root=root, city="X", options=store.Options(bands=["red", "-", "-", "nir"]))
    assert store.scenes(root)[0].bands == ("red", "nir")


def test_scl_in_the_same_file_becomes_bytes(tif, root):
    data = np.stack([make_values(), make_values(low=0, high=12)])
    store.add([tif(data=data)], root=root, city="X", options=store.Options(bands=["red", "scl"]))
    (scene,) = store.scenes(root)
    assert read(scene, "scl").dtype == np.uint8
    np.testing.assert_array_equal(read(scene, "scl"), data[1])
    assert scene.native["properties"]["howgreen:clear_source"] == "scl"


def test_files_of_one_band_make_one_scene(tif, root):
    files = [
        tif(f"T32TPS_20230701_{band}_10m.tif", data=make_values(seed=i)[None]) for i, band in enumerate(("B04", "B8A"))
    ]
    mask = tif("T32TPS_20230701_SCL_20m.tif", data=make_values((30, 40), 7, 0, 12, "uint8")[None])
    (name,) = store.add([*files, mask], root=root, city="X")
    (scene,) = store.scenes(root)
    assert name == "sentinel-2-2023-07-01-t32tps-20230701"
    assert scene.bands == ("red", "nir08", "scl")
    np.testing.assert_array_equal(read(scene, "nir08"), make_values(seed=1))
    assert read(scene, "scl").shape == (30, 40)


def test_files_of_one_band_named_by_option(tif, root):
    files = [tif(f"{letter}.tif", data=make_values(seed=i)[None]) for i, letter in enumerate("abc")]
    store.add(files, root=root, city="X", options=store.Options(bands=["green", "red", "-"], date=DAY))
    (scene,) = store.scenes(root)
    assert scene.bands == ("green", "red")
    np.testing.assert_array_equal(read(scene, "red"), make_values(seed=1))


def test_two_many_band_files_are_two_scenes(tif, root):
    ids = store.add(
        [tif("a_20230701.tif"), tif("b_20230711.tif")], root=root, city="X", options=store.Options(bands=RGBN)
    )
    assert [scene.id for scene in store.scenes(root)] == ids
    assert [scene.time for scene in store.scenes(root)] == [datetime(2023, 7, d, 12, tzinfo=UTC) for d in (1, 11)]


def test_nodata_option_then_tag_then_zero(tif, root):
    data = np.stack([make_values(seed=i) for i in range(4)])
    data[:, :10] = 0
    for name, own, given, expected in [("a", None, None, 0), ("b", 65535, None, 65535), ("c", 65535, 7, 7)]:
        store.add(
            [tif(f"{name}_20230701.tif", data=data, nodata=own)],
            root=root,
            city=name,
            options=store.Options(bands=RGBN, nodata=given),
        )
        (scene,) = (one for one in store.scenes(root) if one.id.endswith(f"{name}-20230701"))
        assert scene.nodata == expected


def test_zero_border_without_a_tag_is_outside_of_the_footprint(tif, root):
    data = np.stack([make_values(seed=i) for i in range(4)])
    data[:, :30] = 0
    store.add([tif(data=data)], root=root, city="X", options=store.Options(bands=RGBN))
    (scene,) = store.scenes(root)
    assert geodesic_area_m2(scene.footprint) == pytest.approx(30 * 80 * 100, rel=2e-3)
    with rasterio.open(scene.asset("red").href) as found:
        assert found.nodata == 0


def test_files_with_unlike_nodata_keep_their_own(tif, root):
    one, two = make_values(seed=1), make_values(seed=2)
    one[:5], two[:5] = 0, 9999
    files = [
        tif("x_20230701_B04.tif", data=one[None], nodata=0),
        tif("x_20230701_B03.tif", data=two[None], nodata=9999),
    ]
    store.add(files, root=root, city="X")
    (scene,) = store.scenes(root)
    assert [scene.encoding(band).nodata for band in ("red", "green")] == [0, 9999]
    assert (read(scene, "green")[:5] == 9999).all()
    np.testing.assert_array_equal(read(scene, "green")[5:], two[5:])


def test_float_reflectance_stays_float(tif, root):
    data = (np.stack([make_values(seed=i) for i in range(4)]) * 1e-4).astype(np.float32)
    data[:, :6] = -9999
    store.add([tif(data=data, nodata=-9999)], root=root, city="X", options=store.Options(bands=RGBN))
    (scene,) = store.scenes(root)
    assert (scene.scale, scene.offset, scene.nodata) == (1.0, 0.0, None)
    found = read(scene, "red")
    assert found.dtype == np.float32
    assert np.isnan(found[:6]).all()
    np.testing.assert_array_equal(found[6:], data[0, 6:])


def test_scale_of_the_file_itself(tif, root):
    path = tif()
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = (2e-4,) * 4, (-0.02,) * 4
    store.add([path], root=root, city="X", options=store.Options(bands=RGBN))
    (scene,) = store.scenes(root)
    assert (scene.scale, scene.offset) == (2e-4, -0.02)


def test_rotated_and_geographic_grids_keep_their_place(tif, root):
    turned = Affine(8, 6, ORIGIN[0], 6, -8, ORIGIN[1])
    degrees = Affine(0.0001, 0, 11.3, 0, -0.0001, 46.5)
    store.add([tif("a_20230701.tif", transform=turned)], root=root, city="turned", options=store.Options(bands=RGBN))
    store.add(
        [tif("b_20230701.tif", transform=degrees, crs="EPSG:4326")],
        root=root,
        city="degrees",
        options=store.Options(bands=RGBN),
    )
    first, second = store.scenes(root)
    assert geodesic_area_m2(first.footprint) == pytest.approx(60 * 80 * 100, rel=2e-3)
    assert second.footprint.bounds == pytest.approx((11.3, 46.494, 11.308, 46.5), abs=1e-9)
    with rasterio.open(first.asset("red").href) as found:
        assert found.transform == turned


# ---- the place


def test_without_limits_the_city_is_what_the_image_shows(tif, root):
    store.add([tif()], root=root, city="Nowhere", options=store.Options(bands=RGBN))
    found = store.place(root, "nowhere")
    assert found.kind == FOOTPRINT_KIND
    assert "not the city" in found.note
    assert found.crs == "EPSG:32632"
    assert found.area_m2 == pytest.approx(60 * 80 * 100, rel=2e-3)


def test_footprint_city_grows_with_its_images(tif, root):
    east = Affine(10, 0, ORIGIN[0] + 800, 0, -10, ORIGIN[1])
    store.add([tif("a_20230701.tif")], root=root, city="X", options=store.Options(bands=RGBN))
    store.add([tif("b_20230702.tif", transform=east)], root=root, city="x", options=store.Options(bands=RGBN))
    assert [one.name for one in store.places(root)] == ["X"]
    assert store.place(root, "X").area_m2 == pytest.approx(2 * 60 * 80 * 100, rel=3e-3)


def test_known_limits_are_kept_when_none_are_given(tif, root):
    store.add([tif("a_20230701.tif")], root=root, city="X", boundary=limits(), options=store.Options(bands=RGBN))
    store.add([tif("b_20230702.tif")], root=root, city="X", options=store.Options(bands=RGBN))
    assert store.place(root, "X").boundary == limits().boundary


# ---- again, and other


def test_the_same_again_changes_nothing(tif, root):
    path = tif()
    first = store.add([path], root=root, city="X", options=store.Options(bands=RGBN))
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob("*.tif")}
    assert store.add([path], root=root, city="X", options=store.Options(bands=RGBN)) == first
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob("*.tif")} == before


def test_another_scene_of_that_id_needs_replace(tif, root):
    store.add([tif()], root=root, city="X", options=store.Options(bands=RGBN))
    fresh = np.stack([make_values(seed=i + 50) for i in range(4)])
    with pytest.raises(StoreError, match="--replace"):
        store.add([tif(data=fresh)], root=root, city="X", options=store.Options(bands=RGBN))
    with pytest.raises(StoreError, match="--replace"):
        store.add([tif()], root=root, city="X", options=store.Options(bands=RGBN[::-1]))
    store.add([tif(data=fresh)], root=root, city="X", replace=True, options=store.Options(bands=RGBN))
    (scene,) = store.scenes(root)
    np.testing.assert_array_equal(read(scene, "red"), make_values(seed=50))
    assert store.verify(root) == []


def test_adding_again_mends_what_was_lost(tif, root):
    path = tif()
    store.add([path], root=root, city="X", options=store.Options(bands=RGBN))
    red = root / "sentinel-2-l2a" / store.scenes(root)[0].id / "red.tif"
    red.write_bytes(red.read_bytes()[:100])
    assert len(store.verify(root)) == 1
    store.add([path], root=root, city="X", options=store.Options(bands=RGBN))
    assert store.verify(root) == []
    np.testing.assert_array_equal(read(store.scenes(root)[0], "red"), make_values(seed=0))


def test_progress_counts_bands(tif, root):
    told = []
    store.add([tif()], root=root, city="X", progress=lambda *step: told.append(step), options=store.Options(bands=RGBN))
    assert told == [("store", done, 4) for done in range(5)]


# ---- what cannot be added


def refused(root, files, **options) -> str:
    with pytest.raises(HowgreenError) as caught:
        store.add(files, root=root, city="X", options=store.Options(**options))
    assert "\n" not in str(caught.value)
    assert not root.exists(), "something was left behind"
    return str(caught.value)


def test_each_lack_is_told_with_its_cure(tif, root, tmp_path):
    assert "--date" in refused(root, [tif("plain.tif")], bands=RGBN)
    assert "--date" in refused(root, [tif("x_20231399.tif")], bands=RGBN)
    assert "--bands" in refused(root, [tif()])
    message = refused(root, [tif()], bands=["red", "green", "blue"])
    assert "4 bands" in message
    assert "3 names" in message
    message = refused(root, [tif()], bands=["red", "green", "blue", "purple"])
    assert "'purple'" in message
    assert "rededge1" in message
    assert "twice" in refused(root, [tif()], bands=["red", "red", "blue", "nir"])
    assert "gdal_edit.py" in refused(root, [tif(crs=None)], bands=RGBN)
    assert "no such file" in refused(root, [tmp_path / "nothing.tif"])
    assert "no image given" in refused(root, [])
    assert "neither" in refused(root, [tmp_path])
    assert "unknown" in refused(root, [tif()], bands=RGBN, sensor="modis")
    one = tif("one_20230701.tif", data=make_values()[None])
    assert "separate calls" in refused(root, [tif(), one], bands=RGBN)
    assert "2 files, but 3 names" in refused(root, [one, one], bands=["red", "green", "blue"])
    assert "same scene" in refused(root, [tif(), tif()], bands=RGBN)


def test_crs_of_no_planet_is_refused(tif, root):
    local = 'LOCAL_CS["drawing board",UNIT["metre",1]]'
    assert "gdalwarp" in refused(root, [tif(crs=local)], bands=RGBN)


def test_refusal_leaves_an_empty_folder_empty(tif, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    path = tif(compress="deflate")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ImageError):
        store.add([path], root=folder, city="X", options=store.Options(bands=RGBN))
    assert list(folder.iterdir()) == []


def test_interruption_leaves_nothing(tif, root):
    def interrupt(_stage, done, _total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.add([tif()], root=root, city="X", progress=interrupt, options=store.Options(bands=RGBN))
    assert not root.exists()


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_image_without_a_place_is_refused(tif, root):
    path = tif(transform=Affine.identity())
    warnings.simplefilter("error")
    assert "georeference" in refused(root, [path], bands=RGBN)


def test_other_formats_are_not_opened(root, tmp_path, tif):
    vrt = tmp_path / "x_20230701.tif"
    vrt.write_text(f'<VRTDataset rasterXSize="1" rasterYSize="1"><SourceFilename>{tif()}</SourceFilename></VRTDataset>')
    assert "gdal_translate" in refused(root, [vrt], bands=["red"])


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.3, 0.9])
@pytest.mark.parametrize("profile", [{}, {"compress": "deflate"}, {"tiled": True, "blockxsize": 16, "blockysize": 16}])
def test_truncated_tiff_leaves_nothing(tif, root, keep, profile):
    path = tif(**profile)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    message = refused(root, [path], bands=RGBN)
    assert str(path) in message


def test_wrong_scale_is_told_with_the_likely_one(tif, root):
    thousand = np.stack([make_values(seed=i, low=20, high=500) for i in range(4)])
    assert "likely --scale 0.001" in refused(root, [tif(data=thousand)], bands=RGBN)
    assert "likely --scale 0.0001" in refused(root, [tif()], bands=RGBN, scale=1.0)
    assert "8-bit" in refused(
        root, [tif(data=make_values(low=10, high=255, dtype="uint8")[None])], bands=["red"], scale=1
    )
    assert "--scale 2.75e-05 --offset -0.2" in refused(root, [tif()], bands=RGBN, sensor="landsat")


def test_shifted_numbers_are_suspected_unless_the_offset_is_given(tif, root):
    shifted = np.stack([make_values(seed=i, low=1100, high=5000) for i in range(4)])
    assert "--offset -0.1" in refused(root, [tif(data=shifted)], bands=RGBN)
    store.add([tif(data=shifted)], root=root, city="X", options=store.Options(bands=RGBN, offset=-0.1))
    assert store.scenes(root)[0].offset == -0.1
    store.add([tif(data=shifted)], root=root, city="X", replace=True, options=store.Options(bands=RGBN, offset=0))
    assert store.scenes(root)[0].offset == 0


def test_a_refused_image_leaves_the_others_whole(tif, root):
    good, bad = tif("good_20230701.tif"), tif("bad_20230702.tif", compress="deflate")
    bad.write_bytes(bad.read_bytes()[:5000])
    store.add([good], root=root, city="X", options=store.Options(bands=RGBN))
    before = sorted(root.rglob("*"))
    with pytest.raises(ImageError):
        store.add([bad], root=root, city="X", options=store.Options(bands=RGBN))
    assert sorted(root.rglob("*")) == before
    assert store.verify(root) == []


def _four_bands(path, values, *, crs="EPSG:32632"):
    with rasterio.open(
        path, "w", driver="GTiff", count=4, height=20, width=20, dtype="float32", crs=crs,
        transform=Affine(10, 0, 680_000, 0, -10, 5_150_000),
    ) as dataset:  # fmt: skip
        dataset.write(values)
    return path


def test_a_band_without_any_data_is_refused(root, tmp_path):
    values = np.full((4, 20, 20), 0.2, np.float32)
    values[2] = np.nan
    with pytest.raises(ImageError, match="band blue: every pixel is nodata"):
        store.add(
            [_four_bands(tmp_path / "a.tif", values)], root=root, city="X", options=store.Options(bands=RGBN, date=DAY)
        )
    assert not root.exists()


def test_infinite_values_are_told_without_a_murmur(root, tmp_path):
    values = np.full((4, 20, 20), 300, np.float32)
    values[:, :5] = np.inf
    with pytest.raises(ImageError, match="not surface reflectance"):
        store.add(
            [_four_bands(tmp_path / "a.tif", values)], root=root, city="X", options=store.Options(bands=RGBN, date=DAY)
        )


def test_metres_called_degrees_are_refused_before_anything_is_written(root, tmp_path):
    path = _four_bands(tmp_path / "a.tif", np.full((4, 20, 20), 0.2, np.float32), crs="EPSG:4326")
    with pytest.raises(ImageError, match=r"a\.tif: x 680000…680200, y 5\.1498e\+06…5\.15e\+06 are no degrees"):
        store.add([path], root=root, city="X", options=store.Options(bands=RGBN, date=DAY))
    assert not root.exists()


def test_a_city_without_a_name_is_refused(tif, root):
    with pytest.raises(StoreError, match="no city given"):
        store.add([tif()], root=root, city="  ", options=store.Options(bands=RGBN, scale=1e-4, date=DAY))
    assert not root.exists()
