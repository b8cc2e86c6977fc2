"""Find names in attribute tables by a column's values, not its title."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from howgreen.core.text import spellings, variants

Row = Mapping[str, str]
"""Attributes of one feature, strings and integers, by column."""

_SPLIT = re.compile(r"(?<=[a-z])(?=[A-Z])|[\W_\d]+")
_NAME_WORDS = frozenset((
    "name", "names", "nom", "nome", "nombre", "naam", "namn", "navn", "nimi", "nm", "nam", "label", "title", "city",
    "town", "place", "gemeinde", "commune", "comune", "comuna", "municipio", "municipality", "district", "bezirk",
    "stadtteil", "ortsteil", "quartier", "quartiere", "barrio", "gen", "nomgeo", "community", "neighborhood",
    "neighbourhood", "borough", "ward", "suburb", "parish", "denominaci", "denominacion", "denominazione",
    "bezeichnung",
))  # fmt: skip
_NAME_ENDS = ("name", "naam", "navn", "namn", "nam", "nm")
# Numbers under the first titles count or measure; under the last ones they are row numbers of somebody's table.
_MEASURES = re.compile(
    r"pop|area|shape|count|sum|total|leng|perim|house|elev|year|date|lat|lon|rank|scale", re.IGNORECASE
)
_IDENTIFIES = re.compile(
    r"(^|_|\d)(num|no|nr|code|cod|cd|id|dist|zone|sect|prec)|(id|code|cd|nr|no|num|dist)(_|\d|$)", re.IGNORECASE
)
_ROW_NUMBERS = re.compile(r"^(object|ogc_?f|f|g|u|row_?|feature_?)?_?id(_\d)?$|^index$", re.IGNORECASE)
_CODE = re.compile(r"^(\S*\d\S*|[A-Z]{1,3}|[A-Z]{2,3}([.\-_][A-Z0-9]+)+|\S+://.*|\S+@\S+|#.*|(?i:true|false|yes|no))$")
_LONGEST_NAME = 80
# A column with a meaningless title holds names if it distinguishes (nearly) all features, and the titled ones do not.
_TELLS_APART = 0.9
_TITLED_TELLS = 0.5


def is_titled(column: str) -> bool:
    """Tell whether a column's title says that it holds names: ``shapeName``, ``LAD21NM``, ``NM_MUN``, ``Stadtteil``."""
    words = _SPLIT.sub(" ", column).lower().split()
    return any(word in _NAME_WORDS or word.startswith("name") or word.endswith(_NAME_ENDS) for word in words)


def looks_like_name(value: str) -> bool:
    """Tell whether a value reads as a name, rather than a code, number, address or sentence."""
    return len(value) <= _LONGEST_NAME and any(map(str.isalpha, value)) and not _CODE.match(value)


def name_column(rows: Sequence[Row], *, given: str | None = None) -> str | None:
    """Find the column of the features' names; None if there is none.

    Among columns whose values read as names, take the one that distinguishes most features: ``NAME_2`` if ``NAME_0``
    and ``NAME_1`` are the same for all. Without such columns, use integers that are unique.

    Parameters
    ----------
    given
        Column named by the user, in any case; used if it exists.

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
    """Return the column with most distinct values; on a tie, ``name`` itself, then the first."""
    return max(columns, key=lambda column: (apart[column], column.lower() == "name"), default=None)


def number_column(rows: Sequence[Row]) -> str | None:
    """Find the column of codes or integers that is unique in all rows; None if there is none."""
    columns = dict.fromkeys(column for row in rows for column in row)
    return _tells_all_apart({column: [row[column] for row in rows if column in row] for column in columns}, len(rows))


def _tells_all_apart(values: Mapping[str, Sequence[str]], count: int) -> str | None:
    """Find the column that is unique in all features, titled ones first."""
    different = [c for c, v in values.items() if len(v) == len(set(v)) == count and not _MEASURES.search(c)]
    ranked = sorted(different, key=lambda c: (not is_titled(c), bool(_ROW_NUMBERS.match(c)), not _IDENTIFIES.search(c)))
    return ranked[0] if ranked else None


def rows_called(rows: Sequence[Row], names: Sequence[str | None], query: str) -> dict[int, str]:
    """Find the rows with a name: their positions, and the value that matches.

    The rows' own names take precedence over other columns. Columns of codes and remarks count only if they match a
    single row.
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
