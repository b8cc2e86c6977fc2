"""``map.png``: photo, green share and classes side by side, with the number above them."""

from __future__ import annotations

from datetime import date
from textwrap import fill
from typing import TYPE_CHECKING, Any

from howgreen.report import _fonts, _pictures, shades
from howgreen.report._language import ENGLISH
from howgreen.report._outlines import outlines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

    from howgreen.core.types import Result
    from howgreen.report._language import Language
    from howgreen.report._outlines import Outline
    from howgreen.report._pictures import Array, Preview

INK, QUIET, PAPER, GREEN = "#1c2a22", "#55635a", "#fbfaf5", "#1b6b45"
WIDTH_IN, DPI = 15.0, 130
GAP, HEAD_IN, FOOT_IN = 0.02, 1.75, 1.25
WARNED = "#8a4b00"
WARNING_IN, LINE_LETTERS, MOST_LINES = 0.23, 150, 8
"""Height of a line of warnings in inches, letters that fit into it, and the most lines."""
UNDER = "#d6d4cd"
"""Where a map shows nothing."""
MOST_KEYS, LONGEST_KEY = 14, 18
"""What fits under the third map: classes, and letters of a name."""
HATCHING, VEIL = 0.85, 199
"""How opaque are the hatching of what was unseen (of 1) and the paper over what lies outside (of 255)."""


def poster(
    result: Result,
    found: Mapping[str, Any],
    preview: Preview,
    path: Path,
    *,
    photo: Array,
    language: Language = ENGLISH,
) -> None:
    """Draw the picture and save it as PNG; ``photo`` of :func:`howgreen.report._pictures.photo_rgb`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    warned = _warnings(found)
    head_in = HEAD_IN + (len(warned) * WARNING_IN + 0.1 if warned else 0)
    rows, columns = preview.label.shape
    panel_in = WIDTH_IN * (1 - 4 * GAP) / 3
    # Very long or very flat cities still get a page of ordinary shape; their maps are then centred in it.
    map_in = min(max(panel_in * rows / columns, 0.5 * panel_in), 1.7 * panel_in)
    height = head_in + map_in + FOOT_IN
    figure = Figure(figsize=(WIDTH_IN, height), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    _head(figure, found, height, language)
    for number, line in enumerate(warned):
        y = 1 - (1.65 + number * WARNING_IN) / height
        _fonts.write(figure, GAP, y, line, size=11.5, color=WARNED)
    _ = language.gettext
    layers = (
        (f"{_('Photo')} ({_(preview.photo_kind)})", Image.fromarray(photo)),
        (_("Green share of each pixel"), _pictures.fraction_picture(preview, result.landcover.water_codes)),
        (_("Land cover classes"), _pictures.classes_picture(preview, result.card.classes)),
    )
    lines = outlines(result, preview)
    shrink = max(1, int(columns / (panel_in * DPI)))
    for place, (title, image) in enumerate(layers):
        left = GAP + place * (panel_in / WIDTH_IN + GAP)
        axes = figure.add_axes((left, FOOT_IN / height, panel_in / WIDTH_IN, map_in / height))
        _map(axes, title, flat(image, preview).reduce(shrink), preview, lines)
        if place == 0:
            _ruler(axes, preview)
    _foot(figure, found, preview, height, language)
    title = _question(found, language)
    figure.savefig(path, facecolor=PAPER, metadata={"Title": title}, pil_kwargs={"compress_level": 4})


def flat(image: Image, preview: Preview) -> Image:
    """Merge a map with all that lies on it into one opaque picture: matplotlib would resample each layer by itself."""
    import numpy as np
    from PIL import Image

    flat = Image.new("RGBA", image.size, UNDER)
    flat.alpha_composite(image.convert("RGBA"))
    if preview.unseen.any():
        hatching = _pictures.unseen_picture(preview).convert("RGBA")
        flat.paste(hatching, mask=hatching.getchannel("A").point(lambda alpha: round(alpha * HATCHING)))
    flat.paste(PAPER, mask=Image.fromarray(np.where(preview.inside, np.uint8(0), np.uint8(VEIL))))
    return flat.convert("RGB")


def _question(found: Mapping[str, Any], language: Language) -> str:
    """Ask the question by a name that can be drawn: its label's, else the name that was asked for, else its id."""
    city = found["city"]
    label = next((name for name in (city["label"], city["name"]) if _fonts.drawable(name)), city["label"])
    return language.gettext("How green is %(place)s?") % {"place": language.subject(label, city["kind"])}


def _warnings(found: Mapping[str, Any]) -> list[str]:
    """Fold the warnings into lines; what does not fit is counted."""
    lines = [
        line
        for one in found["warnings"]
        for line in fill(f"⚠ {one['text']}", LINE_LETTERS, subsequent_indent="    ").split("\n")
    ]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], "    … more in report.html"]
    return lines


