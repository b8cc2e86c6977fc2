"""Search Nominatim: the places that a name or an id may mean, most of them with limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import shapely
import shapely.geometry

from howgreen.core.errors import AreaError, PlaceNotFoundError
from howgreen.core.text import spellings, variants
from howgreen.core.types import City
from howgreen.net.client import Client, Request
from howgreen.net.http import parse_json
from howgreen.osm.extract import LICENCE
from howgreen.osm.order import OsmId
from howgreen.osm.tags import PLACES, kind_of_level, names_of, population_of
from howgreen.place._osm_boundaries import left_out
from howgreen.place._shapes import from_shape, join_notes

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_MOST = 20
_MORE_PLACES = frozenset({*PLACES, "hamlet", "neighbourhood", "county", "district", "province", "state", "island"})
_LIMITS = frozenset({"administrative", "census"})


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One place of Nominatim."""

    id: OsmId | None
    """None for a node, which has no limits."""
    name: str
    described: str
    """Full name with the areas around it: ``Dayton, Montgomery County, Ohio, United States of America``."""
    names: frozenset[str]
    """All its names, normalised."""
    lat: float
    lon: float
    shape: BaseGeometry | None
    """EPSG:4326, as returned; None if Nominatim has only a point or a line."""
    kind: str
    level: int | None
    country: str
    tags: Mapping[str, str]
    settled: bool
    """Whether it is a city, town, village or the like, rather than an area that holds many of them."""

    day: str
    """Date of the query: ``2026-05-17``."""

    def matches(self, query: str) -> bool:
        """Tell whether the words before the first comma, or all of them, are its whole name in some language."""
        return not (variants(query) | variants(query.partition(",")[0])).isdisjoint(self.names)


def search(query: str, *, client: Client) -> list[Hit]:
    """Find everything that a name may mean, in Nominatim's order: administrative limits and settled places only.

    Raises
    ------
    NetworkError
        When Nominatim does not respond.

    """
    params = {"q": query, "limit": str(_MOST), "layer": "address", "dedupe": "0"}
    return _hits("search", params, matches=lambda hit: hit.matches(query), client=client)


def lookup(number: OsmId, *, client: Client, total_s: float) -> Hit | None:
    """Look up the place with an id; None if Nominatim has no such place.

    Raises
    ------
    NetworkError
        When Nominatim does not respond.

    """
    params = {"osm_ids": str(number)}
    hits = _hits("lookup", params, matches=lambda hit: hit.id == number, client=client, total_s=total_s)
    return next((hit for hit in hits if hit.id == number), None)


def city_of(hit: Hit, *, name: str) -> City:
    """Make a city from the limits of a hit.

    Raises
    ------
    AreaError
        When its shape is unusable as limits.
    PlaceNotFoundError
        When it has none.

    """
    if hit.shape is None or hit.id is None:
        raise PlaceNotFoundError(f"{hit.described}: Nominatim has only a point")
    population, without_year = population_of(hit.tags)
    city = from_shape(
        hit.shape,
        name=name,
        label=hit.name,
        id=f"osm:{hit.id}",
        kind=hit.kind,
        licence=LICENCE,
        note=join_notes(f"limits from OpenStreetMap by Nominatim, asked on {hit.day}", without_year),
    )
    city = replace(city, note=join_notes(city.note, left_out(city.boundary)))
    return replace(city, admin_level=hit.level, country=hit.country, population=population)


def _hits(
    path: str,
    params: Mapping[str, str],
    *,
    matches: Callable[[Hit], bool],
    client: Client,
    total_s: float | None = None,
) -> list[Hit]:
    whole = {"format": "jsonv2", "polygon_geojson": "1", "addressdetails": "1", "extratags": "1", "namedetails": "1"}
    url = f"{client.endpoints.nominatim.rstrip('/')}/{path}"

    def holds(body: bytes) -> bool:
        """Tell whether an answer has limits of the right place: points must not be cached for long, or replace limits."""
        return any(hit.shape is not None and matches(hit) for hit in _read(body, day=""))

    request = Request(what="Nominatim", urls=[url], params={**whole, **params}, suffix=".json", check=holds)
    answer = client.fetch(request, total_s=total_s)
    return _read(answer.body, day=str(answer.day))


