"""Communes and municipal arrondissements of France: IGN's ADMIN EXPRESS COG, from its WFS or a downloaded file.

Field names are those of edition 4 (``code_insee``, ``nom_officiel``); files of older editions (``INSEE_COM``, ``NOM``)
are read as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely
import shapely.geometry

from howgreen.core.errors import AmbiguousPlaceError, AreaError, PlaceNotFoundError
from howgreen.core.text import is_called, normalise, truncate
from howgreen.core.types import City, District, Population
from howgreen.core.vector_files import VectorFile, vector_files
from howgreen.net.client import Client, Request
from howgreen.net.http import parse_json
from howgreen.place._osm_boundaries import add_districts, clipped
from howgreen.place._shapes import clean, from_shape

if TYPE_CHECKING:
    import pandas as pd
    from shapely.geometry.base import BaseGeometry

LICENCE = "IGN ADMIN EXPRESS COG, Licence Ouverte 2.0"
MOST_FEATURES = 500
"""Most features per request; no name in France is as frequent."""
_COMMUNES = "ADMINEXPRESS-COG.LATEST:commune"
_ARRONDISSEMENTS = "ADMINEXPRESS-COG.LATEST:arrondissement_municipal"
_PARENT = "code_insee_de_la_commune_de_rattach"
_DIVIDED = {"75056": "751", "69123": "6938", "13055": "132"}
"""The communes with municipal arrondissements, and the prefix of those arrondissements' codes."""

_QUERY = re.compile(r"^\s*(?:ign|insee)\s*:\s*(.+?)\s*$", re.IGNORECASE)
_CODE = re.compile(r"^\d[\dAB]\d{3}$")
_COLUMNS = {
    "code": ("code_insee", "insee_arm", "insee_com"),
    "name": ("nom_officiel", "nom"),
    "parent": (_PARENT, "insee_com"),
    "population": ("population",),
    "census": ("date_du_recensement",),
}
_MARK = re.compile(r"(COMMUNE|ARR_MUN\w*|ARRONDISSEMENT\w*)_?\d{6}", re.IGNORECASE)
# The filter uses wildcards for everything that folding changes in French names: one character for a letter that may
# carry an accent, any number for ligatures and non-letters. Folding then decides among the results.
_GAP = re.compile(r"oe|ae|[^a-z0-9]+")
_ACCENTED = re.compile(r"[aceiouy]")
_APOSTROPHE = re.compile(r"['\u2019\u02bc`\u00b4]")
_SAINT = re.compile(r"(?<![a-z0-9_])(?:s__nt|st)%")


@dataclass(frozen=True, kw_only=True)
class Commune:
    """A commune or arrondissement of IGN's data."""

    code: str
    """INSEE code: ``69123``."""
    name: str
    parent: str
    """INSEE code of an arrondissement's commune; empty for communes."""
    population: Population | None
    without_year: int | None
    """Population published without a census year."""
    shape: BaseGeometry | None
    """EPSG:4326."""


def is_query(query: str) -> bool:
    """Tell whether a query is for IGN: ``ign:69123``, ``ign:Lyon``, ``insee:69123``."""
    return _QUERY.match(query) is not None


def search(query: str, *, client: Client) -> list[City]:
    """Find the communes with a name, or the commune or arrondissement with an INSEE code, without their districts.

    Parameters
    ----------
    query
        ``ign:69123`` or ``ign:Lyon``.

    Raises
    ------
    PlaceNotFoundError
        When there is none.
    AreaError
        When its limits are broken.
    NetworkError
        When the service does not answer.

    """
    name_or_code = _name_or_code(query)
    arrondissement = any(name_or_code.startswith(start) and name_or_code != whole for whole, start in _DIVIDED.items())
    if not re.search(r"[a-z0-9]", normalise(name_or_code)):
        raise PlaceNotFoundError(f"{truncate(query)}: no name and no INSEE code; write ign:69123 or ign:Lyon")
    layer = _ARRONDISSEMENTS if _CODE.match(name_or_code) and arrondissement else _COMMUNES
    communes = [
        commune for commune in _fetched(layer, name_filter(name_or_code), client=client) if _is(commune, name_or_code)
    ]
    if not communes:
        raise PlaceNotFoundError(
            f"{truncate(query)}: IGN knows no commune of this name or INSEE code; write ign:69123 or ign:Lyon"
        )
    return [city_of(commune, name=query) for commune in sorted(communes, key=lambda commune: commune.code)]


def with_districts(city: City, *, client: Client) -> City:
    """Give Paris, Lyon and Marseille their municipal arrondissements; other communes have none.

    Raises
    ------
    NetworkError
        When the service does not answer.

    """
    code = city.id.removeprefix("ign:")
    if code not in _DIVIDED:
        return city
    return divided(city, _fetched(_ARRONDISSEMENTS, f"{_PARENT} = '{code}'", client=client))


def divided(city: City, parts: Iterable[Commune]) -> City:
    """Set these arrondissements as the city's districts, by their code."""
    made = []
    for part in sorted(parts, key=lambda part: part.code):
        boundary = clipped(clean(part.shape, what=part.name).boundary, city)
        if not boundary.is_empty:
            made.append(District(name=part.name, id=f"ign:{part.code}", boundary=boundary, population=part.population))
    return add_districts(city, tuple(made)) if made else city


