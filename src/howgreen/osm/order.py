"""OpenStreetMap files in the order osmium needs: nodes, ways, relations, each by increasing positive id.

Published extracts have this order. Overpass's ``out body; >; out skel;`` starts with the relations, and JOSM saves
negative ids: osmium then finds nothing, or stops. Such a file is sorted into a temporary one, once per process, in
which negative ids become numbers above all others. ``out geom;`` writes positions into the ways and no nodes: nodes are
added.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import osmium

from howgreen.core.errors import AreaError

MOST_BYTES = 512 * 2**20
"""Largest file that is sorted; sorting happens in memory."""
_CHECKED_PBF_BYTES = 2**20
"""The order of larger PBF files is not checked: that would take longer than reading them, and programs write them
sorted."""
_XML_OBJECT = re.compile(rb"<(node|way|relation)\s[^>]*?\bid\s*=\s*[\"'](-?\d+)")
_PLACED_NODE = re.compile(rb"<nd\s[^>]*\blat\s*=")
_PLACED_MEMBER = re.compile(rb"<member\s[^>]*[^/]>\s*<nd\s[^>]*\blat\s*=")
_OVERLAP_BYTES = 2**12
_RANKS = {b"node": 0, b"way": 1, b"relation": 2}
_LETTERS = "nwr"
_CHUNK_BYTES = 2**22


@dataclass(frozen=True, order=True)
class OsmId:
    """A relation or way: ``R120965``; negative if made in JOSM and never uploaded."""

    kind: str
    """``R`` or ``W``."""
    number: int

    def __str__(self) -> str:
        return f"{self.kind}{self.number}"


@dataclass(frozen=True, kw_only=True)
class Ordered:
    """A sorted file, and the mapping of its ids."""

    path: Path
    base: int | None = None
    """Ids above this one stand for negative ids; None if there are none."""

    def original(self, key: OsmId) -> OsmId:
        """Map an id of this file to that of its original."""
        above = self.base is not None and key.number > self.base
        return OsmId(key.kind, (self.base or 0) - key.number) if above else key

    def written(self, key: OsmId) -> OsmId:
        """Map an id of the original file to that of this one."""
        return OsmId(key.kind, (self.base or 0) - key.number) if key.number < 0 else key


def in_order(path: Path) -> Ordered:
    """Return a sorted file: the file itself if it is, else a sorted copy.

    Raises
    ------
    AreaError
        When it is not, and is too large to be sorted here.
    RuntimeError
        From osmium, when it cannot be read.

    """
    status = path.stat()
    return _in_order(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _in_order(path: Path, _changed: int, size: int) -> Ordered:
    is_pbf = path.name.lower().endswith(".pbf")
    if is_pbf and size > _CHECKED_PBF_BYTES:
        return Ordered(path=path)
    is_sorted, greatest, negative = _looked_through(_objects(path))
    placed = path.suffix.lower() == ".osm" and _has_placed_ways(path)
    if is_sorted and not negative and not placed:
        return Ordered(path=path)
    if size > MOST_BYTES:
        cure = "osmium renumber" if negative else "osmium sort"
        raise AreaError(f"{path}: its objects are not in order, or have ids below 0; run `{cure}` on it first")
    folder = Path(tempfile.mkdtemp(prefix="howgreen-"))
    ordered = Ordered(path=folder / "sorted.osm.pbf", base=greatest if negative else None)
    weakref.finalize(ordered, shutil.rmtree, folder, ignore_errors=True)  # at the end of the process at the latest
    source = path
    if ordered.base is not None or placed:
        source = folder / "rewritten.osm.pbf"
        _rewrite(path, source, base=ordered.base or 0)
    reader = osmium.MergeInputReader()
    reader.add_file(str(source))
    with osmium.SimpleWriter(str(ordered.path)) as writer:
        reader.apply(writer)
    return ordered


def _objects(path: Path) -> Iterator[tuple[int, int]]:
    """Yield rank (node, way, relation) and id of every object, in file order."""
    if path.suffix.lower() != ".osm":
        for item in osmium.FileProcessor(str(path)):
            yield _LETTERS.index(item.type_str()), item.id
        return
    with path.open("rb") as file:  # four times faster than through osmium
        rest = b""
        while chunk := file.read(_CHUNK_BYTES):
            whole, cut, last = (rest + chunk).rpartition(b"<")
            for match in _XML_OBJECT.finditer(whole):
                yield _RANKS[match[1]], int(match[2])
            rest = (cut + last)[-_CHUNK_BYTES:]
        for match in _XML_OBJECT.finditer(rest):
            yield _RANKS[match[1]], int(match[2])


def _looked_through(objects: Iterator[tuple[int, int]]) -> tuple[bool, int, bool]:
    """Return whether objects are in order, their greatest id, and whether one is negative."""
    last, in_order, greatest, negative = (0, -(2**63)), True, 0, False
    for item in objects:
        in_order = in_order and item > last
        last = item
        greatest = max(greatest, item[1])
        negative = negative or item[1] < 0
    return in_order, greatest, negative


def _has_placed_ways(path: Path) -> bool:
    """Tell whether the ways of an XML file hold their own positions.

    Raises
    ------
    AreaError
        When relations do: the ways of their members are then missing.

    """
    with path.open("rb") as file:
        rest, placed = b"", False
        while chunk := file.read(_CHUNK_BYTES):
            text = rest + chunk
            if _PLACED_MEMBER.search(text):
                raise AreaError(
                    f"{path}: its relations hold positions instead of ways (Overpass' `out geom`); "
                    "ask with `out body; >; out skel qt;`"
                )
            placed = placed or _PLACED_NODE.search(text) is not None
            rest = text[-_OVERLAP_BYTES:]
    return placed


def _rewrite(path: Path, target: Path, *, base: int) -> None:
    """Write a file with negative ids mapped above all others, and with nodes for ways that held positions."""

    def new(number: int) -> int:
        return base - number if number < 0 else number

    known = {node.id for node in osmium.FileProcessor(str(path), osmium.osm.NODE)}
    with osmium.SimpleWriter(str(target)) as writer:
        item: Any
        for item in osmium.FileProcessor(str(path)):
            if item.is_node():
                writer.add_node(item.replace(id=new(item.id)))
            elif item.is_way():
                for node in item.nodes:
                    if node.location.valid() and node.ref not in known:
                        known.add(node.ref)
                        where = (node.location.lon, node.location.lat)
                        writer.add_node(osmium.osm.mutable.Node(id=new(node.ref), location=where))
                writer.add_way(item.replace(id=new(item.id), nodes=[new(node.ref) for node in item.nodes]))
            else:
                members = [(member.type, new(member.ref), member.role) for member in item.members]
                writer.add_relation(item.replace(id=new(item.id), members=members))
