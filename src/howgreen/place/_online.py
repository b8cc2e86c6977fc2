"""Look up places over the network: limits by name or id, from OpenStreetMap's services and France's IGN.

Nominatim is queried first; if it has only a point, or no usable limits, Overpass follows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from howgreen.core.errors import AreaError, NetworkError, PlaceNotFoundError
from howgreen.core.text import truncate, variants
from howgreen.core.types import City
from howgreen.net.client import Client
from howgreen.osm.order import OsmId
from howgreen.place import _ign, _nominatim, _osm_boundaries, _overpass
from howgreen.place._nominatim import Hit
from howgreen.place._shapes import join_notes

_MOST_POINTS = 2
# Share of the time limit for a look-up by id; the rest is for the second source.
_FIRST_SOURCE_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Match:
    """A place that a query may mean."""

    city: City
    exact: bool
    """Whether it has the whole requested name, or the id."""


def search(query: str, *, client: Client) -> list[Match]:
    """Find all limits that a name or id may mean, whole names first, without their districts.

    A settled place and the county around it are both listed: the choice between them is never guessed. Limits take
    precedence over points: a point counts only if nothing with limits has the name and Overpass knows its limits.

    Raises
    ------
    PlaceNotFoundError
        When nothing matches.
    AreaError
        When the only matching limits are too large, or broken.
    NetworkError
        When the services do not respond.

    """
    number = _osm_boundaries.parse_id(query)
    if number is not None:
        return [Match(city=by_id(number, name=query, client=client), exact=True)]
    if _ign.is_query(query):
        return [Match(city=city, exact=True) for city in _ign.search(query, client=client)]
    hits = _nominatim.search(query, client=client)
    matches = [
        Match(city=city, exact=hit.matches(query)) for hit in hits if (city := _nominatim.usable(hit, name=query))
    ]
    if not any(match.exact for match in matches):
        matches += _around_points(query, hits, client=client)
    if not matches:
        raise _nothing(query, hits)
    return _sorted(matches, hits)


def by_id(number: OsmId, *, name: str, client: Client) -> City:
    """Find the limits with an OpenStreetMap id; Overpass is queried if Nominatim cannot supply them.

    Raises
    ------
    PlaceNotFoundError, AreaError, NetworkError
        As :func:`search`.

    """
    try:
        hit = _nominatim.lookup(number, client=client, total_s=client.left_s * _FIRST_SOURCE_SHARE)
    except NetworkError as error:
        return _second(number, name=name, client=client, first=error)
    if hit is not None and hit.shape is not None:
        return _nominatim.city_of(hit, name=name)
    city = _overpass.by_id(number, name=name, client=client)
    return replace(city, country=city.country or (hit.country if hit else ""))


def with_districts(city: City, *, client: Client, levels: Collection[int] = ()) -> City:
    """Look up the city's districts; if that fails, return the city unchanged with a note.

    The city's ratio does not need its districts, so an unavailable service must not cost the answer, unless levels were
    requested.
    """
    if levels:
        return _overpass.with_districts(city, client=client, levels=levels)
    try:
        if city.id.startswith("ign:"):
            return _ign.with_districts(city, client=client)
        return _overpass.with_districts(city, client=client)
    except (NetworkError, AreaError) as error:
        reason = "offline" if client.offline else str(error).partition(";")[0]
        return replace(city, note=join_notes(city.note, f"without districts: they could not be looked up ({reason})"))


def with_land(city: City, *, client: Client) -> City:
    """Remove the sea from the city's land; return it unchanged, with a note, if the coastline cannot be looked up.

    IGN's communes end at the shore.
    """
    if city.id.startswith("ign:"):
        return city
    try:
        return _overpass.with_land(city, client=client)
    except (NetworkError, AreaError) as error:
        reason = "offline" if client.offline else str(error).partition(";")[0]
        return replace(city, note=join_notes(city.note, f"sea told by its colour alone: no coastline ({reason})"))


def _second(number: OsmId, *, name: str, client: Client, first: NetworkError) -> City:
    try:
        return _overpass.by_id(number, name=name, client=client)
    except NetworkError as error:
        raise NetworkError(f"{str(first).partition(';')[0]}; {error}") from error


def _around_points(query: str, hits: Sequence[Hit], *, client: Client) -> list[Match]:
    """Find limits in Overpass around the points with the name."""
    matches: dict[str, Match] = {}
    points = [hit for hit in hits if hit.matches(query)][:_MOST_POINTS]
    for hit in points:
        names = hit.names | variants(query.partition(",")[0])
        for city in _overpass.around(hit.lat, hit.lon, names=names, name=query, client=client):
            matches.setdefault(city.id, Match(city=replace(city, country=hit.country), exact=True))
    return list(matches.values())


def _sorted(matches: Sequence[Match], hits: Sequence[Hit]) -> list[Match]:
    """Sort and deduplicate: whole names first, then settled places, then in the service's order."""
    once = {match.city.id: match for match in reversed(matches)}
    cities = sorted(
        (match.city for match in once.values()), key=lambda city: (city.admin_level or 99, -city.area_m2, city.id)
    )
    rank = {f"osm:{hit.id}": (not hit.settled, number) for number, hit in reversed(list(enumerate(hits)))}
    unique = [replace(once[city.id], city=city) for city in _osm_boundaries.without_twins(cities)]
    return sorted(unique, key=lambda match: (not match.exact, *rank.get(match.city.id, (False, len(hits)))))


def _nothing(query: str, hits: Sequence[Hit]) -> Exception:
    """Return the error to raise, with the reason why nothing matches."""
    for hit in hits:
        if hit.shape is not None and hit.matches(query):
            try:
                _nominatim.city_of(hit, name=query)
            except AreaError as error:
                return error
    if hits:
        hit = hits[0]
        return PlaceNotFoundError(
            f"{truncate(query)}: OpenStreetMap has no limits for it, only a point ({hit.described}); "
            f'give --area FILE, or its position with --radius: "{hit.lat:.4f}, {hit.lon:.4f}"'
        )
    return PlaceNotFoundError(
        f"{truncate(query)} is not known to OpenStreetMap; check the spelling, add the country, or give --area FILE"
    )
