"""Administrative limits and their subdivisions in a local OpenStreetMap extract."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import shapely
from shapely import MultiPolygon, Polygon

from howgreen.core.errors import AreaError, PlaceNotFoundError
from howgreen.core.geometry import Area, geodesic_area_m2, polygonal
from howgreen.core.text import closest, truncate, truncate_list, variants
from howgreen.core.types import City, District
from howgreen.osm.extract import LICENCE, OsmAreas, Tags, extract_date, read_areas
from howgreen.osm.order import OsmId
from howgreen.osm.tags import PLACES, kind_of, level_of, names_of, population_of
from howgreen.place._shapes import clean, from_shape, join_notes, same_ground

_TAGS = [("boundary", "administrative"), ("boundary", "census"), *(("place", place) for place in PLACES)]
_ID = re.compile(r"^(?:osm:)?(r|w|relation/|way/)(-?\d+)$", re.IGNORECASE)
# A single inner area that differs from the city by less than this share is the city.
_LONE_PART = 0.05
# Districts that cover this share of the city fill it.
_FILLED = 0.99
# Smallest enclosed hole worth reporting, as a share of the limits.
_LEAST_HOLE = 1e-3
_COVERAGE = re.compile(r"the districts (?:of level \d+ )?\(\d+\) cover \d+% of the city, [^;]* in none")


def parse_id(query: str) -> OsmId | None:
    """Read ``R120965``, ``osm:r120965``, ``relation/120965`` or ``W…`` as an OSM id; None for other texts."""
    match = _ID.match(query.strip())
    return OsmId(match[1][0].upper(), int(match[2])) if match else None


@dataclass(frozen=True, kw_only=True)
class Named:
    """A place named in an extract; its limits are not assembled yet."""

    id: str
    """``osm:R120965``."""
    label: str
    names: frozenset[str]
    """Normalised, in all languages."""
    kind: str
    level: int | None
    """OSM admin_level, if any."""


def named_in(osm: Path) -> list[Named]:
    """List the places named in an extract, in one pass over it; their limits are checked only when one is selected.

    Raises
    ------
    AreaError
        When the file cannot be read.

    """
    found: list[Named] = []

    def noted(key: OsmId, tags: Tags) -> bool:
        if "name" in tags:
            kind, level = kind_of(tags), level_of(tags)
            found.append(Named(id=f"osm:{key}", label=tags["name"], names=names_of(tags), kind=kind, level=level))
        return False

    read_areas(osm, tags=_TAGS, matches=noted)
    return found


def search(query: str, *, osm: Path) -> list[City]:
    """Find the limits in an extract that match a name or id, best-known level first, without their districts.

    Administrative limits (levels 2-11) precede those of census places, and polygons tagged only ``place=...``, which
    count only if no administrative limits have the name.

    Parameters
    ----------
    query
        A name in any OSM language, ignoring case and accents, or an id (``R120965``). After a comma, other words
        (``Vaduz, Liechtenstein``) narrow the choice as far as the extract allows.
    osm
        An OpenStreetMap extract.

    Raises
    ------
    PlaceNotFoundError
        When nothing has the name, or every match is cut at the extract's edge.
    AreaError
        When the file cannot be read.

    """
    names: list[str] = []
    head, *qualifiers = _head_and_qualifiers(query)
    osm_id = parse_id(head)
    called = variants(head) | variants(query)

    def matches(key: OsmId, tags: Tags) -> bool:
        if osm_id is not None:
            return key == osm_id
        names.extend([tags["name"]] if "name" in tags else [])
        return not called.isdisjoint(names_of(tags))

    areas = read_areas(osm, tags=_TAGS, matches=matches)
    if not areas.tags:
        raise PlaceNotFoundError(_unknown(query, osm=osm, known=names))
    if not areas.shapes:
        raise PlaceNotFoundError(_cut(areas, osm=osm))
    cities = _cities(areas, query=query, osm=osm)
    if osm_id is not None or any(variants(query) & names_of(tags) for tags in areas.tags.values()):
        return cities  # the comma, if any, belongs to the name
    return _narrowed(cities, qualifiers, osm=osm)


def with_districts(city: City, *, osm: Path, levels: Collection[int] = ()) -> City:
    """Set the areas of the next level, or of given levels, inside a city as its districts, if complete in the extract.

    An area belongs to the city if its representative point lies inside it. For limits without a level (``place=city``),
    the lowest level of the areas inside is used. A city without any says so in its note.

    Raises
    ------
    AreaError
        When the file cannot be read, or has no areas of a requested level.

    """
    districts = districts_in(city, osm=osm, levels=levels)
    return add_districts(city, districts) if districts else without_districts(city, "this extract")


def without_districts(city: City, source: str) -> City:
    """Add to a city's note that a source has no districts of it."""
    note = f"without districts: {source} has no administrative areas inside"
    return replace(city, note=join_notes(city.note, note))


