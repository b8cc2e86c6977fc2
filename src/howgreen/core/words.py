"""Numbers as text, with no more digits than are known."""

from __future__ import annotations

import math
from datetime import date

NBSP = "\u00a0"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NONE = "–"
IMAGE_FOOTPRINT = "image footprint"
"""Kind of a city without given limits."""

DRY_TOLD = 0.15
"""Share of dry plants in the land seen from which it is reported beside the green ratio; smaller shares are within the
confusion with bare ground."""


def told_dry(ratio: float | None) -> float | None:
    """Return a share of dry plants large enough to report beside the green ratio, or None."""
    return ratio if ratio is not None and ratio >= DRY_TOLD else None


def plain(text: str) -> str:
    """Replace no-break spaces by ordinary ones, for a terminal."""
    return text.replace(NBSP, " ")


def digits(ratio: float | None) -> str:
    """Format a percentage without its sign: ``47``, ``100``, ``0.4``, ``>99.9`` for nearly all, or a dash.

    There is one decimal within one of either end.
    """
    if ratio is None or math.isnan(ratio):
        return NONE
    percent = 100 * ratio
    whole = f"{percent:.0f}"
    if min(percent, 100 - percent) < 0.0005 or whole not in ("0", "100", "1", "99"):
        return whole
    if min(percent, 100 - percent) < 0.05:
        return "<0.1" if percent < 50 else ">99.9"
    return f"{percent:.1f}" if min(percent, 100 - percent) < 0.95 else whole


def percent(ratio: float | None) -> str:
    """Format a percentage: ``47 %``, or a dash."""
    text = digits(ratio)
    return text if text == NONE else f"{text}{NBSP}%"


def span(low: float | None, high: float | None) -> str:
    """Format a range of percentages: ``41–53 %``, or nothing."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    return f"{digits(low)}–{percent(high)}"


def half_width(low: float, high: float) -> str:
    """Format the half-width of an interval in points: ``3``, ``0.6`` below 1, or ``<0.1``."""
    half = 100 * (high - low) / 2
    return f"{half:.0f}" if half >= 0.95 else "<0.1" if half < 0.05 else f"{half:.1f}"


def rests_on(places: int, people: int, what: str = "vegetation") -> str:
    """Describe the basis of an estimate: ``140 places read by two people, and the map``.

    It adds what the estimate counts, if that is not all vegetation.
    """
    who = {1: "one person", 2: "two people"}.get(people, f"{people} people")
    read = f"{places:,} {'place' if places == 1 else 'places'} read by {who}, and the map"
    return read if what == "vegetation" else f"{read}; what is counted is {what.replace('-', ' ')}"


def points(difference: float) -> str:
    """Format the difference of two ratios: ``+1.2 points``."""
    return f"{100 * difference:+.1f}{NBSP}points".replace("-", "−")


def significant(value: float, *, figures: int = 3) -> str:
    """Format a number with few significant digits: ``28.3``, ``1,230``, ``0.041``."""
    if value == 0:
        return "0"
    for _ in range(2):  # rounding up to the next power of ten leaves one decimal fewer
        places = figures - 1 - math.floor(math.log10(abs(value)))
        value = round(value, places)
    return f"{value:,.{min(max(places, 0), 6)}f}"


def signed_area(square_metres: float) -> str:
    """Format a difference of areas: ``−1.2 ha``."""
    return ("−" if square_metres < 0 else "") + area(abs(square_metres))


def area(square_metres: float | None) -> str:
    """Format an area: ``28.3 km²``; hectares below 1 km², square metres below a tenth of one; or a dash."""
    if square_metres is None or math.isnan(square_metres):
        return NONE
    if square_metres >= 995_000:
        return f"{significant(square_metres / 1e6)}{NBSP}km²"
    if 0 < square_metres < 1000:
        return f"{significant(square_metres)}{NBSP}m²"
    return f"{significant(square_metres / 1e4)}{NBSP}ha"


def day(when: date) -> str:
    """Format a day: ``3 May 2024``."""
    return f"{when.day}{NBSP}{MONTHS[when.month - 1]}{NBSP}{when.year}"


def days(dates: list[date]) -> str:
    """Format the first and last of some days: ``3 May – 28 Sep 2024``, a single day, or a dash."""
    if not dates:
        return NONE
    first, last = min(dates), max(dates)
    if first == last:
        return day(first)
    start = day(first) if first.year != last.year else day(first).rsplit(NBSP, 1)[0]
    return f"{start} – {day(last)}"


def count(number: int, noun: str) -> str:
    """Format a number with its noun: ``1 image``, ``6 images``."""
    return f"{number:,}{NBSP}{noun}" + ("" if number == 1 else "s")


def subject(label: str, kind: str) -> str:
    """Name what was measured: the place, or, without its limits, the area of the image."""
    return f"the area of the image (not {label}’s limits)" if kind == IMAGE_FOOTPRINT else label


def axis_order(kind: str) -> str:
    """State the order of a place's degrees: typed coordinates have the opposite order to those in a file."""
    return "lat first, then lon" if kind == "circle" else "lon first, then lat"


COUNTED = {
    "vegetation": "green",
    "vegetation-without-cropland": "green without cropland",
    "canopy": "under tree canopy",
}
"""What an estimate counts, and its wording in a sentence: ``61 % green``."""


def counted(what: str) -> str:
    """Return what an estimate counts, as the end of ``Lyon is 61 % …``."""
    return COUNTED[what]
