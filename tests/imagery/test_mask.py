import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from howgreen.imagery.composite import cloud_mask
from howgreen.imagery.read import quality


def test_scl_table():
    flags = quality.TABLES["scl"][:13]
    assert [int(f) for f in flags] == [1, 1, 0, 4, 0, 0, 0, 0, 2, 2, 2, 4, 1]


@pytest.mark.parametrize(
    ("code", "flag"),
    # Codes of real Landsat 8/9 QA_PIXEL files and their meaning by the product guide.
    [(1, 1), (21824, 0), (21952, 0), (22280, 4), (23888, 4), (54596, 4), (30048, 4), (21826, 4)],
    ids=["fill", "clear land", "clear water", "cloud", "shadow", "cirrus", "snow", "dilated cloud"],
)
def test_landsat_table(code, flag):
    assert quality.TABLES["qa_pixel"][code] == flag


@pytest.mark.parametrize(
    ("bit", "clear"),
    [(1, False), (2, False), (3, False), (4, False), (5, False), (7, True)],
    ids=["dilated cloud", "cirrus", "cloud", "shadow", "snow", "water"],
)
def test_landsat_qa_pixel_bit_by_bit(bit, clear):
    """Collection 2's guide: each of these bits by itself, on a pixel that is not fill; water is no reason to leave it out."""
    assert bool(quality.TABLES["qa_pixel"][1 << bit] == 0) is clear


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 7), st.integers(0, 2**32 - 1), st.floats(0.01, 0.6))
def test_reach_is_a_square_dilation(radius, seed, density):
    layer = np.random.default_rng(seed).random((19, 23)) < density
    expected = ndimage.binary_dilation(layer, np.ones((2 * radius + 1, 2 * radius + 1))) if radius else layer
    np.testing.assert_array_equal(cloud_mask._reach(layer, radius), expected)


def padded(flags, resolution_m=10):
    margin = cloud_mask.halo_px(resolution_m)
    return np.pad(flags, [(0, 0), (margin, margin), (margin, margin)])


def test_cloud_grows_by_its_buffer_and_a_speck_does_not():
    flags = np.zeros((1, 60, 60), np.uint8)
    flags[0, 20:30, 20:30] = quality.CLOUD
    flags[0, 50, 50] = quality.CLOUD
    near = cloud_mask.cloud_rims(padded(flags), resolution_m=10)[0]
    expected = np.zeros((60, 60), bool)
    expected[16:34, 16:34] = True
    np.testing.assert_array_equal(near, expected)


def test_shadow_and_landsat_do_not_grow():
    flags = np.zeros((1, 40, 40), np.uint8)
    flags[0, 10:30, 10:30] = quality.DOUBT
    assert not cloud_mask.cloud_rims(padded(flags), resolution_m=10).any()


def block(dates=6, size=24, level=1200):
    """Flags without a margin and codes of a place that looks the same on all dates but for a little noise."""
    rng = np.random.default_rng(3)
    codes = level + rng.integers(-30, 30, (dates, 3, size, size)).astype(np.int16)
    return np.zeros((dates, size, size), np.uint8), codes.astype(np.int16)


def clear(flags, codes):
    return cloud_mask.clear(padded(flags), codes, np.zeros(flags.shape, bool), voters=(0, 1, 2), resolution_m=10)


def test_fmask_72_roof_flagged_on_every_date_is_kept_and_its_neighbours_too():
    """python-fmask#72: bright roofs look like clouds; a mask that is believed removes exactly what is grey."""
    flags, codes = block()
    flags[:, 8:16, 8:16] = quality.CLOUD
    codes[:, :, 8:16, 8:16] += 4000
    assert clear(flags, codes).all()


def test_shade_flagged_on_five_of_six_dates_is_kept():
    """python-fmask#72: building shade looks like cloud shadow."""
    flags, codes = block(level=300)
    flags[1:, 5:9, 5:9] = quality.DOUBT
    assert clear(flags, codes).all()


