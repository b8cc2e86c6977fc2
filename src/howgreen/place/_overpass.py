"""Limits and districts from OpenStreetMap's database, by Overpass.

Holes, exclaves and incomplete rings are treated alike for limits from any source; see :mod:`howgreen.osm.overpass`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from howgreen.core.errors import AreaError, PlaceNotFoundError
from howgreen.core.geometry import BBox, boxes
from howgreen.core.types import City
from howgreen.net.client import Client
from howgreen.osm.order import OsmId
from howgreen.osm.overpass import AdminArea, fetch_areas, fetch_coast, has_areas, list_around, list_in
from howgreen.osm.tags import names_of
from howgreen.place import _coast, _osm_boundaries
from howgreen.place._shapes import join_notes

_MOST_NAMED = 4
_MOST_DISTRICTS = 400
_LEVELS_TRIED = 3
_SLACK_DEG = 1e-3


def by_id(number: OsmId, *, name: str, client: Client) -> City:
    """Find the limits with an id.

    Raises
    ------
    PlaceNotFoundError
        When there are none, or they are incomplete.
    NetworkError
        When no server responds.
    AreaError
        When its shape is unusable as limits.

    """
    answer = fetch_areas([number], client=client)
    try:
        (city, *_) = _osm_boundaries.search(str(number), osm=answer.path)
    except PlaceNotFoundError as error:
        raise PlaceNotFoundError(
            f"{number}: OpenStreetMap has no whole limits with this id; check it, or give --area FILE"
        ) from error
    note = f"limits from OpenStreetMap by Overpass, asked on {answer.day}"
    return replace(city, name=name, note=join_notes(note, city.note))


def around(lat: float, lon: float, *, names: frozenset[str], name: str, client: Client) -> list[City]:
    """Find administrative limits with one of the names (normalised) that contain a point, or pass within 5 km of it.

    Raises
    ------
    NetworkError
        When no server responds.

    """
    areas = [area for area in list_around(lat, lon, client=client) if names & names_of(area.tags)]
    cities = []
    for area in sorted(areas, key=lambda area: (area.level or 99, area.id))[:_MOST_NAMED]:
        try:
            cities.append(by_id(area.id, name=name, client=client))
        except (PlaceNotFoundError, AreaError):
            continue
    return cities


def with_districts(city: City, *, client: Client, levels: Collection[int] = ()) -> City:
    """Set the areas of the next level, or of given levels, inside a city as its districts, or note their absence.

    Raises
    ------
    NetworkError
        When no server responds.
    AreaError
        A requested level has no areas.

    """
    bounds = boxes(city.boundary)
    areas = list_in(bounds, client=client)
    own = next((area.level for area in areas if f"osm:{area.id}" == city.id), None) or city.admin_level or 0
    city = replace(city, admin_level=own or None)
    inside = [
        area
        for area in areas
        if area.level and (area.level in levels or area.level > own) and "name" in area.tags and _within(area, bounds)
    ]
    if levels:
        _osm_boundaries.check_levels(city, levels, Counter(area.level for area in inside if area.level))
        ids = sorted(area.id for area in inside if area.level in levels and f"osm:{area.id}" != city.id)
        if len(ids) > _MOST_DISTRICTS:
            raise AreaError(
                f"{city.label}: {len(ids)} areas of level {', '.join(map(str, levels))}, more than {_MOST_DISTRICTS}; use an --osm extract"
            )
        osm = fetch_areas(ids, client=client).path
        return _osm_boundaries.add_districts(city, _osm_boundaries.districts_in(city, osm=osm, levels=levels))
    for level in sorted({area.level for area in inside if area.level})[:_LEVELS_TRIED]:
        ids = sorted(area.id for area in inside if area.level == level and f"osm:{area.id}" != city.id)[
            :_MOST_DISTRICTS
        ]
        districts = _osm_boundaries.districts_in(city, osm=fetch_areas(ids, client=client).path) if ids else ()
        if districts:
            return _osm_boundaries.add_districts(city, districts)
    return _osm_boundaries.without_districts(city, "OpenStreetMap")


def _within(area: AdminArea, bounds: Sequence[BBox]) -> bool:
    """Tell whether its bounds lie in a box: a cheap test before shapes are fetched; the shape decides."""
    if area.bounds is None:
        return True
    west, south, east, north = area.bounds
    return len(bounds) > 1 or any(
        west >= w - _SLACK_DEG and south >= s - _SLACK_DEG and east <= e + _SLACK_DEG and north <= n + _SLACK_DEG
        for w, s, e, n in bounds
    )


def with_land(city: City, *, client: Client) -> City:
    """Remove the sea from a city's land by the coastline around it; inland, this is one short query.

    Raises
    ------
    NetworkError
        When no server responds.

    """
    answer = fetch_coast(boxes(city.boundary), margin_deg=_coast.MARGIN_DEG, client=client)
    return _coast.with_land(city, osm=answer.path) if has_areas(answer.body) else city
