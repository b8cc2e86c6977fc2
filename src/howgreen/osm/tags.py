"""OpenStreetMap tags of administrative limits: names, level, kind, population."""

from __future__ import annotations

import re
from collections.abc import Mapping

from howgreen.core.text import spellings
from howgreen.core.types import Population

PLACES = ("city", "town", "municipality", "village", "borough", "suburb", "quarter")
"""Values of ``place`` whose polygons can serve as limits."""

_NAME_KEY = re.compile(r"^(name|(alt|official|int|short|loc|nat|reg)_name)(:.+)?$")
# The meaning of levels differs by country; these words only distinguish candidates.
_KINDS = {2: "country", 3: "region", 4: "region", 5: "region", 6: "county", 7: "district", 8: "municipality"}


def names_of(tags: Mapping[str, str]) -> frozenset[str]:
    """Collect all names in all languages, normalised."""
    labels = (value for key, value in tags.items() if _NAME_KEY.match(key))
    return frozenset(name for label in labels for name in spellings(label))


def level_of(tags: Mapping[str, str]) -> int | None:
    """Read the admin_level, 2 (country) to 11; None if absent or invalid."""
    text = tags.get("admin_level", "")
    return int(text) if text.isdecimal() and 2 <= int(text) <= 11 else None


def kind_of(tags: Mapping[str, str]) -> str:
    """Return a word that distinguishes candidates: ``city``, ``county``, ..."""
    census = "census area" if tags.get("boundary") == "census" else ""
    return tags.get("place") or tags.get("border_type") or census or kind_of_level(level_of(tags))


def kind_of_level(level: int | None) -> str:
    """Return the usual kind of areas at this level."""
    return _KINDS.get(level or 0, "administrative area")


def population_of(tags: Mapping[str, str]) -> tuple[Population | None, str]:
    """Read the population with its year; a figure without a year is ignored, and the second value says so."""
    digits = re.sub(r"[\s,.'’]", "", tags.get("population", ""))
    if not (digits.isascii() and digits.isdecimal() and int(digits) > 0):
        return None, ""
    year = re.match(r"\d{4}", tags.get("population:date") or tags.get("population:year") or "")
    if not year:
        return None, f"OpenStreetMap's population of {int(digits):,} has no year and is left out"
    source = f"OpenStreetMap ({tags['source:population']})" if "source:population" in tags else "OpenStreetMap"
    return Population(count=int(digits), year=int(year[0]), source=source), ""
