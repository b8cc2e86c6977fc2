from __future__ import annotations

import dataclasses
from xml.etree import ElementTree as ET

import dask
import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize
from rio_cogeo import cog_validate

from howgreen.report import _rasters
from howgreen.report._rasters import blocks, shape_on_grid, write_rasters


@pytest.fixture(scope="module")
def folder(make, tmp_path_factory):
    """Larger than one COG tile, so that there are overviews; chunks that no tile matches."""
    folder = tmp_path_factory.mktemp("rasters")
    result = make(700, 640, chunk=200)
    told = []
    looks = write_rasters(result, folder, tell=lambda: told.append(1))
    assert len(told) == blocks(result)
    return folder, result, looks


def read(folder, name):
    with rasterio.open(folder / name) as file:
        return file.read()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "name",
    ["green_mask.tif", "green_fraction.tif", "green_uncertainty.tif", "n_clear.tif", "landcover.tif", "composite.tif"],
)
def test_valid_cogs_on_the_grid(folder, name):
    path, result, _ = folder
    valid, errors, warnings = cog_validate(path / name)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(path / name) as file:
        assert file.overviews(1) == [2]
        assert file.crs == result.plan.grid.crs
        assert file.transform == result.plan.grid.transform
        assert file.tags()["PERIOD"] == "2024-05-01/2024-09-30"
    assert not list(path.glob("scratch*"))


def test_composite_reads_back(folder):
    path, result, _ = folder
    with rasterio.open(path / "composite.tif") as file:
        assert file.descriptions == ("red", "green", "blue", "nir", "swir16")
        assert file.scales == (1e-4,) * 5
        assert file.nodata == -32768
        values = file.read(masked=True).astype(np.float64) * file.scales[0]
    expected = result.composite.data["reflectance"].sel(band=list(file.descriptions)).values
    np.testing.assert_array_equal(np.ma.getmaskarray(values), np.isnan(expected))
    np.testing.assert_allclose(values.filled(np.nan), expected, atol=0.51e-4)


def counted(result):
    """Bool (y, x), apart from the code: land that was seen, of which any part lies inside the limits."""
    data = result.landcover.data
    limits = (
        gpd.GeoSeries([result.plan.city.boundary], crs="EPSG:4326").segmentize(0.005).to_crs(str(result.plan.grid.crs))
    )
    drawn = rasterize(
        list(limits), out_shape=data["label"].shape, transform=result.plan.grid.transform, all_touched=True
    )
    seen = (data["label"].values != 255) & np.isfinite(data["green_fraction"].values)
    return (drawn == 1) & seen & ~np.isin(data["label"].values, result.landcover.water_codes)


def test_uncertainty_reads_back_and_its_overview_is_a_mean(folder):
    path, result, _ = folder
    expected = np.where(counted(result), result.landcover.data["green_uncertainty"].values, np.nan)
    with rasterio.open(path / "green_uncertainty.tif") as file:
        assert (file.scales, file.nodata, file.descriptions) == ((0.01,), 255, ("green_uncertainty",))
        values = file.read(1, masked=True) * file.scales[0]
        small = file.read(1, masked=True, out_shape=(350, 320)) * file.scales[0]
    np.testing.assert_array_equal(np.ma.getmaskarray(values), np.isnan(expected))
    np.testing.assert_allclose(values.filled(np.nan), expected, atol=0.0051)
    quarters = expected[:700, :640].reshape(350, 2, 320, 2)
    whole = np.isfinite(quarters).all(axis=(1, 3))
    np.testing.assert_allclose(small.filled(np.nan)[whole], quarters.mean(axis=(1, 3))[whole], atol=0.011)


def test_a_model_that_tells_no_uncertainty_gets_no_map_of_it(make, tmp_path):
    write_rasters(make(90, 80, unsure=False), tmp_path)
    assert not (tmp_path / "green_uncertainty.tif").exists()
    assert (tmp_path / "green_fraction.tif").exists()


def test_fraction_and_classes_read_back(folder):
    path, result, _ = folder
    land, label = counted(result), result.landcover.data["label"].values
    expected = np.where(land, result.landcover.data["green_fraction"].values, np.nan)
    np.testing.assert_allclose(read(path, "green_fraction.tif")[0], expected, atol=1 / 2048)
    shown = read(path, "landcover.tif")[0]
    np.testing.assert_array_equal(shown[shown != 4], np.where(land, label, 255)[shown != 4])
    assert (label[shown == 4] == 4).all()
    assert (shown == 4).any()


def test_colours_and_names(folder):
    path, result, _ = folder
    with rasterio.open(path / "landcover.tif") as file:
        colours = file.colormap(1)
        for item in result.card.classes:
            assert colours[item.code] == (*bytes.fromhex(item.colour[1:]), 255)
            assert file.tags(1)[f"CLASS_{item.code}"] == item.name
        assert colours[255][3] == 0
        assert file.nodata == 255
    names = [node.text for node in ET.parse(path / "landcover.tif.aux.xml").iter("Category")]
    assert names == [item.name for item in result.card.classes]
    with rasterio.open(path / "green_mask.tif") as file:
        assert file.colormap(1)[1] == (31, 107, 69, 255)


