"""People are counted where they live: no cell that limits cut loses or gains any."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import box

from howgreen.people._cells import NONE, cells_of_areas, cells_of_grid

CRS = "EPSG:32632"
PIXELS = GeoBox((4, 4), Affine(10, 0, 500_000, 0, -10, 5_000_000), CRS)
WHOLE, WEST, EAST = ("Town", "t"), ("West", "w"), ("East", "e")


def test_a_cell_that_limits_cut_counts_by_the_part_inside():
    people = np.array([[40.0, 8.0], [100.0, 0.0]])
    cover = np.array([[0.25, 1.0], [0.0, 1.0]])
    half = cover * [[1.0, 0.5], [1.0, 0.5]]
    cells = GeoBox((2, 2), Affine(20, 0, 500_000, 0, -20, 5_000_000), CRS)
    found = cells_of_grid(people, cells, {WHOLE: cover, WEST: half, EAST: cover - half}, PIXELS)
    assert found.people.tolist() == [10.0, 8.0, 0.0], "the cell that lies outside is not there"
    town, west, east = (zone.people for zone in found.zones)
    np.testing.assert_allclose(west + east, town)


def test_a_pixel_belongs_to_the_cell_under_its_centre():
    cells = GeoBox((3, 3), Affine(14, 0, 500_000, 0, -14, 5_000_000), CRS)
    found = cells_of_grid(np.ones((3, 3)), cells, {WHOLE: np.ones((3, 3))}, PIXELS)
    # Pixels 0 to 3 begin at 0, 10, 20 and 30 m and have their centres at 5, 15, 25 and 35: cells 0, 1, 1 and 2 of 14 m.
    across = np.array([0, 1, 1, 2])
    np.testing.assert_array_equal(found.of_pixel, 3 * across[:, None] + across)


def test_people_of_an_area_live_evenly_in_it():
    whole, west, east = (
        box(500_000 + x, 4_999_960, 500_000 + right, 5_000_000) for x, right in ((0, 40), (0, 10), (10, 40))
    )
    shapes = [box(499_980, 4_999_960, 500_020, 5_000_000), box(500_020, 4_999_960, 500_040, 5_000_000), box(0, 0, 1, 1)]
    found = cells_of_areas(shapes, np.array([80.0, 30.0, 7.0]), {WHOLE: whole, WEST: west, EAST: east}, PIXELS)
    town, in_west, in_east = (zone.people for zone in found.zones)
    assert town.tolist() == pytest.approx([40.0, 30.0]), "half of the first lies outside, and the third far away"
    assert in_west.tolist() == pytest.approx([20.0, 0.0])
    np.testing.assert_allclose(in_west + in_east, town)
    assert found.of_pixel.tolist() == [[0, 0, 1, 1]] * 4
    assert NONE not in found.of_pixel


def test_people_of_houses_and_slivers_are_not_lost_between_pixels():
    """A cell that holds no pixel's centre gets what the pixel under it says; 69 % of the people of single houses were in no figure."""
    town = box(500_000, 4_999_960, 500_040, 5_000_000)
    houses = [
        box(500_000 + x, 5_000_000 - y - 3, 500_003 + x, 5_000_000 - y) for x, y in ((0.5, 0.5), (21, 11), (11, 31))
    ]
    values, where = np.arange(16.0).reshape(4, 4), np.ones((4, 4), bool)
    where[3, 1] = False
    found = cells_of_areas(houses, np.ones(3), {WHOLE: town}, PIXELS)
    assert (found.of_pixel == NONE).all()
    np.testing.assert_array_equal(found.mean(values, where), [0, 6, np.nan])


def test_a_raster_finer_than_the_map_keeps_its_people():
    cells = GeoBox((8, 8), Affine(5, 0, 500_000, 0, -5, 5_000_000), CRS)
    found = cells_of_grid(np.ones((8, 8)), cells, {WHOLE: np.ones((8, 8))}, PIXELS)
    values = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(found.mean(values, np.ones((4, 4), bool)), values.repeat(2, 0).repeat(2, 1).ravel())


def test_a_cell_whose_middle_lies_beyond_the_map_stays_unknown():
    cells = GeoBox((1, 2), Affine(40, 0, 500_004, 0, -4, 5_000_000), CRS)
    found = cells_of_grid(np.ones((1, 2)), cells, {WHOLE: np.ones((1, 2))}, PIXELS)
    np.testing.assert_array_equal(found.mean(np.full((4, 4), 2.0), np.ones((4, 4), bool)), [2, np.nan])
