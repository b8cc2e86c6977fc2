"""A change as files for people: page, picture, map, figures. Reporting makes no decisions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from howgreen.core import cog, words
from howgreen.core.change import NOT_COMPARED
from howgreen.report import _pictures, _plates, shades
from howgreen.report._folder import CHANGE_FORMAT
from howgreen.report._outlines import outlines
from howgreen.report._qgis import write_class_style
from howgreen.report._rasters import write_category_names
from howgreen.report._sections import Section
from howgreen.report._summary import values
from howgreen.report._templates import longest_word
from howgreen.report.change_figures import (
    ChangeEstimateFigures,
    ChangeSide,
    ChangeSummary,
    SampledArea,
    ThresholdFigures,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from howgreen.core.change import Change
    from howgreen.core.types import Result
    from howgreen.report._language import Language
    from howgreen.report._pictures import Array, Preview
    from howgreen.report._sections import Desk

TOPIC = "change"
PICTURE, PRINT, MAP = "change.png", "change.svg", "change.tif"
GREEN = ("green_before.tif", "green_after.tif")
PHOTOS = ("photo_before.tif", "photo_after.tif")
FILES = {
    PICTURE: "both pictures and the change, side by side: a picture that stands alone",
    PRINT: "the same picture for print",
    MAP: "class of each pixel, with colours and names; 255 not compared (water, unseen, beyond the limits)",
    GREEN[0]: "green share of each pixel before, in percent; 255 not seen, or water",
    GREEN[1]: "green share of each pixel after, in percent; 255 not seen, or water",
    PHOTOS[0]: "the picture before, 8 bit; both in one stretch",
    PHOTOS[1]: "the picture after, 8 bit; both in one stretch",
}
CLUSTER = re.compile(r"(?P<kind>.*\D) (?P<number>\d+)")
_SIDE = ("period", "green_ratio", "interval", "observed_ratio", "scenes")


def write_change(
    before: Result, after: Result, found: Change, desk: Desk, *, estimate: ChangeEstimateFigures | None = None
) -> ChangeSummary:
    """Write map, page, pictures and figures of a change; existing shares and pictures of both dates are listed too.

    Parameters
    ----------
    estimate
        Estimate from an interpreted sample of both dates: it leads.
    """
    folder, language = desk.folder, desk.language
    summary = msgspec.structs.replace(ChangeSummary.from_dict(_figures(before, after, found)), estimate=estimate)
    cog.write(folder / MAP, found.codes, grid=found.grid, band="change", nodata=NOT_COMPARED, colours=_colours(found))
    write_category_names(folder / MAP, {one.code: one.name for one in found.classes})
    write_class_style(folder / MAP, {one.code: (one.name, one.colour) for one in found.classes})
    views = [_pictures.from_data(one) for one in (before, after)]
    photos = _alike(views)
    shown = _picture(summary, _small(found, views[0]))
    around = _around(summary, language)
    _plates.write_plates(folder, TOPIC, around, _drawn(summary, photos, shown, language), language)
    named = _named(language)
    word = longest_word(named(one.name) for one in summary.classes)
    section = Section(
        topic=TOPIC,
        title=around.title,
        when=f"{_days(summary.before, language)} – {_days(summary.after, language)}",
        synthetic=summary.synthetic,
        credits=summary.attributions,
        picture=PICTURE,
        values={"c": summary, "map": _map(before, views[0], photos, shown), "named": named, "word": word},
        scripts=("viewer.js", "page.js"),
    )
    there = {name: text for name, text in FILES.items() if (folder / name).exists()}
    return desk.finish(section, summary, there)


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
        "estimate": None,
        "warnings": [asdict(one) for one in found.warnings],
        "model": first["model"],
        "grid": first["grid"],
        "notes": list(dict.fromkeys([*first["notes"], *second["notes"]])),
        "files": {},
        "attributions": list(dict.fromkeys([*first["attributions"], *second["attributions"]])),
    }


def _colours(found: Change) -> dict[int, tuple[int, ...]]:
    shown = {one.code: (*bytes.fromhex(one.colour[1:]), 255) for one in found.classes}
    return {**shown, NOT_COMPARED: (0, 0, 0, 0)}


def _alike(views: list[Preview]) -> list[Array]:
    """Stretch both photos alike, if they show the same bands, so that brightness is comparable."""
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
    """uint8 (y, x): every n-th pixel of the map, aligned with the preview."""
    step = max(1, -(-max(found.codes.shape) // 1600))
    small = found.codes[step // 2 :: step, step // 2 :: step]
    return np.ascontiguousarray(small[: preview.label.shape[0], : preview.label.shape[1]])


def _picture(summary: ChangeSummary, index: Array) -> Any:
    return shades.palette(index, {one.code: one.colour for one in summary.classes})


def _map(result: Result, preview: Preview, photos: list[Array], shown: Any) -> dict[str, Any]:
    lines = outlines(result, preview)
    height, width = preview.label.shape
    return {
        "width": width,
        "height": height,
        "metres": abs(preview.transform.a),
        "photos": [_pictures.jpeg(one) for one in photos],
        "change": _pictures.png(shown),
        "limits": lines[0].path,
        "districts": [line.path for line in lines[1:]],
    }


def _named(language: Language) -> Callable[[str], str]:
    """Return a function that names a class in a language; clusters of one kind are numbered."""

    def named(name: str) -> str:
        numbered = CLUSTER.fullmatch(name)
        return (
            language.gettext(name) if numbered is None else f"{language.gettext(numbered['kind'])} {numbered['number']}"
        )

    return named


def _around(summary: ChangeSummary, language: Language) -> _plates.Around:
    _, threshold, estimate = language.gettext, summary.threshold, summary.estimate
    if estimate is not None:
        answer = _("Green lost: %(lost)s. Gained: %(gained)s.") % {
            "lost": _with_range(estimate.areas.lost, language),
            "gained": _with_range(estimate.areas.gained, language),
        }
    elif threshold is not None:
        answer = _("Green lost: %(lost)s. Gained: %(gained)s. Kept: %(kept)s.") % {
            "lost": language.area(threshold.lost_m2),
            "gained": language.area(threshold.gained_m2),
            "kept": language.area(threshold.kept_m2),
        }
    else:
        number = summary.clustering.chosen if summary.clustering else 0
        answer = _("%(number)s kinds of ground, by how they changed.") % {"number": number}
    of = _(
        "Of %(area)s of land that both saw, %(before)s was green before and %(after)s after, as model %(model)s maps it."
    ) % {
        "area": language.area(summary.compared_m2),
        "before": language.percent(summary.green_before),
        "after": language.percent(summary.green_after),
        "model": summary.model.name,
    }
    if estimate is not None and threshold is not None:
        of = " ".join(_rests_on(estimate, threshold, language))
    return _plates.Around(
        title=_("What changed in %(place)s?") % {"place": summary.city.label},
        answer=answer,
        facts=of,
        codes=tuple(sorted((one.code for one in summary.warnings), key=lambda code: not code.startswith("change-"))),
        credits=summary.attributions,
        synthetic=summary.synthetic,
    )


def _rests_on(estimate: ChangeEstimateFigures, threshold: ThresholdFigures, language: Language) -> tuple[str, str]:
    """State the basis of an estimate and what it leaves open, or else the map's figures."""
    _ = language.gettext
    beside = _("The map measures %(lost)s lost and %(gained)s gained.") % {
        "lost": language.area(threshold.lost_m2),
        "gained": language.area(threshold.gained_m2),
    }
    if estimate.unseen_m2:
        beside = _("Nobody found change where the map sees none; up to %(area)s could be there all the same.") % {
            "area": language.area(estimate.unseen_m2)
        }
    return (
        _("%(level)s intervals, from %(counted)s.") % {
            "level": language.percent(estimate.level),
            "counted": language.read_on_two_dates(estimate.looked, estimate.readers),
        },
        beside,
    )  # fmt: skip


