"""Numbers that no ground has, told before they enter a store."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from howgreen import store
from howgreen.core.errors import ImageError

DAY = date(2023, 7, 1)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


def _meadow(red: int, nir: int) -> np.ndarray:
    """Red and near-infrared of a city whose third is meadow; a speck of each band alone holds no data."""
    bands = np.full((2, 90, 90), 1500, np.uint16)
    bands[0, :30], bands[1, :30] = red, nir
    bands[0, 80, 80] = bands[1, 81, 81] = bands[1, 82, 80] = 0
    return bands


def test_bands_that_were_taken_for_each_other_are_refused(tif, root):
    said = store.Options(date=DAY, scale=1e-4)
    store.add(
        [tif("right.tif", data=_meadow(400, 4000), names=("red", "nir"), nodata=0)],
        root=root,
        city="Bolzano",
        options=said,
    )
    wrong = tif("wrong.tif", data=_meadow(4000, 400), names=("red", "nir"), nodata=0)
    with pytest.raises(ImageError, match=r"wrong\.tif: 33 % of its pixels.*another order.*--bands"):
        store.add([wrong], root=root, city="Bolzano", options=said)
    assert len(store.scenes(root)) == 1


@pytest.mark.parametrize(("scale", "dtype"), [(1e-4, "uint16"), (1e-3, "uint16"), (1.0, "float32")])
def test_a_shift_left_in_is_found_in_any_unit(tif, root, scale, dtype):
    values = ((_meadow(400, 4000) * 1e-4 + 0.1) / scale).round(4).astype(dtype)
    with pytest.raises(ImageError, match=r"in no visible band is a twentieth darker.*--offset -0\.1"):
        store.add(
            [tif(data=values, names=("red", "nir"))],
            root=root,
            city="Bolzano",
            options=store.Options(date=DAY, scale=scale),
        )


def _clouded(ground: int, cloud: int, *, rows: int) -> np.ndarray:
    """Red, near-infrared and SCL of a city whose lower rows are cloud."""
    bands = _meadow(ground, 4000)
    bands = np.concatenate([bands, np.full((1, 90, 90), 4, np.uint16)])
    bands[:2, 90 - rows :] = cloud + np.arange(90) * 7  # of one value it would be a border without data
    bands[2, 90 - rows :] = 9
    bands[0, 80, 80] = bands[1, 81, 81] = 0
    return bands


@pytest.mark.parametrize("rows", [0, 87, 88, 90])
def test_cloud_is_no_offset_where_a_mask_tells_it(tif, root, recwarn, rows):
    """Three rows of ground, 270 pixels, are enough; of two, nothing can be told."""
    bands = _clouded(400, 8500, rows=rows)
    file = tif("a.tif", data=bands, names=("red", "nir", "scl"), nodata=0)
    store.add([file], root=root, city="Bolzano", options=store.Options(date=DAY, scale=1e-4))
    told = [str(one.message) for one in recwarn if "hardly any of it clear" in str(one.message)]
    assert bool(told) is (rows >= 88)


def test_ground_between_clouds_still_tells_of_an_offset(tif, root):
    bands = _clouded(400, 8500, rows=60)
    bands[:2] = np.where(bands[:2] > 0, bands[:2] + 1000, 0)
    with pytest.raises(ImageError, match=r"in no visible band is a twentieth darker.*--offset -0\.1"):
        store.add(
            [tif("a.tif", data=bands, names=("red", "nir", "scl"), nodata=0)],
            root=root,
            city="Bolzano",
            options=store.Options(date=DAY, scale=1e-4),
        )


@pytest.mark.real
def test_an_overcast_landsat_day_is_taken_by_its_own_mask(shared_data, tmp_path, recwarn):
    """Bands of 0.94 under a mask that calls all of it cloud: they were refused as brighter than snow."""
    name = "LC08_L2SP_017036_20130419_20200913_02_T2"
    files = [shared_data / "landsat_c2l2" / f"{name}_{end}.TIF" for end in ("SR_B4", "SR_B5", "QA_PIXEL")]
    store.add(files, root=tmp_path / "store", city="Y")
    assert any("hardly any of it clear" in str(one.message) for one in recwarn)
