"""Periods that images may come from."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from howgreen.core.errors import PeriodError

_PART = re.compile(r"^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$")


def _bounds(text: str) -> tuple[date, date]:
    """First and last day of ``2023``, ``2023-05`` or ``2023-05-17``."""
    match = _PART.match(text.strip())
    if not match:
        raise PeriodError(f"period {text!r}: write YYYY, YYYY-MM or YYYY-MM-DD, or two of them joined by '/'")
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        first = date(year or 0, month or 1, day or 1)
        last_month = month or 12
        last = date(first.year, last_month, day or calendar.monthrange(first.year, last_month)[1])
    except ValueError as error:
        raise PeriodError(f"period {text!r}: {error}") from error
    return first, last


SeasonKind = Literal["calendar", "peak", "year"]
SEASONS: tuple[SeasonKind, ...] = ("calendar", "peak", "year")
"""What a year by itself may mean: its calendar growing season, its measured greenest months, or all of it."""


@dataclass(frozen=True, kw_only=True)
class Period:
    """Range of days that images may come from."""

    start: date
    end: date
    """Inclusive."""
    months: tuple[int, ...] = tuple(range(1, 13))
    """Only these months (1-12)."""

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise PeriodError(f"period {self.start}/{self.end}: the end lies before the start")
        if not self.months or not set(self.months) <= set(range(1, 13)):
            raise PeriodError(f"period months {self.months}: use numbers from 1 to 12")

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read ``2024``, ``2024-05``, ``2024-05/2024-09`` or ``2024-05-03/2024-05-20``, both ends inclusive."""
        first, _, second = text.partition("/")
        return cls(start=_bounds(first)[0], end=_bounds(second or first)[1])

    @classmethod
    def growing_season(cls, latitude: float, year: int) -> Period:
        """Return the greenest season of ``year`` at a latitude.

        May-September north of 23.4 degrees, November-March (ending in ``year``) south of -23.4, the whole year in the
        tropics, where rain and not warmth decides.
        """
        if latitude > 23.4:
            return cls(start=date(year, 5, 1), end=date(year, 9, 30))
        if latitude < -23.4:
            return cls(start=date(year - 1, 11, 1), end=date(year, 3, 31))
        return cls(start=date(year, 1, 1), end=date(year, 12, 31))

    @classmethod
    def green_year(cls, latitude: float, year: int) -> Period:
        """Return the twelve months around ``year``'s season: January to December, south of -23.4 July to June."""
        if latitude < -23.4:
            return cls(start=date(year - 1, 7, 1), end=date(year, 6, 30))
        return cls(start=date(year, 1, 1), end=date(year, 12, 31))

    def __contains__(self, moment: date) -> bool:
        day = moment.date() if isinstance(moment, datetime) else moment
        return self.start <= day <= self.end and day.month in self.months

    def __str__(self) -> str:
        return f"{self.start.isoformat()}/{self.end.isoformat()}"


@dataclass(frozen=True)
class Season:
    """The part of a year that images may come from, passed as a ``period``: ``Season("peak", 2024)``."""

    kind: SeasonKind
    """``calendar``: a year is its growing season by latitude. ``peak``: the greenest months, measured in the overviews
    of the clear images of a year, or of the given period. ``year``: all months of a year."""
    period: Period | str | int | date | None = None
    """The year, or anything else a ``period`` may be; None for the newest year with images."""

    def __post_init__(self) -> None:
        if self.kind not in SEASONS:
            raise PeriodError(f"season {self.kind!r} is unknown: use {', '.join(SEASONS)}")
