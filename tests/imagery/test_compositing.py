import warnings
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import dask
import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from howgreen.core.acquisitions import acquisitions
from howgreen.core.errors import ImageError, MissingBandsError, NoImageError
from howgreen.core.grid import chunk_sizes
from howgreen.imagery import composite, composite_scaled, from_scaled, load
from howgreen.imagery.composite._blocks import prepared
from howgreen.pipeline._checkpoint import persist

UTM = "EPSG:32632"
WEST, NORTH = 600_000.0, 5_200_000.0
NEXT_ZONE = tuple(round(v, -1) for v in Transformer.from_crs(UTM, "EPSG:32631", always_xy=True).transform(WEST, NORTH))
BANDS = ("blue", "nir", "swir16")


def grid_at(row, column, height, width, resolution=10.0):
    west, north = WEST + resolution * column, NORTH - resolution * row
    return GeoBox((height, width), Affine(resolution, 0, west, 0, -resolution, north), UTM)


def computed(scenes, grid, bands=BANDS, block_px=1024):
    made = composite(scenes, grid=grid, bands=bands, block_px=block_px)
    with dask.config.set(scheduler="synchronous"):
        data = made.data.compute()
    return data["reflectance"].values, data["n_clear"].values


@pytest.fixture
def stack(make_scene):
    """Five dates: both offsets, 10 and 20 m bands, clouds, holes, one in the next zone's grid."""
    rng = np.random.default_rng(5)
    scenes = []
    for date in range(5):
        shift = 1000 * (date % 2)
        scl = np.where(rng.random((40, 45)) < 0.25, 9, 4).astype(np.uint8)
        scl[:12, :12] = 8
        blue = rng.integers(100, 4000, (80, 90)).astype(np.uint16) + shift
        blue[70:, date * 7 : date * 9] = 0
        crs, x, y = (UTM, WEST, NORTH) if date < 4 else ("EPSG:32631", *NEXT_ZONE)
        rasters = {
            "blue": (blue, 10.0, x, y, crs),
            "nir": ((rng.integers(1000, 6000, (80, 90)) + shift).astype(np.uint16), 10.0, x, y, crs),
            "swir16": ((rng.integers(500, 5000, (40, 45)) + shift).astype(np.uint16), 20.0, x, y, crs),
            "scl": (scl, 20.0, x, y, crs),
        }
        scenes.append(make_scene(rasters, day=5 * date, offset=-shift * 1e-4))
    return scenes


_NUMBERS = count()
GRID = grid_at(-3, 5, 71, 77)


def test_the_next_zone_scene_really_overlaps(stack):
    _, n_clear = computed(stack[4:], GRID)
    assert (n_clear > 0).mean() > 0.2


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(block_px=st.integers(9, 90), data=st.data())
def test_pc_12_stackstac_116_neither_blocks_nor_order_change_a_pixel(stack, block_px, data):
    """PlanetaryComputer#12, stackstac#116: medians in blocks that hold all dates, as if there were no blocks."""
    order = data.draw(st.permutations(stack))
    expected = computed(stack, GRID)
    got = computed(order, GRID, block_px=block_px)
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])
    assert np.isfinite(expected[0]).any()
    assert np.isnan(expected[0]).any()


def test_a_part_of_the_grid_gives_a_part_of_the_picture(stack):
    whole, n_whole = computed(stack[:4], GRID)
    part, n_part = computed(stack[:4], grid_at(17, 35, 30, 30))
    np.testing.assert_array_equal(part, whole[:, 20:50, 30:60])
    np.testing.assert_array_equal(n_part, n_whole[20:50, 30:60])


