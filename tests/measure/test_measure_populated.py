"""Green where people live: counts stay in their cells, limits and green go to them."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from shapely import box

from howgreen.core.errors import AreaError
from howgreen.core.types import UNSEEN
from howgreen.measure.populated import LEAST_PEOPLE, People, populated

WEST, NORTH, CRS = 500_000.0, 5_000_000.0, "EPSG:32632"


def people(count, *, cell_m=30.0, west=WEST, north=NORTH) -> People:
    count = np.asarray(count, float)
    return People(count=count, transform=Affine(cell_m, 0, west, 0, -cell_m, north), crs=CRS, source="people.tif")


def test_only_lived_in_cells_count_and_the_average_person_has_an_own_cell(cover, city):
    """Two cells of 3 x 3 pixels side by side: 30 people among 1/3 green, 10 among 2/3; the third, all green, is empty."""
    row = [1 / 3] * 3 + [2 / 3] * 3 + [1.0] * 3
    land = cover([[0] * 9] * 3, [row] * 3)
    found = populated(land, city(box(0, 0, 9, 3)), people([[30, 10, 0]]))
    assert (found.people, found.cells) == (pytest.approx(40, rel=1e-4), 2)
    assert found.green_ratio == pytest.approx(0.5, rel=1e-4)
    assert found.mean_green == pytest.approx((30 / 3 + 20 / 3) / 40, rel=1e-4)


def test_a_cell_that_the_limits_cut_keeps_its_share_of_the_people(cover, city):
    land = cover([[0] * 9] * 3, [[0.0] * 6 + [1.0] * 3] * 3)
    found = populated(land, city(box(0, 0, 7.5, 3)), people([[0, 10, 8]]))
    assert found.people == pytest.approx(10 + 4, rel=1e-3)
    assert found.green_ratio == pytest.approx(1.5 / 4.5, rel=1e-3)
    assert found.mean_green == pytest.approx(4 / 14, rel=1e-3)


def test_water_and_unseen_ground_stand_in_neither_half(cover, city):
    land = cover([[0, 2, UNSEEN], [0, 2, 0], [0, 2, 1]], [[1, 0, np.nan], [1, 0, np.nan], [1, 0, 0]])
    found = populated(land, city(box(0, 0, 3, 3)), people([[5]]))
    assert found.green_ratio == pytest.approx(3 / 4, rel=1e-4)


def test_a_cell_is_lived_in_from_one_person_on(cover, city):
    land = cover([[0] * 6] * 3, [[0.2] * 3 + [0.8] * 3] * 3)
    assert LEAST_PEOPLE == 1
    found = populated(land, city(box(0, 0, 6, 3)), people([[1.0, 0.99]], cell_m=100.5))
    assert (found.cells, found.green_ratio) == (1, pytest.approx(0.4, abs=0.2))


@pytest.mark.parametrize(("least", "cells"), [(0.0905, 2), (0.0895, 1)])
def test_of_cells_under_a_hectare_a_part_of_a_person_is_enough(cover, city, least, cells):
    """A raster of 30 m has half a person in a cell of a suburb, and "nobody lives there" would be said of it."""
    land = cover([[0] * 6] * 3, [[0.2] * 3 + [0.8] * 3] * 3)
    assert populated(land, city(box(0, 0, 6, 3)), people([[1.0, least]])).cells == cells


def test_nobody_there_is_told_with_a_cure(cover, city):
    land = cover([[0] * 3] * 3, [[0.2] * 3] * 3)
    with pytest.raises(AreaError, match=r"people\.tif: nobody lives in Toytown by it; give a raster"):
        populated(land, city(box(0, 0, 3, 3)), people([[0.05]]))


def test_a_raster_in_degrees_gets_every_pixel_by_its_exact_centre(cover, city):
    """Against a plain loop over pixels: 3 arc seconds, another CRS, blocks of uneven size."""
    rng = np.random.default_rng(4)
    fraction = rng.random((40, 50))
    land = cover(np.zeros((40, 50)), fraction, chunks=(17, 23))
    move = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform
    west, north = move(WEST - 40, NORTH + 40)
    raster = People(count=rng.integers(0, 9, (7, 10)).astype(float),
                    transform=Affine(1 / 1200, 0, west, 0, -1 / 1200, north), crs="EPSG:4326", source="p")  # fmt: skip
    found = populated(land, city(box(0, 0, 50, 40)), raster)
    green = total = 0.0
    for row in range(40):
        for column in range(50):
            x, y = move(WEST + 10 * (column + 0.5), NORTH - 10 * (row + 0.5))
            if raster.count[int((north - y) * 1200), int((x - west) * 1200)] >= 1:
                green, total = green + fraction[row, column], total + 1
    assert found.green_ratio == pytest.approx(green / total, rel=1e-5)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0.1, 8.9), seed=st.integers(0, 99))
def test_the_two_sides_of_a_cut_hold_all_people(cover, city, cut, seed):
    count = np.random.default_rng(seed).integers(1, 50, (1, 3))
    land = cover([[0] * 9] * 3, [[0.5] * 9] * 3)
    sides = [populated(land, city(box(*ends)), people(count)).people for ends in ((0, 0, cut, 3), (cut, 0, 9, 3))]
    assert sum(sides) == pytest.approx(count.sum(), rel=1e-4)
