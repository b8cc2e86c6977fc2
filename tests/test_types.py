"""Periods: what a person writes, and the seasons of both hemispheres."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howgreen.core.errors import PeriodError
from howgreen.core.sensors import common_name
from howgreen.core.types import Period


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2024-05/2024-09", date(2024, 5, 1), date(2024, 9, 30)),
        ("2023-12-03 / 2024-01", date(2023, 12, 3), date(2024, 1, 31)),
        ("2024-05-17", date(2024, 5, 17), date(2024, 5, 17)),
    ],
)
def test_periods_are_read_as_people_mean_them(text: str, start: date, end: date):
    assert (Period.parse(text).start, Period.parse(text).end) == (start, end)


@pytest.mark.parametrize("text", ["", "summer", "2024-13", "2024-02-30", "2024-09/2024-05", "24", "2024/x"])
def test_nonsense_is_refused_with_what_to_write(text: str):
    with pytest.raises(PeriodError, match="period"):
        Period.parse(text)


@given(start=st.dates(date(1000, 1, 1), date(9990, 1, 1)), days=st.integers(0, 1000))
def test_both_ends_are_inside(start: date, days: int):
    period = Period(start=start, end=start + timedelta(days))
    assert period.start in period
    assert period.end in period
    assert period.end + timedelta(1) not in period
    assert Period.parse(str(period)) == period


def test_a_moment_counts_by_its_utc_day():
    assert datetime(2024, 9, 30, 23, 59, tzinfo=UTC) in Period.parse("2024-05/2024-09")
    assert datetime(2024, 10, 1, 0, 0, tzinfo=UTC) not in Period.parse("2024-05/2024-09")


def test_months_narrow_a_period():
    period = Period(start=date(2020, 1, 1), end=date(2024, 12, 31), months=(6, 7))
    assert date(2022, 6, 1) in period
    assert date(2022, 8, 1) not in period
    with pytest.raises(PeriodError):
        Period(start=date(2020, 1, 1), end=date(2024, 12, 31), months=(0,))


def test_the_growing_season_turns_with_the_hemisphere():
    assert date(2024, 7, 1) in Period.growing_season(46.5, 2024)
    assert date(2024, 1, 15) in Period.growing_season(-33.9, 2024)
    assert date(2023, 12, 15) in Period.growing_season(-33.9, 2024)
    assert date(2024, 7, 1) not in Period.growing_season(-33.9, 2024)
    assert date(2024, 2, 1) in Period.growing_season(19.3, 2024)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("B04", "red"), ("b4", "red"), ("Red", "red"), (" B8A ", "nir08"), ("SCL", "scl"), ("B99", None)],
)
def test_bands_have_many_spellings(spelling: str, name: str | None):
    assert common_name(spelling) == name
