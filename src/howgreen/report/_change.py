"""A change as files a person opens: the page, the picture, the map, the figures. It decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.core import cog, words
from howgreen.core.change import NOT_COMPARED
from howgreen.report import _fonts, _pictures, shades
from howgreen.report._folder import CHANGE_FORMAT, SUMMARY
from howgreen.report._outlines import outlines
from howgreen.report._poster import DPI, INK, PAPER, QUIET
from howgreen.report._qgis import write_class_style
from howgreen.report._rasters import write_category_names
from howgreen.report._summary import values
from howgreen.report._templates import policy, templates, text_of
from howgreen.report.figures import ChangeSummary

if TYPE_CHECKING:
    from howgreen.core.change import Change
    from howgreen.core.types import Result
    from howgreen.report._pictures import Array, Preview

PAGE, PICTURE, MAP = "change.html", "change.png", "change.tif"
_SIDE = ("period", "green_ratio", "interval", "observed_ratio", "scenes")
_PANEL_IN, _HEAD_IN, _FOOT_IN = 4.8, 1.25, 1.0


def write_change(before: Result, after: Result, found: Change, folder: Path) -> ChangeSummary:
    """Write map, page, picture and figures of a change into a folder."""
    figures = _figures(before, after, found)
    cog.write(folder / MAP, found.codes, grid=found.grid, band="change", nodata=NOT_COMPARED, colours=_colours(found))
    write_category_names(folder / MAP, {one.code: one.name for one in found.classes})
    write_class_style(folder / MAP, {one.code: (one.name, one.colour) for one in found.classes})
    views = [_pictures.from_data(one) for one in (before, after)]
    photos = _alike(views)
    index = _small(found, views[0])
    (folder / PAGE).write_text(_page(before, figures, views[0], photos, index), encoding="utf-8")
    _poster(figures, views[0], photos, index, folder / PICTURE)
    summary = ChangeSummary.from_dict(figures)
    (folder / SUMMARY).write_text(summary.to_json(), encoding="utf-8")
    return summary


@cache
def change_schema() -> dict[str, Any]:
    """Read the published JSON schema (draft 2020-12) of a change's ``summary.json``."""
    import json

    found: dict[str, Any] = json.loads(text_of("change.schema.json"))
    return found


def _figures(before: Result, after: Result, found: Change) -> dict[str, Any]:
    sides = [values(one) for one in (before, after)]
    first, second = sides
    clustering = None
    if found.clustering is not None:
        clustering = asdict(found.clustering)
        shown = clustering["silhouettes"].items()
        clustering["silhouettes"] = [{"clusters": count, "silhouette": value} for count, value in shown]
    return {
        "format": CHANGE_FORMAT,
        "howgreen": first["howgreen"],
        "synthetic": first["synthetic"] or second["synthetic"],
        "city": first["city"],
        "method": found.method,
        "before": {key: first[key] for key in _SIDE},
        "after": {key: second[key] for key in _SIDE},
        "compared_m2": found.compared_m2,
        "green_before": found.green_before,
        "green_after": found.green_after,
        "classes": [asdict(one) | {"green_change": one.green_change} for one in found.classes],
        "patches": [asdict(one) for one in found.patches],
        "threshold": None if found.threshold is None else asdict(found.threshold),
        "clustering": clustering,
        "warnings": [asdict(one) for one in found.warnings],
        "model": first["model"],
        "grid": first["grid"],
        "notes": list(dict.fromkeys([*first["notes"], *second["notes"]])),
        "files": {
            PAGE: "the page to read; opens without a network",
            PICTURE: "both pictures and the change, side by side",
            MAP: f"class of each pixel, with colours and names; {NOT_COMPARED} not compared (water, unseen, beyond the limits)",
            SUMMARY: "this file",
        },
        "attributions": list(dict.fromkeys([*first["attributions"], *second["attributions"]])),
    }


def _colours(found: Change) -> dict[int, tuple[int, ...]]:
    shown = {one.code: (*bytes.fromhex(one.colour[1:]), 255) for one in found.classes}
    return {**shown, NOT_COMPARED: (0, 0, 0, 0)}


def _alike(views: list[Preview]) -> list[Array]:
    """Both photos in one stretch, where they show the same bands: what looks brighter is brighter."""
    first, second = views
    if first.photo_kind != second.photo_kind:
        return [_pictures.photo_rgb(one) for one in views]
    from dataclasses import replace

    both = replace(
        first,
        photo=np.concatenate([first.photo, second.photo], axis=1),
        inside=np.concatenate([first.inside, second.inside]),
    )
    return list(np.array_split(_pictures.photo_rgb(both), 2))


