"""Areas out of a local OpenStreetMap file, read with osmium.

Three passes: which objects are wanted (by tag), which nodes they need, and the assembly of their rings. Only the
wanted nodes are kept in memory, so that a city can be cut out of a country's extract.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import osmium
import shapely
from shapely import LineString

from howgreen.core.errors import AreaError

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_LOG = logging.getLogger(__name__)

LICENCE = "© OpenStreetMap contributors, ODbL"

Tags = Mapping[str, str]
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, order=True)
class OsmId:
    """A relation or way: ``R120965``."""

    kind: str
    """``R`` or ``W``."""
    number: int

    def __str__(self) -> str:
        return f"{self.kind}{self.number}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What an extract holds of the objects that were asked for."""

    tags: Mapping[OsmId, Tags]
    """Of every wanted object, in the order of the file."""
    shapes: Mapping[OsmId, BaseGeometry]
    """EPSG:4326; only of those whose rings are complete in this extract."""

    @property
    def cut(self) -> list[OsmId]:
        """Wanted objects whose rings the extract does not hold whole."""
        return [key for key in self.tags if key not in self.shapes]


def merged(parts: Sequence[Found]) -> Found:
    """What several files hold, each object once: whole where any of them has it whole."""
    tags = {key: one.tags[key] for one in parts for key in one.tags}
    shapes = {key: one.shapes[key] for one in parts for key in one.shapes}
    return Found(tags=tags, shapes={key: shapes[key] for key in tags if key in shapes})


def read_areas(path: Path, *, tags: Sequence[tuple[str, str]], wanted: Callable[[OsmId, Tags], bool]) -> Found:
    """The areas of an extract that carry one of the tags and are wanted.

    Parameters
    ----------
    path
        ``.osm.pbf``, ``.osm``, ``.osm.bz2``, ... sorted by type and id, as all published extracts are.
    tags
        Only objects with one of these (key, value) pairs are looked at.
    wanted
        Told the id and all tags of each such closed way or area relation.

    Raises
    ------
    AreaError
        When the file is missing, cut short or not OpenStreetMap data.

    """
    with _readable(path):
        tracker, found = _tracked(path, tags=tags, wanted=wanted)
        shapes = _assembled(path, tracker, found) if found else {}
    return Found(tags=found, shapes={key: shapes[key] for key in found if key in shapes})


def read_lines(path: Path, *, tags: Sequence[tuple[str, str]]) -> list[LineString]:
    """The ways of an extract that carry one of the tags, as lines (EPSG:4326) in their own direction.

    A way whose nodes the extract does not all hold is split there.

    Raises
    ------
    AreaError
        As :func:`read_areas`.

    """
    with _readable(path):
        tracker, wanted = osmium.IdTracker(), set()
        ways = osmium.FileProcessor(str(path), osmium.osm.WAY).with_filter(osmium.filter.TagFilter(*tags))
        for way in ways:
            wanted.add(way.id)
            tracker.add_way(way.id)
            tracker.add_references(way)
        if not wanted:
            return []
        taker = _Taker(wanted)
        locations = osmium.NodeLocationsForWays(osmium.index.create_map("flex_mem"))
        locations.ignore_errors()
        with osmium.io.Reader(str(path), osmium.osm.NODE | osmium.osm.WAY) as reader:
            osmium.apply(reader, tracker.id_filter(), locations, taker)
    return taker.lines


class _Taker(osmium.SimpleHandler):
    """Takes the ways whose nodes have been located."""

    def __init__(self, wanted: Set[int]) -> None:
        super().__init__()
        self.lines: list[LineString] = []
        self._wanted = wanted

    def way(self, way: Any) -> None:
        """Called by osmium for every way."""
        if way.id not in self._wanted:
            return
        run: list[tuple[float, float]] = []
        for node in [*way.nodes, None]:
            if node is not None and node.location.valid():
                run.append((node.location.lon, node.location.lat))
                continue
            if len(run) > 1:
                self.lines.append(shapely.LineString(run))
            run = []


