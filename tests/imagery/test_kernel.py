import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from howgreen.core.types import NEVER_CLEAR
from howgreen.imagery.composite import _median as kernel


def nanmedian(codes, clear):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        middle = np.nanmedian(np.where(clear[:, None], codes.astype(np.float64), np.nan), axis=0)
    return np.nan_to_num(np.rint(middle), nan=NEVER_CLEAR)  # halves to the even one


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 13).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.int16, (n, 2, 3, 5), elements=st.integers(-32767, 32766)), hnp.arrays(np.bool_, (n, 3, 5))
        )
    )
)
def test_median_is_numpys(stack):
    codes, clear = stack
    median, n_clear = kernel.median(codes, clear)
    np.testing.assert_array_equal(median, nanmedian(codes, clear))
    np.testing.assert_array_equal(n_clear, clear.sum(axis=0))
    assert median.dtype == np.int16
    assert n_clear.dtype == np.uint8


@pytest.mark.parametrize("dates", range(1, 17))
def test_median_of_many_pixels_over_several_slabs(dates, monkeypatch):
    monkeypatch.setattr(kernel, "SLAB_PX", 64)
    rng = np.random.default_rng(dates)
    codes = rng.integers(-500, 6000, (dates, 3, 31, 20)).astype(np.int16)
    clear = rng.random((dates, 31, 20)) < 0.6
    median, _ = kernel.median(codes, clear)
    np.testing.assert_array_equal(median, nanmedian(codes, clear))


def test_all_dates_clear_and_none_clear():
    codes = np.array([1, 5, 3, 9], np.int16).reshape(4, 1, 1, 1)
    assert kernel.median(codes, np.ones((4, 1, 1), bool))[0].item() == 4
    median, n_clear = kernel.median(codes, np.zeros((4, 1, 1), bool))
    assert median.item() == NEVER_CLEAR
    assert n_clear.item() == 0


def test_dn_with_a_shift_give_what_codes_give():
    rng = np.random.default_rng(0)
    dn = rng.integers(0, 12_000, (5, 2, 8, 9)).astype(np.uint16)
    shifts = [0, -1000, 0, -1000, -500]
    codes = np.stack([kernel.shifted(d, s) for d, s in zip(dn, shifts, strict=True)])
    np.testing.assert_array_equal(codes, dn.astype(int) + np.array(shifts)[:, None, None, None])
    clear = rng.random((5, 8, 9)) < 0.7
    before = dn.copy()
    raw = kernel.median(dn, clear, shifts=shifts)
    np.testing.assert_array_equal(raw[0], kernel.median(codes, clear)[0])
    np.testing.assert_array_equal(dn, before)


def test_sentinel_dn_are_exact_at_every_value():
    dn = np.arange(32_000, dtype=np.uint16)
    for offset in (0.0, -0.1):
        codes = kernel.encode(dn.copy(), scale=1e-4, offset=offset)
        np.testing.assert_array_equal(codes, dn.astype(int) + round(offset * 1e4))
        median, _ = kernel.median(codes[None, None, None], np.ones((1, 1, dn.size), bool))
        np.testing.assert_array_equal(median.ravel(), codes)


def test_landsat_and_floats_are_rounded_to_the_nearest_step():
    dn = np.arange(7000, 45_000, 7, dtype=np.uint16)
    codes = kernel.encode(dn, scale=0.0000275, offset=-0.2)
    assert np.abs(codes * 1e-4 - (dn * 0.0000275 - 0.2)).max() <= 0.00005 + 1e-9
    reflectance = np.linspace(-0.1, 1.5, 999).astype(np.float32)
    assert np.abs(kernel.encode(reflectance, scale=1, offset=0) * 1e-4 - reflectance).max() <= 0.00005 + 1e-6


def test_encode_clips_instead_of_wrapping():
    assert kernel.encode(np.array([65_535], np.uint16), scale=1e-4, offset=0).item() == 32_766
    assert kernel.encode(np.array([65_535], np.uint16), scale=1e-4, offset=-0.1).item() == 32_766
    assert kernel.encode(np.array([9e9, -9e9, np.nan]), scale=1, offset=0).tolist() == [32_766, -32_767, 0]


@pytest.mark.parametrize("n", range(1, 20))
def test_selection_brings_the_middle_into_place(n):
    rng = np.random.default_rng(n)
    values = rng.permuted(np.tile(np.arange(n, dtype=np.int16), (200, 1)), axis=1).T
    planes = [row.copy() for row in values]
    kernel._select(planes, np.empty(200, np.int16))
    for position in {max(n // 2 - 1, 0) if n % 2 == 0 else n // 2, n // 2}:
        np.testing.assert_array_equal(planes[position], position)


@pytest.mark.parametrize("dates", range(1, 8))
def test_means_of_two_that_int16_does_not_sum(dates):
    rng = np.random.default_rng(dates)
    codes = rng.choice(np.array([-32_767, -32_766, -1, 0, 1, 32_765, 32_766], np.int16), (dates, 2, 8, 9))
    clear = rng.random((dates, 8, 9)) < 0.7
    np.testing.assert_array_equal(kernel.median(codes, clear)[0], nanmedian(codes, clear))
