"""The page of a ranking: verdict, table with intervals, changes, map and doubts; works offline."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen import report
from howgreen.batch._cities import folder_of
from howgreen.batch._ranking import Change, Ranked, Row, apart, by_year, changes, ranked, told
from howgreen.core.warnings import CODES
from howgreen.report import ENGLISH, Language

if TYPE_CHECKING:
    from shapely import Polygon

_WIDE, _TALL = 900.0, 620.0
_MARGIN, _LEAST_PX = 5.0, 5.0
"""Places smaller than this on the map are drawn as dots."""
_LIGHT, _DARK = (237, 244, 214), (16, 84, 48)
_SPARK = (110.0, 26.0)
"""Width and height of the sparkline of a city's years."""
_MOST_CREDITS = 40
_MOST_LABELLED, _LETTER_PX = 15, 26.0
"""Number of places labelled on the map, and the font size of the labels."""
_MOST_NAMED = 12
"""Most names in a sentence; if there are more, only their number is given."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Contents of a page: the cities of one year in rank order, and further information about them."""

    order: Sequence[Ranked]
    failed: Sequence[Row]
    """Rows without an answer in that year."""
    year: int | None
    years: dict[int | None, list[Row]]
    """All rows, by year."""
    changes: dict[tuple[str, int], Change]

    @property
    def is_map(self) -> bool:
        """Whether it ranks the green areas mapped in OpenStreetMap."""
        return any(row.counted == "osm-green" for rows in self.years.values() for row in rows)

    def season_differs(self, row: Row) -> bool:
        """Tell whether a city's dates lie in another season than those of its first year."""
        change = self.changes.get((row.key, row.year or 0))
        return change is not None and change.other_season


def ranking_of(rows: Sequence[Row], *, year: int | None = None) -> Ranking:
    """Rank the rows of a year; by default the last."""
    years = by_year(rows)
    chosen = year if year is not None else max(years, key=lambda one: one or 0, default=None)
    here = years.get(chosen, [])
    return Ranking(
        order=ranked(here),
        failed=[row for row in here if row.green_ratio is None],
        year=chosen,
        years=years,
        changes=changes(rows),
    )


@cache
def spoken(code: str) -> Language:
    """Load a language with the strings of this page in addition to those of the report.

    Raises
    ------
    ValueError
        No such language.
    """
    found = report.language(code)
    if found is ENGLISH:
        return found
    return replace(found, messages={**found.messages, **report.catalogue(code, folder="batch")})


# ---- in words ------------------------------------------------------------------------------------------


def verdict(found: Ranking, language: Language = ENGLISH) -> list[str]:
    """Summarise in a few sentences what the order can and cannot tell."""
    gettext, ngettext = language.gettext, language.ngettext
    if not found.order:
        return [gettext("No city has an answer.")]
    texts = [_ends(found, language)]
    if len(found.order) > 1:
        texts += _ties(found, language)
    if found.failed:
        number = len(found.failed)
        texts.append(
            ngettext("%(num)s city has no answer.", "%(num)s cities have no answer.", number)
            % {"num": language.whole(number)}
        )
    if found.year is not None and len(found.years) > 1:
        texts.append(_changed(found, language))
    return texts


def _ends(found: Ranking, language: Language) -> str:
    first, last = found.order[0].row, found.order[-1].row
    words = {
        "first": first.name,
        "most": language.percent(first.green_ratio),
        "last": last.name,
        "least": language.percent(last.green_ratio),
    }
    if len(found.order) == 1 and found.is_map:
        text = language.gettext("OpenStreetMap maps %(most)s of %(first)s as green.")
    elif len(found.order) == 1:
        text = language.gettext("%(first)s is %(most)s green.")
    elif found.is_map:
        text = language.gettext(
            "By what people have drawn, %(first)s has the largest share of green (%(most)s) and %(last)s the smallest (%(least)s)."
        )
    else:
        text = language.gettext(
            "By the figures alone, %(first)s is the greenest (%(most)s) and %(last)s the least green (%(least)s)."
        )
    return text % words


