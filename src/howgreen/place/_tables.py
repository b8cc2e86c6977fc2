"""Outlines as text: files of WKT, and tables with a column of WKT or hexadecimal WKB, as databases export them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyproj
import shapely

_SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".wkt"})
_WKT = re.compile(r"\s*(?:SRID\s*=\s*(\d+)\s*;)?\s*((?:MULTI)?POLYGON|GEOMETRYCOLLECTION)\s*(?:Z|M|ZM)?\s*[(E]", re.I)
_WKB = re.compile(r"\s*(?:\\x)?(0[01][0-9A-F]{8}[0-9A-F]*)\s*", re.I)
_SEPARATORS = ",;\t|"
_LOOKED_AT = 100


def is_table(path: Path) -> bool:
    """Tell by its name whether a file is a text table of outlines."""
    return path.suffix.lower() in _SUFFIXES and path.is_file()


def read_table(path: Path) -> gpd.GeoDataFrame:
    """Read the rows of a table (UTF-8) with a column of outlines, or the one outline of a WKT file.

    The CRS is that of the outlines' SRID, if they have one.

    Raises
    ------
    ValueError
        With a short reason: it has no outlines, or a broken one.

    """
    text = path.read_bytes().decode("utf-8-sig")
    if _WKT.match(text):
        table = pd.DataFrame({"wkt": [text]})
    else:
        head = text.partition("\n")[0]
        table = pd.read_csv(
            io.StringIO(text), sep=max(_SEPARATORS, key=head.count), dtype=str, keep_default_na=False, index_col=False
        )
    column = next((name for name in table if _holds_outlines(table[name].tolist())), None)
    if column is None:
        raise ValueError("a text without outlines, or a table without a column of them (WKT, or WKB in hexadecimal)")
    shapes, codes = zip(*(_shape(value, number) for number, value in enumerate(table[column], 1)), strict=True)
    known = {code for code in codes if code}
    if len(known) > 1:
        raise ValueError(f"outlines of several SRIDs ({', '.join(map(str, sorted(known)))}); save them in one")
    crs = _crs(known.pop()) if known else None
    return gpd.GeoDataFrame(table.drop(columns=column), geometry=list(shapes), crs=crs)


def _crs(code: int) -> pyproj.CRS:
    try:
        return pyproj.CRS.from_epsg(code)
    except pyproj.exceptions.CRSError as error:
        raise ValueError(f"SRID {code} is not known to EPSG; save the outlines in EPSG:4326") from error


def _holds_outlines(values: Sequence[str]) -> bool:
    filled = [value for value in values if value.strip()][:_LOOKED_AT]
    return bool(filled) and all(_WKT.match(value) or _WKB.fullmatch(value) for value in filled)


def _shape(value: str, number: int) -> tuple[shapely.Geometry | None, int]:
    """Read one outline and its SRID, 0 if it has none."""
    if not value.strip():
        return None, 0
    binary, match = _WKB.fullmatch(value), _WKT.match(value)
    shape = shapely.from_wkb(binary[1], on_invalid="fix") if binary else None
    shape = shapely.from_wkt(value.rpartition(";")[2], on_invalid="fix") if match else shape
    if shape is None:
        raise ValueError(f"the outline of row {number} is broken")
    return shape, int(match[1] or 0) if match else int(shapely.get_srid(shape))
