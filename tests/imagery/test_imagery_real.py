"""Real Sentinel-2 crops, made into scenes as they are."""

from datetime import UTC, datetime

import dask
import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.warp import Resampling, reproject
from shapely import box
from shapely.geometry import shape

from howgreen.core.sensors import SCL_BAD
from howgreen.core.types import Asset, City, Scene
from howgreen.imagery import composite, decisions, grid
from howgreen.imagery.catalog._coverage import look

pytestmark = pytest.mark.real


def real_scene(name, assets, **options):
    return Scene(
        id=name, sensor="sentinel-2", time=datetime(2023, 7, 1, 10, tzinfo=UTC), footprint=box(-180, -90, 180, 90),
        assets=tuple(assets), **({"scale": 1e-4, "offset": 0.0, "nodata": 0} | options),
    )  # fmt: skip


@pytest.fixture
def bolzano(shared_data):
    path = str(shared_data / "bolzano" / "S2_L2A_sample.tif")
    names = ("red", "green", "blue", "nir", "scl")
    return real_scene("bolzano", [Asset(band=name, href=path, index=i + 1) for i, name in enumerate(names)])


@pytest.fixture
def bolzano_city(shared_data):
    import json

    collection = json.loads((shared_data / "bolzano" / "boundary.geojson").read_text())
    boundary = shape(collection["features"][0]["geometry"] if "features" in collection else collection["geometry"])
    return City(
        name="Bolzano", label="Bolzano", id="file:bolzano", boundary=boundary, crs="EPSG:32632", area_m2=52_000_000
    )


def computed(scene, frame, bands):
    with dask.config.set(scheduler="synchronous"):
        data = composite([scene], grid=frame, bands=bands, block_px=300).data.compute()
    return data["reflectance"].values, data["n_clear"].values


def test_bolzano_reaches_beyond_its_image(bolzano, bolzano_city):
    (scene,) = look([bolzano], city=bolzano_city)
    assert scene.covered_pct == pytest.approx(85.1, abs=1)
    assert scene.clear_pct <= scene.covered_pct


def test_bolzano_pixels_are_the_files(bolzano, bolzano_city):
    frame = grid(bolzano_city)
    reflectance, n_clear = computed(bolzano, frame, ("blue", "nir"))
    with rasterio.open(bolzano.assets[0].href) as dataset:
        dn, t = dataset.read(), dataset.transform
    row, column = round((t.f - frame.affine.f) / -10), round((t.c - frame.affine.c) / 10)
    both = np.s_[max(row, 0) : row + dn.shape[1], max(column, 0) : column + dn.shape[2]]
    size = n_clear[both].shape
    inner = np.s_[:, max(-row, 0) : max(-row, 0) + size[0], max(-column, 0) : max(-column, 0) + size[1]]
    cut = dn[inner]
    clear = n_clear[both] == 1
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(reflectance[0][both][clear], (cut[2] / 10_000).astype(np.float32)[clear])
    np.testing.assert_array_equal(reflectance[1][both][clear], (cut[3] / 10_000).astype(np.float32)[clear])
    usable = ~np.isin(cut[4], SCL_BAD) & (cut[[2, 3]] > 0).all(axis=0)
    assert not (clear & ~usable).any()
    assert (usable & ~clear).sum() <= 0.05 * usable.size  # the buffer around clouds, nothing else
    n_clear[both] = 0
    assert not n_clear.any()


def test_bolzano_numbers_make_sense(bolzano):
    (record,) = decisions([bolzano])["scenes"]
    assert record["offset_check"] == "consistent"
    assert record["measured"]["clear_pixels"] > 10_000


def test_fort_mcmurray_degrees_agree_with_gdal(shared_data):
    folder = shared_data / "fort_mcmurray"
    names = {"blue": "B02", "nir": "B08", "scl": "SCL"}
    scene = real_scene("fort", [Asset(band=band, href=str(folder / f"{n}.tif")) for band, n in names.items()])
    with rasterio.open(folder / "B08.tif") as dataset:
        x, y = rasterio.warp.transform("EPSG:4326", "EPSG:32612", *[[v] for v in dataset.xy(700, 500)])
        frame = GeoBox((400, 420), Affine(10, 0, round(x[0], -1), 0, -10, round(y[0], -1)), "EPSG:32612")
        expected, _ = reproject(
            rasterio.band(dataset, 1), np.zeros(frame.shape, np.float32), src_nodata=0, dst_transform=frame.affine,
            dst_crs="EPSG:32612", dst_nodata=0, resampling=Resampling.bilinear,
        )  # fmt: skip
    with rasterio.open(folder / "SCL.tif") as dataset:
        codes, _ = reproject(
            rasterio.band(dataset, 1), np.zeros(frame.shape, np.uint8), dst_transform=frame.affine,
            dst_crs="EPSG:32612", resampling=Resampling.nearest,
        )  # fmt: skip
    reflectance, n_clear = computed(scene, frame, ("blue", "nir"))
    clear = n_clear == 1
    assert 0.02 < clear.mean() < 0.98
    difference = np.abs(reflectance[1] * 10_000 - expected)[clear]
    assert np.percentile(difference, 99) < 30
    assert (clear & np.isin(codes, SCL_BAD)).mean() < 0.01  # GDAL's positions differ by a hundredth of a pixel


def test_lommel_without_a_mask_is_taken_where_it_is_clear_and_that_is_said(shared_data):
    folder = shared_data / "lommel"
    names = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}
    assets = [Asset(band=band, href=str(folder / f"ref_check_icor_S2_{n}.tif")) for band, n in names.items()]
    scene = real_scene("lommel", assets, nodata=65_535)
    frame = GeoBox((1024, 512), Affine(10, 0, 655_360, 0, -10, 5_686_280), "EPSG:32631")
    reflectance, n_clear = computed(scene, frame, tuple(names))
    for band, plane in zip(names, reflectance, strict=True):
        with rasterio.open(scene.asset(band).href) as dataset:
            dn = dataset.read(1)
        clear = n_clear == 1
        np.testing.assert_array_equal(plane[clear], (np.minimum(dn, 32_766) / 10_000).astype(np.float32)[clear])
        assert not (clear & (dn == 65_535)).any()
    cloud, shadow, field = n_clear[370:400, 200:230], n_clear[280:310, 20:50], n_clear[170:200, 180:230]
    assert cloud.mean() == 0
    assert shadow.mean() < 0.2
    assert field.mean() == 1
    assert 0.8 < n_clear.mean() < 0.9
    assert (
        "lommel: no cloud mask, clouds found by howgreen's own detector (clouds-4 1.0.0)" in decisions([scene])["mask"]
    )