def _small(found: Change, preview: Preview) -> Array:
    """uint8 (y, x): every n-th pixel of the map, where the preview's lie."""
    step = max(1, -(-max(found.codes.shape) // 1600))
    small = found.codes[step // 2 :: step, step // 2 :: step]
    return np.ascontiguousarray(small[: preview.label.shape[0], : preview.label.shape[1]])


def _picture(figures: Mapping[str, Any], index: Array) -> Any:
    return shades.palette(index, {one["code"]: one["colour"] for one in figures["classes"]})


def _page(result: Result, figures: Mapping[str, Any], preview: Preview, photos: list[Array], index: Array) -> str:
    environment = templates({"percent": words.percent, "points": words.points, "area": words.area})
    script, style = text_of("viewer.js"), text_of("report.css") + text_of("layers.css")
    lines = outlines(result, preview)
    height, width = preview.label.shape
    shown = {
        "width": width,
        "height": height,
        "metres": abs(preview.transform.a),
        "photos": [_pictures.jpeg(one) for one in photos],
        "change": _pictures.png(_picture(figures, index)),
        "limits": lines[0].path,
        "districts": [line.path for line in lines[1:]],
    }
    text: str = environment.get_template("change.html").render(
        s=figures, words=words, script=script, style=style, policy=policy(script), map=shown
    )
    return text


def _poster(figures: Mapping[str, Any], preview: Preview, photos: list[Array], index: Array, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows, columns = preview.label.shape
    panel_in = min(max(_PANEL_IN * rows / columns, 0.5 * _PANEL_IN), 1.7 * _PANEL_IN)
    width, height = 3 * _PANEL_IN, _HEAD_IN + panel_in + _FOOT_IN
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    mark = "SYNTHETIC · " if figures["synthetic"] else ""
    title = f"{mark}What changed in {figures['city']['label']}"
    _fonts.write(figure, 0.012, 1 - 0.3 / height, title, size=19, color=INK)
    _fonts.write(figure, 0.012, 1 - 0.68 / height, in_words(figures), size=11.5, color=QUIET)
    panels = (
        (_days(figures["before"]), photos[0]),
        (_days(figures["after"]), photos[1]),
        ("Change", _pictures.rgba(_picture(figures, index))),
    )
    for place, (name, picture) in enumerate(panels):
        axes = figure.add_axes(((place + 0.015) / 3, _FOOT_IN / height, 0.97 / 3, panel_in / height), facecolor=PAPER)
        axes.imshow(picture, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(name, fontsize=10, color=INK, loc="left")
    keys = [
        Patch(color=one["colour"], label=f"{one['name']}: {words.area(one['area_m2'])}") for one in figures["classes"]
    ]
    figure.legend(
        handles=keys, loc="lower left", bbox_to_anchor=(0.005, 0.4 / height), ncols=4, frameon=False, fontsize=9.5
    )
    named = _fonts.plain(_fonts.fitting(fill(" · ".join(figures["attributions"]), int(width * 20)))[0])
    figure.text(0.012, 0.34 / height, named, fontsize=6.5, color=QUIET, va="top", linespacing=1.4)
    figure.savefig(path, facecolor=PAPER, metadata={"Title": title}, pil_kwargs={"compress_level": 7})


def _days(side: Mapping[str, Any]) -> str:
    from datetime import date

    return words.days([date.fromisoformat(scene["date"]) for scene in side["scenes"]])


def in_words(figures: Mapping[str, Any]) -> str:
    """Say what changed in a sentence."""
    threshold, clustering = figures["threshold"], figures["clustering"]
    if threshold is not None:
        return (
            f"Green lost {words.area(threshold['lost_m2'])}, gained {words.area(threshold['gained_m2'])}, kept "
            f"{words.area(threshold['kept_m2'])}, of {words.area(figures['compared_m2'])} of land that both saw."
        )
    changed = sum(one["area_m2"] for one in figures["classes"][1:])
    how = "as asked" if clustering["given"] else "the number with the best silhouette"
    return (
        f"{clustering['chosen']} kinds of change ({how}); {words.area(changed)} of {words.area(figures['compared_m2'])} "
        "is in others than the least changed."
    )
