"""Hand-made maps in the published coding: 10 m, EPSG:3035, one byte a pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

WEST, NORTH = 4_100_000, 3_080_000


@pytest.fixture
def make_map(tmp_path):
    def make(name, codes, *, west=WEST, north=NORTH, pixel=10, crs="EPSG:3035", nodata=255, dtype="uint8") -> Path:
        values = np.asarray(codes, dtype)
        transform = Affine(pixel, 0, west, 0, -pixel, north)
        path = tmp_path / name
        with rasterio.open(
            path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=dtype, crs=crs,
            transform=transform, nodata=nodata,
        ) as file:  # fmt: skip
            file.write(values, 1)
        return path

    return make
