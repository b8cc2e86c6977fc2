"""Walking distance to a green space along the ways mapped in OpenStreetMap.

Edges are split where they enter a green space, so that the entrance counts and not the nearest crossing; people join
the network at the nearest point of an edge, and only within :data:`SNAP_M`: a park without a way to it is not at 0 m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.signedinteger[Any]]
SNAP_M = 100.0
"""Greatest distance from a home to a way."""
ENTRANCE_M = 10.0
"""A way this close to a green space leads into it: paths are often drawn up to the kerb."""
FURTHEST_M = 2000.0
"""Greatest distance measured."""
_ROUND_M = 0.01


@dataclass(frozen=True, kw_only=True)
class _Edges:
    start: Floats
    """(n, 2) metres."""
    end: Floats

    @property
    def length(self) -> Floats:
        metres: Floats = np.hypot(*(self.end - self.start).T)
        return metres

    @property
    def lines(self) -> npt.NDArray[np.object_]:
        """The edges as shapely lines."""
        pairs = np.stack([self.start, self.end], axis=1)
        return np.asarray(shapely.linestrings(pairs), object)


def walking_m(homes: Floats, ways: Sequence[BaseGeometry], spaces: Sequence[BaseGeometry]) -> Floats:
    """Measure the distance of each home to the nearest green space along ways.

    Parameters
    ----------
    homes
        (n, 2) x and y in metres.
    ways
        Lines in the same CRS; they join where they share a vertex.
    spaces
        Polygons in the same CRS.

    Returns
    -------
    Floats
        (n,) metres, including the access to the network; 0 inside a green space; inf if no way reaches one within
        :data:`FURTHEST_M`.
    """
    from scipy.sparse.csgraph import dijkstra

    found = np.full(len(homes), np.inf)
    if not len(homes) or not spaces:
        return found
    points: Any = shapely.points(homes)
    inside = shapely.union_all(list(spaces))
    shapely.prepare(inside)
    at_home = shapely.contains(inside, points)
    edges = _split(_edges(ways), shapely.buffer(inside, ENTRANCE_M))
    if len(edges.start):
        nodes, a, b = _nodes(edges)
        reached = shapely.buffer(inside, ENTRANCE_M + 2 * _ROUND_M)
        shapely.prepare(reached)
        doors = np.flatnonzero(shapely.contains_xy(reached, nodes[:, 0], nodes[:, 1]))
        length = np.maximum(edges.length, 1e-6)
        graph = _graph(length, a, b, len(nodes))
        far = np.full(len(nodes), np.inf)
        if len(doors):
            far = dijkstra(graph, directed=False, indices=doors, min_only=True, limit=FURTHEST_M)
        found = _from_homes(points, homes, edges, a, b, far)
    found[at_home] = 0.0
    return found


def _edges(ways: Sequence[BaseGeometry]) -> _Edges:
    starts, ends = [], []
    for way in ways:
        for line in getattr(way, "geoms", [way]):
            places = shapely.get_coordinates(line)
            starts.append(places[:-1])
            ends.append(places[1:])
    if not starts:
        return _Edges(start=np.zeros((0, 2)), end=np.zeros((0, 2)))
    return _Edges(start=np.concatenate(starts), end=np.concatenate(ends))


def _split(edges: _Edges, spaces: BaseGeometry) -> _Edges:
    """Split edges where they cross the boundary of a green space."""
    rim = shapely.boundary(spaces)
    lines = edges.lines
    crossing = np.flatnonzero(shapely.intersects(lines, rim))
    starts, ends = [np.delete(edges.start, crossing, axis=0)], [np.delete(edges.end, crossing, axis=0)]
    for number in crossing.tolist():
        line = lines[number]
        met = shapely.get_coordinates(shapely.intersection(line, rim))
        at = np.unique(shapely.line_locate_point(line, shapely.points(met)))
        cuts = shapely.get_coordinates(shapely.line_interpolate_point(line, at))
        places = np.concatenate([edges.start[number][None], cuts, edges.end[number][None]])
        starts.append(places[:-1])
        ends.append(places[1:])
    return _Edges(start=np.concatenate(starts), end=np.concatenate(ends))


def _nodes(edges: _Edges) -> tuple[Floats, Ints, Ints]:
    """Assign numbers to the end points of edges; points within a centimetre are one node."""
    places = np.rint(np.concatenate([edges.start, edges.end]) / _ROUND_M).astype(np.int64)
    unique, index = np.unique(places, axis=0, return_inverse=True)
    index = index.ravel()
    return np.asarray(unique * _ROUND_M, np.float64), index[: len(edges.start)], index[len(edges.start) :]


def _graph(length: Floats, a: Ints, b: Ints, count: int) -> Any:
    """Build the sparse matrix of edges; of parallel edges the shorter counts, where a matrix would add them."""
    from scipy.sparse import coo_matrix

    low, high = np.minimum(a, b), np.maximum(a, b)
    order = np.lexsort((length, high, low))
    low, high, length = low[order], high[order], length[order]
    first = np.r_[True, (low[1:] != low[:-1]) | (high[1:] != high[:-1])]
    return coo_matrix((length[first], (low[first], high[first])), shape=(count, count)).tocsr()


def _from_homes(points: npt.NDArray[np.object_], homes: Floats, edges: _Edges, a: Ints, b: Ints, far: Floats) -> Floats:
    """Add the access from each home to its nearest edge, and along it to either end."""
    lines = edges.lines
    home, edge = shapely.STRtree(lines).query_nearest(points, max_distance=SNAP_M, all_matches=False)
    along = shapely.line_locate_point(lines[edge], points[home])
    aside = shapely.distance(lines[edge], points[home])
    length = edges.length[edge]
    metres = np.full(len(homes), np.inf)
    metres[home] = aside + np.minimum(along + far[a[edge]], length - along + far[b[edge]])
    metres[metres > FURTHEST_M] = np.inf
    return metres
