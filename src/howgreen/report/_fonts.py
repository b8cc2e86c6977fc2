"""Fonts for names in any script, from this computer; unsupported characters are dropped and reported."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.core.text import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

SERIF, SANS = "DejaVu Serif", "DejaVu Sans"
"""Both come with matplotlib; the second also covers Arabic, Hebrew, Cyrillic and Greek."""
LEFT_OUT = "[letters that no font here has]"
_EVERYDAY = re.compile(
    "[ -~\u00a0-\u00ac\u00ae-\u017f\u2010-\u2015\u2018-\u201e\u2020-\u2022\u2026\u202f\u2030\u2032\u2033\u20ac\u2122\u2212\u2264\u2265]*"
)
"""Characters of the report languages, which both fonts have and which need no shaping."""
_WARNING = "\N{WARNING SIGN}"
"""Used everywhere too, but only in the sans-serif font."""


def write(figure: Figure, x: float, y: float, text: str, *, serif: bool = False, **style: Any) -> Text:
    """Write a line on a figure in fonts that have its characters, never as a formula; right to left for such scripts.

    Parameters
    ----------
    x, y
        Shares of the figure's width and height.
    style
        Of :class:`matplotlib.text.Text`.
    """
    shown, families = fitting(one_line(text), first=SERIF if serif else SANS)
    return figure.text(x, y, plain(shown), family=list(families), **style)


def opened(text: str, *, serif: bool = False) -> tuple[Any, str]:
    """Open fonts that have a line's characters, as one FreeType font; and the line, without unsupported characters."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    shown, families = fitting(text, first=SERIF if serif else SANS)
    return get_font([findfont(FontProperties(family=family)) for family in families]), shown


@cache
def everyday(size: float, *, serif: bool = False) -> Any:
    """Open Pillow's font of ``size`` pixels for common characters; None if matplotlib does not ship it as a file.

    matplotlib itself is not loaded: that takes as long as drawing the picture.
    """
    from PIL import ImageFont

    known = find_spec("matplotlib")
    for folder in (known.submodule_search_locations or ()) if known else ():
        path = Path(folder, "mpl-data", "fonts", "ttf", f"{(SERIF if serif else SANS).replace(' ', '')}.ttf")
        if path.is_file():
            return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    return None


def is_everyday(text: str, *, serif: bool = False) -> bool:
    """Tell whether the font of :func:`everyday` has all characters of a line."""
    return _EVERYDAY.fullmatch(text if serif else text.replace(_WARNING, "")) is not None


def plain(text: str) -> str:
    """Keep names from being parsed as formulas."""
    return text.replace("$", r"\$")


def drawable(text: str) -> bool:
    """Tell whether the fonts of this computer have all characters of a text."""
    return LEFT_OUT not in fitting(text)[0]


@cache
def fitting(text: str, *, first: str = SANS) -> tuple[str, tuple[str, ...]]:
    """Return a text without unsupported characters, and the names of fonts that together cover the rest, in order."""
    families = list(dict.fromkeys((first, SANS)))
    if is_everyday(text, serif=first == SERIF):
        return text, tuple(families)
    missing = set(text) - set().union(*map(_letters, families))
    for family in _others() if missing else ():
        found = missing & _letters(family)
        if found:
            families.append(family)
            missing -= found
        if not missing:
            break
    if missing:
        text = "".join("\0" if letter in missing else letter for letter in text)
        while "\0\0" in text or "\0 \0" in text:
            text = text.replace("\0 \0", "\0").replace("\0\0", "\0")
        text = text.replace("\0", LEFT_OUT)
    return text, tuple(families)


@cache
def _others() -> tuple[str, ...]:
    """List the computer's upright fonts of regular weight, those for all scripts first.

    matplotlib caches its list of fonts permanently; those installed since are added to it.
    """
    from matplotlib.font_manager import findSystemFonts, fontManager

    for path in sorted(set(findSystemFonts()) - {font.fname for font in fontManager.ttflist}):
        with suppress(RuntimeError, OSError, ValueError, KeyError):  # broken, or of a kind that it cannot draw
            fontManager.addfont(path)
    fonts = {
        font.name
        for font in fontManager.ttflist
        if font.style == "normal" and font.weight in (400, "normal", "regular")
    }
    return tuple(sorted(fonts - {SERIF, SANS}, key=lambda name: (not name.startswith(("Noto Sans", "Unifont")), name)))


@cache
def _letters(family: str) -> frozenset[str]:
    """Return all characters of a font."""
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    try:
        path = findfont(FontProperties(family=family), fallback_to_default=False)
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (ValueError, RuntimeError, OSError):  # removed since matplotlib's scan, or broken
        return frozenset()
