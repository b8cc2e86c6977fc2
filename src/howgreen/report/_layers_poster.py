"""``layers.png``: disagreement of ours with each other map, side by side."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

from howgreen.report import _fonts, _pictures
from howgreen.report._agreement_maps import SHOWN, picture
from howgreen.report._poster import DPI, INK, PAPER, QUIET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from howgreen.report._language import Language
    from howgreen.report._pictures import Preview

PANEL_IN, HEAD_IN, FOOT_IN = 5.0, 1.1, 1.15
NARROWEST_IN = 8.0
"""Width for a single map: title and legend need this much."""
ONE_ROW_IN = 11.0
"""From this width on, the legend is one row."""


def layers_poster(
    found: Mapping[str, Any], maps: Mapping[str, Any], preview: Preview, path: Path, *, language: Language
) -> None:
    """Draw the picture and save it as PNG; each panel has the map's name and figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows, columns = preview.label.shape
    count = len(maps)
    width = max(count * PANEL_IN, NARROWEST_IN)
    wide_in = width / count
    panel_in = min(max(wide_in * rows / columns, 0.5 * wide_in), 1.7 * wide_in)
    height = HEAD_IN + panel_in + FOOT_IN
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    _ = language.gettext
    mark = f"{_('SYNTHETIC')} · " if found["synthetic"] else ""
    title = mark + _("%(place)s beside other maps") % {"place": found["city"]["label"]}
    _fonts.write(
        figure, 0.02, 1 - 0.32 / height, title, fontsize=min(19.0, 122 * width / len(title)), color=INK, va="center"
    )
    for place, layer in enumerate(found["layers"]):
        axes = figure.add_axes(
            ((place + 0.03) / count, FOOT_IN / height, 0.94 / count, panel_in / height), facecolor=PAPER
        )
        axes.imshow(_pictures.rgba(picture(maps[layer["key"]], preview.inside)), interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(_words(layer, language), fontsize=9.5, color=INK, loc="left", linespacing=1.5)
    keys = [Patch(color=colour, label=_(name)) for name, colour in SHOWN.values()]
    figure.legend(
        handles=keys,
        loc="lower left",
        bbox_to_anchor=(0.015, 0.42 / height),
        ncols=len(keys) if width >= ONE_ROW_IN else 3,
        frameon=False,
        fontsize=9.5,
        handlelength=1.4,
    )
    named = fill(" · ".join(found["attributions"]), int(width * 20))
    figure.text(
        0.02,
        0.42 / height,
        _fonts.plain(_fonts.fitting(named)[0]),
        fontsize=6.5,
        color=QUIET,
        va="top",
        linespacing=1.4,
    )
    figure.savefig(path, facecolor=PAPER, metadata={"Title": title}, pil_kwargs={"compress_level": 7})


def _words(layer: Mapping[str, Any], language: Language) -> str:
    _, figures = language.gettext, layer["city"]
    said = _("ours %(ours)s, theirs %(theirs)s; same %(same)s, kappa %(kappa)s") % {
        "ours": language.percent(figures["our_ratio"]),
        "theirs": language.percent(figures["their_ratio"]),
        "same": language.percent(figures["overall_agreement"]),
        "kappa": "\N{EN DASH}" if figures["kappa"] is None else language.decimals(figures["kappa"], 2),
    }
    return f"{_(layer['label'])}\n{said}"