def test_mask_gives_the_pixel_ratio_and_nothing_else_is_counted(folder):
    path, result, _ = folder
    mask, label = read(path, "green_mask.tif")[0], result.landcover.data["label"].values
    assert set(np.unique(mask)) == {0, 1, 255}
    assert (mask[(label == 255) | (label == 4)] == 255).all()
    assert (mask[0] == 255).all()
    np.testing.assert_array_equal(mask != 255, counted(result))
    assert mask[mask != 255].mean() == pytest.approx(result.stats.green_pixel_ratio, abs=2e-3)


def test_a_pixel_of_the_mask_is_green_from_one_half_on(make, tmp_path):
    result = make(60, 70)
    data = result.landcover.data.compute()
    half = np.where(np.isnan(data["green_fraction"]), np.nan, np.float32(0.5))
    half[:, 35:] = np.nextafter(np.float32(0.5), np.float32(0))
    cover = dataclasses.replace(result.landcover, data=data.assign(green_fraction=(("y", "x"), half)))
    write_rasters(dataclasses.replace(result, landcover=cover), tmp_path)
    mask = read(tmp_path, "green_mask.tif")[0]
    assert set(np.unique(mask[:, :35])) == {1, 255}
    assert set(np.unique(mask[:, 35:])) == {0, 255}


def test_looks_are_those_inside_the_limits(folder):
    from rasterio.features import geometry_mask

    _, result, looks = folder
    grid = result.plan.grid
    inside = geometry_mask([shape_on_grid(result)], grid.shape, grid.transform, invert=True)
    seen = result.composite.data["n_clear"].values[inside]
    found = looks.figures()
    assert (found["min"], found["max"]) == (seen.min(), seen.max())
    assert found["median"] == np.median(seen)
    assert found["never_pct"] == pytest.approx(100 * (seen == 0).mean())


def test_how_often_each_pixel_was_seen_is_a_map_cut_as_the_others(folder):
    path, result, _ = folder
    shown, looks = read(path, "n_clear.tif")[0], result.composite.data["n_clear"].values
    within = read(path, "landcover.tif")[0] != 255
    assert within.any()
    np.testing.assert_array_equal(shown[within], looks[within])  # water as well
    assert (shown[0] == 255).all()
    assert (shown[shown != 255] == looks[shown != 255]).all()
    assert (shown == 0).any()  # inside, and never seen
    with rasterio.open(path / "n_clear.tif") as file:
        assert (file.descriptions, file.units, file.nodata, file.dtypes) == (("n_clear",), ("dates",), 255, ("uint8",))


def test_each_block_is_computed_once(make, tmp_path):
    """Label and fraction come from one model run; three files and the clear looks need them."""
    result = make(90, 100, chunk=64)
    runs = []

    def model(block):
        runs.append(block.shape)
        return block

    data = result.landcover.data
    both = dask.array.stack([data["label"].data.astype(np.float32), data["green_fraction"].data]).rechunk({0: 2})
    both = both.map_blocks(model, dtype=np.float32, meta=np.zeros((0, 0, 0), np.float32))
    data = data.assign(label=(("y", "x"), both[0].astype(np.uint8)), green_fraction=(("y", "x"), both[1]))
    write_rasters(dataclasses.replace(result, landcover=dataclasses.replace(result.landcover, data=data)), tmp_path)
    assert len(runs) == 4


def test_plain_arrays_do_as_well(make, tmp_path):
    result = make(60, 70)
    plain = dataclasses.replace(
        result,
        landcover=dataclasses.replace(result.landcover, data=result.landcover.data.compute()),
        composite=dataclasses.replace(result.composite, data=result.composite.data.compute()),
    )
    write_rasters(plain, tmp_path)
    (tmp_path / "lazy").mkdir()
    write_rasters(result, tmp_path / "lazy")
    for name in ("landcover.tif", "green_fraction.tif", "green_mask.tif"):
        np.testing.assert_array_equal(read(tmp_path, name), read(tmp_path / "lazy", name))


def test_kept_numbers_are_written_as_they_are(make, tmp_path):
    result = make(90, 80)
    numbers = np.arange(result.composite.data["reflectance"].size).reshape(result.composite.data["reflectance"].shape)
    kept = (numbers % 65_536 - 32_768).astype(np.int16)
    data = result.composite.data.assign(scaled=(("band", "y", "x"), kept))
    write_rasters(dataclasses.replace(result, composite=dataclasses.replace(result.composite, data=data)), tmp_path)
    with rasterio.open(tmp_path / "composite.tif") as file:
        for band, plane in zip(result.composite.bands, kept, strict=True):
            np.testing.assert_array_equal(file.read(file.descriptions.index(band) + 1), plane)


def test_no_pixel_is_shown_as_known_exactly():
    """Standard errors in hundredths: rounded, but never down to nothing, nor up over one."""
    told = np.array([[0.0, 0.001, 0.014, 0.016, 0.5, 1.0, 3.0, np.nan]], np.float32)
    fraction = np.where(np.isnan(told), np.nan, 0.5).astype(np.float32)
    assert _rasters._hundredths(told, fraction).tolist() == [[1, 1, 1, 2, 50, 100, 100, 255]]
