"""Backscatter: decibels, the median of passes, and which passes."""

import warnings
from dataclasses import replace
from datetime import timedelta

import dask
import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely import box

from howgreen.core.errors import MissingBandsError, NoImageError
from howgreen.core.types import Period
from howgreen.imagery import choose, composite, decisions, look
from howgreen.imagery.catalog import _select

UTM, WEST, NORTH = "EPSG:32632", 600_000.0, 5_200_000.0
GRID = GeoBox((40, 45), Affine(10, 0, WEST, 0, -10, NORTH), UTM)
SHAPE = GRID.shape
BANDS = ("vv", "vh")


@pytest.fixture
def make_pass(make_scene):
    """A scene of Sentinel-1 from arrays of linear power or, with ``power=False``, decibels."""

    def make(rasters, *, power=True, **where):
        scene = make_scene(rasters, sensor="sentinel-1", scale=1.0, nodata=where.pop("nodata", -32768), **where)
        return replace(scene, power=power)

    return make


def computed(scenes, *, bands=BANDS, grid=GRID, block_px=1024, **beside):
    made = composite(scenes, grid=grid, bands=bands, block_px=block_px, **beside)
    with dask.config.set(scheduler="synchronous"):
        data = made.data.compute()
    assert made.bands == tuple(data["band"].values)
    return data["reflectance"].sel(band=list(bands)).values, data["n_clear"].values


def power(rng, shape=SHAPE):
    """Speckled land: an exponential distribution about -9 dB."""
    return rng.exponential(0.12, shape).astype(np.float32) + np.float32(1e-4)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_median_in_decibels_is_numpys(make_pass, count):
    rng = np.random.default_rng(count)
    stack = rng.exponential(0.1, (count, 2, *SHAPE)).astype(np.float32) + np.float32(1e-4)
    gone = rng.random((count, *SHAPE)) < 0.3
    stack[:, 0][gone] = -32768  # where one polarisation is missing the pass does not count
    scenes = [make_pass(dict(zip(BANDS, one, strict=True)), day=6 * n) for n, one in enumerate(stack)]
    with np.errstate(invalid="ignore"):
        expected = 10 * np.log10(np.where(gone[:, None], np.nan, stack))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nanmedian(expected, axis=0)
    got, n_clear = computed(scenes)
    # Each pass is rounded to a step, and the mean of the middle two once more.
    np.testing.assert_allclose(got, expected, atol=0.01001 if count % 2 == 0 or gone.any() else 0.00501, rtol=0)
    np.testing.assert_array_equal(n_clear, (~gone).sum(axis=0))
    assert np.isnan(got).any() == (gone.all(axis=0).any())


def test_decibels_and_power_give_the_same_and_odd_counts_commute_with_the_logarithm(make_pass):
    rng = np.random.default_rng(3)
    stack = [{band: power(rng) for band in BANDS} for _ in range(3)]
    linear = [make_pass(one, day=6 * n) for n, one in enumerate(stack)]
    logs = [
        make_pass({k: 10 * np.log10(v) for k, v in one.items()}, power=False, day=6 * n, nodata=None)
        for n, one in enumerate(stack)
    ]
    got = computed(linear)[0]
    np.testing.assert_allclose(computed(logs)[0], got, atol=1e-6)
    middle = np.median([one["vv"] for one in stack], axis=0)
    np.testing.assert_allclose(got[0], 10 * np.log10(middle), atol=0.00501)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(block_px=st.integers(9, 50), data=st.data())
def test_neither_blocks_nor_order_change_a_pixel(make_pass, block_px, data):
    rng = np.random.default_rng(7)
    scenes = [make_pass({b: power(rng) for b in BANDS}, day=6 * n, west=WEST + 4 * n) for n in range(4)]
    expected = computed(scenes)
    got = computed(data.draw(st.permutations(scenes)), block_px=block_px)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isfinite(expected[0]).any()


def test_noise_at_the_border_of_a_swath_is_no_ground(make_pass):
    values = np.full(SHAPE, 0.1, np.float32)
    values[:, 0], values[:, 1], values[:, 2], values[:, 3] = 0, -1e-3, 1e-6, np.nan
    (vv, vh), n_clear = computed([make_pass({"vv": values, "vh": values})])
    assert np.isnan(vv[:, :4]).all()
    np.testing.assert_allclose(vv[:, 4:], -10, atol=0.005)
    np.testing.assert_array_equal(vv, vh)
    np.testing.assert_array_equal(n_clear[0, :6], [0, 0, 0, 0, 1, 1])


def test_slices_of_a_pass_are_one_look(make_pass):
    top, low = (np.full(SHAPE, level, np.float32) for level in (0.1, 0.01))
    top[20:], low[:15] = -32768, -32768
    slices = [
        make_pass({"vv": top, "vh": top}, name="a"),
        make_pass({"vv": low, "vh": low}, name="b", minutes=1),
    ]
    (vv, _), n_clear = computed(slices)
    assert (n_clear == 1).all()
    np.testing.assert_allclose(vv[:20], -10, atol=0.005)
    np.testing.assert_allclose(vv[20:], -20, atol=0.005)