def extract_date(path: Path) -> str:
    """Day up to which the extract is current, ``2022-07-24``; empty when its header does not say.

    Raises
    ------
    AreaError
        When the file is missing or not OpenStreetMap data.

    """
    with _readable(path), osmium.io.Reader(str(path), osmium.osm.NOTHING) as reader:
        return str(reader.header().get("osmosis_replication_timestamp") or "")[:10]


def extract_bounds(path: Path) -> Bounds | None:
    """West, south, east, north in degrees as the header gives them; None when it does not, or lies across the antimeridian.

    Raises
    ------
    AreaError
        As :func:`extract_date`.

    """
    with _readable(path), osmium.io.Reader(str(path), osmium.osm.NOTHING) as reader:
        box = reader.header().box()
        if not box.valid():
            return None
        low, high = box.bottom_left, box.top_right
        return (low.lon, low.lat, high.lon, high.lat) if low.lon < high.lon else None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise AreaError(f"{path}: no such file; give an OpenStreetMap extract (.osm.pbf)")
    try:
        yield
    except RuntimeError as error:  # what osmium raises for everything that is wrong with a file
        raise AreaError(f"{path}: not an OpenStreetMap extract, or cut short ({error}); download it again") from error


def _tracked(
    path: Path, *, tags: Sequence[tuple[str, str]], wanted: Callable[[OsmId, Tags], bool]
) -> tuple[osmium.IdTracker, dict[OsmId, Tags]]:
    tracker = osmium.IdTracker()
    found: dict[OsmId, Tags] = {}
    objects = osmium.FileProcessor(str(path), osmium.osm.WAY | osmium.osm.RELATION)
    for item in objects.with_filter(osmium.filter.TagFilter(*tags)):
        key, values = OsmId(item.type_str().upper(), item.id), dict(item.tags)
        if not _is_area(item, values) or not wanted(key, values):
            continue
        found[key] = values
        (tracker.add_relation if key.kind == "R" else tracker.add_way)(item.id)
        tracker.add_references(item)
    if found:
        tracker.complete_backward_references(str(path))
    return tracker, found


def _is_area(item: Any, tags: Tags) -> bool:
    if item.is_relation():
        return tags.get("type") in {"boundary", "multipolygon"}
    return bool(len(item.nodes) > 3 and item.ends_have_same_id() and tags.get("area") != "no")


def _assembled(path: Path, tracker: osmium.IdTracker, found: Mapping[OsmId, Tags]) -> dict[OsmId, BaseGeometry]:
    keeper = _Keeper(found)
    manager = osmium.area.AreaManager()
    with osmium.io.Reader(str(path), osmium.osm.RELATION) as reader:
        osmium.apply(reader, tracker.id_filter(), manager.first_pass_handler())
    locations = osmium.NodeLocationsForWays(osmium.index.create_map("flex_mem"))
    locations.ignore_errors()  # a node beyond the edge of the extract: its ring comes out cut
    with osmium.io.Reader(str(path)) as reader:
        # The filter stands first: only the wanted nodes reach the table of locations.
        osmium.apply(reader, tracker.id_filter(), locations, manager.second_pass_handler(keeper))
    return keeper.shapes


class _Keeper(osmium.SimpleHandler):
    """Takes the finished areas from osmium."""

    def __init__(self, found: Mapping[OsmId, Tags]) -> None:
        super().__init__()
        self.shapes: dict[OsmId, BaseGeometry] = {}
        self._found = found
        self._factory = osmium.geom.WKBFactory()

    def area(self, area: Any) -> None:
        """Called by osmium for every closed ring or set of rings."""
        key = OsmId("W" if area.from_way() else "R", area.orig_id())
        if key not in self._found:
            return
        try:
            self.shapes[key] = shapely.from_wkb(self._factory.create_multipolygon(area))
        except (RuntimeError, shapely.errors.GEOSException) as error:
            _LOG.info("%s: no valid shape (%s)", key, error)
