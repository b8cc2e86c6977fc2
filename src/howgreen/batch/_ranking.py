"""Ranks with intervals: what the order of cities can say, where it is a tie, and what changed between years.

Two cities are told apart where their intervals do not overlap. A city's rank lies between one more than the number of cities that
are surely greener, and the number of all less those that are surely less green. Intervals that just touch are a tie. Intervals hold
one city each at their level, so of many pairs some are told apart by chance; and an error that all cities share (one model, one
region) would not change the order, which makes the ties too many rather than too few.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

SEASON_DAYS = 45
"""Days of the year by which the middles of two years' dates may differ: beyond, what a season does would be taken for a change."""
YEAR_DAYS = 365.2425
MOST_LISTED = 100
"""Ties of a city that are listed by name; of more, only their number is told, or a table of n cities would hold n squared."""


@dataclass(frozen=True, kw_only=True)
class CityYear:
    """One city in one year: which, from which images, and by which plan."""

    key: str
    name: str
    year: int | None = None
    """The year that was asked for; None where one period was asked for."""
    label: str = ""
    """The place as its source calls it."""
    first_date: str = ""
    last_date: str = ""
    n_dates: int = 0
    model: str = ""
    plan_sha256: str = ""
    """Of the plan, which decides the answer."""
    error: str = ""
    """Why there is no answer; empty where there is one."""


