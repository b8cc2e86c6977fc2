"""Limits and districts straight from OpenStreetMap's database, by Overpass.

No word of the user's is ever part of a query: names are compared here, and queries hold numbers only. The areas come as
an OpenStreetMap file, so that the code that reads local extracts (and osmium in it) assembles their rings: holes,
exclaves, and rings that are not whole are treated in one way wherever limits come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from howgreen.core.errors import AreaError, PlaceNotFoundError
from howgreen.core.geometry import BBox, boxes
from howgreen.core.text import variants
from howgreen.core.types import City
from howgreen.net.cache import CachedResponse
from howgreen.net.client import Client
from howgreen.osm.order import OsmId
from howgreen.osm.overpass import HEAD, ask, elements, has_areas
from howgreen.osm.tags import level_of, names_of
from howgreen.place import coast, limits
from howgreen.place.coast import MARGIN_DEG
from howgreen.place.shapes import join_notes

_AROUND_M = 5000
_MOST_DISTRICTS = 400
_LEVELS_TRIED = 3
_SLACK_DEG = 1e-3


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Administrative limits, without their shape."""

    id: OsmId
    tags: Mapping[str, str]
    level: int | None
    bounds: tuple[float, float, float, float] | None
    """West, south, east, north; degrees."""


def by_id(number: OsmId, *, name: str, client: Client) -> City:
    """The limits with an id.

    Raises
    ------
    PlaceNotFoundError
        When there are none, or they are not whole.
    NetworkError
        When no server answers.
    AreaError
        When its shape cannot be limits.

    """
    answer = _areas([number], client=client)
    try:
        (city, *_) = limits.search(str(number), osm=answer.path)
    except PlaceNotFoundError as error:
        raise PlaceNotFoundError(
            f"{number}: OpenStreetMap has no whole limits with this id; check it, or give --area FILE"
        ) from error
    note = f"limits from OpenStreetMap by Overpass, asked on {answer.day}"
    return replace(city, name=name, note=join_notes(note, city.note))


def around(lat: float, lon: float, *, names: frozenset[str], name: str, client: Client) -> list[City]:
    """Administrative limits that bear one of the names (folded) and hold a point, or pass by within 5 km.

    Raises
    ------
    NetworkError
        When no server answers.

    """
    kept = '[boundary="administrative"]["admin_level"]'
    query = f"is_in({lat:.7f},{lon:.7f})->.a;(rel(pivot.a){kept};rel(around:{_AROUND_M},{lat:.7f},{lon:.7f}){kept};);out tags bb;"
    called = [one for one in _listed(query, client=client) if names & names_of(one.tags)]
    cities = []
    for one in sorted(called, key=lambda one: (one.level or 99, one.id))[:4]:
        try:
            cities.append(by_id(one.id, name=name, client=client))
        except (PlaceNotFoundError, AreaError):
            continue
    return cities


def with_districts(city: City, *, client: Client) -> City:
    """The city with the administrative areas of the next level inside it; as it was when there are none.

    Raises
    ------
    NetworkError
        When no server answers.

    """
    around = boxes(city.boundary)
    asked = "".join(
        f'rel[boundary="administrative"]["admin_level"]({south:.6f},{west:.6f},{north:.6f},{east:.6f});'
        for west, south, east, north in around
    )
    listed = _listed(f"({asked});out tags bb;", client=client)
    own = next((one.level for one in listed if f"osm:{one.id}" == city.id), None) or city.admin_level or 0
    city = replace(city, admin_level=own or None)
    inside = [one for one in listed if one.level and one.level > own and "name" in one.tags and _within(one, around)]
    for level in sorted({one.level for one in inside if one.level})[:_LEVELS_TRIED]:
        ids = sorted(one.id for one in inside if one.level == level and f"osm:{one.id}" != city.id)[:_MOST_DISTRICTS]
        districts = limits.districts_in(city, osm=_areas(ids, client=client).path) if ids else ()
        if districts:
            return limits.add_districts(city, districts)
    return limits.without_districts(city, "OpenStreetMap")


def _within(one: Limits, boxes: Sequence[tuple[float, float, float, float]]) -> bool:
    """Whether its bounds lie in a box: a cheap test before shapes are fetched; the shape decides."""
    if one.bounds is None:
        return True
    west, south, east, north = one.bounds
    return len(boxes) > 1 or any(
        west >= w - _SLACK_DEG and south >= s - _SLACK_DEG and east <= e + _SLACK_DEG and north <= n + _SLACK_DEG
        for w, s, e, n in boxes
    )


def with_land(city: City, *, client: Client) -> City:
    """The city with its land as the coastline around it cuts it out; inland that is one short question.

    Raises
    ------
    NetworkError
        When no server answers.

    """
    asked = "".join(f'way["natural"="coastline"]({_grown(box)});' for box in boxes(city.boundary))
    answer = ask(f"{HEAD.format(form='xml')}({asked});(._;>;);out body;", suffix=".osm", check=has_areas, client=client)
    return coast.with_land(city, osm=answer.path) if has_areas(answer.body) else city


def _grown(box: BBox) -> str:
    """A box with the margin in which coastlines count, as Overpass writes it: south, west, north, east."""
    west, south, east, north = box
    low = max(south - MARGIN_DEG, -90.0), max(west - MARGIN_DEG, -180.0)
    high = min(north + MARGIN_DEG, 90.0), min(east + MARGIN_DEG, 180.0)
    return ",".join(f"{edge:.6f}" for edge in (*low, *high))


def _areas(ids: Sequence[OsmId], *, client: Client) -> CachedResponse:
    """An OpenStreetMap file with these relations or ways and all that they are made of."""
    chosen = "".join(f"{'rel' if one.kind == 'R' else 'way'}({one.number});" for one in ids)
    return ask(f"{HEAD.format(form='xml')}({chosen});(._;>;);out body;", suffix=".osm", check=has_areas, client=client)


def _listed(query: str, *, client: Client) -> list[Limits]:
    answer = ask(
        HEAD.format(form="json") + query, suffix=".json", check=lambda body: bool(elements(body)), client=client
    )
    return [limits_of(element) for element in elements(answer.body) if element.get("type") == "relation"]


def limits_of(element: Mapping[str, Any]) -> Limits:
    """A relation of an answer.

    Raises
    ------
    ValueError
        When it has no id.

    """
    number = element.get("id")
    if not isinstance(number, int):
        raise ValueError("a relation without an id")  # noqa: TRY004  the value is wrong, not the caller
    given = element.get("tags")
    tags = {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}
    box = element.get("bounds")
    edges = [box.get(key) for key in ("minlon", "minlat", "maxlon", "maxlat")] if isinstance(box, dict) else []
    numbers = [float(edge) for edge in edges if isinstance(edge, int | float)]
    bounds = (numbers[0], numbers[1], numbers[2], numbers[3]) if len(numbers) == 4 else None
    return Limits(id=OsmId("R", number), tags=tags, level=level_of(tags), bounds=bounds)


def folded_names(name: str, names: frozenset[str]) -> frozenset[str]:
    """The names that limits around a point must bear: those of the point, and as it was asked."""
    return names | variants(name.partition(",")[0])
