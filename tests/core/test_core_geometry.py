from __future__ import annotations

import math

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

from howgreen.core.errors import AreaError
from howgreen.core.geometry import (
    bounds_of,
    boxes,
    check_crossings,
    crs_of,
    densify,
    geodesic_area_m2,
    polygonal,
    project,
    to_lonlat,
    transformer,
    utm_crs,
)


@pytest.mark.parametrize(
    ("lon", "lat", "code"),
    [
        (11.35, 46.5, 32632),  # Bolzano
        (-98.24, 19.3, 32614),  # Tlaxcala
        (178.44, -18.14, 32760),  # Suva
        (5.32, 60.39, 32632),  # Bergen: the widened zone
        (15.6, 78.2, 32633),  # Longyearbyen
        (0.0, 85.0, 32661),
        (0.0, -81.0, 32761),
        (180.0, 10.0, 32601),
        (190.0, 10.0, 32602),
    ],
)
def test_zone_of_known_places(lon, lat, code):
    assert utm_crs(lon, lat) == f"EPSG:{code}"


@given(lon=st.floats(-180, 179.99), lat=st.floats(-79.9, 83.9))
def test_zone_is_one_that_the_place_lies_in_or_next_to(lon, lat):
    area = pyproj.CRS(utm_crs(lon, lat)).area_of_use
    away = (lon - (area.west + area.east) / 2 + 180) % 360 - 180
    assert abs(away) <= 9  # half a zone, or as far as the widest zone of Svalbard reaches
    assert (area.south >= 0) == (lat >= 0)


@pytest.mark.parametrize(("lon", "lat"), [(math.nan, 0), (0, 91), (math.inf, 0)])
def test_no_position_no_zone(lon, lat):
    with pytest.raises(AreaError, match="not a position"):
        utm_crs(lon, lat)


def test_area_of_a_degree_and_of_its_holes():
    # One degree at the equator, from the authalic latitude in closed form (Snyder 1987, eq. 3-12).
    a, e2 = 6378137.0, 0.00669437999014
    e, s = math.sqrt(e2), math.sin(math.radians(1))
    q = (1 - e2) * (s / (1 - e2 * s * s) - math.log((1 - e * s) / (1 + e * s)) / (2 * e))
    expected = math.radians(1) * a * a * q / 2
    ring = [(x / 64, 0.0) for x in range(65)] + [(x / 64, 1.0) for x in range(64, -1, -1)]
    assert geodesic_area_m2(Polygon(ring)) == pytest.approx(expected, rel=1e-6)
    cell, hole = box(10, 45, 11, 46), box(10.2, 45.2, 10.4, 45.4)
    both = geodesic_area_m2(cell.difference(hole)) + geodesic_area_m2(hole)
    assert both == pytest.approx(geodesic_area_m2(cell), rel=1e-9)


def test_area_ignores_direction_and_what_is_no_area():
    cell = box(10, 45, 10.1, 45.1)
    assert geodesic_area_m2(cell.reverse()) == geodesic_area_m2(cell) > 0
    mixed = GeometryCollection([cell, Point(0, 0), LineString([(0, 0), (1, 1)])])
    assert geodesic_area_m2(mixed) == geodesic_area_m2(MultiPolygon([cell])) == geodesic_area_m2(cell)
    assert geodesic_area_m2(Polygon()) == geodesic_area_m2(Point(1, 1)) == 0


def test_polygonal_mends_and_drops():
    bow = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    assert polygonal(bow).is_valid
    assert polygonal(bow).area == pytest.approx(2)
    assert polygonal(GeometryCollection([Point(0, 0), box(0, 0, 1, 1)])).area == 1
    assert polygonal(Point(0, 0)).is_empty


def test_zone_of_an_area_split_at_the_antimeridian():
    suva = MultiPolygon([box(179.8, -18.2, 180, -18), box(-180, -18.2, -179.9, -18)])
    assert crs_of(suva) == "EPSG:32760"
    assert crs_of(shapely.box(11, 46, 12, 47)) == "EPSG:32632"


