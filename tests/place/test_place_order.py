"""Latitude and longitude exchanged: noticed where the limits then lie in the open sea."""

from __future__ import annotations

import pytest
from shapely import box

from howgreen import place
from howgreen.core.errors import AreaError
from howgreen.place._land import in_open_sea

CITIES = {
    "Paris": (2.35, 48.86), "London": (-0.1, 51.5), "Delhi": (77.2, 28.6), "Lagos": (3.4, 6.5), "Santiago": (-70.6, -33.4),
    "Bolzano": (11.35, 46.5), "Nairobi": (36.8, -1.3), "Sydney": (151.2, -33.9), "Tlaxcala": (-98.2, 19.3),
}  # fmt: skip
ISLANDS = {
    "Funchal": (-16.9, 32.65), "Valletta": (14.51, 35.9), "Tórshavn": (-6.77, 62.01), "Malé": (73.5, 4.17), "Papeete": (-149.56, -17.53),
    "Hamilton": (-64.78, 32.29), "Jamestown": (-5.7, -15.9), "Tarawa": (173.0, 1.33), "Hanga Roa": (-109.4, -27.1),
}  # fmt: skip


def around(lon: float, lat: float) -> str:
    return box(lon - 0.05, lat - 0.05, lon + 0.05, lat + 0.05).wkt


@pytest.mark.parametrize("name", [*CITIES, *ISLANDS])
def test_no_inhabited_place_lies_in_the_open_sea(name):
    assert place.find(None, area=around(*(CITIES | ISLANDS)[name])).area_m2 > 0


@pytest.mark.parametrize("name", ["Paris", "London", "Delhi", "Lagos", "Santiago"])
def test_cities_that_come_out_in_the_sea_are_refused_with_the_cure(name):
    lon, lat = CITIES[name]
    with pytest.raises(AreaError, match=r"in the open sea.*with latitude and longitude exchanged; write lon first"):
        place.find(name, area=around(lat, lon))


def test_what_lies_near_a_shore_is_let_be():
    """Bolzano exchanged lies off Somalia, half a degree from its shore: that could be anybody's box."""
    assert place.find(None, area=around(46.5, 11.35)).area_m2 > 0


@pytest.mark.parametrize(
    ("bounds", "sea"),
    [
        ((-34, 44, -33, 45), True),
        ((179.8, 0.1, 179.9, 0.2), True),
        ((-0.1, 88, 0.1, 90), True),
        ((0, -90, 1, -89), False),
        ((11, 46, 12, 47), False),
        ((-180, -90, 180, 90), False),
    ],
)
def test_ends_of_the_earth(bounds, sea):
    assert in_open_sea(*bounds) is sea


def test_a_point_in_the_sea_that_was_written_lon_first_is_told():
    for door in (lambda: place.place_from_point(2.35, 48.86), lambda: place.find("[2.35, 48.86]")):
        with pytest.raises(AreaError, match=r"it lies in the open sea .*; write lat first, then lon"):
            door()
    assert place.place_from_point(48.86, 2.35).kind == "circle"
    assert place.find("-37.1, -12.3").kind == "circle"  # Tristan da Cunha: far from land, and so is the other way round