def _head(figure: Figure, found: Mapping[str, Any], height: float, language: Language) -> None:
    _, lead = language.gettext, found["estimate"]
    interval, ratio = (lead, lead["ratio"]) if lead else (found["interval"], found["green_ratio"])
    x, top = GAP, 1 - 0.62 / height
    synthetic = " – " + _("SYNTHETIC city: not a real place.") if found["synthetic"] else ""
    big = language.percent(ratio) if ratio is not None else _("not seen")
    if lead:
        big += f" ± {language.half_width(lead['low'], lead['high'])}"
    number = figure.text(x, 1 - 1.3 / height, big, size=46, color=GREEN, family="serif", va="baseline")
    _fonts.write(figure, x, top, f"{_question(found, language)}{synthetic}", size=20, color=INK, serif=True)
    edge = number.get_window_extent().x1 / figure.bbox.width + 0.015
    likely = _("no interval: the model was not compared with reference data")
    if interval:
        likely = _("between %(low)s and %(high)s (%(level)s interval)") % {
            "low": language.digits(interval["low"]),
            "high": language.percent(interval["high"]),
            "level": language.percent(interval["level"]),
        }
    dates = language.days([date.fromisoformat(scene["date"]) for scene in found["scenes"]])
    images = language.images(found["n_scenes"])
    if lead:
        what = {
            "what": language.rests_on(lead["looked"], lead["readers"], lead["counted"]),
            "share": language.percent(found["green_ratio"]),
        }
        facts = _("%(what)s; the map alone %(share)s") % what + f". {images}, {dates}"
    else:
        facts = (
            _("%(seen)s of the land seen") % {"seen": language.percent(found["observed_ratio"])}
            + f", {images}, {dates}"
        )
    figure.text(edge, 1 - 1.04 / height, likely, size=13.5, color=INK)
    figure.text(edge, 1 - 1.3 / height, facts, size=13.5, color=QUIET)


def _map(axes: Axes, title: str, image: Image, preview: Preview, lines: Sequence[Outline]) -> None:
    import numpy as np
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Line

    rows, columns = preview.label.shape
    axes.imshow(np.asarray(image), extent=(0, columns, rows, 0), interpolation="antialiased", aspect="equal")
    for number, line in reversed(list(enumerate(lines))):
        rings = [np.asarray(r.coords) for p in _parts(line) for r in (p.exterior, *p.interiors)]
        outline = Line.make_compound_path(*(Line(ring, closed=True) for ring in rings))
        style = {"lw": 1.3, "ec": INK} if number == 0 else {"lw": 0.7, "ec": "white", "ls": (0, (4, 2))}
        axes.add_patch(PathPatch(outline, fc="none", **style))
    axes.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[])
    axes.set_title(title, size=12, color=INK, loc="left", pad=6)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw_map(axes: Axes, image: Image, result: Result, preview: Preview) -> None:
    """Draw a picture of :func:`flat` with the limits, the districts and a ruler; no title."""
    _map(axes, "", image, preview, outlines(result, preview))
    _ruler(axes, preview)


def _parts(line: Outline) -> Any:
    import shapely

    return shapely.get_parts(line.shape)


def _ruler(axes: Axes, preview: Preview) -> None:
    """Draw a bar of a round length, about a fifth of the map."""
    columns, metres = preview.label.shape[1], abs(preview.transform.a)
    wanted = columns * metres / 5
    power = 10 ** (len(str(int(wanted))) - 1)
    length = next((n * power for n in (5, 2, 1) if n * power <= wanted), power)
    left, width = 0.035, length / metres / columns
    text = f"{length // 1000} km" if length >= 1000 else f"{length} m"
    box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "boxstyle": "round,pad=0.35"}
    axes.text(left + width / 2, 0.055, text, size=9, ha="center", color=INK, transform=axes.transAxes, bbox=box)
    axes.plot([left, left + width], [0.035, 0.035], color="white", lw=5, transform=axes.transAxes)
    axes.plot([left, left + width], [0.035, 0.035], color=INK, lw=2.5, transform=axes.transAxes)


def _shown_classes(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All classes where there is room for their names, else the largest; the page lists them all."""
    area_m2 = found["area_by_class_m2"]
    largest = sorted(found["model"]["classes"], key=lambda item: -area_m2.get(item["name"], 0))[:MOST_KEYS]
    return [item for item in found["model"]["classes"] if item in largest]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_KEY else f"{name[: LONGEST_KEY - 1]}…"


def _foot(figure: Figure, found: Mapping[str, Any], preview: Preview, height: float, language: Language) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Patch

    third = (1 - GAP) / 3
    bar = figure.add_axes((GAP + third, 0.86 / height, third - GAP, 0.13 / height))
    colours = LinearSegmentedColormap.from_list("green", shades.RAMP)
    bar.imshow([[n / 255 for n in range(256)]], cmap=colours, aspect="auto", extent=(0, 100, 0, 1))
    bar.set(yticks=[], xticks=[0, 25, 50, 75, 100])
    bar.set_xticklabels(["0", "25", "50", "75", language.percent(1.0)], size=9, color=QUIET)
    bar.tick_params(length=0)
    for spine in bar.spines.values():
        spine.set_visible(False)
    keys = [
        Patch(fc=item["colour"], label=_fonts.plain(_fonts.fitting(_short(language.gettext(item["name"])))[0]))
        for item in _shown_classes(found)
    ]
    if preview.unseen.any():
        keys.append(Patch(fc=UNDER, ec="#7b5ea7", hatch="////", lw=0, label=language.gettext("not seen")))
    figure.legend(
        handles=keys,
        loc="upper left",
        bbox_to_anchor=(GAP + 2 * third + 0.012, 1.08 / height),
        ncols=3,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=1.2,
        columnspacing=1.2,
        borderpad=0,
    )
    _fonts.write(
        figure,
        GAP,
        0.86 / height,
        language.gettext("Black: limits; dashed: districts. Model: %(model)s.") % {"model": found["model"]["name"]},
        size=9.5,
        color=QUIET,
    )
    credit = " · ".join([*found["attributions"], f"howgreen {found['howgreen']}"])
    _fonts.write(figure, GAP, 0.22 / height, credit, size=8.5, color=QUIET, wrap=True)