def name_filter(name_or_code: str) -> str:
    """Write the CQL filter for a name or code; only letters a-z and digits pass, so that no input can end its quotes.

    ``Saint-Étienne`` becomes ``s__nt%_t__nn_``: accents, hyphens and blanks match anything, and the results are
    compared again.
    """
    if _CODE.match(name_or_code):
        return f"code_insee = '{name_or_code}'"
    apart = normalise(_APOSTROPHE.sub(" ", name_or_code))
    open_ended = _SAINT.sub("s%t%", _ACCENTED.sub("_", _GAP.sub("%", apart)))
    return f"nom_officiel ILIKE '{open_ended}'"


def city_of(commune: Commune, *, name: str) -> City:
    """Make a city with a commune's limits.

    Raises
    ------
    AreaError
        When they are missing, broken, or not where its code says.

    """
    if commune.shape is None:
        raise AreaError(f"{commune.name} ({commune.code}): IGN's answer holds no limits; give --area FILE")
    note = ""
    if commune.without_year is not None:
        note = f"IGN's population of {commune.without_year:,} has no year and is left out"
    city = from_shape(
        commune.shape,
        name=name,
        label=commune.name,
        id=f"ign:{commune.code}",
        kind="arrondissement" if commune.parent else "commune",
        licence=LICENCE,
        note=note,
    )
    city = replace(city, country="FR", population=commune.population)
    # Some servers and files put latitude first: France would lie off Somalia, without any error.
    south, north = city.boundary.bounds[1::2]
    if not commune.code.startswith(("97", "98")) and not (south > 41 and north < 52):
        raise AreaError(f"{commune.name} ({commune.code}): its limits do not lie in France (lat, lon swapped?)")
    return city


def _name_or_code(query: str) -> str:
    match = _QUERY.match(query)
    text = match[1] if match else query.strip()
    return text.upper() if _CODE.match(text.upper()) else text


def _is(commune: Commune, name_or_code: str) -> bool:
    return commune.code == name_or_code or is_called(commune.name, name_or_code)


def _fetched(layer: str, cql: str, *, client: Client) -> list[Commune]:
    params = {
        "service": "WFS",
        "version": "2.0.0",
        "request": "GetFeature",
        "typeNames": layer,
        "outputFormat": "application/json",
        "srsName": "EPSG:4326",
        "count": str(MOST_FEATURES),
        "CQL_FILTER": cql,
    }
    request = Request(
        what="IGN's Géoplateforme",
        urls=[client.endpoints.ign],
        params=params,
        suffix=".json",
        check=lambda body: bool(features(body)),
    )
    read = [commune_of(feature.get("properties"), _shape(feature)) for feature in features(client.fetch(request).body)]
    return [commune for commune in read if commune is not None]


def features(body: bytes) -> list[dict[str, Any]]:
    """Read the features of a WFS answer.

    Raises
    ------
    ValueError
        With the reason, if it is not a FeatureCollection: an exception report, an error page, or truncated.

    """
    parsed = parse_json(body)
    listed = parsed.get("features") if isinstance(parsed, dict) else None
    if not isinstance(listed, list) or not all(isinstance(feature, dict) for feature in listed):
        raise ValueError("an error instead of places")
    total = parsed.get("numberMatched")
    if isinstance(total, int) and total > len(listed):
        raise ValueError(f"only {len(listed)} of {total} places")
    if not isinstance(total, int) and len(listed) >= MOST_FEATURES:
        raise ValueError(f"{len(listed)} places, as many as were asked for, and no word of the rest")
    return listed


def _shape(feature: Mapping[str, Any]) -> BaseGeometry | None:
    try:
        return shapely.geometry.shape(feature["geometry"])
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.errors.ShapelyError):
        return None


def commune_of(properties: Any, shape: BaseGeometry | None) -> Commune | None:
    """Read a feature's attributes as a commune, ignoring the case of their names; None without a code and a name."""
    if not isinstance(properties, Mapping):
        return None
    lower = {str(key).lower(): value for key, value in properties.items()}
    code, name = _text(lower, "code"), _text(lower, "name")
    if not (_CODE.match(code) and name):
        return None
    parent = _text(lower, "parent")
    digits, year = _text(lower, "population").removesuffix(".0"), re.match(r"\d{4}", _text(lower, "census"))
    count = int(digits) if digits.isdecimal() and int(digits) > 0 else None
    known = count is not None and year is not None
    source = "IGN ADMIN EXPRESS COG, census of INSEE"
    return Commune(
        code=code,
        name=name,
        parent=parent if parent != code else "",
        population=Population(count=count, year=int(year[0]), source=source) if count and year else None,
        without_year=None if known else count,
        shape=shape,
    )


def _text(lower: Mapping[str, Any], what: str) -> str:
    values = (lower.get(key) for key in _COLUMNS[what])
    return next((str(value).strip() for value in values if value is not None and str(value) != "nan"), "")


