"""Look up a query: one city, or a list of the places it may mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from howgreen.core.errors import AmbiguousPlaceError, AreaError, NetworkError, PlaceNotFoundError
from howgreen.core.text import closest, is_called, truncate, truncate_list
from howgreen.core.types import City
from howgreen.core.warnings import Caution
from howgreen.place import _osm_boundaries
from howgreen.place._points import parse_coordinates, point_on_land
from howgreen.place._shapes import join_notes

if TYPE_CHECKING:
    from howgreen.net.client import Client
    from howgreen.net.network import Network
    from howgreen.place.vectors import TableOptions

_MOST_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class PlaceFiles:
    """Additional files about a place."""

    districts: str | Path | None = None
    """Vector file with the city's districts; they replace those of its source."""
    land: str | Path | None = None
    """Vector file with polygons of land, or coastlines with the land on their left. Without it, limits from an OSM
    extract or from OpenStreetMap's services use the coastline of that source."""
    district_levels: tuple[int, ...] = ()
    """OpenStreetMap administrative levels of the districts, any number of them; empty for the level below the city's.
    With ``districts``, the values of the file's ``admin_level``."""
    name_column: str | None = None
    """Column of the boundary and district files that holds the names, if not obvious."""
    encoding: str | None = None
    """Character encoding of those files, such as ``cp1252``, if they do not declare it."""

    def options(self) -> TableOptions:
        """Return the last two as the readers take them."""
        from howgreen.place.vectors import TableOptions

        return TableOptions(name_column=self.name_column, encoding=self.encoding)

    def with_districts(self, city: City) -> City:
        """Give a city the districts of the file, if any."""
        from howgreen.place._districts import from_districts_file

        if self.districts is None:
            return city
        return from_districts_file(city, Path(self.districts), self.options(), levels=self.district_levels)


@dataclass(frozen=True, kw_only=True)
class _Known:
    """Sources in which names are looked up."""

    stores: Sequence[str | Path]
    osm: str | Path | None
    client: Client | None


def find(
    query: str | None,
    *,
    stores: Sequence[str | Path] = (),
    osm: str | Path | None = None,
    area: str | Path | None = None,
    radius_m: float | None = None,
    pick: int | str | None = None,
    network: Network | None = None,
    files: PlaceFiles | None = None,
) -> City:
    """Find the one matching city.

    The first of these that is given or matches decides: area, coordinates, store, OSM extract, network; an id
    (``R120965``) is looked up in the last three.

    Parameters
    ----------
    query
        A name, an id (``R120965``, ``store:bolzano``) or coordinates (``45.76, 4.84``: lat, lon). May be None when
        ``area`` is given.
    Store folders to search for places by name.
        Folders of stores whose places are known by name.
    osm
        A local OpenStreetMap extract.
    area
        A boundary file, or WKT or GeoJSON text in EPSG:4326 (lon, lat).
    radius_m
        Radius of the circle around coordinates, in metres; 2,000 if left out.
    pick
        Which of several matches: its number in the list (from 1) or its id.
    network
        Permission to query OpenStreetMap's services and IGN for anything not found locally; None to stay offline.
    files
        Additional files about the place.

    Raises
    ------
    PlaceNotFoundError
        When nothing matches; the message lists what is known and similar names.
    AmbiguousPlaceError
        When several places match and none is picked; the message lists them.
    AreaError
        When a boundary, a position, a radius or a file is invalid.
    NetworkError
        When only a service could know, and none responds.

    """
    files = files or PlaceFiles()
    known = _Known(stores=stores, osm=osm, client=network.client() if network is not None else None)
    if area is not None:
        _refuse_radius(radius_m, "a boundary")
        city, source = _from_area(area, name=query, pick=pick, files=files), "file"
        city = _checked_position(city, query, known)
    else:
        city, source = _from_query(query, known, radius_m=radius_m, pick=pick)
        city = city if files.districts or files.district_levels else _with_districts(city, known, source=source)
    if files.district_levels and files.districts is None:
        city = _with_levels(city, known, files.district_levels)
    city = files.with_districts(city)
    return _with_land(city, known, source=source, land=files.land)


