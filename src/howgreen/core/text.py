"""Text rules: when two spellings are the same name, names safe for files, and untrusted text as one harmless line."""

from __future__ import annotations

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

# Letters that Unicode does not decompose into a base letter and a mark.
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})
# Their spelling on a keyboard or in a file limited to a to z.
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_ABBREVIATED = {"saint": "st", "sankt": "st", "sainte": "ste", "fort": "ft", "mount": "mt"}
_CAN_BE_SHORT = frozenset(_ABBREVIATED)
# Characters that only mark a sound between two letters (okina, apostrophes), or are invisible.
_APOSTROPHES = re.compile(r"['\u2019\u2018\u02bb\u02bc\u02b9\u02be\u02bf\ua78c\u201b\u2032\u00b4`\u05f3]")
_UNSEEN = re.compile("[\u00ad\u0640\u200b-\u200f\u2060\ufeff]")
_GAPS = re.compile(r"[\s\-‐‑–—_·・./]+")
# Combining marks: accents of Latin, Greek and Cyrillic, vowel signs of Hebrew and Arabic, which most texts omit.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u064b-\u065f\u0670]")
_PARTS = re.compile(r"\s*[/;|]\s*|\s+[-–—]\s+")
_CONTROLS = frozenset(("Cc", "Cs", "Co", "Zl", "Zp"))
_JOINERS = "\u200c\u200d"  # they shape letters in Persian and Hindi
_BRACKETS = re.compile(r"\s*\([^)]*\)\s*$")


def normalise(text: str) -> str:
    """Reduce a name to a form without case, accents and punctuation: ``Saint-Étienne`` becomes ``saint etienne``.

    Marks that most texts omit are dropped (Latin, Greek, Cyrillic, Hebrew, Arabic); elsewhere they belong to the
    letter.
    """
    if text.isascii():
        return _GAPS.sub(" ", _APOSTROPHES.sub("", text).casefold()).strip()
    # Decomposing can yield capitals, and lower-case letters can decompose again: do each twice.
    apart = _UNSEEN.sub("", _APOSTROPHES.sub("", text))
    for _ in range(2):
        apart = unicodedata.normalize("NFKD", apart).casefold()
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", apart))
    shown = _UNSEEN.sub("", _APOSTROPHES.sub("", bare))  # decomposing can yield these as well
    return _GAPS.sub(" ", shown.translate(_LETTERS)).strip()


def variants(name: str) -> frozenset[str]:
    """List the normalised spellings of a name: ``Müllheim`` and ``muellheim``, ``Saint-Denis`` and ``st denis``."""
    written = {normalise(name)}
    if _APOSTROPHES.search(name):
        written.add(normalise(_APOSTROPHES.sub(" ", name)))
    if not name.isascii():
        composed = unicodedata.normalize("NFC", name).casefold()
        written.add(normalise(composed.translate(_SPELT_OUT)))
    words = [text.split() for text in written]
    written |= {
        " ".join(_ABBREVIATED.get(word, word) for word in text) for text in words if _CAN_BE_SHORT.intersection(text)
    }
    return frozenset(written - {""})


@lru_cache(maxsize=4096)  # tables repeat the levels above: the province of each town
def spellings(label: str) -> frozenset[str]:
    """List all normalised names in a label: ``Bolzano/Bozen`` is also ``bolzano`` and ``bozen``."""
    names = {label, _BRACKETS.sub("", label)} if "(" in label else {label}
    names |= {part for name in names if _PARTS.search(name) for part in _PARTS.split(name)}
    return frozenset(written for name in names for written in variants(name))


def is_called(label: str, query: str) -> bool:
    """Tell whether a query, in any spelling, is one of a label's names."""
    return not variants(query).isdisjoint(spellings(label))


_SHORTEST_PART = 4
"""Letters of a part of a name from which on it is no article."""


def closest(query: str, known: Iterable[str]) -> list[str]:
    """Find up to three known names similar to the query, best first."""
    by_spelling: dict[str, str] = {}
    for name in known:
        for spelling in sorted(spellings(name)):
            by_spelling.setdefault(spelling, name)
    asked = normalise(query)
    near = difflib.get_close_matches(asked, list(by_spelling), n=6, cutoff=0.65)
    if len(asked) >= _SHORTEST_PART:  # a part of a long name in whole words: Tlaxcala of Tlaxcala de Xicohténcatl
        near += [spelling for spelling in by_spelling if f" {asked} " in f" {spelling} "]
    return list(dict.fromkeys(by_spelling[spelling] for spelling in near))[:3]


def slug(text: str) -> str:
    """Make a lower-case ASCII name for files, ``Bolzano/Bozen`` -> ``bolzano-bozen``; a hash if nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")
    return short or "x" + hashlib.sha256(text.encode()).hexdigest()[:12]


def harmless(text: str) -> str:
    """Make untrusted lines of text harmless to a terminal; breaks and spaces are kept.

    Control characters (escape, bell, carriage return, the C1 codes) become spaces; invisible characters that change the
    text direction are dropped; letters of every script stay.
    """
    if text.isprintable():
        return text
    kinds = ((letter, unicodedata.category(letter)) for letter in text)
    return "".join(
        " " if kind in _CONTROLS and letter != "\n" else letter
        for letter, kind in kinds
        if kind != "Cf" or letter in _JOINERS
    )


def one_line(text: str) -> str:
    """Reduce untrusted text to one harmless line: as :func:`harmless`, with single spaces between words."""
    return " ".join(harmless(text).split())


def truncate(text: str, *, most: int = 60) -> str:
    """Quote a text for an error: one line without control characters, truncated if long."""
    flat = one_line(text)
    mark = '"' if "'" in flat and '"' not in flat else "'"
    return f"{mark}{flat if len(flat) <= most else flat[: most - 1] + '…'}{mark}"


def truncate_list(names: Sequence[str], *, most: int = 12) -> str:
    """List names in one line; beyond ``most``, only their number."""
    rest = f" … and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
