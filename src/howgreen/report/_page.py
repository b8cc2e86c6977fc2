"""``report.html``: one file, its pictures inside, that opens with the network off."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import date
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.core import words
from howgreen.report import _pictures
from howgreen.report._outlines import outlines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from howgreen.core.types import Result
    from howgreen.report._outlines import Outline
    from howgreen.report._pictures import Array, Preview

LABELLED_PX = 70
"""Districts at least so wide on the choropleth are named there (of 1,000 across)."""


def page(result: Result, found: Mapping[str, Any], preview: Preview, *, photo: Array) -> str:
    """Write the page's HTML.

    Parameters
    ----------
    found
        The summary; every number on the page comes from it.
    photo
        Of :func:`howgreen.report._pictures.photo_rgb`.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Everything is escaped, whatever the template is called: names come from strangers' files.
    environment = Environment(
        loader=PackageLoader("howgreen", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": words.percent,
        "digits": words.digits,
        "area": words.area,
        "points": words.points,
        "significant": words.significant,
        "ramp": _pictures.ramp,
    }
    script, style = text_of("viewer.js"), text_of("report.css")
    lines = outlines(result, preview)
    text: str = environment.get_template("template.html").render(
        s=found,
        words=words,
        script=script,
        style=style,
        policy=policy(script),
        map=_map(result, preview, photo, lines),
        districts=_districts(found, lines),
        scale=_scale(found),
        classes=_classes(found),
        scenes=_scenes(found),
        dates=words.days([date.fromisoformat(scene["date"]) for scene in found["scenes"]]),
        legend=[_pictures.ramp(n / 20) for n in range(21)],
        unsure_legend=[_pictures.ramp(n / 20, _pictures.UNSURE_RAMP) for n in range(21)],
        unsure_most=round(100 * _pictures.UNSURE_MOST),
        provenance=json.dumps(found["provenance"], indent=2, ensure_ascii=False, default=str),
    )
    return text


def text_of(name: str) -> str:
    """Read a file of this folder that is part of a page."""
    return files("howgreen.report").joinpath(name).read_text(encoding="utf-8")


def policy(script: str) -> str:
    """Nothing may be loaded, and no script may run but ours."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _map(result: Result, preview: Preview, photo: Array, lines: Sequence[Outline]) -> dict[str, Any]:
    height, width = preview.label.shape
    unsure = _pictures.uncertainty_picture(preview, result.landcover.water_codes)
    return {
        "width": width,
        "height": height,
        "metres": abs(preview.transform.a),
        "photo": _pictures.jpeg(photo),
        "photo_kind": preview.photo_kind,
        "fraction": _pictures.png(_pictures.fraction_picture(preview, result.landcover.water_codes)),
        "uncertainty": None if unsure is None else _pictures.png(unsure),
        "radar": None if preview.radar is None else _pictures.jpeg(_pictures.radar_rgb(preview.radar)),
        "water": _pictures.WATER if np.isin(preview.label, result.landcover.water_codes).any() else None,
        "classes": _pictures.png(_pictures.classes_picture(preview, result.card.classes)),
        "unseen": _pictures.png(_pictures.unseen_picture(preview)) if preview.unseen.any() else None,
        "limits": lines[0].path,
    }


def _districts(found: Mapping[str, Any], lines: Sequence[Outline]) -> list[dict[str, Any]]:
    """One row a district: its figures, its path, and whether its name fits."""
    if not found["districts"]:
        return []
    west, _, east, _ = lines[0].shape.bounds
    shown = []
    for row, line in zip(found["districts"], lines[1:], strict=True):
        left, _, right, _ = line.shape.bounds
        interval = row["interval"] or {"low": None, "high": None}
        shown.append(
            {
                **row,
                "path": line.path,
                "x": line.label_x,
                "y": line.label_y,
                "named": (right - left) / (east - west) * 1000 >= LABELLED_PX,
                "span": words.span(interval["low"], interval["high"]),
                "true": found["truth"]["districts"].get(row["name"]) if found["truth"] else None,
            }
        )
    return shown


def _scale(found: Mapping[str, Any]) -> dict[str, float]:
    """Range of the choropleth: the districts' own, in whole tenths, never narrower than two of them."""
    values = [row["green_ratio"] for row in found["districts"] if row["green_ratio"] is not None] or [0.0, 1.0]
    low, high = int(min(values) * 10) / 10, min(1.0, (int(max(values) * 10) + 1) / 10)
    return {"low": max(0.0, min(low, high - 0.2)), "high": max(high, 0.2)}


def _classes(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Classes with their colour and area, largest first."""
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


def _scenes(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Images in the order of their dates, each with its place on the period's line (0-1)."""
    start, end = (date.fromisoformat(found["period"][key]) for key in ("start", "end"))
    length = max((end - start).days, 1)
    rows = [
        {**scene, "used": used, "day": words.day(when), "place": min(max((when - start).days / length, 0.0), 1.0)}
        for used, scenes in ((True, [*found["scenes"], *found["radar"]]), (False, found["passed_over"]))
        for scene in scenes
        for when in [date.fromisoformat(scene["date"])]
    ]
    return sorted(rows, key=lambda row: (not row["used"], row["time"]))
