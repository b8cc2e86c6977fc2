"""When two spellings mean the same name."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence

# Letters that Unicode does not take apart into a base letter and a mark.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})
_GAPS = re.compile(r"[\s\-‐‑–—_'’ʼ`´./]+")
_PARTS = re.compile(r"\s*[/;|]\s*|\s+[-–—]\s+")
_CONTROLS = frozenset(("Cc", "Cs", "Co", "Zl", "Zp"))
_JOINERS = "\u200c\u200d"  # they shape letters of Persian and Hindi
_BRACKETS = re.compile(r"\s*\([^)]*\)\s*$")


def fold(text: str) -> str:
    """A name without case, accents and punctuation: ``Saint-Étienne`` and ``saint etienne`` fold to the same.

    Only the marks of Latin, Greek and Cyrillic letters are dropped: elsewhere they are part of the letter.
    """
    # Taking letters apart can bring out capitals, and small letters can come apart again: each is done twice.
    apart = text
    for _ in range(2):
        apart = unicodedata.normalize("NFKD", apart).casefold()
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", apart) if not 0x300 <= ord(letter) <= 0x36F)
    return _GAPS.sub(" ", bare.translate(_LETTERS)).strip()


def spellings(label: str) -> frozenset[str]:
    """All folded names that a label stands for: ``Bolzano/Bozen`` is also ``bolzano`` and ``bozen``."""
    whole = [label, _BRACKETS.sub("", label)]
    parts = [part for name in whole for part in _PARTS.split(name)]
    return frozenset(folded for folded in map(fold, [*whole, *parts]) if folded)


def closest(query: str, known: Iterable[str]) -> list[str]:
    """Up to three known names that look like the query, best first."""
    by_fold: dict[str, str] = {}
    for name in known:
        for spelling in sorted(spellings(name)):
            by_fold.setdefault(spelling, name)
    near = difflib.get_close_matches(fold(query), list(by_fold), n=6, cutoff=0.65)
    return list(dict.fromkeys(by_fold[folded] for folded in near))[:3]


def one_line(text: str) -> str:
    """Make a text of a stranger's harmless to a terminal and to a line: no line breaks, no control characters.

    What a terminal would obey (escape, bell, carriage return, the C1 codes) becomes a space; what cannot be seen and turns the
    direction of writing around is dropped; letters of every script stay.
    """
    kinds = ((letter, unicodedata.category(letter)) for letter in text)
    harmless = (" " if kind in _CONTROLS else letter for letter, kind in kinds if kind != "Cf" or letter in _JOINERS)
    return " ".join("".join(harmless).split())


def brief(text: str, *, most: int = 60) -> str:
    """A text as an error quotes it: one line, quoted, cut where it is long."""
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= most else flat[: most - 1] + "…")


def shortened(names: Sequence[str], *, most: int = 12) -> str:
    """The names in one line; beyond ``most`` only their number."""
    rest = f" … and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
