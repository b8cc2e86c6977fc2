"""The language of a page: words from a gettext catalogue, numbers and dates in the local format.

English is in the templates and in the code (:func:`_language.Language.gettext`); ``locale/CODE.po`` holds the
translations. Numbers are rounded by :mod:`howgreen.core.words` in every language; only their signs change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

from howgreen.core import words
from howgreen.core.warnings import CODES
from howgreen.core.words import NBSP

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français"}
"""Codes of the report languages, with their own names."""

_FOUR_DIGITS = re.compile(r"(?<![\d,])(\d),(\d{3})(?![\d,])")


@dataclass(frozen=True, kw_only=True)
class Language:
    """Words, numbers and days of one language."""

    code: str = "en"
    """BCP 47, as ``de``: the ``lang`` of the page."""
    messages: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """English text to this language's; forms by number for texts that have a plural."""
    rtl: bool = False
    """Written from right to left."""
    decimal: str = "."
    group: str = ","
    before_percent: str = ""
    """Separator of a number and its percent sign."""

    # ---- words ----------------------------------------------------------------------------------
    def gettext(self, text: str) -> str:
        """Return the text in this language, or in English if the catalogue lacks it."""
        found = self.messages.get(text, text)
        return found if isinstance(found, str) else found[0]

    def ngettext(self, one: str, many: str, number: float) -> str:
        """Return the plural form of a text for a number."""
        several = number > 1 if self.code == "fr" else number != 1
        forms = self.messages.get(one, (one, many))
        return forms if isinstance(forms, str) else forms[min(int(several), len(forms) - 1)]

    @property
    def colon(self) -> str:
        """A colon with the space before it."""
        return f"{NBSP}:" if self.code == "fr" else ":"

    @property
    def semicolon(self) -> str:
        """A semicolon with the space before it."""
        return f"{NBSP};" if self.code == "fr" else ";"

    def meaning(self, code: str) -> str:
        """Return the meaning of a warning code."""
        return self.gettext(CODES[code])

    def subject(self, label: str, kind: str) -> str:
        """Name what was measured: as :func:`howgreen.core.words.subject`."""
        if kind != words.IMAGE_FOOTPRINT:
            return label
        return self.gettext("the area of the image (not the limits of %(name)s)") % {"name": label}

    # ---- numbers --------------------------------------------------------------------------------
    def local(self, text: str) -> str:
        """Format a number of :mod:`howgreen.core.words` with this language's signs."""
        if self.code == "es":  # four digits are not grouped there
            text = _FOUR_DIGITS.sub(r"\1\2", text)
        return text.translate({44: self.group, 46: self.decimal}).replace(f"{NBSP}%", f"{self.before_percent}%")

    def digits(self, ratio: float | None) -> str:
        """Format a percentage without its sign: ``47``, ``0.4``, or a dash."""
        return self.local(words.digits(ratio))

    def percent(self, ratio: float | None) -> str:
        """Format a percentage: ``47%``, or a dash."""
        return self.local(words.percent(ratio))

    def span(self, low: float | None, high: float | None) -> str:
        """Format a range of percentages: ``41–53%``, or nothing."""
        return self.local(words.span(low, high))

    def half_width(self, low: float, high: float) -> str:
        """Format the half-width of an interval in points."""
        return self.local(words.half_width(low, high))

    def area(self, square_metres: float | None) -> str:
        """Format an area: ``28.3 km²``, or hectares, or a dash."""
        return self.local(words.area(square_metres))

    def signed_area(self, square_metres: float) -> str:
        """Format a difference of areas: ``−1.2 ha``."""
        return self.local(words.signed_area(square_metres))

    def significant(self, value: float, *, figures: int = 3) -> str:
        """Format a number with few significant digits: ``28.3``, ``1,230``."""
        return self.local(words.significant(value, figures=figures))

    def whole(self, value: float) -> str:
        """Format a whole number: ``48,200``."""
        return self.local(f"{value:,.0f}")

    def decimals(self, value: float, places: int) -> str:
        """Format a decimal number: ``0.18``."""
        return self.local(f"{value:.{places}f}").replace("-", "−")

    def points(self, difference: float) -> str:
        """Format the difference of two ratios: ``+1.2 points``."""
        return self.gettext("%(number)s points") % {"number": self.signed(difference, places=1)}

    def signed(self, difference: float, *, places: int = 2) -> str:
        """Format the difference of two ratios in points, without the word: ``+1.24``."""
        return self.local(f"{100 * difference:+.{places}f}".replace("-", "−"))

    def tenth(self, ratio: float) -> str:
        """Format a ratio to the tenth of a percent: ``47.3%``."""
        return self.local(f"{100 * ratio:.1f}{NBSP}%")

    def images(self, number: int) -> str:
        """Format a number of images: ``1 image``, ``6 images``."""
        return self.ngettext("%(num)s image", "%(num)s images", number) % {"num": self.whole(number)}

    def rests_on(self, places: int, people: int, what: str = "vegetation") -> str:
        """Describe the basis of an estimate: as :func:`howgreen.core.words.rests_on`."""
        where = self.ngettext("%(num)s place", "%(num)s places", places) % {"num": self.whole(places)}
        who = self.ngettext("one person", "%(num)s people", people) % {"num": self.whole(people)}
        who = self.gettext("two people") if people == 2 else who
        read = self.gettext("%(places)s read by %(people)s, and the map") % {"places": where, "people": who}
        if what == "vegetation":
            return read
        return f"{read}{self.semicolon} " + self.gettext("what is counted is %(what)s") % {
            "what": self.gettext(what.replace("-", " "))
        }

    def read_on_two_dates(self, places: int, people: int) -> str:
        """Describe the basis of a change estimate: ``250 places that one person looked at on both dates``."""
        who = self.ngettext("one person", "%(num)s people", people) % {"num": self.whole(people)}
        who = self.gettext("two people") if people == 2 else who
        where = self.ngettext("%(num)s place", "%(num)s places", places) % {"num": self.whole(places)}
        return self.gettext("%(places)s, read by %(people)s on both dates") % {"places": where, "people": who}

    def odds(self, level: float) -> str:
        """Express a confidence level in words: ``19 of 20`` for 0.95."""
        hits, tries = next(
            ((round(level * n), n) for n in (10, 20) if abs(level * n % 1) < 1e-9), (round(100 * level), 100)
        )
        return self.gettext("%(hits)s of %(tries)s") % {"hits": hits, "tries": tries}

    # ---- days -----------------------------------------------------------------------------------
    def day(self, when: date) -> str:
        """Format a day: ``3 May 2024``."""
        if not self._foreign:
            return words.day(when)
        from babel.dates import format_date

        return str(format_date(when, "medium" if self.code != "de" else "d. MMM y", locale=self.code))

    def day_of_year(self, when: date) -> str:
        """Format a day without its year: ``3 May``."""
        if not self._foreign:
            return f"{when.day}{NBSP}{words.MONTHS[when.month - 1]}"
        from babel.dates import format_skeleton

        return str(format_skeleton("MMMMd", when, locale=self.code))

    def days(self, dates: list[date]) -> str:
        """Format the first and last of some days: ``3 May – 28 Sep 2024``, a single day, or a dash."""
        if not dates or not self._foreign:
            return words.days(dates)
        first, last = min(dates), max(dates)
        return self.day(first) if first == last else f"{self.day(first)} – {self.day(last)}"

    def moment(self, text: str) -> str:
        """Format an ISO 8601 time to the minute: ``1 Oct 2024, 08:00 UTC``; anything else stays as it is."""
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            return text
        zone = " UTC" if when.utcoffset() is not None and not when.utcoffset() else ""
        return f"{self.day(when.date())}, {when:%H:%M}{zone}"

    @property
    def _foreign(self) -> bool:
        return self.code in LANGUAGES and self.code != "en"