def test_composite_is_the_median_of_what_load_gives(stack):
    with dask.config.set(scheduler="synchronous"):
        each = load(stack, grid=GRID, bands=BANDS, block_px=30).compute()["reflectance"]
    assert each.dims == ("time", "band", "y", "x")
    assert each.shape == (5, 3, 71, 77)
    assert list(each["band"].values) == list(BANDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.rint(
            np.nanmedian(np.rint(each.values.astype(np.float64) * 1e4), axis=0)
        )  # halves to the even one
    reflectance, n_clear = computed(stack, GRID)
    np.testing.assert_array_equal(np.rint(reflectance.astype(np.float64) * 1e4), expected)
    np.testing.assert_array_equal(n_clear, np.isfinite(each.values[:, 0]).sum(axis=0))


def test_one_clear_date_is_its_own_reflectance(make_scene):
    values = (1 + np.arange(64 * 64).reshape(64, 64)).astype(np.uint16)
    scene = make_scene(
        {"red": values, "scl": np.full((32, 32), 4, np.uint8)}
        | {"scl": (np.full((32, 32), 4, np.uint8), 20.0, WEST, NORTH, UTM)}
    )
    reflectance, n_clear = computed([scene], grid_at(0, 0, 64, 64), bands=("red",))
    np.testing.assert_array_equal(reflectance[0], (values / 10_000).astype(np.float32))
    assert (n_clear == 1).all()


def test_both_sides_of_baseline_0400_give_one_reflectance(make_scene):
    values = np.random.default_rng(0).integers(50, 5000, (32, 32)).astype(np.uint16)
    old = make_scene({"red": values}, day=0)
    new = make_scene({"red": values + np.uint16(1000)}, day=1, offset=-0.1)
    a, b = (computed([scene], grid_at(0, 0, 32, 32), bands=("red",))[0] for scene in (old, new))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(computed([old, new], grid_at(0, 0, 32, 32), bands=("red",))[0], a)


def test_dark_water_below_the_offset_is_negative_not_huge(make_scene):
    scene = make_scene({"red": np.full((8, 8), 940, np.uint16)}, offset=-0.1)
    reflectance, _ = computed([scene], grid_at(0, 0, 8, 8), bands=("red",))
    np.testing.assert_allclose(reflectance, -0.006, atol=1e-7)


def test_landsat(make_scene):
    qa = np.full((10, 10), 21824, np.uint16)
    qa[2, 3], qa[4, 5], qa[6, 7] = 22280, 23888, 1
    dn = np.full((10, 10), 12_345, np.uint16)
    scene = make_scene({"red": dn, "qa_pixel": qa}, sensor="landsat", scale=0.0000275, offset=-0.2, resolution=30)
    reflectance, n_clear = computed([scene], grid_at(0, 0, 10, 10, 30.0), bands=("red",))
    bad = np.zeros((10, 10), bool)
    bad[2, 3] = bad[4, 5] = bad[6, 7] = True
    np.testing.assert_array_equal(np.isnan(reflectance[0]), bad)
    np.testing.assert_array_equal(n_clear, ~bad)
    np.testing.assert_allclose(reflectance[0][~bad], 12_345 * 0.0000275 - 0.2, atol=0.00005)


def test_landsat_on_its_half_pixel_grid_is_found(make_scene):
    """Landsat's pixel edges lie 15 m off multiples of 30: values are means of neighbours, and all are there."""
    dn = np.full((12, 12), 12_345, np.uint16)
    rasters = {
        "red": (dn, 30.0, WEST - 45, NORTH + 45, UTM),
        "qa_pixel": (np.full((12, 12), 21824, np.uint16), 30.0, WEST - 45, NORTH + 45, UTM),
    }
    scene = make_scene(rasters, sensor="landsat", scale=0.0000275, offset=-0.2)
    reflectance, n_clear = computed([scene], grid_at(0, 0, 8, 8, 30.0), bands=("red",))
    assert (n_clear == 1).all()
    np.testing.assert_allclose(reflectance, 12_345 * 0.0000275 - 0.2, atol=0.00005)


def test_never_clear_is_nan_and_zero(make_scene):
    rng = np.random.default_rng(0)
    scenes = [
        make_scene({"red": (1500 * i + rng.integers(1000, 1500, (32, 32))).astype(np.uint16), "scl": (np.full((16, 16), 9, np.uint8), 20.0, WEST, NORTH, UTM)}, day=5 * i)
        for i in range(5)
    ]  # fmt: skip
    reflectance, n_clear = computed(scenes, grid_at(0, 0, 32, 32), bands=("red",))
    assert np.isnan(reflectance).all()
    assert not n_clear.any()


def test_a_band_without_data_takes_the_pixel_out_of_all_bands(make_scene):
    red, nir = np.full((8, 8), 500, np.uint16), np.full((8, 8), 3000, np.uint16)
    red[1, 2] = 0
    reflectance, n_clear = computed([make_scene({"red": red, "nir": nir})], grid_at(0, 0, 8, 8), bands=("red", "nir"))
    assert np.isnan(reflectance[:, 1, 2]).all()
    assert n_clear[1, 2] == 0
    assert np.isfinite(reflectance).sum() == 2 * 63


def test_split_swath_becomes_one_date(make_scene):
    """Two halves of one pass, overlapping in four columns: together they show all once."""
    left, right = np.full((20, 30), 1000, np.uint16), np.full((20, 30), 3000, np.uint16)
    left[:, 17:], right[:, :13] = 0, 0
    a = make_scene({"red": left}, name="a", minutes=0)
    b = make_scene({"red": right + np.uint16(1000) * (right > 0)}, name="b", minutes=1, offset=-0.1)
    assert len(acquisitions([b, a])) == 1
    reflectance, n_clear = computed([b, a], grid_at(0, 0, 20, 30), bands=("red",))
    assert (n_clear == 1).all()
    np.testing.assert_allclose(reflectance[0, :, :17], 0.1)
    np.testing.assert_allclose(reflectance[0, :, 17:], 0.3)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(-20, 20), slope=st.sampled_from([-2, -1, 0, 1, 2]), block_px=st.integers(13, 40))