def is_file(path: Path) -> bool:
    """Tell whether a file is ADMIN EXPRESS: a layer with INSEE codes, names, and IGN's own object identifiers.

    Many files of other producers have both columns, under other licences and with other numbers.
    """
    try:
        with vector_files(path) as files:
            return any(_layers(file) for file in files if file.file == path and file.by_gdal)
    except (ValueError, OSError):
        return False  # the reader of boundary files reports its fault


def _layers(file: VectorFile) -> list[str]:
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError

    names = []
    try:
        for layer, kind in pyogrio.list_layers(file.gdal_path):
            fields = {
                str(field).lower(): str(field) for field in pyogrio.read_info(file.gdal_path, layer=layer)["fields"]
            }
            known = fields.keys() & set(_COLUMNS["code"]) and fields.keys() & set(_COLUMNS["name"])
            marked = "cleabs" in fields or ("id" in fields and _marked(file, str(layer), fields["id"]))
            if kind is not None and known and marked:
                names.append(str(layer))
    except (DataSourceError, DataLayerError, OSError, ValueError):
        return []
    return names


def _marked(file: VectorFile, layer: str, column: str) -> bool:
    """Tell whether the first object of a layer has an identifier of the kind IGN used before "cleabs"."""
    import pyogrio

    table = pyogrio.read_dataframe(file.gdal_path, layer=layer, columns=[column], read_geometry=False, max_features=1)
    return any(_MARK.match(str(value)) for value in table[column])


def from_file(path: Path, *, name: str | None = None, pick: int | str | None = None) -> City:
    """Read a commune from a downloaded ADMIN EXPRESS file, with its arrondissements if the file has them.

    Only the necessary shapes are read, so that the file may cover all of France.

    Parameters
    ----------
    name
        ``Lyon``, ``ign:69123`` or ``69123``; may be None when the file holds one commune.
    pick
        Which of several communes of that name: number (from 1) or INSEE code.

    Raises
    ------
    PlaceNotFoundError
        When no commune has the name or code.
    AmbiguousPlaceError
        When several do; the message lists them.
    AreaError
        When its limits are broken or the CRS is missing.

    """
    with vector_files(path) as (file, *_):
        return _of_file(file, name=name, pick=pick, path=path)


def _of_file(file: VectorFile, *, name: str | None, pick: int | str | None, path: Path) -> City:
    rows = [(layer, fid, commune) for layer in _layers(file) for fid, commune in _attributes(file, layer)]
    name_or_code = _name_or_code(name or "")
    matches = rows if len(rows) == 1 else [row for row in rows if _is(row[2], name_or_code)]
    communes = [row for row in matches if not row[2].parent]
    layer, fid, commune = _one(communes or matches, name=name, pick=pick, path=path)
    city = city_of(replace(commune, shape=_read_shapes(file, layer, [fid])[0]), name=name or commune.name)
    parts = [row for row in rows if row[2].parent == commune.code]
    if not parts:
        return city
    shapes = _read_shapes(file, parts[0][0], [part[1] for part in parts])
    return divided(city, [replace(part[2], shape=shape) for part, shape in zip(parts, shapes, strict=True)])


def _attributes(file: VectorFile, layer: str) -> list[tuple[int, Commune]]:
    import pyogrio

    table: pd.DataFrame = pyogrio.read_dataframe(
        file.gdal_path, layer=layer, read_geometry=False, fid_as_index=True, datetime_as_string=True
    )
    rows = [(int(fid), commune_of(row, None)) for fid, row in zip(table.index, table.to_dict("records"), strict=True)]
    return [(fid, commune) for fid, commune in rows if commune is not None]


def _read_shapes(file: VectorFile, layer: str, fids: Sequence[int]) -> list[BaseGeometry]:
    import pyogrio

    from howgreen.place.vectors import in_degrees

    table = pyogrio.read_dataframe(file.gdal_path, layer=layer, fids=list(fids), fid_as_index=True, columns=[])
    shapes = in_degrees(table, what=str(file.file)).geometry
    return [shapes.loc[fid] for fid in fids]


def _one(
    rows: Sequence[tuple[str, int, Commune]], *, name: str | None, pick: int | str | None, path: Path
) -> tuple[str, int, Commune]:
    if not rows:
        called = truncate(name) if name else "no name was given, and it"
        raise PlaceNotFoundError(f"{path}: no commune is called {called}; write its name, or ign: and its INSEE code")
    if len(rows) == 1:
        return rows[0]
    listing = "\n".join(
        f"  {number}. {row[2].name}, ign:{row[2].code}" for number, row in enumerate(rows[:20], start=1)
    )
    if pick is None:
        raise AmbiguousPlaceError(f"{path}: {len(rows)} communes fit; take one with --pick N or its id:\n{listing}")
    text = str(pick).strip()
    if text.isdecimal() and 1 <= int(text) <= len(rows):
        return rows[int(text) - 1]
    picked = [row for row in rows if row[2].code == _name_or_code(text)]
    if not picked:
        raise PlaceNotFoundError(f"{path}: no match {pick!r}; pick one of:\n{listing}")
    return picked[0]
