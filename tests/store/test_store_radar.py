"""Radar images that a user has: decibels or power, told by the pixels or by the user."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import rasterio

from howgreen import store
from howgreen.core.errors import ImageError, StoreError

SHAPE = (60, 80)


def land(seed=0) -> np.ndarray:
    """Linear power (2, y, x) of VV and VH: speckle about -9 and -16 dB."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.exponential(level, SHAPE) for level in (0.17, 0.035)]).astype(np.float32) + np.float32(1e-4)


def refused(root, files, **options) -> str:
    with pytest.raises(ImageError) as caught:
        store.add(files, root=root, city="X", options=store.Options(**options))
    assert "\n" not in str(caught.value)
    assert not root.exists()
    return str(caught.value)


@pytest.mark.parametrize("unit", [None, "given"])
@pytest.mark.parametrize("power", [True, False])
def test_power_and_decibels(tif, root, power, unit):
    values = land() if power else 10 * np.log10(land())
    image = tif(data=values, names=["VV", "VH"])
    given = {} if unit is None else {"unit": "power" if power else "dB"}
    store.add([image], root=root, city="X", options=store.Options(**given))
    (scene,) = store.scenes(root)
    assert (scene.sensor, scene.bands, scene.power, scene.nodata) == ("sentinel-1", ("vv", "vh"), power, None)
    for band, expected in zip(("vv", "vh"), values, strict=True):
        with rasterio.open(scene.asset(band).href) as file:
            np.testing.assert_array_equal(file.read(1), expected)
    assert store.verify(root) == []


def test_one_file_a_polarisation_by_its_name(tif, root):
    files = [
        tif(f"S1A_20230701_{pol}.tif", data=one[None]) for pol, one in zip(("VH", "VV"), land()[::-1], strict=True)
    ]
    store.add(files, root=root, city="X")
    assert store.scenes(root)[0].bands == ("vv", "vh")


def test_whole_numbers_with_a_scale_and_a_nodata_value(tif, root):
    hundredths = np.rint(1000 * np.log10(land())).astype(np.int16)
    hundredths[:, :5] = -32768
    image = tif(data=hundredths, names=["vv", "vh"], nodata=-32768)
    assert "RTC" in refused(root, [image])
    store.add([image], root=root, city="X", options=store.Options(scale=0.01))
    (scene,) = store.scenes(root)
    assert (scene.power, scene.scale, scene.nodata) == (False, 0.01, -32768)


def test_unsigned_numbers_without_a_nodata_value(tif, root):
    """Decibels shifted to be positive."""
    shifted = np.rint((10 * np.log10(land()) + 50) * 100).astype(np.uint16)
    store.add(
        [tif(data=shifted, names=["vv", "vh"])], root=root, city="X", options=store.Options(scale=0.01, offset=-50)
    )
    (scene,) = store.scenes(root)
    assert (scene.power, scene.scale, scene.offset, scene.nodata) == (False, 0.01, -50.0, None)


def test_a_stack_of_both_sensors_is_taken_for_its_colours(tif, root):
    both = np.concatenate(
        [np.full((2, *SHAPE), 800, np.uint16) * [[[1]], [[4]]], np.full((2, *SHAPE), 4000, np.uint16)]
    ).astype(np.uint16)
    store.add([tif(data=both, names=["B04", "B08", "VV", "VH"])], root=root, city="X")
    assert (store.scenes(root)[0].sensor, store.scenes(root)[0].bands) == ("sentinel-2", ("red", "nir"))


def test_what_cannot_be_backscatter_is_refused(tif, root):
    levels = 10 * np.log10(land())
    assert "order of --bands" in refused(root, [tif(data=levels[::-1], names=["VV", "VH"])])
    assert "taken as linear power" in refused(root, [tif(data=levels, names=["VV", "VH"])], unit="power")
    assert "taken as decibels" in refused(root, [tif(data=levels - 40, names=["VV", "VH"])])
    assert "none is negative" in refused(root, [tif(data=land(), names=["VV", "VH"])], unit="dB")
    assert "furlongs" in refused(root, [tif(data=levels, names=["VV", "VH"])], unit="furlongs")


def test_another_unit_is_another_scene(tif, root):
    image = tif(data=land(), names=["VV", "VH"])
    store.add([image], root=root, city="X")
    store.add([image], root=root, city="X", options=store.Options(unit="power"))
    with pytest.raises(StoreError, match="--replace"):
        store.add([image], root=root, city="X", options=store.Options(unit="dB"))


@pytest.mark.real
def test_senica(shared_data, root):
    files = [shared_data / "senica_s1" / f"{pol}.tif" for pol in ("VV", "VH")]
    store.add(files, root=root, city="Senica", options=store.Options(date=date(2018, 7, 1)))
    (scene,) = store.scenes(root)
    assert (scene.bands, scene.power) == (("vv", "vh"), False)
    for path, band in zip(files, scene.bands, strict=True):
        with rasterio.open(path) as given, rasterio.open(scene.asset(band).href) as kept:
            np.testing.assert_array_equal(kept.read(1), given.read(1))
            assert (kept.transform, kept.crs) == (given.transform, given.crs)