def test_odc_138_150_no_sliver_where_tiles_of_a_pass_join(make_scene, cut, slope, block_px):
    """odc-stac#138: nodata within a solar day must not win over data; #150: slivers along the join of tiles."""
    truth = np.random.default_rng(cut + 20).integers(1, 9000, (30, 60)).astype(np.uint16)
    column = np.arange(60) - 30 - cut - (slope * (np.arange(30) - 15) // 4)[:, None]
    number = next(_NUMBERS)
    west = make_scene({"red": np.where(column < 1, truth, 0).astype(np.uint16)}, name=f"west{number}")
    east = make_scene({"red": np.where(column >= 0, truth, 0).astype(np.uint16)}, name=f"east{number}", minutes=1)
    for order in ([west, east], [east, west]):
        reflectance, n_clear = computed(order, grid_at(0, 0, 30, 60), bands=("red",), block_px=block_px)
        np.testing.assert_allclose(reflectance[0], truth / 10_000, atol=1e-7)
        assert (n_clear == 1).all()


def test_odc_138_a_pass_over_midnight_of_utc_is_one_date(make_scene):
    """odc-stac#138: ``groupby="solar_day"`` merges by the calendar; over Fiji a pass is at 22:15 UTC, elsewhere at midnight."""
    red = np.full((8, 8), 700, np.uint16)
    late, early = (make_scene({"red": red}, minutes=14 * 60 + shift) for shift in (-3, 4))  # from 10:00
    assert late.time.day != early.time.day
    assert len(acquisitions([early, late])) == 1
    assert len(acquisitions([early, make_scene({"red": red}, day=1)])) == 2


def test_pc_12_stackstac_116_a_median_holds_all_dates_of_one_block_and_no_more(make_scene, monkeypatch):
    """PlanetaryComputer#12, stackstac#116: medians over time blow memory; a corner of the picture reads its block only."""
    from howgreen.imagery.composite import _median

    scenes = [make_scene({"red": np.full((130, 150), 500 + day, np.uint16)}, day=day) for day in range(7)]
    held, real = [], _median.median

    def watched(planes, clear, **options):
        held.append(np.shape(planes))
        return real(planes, clear, **options)

    monkeypatch.setattr(_median, "median", watched)
    data = composite(scenes, grid=grid_at(0, 0, 130, 150), bands=("red",), block_px=32).data
    corner = data.isel(y=slice(0, 5), x=slice(0, 5)).compute(scheduler="synchronous")
    np.testing.assert_allclose(corner["reflectance"], 0.0503)
    assert held == [(7, 1, 32, 32)]
    data.compute(scheduler="synchronous")
    assert len(held) == 1 + 5 * 5
    assert all(shape[0] == 7 and shape[2] <= 32 and shape[3] <= 32 for shape in held)


def test_clear_wins_over_cloud_within_a_pass(make_scene):
    cloudy = make_scene({"red": np.full((8, 8), 8000, np.uint16), "scl": np.full((8, 8), 9, np.uint8)}, name="a")
    clear = make_scene(
        {"red": np.full((8, 8), 700, np.uint16), "scl": np.full((8, 8), 4, np.uint8)}, name="b", minutes=2
    )
    reflectance, n_clear = computed([cloudy, clear], grid_at(0, 0, 8, 8), bands=("red",))
    np.testing.assert_allclose(reflectance, 0.07)
    assert (n_clear == 1).all()


def test_two_halves_of_two_zones_meet(make_scene):
    """A plane over two files of different zones: the composite sees one plane."""
    there_x, there_y = NEXT_ZONE
    near = make_scene({"red": np.full((60, 40), 2000, np.uint16)}, name="near")
    far = make_scene(
        {"red": (np.full((120, 120), 2000, np.uint16), 10.0, there_x - 300, there_y + 300, "EPSG:32631")}, name="far"
    )
    reflectance, n_clear = computed([near, far], grid_at(0, 0, 60, 80), bands=("red",), block_px=25)
    np.testing.assert_allclose(reflectance[0][n_clear > 0], 0.2, atol=1e-6)
    assert (n_clear[:, :40] == 1).all()
    assert (n_clear[10:40, 40:60] == 1).any()


def test_attributes_and_grid(stack):
    made = composite(stack[::-1], grid=GRID, bands=BANDS, block_px=32)
    assert made.bands == BANDS
    assert made.data.attrs["scenes"] == [scene.id for scene in stack]
    np.testing.assert_allclose(made.data["x"].values[:2], [WEST + 55, WEST + 65])
    np.testing.assert_allclose(made.data["y"].values[:2], [NORTH + 25, NORTH + 15])
    assert made.data["spatial_ref"].attrs["crs_wkt"].startswith("PROJCRS") or "32632" in str(
        made.data["spatial_ref"].attrs
    )
    assert made.grid == GRID
    assert made.data["reflectance"].dtype == np.float32
    assert made.data["reflectance"].attrs == {"units": "1", "long_name": "surface reflectance"}
    assert made.data["n_clear"].dtype == np.uint8
    assert max(made.data["reflectance"].data.chunks[1]) <= 32


def test_one_task_reads_for_both_outputs(stack, monkeypatch):
    from howgreen.imagery.composite import _optical

    calls = []
    real = _optical._composite_block
    monkeypatch.setattr(_optical, "_composite_block", lambda *a: calls.append(1) or real(*a))
    computed(stack[:1], GRID, block_px=1024)
    assert len(calls) == 2  # the files begin 3 rows below the grid: blocks of 3 and of 68 rows


@pytest.mark.parametrize(
    ("length", "first", "step", "sizes"),
    [(10, 0, 4, (4, 4, 2)), (10, 3, 4, (3, 4, 3)), (10, -1, 4, (3, 4, 3)), (10, 5, 20, (5, 5)), (3, 0, 9, (3,)), (10, 8, 4, (4, 4, 2))],
)  # fmt: skip
def test_blocks_begin_where_tiles_begin(length, first, step, sizes):
    assert chunk_sizes(length, step, first=first) == sizes


def test_bad_wishes_are_told(stack, make_scene):
    with pytest.raises(NoImageError):
        composite([], grid=GRID, bands=BANDS)
    with pytest.raises(MissingBandsError, match="has no band red"):
        composite(stack, grid=GRID, bands=("red",))
    with pytest.raises(MissingBandsError):
        composite(stack, grid=GRID, bands=())
    with pytest.raises(ImageError, match="one sensor"):
        composite([stack[0], replace(stack[1], sensor="landsat")], grid=GRID, bands=BANDS)


def test_a_truncated_file_is_named_while_computing(stack):
    made = composite(stack, grid=GRID, bands=BANDS)
    with Path(stack[2].asset("nir").href).open("r+b") as file:
        file.truncate(1200)
    with dask.config.set(scheduler="threads"), pytest.raises(ImageError, match=r"nir\.tif"):
        made.data.compute()


def test_scaled_integers_on_disk_are_the_same_reflectance(make_scene, tmp_path):
    rng = np.random.default_rng(9)
    scenes = []
    for date in range(2):
        red = rng.integers(0, 9000, (80, 90)).astype(np.uint16)
        red[40, 40] = 30_000
        scenes.append(make_scene({"red": red}, day=date, name=f"date{date}"))
    made = composite_scaled(scenes, grid=GRID, bands=["red"], block_px=32)
    kept = from_scaled(persist(made, tmp_path, stage="test"), grid=GRID, scenes=scenes)
    assert kept.corner == made.attrs["corner"] == (3, -5), "the images begin there on the grid"
    expected, n_clear = computed(scenes, GRID, bands=("red",))
    np.testing.assert_array_equal(kept.data["reflectance"].values, expected)
    np.testing.assert_array_equal(kept.data["n_clear"].values, n_clear)
    assert kept.data["reflectance"].dtype == np.float32
    assert np.nanmax(expected) == np.float32(3)
    assert np.isnan(expected).any()
    assert {str(np.load(path).dtype) for path in tmp_path.glob("scaled_*.npy")} == {"int16"}


def test_255_dates_are_the_most_that_a_byte_counts(make_scene):
    one = make_scene({"red": np.ones((4, 4), np.uint16)})
    scenes = [replace(one, id=f"{n}", time=one.time + timedelta(days=n)) for n in range(256)]
    assert len(prepared(scenes[:255], ["red"])[0]) == 255
    with pytest.raises(ImageError, match="256 dates in one composite: at most 255"):
        prepared(scenes, ["red"])


@pytest.mark.parametrize("changing", ["blue", "green", "nir", "red", "swir16"])
def test_blue_nir_and_swir_vote_on_false_alarms(make_scene, changing):
    """A roof that is flagged on all five dates; one band of one date shows something else there."""
    bands = ("blue", "green", "red", "nir", "swir16")
    scenes = []
    for day in range(5):
        rasters = {band: np.full((30, 30), 2000, np.uint16) for band in bands}
        rasters["scl"] = np.where(np.indices((30, 30)).min(axis=0) < 10, 4, 9).astype(np.uint8)
        if day == 2:
            rasters[changing] += np.uint16(2000)
        scenes.append(make_scene(rasters, day=day))
    _, n_clear = computed(scenes, grid_at(12, 12, 10, 10), bands=bands)
    assert (n_clear == (4 if changing in ("blue", "nir", "swir16") else 5)).all()


@pytest.mark.parametrize(("minutes", "groups"), [(15, 1), (16, 2)])
def test_scenes_15_minutes_apart_are_one_acquisition(make_scene, minutes, groups):
    red = np.ones((4, 4), np.uint16)
    scenes = [make_scene({"red": red}), make_scene({"red": red}, minutes=minutes)]
    assert len(acquisitions(scenes)) == groups
