"""Ranks with intervals: what the order of cities supports, which cities tie, and what changed between years.

Two cities are distinguishable if their intervals do not overlap. A city's rank lies between one plus the number of
cities that are certainly greener, and the total less those that are certainly less green. Intervals that just touch are
a tie. Each interval has its level for one city only, so among many pairs some are separated by chance; and an error
that all cities share (one model, one region) would not change the order, so the ties are too many rather than too few.
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
"""Largest difference in day of year between the midpoints of two years' dates: beyond it, season would be taken for
change."""
YEAR_DAYS = 365.2425
MOST_LISTED = 100
"""Most ties of a city listed by name; beyond it only their number, or a table of n cities would hold n squared."""


@dataclass(frozen=True, kw_only=True)
class CityYear:
    """One city in one year: its images and its plan."""

    key: str
    name: str
    year: int | None = None
    """The requested year; None if one period was requested."""
    label: str = ""
    """The place's name in its source."""
    first_date: str = ""
    last_date: str = ""
    n_dates: int = 0
    model: str = ""
    plan_sha256: str = ""
    """SHA-256 of the plan, which determines the answer."""
    error: str = ""
    """Why there is no answer; empty if there is one."""


@dataclass(frozen=True, kw_only=True)
class Row(CityYear):
    """Result of one city's run for one year; small, so that many fit in memory."""

    counted: Literal["vegetation", "osm-green"] = "vegetation"
    """What the ratio counts: vegetation seen by satellites, or green areas mapped in OpenStreetMap."""
    green_ratio: float | None = None
    """Green share of the observed land, 0-1; None without an answer. For ``osm-green``: of everything inside the
    limits."""
    low: float | None = None
    high: float | None = None
    """Interval of the ratio, at ``level``."""
    model_low: float | None = None
    model_high: float | None = None
    """Interval from the model's error alone."""
    level: float | None = None
    observed_ratio: float | None = None
    land_area_m2: float | None = None
    sensor: str = ""
    series: str = ""
    """Satellites with matching bands: ``sentinel-2``, ``landsat-4-7``, ``landsat-8-9``; several joined by ``+``."""
    warnings: tuple[str, ...] = ()
    """Warning codes."""
    credits: tuple[str, ...] = ()
    """Attributions of images and limits."""
    wkt: str = ""
    """The limits, simplified, EPSG:4326."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A city with its rank among the others of its year."""

    row: Row
    rank: int
    """Rank by the ratio alone, 1 the greenest."""
    best: int
    worst: int
    """Range of ranks compatible with the intervals."""
    n_ties: int
    """Number of cities it cannot be distinguished from."""
    ties: tuple[str, ...]
    """Their keys; empty if more than MOST_LISTED."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Change of a city's green ratio since an earlier year."""

    since: int
    change: float
    """Difference of the two ratios, -1 to 1."""
    low: float | None = None
    high: float | None = None
    """Its interval; None if unknown: no interval of the model, other satellites or models, or another season."""
    other_season: bool = False
    """Whether the two years' dates are too far apart in the season (SEASON_DAYS) to be compared."""

    @property
    def is_told(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def ranked(rows: Sequence[Row]) -> list[Ranked]:
    """Rank the cities of one year that have an answer, the greenest first; a city without an interval ties with all."""
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
    """Group rows by year, the earliest first."""
    years: defaultdict[int | None, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.year or 0):
        years[row.year].append(row)
    return dict(years)


def changes(rows: Sequence[Row]) -> dict[tuple[str, int], Change]:
    """Compare each year of a city with its first answered year; by key and year.

    Both years have the same limits, months and model. Unobserved land may be anything, independently in each year.
    Other differences between years (weather, dates, mowing, illumination) are estimated from the scatter of the city's
    own years around their line, given enough years; else the model's errors of the two years count as independent. They
    are not, so the interval is then too wide rather than too narrow.
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
    """Return the 95 % range of chance differences between two years of a city; None if years are too few or unlike."""
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
    """Return the difference in day of year between the midpoints of two years' dates; 0 if they are unknown."""
    if not (first.first_date and last.first_date):
        return 0.0
    days = []
    for row in (first, last):
        start, end = (date.fromisoformat(day).toordinal() for day in (row.first_date, row.last_date))
        days.append((start + end) / 2)
    apart = (days[1] - days[0]) % YEAR_DAYS
    return min(apart, YEAR_DAYS - apart)


def _unseen(row: Row) -> tuple[float, float]:
    """Return the ratio if all unobserved land were bare, and if it were green."""
    seen = 1.0 if row.observed_ratio is None else row.observed_ratio
    bare = seen * (row.green_ratio or 0.0)
    return bare, bare + 1 - seen


def _independent(first: Row, last: Row) -> float | None:
    """Add the model's errors of two years in quadrature."""
    halves = [_half(row) for row in (first, last)]
    return None if None in halves else math.hypot(*(half or 0.0 for half in halves))


def _half(row: Row) -> float | None:
    """Return half the model's part of an interval: the longer side, as the other may be clipped at bare or green."""
    if row.model_low is None or row.model_high is None or row.green_ratio is None:
        return None
    return max(row.green_ratio - row.model_low, row.model_high - row.green_ratio)


def apart(order: Sequence[Ranked]) -> tuple[int, int]:
    """Count the distinguishable pairs of cities, and all pairs."""
    pairs = len(order) * (len(order) - 1) // 2
    return pairs - sum(one.n_ties for one in order) // 2, pairs


def told(found: Mapping[tuple[str, int], Change], year: int) -> tuple[int, int, int]:
    """Count the cities certainly greener in a year than in their first, certainly less green, and comparable at all."""
    of_year = [one for (_, when), one in found.items() if when == year and one.low is not None]
    more = sum(one.is_told and one.change > 0 for one in of_year)
    return more, sum(one.is_told for one in of_year) - more, len(of_year)
