"""Places for visitors: from the server's own stores and extract and, if allowed, from open services.

Suggestions while typing come from local data; services are queried only on explicit request, because they are not meant
for auto-completion. Drawn or uploaded shapes come as GeoJSON and are checked like any boundary.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from concurrent.futures import ThreadPoolExecutor as _Reader
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from howgreen import place as stage
from howgreen.core.errors import AreaError, HowgreenError, NetworkError, PlaceNotFoundError
from howgreen.core.geometry import area_from, bounds_of, geodesic_area_m2
from howgreen.core.text import is_called, normalise, one_line, spellings
from howgreen.pipeline.inputs import Network

if TYPE_CHECKING:
    from pathlib import Path

    from howgreen.core.types import City
    from howgreen.web.serve.settings import Settings

FEWEST_LETTERS = 3
"""Fewest letters of a name sent to services."""
MOST_KEPT = 400
"""Most places kept for the selection that follows."""
NAMES_SECONDS = 2.0
"""Longest wait of a visitor while the extract's names are read."""
MOST_NAMES = 20
STORE_SECONDS = 30.0
"""Seconds for which the list of a store's places is cached."""
LONGEST_NAME = 120
_UNKNOWN = "no place here has that id; look it up by its name again"
_LOG = logging.getLogger(__name__)


class TooLargeError(AreaError):
    """A place is larger, or its limits more detailed, than this server allows."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A place that a name may mean."""

    id: str
    label: str
    kind: str
    region: str
    area_km2: float | None
    source: str
    """``store``, ``osm`` or ``online``."""
    bbox: tuple[float, float, float, float] | None
    """West, south, east, north."""


class Places:
    """The places known to this server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: OrderedDict[str, tuple[City, bool]] = OrderedDict()
        """By id: the place, and whether it was looked up with its districts."""
        self._stored: tuple[float, list[City]] = (-STORE_SECONDS, [])
        self._lock = Lock()
        self._names: Future[list[stage.Named]] | None = None
        self._extract = Lock()

    def candidates(self, query: str, *, limit: int, online: bool) -> list[Candidate]:
        """List the places that a name, or its beginning, may mean, the most likely first.

        Parameters
        ----------
        online
            Whether services may be queried, if the server allows any and the name is long enough.

        Raises
        ------
        NetworkError
            Only services could know, and none responds.
        """
        query = one_line(query)[:LONGEST_NAME]
        if not normalise(query):
            return []
        listed = [(city, "store") for city in self._here() if _offered(city, query)]
        listed.sort(key=lambda pair: (not is_called(pair[0].label, query), normalise(pair[0].label)))
        may_ask = online and not self._settings.offline and len(query) >= FEWEST_LETTERS
        named = self._of_extract(query)
        if may_ask and not any(
            is_called(one, query) for one in (*(city.label for city, _ in listed), *(one.label for one in named))
        ):
            listed += [
                (city, "online") for city in self._asked(lambda: stage.candidates(query, network=self._network()))
            ]
        shown: dict[str, Candidate] = {}
        for city, source in listed:
            self._keep(city, whole=source == "store")
            shown.setdefault(city.id, _candidate(city, source))
        for one in named:
            shown.setdefault(one.id, one)
        return list(shown.values())[:limit]

    def city(self, id: str) -> City:  # noqa: A002 (the word of City)
        """Return the place with an id from :meth:`candidates`, with its districts.

        Raises
        ------
        PlaceNotFoundError
            No place here has that id.
        NetworkError
            Only services could know, and none responds.
        """
        for city in self._here():
            if city.id == id:
                return city
        with self._lock:
            kept = self._found.get(id)
        if kept is not None and kept[1]:
            return kept[0]
        if kept is None and not id.startswith("osm:"):
            raise PlaceNotFoundError(_UNKNOWN)
        network = None if self._settings.offline else self._network()
        try:
            with self._extract:  # an extract is read in full: one at a time
                found = stage.find(id, osm=self._settings.osm, network=network)
        except PlaceNotFoundError as error:
            raise PlaceNotFoundError(_UNKNOWN) from error
        found = replace(found, name=found.label)  # however it was typed, it is the same question
        self._keep(found, whole=True)
        return found

    def _asked(self, ask: Callable[[], list[City]]) -> list[City]:
        try:
            return ask()
        except PlaceNotFoundError:
            return []
        except NetworkError:
            raise
        except HowgreenError as error:
            _LOG.info("places: %s", error)
            return []

    def _of_extract(self, query: str) -> list[Candidate]:
        """List the extract's places with this prefix; its names are read once, and until then there are none."""
        if self._settings.osm is None:
            return []
        with self._lock:
            if self._names is None:
                self._names = _Reader(1, thread_name_prefix="names").submit(_named, self._settings.osm)
            names = self._names
        if wait([names], timeout=NAMES_SECONDS).not_done:
            return []
        typed = normalise(query)
        found = [
            one for one in names.result() if any(name.startswith(typed) or f" {typed}" in name for name in one.names)
        ]
        found.sort(key=lambda one: (typed not in one.names, one.level or 99, normalise(one.label)))
        return [
            Candidate(
                id=one.id, label=one_line(one.label), kind=one.kind, region="", area_km2=None, source="osm", bbox=None
            )
            for one in found[:MOST_NAMES]
        ]

    def _network(self) -> Network:
        return Network(cache=self._settings.cache / "places")

    def _keep(self, city: City, *, whole: bool) -> None:
        with self._lock:
            if whole or city.id not in self._found:
                self._found[city.id] = (city, whole)
            self._found.move_to_end(city.id)
            while len(self._found) > MOST_KEPT:
                self._found.popitem(last=False)

    def _here(self) -> list[City]:
        """List the stores' places, refreshed from time to time, as a store may grow."""
        with self._lock:
            when, cities = self._stored
            if time.monotonic() - when < STORE_SECONDS:
                return cities
            cities = list(self._read())
            self._stored = (time.monotonic(), cities)
            return cities

    def _read(self) -> Iterator[City]:
        from howgreen import store

        ids = set()
        for root in self._settings.stores:
            try:
                cities = store.places(root)
            except HowgreenError as error:
                _LOG.warning("store left out: %s", error)
                continue
            for city in cities:
                if city.id not in ids:
                    ids.add(city.id)
                    yield city


