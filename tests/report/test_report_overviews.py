from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from howgreen.report._overviews import pyramid

NONE = -32768


def gdals(values: np.ndarray, how: Resampling, nodata: float) -> np.ndarray:
    """The first overview as GDAL makes it."""
    profile = {"driver": "GTiff", "height": len(values), "width": values.shape[1], "count": 1, "dtype": values.dtype}
    grid = rasterio.Affine(10, 0, 0, 0, -10, 0)
    with MemoryFile() as memory:
        with memory.open(**profile, nodata=nodata, crs="EPSG:32632", transform=grid) as file:
            file.write(values, 1)
            file.build_overviews([2], how)
        with rasterio.open(memory.name, overview_level=0) as small:
            return small.read(1)


@pytest.mark.parametrize(("dtype", "nodata"), [("int16", NONE), ("float32", np.nan)])
@pytest.mark.parametrize("holes", [0, 0.3, 0.9])
def test_means_are_gdals(dtype, nodata, holes):
    """Of positive values: GDAL rounds negative halves now up, now down."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 9000, (64, 96)).astype(dtype)
    values[rng.random(values.shape) < holes] = nodata
    (ours,) = pyramid(values, 1, nodata=nodata, smooth=True)
    np.testing.assert_array_equal(ours, gdals(values, Resampling.average, nodata))


def test_clear_majorities_are_gdals():
    rng = np.random.default_rng(2)
    values = np.repeat(np.repeat(rng.integers(0, 5, (20, 30)), 2, axis=0), 2, axis=1).astype(np.uint8)
    odd = rng.integers(0, 2, (20, 30)) + 2 * np.arange(30)  # one pixel of each four is something else, or nothing
    values[np.arange(20)[:, None] * 2, odd] = rng.choice([7, 255], (20, 30))
    (ours,) = pyramid(values, 1, nodata=255, smooth=False)
    np.testing.assert_array_equal(ours, gdals(values, Resampling.mode, 255))


def test_of_equally_frequent_values_the_first_and_never_no_data():
    block = np.array([[255, 4, 255, 255], [9, 255, 255, 255], [3, 2, 6, 8], [2, 3, 8, 1]], np.uint8)
    (half,) = pyramid(block, 1, nodata=255, smooth=False)
    assert half.tolist() == [[4, 255], [3, 8]]


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.int16,
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=23),
        elements=st.sampled_from([NONE, -32767, -3, 0, 1, 2, 7, 32767]),
    )
)
def test_each_level_is_the_rounded_mean_of_the_seen_among_four(block):
    levels = list(pyramid(block, 3, nodata=NONE, smooth=True))
    for above, below in zip([block, *levels], levels, strict=False):
        bands, height, width = above.shape
        assert below.shape == (bands, -(-height // 2), -(-width // 2))
        for place in np.ndindex(below.shape):
            four = above[place[0], 2 * place[1] : 2 * place[1] + 2, 2 * place[2] : 2 * place[2] + 2]
            seen = four[four != NONE].astype(float)
            assert below[place] == (np.floor(seen.mean() + 0.5) if seen.size else NONE)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_blocks_give_what_the_whole_gives(height, width, smooth):
    """Where blocks begin at multiples of 8, three levels of each are parts of the whole's."""
    rng = np.random.default_rng(height * 61 + width)
    whole = rng.choice(np.array([0, 1, 2, 50, 255], np.uint8), (height, width))
    levels = list(pyramid(whole, 3, nodata=255, smooth=smooth))
    for top in range(0, height, 24):
        for left in range(0, width, 16):
            block = whole[top : top + 24, left : left + 16]
            for n, part in enumerate(pyramid(block, 3, nodata=255, smooth=smooth), 1):
                rows, columns = part.shape
                at = levels[n - 1][top >> n : (top >> n) + rows, left >> n : (left >> n) + columns]
                np.testing.assert_array_equal(part, at)