def districts_in(city: City, *, osm: Path, levels: Collection[int] = ()) -> tuple[District, ...]:
    """Find the administrative areas of the next level inside a city, or of ``levels``; see :func:`with_districts`.

    Raises
    ------
    AreaError
        A requested level has no areas.
    """
    level = city.admin_level or 0

    def below(key: OsmId, tags: Tags) -> bool:
        deeper = level_of(tags)
        administrative = tags.get("boundary") == "administrative" and f"osm:{key}" != city.id
        return administrative and "name" in tags and deeper is not None and (deeper in levels or deeper > level)

    areas = read_areas(osm, tags=[("boundary", "administrative")], matches=below)
    shapely.prepare(city.boundary)
    inside = [key for key, shape in areas.shapes.items() if city.boundary.contains(shape.representative_point())]
    by_level: dict[int, list[District]] = {}
    for deeper in sorted({level_of(areas.tags[key]) or 0 for key in inside}):
        made = [_district(key, areas, city) for key in inside if level_of(areas.tags[key]) == deeper]
        by_level[deeper] = sorted((one for one in made if one), key=lambda one: (one.name, one.id))
    if levels:
        check_levels(city, levels, {level: len(found) for level, found in by_level.items()})
        return tuple(one for level in sorted(set(levels)) for one in by_level[level])
    parts = (found for found in by_level.values() if found and not _is_whole(found, city))
    return tuple(next(parts, ()))


def check_levels(city: City, asked: Collection[int], there: Mapping[int, int]) -> None:
    """Raise AreaError if a requested level has no areas inside a city; ``there`` counts the areas of each level."""
    lacking = [level for level in sorted(set(asked)) if not there.get(level)]
    if not lacking:
        return
    held = ", ".join(f"{level} ({there[level]})" for level in sorted(there) if there[level])
    raise AreaError(
        f"{city.label}: no areas of level {', '.join(map(str, lacking))} lie inside; "
        + (f"levels with areas: {held}" if held else "none of any level does")
        + "; change --district-level or leave it out"
    )


def _is_whole(districts: Sequence[District], city: City) -> bool:
    """Tell whether a single area has nearly the same limits: the city itself under another level, not a part of it."""
    return len(districts) == 1 and same_ground(districts[0].boundary, city.boundary, within=_LONE_PART)


def add_districts(city: City, districts: tuple[District, ...]) -> City:
    """Replace a city's districts, with a note if those of a level leave part of it uncovered."""
    others = [part for part in city.note.split("; ") if not _COVERAGE.fullmatch(part)]
    levels = list(dict.fromkeys(one.level for one in districts))
    notes = [_uncovered([one for one in districts if one.level == level], city, levels) for level in levels]
    return replace(city, districts=districts, note=join_notes(*others, *notes))


def _uncovered(districts: Sequence[District], city: City, levels: Sequence[int | None]) -> str:
    """Say how much of a city the districts of one level leave uncovered; empty if nearly nothing."""
    covered_m2 = geodesic_area_m2(shapely.union_all([district.boundary for district in districts]))
    share = covered_m2 / city.area_m2
    if share >= _FILLED:
        return ""
    which = f"of level {districts[0].level} " if len(levels) > 1 else ""
    rest = f"{(city.area_m2 - covered_m2) / 1e6:.1f} km² lie in none"
    return f"the districts {which}({len(districts)}) cover {share:.0%} of the city, {rest}"


def left_out(boundary: Area) -> str:
    """Say how much ground the limits surround but exclude: Greater London without the City; empty if little."""
    rings = [ring for part in getattr(boundary, "geoms", [boundary]) for ring in part.interiors]
    hole_m2 = sum(geodesic_area_m2(Polygon(ring)) for ring in rings)
    if hole_m2 < _LEAST_HOLE * geodesic_area_m2(boundary):
        return ""
    return f"the limits surround {hole_m2 / 1e6:.1f} km² that are not part of them"


def clipped(shape: Polygon | MultiPolygon, city: City) -> Polygon | MultiPolygon:
    """Clip a shape to the city; the result may be empty."""
    return shape if city.boundary.contains(shape) else polygonal(shapely.intersection(shape, city.boundary))