def candidates(
    query: str,
    *,
    stores: Sequence[str | Path] = (),
    osm: str | Path | None = None,
    radius_m: float | None = None,
    network: Network | None = None,
) -> list[City]:
    """List all places that a query may mean, numbered as ``pick`` expects.

    They come from the first source that has any: coordinates, then stores, then the OSM extract, then the network.
    Cities from OSM and from the network come without districts here.

    Raises
    ------
    PlaceNotFoundError
        When nothing matches.
    AreaError
        When coordinates or a file are invalid.
    NetworkError
        When only a service could know, and none responds.

    """
    known = _Known(stores=stores, osm=osm, client=network.client() if network is not None else None)
    return _listed(query, known, radius_m=radius_m).cities


@dataclass(frozen=True, kw_only=True)
class _Listed:
    cities: list[City]
    source: str
    """``point``, ``store``, ``osm`` or ``network``."""
    sure: bool = True
    """Whether a single match may be used without asking, because it has the requested name."""


def _listed(query: str, known: _Known, *, radius_m: float | None) -> _Listed:
    if not query.strip():
        raise PlaceNotFoundError("no place given: write a name, an id, or coordinates such as 45.76, 4.84")
    position = parse_coordinates(query)
    if position:
        return _Listed(cities=[point_on_land(*position, radius_m=radius_m, name=query)], source="point")
    places = _places(known.stores)
    matches = _of_stores(query, places)
    if matches:
        return _Listed(cities=matches, source="store")
    if Path(query).suffix and Path(query).is_file():
        raise PlaceNotFoundError(
            f"{truncate(query)} is a file, not a place's name; give a boundary with --area FILE, a saved plan with --plan FILE"
        )
    if known.osm is None and known.client is None:
        raise _nothing(query, places)
    try:
        return _of_osm(query, osm=known.osm, client=known.client)
    except (PlaceNotFoundError, NetworkError) as error:
        if known.client is not None and known.client.offline and known.osm is None:
            raise _nothing(query, places) from error
        near = closest(query, [city.label for city in places])
        hint = f"; the store knows {' and '.join(near)}" if near else ""
        what = f"{truncate(query)}: " if isinstance(error, NetworkError) else ""
        raise type(error)(f"{what}{error}{hint}") from error


def _of_osm(query: str, *, osm: str | Path | None, client: Client | None) -> _Listed:
    """Search the extract, and the network if it finds nothing."""
    if osm is not None:
        try:
            return _Listed(cities=_osm_boundaries.search(query, osm=Path(osm)), source="osm")
        except PlaceNotFoundError:
            if client is None or client.offline:
                raise
    if client is None:
        raise PlaceNotFoundError(f"{truncate(query)} is not known")
    from howgreen.place._online import search

    matches = search(query, client=client)
    return _Listed(cities=[match.city for match in matches], source="network", sure=matches[0].exact)


def _checked_position(city: City, query: str | None, known: _Known) -> City:
    """Check limits against other known positions of the name, above all for swapped latitude and longitude.

    Raises
    ------
    AreaError
        When they would fit with the two swapped.

    """
    import shapely

    from howgreen.core.geometry import exchanged
    from howgreen.place._land import check_order

    check_order(city)
    others = [other for other in _of_stores(query, _places(known.stores)) if other.kind != "circle"] if query else []
    grounds = [other.boundary for other in others]
    if known.osm is not None:
        from howgreen.osm.extract import extract_bounds

        bounds = extract_bounds(Path(known.osm))
        grounds += [shapely.box(*bounds)] if bounds else []
    if not grounds or any(ground.intersects(city.boundary) for ground in grounds):
        return city
    turned = exchanged(city.boundary)
    if any(ground.intersects(turned) for ground in grounds):
        raise AreaError(
            f"{city.label}: latitude and longitude of its boundary are exchanged; write lon first, then lat"
        )
    if not others:
        return city
    text = (
        f"{city.label}: its boundary does not touch that of {others[0].label} ({others[0].id}), which the store knows"
    )
    return replace(city, warnings=(*city.warnings, Caution("limits-doubtful", text)))