def test_real_clouds_stay_out_even_over_a_roof():
    flags, codes = block()
    flags[:, 8:16, 8:16] = quality.CLOUD
    codes[2, :, 8:16, 8:16] += 3000  # a real cloud crosses the roof on one date
    good = clear(flags, codes)
    assert not good[2, 8:16, 8:16].any()
    assert np.delete(good, 2, axis=0).all()


def test_clouds_that_hide_something_else_are_not_voted_clear():
    flags, codes = block()
    flags[:5] = quality.CLOUD
    codes[:5] += 4000  # the one unflagged date shows darker ground: the five are alike, but are cloud
    good = clear(flags, codes)
    assert not good[:5].any()
    assert good[5].all()


def test_changing_clouds_on_all_dates_are_not_voted_clear():
    flags, codes = block()
    flags[:] = quality.CLOUD
    codes += (np.arange(6) * 900).astype(np.int16)[:, None, None, None]
    assert not clear(flags, codes).any()


@pytest.mark.parametrize(("off", "agrees"), [(622, True), (638, False), (-622, True), (-638, False)])
def test_the_vote_tolerates_0015_and_12_percent_of_the_middle(off, agrees):
    """Of a middle of 0.4: 0.015 + 0.048; one date of six is off by a little less, or a little more."""
    flags = np.full((6, 8, 8), quality.DOUBT)
    codes = np.full((6, 3, 8, 8), 4000, np.int16)
    codes[2] += off
    good = clear(flags, codes)
    assert good[2].all() if agrees else not good[2].any()
    assert np.delete(good, 2, axis=0).all()


def test_three_dates_do_not_vote():
    flags, codes = block(dates=3)
    flags[:, 8:16, 8:16] = quality.DOUBT
    good = clear(flags, codes)
    assert not good[:, 8:16, 8:16].any()
    assert good[:, :8].all()


def test_no_data_is_never_voted_back():
    flags, codes = block()
    flags[:, 3:6, 3:6] = quality.NO_DATA
    assert not clear(flags, codes)[:, 3:6, 3:6].any()


def test_missing_bands_are_not_clear():
    flags, codes = block()
    missing = np.zeros(flags.shape, bool)
    missing[2, 4, 5] = True
    good = cloud_mask.clear(padded(flags), codes, missing, voters=(0,), resolution_m=10)
    np.testing.assert_array_equal(good, ~missing)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 255), st.integers(0, 255))
def test_two_thirds_without_overflow(flagged, data):
    got = cloud_mask._often(np.uint8([min(flagged, data)]), np.uint8([data])).item()
    assert got == (data >= 4 and 3 * min(flagged, data) >= 2 * data)


@pytest.mark.parametrize(("side", "grows"), [(4, False), (6, True)])
def test_clouds_of_60_m_have_a_rim_and_smaller_ones_have_none(side, grows):
    flags = np.zeros((1, 40, 40), np.uint8)
    flags[0, 15 : 15 + side, 15 : 15 + side] = quality.CLOUD
    assert cloud_mask.cloud_rims(padded(flags), resolution_m=10).any() == grows


@pytest.mark.parametrize(("dates", "agreeing", "counts"), [(8, 5, False), (8, 6, True), (4, 3, False), (4, 4, True)])
def test_two_thirds_and_four_of_the_dates_have_to_agree(dates, agreeing, counts):
    """All are flagged; those that agree show one roof, the others each something else that is brighter."""
    flags = np.full((dates, 8, 8), quality.DOUBT)
    codes = np.full((dates, 3, 8, 8), 3000, np.int16)
    for n in range(agreeing, dates):
        codes[n] += np.int16(3000 * (n - agreeing + 1))
    good = clear(flags, codes)
    assert good[:agreeing].all() if counts else not good[:agreeing].any()
    assert not good[agreeing:].any()
