"""Read areas from a local OpenStreetMap file with osmium.

Three passes: the objects that match (by tag), the nodes they need, and the assembly of their rings. Only those nodes
are held in memory, so that a city can be extracted from a country's file. Files in another order than osmium's, as
Overpass and JOSM write them, are sorted first; see :mod:`howgreen.osm.order`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import osmium
import shapely
from shapely import LineString

from howgreen.core.errors import AreaError
from howgreen.core.geometry import Area, polygonal
from howgreen.osm.order import Ordered, OsmId, in_order

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_LOG = logging.getLogger(__name__)

LICENCE = "© OpenStreetMap contributors, ODbL"

Tags = Mapping[str, str]
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class OsmAreas:
    """The requested objects in an extract."""

    tags: Mapping[OsmId, Tags]
    """Tags of every matching object, in file order."""
    shapes: Mapping[OsmId, BaseGeometry]
    """EPSG:4326; only objects whose rings are complete in this extract."""
    partial: Mapping[OsmId, BaseGeometry] = field(default_factory=dict)
    """The others, if requested, as far as the extract holds them: their rings closed straight across the gaps."""

    @property
    def cut(self) -> list[OsmId]:
        """List the matching objects whose rings are incomplete in the extract."""
        return [key for key in self.tags if key not in self.shapes]


def merged(parts: Sequence[OsmAreas]) -> OsmAreas:
    """Merge the objects of several files, each once: complete if any file has it complete."""
    tags = {key: one.tags[key] for one in parts for key in one.tags}
    shapes = {key: one.shapes[key] for one in parts for key in one.shapes}
    partial = {key: one.partial[key] for one in parts for key in one.partial if key not in shapes}
    return OsmAreas(tags=tags, shapes={key: shapes[key] for key in tags if key in shapes}, partial=partial)


def read_areas(
    path: Path,
    *,
    tags: Sequence[tuple[str, str]],
    matches: Callable[[OsmId, Tags], bool],
    partial: bool = False,
) -> OsmAreas:
    """Read the areas of an extract that have one of the tags and match.

    Parameters
    ----------
    path
        ``.osm.pbf``, ``.osm``, ``.osm.bz2``, ... in any order.
    tags
        Only objects with one of these (key, value) pairs are considered.
    matches
        Called with the id and all tags of each such closed way or area relation.
    partial
        Whether to include the available part of areas cut at the extract's edge.

    Raises
    ------
    AreaError
        When the file is missing, truncated or not OpenStreetMap data.

    """
    with _readable(path) as ordered:
        tracker, areas = _tracked(ordered, tags=tags, matches=matches)
        shapes = _assembled(ordered, tracker, areas) if areas else {}
        cut = [key for key in areas if key not in shapes]
        pieces = _pieces(ordered, cut) if partial and cut else {}
    return OsmAreas(tags=areas, shapes={key: shapes[key] for key in areas if key in shapes}, partial=pieces)


def read_lines(
    path: Path, *, tags: Sequence[tuple[str, str]], matches: Callable[[Tags], bool] | None = None
) -> list[LineString]:
    """Read the ways of an extract that have one of the tags, as lines (EPSG:4326) in their own direction.

    A way is split where the extract lacks its nodes.

    Parameters
    ----------
    matches
        Called with all tags of each such way; None selects all.

    Raises
    ------
    AreaError
        As :func:`read_areas`.

    """
    with _readable(path) as ordered:
        ways = osmium.FileProcessor(str(ordered.path), osmium.osm.WAY).with_filter(osmium.filter.TagFilter(*tags))
        lines = _lines(ordered, [way.id for way in ways if matches is None or matches(dict(way.tags))])
    return [line for runs in lines.values() for line in runs]


def _lines(ordered: Ordered, ways: Collection[int]) -> dict[int, list[LineString]]:
    """Read ways by id as lines, split at missing nodes."""
    if not ways:
        return {}
    tracker, chosen = osmium.IdTracker(), set(ways)
    for way in osmium.FileProcessor(str(ordered.path), osmium.osm.WAY).with_filter(osmium.filter.IdFilter(chosen)):
        tracker.add_way(way.id)
        tracker.add_references(way)
    taker = _Taker(chosen)
    locations = osmium.NodeLocationsForWays(osmium.index.create_map("flex_mem"))
    locations.ignore_errors()
    with osmium.io.Reader(str(ordered.path), osmium.osm.NODE | osmium.osm.WAY) as reader:
        osmium.apply(reader, tracker.id_filter(), locations, taker)
    return taker.lines


def _pieces(ordered: Ordered, cut: Sequence[OsmId]) -> dict[OsmId, BaseGeometry]:
    """Build the available part of areas with incomplete rings."""
    members = {key: [(ordered.written(key).number, "outer")] for key in cut if key.kind == "W"}
    relations = {ordered.written(key).number: key for key in cut if key.kind == "R"}
    if relations:
        listed = osmium.FileProcessor(str(ordered.path), osmium.osm.RELATION)
        relation: Any
        for relation in listed.with_filter(osmium.filter.IdFilter(list(relations))):
            ways = [(member.ref, member.role or "outer") for member in relation.members if member.type == "w"]
            members[relations[relation.id]] = ways
    lines = _lines(ordered, {way for ways in members.values() for way, _ in ways})
    pieces: dict[OsmId, BaseGeometry] = {}
    for key, ways in members.items():
        outer, inner = (
            [
                _closed(line)
                for line in _joined([run for way, role in ways if role == wanted for run in lines.get(way, ())])
            ]
            for wanted in ("outer", "inner")
        )
        piece = polygonal(shapely.difference(shapely.union_all(outer), shapely.union_all(inner)))
        if not piece.is_empty:
            pieces[key] = piece
    return pieces


def _joined(runs: Sequence[LineString]) -> list[LineString]:
    """Join lines end to end."""
    whole = shapely.line_merge(shapely.union_all(runs)) if runs else shapely.LineString()
    return [part for part in shapely.get_parts(whole) if len(part.coords) > 2]


def _closed(line: LineString) -> Area:
    return polygonal(shapely.Polygon(line.coords))


class _Taker(osmium.SimpleHandler):
    """Collects the ways whose nodes have been located."""

    def __init__(self, ways: Set[int]) -> None:
        super().__init__()
        self.lines: dict[int, list[LineString]] = {}
        self._ways = ways

    def way(self, way: Any) -> None:
        """Collect one way; called by osmium."""
        if way.id not in self._ways:
            return
        run: list[tuple[float, float]] = []
        for node in [*way.nodes, None]:
            if node is not None and node.location.valid():
                run.append((node.location.lon, node.location.lat))
                continue
            if len(run) > 1:
                self.lines.setdefault(way.id, []).append(shapely.LineString(run))
            run = []


def extract_date(path: Path) -> str:
    """Read the date up to which the extract is current, ``2022-07-24``; empty if its header has none.

    Raises
    ------
    AreaError
        When the file is missing or not OpenStreetMap data.

    """
    with _headed(path), osmium.io.Reader(str(path), osmium.osm.NOTHING) as reader:
        return str(reader.header().get("osmosis_replication_timestamp") or "")[:10]


def extract_bounds(path: Path) -> Bounds | None:
    """Read west, south, east, north in degrees from the header; None if absent or across the antimeridian.

    Raises
    ------
    AreaError
        As :func:`extract_date`.

    """
    with _headed(path), osmium.io.Reader(str(path), osmium.osm.NOTHING) as reader:
        box = reader.header().box()
        if not box.valid():
            return None
        low, high = box.bottom_left, box.top_right
        return (low.lon, low.lat, high.lon, high.lat) if low.lon < high.lon else None


@contextmanager
def _headed(path: Path) -> Iterator[None]:
    """Reduce osmium's errors on a file to one line."""
    if not path.is_file():
        raise AreaError(f"{path}: no such file; give an OpenStreetMap extract (.osm.pbf)")
    try:
        yield
    except RuntimeError as error:  # osmium raises it for any fault of a file
        raise AreaError(f"{path}: not an OpenStreetMap extract, or cut short ({error}); download it again") from error