def _ties(found: Ranking, language: Language) -> Iterator[str]:
    told_apart, pairs = apart(found.order)
    if found.is_map:
        yield language.gettext(
            "How completely each place is mapped is not known: the shares have no interval, and no two places can be told apart by them."
        )
        return
    numbers = {"apart": language.whole(told_apart), "pairs": language.whole(pairs)}
    if told_apart == pairs:
        yield language.gettext("All of them can be told apart.")
        return
    yield (
        language.gettext("No two of them can be told apart: all are ties.")
        if told_apart == 0
        else language.gettext("%(apart)s of %(pairs)s pairs of cities can be told apart; the rest are ties.") % numbers
    )
    first = found.order[0]
    if told_apart and first.n_ties:
        yield language.ngettext(
            "%(first)s shares the first place with %(num)s other.",
            "%(first)s shares the first place with %(num)s others.",
            first.n_ties,
        ) % {"first": first.row.name, "num": language.whole(first.n_ties)}


def _changed(found: Ranking, language: Language) -> str:
    more, less, compared = told(found.changes, found.year or 0)
    if not compared:
        return language.gettext("No city can be compared with an earlier year.")
    numbers = {
        "num": language.whole(compared),
        "more": language.whole(more),
        "less": language.whole(less),
        "rest": language.whole(compared - more - less),
    }
    return (
        language.gettext(
            "Of %(num)s that can be compared with their first year, %(more)s became greener and %(less)s less green; of %(rest)s no change can be told."
        )
        % numbers
    )


# ---- the page ------------------------------------------------------------------------------------------


def page(found: Ranking, *, files: Sequence[str], language: Language = ENGLISH) -> str:
    """Render the page."""
    places = [_line(one, language) for one in found.order]
    series = _series(found)
    text: str = (
        report.environment(language, folder="batch")
        .get_template("ranking.html")
        .render(
            lang=language.code,
            colon=language.colon,
            dir="rtl" if language.rtl else "ltr",
            found=found,
            count=len(found.order) + len(found.failed),
            verdict=verdict(found, language),
            level=language.percent(next((one.row.level for one in found.order if one.row.level), None)),
            places=places,
            ticks=range(0, 101, 25),
            changed=[_change(found, one, series[one.row.key], language) for one in found.order]
            if len(found.years) > 1
            else [],
            years=[year for year in found.years if year is not None],
            unlike=list(unlike(found, language)),
            doubts=_doubts(found, language),
            map=_map(found.order, language),
            ramp="linear-gradient(to right, #{}, #{})".format(*(bytes(one).hex() for one in (_LIGHT, _DARK))),
            as_of=language.days([date.fromisoformat(one.row.last_date) for one in found.order if one.row.last_date])
            if found.is_map
            else "",
            files=files,
            credits=list(dict.fromkeys(text.rstrip(".") for one in found.order for text in one.row.credits))[
                :_MOST_CREDITS
            ],
            style=report.text_of("report.css"),
            policy=report.policy(""),
        )
    )
    return text


def _line(one: Ranked, language: Language) -> dict[str, Any]:
    row = one.row
    days = [date.fromisoformat(text) for text in dict.fromkeys((row.first_date, row.last_date)) if text]
    low, high = (100 * (one if one is not None else row.green_ratio or 0.0) for one in (row.low, row.high))
    return {
        "one": one,
        "href": (folder_of(row.key, Path(), row.year) / "report.html").as_posix(),
        "may_be": str(one.best) if one.best == one.worst else f"{one.best}–{one.worst}",
        "interval": language.span(row.low, row.high) or "–",
        "left": round(low, 2),
        "width": round(high - low, 2),
        "at": round(100 * (row.green_ratio or 0.0), 2),
        "days": language.days(days),
    }


def _series(found: Ranking) -> dict[str, list[tuple[int, float]]]:
    """Return the years and ratios of each city, the earliest first."""
    series: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for year, rows in found.years.items():
        for row in rows:
            if year is not None and row.green_ratio is not None:
                series[row.key].append((year, row.green_ratio))
    return series


