"""A tiny OpenStreetMap, written by hand: every object and its area is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

Ring = Sequence[tuple[float, float]]


def square(west: float, south: float, side: float) -> list[tuple[float, float]]:
    """Closed ring, counter-clockwise."""
    east, north = west + side, south + side
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


class OsmWriter:
    """Collects ways and relations and writes them as .osm XML in the order that osmium asks for."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[float, float], int] = {}
        self.ways: list[tuple[int, list[int], Mapping[str, str]]] = []
        self.relations: list[tuple[int, list[tuple[str, int, str]], Mapping[str, str]]] = []

    def way(self, ring: Ring, tags: Mapping[str, str] | None = None) -> int:
        refs = [self.nodes.setdefault(point, len(self.nodes) + 1) for point in ring]
        self.ways.append((len(self.ways) + 1, refs, tags or {}))
        return len(self.ways)

    def relation(self, number: int, outer: Sequence[int], tags: Mapping[str, str], inner: Sequence[int] = ()) -> int:
        members = [("way", ref, "outer") for ref in outer] + [("way", ref, "inner") for ref in inner]
        self.relations.append((number, members, tags))
        return number

    def limits(self, number: int, ring: Ring, *, level: int, **tags: str) -> int:
        kind = {"type": "boundary", "boundary": "administrative", "admin_level": str(level)}
        return self.relation(number, [self.way(ring)], kind | tags)

    def save(self, path: Path, *, lost_ways: Sequence[int] = (), lost_nodes: Sequence[int] = ()) -> Path:
        lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<osm version="0.6" generator="test">']
        for (lon, lat), ref in self.nodes.items():
            if ref not in lost_nodes:
                lines.append(f'<node id="{ref}" version="1" lat="{lat:.7f}" lon="{lon:.7f}"/>')
        for ref, nodes, tags in self.ways:
            if ref not in lost_ways:
                inner = "".join(f'<nd ref="{node}"/>' for node in nodes) + _tags(tags)
                lines.append(f'<way id="{ref}" version="1">{inner}</way>')
        for ref, members, tags in sorted(self.relations, key=lambda relation: relation[0]):
            inner = "".join(f'<member type="{t}" ref="{m}" role="{r}"/>' for t, m, r in members) + _tags(tags)
            lines.append(f'<relation id="{ref}" version="1">{inner}</relation>')
        path.write_text("\n".join([*lines, "</osm>"]), encoding="utf-8")
        return path


def _tags(tags: Mapping[str, str]) -> str:
    return "".join(f"<tag k={quoteattr(key)} v={quoteattr(value)}/>" for key, value in tags.items())


@pytest.fixture
def osm() -> OsmWriter:
    return OsmWriter()


@pytest.fixture
def ring():
    """The function that makes a closed square ring."""
    return square
