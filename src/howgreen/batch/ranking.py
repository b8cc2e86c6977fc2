"""Ranks with intervals: what the order of cities can say, and where it is a tie.

Two cities are told apart where their intervals do not overlap. A city's rank lies between one more than the number of cities that
are surely greener, and the number of all less those that are surely less green. Intervals that just touch are a tie. Intervals hold
one city each at their level, so of many pairs some are told apart by chance; and an error that all cities share (one model, one
region) would not change the order, which makes the ties too many rather than too few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one city's run hands back; small, so that many of them fit anywhere."""

    key: str
    name: str
    label: str = ""
    """The place as its source calls it."""
    green_ratio: float | None = None
    """Green share of the land that was seen, 0-1; None where there is no answer."""
    low: float | None = None
    high: float | None = None
    """Interval of the ratio, at ``level``."""
    level: float | None = None
    observed_ratio: float | None = None
    land_area_m2: float | None = None
    first_date: str = ""
    last_date: str = ""
    n_dates: int = 0
    sensor: str = ""
    model: str = ""
    plan_sha256: str = ""
    """Of the plan, which decides the answer."""
    warnings: tuple[str, ...] = ()
    """Codes."""
    error: str = ""
    """Why there is no answer; empty where there is one."""
    wkt: str = ""
    """The limits, simplified, EPSG:4326."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A city with its place among the others."""

    row: Row
    rank: int
    """By the ratio alone, 1 the greenest."""
    best: int
    worst: int
    """Ranks that the intervals leave open."""
    ties: tuple[str, ...]
    """Keys of the cities that it cannot be told apart from."""


def ranked(rows: Sequence[Row]) -> list[Ranked]:
    """Rank the cities that have an answer, the greenest first; one without an interval ties with all."""
    there = sorted(
        (row for row in rows if row.green_ratio is not None), key=lambda row: (-(row.green_ratio or 0), row.key)
    )
    found = []
    for number, row in enumerate(there, 1):
        greener = sum(surely_greener(other, row) for other in there)
        less = sum(surely_greener(row, other) for other in there)
        ties = tuple(
            other.key
            for other in there
            if other is not row and not surely_greener(other, row) and not surely_greener(row, other)
        )
        found.append(Ranked(row=row, rank=number, best=greener + 1, worst=len(there) - less, ties=ties))
    return found


def surely_greener(one: Row, other: Row) -> bool:
    """Whether the interval of one city lies wholly above that of another."""
    return one.low is not None and other.high is not None and one.low > other.high