def _change(found: Ranking, one: Ranked, series: Sequence[tuple[int, float]], language: Language) -> dict[str, Any]:
    row = one.row
    change = found.changes.get((row.key, row.year or 0))
    return {
        "one": one,
        "change": change,
        "verdict": _verdict_of(change, language),
        "interval": ""
        if change is None or change.low is None or change.high is None
        else f"{language.signed(change.low, places=1)} … {language.signed(change.high, places=1)}",
        "points": "–" if change is None else language.signed(change.change, places=1),
        "spark": _spark(series),
    }


def _verdict_of(change: Change | None, language: Language) -> str:
    if change is None:
        return language.gettext("no earlier year")
    if change.low is None:
        return language.gettext("not comparable")
    if not change.is_told:
        return language.gettext("a tie")
    return language.gettext("greener") if change.change > 0 else language.gettext("less green")


def _spark(series: Sequence[tuple[int, float]]) -> dict[str, Any] | None:
    """Lay out the sparkline of a city's years: scaled to its own range, at least five points."""
    if len(series) < 2:
        return None
    (first, *_), (last, *_) = series[0], series[-1]
    values = [value for _, value in series]
    middle, reach = (min(values) + max(values)) / 2, max(max(values) - min(values), 0.05) / 2
    points = [
        (
            round(4 + (_SPARK[0] - 8) * (year - first) / (last - first), 1),
            round(_SPARK[1] / 2 - (_SPARK[1] / 2 - 5) * (value - middle) / reach, 1),
        )
        for year, value in series
    ]
    return {"width": _SPARK[0], "height": _SPARK[1], "line": " ".join(f"{x},{y}" for x, y in points), "end": points[-1]}


