"""Names out of attribute tables: a name is what a column's values say, not its title."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from howgreen.core.text import spellings, variants

Row = Mapping[str, str]
"""Attributes of one feature: its texts and whole numbers, by column."""

_SPLIT = re.compile(r"(?<=[a-z])(?=[A-Z])|[\W_\d]+")
_NAME_WORDS = frozenset((
    "name", "names", "nom", "nome", "nombre", "naam", "namn", "navn", "nimi", "nm", "nam", "label", "title", "city",
    "town", "place", "gemeinde", "commune", "comune", "comuna", "municipio", "municipality", "district", "bezirk",
    "stadtteil", "ortsteil", "quartier", "quartiere", "barrio", "gen", "nomgeo", "community", "neighborhood",
    "neighbourhood", "borough", "ward", "suburb", "parish", "denominaci", "denominacion", "denominazione",
    "bezeichnung",
))  # fmt: skip
_NAME_ENDS = ("name", "naam", "navn", "namn", "nam", "nm")
# Numbers of these titles count or measure; those of the next are the row's place in somebody's table.
_MEASURES = re.compile(
    r"pop|area|shape|count|sum|total|leng|perim|house|elev|year|date|lat|lon|rank|scale", re.IGNORECASE
)
_IDENTIFIES = re.compile(
    r"(^|_|\d)(num|no|nr|code|cod|cd|id|dist|zone|sect|prec)|(id|code|cd|nr|no|num|dist)(_|\d|$)", re.IGNORECASE
)
_ROW_NUMBERS = re.compile(r"^(object|ogc_?f|f|g|u|row_?|feature_?)?_?id(_\d)?$|^index$", re.IGNORECASE)
_CODE = re.compile(r"^(\S*\d\S*|[A-Z]{1,3}|[A-Z]{2,3}([.\-_][A-Z0-9]+)+|\S+://.*|\S+@\S+|#.*|(?i:true|false|yes|no))$")
_LONGEST_NAME = 80
# A column whose title says nothing is a name when it tells (nearly) all features apart, and the titled ones do not.
_TELLS_APART = 0.9
_TITLED_TELLS = 0.5


def is_titled(column: str) -> bool:
    """Tell whether a column's title says that it holds names: ``shapeName``, ``LAD21NM``, ``NM_MUN``, ``Stadtteil``."""
    words = _SPLIT.sub(" ", column).lower().split()
    return any(word in _NAME_WORDS or word.startswith("name") or word.endswith(_NAME_ENDS) for word in words)


def looks_like_name(value: str) -> bool:
    """Tell whether a value reads as a name, and not as a code, a number, an address or a sentence."""
    return len(value) <= _LONGEST_NAME and any(map(str.isalpha, value)) and not _CODE.match(value)


def name_column(rows: Sequence[Row], *, given: str | None = None) -> str | None:
    """Find the column of the features' names; None where there is none.

    Of columns whose values read as names, the one that tells most features apart: ``NAME_2`` where ``NAME_0`` and
    ``NAME_1`` are the same for all. Where there are none, whole numbers that differ everywhere are the names.

    Parameters
    ----------
    given
        The column that a user named, in any case; it is taken where it is there.

    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if given is not None:
        return next((column for column in columns if column.lower() == given.lower()), None)
    values = {column: [row[column] for row in rows if column in row] for column in columns}
    apart = {column: len(set(values[column])) for column in columns}
    named = [column for column in columns if _mostly_names(values[column])]
    titled = _best([column for column in named if is_titled(column)], apart)
    if len(rows) == 1:
        return titled or _best([column for column in columns if is_titled(column)], apart)
    plain = _best([column for column in named if apart[column] >= _TELLS_APART * len(rows)], apart)
    if titled and apart[titled] > 1 and (not plain or apart[titled] >= _TITLED_TELLS * len(rows)):
        return titled
    numbered = _best([column for column in columns if is_titled(column) and apart[column] > 1], apart)
    return plain or _tells_all_apart(values, len(rows)) or numbered or titled


def _mostly_names(values: Sequence[str]) -> bool:
    return 2 * sum(map(looks_like_name, values)) > len(values)


def _best(columns: Sequence[str], apart: Mapping[str, int]) -> str | None:
    """Pick of some columns the one with most different values; ``name`` itself and then the first where they draw."""
    return max(columns, key=lambda column: (apart[column], column.lower() == "name"), default=None)


def number_column(rows: Sequence[Row]) -> str | None:
    """Find the column of codes or whole numbers that tells all rows apart; None where there is none."""
    columns = dict.fromkeys(column for row in rows for column in row)
    return _tells_all_apart({column: [row[column] for row in rows if column in row] for column in columns}, len(rows))


def _tells_all_apart(values: Mapping[str, Sequence[str]], count: int) -> str | None:
    """Find the column in which all features differ, titled ones first."""
    different = [c for c, v in values.items() if len(v) == len(set(v)) == count and not _MEASURES.search(c)]
    ranked = sorted(different, key=lambda c: (not is_titled(c), bool(_ROW_NUMBERS.match(c)), not _IDENTIFIES.search(c)))
    return ranked[0] if ranked else None


def rows_called(rows: Sequence[Row], names: Sequence[str | None], query: str) -> dict[int, str]:
    """Find the rows that bear a name: their position, and the value that says so.

    Their own names decide before other columns. Of these, columns of codes and remarks count only where they tell one row.
    """
    ways = variants(query)
    own = {i: name for i, name in enumerate(names) if name and not ways.isdisjoint(spellings(name))}
    if own:
        return own
    by_column: dict[str, dict[int, str]] = {}
    for i, row in enumerate(rows):
        for column, value in row.items():
            if len(value) <= 2 * _LONGEST_NAME and not ways.isdisjoint(spellings(value)):
                by_column.setdefault(column, {})[i] = value
    usable = {
        column: hits
        for column, hits in by_column.items()
        if len(hits) == 1 or is_titled(column) or _mostly_names([row[column] for row in rows if column in row])
    }
    return min(usable.values(), key=len, default={})
