"""Answers of several years for one place, and the line through them: values passed from the trend to its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

Verdict = Literal["more green", "less green", "no change that can be told from noise", "too few years to tell"]


@dataclass(frozen=True, kw_only=True)
class Slope:
    """Change per year, with its interval."""

    slope: float
    low: float
    high: float
    """Ends of its interval; NaN with too few years."""
    intercept: float
    """Value of the line in year 0."""


@dataclass(frozen=True, kw_only=True)
class MannKendall:
    """Mann-Kendall test: whether later values are greater more often than smaller."""

    s: int
    """Pairs of years in which the later value is greater, less those in which it is smaller."""
    variance: float
    """Of ``s``, corrected for ties."""
    z: float
    p: float
    """Two-sided, by the normal approximation; valid for independent years only."""
    tau: float


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A line through a series, and the smallest slope it could have detected."""

    slope: Slope
    noise: float
    """Standard deviation of the years around the line, n - 2 degrees of freedom."""
    year_half_width: float
    """Half-width of the interval for one year around the line, from the scatter of all; NaN with two years."""
    detectable: float
    """The smallest yearly change, up or down, detectable above this noise."""
    verdict: Verdict
    mann_kendall: MannKendall


@dataclass(frozen=True, kw_only=True)
class YearAnswer:
    """The answer for one year from one family of satellites."""

    year: int
    series: str
    """``sentinel-2``, ``landsat-4-7``, ``landsat-8-9``: satellites with similar bands."""
    ratio: float
    low: float
    high: float
    """Its whole interval: the model's error and unseen land."""
    model_low: float
    model_high: float
    """By the model's error alone, which is common to all years: it shifts the level of the series and not its slope."""
    unseen_low: float
    unseen_high: float
    """With an exact model: unseen land bare, or green. It differs from year to year."""
    observed_ratio: float
    days: tuple[date, ...]
    """Dates of the images."""
    cautions: tuple[str, ...] = ()
    """Codes of the warnings of this year's answer."""


@dataclass(frozen=True, kw_only=True)
class Join:
    """How an older satellite family was brought to the level of a newer one."""

    older: str
    newer: str
    years: tuple[int, ...]
    """Years covered by both."""
    shift: float
    """Added to the older: mean of (newer - older)."""
    se: float
    """Standard error of that mean."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One year of the joined series."""

    answer: YearAnswer
    value: float
    """The ratio, at the level of the newest satellites."""


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A series with its line."""

    points: tuple[Point, ...]
    """By year."""
    joins: tuple[Join, ...]
    fit: Fit
    left_out: tuple[YearAnswer, ...]
    """Answers of satellites that could not be joined, and of years covered by a newer satellite."""
    unjoined: Mapping[str, int]
    """Satellite families that could not be joined, and how many years they share with the next."""