def _named(osm: Path) -> list[stage.Named]:
    try:
        return stage.named_in(osm)
    except HowgreenError as error:
        _LOG.warning("extract left out: %s", error)
        return []


def _offered(city: City, query: str) -> bool:
    """Tell whether a text is a place's name or the beginning of one of its words."""
    typed = normalise(query)
    words = {city.name, city.label}
    return any(
        spelt.startswith(typed) or f" {typed}" in spelt for name in words for spelt in spellings(name)
    ) or query.casefold() in {city.id.casefold()}


def _candidate(city: City, source: str) -> Candidate:
    name, _, rest = city.label.partition(", ")
    return Candidate(
        id=city.id,
        label=one_line(name if rest else city.label),
        kind=one_line(city.kind),
        region=one_line(rest or city.country),
        area_km2=round(city.area_m2 / 1e6, 2),
        source=source,
        bbox=tuple(round(one, 6) for one in bounds_of(city.boundary)),  # type: ignore[arg-type]
    )


@dataclass(frozen=True, kw_only=True)
class Looked:
    """Result of checking an outline."""

    area_km2: float
    vertices: int
    problems: tuple[str, ...]
    city: City | None
    """None if it cannot be a place's limits."""


def look(value: Mapping[str, Any], settings: Settings, *, name: str = "") -> Looked:
    """Check a GeoJSON geometry or Feature as the limits of a place: its size, and its faults.

    No file is opened and no file reader is used: the coordinates are taken as given.
    """
    geometry = value.get("geometry") if value.get("type") == "Feature" else value
    if not isinstance(geometry, Mapping) or geometry.get("type") not in {"Polygon", "MultiPolygon"}:
        return _wrong("give a GeoJSON Polygon or MultiPolygon, or a Feature with one")
    vertices = _count(geometry.get("coordinates"), most=50 * settings.most_vertices)
    if vertices > settings.most_vertices:
        return _wrong(f"{vertices:,} vertices; at most {settings.most_vertices:,} are taken: simplify it", vertices)
    try:
        shape = area_from(geometry)
        if shape.is_empty:
            return _wrong("the outline is empty; draw an area", vertices)
        city = stage.from_shape(shape, name=name or "drawn area", kind="drawn shape")
    except (HowgreenError, ValueError, ArithmeticError) as error:
        text = one_line(str(error)).removeprefix(f"{name or 'drawn area'}: ")
        told = (
            text
            if isinstance(error, HowgreenError)
            else "the outline is no GeoJSON area: rings of at least four positions"
        )
        return _wrong(told, vertices, _area_of(geometry))
    return Looked(area_km2=city.area_m2 / 1e6, vertices=vertices, problems=_too_large(city, settings), city=city)


def _too_large(city: City, settings: Settings) -> tuple[str, ...]:
    area = city.area_m2 / 1e6
    if area <= settings.most_area_km2:
        return ()
    return (f"{area:,.0f} km²; at most {settings.most_area_km2:,.0f} km² are measured here: choose a smaller area",)


def check_size(city: City, settings: Settings) -> None:
    """Refuse a place that is larger than this server's limit.

    Raises
    ------
    TooLargeError
        With both areas.
    """
    for text in _too_large(city, settings):
        raise TooLargeError(f"{city.label}: {text}")


def _wrong(text: str, vertices: int = 0, area_km2: float = 0.0) -> Looked:
    return Looked(area_km2=area_km2, vertices=vertices, problems=(text,), city=None)


def _area_of(geometry: Mapping[str, Any]) -> float:
    """Estimate the area of a self-crossing outline: the page shows the size while it is drawn."""
    try:
        area = geodesic_area_m2(area_from(geometry)) / 1e6
    except (HowgreenError, ValueError, ArithmeticError):
        return 0.0
    return area if 0 <= area < 1e9 else 0.0


def _count(value: Any, *, most: int) -> int:
    """Count the positions in GeoJSON coordinates, stopping beyond the limit."""
    if not isinstance(value, list):
        return 0
    if value and all(isinstance(one, int | float) for one in value[:2]):
        return 1
    count = 0
    for one in value:
        count += _count(one, most=most - count)
        if count > most:
            break
    return count


def upload_name(given: str) -> str:
    """Turn a visitor's file name into a safe one: its last part, letters and digits, with its suffix."""
    last = one_line(given).replace("\\", "/").rpartition("/")[2]
    plain = "".join(letter if letter.isalnum() or letter in "._- " else "_" for letter in last).strip(". ")
    stem, dot, suffix = plain.rpartition(".")
    return f"{(stem if dot else plain)[:80] or 'upload'}{dot}{suffix[:10]}" if dot else plain[:80] or "upload"