def _read(body: bytes, *, day: str) -> list[Hit]:
    return [hit for record in records(body) if (hit := hit_of(record, day=day))]


def records(body: bytes) -> list[dict[str, Any]]:
    """Read the records of an answer.

    Raises
    ------
    ValueError
        With the reason, if it is not a list of records: an error page, or truncated.

    """
    parsed = parse_json(body)
    if not isinstance(parsed, list) or not all(isinstance(record, dict) for record in parsed):
        raise ValueError("an error instead of places")
    return parsed


def hit_of(record: Mapping[str, Any], *, day: str) -> Hit | None:
    """Read a record as a place; None for anything else: shops, roads, rivers, or records without a position.

    Both shapes of Nominatim's output are read: ``format=json`` says ``class`` where ``jsonv2`` says ``category``.
    """
    category, sort = record.get("category", record.get("class")), str(record.get("type"))
    if not (category == "boundary" and sort in _LIMITS) and not (category == "place" and sort in _MORE_PLACES):
        return None
    try:
        lat, lon = float(record["lat"]), float(record["lon"])
    except (KeyError, TypeError, ValueError):
        return None
    tags = {**_texts(record.get("extratags")), **_texts(record.get("namedetails"))}
    described = str(record.get("display_name") or "")
    name = str(record.get("name") or tags.get("name") or described.partition(",")[0])
    level = _level(record, tags) if category == "boundary" else None
    kind = _kind(record, tags, sort=sort, level=level)
    return Hit(
        id=_id(record),
        name=name,
        described=described or name,
        names=spellings(name) | names_of(tags),
        lat=lat,
        lon=lon,
        shape=_shape(record.get("geojson")),
        kind=kind,
        level=level,
        day=day,
        country=_texts(record.get("address")).get("country_code", "").upper(),
        tags=tags,
        settled=kind in {"city", "town", "municipality", "village", "hamlet"},
    )


def _texts(value: Any) -> dict[str, str]:
    return {str(key): text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def _id(record: Mapping[str, Any]) -> OsmId | None:
    letter = {"relation": "R", "way": "W"}.get(str(record.get("osm_type")))
    number = record.get("osm_id")
    return OsmId(letter, number) if letter and isinstance(number, int) else None


def _level(record: Mapping[str, Any], tags: Mapping[str, str]) -> int | None:
    """Derive the admin_level, which Nominatim omits: its search rank of limits is twice the level."""
    given = tags.get("admin_level", "")
    rank = record.get("place_rank")
    ranked = rank // 2 if isinstance(rank, int) and rank % 2 == 0 and record.get("type") != "census" else None
    level = int(given) if given.isdecimal() else ranked
    return level if level is not None and 2 <= level <= 11 else None


def _kind(record: Mapping[str, Any], tags: Mapping[str, str], *, sort: str, level: int | None) -> str:
    word = record.get("addresstype") or tags.get("linked_place") or tags.get("place") or tags.get("border_type")
    if isinstance(word, str) and word not in _LIMITS:
        return word
    return "census area" if sort == "census" else kind_of_level(level) if sort in _LIMITS else sort


def _shape(geojson: Any) -> BaseGeometry | None:
    """Read the area of a record; None for points, lines and unreadable shapes."""
    if not isinstance(geojson, dict) or geojson.get("type") not in {"Polygon", "MultiPolygon"}:
        return None
    try:
        shape = shapely.geometry.shape(geojson)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.errors.ShapelyError):
        return None
    return None if shape.is_empty else shape


def usable(hit: Hit, *, name: str) -> City | None:
    """Make the city of a hit; None if its limits are missing or broken."""
    try:
        return city_of(hit, name=name)
    except (AreaError, PlaceNotFoundError):
        return None
