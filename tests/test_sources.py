"""Which days a user means."""

from __future__ import annotations

import pytest
from shapely import box

from howgreen.core.errors import PeriodError
from howgreen.core.types import City, Period
from howgreen.pipeline.image_sources import asked_period


def city(latitude: float) -> City:
    shape = box(10, latitude, 10.1, latitude + 0.1)
    return City(name="X", label="X", id="shape:x", boundary=shape, crs="EPSG:32632", area_m2=1e8)


@pytest.mark.parametrize(
    ("latitude", "expected"),
    [(46, "1995-05-01/1995-09-30"), (-34, "1994-11-01/1995-03-31"), (5, "1995-01-01/1995-12-31")],
)
def test_a_year_is_its_growing_season_and_says_so(latitude: float, expected: str):
    period, notes = asked_period(" 1995 ", city(latitude))
    assert str(period) == expected
    assert [expected in note and "1995-01/1995-12" in note for note in notes] == ([] if latitude == 5 else [True])


@pytest.mark.parametrize("text", ["1995-01/1995-12", "1995-07", "1995/1996", "1995-07-01"])
def test_all_else_means_what_it_says(text: str):
    assert asked_period(text, city(46)) == (Period.parse(text), ())


def test_a_period_is_taken_as_it_is():
    assert asked_period(Period.parse("1995"), city(46)) == (Period.parse("1995"), ())
    assert asked_period(None, city(46)) == (None, ())
    with pytest.raises(PeriodError, match="199x"):
        asked_period("199x", city(46))