@contextmanager
def _readable(path: Path) -> Iterator[Ordered]:
    with _headed(path):
        yield in_order(path)


def _tracked(
    ordered: Ordered, *, tags: Sequence[tuple[str, str]], matches: Callable[[OsmId, Tags], bool]
) -> tuple[osmium.IdTracker, dict[OsmId, Tags]]:
    tracker = osmium.IdTracker()
    areas: dict[OsmId, Tags] = {}
    objects = osmium.FileProcessor(str(ordered.path), osmium.osm.WAY | osmium.osm.RELATION)
    for item in objects.with_filter(osmium.filter.TagFilter(*tags)):
        key, values = ordered.original(OsmId(item.type_str().upper(), item.id)), dict(item.tags)
        if not _is_area(item, values) or not matches(key, values):
            continue
        areas[key] = values
        (tracker.add_relation if key.kind == "R" else tracker.add_way)(item.id)
        tracker.add_references(item)
    if areas:
        tracker.complete_backward_references(str(ordered.path))
    return tracker, areas


def _is_area(item: Any, tags: Tags) -> bool:
    if item.deleted:  # as in files with history
        return False
    if item.is_relation():
        return tags.get("type") in {"boundary", "multipolygon"}
    return bool(len(item.nodes) > 3 and item.ends_have_same_id() and tags.get("area") != "no")


def _assembled(ordered: Ordered, tracker: osmium.IdTracker, areas: Mapping[OsmId, Tags]) -> dict[OsmId, BaseGeometry]:
    keeper = _Keeper(areas, ordered)
    manager = osmium.area.AreaManager()
    with osmium.io.Reader(str(ordered.path), osmium.osm.RELATION) as reader:
        osmium.apply(reader, tracker.id_filter(), manager.first_pass_handler())
    locations = osmium.NodeLocationsForWays(osmium.index.create_map("flex_mem"))
    locations.ignore_errors()  # a node beyond the extract's edge: its ring is cut
    with osmium.io.Reader(str(ordered.path)) as reader:
        # The filter comes first, so that only the necessary nodes enter the location table.
        osmium.apply(reader, tracker.id_filter(), locations, manager.second_pass_handler(keeper))
    return keeper.shapes


class _Keeper(osmium.SimpleHandler):
    """Collects the finished areas from osmium."""

    def __init__(self, areas: Mapping[OsmId, Tags], ordered: Ordered) -> None:
        super().__init__()
        self.shapes: dict[OsmId, BaseGeometry] = {}
        self._found = areas
        self._ordered = ordered
        self._factory = osmium.geom.WKBFactory()

    def area(self, area: Any) -> None:
        """Collect one closed ring or set of rings; called by osmium."""
        key = self._ordered.original(OsmId("W" if area.from_way() else "R", area.orig_id()))
        if key not in self._found:
            return
        try:
            self.shapes[key] = shapely.from_wkb(self._factory.create_multipolygon(area))
        except (RuntimeError, shapely.errors.GEOSException) as error:
            _LOG.info("%s: no valid shape (%s)", key, error)
