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
from howgreen.place._points import parse_coordinates


@pytest.mark.parametrize(
    "text",
    ["45.76, 4.84", "45.76,4.84", " 45.76 4.84 ", "45.76N 4.84E", "45.76° N, 4.84° E", "4.84E, 45.76N", "N45.76 E4.84",
     "+45.76; +4.84", "geo:45.76,4.84", "45.76n, 4.84", "(45.76, 4.84)", "[45.76, 4.84]", "45,76 4,84", "45,76, 4,84",
     "45,76; 4,84", "45,76° N 4,84° E", "lat 45.76 lon 4.84", "lon=4.84, lat=45.76", "45.76 / 4.84", "45.76 Nord 4.84 Ost",
     "N 45.76 E 4.84", "geo:45.76,4.84;u=35", "45.76º N, 4.84º E", "45°45'36\"N 4°50'24\"E", "45° 45′ 36″ N, 4° 50′ 24″ E",
     "N 45°45.6' E 4°50.4'", "45°45,6'N 4°50,4'E", "45 45 36 N 4 50 24 E", "45:45:36N, 4:50:24E", "45°45'36''N, 4°50'24''E",
     "4°50′24″ est, 45°45′36″ nord", "４５．７６，４．８４", "45.76，4.84", "٤٥٫٧٦، ٤٫٨٤"],
)  # fmt: skip
def test_coordinates_are_read_as_people_write_them(text):
    assert parse_coordinates(text) == pytest.approx((45.76, 4.84), abs=1e-9)


@pytest.mark.parametrize("text", ["46,11", "-34,58", "38,7905625", "1,2,3,4", "45,76,4,84", "(46,11)"])
def test_commas_that_may_be_decimal_or_not_are_asked_back(text):
    """NominatimGeocoderBackend#1, OsmAnd#13653, cgeo#13840."""
    with pytest.raises(AreaError, match="a decimal comma, or two numbers"):
        parse_coordinates(text)
    assert parse_coordinates("46, 11") == (46, 11)  # with a blank it is a pair


def test_minutes_count_away_from_zero_on_every_side():
    assert parse_coordinates("18°30'S 70°30'W") == (-18.5, -70.5)
    assert parse_coordinates("-18°30' -70°30'") == (-18.5, -70.5)
    assert parse_coordinates("-0°30', 0°30'") == (-0.5, 0.5)


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
        ("45.76N 4.84O", "O is west in French"),
        ("45°60'N 4°5'E", "0 to 59"),
        ("45.5°30'N 4°5'E", "0 to 59"),
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