def unlike(found: Ranking, language: Language = ENGLISH) -> Iterator[str]:
    """Yield the properties that the cities should share but do not."""
    rows = [one.row for one in found.order]
    names = [row.name for row in rows if "limits-are-image" in row.warnings]
    if names:
        text = language.ngettext(
            "No limits of %(names)s were given: the figure is of the area of the image, and not of the city.",
            "No limits of %(names)s were given: the figures are of the areas of the images, and not of the cities.",
            len(names),
        )
        yield text % {"names": _listed(names)}
    models = sorted({row.model for row in rows})
    if len(models) > 1:
        text = language.gettext(
            "The cities were answered by different models (%(models)s): part of the order may come from that."
        )
        yield text % {"models": ", ".join(models)}
    series = sorted({row.series for row in rows})
    if len(series) > 1:
        text = language.gettext(
            "The images are of different satellites (%(names)s): part of the order may come from that."
        )
        yield text % {"names": ", ".join(series)}
    names = [row.name for row in rows if found.season_differs(row)]
    if names:
        text = language.ngettext(
            "The dates of %(names)s lie in another season than those of its first year: it cannot be compared.",
            "The dates of %(names)s lie in another season than those of their first year: they cannot be compared.",
            len(names),
        )
        yield text % {"names": _listed(names)}
    months = {row.first_date[:7] for row in rows} | {row.last_date[:7] for row in rows}
    if found.year is None and len({month[:4] for month in months if month}) > 1 and not found.is_map:
        yield language.gettext("The images are of several years: name one --period for all.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (" …" if len(names) > _MOST_NAMED else "")


def _doubts(found: Ranking, language: Language) -> list[dict[str, Any]]:
    """List the warnings of the cities' reports: the meaning of each, and the cities concerned."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for one in found.order:
        for code in one.row.warnings:
            names[code].append(one.row.name)
    return [
        {
            "code": code,
            "text": language.gettext(CODES.get(code, code)),
            "number": len(there),
            "names": ", ".join(there) if len(there) <= _MOST_NAMED else "",
            "all": len(there) == len(found.order) > 1,
        }
        for code, there in sorted(names.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    ]


def _map(order: Sequence[Ranked], language: Language) -> dict[str, Any] | None:
    """Draw outlines, longitude scaled by the cosine of the central latitude: accurate enough for cities of one region."""
    from shapely import from_wkt

    shapes = [(one.row, from_wkt(one.row.wkt)) for one in order if one.row.wkt]
    if not shapes:
        return None
    bounds = [shape.bounds for _, shape in shapes]
    west, south = (min(box[side] for box in bounds) for side in (0, 1))
    east, north = (max(box[side] for box in bounds) for side in (2, 3))
    squeeze = math.cos(math.radians((south + north) / 2))
    wide, tall = max((east - west) * squeeze, 1e-9), max(north - south, 1e-9)
    scale = min(_WIDE / wide, _TALL / tall)
    ratios = [row.green_ratio or 0.0 for row, _ in shapes]
    least, most = min(ratios), max(ratios)

    def xy(x: float, y: float) -> tuple[float, float]:
        return round((x - west) * squeeze * scale + _MARGIN, 1), round((north - y) * scale + _MARGIN, 1)

    def path(polygon: Polygon) -> str:
        rings = [polygon.exterior, *polygon.interiors]
        return "".join("M" + "L".join("{} {}".format(*xy(*point)) for point in ring.coords) + "Z" for ring in rings)

    drawn = []
    for row, shape in shapes:
        share = ((row.green_ratio or 0.0) - least) / max(most - least, 1e-9)
        left, below, right, above = shape.bounds
        small = max((right - left) * squeeze, above - below) * scale < _LEAST_PX
        rough = shape.simplify(0.4 / scale)
        drawn.append(
            {
                "name": row.name,
                "ratio": language.percent(row.green_ratio),
                "fill": _colour(share),
                "dot": xy(shape.centroid.x, shape.centroid.y) if small else None,
                "d": "" if small else "".join(map(path, _parts(rough))),
            }
        )
    return {
        "width": math.ceil(wide * scale + 2 * _MARGIN),
        "height": math.ceil(tall * scale + 2 * _MARGIN),
        "radius": 9.0 if len(shapes) <= _MOST_LABELLED else 4.5 if len(shapes) < 500 else 2.5,
        "shapes": drawn,
        "labels": _labels(shapes, xy) if len(shapes) <= _MOST_LABELLED else [],
        "least": language.percent(least),
        "most": language.percent(most),
    }


def _labels(
    shapes: Sequence[tuple[Row, Any]], xy: Callable[[float, float], tuple[float, float]]
) -> list[dict[str, Any]]:
    """Place each name in its place, if that holds it; else beside it, on the side with more room.

    A name that would lie on another name, or beside its place on another place, is left out: neighbours would be taken for each other.
    """
    import shapely
    from shapely.ops import polylabel

    drawn = []
    for _, shape in shapes:
        moved = shapely.transform(shape, lambda at: np.array([xy(*one) for one in at]))
        whole = shapely.buffer(moved, 0)  # rounded coordinates may cross
        drawn.append(whole if whole.area > _LEAST_PX**2 else moved.centroid.buffer(_LEAST_PX))
    labels: list[dict[str, Any]] = []
    taken: list[Any] = []
    for (row, _), shape in zip(shapes, drawn, strict=True):
        half, tall = 0.3 * _LETTER_PX * len(row.name), _LETTER_PX / 2
        middle = polylabel(max(_parts(shape), key=lambda part: part.area), tolerance=2)
        left, _, right, _ = shape.bounds
        to_left = (left + right) / 2 > _WIDE / 2
        beside = left - tall if to_left else right + tall
        box = shapely.box(middle.x - half, middle.y - tall, middle.x + half, middle.y + tall)
        x, side, others = middle.x, "middle", taken
        if not shape.contains(box):
            x, side = beside, "end" if to_left else "start"
            edge = beside - 2 * half if to_left else beside + 2 * half
            box = shapely.box(min(beside, edge), middle.y - tall, max(beside, edge), middle.y + tall)
            others = [*taken, *(other for other in drawn if other is not shape)]
        if not any(box.intersects(other) for other in others):
            taken.append(box)
            labels.append({"name": row.name, "x": round(x, 1), "y": round(middle.y + _LETTER_PX / 3, 1), "side": side})
    return labels


def _parts(shape: Any) -> Iterator[Polygon]:
    yield from getattr(shape, "geoms", (shape,))


def _colour(share: float) -> str:
    return "#" + "".join(
        f"{round(light + share * (dark - light)):02x}" for light, dark in zip(_LIGHT, _DARK, strict=True)
    )
