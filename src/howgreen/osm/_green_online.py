"""Areas mapped as green in OpenStreetMap within a city, queried from its database tile by tile.

The responses are OpenStreetMap files, read by the same code as local extracts: same tags, same assembly of rings and
holes by osmium. An area across several pieces comes complete with each of them, and counts once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import shapely

from howgreen.core.errors import AreaError
from howgreen.core.geometry import BBox, boxes
from howgreen.net.client import Request
from howgreen.osm._green import GREEN_TAGS, areas_within, read_green
from howgreen.osm.extract import OsmAreas, merged
from howgreen.osm.overpass import REFUSAL_S, has_areas

if TYPE_CHECKING:
    import geopandas as gpd

    from howgreen.core.types import City, Progress
    from howgreen.net.network import Network

PIECE_DEG = 0.1
"""Side of a piece in degrees: about 8 by 11 km, a few megabytes over a city."""
MOST_PIECES = 300
"""A place with more is refused: public servers are a shared resource."""
ATTEMPT_S, TOTAL_S = 70.0, 300.0
"""Green areas are our largest query; the server itself gives up after 60 s."""


def green_areas_online(city: City, *, network: Network, progress: Progress | None = None) -> gpd.GeoDataFrame:
    """Fetch OpenStreetMap's green polygons in a city; like :func:`howgreen.osm._green.green_areas`, without an extract.

    Parameters
    ----------
    progress
        Called with ``("osm green", pieces done, pieces in all)``.

    Raises
    ------
    NetworkError
        When no server responds; finished pieces are kept, and a repeated call resumes from them.
    AreaError
        When the city is too large for a query.

    """
    tiles = list(pieces(city))
    if len(tiles) > MOST_PIECES:
        raise AreaError(
            f"{city.label}: too large to ask Overpass for its green areas ({len(tiles)} pieces, at most {MOST_PIECES}); "
            "give --osm FILE.osm.pbf"
        )
    retry = network.retry
    client = network.client(
        replace(retry, attempt_s=max(retry.attempt_s, ATTEMPT_S), total_s=max(retry.total_s, TOTAL_S))
    )
    parts: list[OsmAreas] = []
    for number, piece in enumerate(tiles):
        if progress:
            progress("osm green", number, len(tiles))
        request = Request(
            what="Overpass", urls=client.endpoints.overpass, form={"data": question(piece)}, suffix=".osm", check=has_areas,
            instead="an extract with --osm FILE.osm.pbf", refusal_s=REFUSAL_S,
        )  # fmt: skip
        parts.append(read_green(client.fetch(request).path))
    if progress:
        progress("osm green", len(tiles), len(tiles))
    return areas_within(merged(parts), city)


def pieces(city: City) -> Iterator[BBox]:
    """Yield the pieces (west, south, east, north) that the city touches.

    Their edges are multiples of PIECE_DEG, so that cached responses also serve neighbouring places.
    """
    shapely.prepare(city.boundary)
    for west, south, east, north in boxes(city.boundary):
        for row in range(math.floor(south / PIECE_DEG), math.ceil(north / PIECE_DEG)):
            for column in range(math.floor(west / PIECE_DEG), math.ceil(east / PIECE_DEG)):
                left, low, right, top = (round(n * PIECE_DEG, 6) for n in (column, row, column + 1, row + 1))
                if city.boundary.intersects(shapely.box(left, low, right, top)):
                    yield left, low, right, top


def question(piece: BBox) -> str:
    """Write the query for one piece: every way and relation with a green tag, and all their members."""
    west, south, east, north = piece
    where = f"({south:.6f},{west:.6f},{north:.6f},{east:.6f})"
    values: dict[str, list[str]] = {}
    for tag in GREEN_TAGS:
        values.setdefault(tag.key, []).append(tag.value)
    statements = "".join(
        f'{kind}["{key}"~"^({"|".join(sorted(set(listed)))})$"]{where};'
        for key, listed in values.items()
        for kind in ("way", "rel")
    )
    return f"[out:xml][timeout:60][maxsize:536870912];({statements});(._;>;);out body;"