@dataclass(frozen=True, kw_only=True)
class Row(CityYear):
    """What one city's run hands back for one year; small, so that many of them fit anywhere."""

    counted: Literal["vegetation", "osm-green"] = "vegetation"
    """What the ratio counts: what satellites saw, or what OpenStreetMap's mappers drew."""
    green_ratio: float | None = None
    """Green share of the land that was seen, 0-1; None where there is no answer. Of ``osm-green``: of all inside the limits."""
    low: float | None = None
    high: float | None = None
    """Interval of the ratio, at ``level``."""
    model_low: float | None = None
    model_high: float | None = None
    """By the model's error alone."""
    level: float | None = None
    observed_ratio: float | None = None
    land_area_m2: float | None = None
    sensor: str = ""
    series: str = ""
    """Satellites whose bands are alike: ``sentinel-2``, ``landsat-4-7``, ``landsat-8-9``; several joined by ``+``."""
    warnings: tuple[str, ...] = ()
    """Codes."""
    credits: tuple[str, ...] = ()
    """To whom images and limits are owed."""
    wkt: str = ""
    """The limits, simplified, EPSG:4326."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A city with its place among the others of its year."""

    row: Row
    rank: int
    """By the ratio alone, 1 the greenest."""
    best: int
    worst: int
    """Ranks that the intervals leave open."""
    n_ties: int
    """Cities that it cannot be told apart from."""
    ties: tuple[str, ...]
    """Their keys; none where they are more than MOST_LISTED."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """How much greener a city's mapped land is than in an earlier year."""

    since: int
    change: float
    """Difference of the two ratios, -1 to 1."""
    low: float | None = None
    high: float | None = None
    """Its interval; None where nothing tells it: no interval of the model, other satellites or models, or another season."""
    other_season: bool = False
    """Whether the dates of the two years lie too far apart in the year (SEASON_DAYS) to be compared."""

    @property
    def is_told(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def ranked(rows: Sequence[Row]) -> list[Ranked]:
    """Rank the cities of one year that have an answer, the greenest first; one without an interval ties with all."""
    there = sorted(
        (row for row in rows if row.green_ratio is not None), key=lambda row: (-(row.green_ratio or 0), row.key)
    )
    low = np.array([-math.inf if row.low is None else row.low for row in there])
    high = np.array([math.inf if row.high is None else row.high for row in there])
    lows, highs = np.sort(low), np.sort(high)
    found = []
    for number, row in enumerate(there):
        greener = len(there) - int(np.searchsorted(lows, high[number], side="right"))
        less = int(np.searchsorted(highs, low[number], side="left"))
        n_ties = len(there) - 1 - greener - less
        tied = (low <= high[number]) & (high >= low[number]) if 0 < n_ties <= MOST_LISTED else np.zeros(0)
        ties = tuple(there[other].key for other in np.flatnonzero(tied) if other != number)
        found.append(
            Ranked(row=row, rank=number + 1, best=greener + 1, worst=len(there) - less, n_ties=n_ties, ties=ties)
        )
    return found


def by_year(rows: Sequence[Row]) -> dict[int | None, list[Row]]:
    """Divide rows into those of each year, the earliest first."""
    years: defaultdict[int | None, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.year or 0):
        years[row.year].append(row)
    return dict(years)


def changes(rows: Sequence[Row]) -> dict[tuple[str, int], Change]:
    """Compare each year of a city with its first year that has an answer; by key and year.

    Both years have the same limits, months and model. Land that was not seen may be anything, in each year anew. What else sets
    years apart (weather, dates, mowing, light) is told by the scatter of the city's own years around their line, where they are
    enough for that; else the model's errors of the two years count as independent of each other. They are not, so that the
    interval is then too wide rather than too narrow.
    """
    cities: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.year is not None and row.green_ratio is not None:
            cities[row.key].append(row)
    found = {}
    for key, there in cities.items():
        years = sorted(there, key=lambda row: row.year or 0)
        scatter = _scatter(years)
        for row in years[1:]:
            found[key, row.year or 0] = _change(years[0], row, scatter)
    return found


def _scatter(years: Sequence[Row]) -> float | None:
    """Give how far two years of a city may differ by chance at 95 %; None where its years are too few to tell, or not alike."""
    from scipy.stats import t

    from howgreen.trend import FEWEST_YEARS, fit

    if len(years) < FEWEST_YEARS or len({row.series for row in years}) > 1:
        return None
    line = fit([row.year or 0 for row in years], [row.green_ratio or 0.0 for row in years])
    return float(t.ppf(0.975, len(years) - 2)) * line.noise * math.sqrt(2)


def _change(first: Row, last: Row, scatter: float | None) -> Change:
    change = (last.green_ratio or 0.0) - (first.green_ratio or 0.0)
    half = scatter if scatter is not None else _independent(first, last)
    other_season = _season_days(first, last) > SEASON_DAYS
    if half is None or first.series != last.series or first.model != last.model or other_season:
        return Change(since=first.year or 0, change=change, other_season=other_season)
    (first_bare, first_green), (last_bare, last_green) = _unseen(first), _unseen(last)
    return Change(
        since=first.year or 0,
        change=change,
        low=max(last_bare - first_green - half, -1.0),
        high=min(last_green - first_bare + half, 1.0),
    )


def _season_days(first: Row, last: Row) -> float:
    """Count the days of the year between the middles of two years' dates; none where these are not known."""
    if not (first.first_date and last.first_date):
        return 0.0
    days = []
    for row in (first, last):
        start, end = (date.fromisoformat(day).toordinal() for day in (row.first_date, row.last_date))
        days.append((start + end) / 2)
    apart = (days[1] - days[0]) % YEAR_DAYS
    return min(apart, YEAR_DAYS - apart)


def _unseen(row: Row) -> tuple[float, float]:
    """Give the ratio were unseen land bare, and were it green."""
    seen = 1.0 if row.observed_ratio is None else row.observed_ratio
    bare = seen * (row.green_ratio or 0.0)
    return bare, bare + 1 - seen


def _independent(first: Row, last: Row) -> float | None:
    """Add the model's errors of two years in squares."""
    halves = [_half(row) for row in (first, last)]
    return None if None in halves else math.hypot(*(half or 0.0 for half in halves))


def _half(row: Row) -> float | None:
    """Half of the model's part of an interval: the longer side, for the other may have been cut at bare or at green."""
    if row.model_low is None or row.model_high is None or row.green_ratio is None:
        return None
    return max(row.green_ratio - row.model_low, row.model_high - row.green_ratio)


def apart(order: Sequence[Ranked]) -> tuple[int, int]:
    """Count the pairs of cities that can be told apart, and all pairs."""
    pairs = len(order) * (len(order) - 1) // 2
    return pairs - sum(one.n_ties for one in order) // 2, pairs


def told(found: Mapping[tuple[str, int], Change], year: int) -> tuple[int, int, int]:
    """Count the cities that are surely greener in a year than in their first, surely less green, and that can be compared at all."""
    of_year = [one for (_, when), one in found.items() if when == year and one.low is not None]
    more = sum(one.is_told and one.change > 0 for one in of_year)
    return more, sum(one.is_told for one in of_year) - more, len(of_year)
