"""The files of a ranking: CSV, GeoPackage, GeoParquet if pyarrow is installed, and the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.batch._page import page, ranking_of, spoken
from howgreen.batch._ranking import Change, Ranked, Row, by_year, changes, ranked
from howgreen.core.files import atomic_path, scratch_folder, write_atomic

if TYPE_CHECKING:
    import geopandas as gpd

COLUMNS: Mapping[str, str] = {
    "rank": "int64",
    "rank_best": "int64",
    "rank_worst": "int64",
    "n_ties": "int64",
    "ties": "string",
    "key": "string",
    "name": "string",
    "year": "int64",
    "label": "string",
    "counted": "string",
    "green_ratio": "double",
    "low": "double",
    "high": "double",
    "model_low": "double",
    "model_high": "double",
    "level": "double",
    "observed_ratio": "double",
    "land_area_m2": "double",
    "change_since": "int64",
    "change": "double",
    "change_low": "double",
    "change_high": "double",
    "change_told": "bool",
    "first_date": "string",
    "last_date": "string",
    "n_dates": "int64",
    "sensor": "string",
    "series": "string",
    "model": "string",
    "plan_sha256": "string",
    "warnings": "string",
    "error": "string",
}
"""Columns of all three tables, in order, with their types; ratios 0-1, areas in square metres, lists separated by
blanks. Empty without an answer. Ranks are among the cities of the same year."""
_DTYPES = {"int64": "Int64", "double": "float64", "bool": "boolean"}


def write_ranking(rows: Sequence[Row], out: Path, *, year: int | None = None, language: str = "en") -> list[Path]:
    """Write the tables and the page of a ranking, each atomically; return the files.

    Parameters
    ----------
    year
        Year whose order the page shows; None for the last.
    language
        Language of the page.
    """
    out.mkdir(parents=True, exist_ok=True)
    records, kept = table(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_atomic(out / "ranking.csv", text.getvalue())
    frame = _frame(records, kept)
    with scratch_folder(out, ".ranking-") as scratch:  # GDAL requires the file's real suffix
        frame.to_file(scratch / "ranking.gpkg", layer="ranking", driver="GPKG", engine="pyogrio")
        (scratch / "ranking.gpkg").replace(out / "ranking.gpkg")
    files = [out / "ranking.csv", out / "ranking.gpkg"]
    if find_spec("pyarrow") is not None:
        with atomic_path(out / "ranking.parquet") as part:
            frame.to_parquet(part, compression="zstd", schema_version="1.1.0", write_covering_bbox=True)
        files.append(out / "ranking.parquet")
    found = ranking_of(rows, year=year)
    write_atomic(out / "ranking.html", page(found, files=[file.name for file in files], language=spoken(language)))
    return [out / "ranking.html", *files]


def table(rows: Sequence[Row]) -> tuple[list[dict[str, Any]], list[Row]]:
    """Make a record of COLUMNS per row, by year, greenest first and unanswered rows last; return the rows as well."""
    changed, records, kept = changes(rows), [], []
    for of_year in by_year(rows).values():
        order = ranked(of_year)
        failed = [row for row in of_year if row.green_ratio is None]
        records += [_record(one, changed.get((one.row.key, one.row.year or 0))) for one in order]
        records += [_of_row(row) for row in failed]
        kept += [*(one.row for one in order), *failed]
    return records, kept


def _record(one: Ranked, change: Change | None) -> dict[str, Any]:
    places = {"rank": one.rank, "rank_best": one.best, "rank_worst": one.worst, "n_ties": one.n_ties}
    since = (
        {}
        if change is None
        else {
            "change_since": change.since,
            "change": change.change,
            "change_low": change.low,
            "change_high": change.high,
            "change_told": change.is_told,
        }
    )
    return {**_of_row(one.row), **places, **since, "ties": " ".join(one.ties)}


def _of_row(row: Row) -> dict[str, Any]:
    values = {name: getattr(row, name, None) for name in COLUMNS}
    return {**values, "ties": "", "warnings": " ".join(row.warnings)}


def _frame(records: Sequence[dict[str, Any]], rows: Sequence[Row]) -> gpd.GeoDataFrame:
    import geopandas as gpd
    import pandas as pd
    from shapely import from_wkt

    shapes = [from_wkt(row.wkt) if row.wkt else None for row in rows]
    frame = gpd.GeoDataFrame(list(records), columns=list(COLUMNS), geometry=shapes, crs="EPSG:4326")
    for name, kind in COLUMNS.items():
        frame[name] = frame[name].fillna("") if kind == "string" else pd.array(frame[name], dtype=_DTYPES[kind])
    return frame