def _from_query(
    query: str | None, known: _Known, *, radius_m: float | None, pick: int | str | None
) -> tuple[City, str]:
    """Look up a query: the city without its districts, and the source that knew it."""
    if query is None:
        raise PlaceNotFoundError(
            "no place given: write a name, an id, or coordinates such as 45.76, 4.84, or give a boundary"
        )
    listed = _listed(query, known, radius_m=radius_m)
    city = _one(query, listed.cities, pick=pick, sure=listed.sure)
    if city.kind != "circle":
        _refuse_radius(radius_m, f"the limits of {city.label}")
    return city, listed.source


def _with_districts(city: City, known: _Known, *, source: str) -> City:
    if source == "network" and known.client is not None:
        from howgreen.place._online import with_districts

        return with_districts(city, client=known.client)
    if known.osm is not None and city.id.startswith("osm:") and not city.districts:
        return _osm_boundaries.with_districts(city, osm=Path(known.osm))
    return city


def _with_levels(city: City, known: _Known, levels: tuple[int, ...]) -> City:
    """Set areas of some administrative levels as a city's districts: from extract or store, else from the network.

    Raises
    ------
    AreaError
        A level has no areas, or no source may be queried.

    """
    if known.osm is not None:
        return _osm_boundaries.with_districts(city, osm=Path(known.osm), levels=levels)
    stored = tuple(one for one in city.districts if one.level in levels)
    if set(levels) <= {one.level for one in stored}:
        return _osm_boundaries.add_districts(city, stored)
    if known.client is not None and not known.client.offline:
        from howgreen.place._online import with_districts

        return with_districts(city, client=known.client, levels=levels)
    there: dict[int, int] = {}
    for one in city.districts:
        if one.level is not None:
            there[one.level] = there.get(one.level, 0) + 1
    _osm_boundaries.check_levels(city, levels, there)
    return city


def _with_land(city: City, known: _Known, *, source: str, land: str | Path | None) -> City:
    """Remove the sea from the city's land, by the user's file, else by the source of its limits."""
    from howgreen.place import _coast

    if land is not None:
        return _coast.with_land_file(replace(city, land=None), Path(land))
    if source == "osm" and known.osm is not None:
        return _coast.with_land(city, osm=Path(known.osm))
    if source == "network" and known.client is not None:
        from howgreen.place._online import with_land

        return with_land(city, client=known.client)
    return city


def _from_area(area: str | Path, *, name: str | None, pick: int | str | None, files: PlaceFiles) -> City:
    from howgreen.place._files import from_file, from_text
    from howgreen.place.vectors import is_shape_text

    if isinstance(area, str) and is_shape_text(area):
        return from_text(area, name=name, pick=pick)
    if not str(area).strip():
        raise AreaError("no boundary given: write a file's path, WKT or GeoJSON")
    path = Path(area).expanduser()
    from howgreen.place import _ign

    if pick != "all" and _ign.is_file(path):
        return _ign.from_file(path, name=name, pick=pick)
    return from_file(path, name=name, pick=pick, options=files.options())


def _refuse_radius(radius_m: float | None, what: str) -> None:
    if radius_m is not None:
        raise AreaError(
            f"radius {radius_m:g} m: there is no radius for {what}; leave it out, or give coordinates (lat, lon)"
        )


