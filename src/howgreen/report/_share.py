"""``share.png``: the answer as one picture of 1200 by 630 pixels for social networks, with interval and doubts."""

from __future__ import annotations

from datetime import date
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from howgreen.report._details import detail
from howgreen.report._language import ENGLISH
from howgreen.report._outlines import outlines
from howgreen.report._poster import (
    GREEN,
    INK,
    PAPER,
    QUIET,
    WARNED,
    draw_map,
    draw_ruler,
    flat,
    no_interval,
    question,
    unseen,
)
from howgreen.report._sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from howgreen.core.types import Result
    from howgreen.report._language import Language
    from howgreen.report._pictures import Preview

SIZE_PX, DPI = (1200, 630), 100
MAP_PX = (40, 56, 500, 500)
"""Left, top, width and height available to the map, from the picture's right and top edge."""
TEXT_X, LETTERS, MOST_DOUBTS = 0.04, 58, 3
"""Left edge of the texts, characters per line, and the most lines of doubts."""


def share(
    result: Result, found: Mapping[str, Any], preview: Preview, path: Path, *, language: Language = ENGLISH
) -> None:
    """Draw the picture and save it as PNG."""
    from howgreen.report import _pictures

    sheet = Sheet(*SIZE_PX, dpi=DPI, paper=PAPER)
    _texts(sheet, found, language)
    right, top, width, height = MAP_PX
    box = (SIZE_PX[0] - right - width, top, SIZE_PX[0] - right, top + height)
    picture = _pictures.fraction_picture(preview, result.landcover.water_codes)
    shrink = max(1, max(picture.size) // (2 * width))
    place = draw_map(sheet, flat(picture, preview, shrink), preview, outlines(result, preview), box)
    draw_ruler(sheet, place, preview)
    sheet.save(path, title=question(found, language))


def _texts(sheet: Sheet, found: Mapping[str, Any], language: Language) -> None:
    _, lead = language.gettext, found["estimate"]
    span = lead or found["interval"]
    ratio = lead["ratio"] if lead else found["green_ratio"]
    y = _lines(sheet, 0.9, question(found, language), size=25, color=INK, letters=34, step=0.065, most=2)
    big = language.percent(ratio) if ratio is not None else unseen(found, language)
    _write(sheet, y - 0.185, big, size=96 if ratio is not None else 60, color=GREEN, serif=True)
    y -= 0.24 if ratio is not None else 0.27  # words have descenders
    if ratio is not None:
        y = _lines(
            sheet, y, _("of its land is covered by vegetation"), size=19, color=INK, letters=44, step=0.055, most=2
        )
    likely = no_interval(found, language)
    if span:
        likely = _("between %(low)s and %(high)s (%(level)s interval)") % {
            "low": language.digits(span["low"]),
            "high": language.percent(span["high"]),
            "level": language.percent(span["level"]),
        }
    y = _lines(sheet, y, likely, size=19, color=INK, letters=44, step=0.055, most=2)
    images = language.images(found["n_scenes"])
    dates = language.days([date.fromisoformat(scene["date"]) for scene in found["scenes"]])
    facts = _("%(seen)s of the land seen") % {"seen": language.percent(found["observed_ratio"])}
    if lead:
        facts = language.rests_on(lead["looked"], lead["readers"], lead["counted"])
    y = _lines(
        sheet,
        y,
        f"{images}, {dates}" if found["observed_ratio"] is None else f"{facts}{language.semicolon} {images}, {dates}",
        size=14,
        color=QUIET,
        letters=LETTERS,
        step=0.042,
        most=2,
    )
    if found["synthetic"]:
        y = _lines(
            sheet,
            y,
            _("SYNTHETIC city: not a real place."),
            size=14,
            color=WARNED,
            letters=LETTERS,
            step=0.042,
            most=1,
        )
    _doubts(sheet, y - 0.01, found, language)
    credit = " · ".join(
        [*(detail(text, language) or text for text in found["attributions"]), f"howgreen {found['howgreen']}"]
    )
    lines = wrap(credit, 165)
    for number, line in enumerate(lines[:2]):
        cut = line if number == 0 or len(lines) <= 2 else f"{line} …"
        _write(sheet, 0.055 - number * 0.03, cut, size=8.5, color=QUIET)


def _doubts(sheet: Sheet, y: float, found: Mapping[str, Any], language: Language) -> None:
    """Write the doubts that fit; the rest is counted."""
    from howgreen.core.warnings import CODES

    codes = list(dict.fromkeys(one["code"] for one in found["warnings"]))
    room = min(MOST_DOUBTS, int((y - 0.1) / 0.04))
    lines: list[str] = []
    for number, code in enumerate(codes):
        text = wrap(f"⚠ {language.gettext(CODES[code])}", LETTERS, subsequent_indent="    ")
        rest = len(codes) - number
        if len(lines) + len(text) + (rest > 1) > room:
            lines.append(
                language.ngettext("⚠ %(num)s doubt, see the report", "⚠ %(num)s doubts, see the report", rest)
                % {"num": rest}
            )
            break
        lines += text
    for number, line in enumerate(lines):
        _write(sheet, y - number * 0.04, line, size=12.5, color=WARNED)


def _lines(
    sheet: Sheet, y: float, text: str, *, size: float, color: str, letters: int, step: float, most: int
) -> float:
    """Write a text in at most that many lines; return the position of the next one."""
    lines = wrap(text, letters, break_on_hyphens=False)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1][: letters - 1]}…"]
    for line in lines:
        _write(sheet, y, line, size=size, color=color, serif=size > 24)
        y -= step
    return y


def _write(sheet: Sheet, y: float, text: str, *, size: float, color: str, serif: bool = False) -> None:
    """Write a left-aligned line; ``y`` as a share of the picture's height, from below."""
    sheet.write(TEXT_X * SIZE_PX[0], (1 - y) * SIZE_PX[1], text, size=size, color=color, serif=serif)
