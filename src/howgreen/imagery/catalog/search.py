"""Scenes from open STAC catalogues: bounded searches, everything checked again on our side.

Servers differ in what they conform to, and some answer what they do not understand with nothing at all. So a search
asks for collections, box and days only, which every STAC API knows, and what comes back is filtered here: sensor,
level, day, month, and whether the outline meets the city. No provider's own cloud figure decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from howgreen.core.errors import NetworkError, NoImageError, StoreError
from howgreen.core.geometry import BBox, boxes
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import deduplicate
from howgreen.core.types import City, Period, Progress, Scene
from howgreen.imagery.catalog import earthengine, items
from howgreen.imagery.catalog.coverage import look
from howgreen.imagery.read.earthengine import SIGNER
from howgreen.net import http
from howgreen.net.endpoints import KNOWN_COLLECTIONS, Catalog
from howgreen.net.network import Network
from howgreen.net.stac_api import StacApi

PAGE_ITEMS = 100
MOST_ITEMS = 2000
"""A search that finds more ends in an error: a shorter answer would be a silently poorer one."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What one catalogue has of a city."""

    catalog: Catalog
    scenes: tuple[Scene, ...]
    """By time; not looked at yet. Hrefs are absolute and unsigned."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""


def search(
    city: City,
    period: Period,
    *,
    catalog: Catalog,
    sensor: str,
    network: Network | None = None,
    progress: Progress | None = None,
) -> SearchResult:
    """Find all scenes of a catalogue that touch a city in a period, each once.

    Parameters
    ----------
    city, period
        Where and when.
    catalog
        See :meth:`howgreen.net.endpoints.Endpoints.catalog`.
    sensor
        Key of :data:`howgreen.core.sensors.SENSORS`.

    Raises
    ------
    NetworkError
        When the server does not answer, answers what is no STAC, or finds more than MOST_ITEMS.
    NoImageError
        When the catalogue has nothing of the sensor that can be read without an account.
    """
    if catalog.signer == SIGNER:
        return _of_earth_engine(city, period, catalog=catalog, sensor=sensor)
    api = StacApi(catalog.url, contact=network.contact if network else "")
    collections = _collections(api, catalog, sensor)
    natives: dict[tuple[str, str], Mapping[str, Any]] = {}
    wanted = boxes(city.boundary)
    for number, where in enumerate(wanted):
        if progress:
            progress("search", number, len(wanted))
        for native in _items(api, collections, where, period):
            natives[str(native.get("collection")), str(native.get("id"))] = native
    if progress:
        progress("search", len(wanted), len(wanted))
    found = [
        (native, _scene(native, catalog, sensor))
        for native in natives.values()
        if native.get("collection") in collections
    ]
    scenes = [one for _, one in found if one and one.time in period and one.footprint.intersects(city.boundary)]
    closed = sum(one is None and items.unreadable(native) for native, one in found)
    if closed and not scenes:
        raise NoImageError(
            f"{catalog.label}: the files of its {closed} scenes need an account (s3://); use another --catalog"
        )
    notes = (f"{catalog.label}: {closed} scenes left out, their files need an account",) if closed else ()
    single = [scenes[i] for i in deduplicate(scenes, collections=collections)]
    return SearchResult(catalog=catalog, scenes=tuple(sorted(single, key=lambda s: (s.time, s.id))), notes=notes)


def _of_earth_engine(city: City, period: Period, *, catalog: Catalog, sensor: str) -> SearchResult:
    if sensor not in earthengine.COLLECTIONS:
        raise NoImageError(f"{catalog.label}: howgreen reads no {SENSORS[sensor].label} there; use another --catalog")
    found = earthengine.scenes(city, period, sensor=SENSORS[sensor], url=catalog.url)
    single = [found[i] for i in deduplicate(found, collections=earthengine.COLLECTIONS[sensor])]
    return SearchResult(catalog=catalog, scenes=tuple(sorted(single, key=lambda s: (s.time, s.id))))


def find_online(
    city: City, period: Period, *, catalog: Catalog, sensor: str, progress: Progress | None = None
) -> list[Scene]:
    """Find scenes as :func:`howgreen.imagery.find`, in a catalogue: looked at through overviews of the mask, clearest first.

    Raises
    ------
    NetworkError, NoImageError
        As :func:`search`; and when a mask cannot be read.
    """
    answer = search(city, period, catalog=catalog, sensor=sensor, progress=progress)
    return look(answer.scenes, city=city)


def _scene(native: Mapping[str, Any], catalog: Catalog, sensor: str) -> Scene | None:
    try:
        return items.scene(native, catalog=catalog, sensor=SENSORS[sensor])
    except (StoreError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise NetworkError(
            f"{http.redact_url(catalog.url)}: item {str(native.get('id'))[:80]} is not proper STAC ({error!r:.120}); use another --catalog"
        ) from error


def _collections(api: StacApi, catalog: Catalog, sensor: str) -> tuple[str, ...]:
    if catalog.collections:
        if sensor not in catalog.collections:
            raise NoImageError(
                f"{catalog.label}: has no {SENSORS[sensor].label} that can be read without an account; use another --catalog"
            )
        return catalog.collections[sensor]
    there = set(api.collections())
    known = tuple(name for name in KNOWN_COLLECTIONS[sensor] if name in there)
    if not known:
        raise NoImageError(
            f"{http.redact_url(catalog.url)}: has no collection of {SENSORS[sensor].label} ({', '.join(KNOWN_COLLECTIONS[sensor])}); "
            "use another --catalog"
        )
    return known


def _items(api: StacApi, collections: Sequence[str], where: BBox, period: Period) -> list[Mapping[str, Any]]:
    days = f"{period.start.isoformat()}T00:00:00Z/{period.end.isoformat()}T23:59:59Z"
    found: list[Mapping[str, Any]] = []
    for page in api.search(collections, bbox=where, datetime=days, limit=PAGE_ITEMS):
        found += page
        if len(found) > MOST_ITEMS:
            raise NetworkError(
                f"{http.redact_url(api.url)}: more than {MOST_ITEMS} scenes of {period}; choose a shorter --period"
            )
    return found
