"""The list of cities: a table of names, or a vector file of limits."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import InputError, TableError
from howgreen.core.text import slug

if TYPE_CHECKING:
    from howgreen.core.types import City

MOST_CITIES = 20_000
LARGEST_TABLE_BYTES = 64 << 20
_NAMES = ("name", "city", "place", "municipality")
_LIMITS = re.compile(r"\.(?:geojson|gpkg|json|kml|shp|zip)$|^(?:MULTI)?POLYGON\b|^\{", re.IGNORECASE)
"""Matches a cell that contains a boundary."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One city of a list."""

    key: str
    """Name of its folder, unique within a list."""
    name: str
    place: str | City
    """Query to look up: a name, an id or coordinates; or the place itself."""


def folder_of(key: str, out: Path, year: int | None = None) -> Path:
    """Return the folder of a city's report; those of years are siblings, so that no report lies inside another."""
    return out / "cities" / key if year is None else out / "years" / str(year) / key


def read_list(path: Path, *, name_column: str | None = None, level: int | None = None) -> tuple[Entry, ...]:
    """Read the cities from a CSV table (columns ``name`` and, if the query differs, ``place``), a vector file or an extract.

    Parameters
    ----------
    level
        For an OpenStreetMap extract: administrative level of the areas, 8 for municipalities in many countries.

    Raises
    ------
    TableError
        No such file, no names, or a row with unusable limits.
    """
    if not path.is_file():
        raise TableError(
            f"{path}: no such file; give a CSV with a column name, or a vector file with the cities' limits"
        )
    if is_extract(path):
        found: Iterator[tuple[str, Any]] = _of_extract(path, level)
    elif level is not None:
        raise TableError(f"{path}: no OpenStreetMap extract (.osm.pbf), and only that has levels; leave --level out")
    elif path.suffix.lower() in (".csv", ".tsv", ".txt"):
        found = _of_table(path, name_column)
    else:
        found = _of_shapes(path, name_column)
    entries = list(found)
    if not entries:
        raise TableError(f"{path}: holds no city")
    if len(entries) > MOST_CITIES:
        raise TableError(f"{path}: {len(entries)} cities are more than {MOST_CITIES}; split the list")
    return tuple(_with_keys(entries))


def is_extract(path: Path) -> bool:
    """Tell whether a file is an OpenStreetMap extract, by its name."""
    return path.name.lower().endswith((".osm.pbf", ".osm", ".osm.bz2", ".osm.gz"))


def _of_extract(path: Path, level: int | None) -> Iterator[tuple[str, str]]:
    """Yield the areas of an administrative level by id, sorted by name."""
    from howgreen.osm.extract import read_areas

    if level is None:
        raise TableError(f"{path}: say which areas with --level, such as 8 for municipalities")
    found = read_areas(
        path,
        tags=[("boundary", "administrative")],
        matches=lambda _, tags: (
            tags.get("boundary") == "administrative"
            and tags.get("admin_level") == str(level)
            and bool(tags.get("name"))
        ),
    )
    whole = [(found.tags[key]["name"], f"{key.kind}{key.number}") for key in found.shapes]
    if not whole:
        raise TableError(f"{path}: holds no whole area of level {level}; try another --level")
    yield from sorted(whole)


def _with_keys(found: list[tuple[str, Any]]) -> Iterator[Entry]:
    """Give each city a unique folder name; the second Neustadt is ``neustadt-2``, unless another city has that name."""
    own = {slug(name) for name, _ in found}
    seen: Counter[str] = Counter()
    for name, place in found:
        key = first = slug(name)
        seen[first] += 1
        while seen[first] > 1 and (key := f"{first}-{seen[first]}") in own:
            seen[first] += 1
        yield Entry(key=key, name=name, place=place)


def _of_table(path: Path, name_column: str | None) -> Iterator[tuple[str, str]]:
    if path.stat().st_size > LARGEST_TABLE_BYTES:
        raise TableError(f"{path}: larger than {LARGEST_TABLE_BYTES >> 20} MiB, no list of cities")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: is not written in UTF-8; save it so") from error
    head = text.splitlines()[0] if text else ""
    reader = csv.DictReader(text.splitlines(), delimiter=max(",;\t", key=head.count))
    names = {str(field).strip().lower(): field for field in reader.fieldnames or ()}
    column = (
        names.get(name_column.lower()) if name_column else next((names[one] for one in _NAMES if one in names), None)
    )
    if column is None:
        raise TableError(
            f"{path}: no column {name_column or 'name'!r} (there: {', '.join(names) or 'none'}); say it with --name-column"
        )
    query = names.get("place", column)
    for number, row in enumerate(reader, 2):
        limits = next((field for field in row if field and _LIMITS.search(str(row[field] or "").strip())), None)
        if limits not in (None, column, query):
            raise TableError(
                f"{path}: limits are not read from a table's column ({limits!r}); give one vector file with all of them as LIST"
            )
        if any(cell.strip() for cell in row.get(None) or ()):
            raise TableError(
                f'{path}: line {number} has more fields than the header; quote what holds a comma: "Lyon, France"'
            )
        name, place = (str(row.get(one) or "").strip() for one in (column, query))
        if not name and not place:
            continue
        if not name or not place:
            raise TableError(f"{path}: line {number} has no name or no place")
        yield name, place


def _of_shapes(path: Path, name_column: str | None) -> Iterator[tuple[str, City]]:
    import geopandas as gpd
    import pyogrio

    from howgreen.core.vector_files import vector_files
    from howgreen.place import place_from_geometry

    try:
        with vector_files(path) as (file, *_):
            layers = [str(name) for name, kind in pyogrio.list_layers(file.gdal_path) if kind is not None]
            if len(layers) > 1:
                raise TableError(f"{path}: holds {len(layers)} layers ({', '.join(layers)}); give a file of one")
            frame = gpd.read_file(file.gdal_path, layer=layers[0] if layers else None)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, ValueError) as error:
        raise TableError(f"{path}: neither a CSV nor a vector file ({str(error).splitlines()[0][:120]})") from error
    columns = {str(one).lower(): str(one) for one in frame.columns if one != "geometry"}
    column = (
        columns.get(name_column.lower())
        if name_column
        else next((columns[one] for one in _NAMES if one in columns), None)
    )
    if column is None:
        raise TableError(
            f"{path}: no column {name_column or 'name'!r} (there: {', '.join(columns) or 'none'}); say it with --name-column"
        )
    for number in range(len(frame)):
        row = frame.iloc[[number]]
        name = str(row[column].iloc[0] or "").strip() or f"number {number + 1}"
        try:
            yield (
                name,
                place_from_geometry(row.rename(columns={column: "name"}) if column != "name" else row, name=name),
            )
        except InputError as error:
            told = str(error).removeprefix(f"{name}: ")
            raise TableError(f"{path}: {name}: {told}") from error