ENGLISH = Language()


@cache
def language(code: str) -> Language:
    """Load a language: a key of :data:`LANGUAGES`.

    Raises
    ------
    ValueError
        There is no such language.
    """
    if code == "en":
        return ENGLISH
    if code not in LANGUAGES:
        raise ValueError(f"language {code!r} is unknown: use one of {', '.join(LANGUAGES)}")
    from babel import Locale

    locale = Locale.parse(code)
    symbols = locale.number_symbols["latn"]
    pattern = locale.percent_formats[None].pattern
    return Language(
        code=code,
        messages=catalogue(code),
        rtl=locale.text_direction == "rtl",
        decimal=symbols["decimal"],
        group=symbols["group"],
        before_percent=pattern[pattern.rindex("0") + 1 : pattern.index("%")],
    )


def catalogue(code: str, *, folder: str = "report") -> dict[str, str | tuple[str, ...]]:
    """Read ``locale/CODE.po`` in a folder: English text to this language's."""
    from babel.messages.pofile import read_po

    text = files(f"howgreen.{folder}").joinpath("locale", f"{code}.po").read_bytes()
    found: dict[str, str | tuple[str, ...]] = {}
    for message in read_po(BytesIO(text), locale=code, abort_invalid=True):
        if message.id:
            one: Any = message.id if isinstance(message.id, str) else message.id[0]
            if message.string and all(message.string):
                found[str(one)] = message.string if isinstance(message.string, str) else tuple(message.string)
    return found
