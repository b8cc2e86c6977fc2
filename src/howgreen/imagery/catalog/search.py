"""Scenes from open STAC catalogues: bounded searches, everything checked again on our side.

Servers differ in what they conform to, and some answer what they do not understand with nothing at all. So a search
asks for collections, box and days only, which every STAC API knows, and what comes back is filtered here: sensor,
level, day, month, and whether the outline meets the city. No provider's own cloud figure decides anything.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import NetworkError, NoImageError, StoreError
from howgreen.core.geometry import BBox, boxes
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import deduplicate
from howgreen.core.types import City, Period, Progress, Scene
from howgreen.imagery.catalog import items
from howgreen.imagery.catalog.coverage import look
from howgreen.imagery.read import earthengine
from howgreen.net import http
from howgreen.net.catalog_endpoints import KNOWN_COLLECTIONS, Endpoint

if TYPE_CHECKING:
    import pystac_client

_LOG = logging.getLogger(__name__)

PAGE_ITEMS = 100
MOST_ITEMS = 2000
"""A search that finds more ends in an error: a shorter answer would be a silently poorer one."""
MOST_PAGES = 200


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one catalogue has of a city."""

    endpoint: Endpoint
    scenes: tuple[Scene, ...]
    """By time; not looked at yet. Hrefs are absolute and unsigned."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""


def search(city: City, period: Period, *, endpoint: Endpoint, sensor: str, progress: Progress | None = None) -> Answer:
    """All scenes of a catalogue that touch a city in a period, each once.

    Parameters
    ----------
    city, period
        Where and when.
    endpoint
        See :func:`howgreen.net.catalog_endpoints.endpoint`.
    sensor
        Key of :data:`howgreen.core.sensors.SENSORS`.

    Raises
    ------
    NetworkError
        When the server does not answer, answers what is no STAC, or finds more than MOST_ITEMS.
    NoImageError
        When the catalogue has nothing of the sensor that can be read without an account.
    """
    if endpoint.signer == earthengine.SIGNER:
        return _of_earth_engine(city, period, endpoint=endpoint, sensor=sensor)
    with _told(endpoint):
        client = http.whole(lambda: _client(endpoint))
        collections = http.whole(lambda: _collections(client, endpoint, sensor))
        natives: dict[tuple[str, str], Mapping[str, Any]] = {}
        wanted = boxes(city.boundary)
        for number, where in enumerate(wanted):
            if progress:
                progress("search", number, len(wanted))
            for native in http.whole(partial(_items, client, endpoint, collections, where, period)):
                natives[str(native.get("collection")), str(native.get("id"))] = native
    if progress:
        progress("search", len(wanted), len(wanted))
    found = [
        (native, _scene(native, endpoint, sensor))
        for native in natives.values()
        if native.get("collection") in collections
    ]
    scenes = [one for _, one in found if one and one.time in period and one.footprint.intersects(city.boundary)]
    closed = sum(one is None and items.unreadable(native) for native, one in found)
    if closed and not scenes:
        raise NoImageError(
            f"{endpoint.label}: the files of its {closed} scenes need an account (s3://); use another --catalog"
        )
    notes = (f"{endpoint.label}: {closed} scenes left out, their files need an account",) if closed else ()
    single = [scenes[i] for i in deduplicate(scenes, collections=collections)]
    return Answer(endpoint=endpoint, scenes=tuple(sorted(single, key=lambda s: (s.time, s.id))), notes=notes)


def _of_earth_engine(city: City, period: Period, *, endpoint: Endpoint, sensor: str) -> Answer:
    if sensor not in earthengine.COLLECTIONS:
        raise NoImageError(f"{endpoint.label}: howgreen reads no {SENSORS[sensor].label} there; use another --catalog")
    found = earthengine.scenes(city, period, sensor=SENSORS[sensor], url=endpoint.url)
    single = [found[i] for i in deduplicate(found, collections=earthengine.COLLECTIONS[sensor])]
    return Answer(endpoint=endpoint, scenes=tuple(sorted(single, key=lambda s: (s.time, s.id))))


def find_online(
    city: City, period: Period, *, endpoint: Endpoint, sensor: str, progress: Progress | None = None
) -> list[Scene]:
    """As :func:`howgreen.imagery.find`, from a catalogue: looked at through overviews of the mask, clearest first.

    Raises
    ------
    NetworkError, NoImageError
        As :func:`search`; and when a mask cannot be read.
    """
    answer = search(city, period, endpoint=endpoint, sensor=sensor, progress=progress)
    return look(answer.scenes, city=city)


def _scene(native: Mapping[str, Any], endpoint: Endpoint, sensor: str) -> Scene | None:
    try:
        return items.scene(native, endpoint=endpoint, sensor=SENSORS[sensor])
    except (StoreError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise NetworkError(
            f"{http.named(endpoint.url)}: item {str(native.get('id'))[:80]} is not proper STAC ({error!r:.120}); use another --catalog"
        ) from error


def _client(endpoint: Endpoint) -> pystac_client.Client:
    import pystac_client

    with warnings.catch_warnings():  # what a server does not conform to is checked by what it answers
        warnings.simplefilter("ignore")
        return pystac_client.Client.open(endpoint.url, stac_io=http.stac_io())


def _collections(client: pystac_client.Client, endpoint: Endpoint, sensor: str) -> tuple[str, ...]:
    if endpoint.collections:
        if sensor not in endpoint.collections:
            raise NoImageError(
                f"{endpoint.label}: has no {SENSORS[sensor].label} that can be read without an account; use another --catalog"
            )
        return endpoint.collections[sensor]
    there = {one.id for one in client.get_collections()}
    known = tuple(name for name in KNOWN_COLLECTIONS[sensor] if name in there)
    if not known:
        raise NoImageError(
            f"{http.named(endpoint.url)}: has no collection of {SENSORS[sensor].label} ({', '.join(KNOWN_COLLECTIONS[sensor])}); "
            "use another --catalog"
        )
    return known


def _items(
    client: pystac_client.Client, endpoint: Endpoint, collections: Sequence[str], where: BBox, period: Period
) -> list[Mapping[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asked = client.search(
            collections=list(collections),
            bbox=where,
            datetime=f"{period.start.isoformat()}T00:00:00Z/{period.end.isoformat()}T23:59:59Z",
            limit=PAGE_ITEMS,
        )
    found: list[Mapping[str, Any]] = []
    for number, page in enumerate(asked.pages_as_dicts()):
        found += page["features"]
        if len(found) > MOST_ITEMS or number >= MOST_PAGES:
            raise NetworkError(
                f"{http.named(endpoint.url)}: more than {MOST_ITEMS} scenes of {period}; choose a shorter --period"
            )
    return found


def _told(endpoint: Endpoint) -> Any:
    return http.told(endpoint.url, cure="try again later, or use another --catalog")
