"""Scene search in open STAC catalogues: bounded queries, every result checked again on our side.

Servers differ in the conformance classes they support, and some return nothing for filters they do not understand. So a
search states only collections, bbox and dates, which every STAC API supports, and the results are filtered here:
sensor, level, day, month, and whether the outline intersects the city. No provider's own cloud figure decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from howgreen.core.errors import NoImageError, StoreError
from howgreen.core.geometry import boxes
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import deduplicate
from howgreen.core.types import City, Period, Progress, Scene
from howgreen.core.warnings import Caution
from howgreen.imagery.catalog import _earthengine, _items
from howgreen.imagery.read.earthengine import SIGNER
from howgreen.net import http
from howgreen.net.endpoints import KNOWN_COLLECTIONS, Catalog
from howgreen.net.network import Network
from howgreen.net.stac_api import MOST_ITEMS, StacApi


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The scenes that one catalogue has of a city."""

    catalog: Catalog
    scenes: tuple[Scene, ...]
    """By time, without coverage. Hrefs are absolute and unsigned."""
    notes: tuple[str, ...] = ()
    """Scenes left out, and why."""
    warnings: tuple[Caution, ...] = ()
    """Omissions that may matter."""


def search(
    city: City,
    period: Period,
    *,
    catalog: Catalog,
    sensor: str,
    network: Network | None = None,
    progress: Progress | None = None,
) -> SearchResult:
    """Find all scenes of a catalogue that touch a city in a period, without duplicates.

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
        The server does not respond, returns no valid STAC, or finds more than MOST_ITEMS.
    NoImageError
        The catalogue has nothing of the sensor that is readable without an account.
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
        for native in api.search(collections, bbox=where, days=(period.start, period.end), most=MOST_ITEMS):
            natives[str(native.get("collection")), str(native.get("id"))] = native
    if progress:
        progress("search", len(wanted), len(wanted))
    scenes, closed, broken = [], 0, []
    for native in natives.values():
        if native.get("collection") not in collections:
            continue
        try:
            one = _items.scene(native, catalog=catalog, sensor=SENSORS[sensor])
            closed += one is None and _items.needs_account(native, sensor=SENSORS[sensor])
        except (StoreError, KeyError, TypeError, ValueError, AttributeError) as error:
            broken.append(f"{str(native.get('id'))[:80]} ({str(error)[:80]})")
            continue
        if one and one.time in period and one.footprint.intersects(city.boundary):
            scenes.append(one)
    if (closed or broken) and not scenes:
        why = f"the files of its {closed} scenes need an account" if closed else f"item {broken[0]} is not proper STAC"
        raise NoImageError(f"{catalog.label}: {why}; use another --catalog")
    notes = (f"{catalog.label}: {closed} scenes left out, their files need an account",) if closed else ()
    said = f"{catalog.label}: {len(broken)} items are not proper STAC, and were left out"
    cautions = (Caution("image-left-out", f"{said}: {broken[0]}"),) if broken else ()
    single = [scenes[i] for i in deduplicate(scenes, collections=collections)]
    return SearchResult(
        catalog=catalog, scenes=tuple(sorted(single, key=lambda s: (s.time, s.id))), notes=notes, warnings=cautions
    )


def _of_earth_engine(city: City, period: Period, *, catalog: Catalog, sensor: str) -> SearchResult:
    if sensor not in _earthengine.COLLECTIONS:
        raise NoImageError(f"{catalog.label}: howgreen reads no {SENSORS[sensor].label} there; use another --catalog")
    found = _earthengine.scenes(city, period, sensor=SENSORS[sensor], url=catalog.url)
    single = [found[i] for i in deduplicate(found, collections=_earthengine.COLLECTIONS[sensor])]
    return SearchResult(catalog=catalog, scenes=tuple(sorted(single, key=lambda s: (s.time, s.id))))


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
