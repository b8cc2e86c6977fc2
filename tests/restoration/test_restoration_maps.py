from __future__ import annotations

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from tests.restoration.conftest import NORTH, WEST

from howgreen.core.errors import ImageError
from howgreen.restoration import CLCPLUS, TREE_COVER, cut_out, open_map
from howgreen.restoration._account import Maps, _cover, sums_of

ROW = [*range(1, 12), 253, 254, 255]


def strip(pixels, *, start=0):
    return shapely.box(WEST + 10 * start, NORTH - 10, WEST + 10 * pixels, NORTH)


def test_seven_codes_are_green_space_and_the_sea_is_no_ground(make_map):
    found, sea = sums_of(open_map([make_map("clc.tif", [ROW])], CLCPLUS), strip(len(ROW)))
    assert (found.covered_m2, found.unknown_m2, found.area_m2, sea) == (700, 200, 1300, 100)
    assert found.share == pytest.approx(7 / 11)
    assert found.bounds == (pytest.approx(7 / 13), pytest.approx(9 / 13))


@pytest.mark.parametrize(
    ("code", "green"),
    [(1, False), (2, True), (3, True), (4, True), (5, True), (6, True), (7, False), (8, True), (9, False), (10, True), (11, False), (253, False)],
)  # fmt: skip
def test_each_code(make_map, code, green):
    found, _ = sums_of(open_map([make_map("clc.tif", [[code] * 3])], CLCPLUS), strip(3))
    assert found.covered_m2 == (300 if green else 0)


def test_tree_cover_is_the_sum_of_percents_of_the_ground_that_is_known(make_map):
    found, _ = sums_of(open_map([make_map("tcd.tif", [[0, 50, 100, 255]])], TREE_COVER), strip(4))
    assert (found.covered_m2, found.unknown_m2) == (150, 100)
    assert found.share == pytest.approx(0.5)


@pytest.mark.parametrize("nodata", [0, 1, 6, 253, 254, 255, None])
def test_what_a_file_calls_no_data_changes_nothing(make_map, nodata):
    found, _ = sums_of(open_map([make_map("clc.tif", [ROW], nodata=nodata)], CLCPLUS), strip(len(ROW)))
    assert found.covered_m2 == 700


@pytest.mark.parametrize(
    ("clc", "tcd", "area", "covered", "unknown"),
    [
        ([2, 253, 253], [100, 255, 255], 100, 100, 0),  # the sea is unknown to the other map
        ([2, 2, 253, 253], [100, 255, 0, 0], 200, 100, 100),  # or 0 %, and then makes up for no unknown land
        ([2, 2, 253], [100, 0, 60], 200, 100, 0),  # crowns that lean over the shore cover no land
        ([253, 253], [0, 255], 0, 0, 0),
    ],
)
def test_the_sea_is_cut_off_tree_cover_too(make_map, clc, tcd, area, covered, unknown):
    maps = Maps(
        green=open_map([make_map("clc.tif", [clc])], CLCPLUS),
        canopy=open_map([make_map("tcd.tif", [tcd])], TREE_COVER),
        canopy_before=open_map([make_map("old.tif", [tcd])], TREE_COVER),
    )
    found = _cover(strip(len(clc)), maps)
    for one in (found.canopy, found.canopy_before):
        assert (one.area_m2, one.covered_m2, one.unknown_m2) == (area, covered, unknown)


@given(east=st.floats(0.5, 138.0), south=st.floats(0.5, 9.5))
def test_a_pixel_that_limits_cut_counts_by_the_part_inside(tmp_path_factory, east, south):
    path = tmp_path_factory.mktemp("cut") / "clc.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=1, width=14, count=1, dtype="uint8", crs="EPSG:3035",
        transform=rasterio.Affine(10, 0, WEST, 0, -10, NORTH),
    ) as file:  # fmt: skip
        file.write(np.array([ROW], np.uint8), 1)
    areas = open_map([path], CLCPLUS).areas_m2(shapely.box(WEST, NORTH - south, WEST + east, NORTH))
    for place, code in enumerate(ROW):
        expected = south * min(max(east - 10 * place, 0), 10)
        assert areas.get(code, 0.0) == pytest.approx(expected, abs=2e-4)


