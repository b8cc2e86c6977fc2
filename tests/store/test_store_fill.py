"""Pixels without data are found whatever says so, and nothing else is taken for them."""

from __future__ import annotations

import warnings
from datetime import date

import numpy as np
import pytest
import rasterio
from store_files import RGBN, make_values

from howgreen import store
from howgreen.core.warnings import HowgreenWarning
from howgreen.store import _fill

DAY = date(2023, 7, 1)


def empty(root, path, *, told=True, band="red", **options) -> np.ndarray:
    """Where a band of the scene holds no data, once the file is in a store."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", HowgreenWarning)
        store.add([path], root=root, city="X", replace=True, options=store.Options(bands=RGBN, date=DAY, **options))
    assert ("nodata-assumed" in [one.message.code for one in found]) == told
    (scene,) = store.scenes(root)
    with rasterio.open(scene.asset(band).href) as file:
        return file.read_masks(1) == 0


def light(seed=0) -> np.ndarray:
    return (np.stack([make_values(seed=seed + n) for n in range(4)]) * 1e-4).astype(np.float32)


@pytest.mark.parametrize("value", [0.0, -0.1, -1.0, 3.4e38, 65535.0, -32768.0])
def test_an_untold_border_of_one_value_at_the_end_of_all_others_is_no_data(tif, root, value):
    """satpy#1727, stackstac#217, PlanetaryComputer#460."""
    data = light()
    data[:, :, :20] = value
    data[:, 30, 50] = value  # alone inside: ground
    found = empty(root, tif(data=data))
    assert found[:, :20].all()
    assert not found[:, 20:].any()


@pytest.mark.parametrize(
    ("rows", "columns", "is_fill"), [(8, 8, True), (7, 9, False), (1, 64, True), (9, 7, False), (1, 63, False)]
)  # fmt: skip
def test_a_border_has_64_pixels_and_8_side_by_side_on_the_edge(tif, root, rows, columns, is_fill):
    data = light()
    data[:, :rows, 8 : 8 + columns] = 0  # on the upper edge only
    assert empty(root, tif(data=data), told=is_fill).sum() == (data[0] == 0).sum() * is_fill


def test_one_value_among_the_others_or_in_one_band_alone_is_ground(tif, root):
    data = light()
    data[:, :20] = 0.15
    assert not empty(root, tif(data=data), told=False).any()
    data = light()
    data[0, :20] = 0
    assert not empty(root, tif(data=data), told=False).any()
    data = light()
    data[:, 20:40, 20:40] = 0  # not at the border
    assert not empty(root, tif(data=data), told=False).any()


def test_minus_9999_and_what_is_no_number_are_no_data_untold(tif, root):
    data = light()
    for place, value in enumerate((np.nan, np.inf, -np.inf, -9999)):
        data[:, place, place] = value
    assert np.argwhere(empty(root, tif(data=data), told=False)).tolist() == [[n, n] for n in range(4)]
    whole = np.stack([make_values(seed=n, dtype="int16") for n in range(4)])
    whole[:, 5, 5] = -9999
    assert np.argwhere(empty(root, tif(data=whole), told=False)).tolist() == [[5, 5]]


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_masks_of_the_file_are_believed_inside_and_beside(tif, root, beside, dtype):
    """rasterio#1178, async-geotiff#114, raster2dggs#105."""
    data = light() if dtype == "float32" else np.stack([make_values(seed=n) for n in range(4)])
    shown = np.ones(data.shape[1:], bool)
    shown[10:20, 30:50] = False
    path = tif(data=data)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=not beside), rasterio.open(path, "r+") as out:
        out.write_mask(shown)
    np.testing.assert_array_equal(empty(root, path, told=False), ~shown)


def test_a_fourth_band_called_alpha_by_default_is_near_infrared(tif, root):
    """GDAL says so of four bands that are written as a picture."""
    path = tif(data=np.stack([make_values(seed=n) for n in range(4)]), photometric="RGB", alpha="yes")
    with rasterio.open(path) as file:
        assert file.colorinterp[3] == rasterio.enums.ColorInterp.alpha
    assert not empty(root, path, told=False, band="nir").any()
    assert not empty(root, path, told=False, band="red").any()


def test_nodata_of_a_scene_is_given_to_each_band_in_its_own_type():
    values = np.array([[1, 2, 700]], np.uint16)
    assert _fill.as_nodata(values.copy(), 0, own=2, empty=[values == 700]).tolist() == [[1, 0, 0]]
    floats = np.array([[1, 2, np.inf]], np.float32)
    np.testing.assert_array_equal(_fill.as_nodata(floats.copy(), None, own=2, empty=[]), [[1, np.nan, np.nan]])
    assert _fill.as_nodata(
        np.array([[0, 5]], np.uint8), None, own=None, empty=[np.array([[False, True]])]
    ).tolist() == [[0, 0]]


def _ramp(share: float = 0.004, seed: int = 1, spread: int = 250) -> np.ndarray:
    """Ground of numbers around 500, of which 500 itself is this share."""
    rng = np.random.default_rng(seed)
    values = rng.integers(500 - spread // 2, 500 + spread // 2, (200, 200)).astype(np.int32)
    values[values == 500] = 501
    values[rng.random(values.shape) < share] = 500
    return values


@pytest.mark.parametrize(
    ("values", "nodata", "told"),
    [
        (_ramp(), 500, True), (_ramp(0.0003), 500, False), (_ramp(0.0008), 500, True),
        (_ramp(0.0105), 500, True), (_ramp(0.016), 500, False),  # three times as common as those beside it, and more
        (_ramp(), 0, False), (_ramp(), 9999, False), (_ramp(), None, False), (_ramp(), float("nan"), False),
        (np.maximum(_ramp(), 500), 500, False), (np.minimum(_ramp(), 500), 500, False),
        (np.maximum(_ramp(), 496), 500, False), (np.minimum(_ramp(), 505), 500, True), (np.minimum(_ramp(), 504), 500, False),
        ((_ramp() / 1000).astype(np.float32), float(np.float32(0.5)), True),
    ],
)  # fmt: skip
def test_a_value_for_no_data_that_the_ground_has_too_is_found(values, nodata, told):
    """A tag of 222 on an image of Bolzano took out a pixel in two hundred, without a word."""
    found = _fill.holes(values, nodata)
    assert (found is not None) is told
    if told:
        assert found == pytest.approx((values == values.dtype.type(nodata)).mean(), rel=0.1)


def test_a_patch_without_data_is_no_hole():
    values = _ramp(0)
    values[50:60, 50:66] = 500
    assert _fill.holes(values, 500) is None


def test_the_users_value_for_no_data_stands_instead_of_the_files(tif, root, recwarn):
    data = np.stack([_ramp(seed=more) + more for more in (0, 300, 200, 2800)]).astype("uint16")
    data[:, :4] = 9000
    path = tif(data=data, nodata=500, names=("red", "green", "blue", "nir"))
    for given in (None, 9000):
        options = store.Options(date=date(2023, 7, 1), nodata=given)
        store.add([path], root=root, city="A", options=options, replace=True)
        told = [str(one.message) for one in recwarn if "its value for no data" in str(one.message)]
        recwarn.clear()
        assert bool(told) is (given is None)
        with rasterio.open(store.scenes(root)[0].asset("red").href) as kept:
            shown = kept.read_masks(1) > 0
        assert shown[4:].all() == (given is not None)
        assert not shown[:4].any()
