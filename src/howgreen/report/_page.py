"""``report.html``: one file with its pictures embedded, which works offline.

The page is ``template.html``, which includes the files of ``sections/`` in turn. To add a section, write it there,
include it, and pass its values in :func:`page`; mark texts by ``{% trans %}`` or ``_()`` (see
:mod:`howgreen.report._language`).
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

from howgreen.core.words import told_dry
from howgreen.report import _pictures, shades
from howgreen.report._candidates import strip
from howgreen.report._cells import for_page
from howgreen.report._language import ENGLISH
from howgreen.report._map_layers import map_layers, ramp
from howgreen.report._outlines import outlines
from howgreen.report._quote import bibtex, citation, sentence
from howgreen.report._sections import TOPICS
from howgreen.report._templates import whole_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from howgreen.core.types import Result
    from howgreen.report._language import Language
    from howgreen.report._outlines import Outline
    from howgreen.report._pictures import Array, Preview

LABELLED_PX = 70
"""Districts at least this wide on the choropleth are labelled (of 1,000 across)."""
SCRIPTS = ("viewer.js", "page.js", "area.js")
"""Concatenated in this order."""


def page(
    result: Result,
    found: Mapping[str, Any],
    preview: Preview,
    *,
    photo: Array,
    language: Language = ENGLISH,
) -> str:
    """Write the page's HTML.

    Parameters
    ----------
    found
        The summary, source of every number on the page.
    photo
        From :func:`howgreen.report._pictures.photo_rgb`.
    """
    lines = outlines(result, preview)
    return whole_page(
        "template.html",
        language,
        {
            "s": found,
            "about": found,
            "created": found["provenance"].get("created"),
            "topics": TOPICS,
            "map": _map(preview, photo, lines),
            "layers": list(map_layers(result, preview, language)),
            "cells": for_page(
                preview.cells, result.landcover.grid, result.card, found, _pixels(lines, preview, result)
            ),
            "pixels": preview.cells.packed(),
            "districts": (districts := _districts(found, lines, language)),
            "levels": _levels(districts, language),
            "scale": _scale(found),
            "classes": _classes(found),
            "scenes": _scenes(found, language),
            "season": _season(found, language),
            "candidates": strip(result.candidates, language),
            "dates": language.days([date.fromisoformat(scene["date"]) for scene in found["scenes"]]),
            "period": language.days([date.fromisoformat(found["period"][key]) for key in ("start", "end")]),
            "legend": ramp(shades.RAMP),
            "dry": told_dry(found["dry_ratio"]),
            "quote": sentence(found, language),
            "citation": citation(found, language),
            "bibtex": bibtex(found),
            "provenance": json.dumps(found["provenance"], indent=2, ensure_ascii=False, default=str),
        },
        scripts=SCRIPTS,
    )


def _map(preview: Preview, photo: Array, lines: Sequence[Outline]) -> dict[str, Any]:
    height, width = preview.label.shape
    return {
        "width": width,
        "height": height,
        "metres": abs(preview.transform.a),
        "photo": _pictures.jpeg(photo),
        "photo_kind": preview.photo_kind,
        "unseen": _pictures.png(_pictures.unseen_picture(preview)) if preview.unseen.any() else None,
        "limits": lines[0].path,
    }


def _pixels(lines: Sequence[Outline], preview: Preview, result: Result) -> float:
    """Size of the limits in grid pixels."""
    return float(lines[0].exact_px * (result.landcover.grid.shape[1] / preview.label.shape[1]) ** 2)


def _districts(found: Mapping[str, Any], lines: Sequence[Outline], language: Language) -> list[dict[str, Any]]:
    """Make one row per district: its figures, its path, and whether its name fits."""
    if not found["districts"]:
        return []
    west, _, east, _ = lines[0].shape.bounds
    shown = []
    for number, (row, line) in enumerate(zip(found["districts"], lines[1:], strict=True)):
        left, _, right, _ = line.shape.bounds
        interval = row["interval"] or {"low": None, "high": None}
        shown.append(
            {
                **row,
                "row": number,
                "path": line.path,
                "x": line.label_x,
                "y": line.label_y,
                "named": (right - left) / (east - west) * 1000 >= LABELLED_PX,
                "span": language.span(interval["low"], interval["high"]),
                "true": found["truth"]["districts"].get(row["name"]) if found["truth"] else None,
            }
        )
    return shown


def _levels(districts: Sequence[Mapping[str, Any]], language: Language) -> list[dict[str, Any]]:
    """Group the districts by administrative level, with titles if there are several."""
    levels = list(dict.fromkeys(row["level"] for row in districts))
    made = []
    for level in levels:
        rows = [row for row in districts if row["level"] == level]
        title = language.gettext("Level %(level)s (%(number)s)") % {"level": level, "number": len(rows)}
        made.append({"title": title if len(levels) > 1 else "", "rows": rows})
    return made


def _scale(found: Mapping[str, Any]) -> dict[str, float]:
    """Range of the choropleth: that of the districts, in whole tenths, at least two of them."""
    values = [row["green_ratio"] for row in found["districts"] if row["green_ratio"] is not None] or [0.0, 1.0]
    low, high = int(min(values) * 10) / 10, min(1.0, (int(max(values) * 10) + 1) / 10)
    return {"low": max(0.0, min(low, high - 0.2)), "high": max(high, 0.2)}


def _classes(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List classes with colour and area, largest first."""
    total = sum(found["area_by_class_m2"].values())
    rows = [
        {**item, "area_m2": found["area_by_class_m2"][item["name"]]}
        for item in found["model"]["classes"]
        if item["name"] in found["area_by_class_m2"]
    ]
    largest = max((row["area_m2"] for row in rows), default=0.0)
    for row in rows:
        row["share"] = row["area_m2"] / total if total else None
        row["bar"] = row["area_m2"] / largest if largest else 0.0
    return sorted(rows, key=lambda row: -row["area_m2"])


def _season(found: Mapping[str, Any], language: Language) -> list[dict[str, Any]]:
    """Lay out the months compared for the greenest, if the period was measured: a bar and a text each."""
    made = []
    for one in (found["provenance"].get("season") or {}).get("months", ()):
        level = one["greenness"]
        dates = language.ngettext("%(n)s date", "%(n)s dates", one["dates"]) % {"n": one["dates"]}
        number = "–" if level is None else f"{level:.2f}".replace(".", language.decimal)
        made.append(
            {
                "month": one["month"],
                "bar": min(max(level or 0.0, 0.0), 1.0),
                "shown": f"{number} · {dates}",
                "taken": one["taken"],
            }
        )
    return made


def _scenes(found: Mapping[str, Any], language: Language) -> list[dict[str, Any]]:
    """List images by date, each with its position in the period: 0-1, others lie outside it."""
    start, end = (date.fromisoformat(found["period"][key]) for key in ("start", "end"))
    length = max((end - start).days, 1)
    rows = [
        {**scene, "used": used, "day": language.day(when), "place": (when - start).days / length}
        for used, scenes in ((True, [*found["scenes"], *found["radar"]]), (False, found["passed_over"]))
        for scene in scenes
        for when in [date.fromisoformat(scene["date"])]
    ]
    return sorted(rows, key=lambda row: (not row["used"], row["time"]))
