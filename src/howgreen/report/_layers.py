"""A comparison as files for people: page, picture, figures. Reporting makes no decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.core.agreement import FIGURES
from howgreen.report import _pictures
from howgreen.report._agreement_maps import SHOWN, file_name, picture, small
from howgreen.report._folder import LAYERS_FORMAT, SUMMARY
from howgreen.report._language import language as language_of
from howgreen.report._outlines import outlines
from howgreen.report._sections import OWN_PAGE
from howgreen.report._summary import values
from howgreen.report._templates import whole_page
from howgreen.report.layers_figures import LayersSummary

if TYPE_CHECKING:
    from howgreen.core.agreement import Agreement, Compared
    from howgreen.core.types import Result
    from howgreen.report._language import Language
    from howgreen.report._outlines import Outline
    from howgreen.report._pictures import Preview

PAGE, PICTURE = "layers.html", "layers.png"
FILES = {PICTURE: "the maps as one picture", ".tif": "where ours and the other map agree"}
"""Contents of the files; for agreement maps, by their ending."""
FIELDS = {
    "green": "Fields count as green on the other maps.",
    "not-green": "Fields count as not green on the other maps.",
    "left-out": "Fields of the other maps are left out.",
}
"""Treatment of cropland, in a sentence."""


def layers_summary(
    result: Result,
    compared: Sequence[Compared],
    *,
    cropland: str,
    legends: Mapping[str, Sequence[Any]],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Gather all figures of a comparison, as in its ``summary.json``.

    Parameters
    ----------
    cropland
        Treatment of cropland in the other maps.
    legends
        Classes of each map by key, as JSON values.
    notes
        Maps passed over.
    """
    ours = values(result)
    kept = ("howgreen", "synthetic", "city", "period", "green_ratio", "green_pixel_ratio", "interval", "observed_ratio", "warnings",
            "n_scenes", "scenes", "model", "grid")  # fmt: skip
    return {
        "format": LAYERS_FORMAT,
        **{key: ours[key] for key in kept},
        "cropland": cropland,
        "layers": [_layer(one, legends[one.info.key]) for one in compared],
        "notes": [*ours["notes"], *notes],
        "files": {},
        "attributions": [*ours["attributions"], *dict.fromkeys(one.info.licence for one in compared)],
    }


def write_layers(result: Result, found: dict[str, Any], folder: Path, *, language: str = "en") -> LayersSummary:
    """Write page, picture and figures into a folder that already holds the agreement maps.

    Parameters
    ----------
    found
        From :func:`layers_summary`; its ``files`` are filled in.
    language
        Of page and picture: a key of :data:`howgreen.report._language.LANGUAGES`.
    """
    from howgreen.report._layers_poster import layers_poster

    keys, spoken = [layer["key"] for layer in found["layers"]], language_of(language)
    found["files"] = {
        PAGE: OWN_PAGE,
        PICTURE: FILES[PICTURE],
        **{file_name(key): FILES[".tif"] for key in keys},
        SUMMARY: "this file",
    }
    preview = _pictures.from_data(result)
    maps = {key: small(folder, key, preview.label.shape) for key in keys}
    (folder / PAGE).write_text(_page(result, found, preview, maps, language=spoken), encoding="utf-8")
    layers_poster(found, maps, preview, folder / PICTURE, language=spoken)
    figures = LayersSummary.from_dict(found)
    (folder / SUMMARY).write_text(figures.to_json(), encoding="utf-8")
    return figures


def _layer(one: Compared, classes: Sequence[Any]) -> dict[str, Any]:
    info = one.info
    first, *others = one.zones
    return {
        "key": info.key,
        "label": info.label,
        "source": info.source,
        "detail": info.detail,
        "licence": info.licence,
        "note": info.note,
        "city": _figures(first),
        "districts": [_figures(zone) for zone in others],
        "classes": list(classes),
    }


def _figures(zone: Agreement) -> dict[str, Any]:
    return {"name": zone.name, "id": zone.id, **{key: getattr(zone, key) for key in FIGURES}}


def _page(
    result: Result, found: Mapping[str, Any], preview: Preview, maps: Mapping[str, Any], *, language: Language
) -> str:
    period = result.plan.period
    return whole_page(
        "layers.html",
        language,
        {
            "s": found,
            "about": found,
            "named": language.gettext,
            "cropland": FIELDS[found["cropland"]],
            "when": language.days([period.start, period.end]),
            "chosen": _chosen(list(maps)),
            "map": _map(result, preview, maps, outlines(result, preview)),
            "categories": SHOWN.values(),
        },
        scripts=("viewer.js",),
        styles=("report.css", "layers.css"),
    )


def _map(result: Result, preview: Preview, maps: Mapping[str, Any], lines: Sequence[Outline]) -> dict[str, Any]:
    height, width = preview.label.shape
    return {
        "width": width,
        "height": height,
        "metres": abs(preview.transform.a),
        "photo": _pictures.jpeg(_pictures.photo_rgb(preview)),
        "fraction": _pictures.png(_pictures.fraction_picture(preview, result.landcover.water_codes)),
        "agreements": {key: _pictures.png(picture(values, preview.inside)) for key, values in maps.items()},
        "limits": lines[0].path,
        "districts": [line.path for line in lines[1:]],
    }


def _chosen(keys: Sequence[str]) -> str:
    """Write the style that shows the map of the selected button, without a script."""
    return "".join(f".viewer:has(#pick-{key}:checked) #map-{key} {{ display: block; }}\n" for key in keys)
