"""Standalone pictures: title, answer, interval, dates, doubts and sources around a map or a chart.

Each is drawn twice: NAME.png for screens and sharing (with the aspect ratio that social networks show), and NAME.svg
for print, on white.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from howgreen.report import _fonts
from howgreen.report._poster import GREEN, INK, PAPER, QUIET, WARNED

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from howgreen.report._language import Language

SIZE_IN, DPI = (12.0, 6.3), 170
INSIDE_IN = (9.0, 4.2)
LEFT, HEAD, FOOT = 0.035, 0.25, 0.15
"""Left edge of the texts, and the shares of the height above and below the drawing."""
LETTERS, MOST_DOUBTS, MOST_CREDITS = 150, 2, 2
"""Characters per small line, and the most lines of each kind."""


@dataclass(frozen=True, kw_only=True)
class Ink:
    """Colours of a picture."""

    paper: str = PAPER
    ink: str = INK
    quiet: str = QUIET
    green: str = GREEN


SCREEN, PRINT = Ink(), Ink(paper="#ffffff", ink="#000000", quiet="#444444")
Box = tuple[float, float, float, float]
Draw = Callable[["Figure", Box, Ink], object]
"""Draws into a part of a figure: left, bottom, width, height."""


@dataclass(frozen=True, kw_only=True)
class Around:
    """Texts around a picture."""

    title: str
    answer: str
    """With its interval if it has one."""
    facts: str
    """Dates, model, source."""
    codes: tuple[str, ...] = ()
    """Codes of the doubts."""
    credits: tuple[str, ...] = ()
    synthetic: bool = False


def write_plates(folder: Path, name: str, around: Around, draw: Draw, language: Language) -> tuple[str, str]:
    """Draw NAME.png and NAME.svg; return their names."""
    import matplotlib as mpl

    names = f"{name}.png", f"{name}.svg"
    for file, ink in zip(names, (SCREEN, PRINT), strict=True):
        figure = _figure(SIZE_IN, ink)
        _texts(figure, around, ink, language)
        draw(figure, (LEFT, FOOT, 1 - 2 * LEFT, 1 - HEAD - FOOT), ink)
        with mpl.rc_context({"svg.hashsalt": "howgreen"}):  # the same figures give the same file
            more: dict[str, Any] = {"Date": None} if file.endswith(".svg") else {}
            figure.savefig(folder / file, facecolor=ink.paper, dpi=DPI, metadata={"Title": around.title, **more})
    return names


def inside_page(draw: Draw) -> str:
    """Draw a picture for a page, without texts around it: a ``data:`` address."""
    figure = _figure(INSIDE_IN, SCREEN)
    draw(figure, (0.01, 0.02, 0.98, 0.92), SCREEN)
    buffer = BytesIO()
    figure.savefig(buffer, facecolor=SCREEN.paper, dpi=150, format="png")
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"


def plain_axes(figure: Figure, box: Box, ink: Ink, *, title: str = "", map_: bool = False) -> Axes:
    """Add axes with a title in the picture's colours; a map has neither frame nor ticks."""
    axes = figure.add_axes(box, facecolor=ink.paper)
    axes.set_title(_fonts.plain(title), size=11, color=ink.ink, loc="left", pad=5)
    axes.tick_params(colors=ink.quiet, labelsize=9)
    for name, spine in axes.spines.items():
        spine.set_visible(not map_ and name in ("left", "bottom"))
        spine.set_color(ink.quiet)
    if map_:
        axes.set(xticks=[], yticks=[])
    return axes


def map_axes(figure: Figure, box: Box, ink: Ink, *, title: str, shape: tuple[float, float]) -> tuple[Axes, float]:
    """Add axes for a map at the left of a box; return them and their right edge.

    Parameters
    ----------
    shape
        Height and width of the map, in any unit.
    """
    left, bottom, width, height = box
    wide, high = figure.get_size_inches()
    needed = (height - 0.03) * high / wide * shape[1] / shape[0]
    part = min(0.55 * width, needed)
    axes = plain_axes(figure, (left, bottom, part, height - 0.03), ink, title=title, map_=True)
    axes.set_anchor("NW")
    return axes, left + part


def colour_bar(figure: Figure, at: tuple[float, float, float], colours: Any, ink: Ink) -> None:
    """Draw a colour bar of a map in percent.

    Parameters
    ----------
    at
        Left edge, bottom and height.
    """
    left, bottom, height = at
    bar = figure.add_axes((left, bottom, 0.012, height))
    figure.colorbar(colours, cax=bar).ax.tick_params(colors=ink.quiet, labelsize=9)
    bar.set_title("%", size=9, color=ink.quiet)


def _figure(size: tuple[float, float], ink: Ink) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, facecolor=ink.paper)
    FigureCanvasAgg(figure)
    return figure


def _texts(figure: Figure, around: Around, ink: Ink, language: Language) -> None:
    _ = language.gettext
    title = f"{_('SYNTHETIC')} · {around.title}" if around.synthetic else around.title
    _fonts.write(figure, LEFT, 0.915, _cut(title, 96), size=21 if len(title) <= 66 else 15.5, color=ink.ink, serif=True)
    lines = wrap(around.answer, 112)
    for number, line in enumerate(_most(lines, 2)):
        _fonts.write(figure, LEFT, 0.862 - 0.041 * number, line, size=13, color=ink.green)
    _fonts.write(figure, LEFT, 0.79, _cut(around.facts, LETTERS), size=10, color=ink.quiet)
    for number, line in enumerate(_doubts(around.codes, language)):
        _fonts.write(figure, LEFT, 0.1 - 0.03 * number, line, size=9.5, color=WARNED)
    credit = wrap(" · ".join([*around.credits, "howgreen"]), 200)
    for number, line in enumerate(_most(credit, MOST_CREDITS)):
        _fonts.write(figure, LEFT, 0.042 - 0.024 * number, line, size=7.5, color=ink.quiet)


def _doubts(codes: Sequence[str], language: Language) -> list[str]:
    """Write the first doubts, and count those that do not fit."""
    codes = list(dict.fromkeys(codes))
    shown = codes if len(codes) <= MOST_DOUBTS else codes[: MOST_DOUBTS - 1]
    lines = [_cut(f"⚠ {language.meaning(code)}", LETTERS) for code in shown]
    rest = len(codes) - len(shown)
    if rest:
        more = language.ngettext("⚠ %(num)s doubt, see the report", "⚠ %(num)s doubts, see the report", rest)
        lines.append(more % {"num": rest})
    return lines


def _most(lines: Sequence[str], most: int) -> list[str]:
    return list(lines) if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]} …"]


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