def _with_range(one: SampledArea, language: Language) -> str:
    """``8.7 ha (7.8 ha – 9.5 ha)``."""
    low, high = (language.area(end) for end in (one.low_m2, one.high_m2))
    return f"{language.area(one.area_m2)} ({low}\N{EN DASH}{high})"


def _drawn(summary: ChangeSummary, photos: list[Array], shown: Any, language: Language) -> _plates.Draw:
    """Draw both photos and the change, with a legend."""
    from matplotlib.patches import Patch

    _, named = language.gettext, _named(language)
    panels = (
        (f"{_('Before')}{language.colon} {_days(summary.before, language)}", photos[0]),
        (f"{_('After')}{language.colon} {_days(summary.after, language)}", photos[1]),
        (_("Change"), _pictures.rgba(shown)),
    )

    def draw(figure: Figure, box: _plates.Box, ink: _plates.Ink) -> None:
        left, bottom, width, height = box
        for place, (title, picture) in enumerate(panels):
            part = (left + place * width / 3, bottom + 0.06, 0.97 * width / 3, height - 0.09)
            axes = _plates.plain_axes(figure, part, ink, title=title, map_=True)
            axes.imshow(picture, interpolation="antialiased")
            axes.set_anchor("W")
        keys = [
            Patch(fc=one.colour, label=f"{named(one.name)}{language.colon} {language.area(one.area_m2)}")
            for one in summary.classes
        ]
        figure.legend(
            handles=keys, loc="lower left", bbox_to_anchor=(left - 0.008, bottom - 0.012), ncols=4, frameon=False, fontsize=9,
            labelcolor=ink.ink,
        )  # fmt: skip

    return draw


def _days(side: ChangeSide, language: Language) -> str:
    return language.days([scene.date for scene in side.scenes])


def in_words(figures: Mapping[str, Any]) -> str:
    """Summarise the change in a sentence."""
    threshold, clustering, estimate = figures["threshold"], figures["clustering"], figures.get("estimate")
    if estimate is not None:
        lost, gained = (estimate["areas"][kind] for kind in ("lost", "gained"))
        return (
            f"Green lost {words.area(lost['area_m2'])} ({words.area(lost['low_m2'])} to {words.area(lost['high_m2'])}), gained "
            f"{words.area(gained['area_m2'])} ({words.area(gained['low_m2'])} to {words.area(gained['high_m2'])}), as people saw at "
            f"{estimate['looked']} places; the map measures {words.area(threshold['lost_m2'])} lost and "
            f"{words.area(threshold['gained_m2'])} gained."
        )
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
