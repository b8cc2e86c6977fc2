from __future__ import annotations

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import RasterioError

from howgreen.core.cog import alpha_index


def write(path):
    values = np.random.default_rng(0).integers(0, 999, (64, 64)).astype(np.uint16)
    with rasterio.open(
        path, "w", driver="GTiff", height=64, width=64, count=1, dtype="uint16", crs="EPSG:32632", compress="deflate",
        transform=Affine(10, 0, 680_000, 0, -10, 5_150_000),
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def test_what_one_broken_file_left_behind_is_not_told_of_the_next(tmp_path):
    good, bad = write(tmp_path / "good.tif"), write(tmp_path / "bad.tif")
    bad.write_bytes(bad.read_bytes()[:-3000])
    with rasterio.open(good) as whole, rasterio.open(bad) as broken:
        try:
            broken.read(1)
        except RasterioError:
            pass
        else:
            raise AssertionError("the file is cut short")
        assert alpha_index(whole) is None


def test_what_has_no_meanings_has_no_alpha():
    assert alpha_index(object()) is None
