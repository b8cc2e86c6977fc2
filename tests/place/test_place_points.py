from __future__ import annotations

import math

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from howgreen.core.errors import AreaError
from howgreen.place import from_point
from howgreen.place.points import parse_coordinates


@pytest.mark.parametrize(
    "text",
    ["45.76, 4.84", "45.76,4.84", " 45.76 4.84 ", "45.76N 4.84E", "45.76° N, 4.84° E", "4.84E, 45.76N", "N45.76 E4.84",
     "+45.76; +4.84", "geo:45.76,4.84", "45.76n, 4.84"],
)  # fmt: skip
def test_coordinates_are_read_as_people_write_them(text):
    assert parse_coordinates(text) == (45.76, 4.84)


def test_south_and_west_are_negative():
    assert parse_coordinates("18.14S, 178.44W") == (-18.14, -178.44)
    assert parse_coordinates("-18.14, -178.44") == (-18.14, -178.44)
    assert parse_coordinates("−18.14, 178.44") == (-18.14, 178.44)


@pytest.mark.parametrize("text", ["Lyon", "Paris 15", "R120965", "12", "1, 2, 3", "", "75015, Paris"])
def test_other_texts_are_no_coordinates(text):
    assert parse_coordinates(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("95, 4.84", r"did you mean 4\.84, 95"),
        ("91, 400", "lat"),
        ("45, 999", "lon"),
        ("45.76N 4.84S", "two latitudes"),
        ("4.84E 5W", "two longitudes"),
        ("-45.76S, 4", "a sign and a letter"),
        ("N45.76S, 4", "two letters"),
    ],
)
def test_numbers_that_are_no_position_are_refused(text, says):
    with pytest.raises(AreaError, match=says):
        parse_coordinates(text)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_any_position_survives_being_written(lat, lon):
    assert parse_coordinates(f"{lat:.8f}, {lon:.8f}") == pytest.approx((lat, lon), abs=1e-8)


@given(st.floats(-80, 80), st.floats(-180, 180), st.floats(50, 50_000))
def test_the_circle_is_round_on_the_ground(lat, lon, radius_m):
    city = from_point(lat, lon, radius_m=radius_m)
    xy = shapely.get_coordinates(city.boundary)
    # Where the circle was split, the cut runs through its inside.
    rim = xy[np.abs(np.abs(xy[:, 0]) - 180) > 1e-9]
    ones = np.ones(len(rim))
    distance = pyproj.Geod(ellps="WGS84").inv(lon * ones, lat * ones, rim[:, 0], rim[:, 1])[2]
    assert distance == pytest.approx(radius_m, rel=1e-4)
    assert city.area_m2 == pytest.approx(math.pi * radius_m**2, rel=1e-4)
    assert city.boundary.is_valid


def test_the_default_radius_is_said_and_an_own_one_is_not_called_default():
    default, own = from_point(45.76, 4.84), from_point(45.76, 4.84, radius_m=500)
    assert "2 km (the default radius) around 45.76° N, 4.84° E" in default.note
    assert "0.5 km around" in own.note
    assert "default" not in own.note
    assert (default.kind, default.id, own.id) == ("circle", "point:45.76,4.84,2000", "point:45.76,4.84,500")


def test_close_points_have_different_ids():
    assert from_point(45.764043, 4.835659).id != from_point(45.764044, 4.835659).id


def test_a_circle_over_the_antimeridian_is_split():
    city = from_point(-18.14, 179.99, radius_m=5000)
    assert len(city.boundary.geoms) == 2
    assert city.area_m2 == pytest.approx(math.pi * 25e6, rel=1e-4)


@pytest.mark.parametrize("radius_m", [0, -5, math.nan, math.inf, 3e6, 3, 300_000])
def test_impossible_radii_are_refused(radius_m):
    with pytest.raises(AreaError):
        from_point(45.76, 4.84, radius_m=radius_m)


@pytest.mark.parametrize(("lat", "lon"), [(math.nan, 0), (0, math.inf), (90.1, 0), (0, 361)])
def test_impossible_positions_are_refused(lat, lon):
    with pytest.raises(AreaError, match="write lat"):
        from_point(lat, lon)


def test_a_circle_around_the_pole_is_refused():
    with pytest.raises(AreaError, match="pole"):
        from_point(89.999, 0, radius_m=5000)
