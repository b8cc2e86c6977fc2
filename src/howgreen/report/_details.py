"""The details of warnings in the page's language: sentences that are made of a template and values are told again from them.

The terminal, ``summary.json`` and Python have them in English only; a sentence that no template fits stays English on the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

TEMPLATES = (
    "%(share)s of the land (%(area)s) was never seen clearly, and may be more or less green than the rest; a longer --period may show it",
    "model %(model)s was not compared with reference data: how far it is off is not known, and there is no interval",
    "model %(model)s has no interval here: too few labelled places judged it, or it is used away from them",
    "the area is the image's own footprint, not the limits of %(name)s; give them with --area FILE",
    "image %(id)s has no cloud mask: clouds were found by howgreen's own detector, which may miss thin ones, and take large white roofs for clouds; give a mask with `howgreen store add --mask`",
    "the images have no cloud mask: clouds were found by howgreen's own detector, which may miss thin ones, and take large white roofs for clouds; give a mask with `howgreen store add --mask`",
    "no image is clear over %(share)s %% of the place by howgreen's own detector: what counts as clear may lie under a thin veil, and the ratio be far off; add images of clear days",
    "only 1 date (%(day)s): what was bare, mown or under an undetected cloud then counts as not green; add images of other dates",
    "only %(number)s dates (%(days)s): what was bare, mown or under an undetected cloud then counts as not green; add images of other dates",
    "the images span %(days)s: the city may have changed in between",
    "all images are of the months that are dry in most of the tropics on this side of the equator (%(days)s): what is leafless or withered then counts as not green; add images of the wet season, or use --season peak",
    "half of all pixels differ by %(points)s points or more to that side: the two periods differ as a whole, by season, weather or light, and some of what is called lost or gained may be that; compare periods of the same season",
    "only %(some)s of %(all)s pixels could be called unchanged, or they lie on no line: the images are compared as they are, and haze or another sun may pass for change",
    "in %(years)s less than %(share)s of the land was seen: these years may differ by that alone",
    "%(years)s: fewer than %(number)s dates, so that one mown or dry day may make the year; ask for more --months",
    "no clear image in %(years)s: a gap in the series",
    "%(file)s: does not say of which year it is; give it with --population-year",
    "around %(some)s of %(all)s people no land was seen: they are in no figure",
)
"""What warnings say, as they are written where they arise, their values as ``%(name)s``."""
_PLACE = re.compile(r"%\((\w+)\)s")


def detail(text: str, gettext: Callable[[str], str]) -> str | None:
    """Say the detail of a warning in the language of ``gettext``; None where it can only be had in English."""
    for side, name in (("before: ", "Before"), ("after: ", "After")):
        if text.startswith(side):
            inner = detail(text.removeprefix(side), gettext)
            return None if inner is None else f"{gettext(name)}: {inner}"
    for template in TEMPLATES:
        found = _pattern(template).fullmatch(text)
        told = gettext(template)
        if found and told != template:
            return told % found.groupdict()
    return None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = _PLACE.split(template.replace("%%", "%"))
    made = "".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    return re.compile(made)
