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