def test_many_windows_give_what_one_gives(make_map, monkeypatch):
    codes = np.random.default_rng(3).integers(1, 12, (90, 70))
    path, shape = make_map("clc.tif", codes), shapely.Point(WEST + 350, NORTH - 450).buffer(333)
    whole = open_map([path], CLCPLUS).areas_m2(shape)
    monkeypatch.setattr("howgreen.restoration._maps.WINDOW_PX", 16)
    parts = open_map([path], CLCPLUS).areas_m2(shape)
    assert parts == {code: pytest.approx(area, rel=1e-6) for code, area in whole.items()}
    assert sum(whole.values()) == pytest.approx(shape.area, rel=1e-6)


def test_files_side_by_side_are_one_map_and_ground_shown_twice_is_refused(make_map):
    left, right = make_map("left.tif", [[2, 2]]), make_map("right.tif", [[1, 6]], west=WEST + 20)
    assert sums_of(open_map([left, right], CLCPLUS), strip(4))[0].covered_m2 == 300
    with pytest.raises(ImageError, match="twice"):
        open_map([left, left], CLCPLUS).areas_m2(strip(4, start=0).intersection(strip(2)))


def test_ground_that_no_file_shows_is_unknown(make_map):
    found, _ = sums_of(open_map([make_map("clc.tif", [[2, 1]])], CLCPLUS), strip(4))
    assert (found.area_m2, found.unknown_m2, found.share) == (400, 200, 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crs": "EPSG:32632", "west": 400_000, "north": 5_600_000}, "EPSG:3035"),
        ({"crs": None}, "no CRS"),
        ({"pixel": 20}, "10 m file"),
        ({"dtype": "uint16", "nodata": None}, "bytes"),
    ],
)
def test_what_is_not_the_published_file_is_refused(make_map, options, message):
    with pytest.raises(ImageError, match=message):
        open_map([make_map("x.tif", [[2, 3]], **options)], CLCPLUS)


def test_another_maps_numbers_are_refused_both_ways(make_map):
    with pytest.raises(ImageError, match="no code of CLCplus"):
        open_map([make_map("tcd.tif", [[0, 30, 80]])], CLCPLUS)
    with pytest.raises(ImageError, match="exchange"):
        open_map([make_map("clc.tif", [[1, 2, 6, 7]])], TREE_COVER)
    open_map([make_map("bare.tif", [[0, 1, 2]])], TREE_COVER)


def test_a_code_far_from_the_middle_is_refused_when_it_is_met(make_map):
    codes = np.full((2100, 2100), 2)
    codes[0, 0] = 200
    of = open_map([make_map("clc.tif", codes)], CLCPLUS)
    with pytest.raises(ImageError, match="200"):
        of.areas_m2(shapely.box(WEST, NORTH - 50, WEST + 50, NORTH))


@pytest.mark.parametrize("name", ["https://example.org/wms?request=GetMap", "/vsicurl/https://x/y.tif", "WMS://x"])
def test_services_are_no_files(name):
    with pytest.raises(ImageError, match="files alone"):
        open_map([name], CLCPLUS)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ImageError, match="no such file"):
        open_map([tmp_path / "none.tif"], CLCPLUS)


def test_what_is_cut_out_adds_up_to_the_figures(make_map, tmp_path):
    codes = np.random.default_rng(4).choice([1, 2, 6, 7, 10, 253, 255], (40, 50))
    percents = np.random.default_rng(5).integers(0, 101, (40, 50))
    shape = shapely.box(WEST + 40, NORTH - 300, WEST + 360, NORTH - 30)
    clc, tcd = open_map([make_map("clc.tif", codes)], CLCPLUS), open_map([make_map("tcd.tif", percents)], TREE_COVER)
    cut_out(clc, shape, tmp_path / "green.tif")
    cut_out(tcd, shape, tmp_path / "trees.tif")
    with rasterio.open(tmp_path / "green.tif") as green, rasterio.open(tmp_path / "trees.tif") as trees:
        assert green.crs.to_epsg() == 3035
        assert (green.read(1) == 1).sum() * 100 == sums_of(clc, shape)[0].covered_m2
        values = trees.read(1)
        assert values[values != 255].sum() == pytest.approx(sums_of(tcd, shape)[0].covered_m2)


def test_a_map_too_large_to_cut_out_is_refused(make_map, tmp_path):
    of = open_map([make_map("clc.tif", [[2]])], CLCPLUS)
    with pytest.raises(ImageError, match="too many"):
        cut_out(of, shapely.box(WEST, NORTH - 300_000, WEST + 300_000, NORTH), tmp_path / "green.tif")
