from __future__ import annotations

import numpy as np
import pytest
import shapely
from tests.restoration.conftest import NORTH, WEST

from howgreen.core.errors import AreaError, ImageError
from howgreen.restoration import (
    CLCPLUS,
    TREE_COVER,
    Clusters,
    Cover,
    Maps,
    Sums,
    Unit,
    account,
    clusters_from,
    open_map,
    zones_of,
)
from howgreen.restoration._account import may_be_left_out, no_loss


def sums(covered, *, area=100.0, unknown=0.0):
    return Sums(area_m2=area, covered_m2=covered, unknown_m2=unknown)


def cover(green, canopy, *, unknown=0.0):
    return Cover(
        green=sums(green, unknown=unknown), canopy=canopy and sums(canopy), green_before=None, canopy_before=None
    )


@pytest.mark.parametrize(
    ("green", "canopy", "verdict"),
    [
        (47.1, 12.1, "yes"),
        (46.9, 12.1, "too close to tell"),
        (47.1, 11.9, "too close to tell"),
        (43.1, 30, "too close to tell"),
        (42.9, 30, "no"),
        (80, 7.9, "no"),
        (80, 8.1, "too close to tell"),
        (42.9, 10, "no"),
    ],
)
def test_both_thresholds_and_their_margin(green, canopy, verdict):
    assert may_be_left_out(cover(green, canopy)) == verdict


def test_without_margin_the_law_says_more_than():
    assert may_be_left_out(cover(45, 20), margin=0) == "no"
    assert may_be_left_out(cover(45.0001, 10.0001), margin=0) == "yes"


def test_unknown_ground_may_turn_it():
    assert may_be_left_out(cover(40, 30, unknown=10)) == "too close to tell"
    assert may_be_left_out(cover(50, 30, unknown=10)) == "yes"


def test_nothing_is_told_without_clusters_or_trees():
    assert may_be_left_out(None) == "not told"
    assert may_be_left_out(cover(80, None)) == "not told"
    assert (
        may_be_left_out(Cover(green=sums(0, area=0), canopy=sums(0, area=0), green_before=None, canopy_before=None))
        == "not told"
    )


@pytest.mark.parametrize(
    ("today", "before", "verdict"),
    [(100.6, 100, "yes"), (100.4, 100, "too close to tell"), (100, 100, "too close to tell"), (99.6, 100, "too close to tell"), (99.4, 100, "no")],
)  # fmt: skip
def test_a_change_has_to_be_larger_than_half_a_percent(today, before, verdict):
    assert no_loss(sums(today, area=1000), sums(before, area=1000)) == verdict


def test_unknown_ground_of_either_date_may_turn_a_change():
    assert no_loss(sums(110, area=1000), sums(100, area=1000, unknown=10)) == "too close to tell"
    assert no_loss(sums(90, area=1000, unknown=10), sums(100, area=1000)) == "too close to tell"
    assert no_loss(sums(90, area=1000, unknown=8), sums(100, area=1000)) == "no"
    assert no_loss(sums(100, area=1000), sums(100, area=1000), margin=0) == "yes"
    assert no_loss(None, sums(1)) == "not told"


def test_the_kilometre_is_drawn_around_the_part_in_the_commune():
    commune = shapely.box(0, 0, 10_000, 10_000)
    zones = zones_of(commune, Clusters(shape=shapely.box(-3000, 4000, 1000, 6000), source=""))
    assert zones["urban"].equals(shapely.box(0, 4000, 1000, 6000))
    assert zones["peri_urban"].bounds == (0, 3000, 2000, 7000)
    assert zones["peri_urban"].area == pytest.approx(2000 * 2000 + 2 * 1000 * 1000 + 2 * np.pi * 1000**2 / 4, rel=1e-3)
    assert set(zones_of(commune, None)) == {"commune"}
    with pytest.raises(AreaError):
        zones_of(shapely.Point(0, 0), None)


def test_cells_of_clusters(make_map):
    grid = make_map("clusters.tif", [[0, 1, 0], [2, 255, 0]], pixel=1000)
    found = clusters_from([grid], within=(WEST, NORTH - 2000, WEST + 3000, NORTH))
    assert found.shape.area == 2_000_000
    assert clusters_from([grid], within=(WEST + 50_000, NORTH - 2000, WEST + 60_000, NORTH)).shape.is_empty
    with pytest.raises(ImageError, match="EPSG:3035"):
        clusters_from([make_map("utm.tif", [[1]], pixel=1000, crs="EPSG:32632")], within=(0, 0, 1, 1))
    with pytest.raises(ImageError, match="cells of 10 m"):
        clusters_from([make_map("fine.tif", [[1]])], within=(0, 0, 1, 1))


def test_countries_are_summed_with_and_without_what_may_be_left_out(make_map):
    codes = np.full((100, 200), 2)
    codes[:, 120:] = 1
    maps = Maps(
        green=open_map([make_map("clc.tif", codes)], CLCPLUS),
        canopy=open_map([make_map("tcd.tif", np.full((100, 200), 20))], TREE_COVER),
        green_before=open_map([make_map("before.tif", np.full((100, 200), 2))], CLCPLUS),
    )
    west, east = (
        shapely.box(WEST, NORTH - 1000, WEST + 1000, NORTH),
        shapely.box(WEST + 1000, NORTH - 1000, WEST + 2000, NORTH),
    )
    units = [
        Unit(id=name, name=name, country="XX", degurba=1, shape=shape) for name, shape in (("a", west), ("b", east))
    ]
    found = account(units, maps, Clusters(shape=shapely.union(west, east), source="all"))
    assert [one.exempt for one in found.units] == ["yes", "no"]
    commune = [one for one in found.totals if one.area == "commune"]
    assert [(one.units, one.left_out, one.cover.green.covered_m2) for one in commune] == [
        (2, 0, 1_200_000),
        (1, 1, 200_000),
    ]
    assert commune[0].no_loss_of_green == "no"
    assert commune[0].no_loss_of_canopy == "not told"