def test_bounds_across_the_antimeridian_are_those_of_geojson():
    """RFC 7946, 5.2: the west edge is then the greater number."""
    west, east = box(178.4, -18.2, 180, -18), box(-180, -18.1, -179.9, -17.9)
    assert bounds_of(MultiPolygon([east, west])) == (178.4, -18.2, -179.9, -17.9)
    assert boxes(MultiPolygon([east, west])) == (west.bounds, east.bounds)
    apart = MultiPolygon([box(1, 2, 3, 4), box(5, 1, 6, 3)])
    assert bounds_of(apart) == apart.bounds


@pytest.mark.parametrize(("lon", "lat"), [(8.5, 46), (9.2512, 46), (8, 46.4987), (9.4021, 47)])
def test_projected_edges_lie_within_two_centimetres_of_the_true_ones(lon, lat):
    """Along a parallel a straight line in degrees bends by hundreds of metres on the grid."""
    shape = project(box(8, 46, 9.5, 47), "EPSG:32632")
    x, y = transformer("EPSG:4326", "EPSG:32632").transform(lon, lat)
    assert shape.exterior.distance(Point(x, y)) < 0.02


def test_a_shape_projects_the_same_whether_its_edges_were_bent_before():
    shape = box(8.0003, 46.00007, 8.41, 46.3)
    once, twice = (project(one, "EPSG:32632") for one in (shape, densify(shape)))
    assert once.equals_exact(twice, 1e-6)


def test_halves_at_the_antimeridian_are_one_again():
    halves = MultiPolygon([box(179.9, -17, 180, -16.9), box(-180, -17, -179.9, -16.9)])
    whole = project(halves, "EPSG:32760")
    assert whole.geom_type == "Polygon"
    assert whole.is_valid


def test_there_and_back():
    shape = box(600_000, 5_100_000, 640_000, 5_150_000)
    back = project(to_lonlat(shape, "EPSG:32632"), "EPSG:32632")
    assert back.symmetric_difference(shape).area / shape.area < 1e-4


def star(corners):
    """Every edge crosses nearly all others."""
    turn = 2 * np.pi * np.arange(corners) * (corners // 2) / corners
    return Polygon(np.column_stack([11 + 0.1 * np.cos(turn), 46 + 0.1 * np.sin(turn)]))


def test_a_tangle_that_would_take_minutes_to_repair_is_refused_at_once():
    """Its crossings grow by the square of its edges: 2,001 take a minute."""
    with pytest.raises(AreaError, match="here: crosses itself at thousands of places; draw it again"):
        check_crossings(star(2001), what="here")
    with pytest.raises(AreaError, match="crosses itself at thousands"):
        polygonal(star(2001))


@pytest.mark.parametrize(("side", "tangled"), [(95, False), (105, True)])
def test_how_many_crossings_are_repaired(side, tangled):
    """Two combs across each other, of which each tooth crosses all of the other's: their number is known."""
    ends = np.tile([0, 1, 1, 0], side // 2 + 1)
    along = np.repeat(np.arange(side) + 0.5, 2) / side
    comb = np.column_stack([along, ends[: 2 * side] * 1.2 - 0.1])
    shape = Polygon(np.vstack([comb, [(2, 2)], comb[::-1, ::-1], [(-1, -1)]]))
    if not tangled:
        check_crossings(shape)
        return
    with pytest.raises(AreaError):
        check_crossings(shape)


def test_a_long_shore_that_crosses_itself_here_and_there_is_no_tangle():
    noise = np.random.default_rng(1).normal(size=(2, 8_000))
    turn = np.linspace(0, 2 * np.pi, 8_000, endpoint=False) + 5e-4 * noise[0]
    wave = 1 + 0.1 * np.sin(50 * turn) + 1e-4 * noise[1]
    shore = Polygon(np.column_stack([wave * np.cos(turn), wave * np.sin(turn)]))
    assert not shore.is_valid
    check_crossings(shore)
    assert polygonal(shore).area == pytest.approx(shore.area, rel=0.01)