def _places(stores: Sequence[str | Path]) -> list[City]:
    """Collect the places of all stores, each once under each of its names."""
    from howgreen.store import places

    once: dict[tuple[str, str, str], City] = {}
    for root in stores:
        for city in places(Path(root)):
            once.setdefault((city.id, city.boundary.wkt, city.name), city)
    return list(once.values())


def _of_stores(query: str, known: Sequence[City]) -> list[City]:
    """Find the places with the name or id; words after a comma are tried, then ignored with a note."""
    whole = _once(city for city in known if _called(city, query))
    if whole or "," not in query:
        return [replace(city, name=query) for city in whole]
    head, _, rest = query.partition(",")
    note = f"not checked whether it lies in {rest.strip()!r}: the store does not know"
    return [
        replace(city, name=query, note=join_notes(city.note, note))
        for city in _once(city for city in known if _called(city, head))
    ]


def _once(cities: Iterable[City]) -> list[City]:
    """Keep the first match of a place with several names."""
    once: dict[tuple[str, str], City] = {}
    for city in cities:
        once.setdefault((city.id, city.boundary.wkt), city)
    return list(once.values())


def _called(city: City, query: str) -> bool:
    lower = query.strip().casefold()
    osm_id = _osm_boundaries.parse_id(query)
    if lower == city.id.casefold() or (osm_id and f"osm:{osm_id}" == city.id):
        return True
    name = query.strip().removeprefix("store:")
    return is_called(city.label, name) or is_called(city.name, name)


def _nothing(query: str, known: Sequence[City]) -> PlaceNotFoundError:
    labels = list(dict.fromkeys(city.label for city in known))
    near = closest(query, labels)
    if near:
        return PlaceNotFoundError(f"{truncate(query)} is not known; did you mean {' or '.join(near)}?")
    held = f"the store knows {truncate_list(sorted(labels))}" if labels else "no store has a place"
    return PlaceNotFoundError(
        f"{truncate(query)} is not known: {held}; give coordinates, --area FILE or --osm FILE.osm.pbf"
    )


def _one(query: str, listed: Sequence[City], *, pick: int | str | None, sure: bool = True) -> City:
    if pick is None and len(listed) == 1:
        if sure:
            return listed[0]
        raise AmbiguousPlaceError(
            f"nothing is called {truncate(query)}; if this is meant, take it with its id:\n{_listing(listed)}"
        )
    if pick is None:
        raise AmbiguousPlaceError(
            f"{truncate(query)} can be {len(listed)} places; take one with --pick N or its id:\n{_listing(listed)}"
        )
    text = str(pick).strip()
    if text.isdecimal() and 1 <= int(text) <= len(listed):
        return listed[int(text) - 1]
    osm_id = _osm_boundaries.parse_id(text)
    ids = {text.casefold(), f"osm:{osm_id}".casefold()} if osm_id else {text.casefold()}
    picked = [city for city in listed if city.id.casefold() in ids]
    if len(picked) == 1:
        return picked[0]
    raise PlaceNotFoundError(
        f"{truncate(query)}: no match {pick!r}; pick a number from 1 to {len(listed)} or an id:\n{_listing(listed)}"
    )


def _listing(listed: Sequence[City]) -> str:
    lines = [f"  {number}. {_line(city)}" for number, city in enumerate(listed[:_MOST_LISTED], start=1)]
    rest = len(listed) - _MOST_LISTED
    return "\n".join(lines + ([f"  … and {rest} more"] if rest > 0 else []))


def _line(city: City) -> str:
    return f"{city.label}: {described(city)}"


def described(city: City) -> str:
    """Distinguish a place from its namesakes: ``city, level 8, 47.9 km², 522,250 people (2021), osm:R120965, FR``."""
    people = city.population
    parts = (
        city.kind,
        f"level {city.admin_level}" if city.admin_level is not None else "",
        f"{city.area_m2 / 1e6:,.1f} km²",
        f"{people.count:,} people ({people.year})" if people else "",
        city.id,
        city.country,
    )
    return ", ".join(part for part in parts if part)