def _head_and_qualifiers(query: str) -> list[str]:
    return [part.strip() for part in query.split(",") if part.strip()] or [query]


def _matches(names: frozenset[str], _: OsmId, tags: Tags) -> bool:
    return not names.isdisjoint(names_of(tags))


def _cities(areas: OsmAreas, *, query: str, osm: Path) -> list[City]:
    official = [key for key in areas.shapes if areas.tags[key].get("boundary") == "administrative"]
    keys = official or list(areas.shapes)
    date = extract_date(osm)
    cut = [key for key in areas.cut if areas.tags[key].get("boundary") == "administrative"]
    notes = (
        f"limits from an OpenStreetMap extract of {date}" if date else "",
        f"also of this name, but cut in the extract: {_describe(cut, areas.tags)}" if cut else "",
    )
    cities = [_city(key, areas, query=query, note=join_notes(*notes)) for key in keys]
    return without_twins(sorted(cities, key=lambda city: (city.admin_level or 99, -city.area_m2, city.id)))


def without_twins(cities: list[City]) -> list[City]:
    """Of limits around the same ground (Paris is a department and a commune), keep only the deepest level."""
    unique: list[City] = []
    for city in reversed(cities):
        twin = next((i for i, other in enumerate(unique) if same_ground(city.boundary, other.boundary)), None)
        if twin is None:
            unique.append(city)
            continue
        same = f"has the same limits as {city.label} ({city.id}, level {city.admin_level or 'unknown'})"
        unique[twin] = replace(unique[twin], note=join_notes(unique[twin].note, same))
    return unique[::-1]


def _city(key: OsmId, areas: OsmAreas, *, query: str, note: str) -> City:
    tags = areas.tags[key]
    population, without_year = population_of(tags)
    city = from_shape(
        areas.shapes[key],
        name=query,
        label=tags.get("name", str(key)),
        id=f"osm:{key}",
        kind=kind_of(tags),
        licence=LICENCE,
        note=join_notes(note, without_year),
    )
    city = replace(city, note=join_notes(city.note, left_out(city.boundary)))
    return replace(city, admin_level=level_of(tags), population=population)


def _narrowed(cities: list[City], qualifiers: list[str], *, osm: Path) -> list[City]:
    """Keep cities inside areas named after the comma; the note lists names that the extract cannot check."""
    for qualifier in qualifiers:
        around = read_areas(osm, tags=[("boundary", "administrative")], matches=partial(_matches, variants(qualifier)))
        areas = [polygonal(shape) for shape in around.shapes.values()]
        inside = [c for c in cities if any(area.contains(c.boundary.representative_point()) for area in areas)]
        if inside or (areas and not around.cut):
            cities = inside
            continue
        note = f"not checked whether it lies in {qualifier!r}: the extract does not hold that area whole"
        cities = [replace(city, note=join_notes(city.note, note)) for city in cities]
    if not cities:
        raise PlaceNotFoundError(
            f"{osm}: no place of that name lies in {', '.join(qualifiers)}; leave out what follows the comma"
        )
    return cities


def _district(key: OsmId, areas: OsmAreas, city: City) -> District | None:
    tags = areas.tags[key]
    try:
        shape = clean(areas.shapes[key], what=tags["name"]).boundary
    except AreaError:
        return None
    boundary = clipped(shape, city)
    if boundary.is_empty:
        return None
    return District(
        name=tags["name"], id=f"osm:{key}", boundary=boundary, population=population_of(tags)[0], level=level_of(tags)
    )


def _describe(keys: list[OsmId], tags: Mapping[OsmId, Tags]) -> str:
    texts = [
        f"{tags[key].get('name', 'without a name')} ({key}, level {tags[key].get('admin_level', 'unknown')})"
        for key in keys
    ]
    return truncate_list(texts, most=4)


def _cut(areas: OsmAreas, *, osm: Path) -> str:
    return (
        f"{osm}: {_describe(areas.cut, areas.tags)} is cut at the edge of this extract, its limits are not whole; "
        "give a larger extract, or a boundary with --area FILE"
    )


def _unknown(query: str, *, osm: Path, known: list[str]) -> str:
    if parse_id(query):
        return f"{truncate(query)} is no limits in {osm}; check the id, or give an extract that holds it"
    near = closest(query, known)
    if near:
        return f"{truncate(query)} is not in {osm}; did you mean {' or '.join(near)}?"
    names = sorted(set(known))
    held = f"it names {truncate_list(names)}" if names else "it names no administrative limits"
    return f"{truncate(query)} is not in {osm}: {held}"