def test_beside_reflectance_on_one_grid(make_pass, make_scene):
    rng = np.random.default_rng(1)
    red = rng.integers(100, 4000, SHAPE).astype(np.uint16)
    red[:5] = 0
    wave = {band: power(rng) for band in BANDS}
    wave["vv"][:, :5] = -32768
    (one,) = [make_scene({"red": red})]
    beside = [make_pass(wave)]
    bands = ("vh", "red", "vv")
    got, n_clear = computed([one], bands=bands, radar=beside, block_px=17)
    alone, _ = computed([one], bands=("red",))
    waves, _ = computed(beside)
    np.testing.assert_array_equal(got, np.stack([waves[1], alone[0], waves[0]]))
    np.testing.assert_array_equal(n_clear, red > 0)  # looks of the camera
    assert np.isnan(got[0][:, :5]).all()
    assert not np.isnan(got[1][5:, :5]).any()


def test_bright_reflectance_kept_in_wider_numbers_stands_beside_the_radar(make_pass, make_scene):
    """Half steps beyond 1.638 are int32: nothing of the radar may be taken for them."""
    snow = np.full(SHAPE, 20_000, np.uint16)
    gone = np.full(SHAPE, -32768, np.float32)
    gone[0, 0] = 0.1
    (vv, red), _ = computed(
        [make_scene({"red": snow})], bands=("vv", "red"), radar=[make_pass({"vv": gone, "vh": gone})]
    )
    np.testing.assert_allclose(red, 2.0)
    assert np.isfinite(vv).sum() == 1


def test_what_is_lacking_is_told(make_pass, make_scene):
    image = make_scene({"red": np.ones((8, 8), np.uint16)})
    with pytest.raises(NoImageError):
        composite([image], grid=GRID, bands=["red", "vv"])
    single = make_pass({"vv": np.ones((8, 8), np.float32)})
    with pytest.raises(MissingBandsError, match="vh"):
        composite([single], grid=GRID, bands=["vv", "vh"])
    with pytest.raises(MissingBandsError, match="red"):
        composite([single], grid=GRID, bands=["vv", "red"])


def flat(make_pass, n, *, cover=slice(None), name=None):
    values = np.full(SHAPE, -32768, np.float32)
    values[:, cover] = 0.1
    return make_pass({"vv": values, "vh": values}, day=n, name=name or f"p{n:03d}")


def test_passes_are_spread_over_the_period(make_pass, make_city):
    city = make_city(box(WEST + 30, NORTH - 370, WEST + 420, NORTH - 30))
    scenes = [flat(make_pass, 6 * n) for n in range(25)]
    used, passed = choose(look(scenes, city=city), city=city, period=Period.parse("2024"), bands=BANDS)
    days = sorted((scene.time - scenes[0].time) // timedelta(days=1) for scene in used)
    assert len(used) == _select.MOST_RADAR
    assert len(passed) == 25 - _select.MOST_RADAR
    assert days[0] == 0
    assert days[-1] == 144
    assert np.diff(days).max() <= 18
    assert choose(look(scenes[::-1], city=city), city=city, period=Period.parse("2024"), bands=BANDS)[0] == used


def test_passes_that_show_more_come_first(make_pass, make_city):
    city = make_city(box(WEST + 30, NORTH - 370, WEST + 420, NORTH - 30))
    halves = [flat(make_pass, n, cover=slice(None, 22)) for n in range(12)]
    whole = [flat(make_pass, 100 + n) for n in range(12)]
    used, _ = choose(look(halves + whole, city=city), city=city, period=Period.parse("2024"), bands=BANDS)
    assert {scene.id for scene in used} == {scene.id for scene in whole}
    right = flat(make_pass, 200, cover=slice(22, None), name="right")
    used, _ = choose(look([*halves, right], city=city), city=city, period=Period.parse("2024"), bands=BANDS)
    assert right.id in {scene.id for scene in used}


def test_sides_are_told_where_both_looked(make_pass):
    def orbits(*names):
        return [
            replace(flat(make_pass, n, name=f"{names}{n}"), native={"properties": {"sat:orbit_state": name}})
            for n, name in enumerate(names)
        ]

    assert _select.look_directions(orbits("ascending", "ascending")) == ()
    (note,) = _select.look_directions(orbits("ascending", "descending", "DESCENDING"))
    assert "1 ascending, 2 descending" in note


def test_record_says_how_numbers_were_understood(make_pass, make_scene):
    wave = make_pass({"vv": np.ones((8, 8), np.float32)})
    found = decisions([wave, make_scene({"red": np.ones((8, 8), np.uint16)})])
    assert [(one["id"], one["unit"]) for one in found["radar"]["scenes"]] == [(wave.id, "linear power")]
    assert [one["id"] for one in found["scenes"]] != [wave.id]
    assert "radar" not in decisions([make_scene({"red": np.ones((8, 8), np.uint16)})])


def test_on_landsats_grid_nine_pixels_of_power_are_one(make_pass, make_scene):
    rng = np.random.default_rng(4)
    fine = {band: power(rng, (60, 60)) for band in BANDS}
    coarse = GeoBox((20, 20), Affine(30, 0, WEST, 0, -30, NORTH), UTM)
    dn = np.full((20, 20), 10_000, np.uint16)
    image = make_scene({"red": dn}, sensor="landsat", scale=2.75e-5, offset=-0.2, resolution=30)
    (vv, red), _ = computed([image], bands=("vv", "red"), grid=coarse, radar=[make_pass(fine)])
    mean = fine["vv"].reshape(20, 3, 20, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(vv, 10 * np.log10(mean), atol=0.0051)
    np.testing.assert_allclose(red, 0.075, atol=5e-5)
