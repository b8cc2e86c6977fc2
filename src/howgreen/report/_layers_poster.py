"""``layers.png``: where ours and each other map disagree, side by side."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

from howgreen.core import words
from howgreen.report import _fonts, _pictures
from howgreen.report._agreement_maps import SHOWN, picture
from howgreen.report._poster import DPI, INK, PAPER, QUIET

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from howgreen.report._pictures import Preview

PANEL_IN, HEAD_IN, FOOT_IN = 5.0, 1.1, 0.95


def layers_poster(found: Mapping[str, Any], maps: Mapping[str, Any], preview: Preview, path: Path) -> None:
    """Draw the picture and save it as PNG; each panel bears the map's name and its figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows, columns = preview.label.shape
    panel_in = min(max(PANEL_IN * rows / columns, 0.5 * PANEL_IN), 1.7 * PANEL_IN)
    count = max(len(maps), 2)
    width, height = count * PANEL_IN, HEAD_IN + panel_in + FOOT_IN
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    mark = "SYNTHETIC · " if found["synthetic"] else ""
    title = f"{mark}{found['city']['label']} beside other maps"
    _fonts.write(figure, 0.02, 1 - 0.32 / height, title, fontsize=19, color=INK, va="center")
    for place, layer in enumerate(found["layers"]):
        axes = figure.add_axes(
            ((place + 0.03) / count, FOOT_IN / height, 0.94 / count, panel_in / height), facecolor=PAPER
        )
        axes.imshow(_pictures.rgba(picture(maps[layer["key"]], preview.inside)), interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(_words(layer), fontsize=9.5, color=INK, loc="left", linespacing=1.5)
    keys = [Patch(color=colour, label=name) for name, colour in SHOWN.values()]
    figure.legend(
        handles=keys, loc="lower left", bbox_to_anchor=(0.015, 0.42 / height), ncols=5, frameon=False, fontsize=10
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


def _words(layer: Mapping[str, Any]) -> str:
    figures = layer["city"]
    kappa = words.NONE if figures["kappa"] is None else f"{figures['kappa']:.2f}"
    return (
        f"{layer['label']}\nours {words.percent(figures['our_ratio'])}, theirs {words.percent(figures['their_ratio'])}; "
        f"same {words.percent(figures['overall_agreement'])}, kappa {kappa}"
    )
