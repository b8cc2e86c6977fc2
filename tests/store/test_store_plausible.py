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
