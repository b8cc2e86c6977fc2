"""OpenStreetMap's database via Overpass: queries, and checks of the responses.

User input never enters a query: names are compared locally, and queries hold numbers only. Areas come as an
OpenStreetMap file, so that their rings are assembled by the code that reads local extracts (osmium).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from howgreen.core.geometry import BBox
from howgreen.net.cache import CachedResponse
from howgreen.net.client import Client, Request
from howgreen.net.http import parse_json, web_page
from howgreen.osm.order import OsmId
from howgreen.osm.tags import level_of

HEAD = "[out:{form}][timeout:20][maxsize:268435456];"
"""Head of each query: its response format, and the server's time and memory limits."""
REFUSAL_S = 30.0
"""After a refusal, the operators of overpass-api.de want this pause, without a switch to another server
(Overpass-API#791)."""
_REMARK = re.compile(rb"<remark>\s*(.*?)\s*</remark>", re.DOTALL)


AROUND_M = 5000
"""Limits that pass a point within this distance still count as around it."""
_ADMINISTRATIVE = '[boundary="administrative"]["admin_level"]'


@dataclass(frozen=True, kw_only=True)
class AdminArea:
    """Administrative limits, without their geometry."""

    id: OsmId
    tags: Mapping[str, str]
    level: int | None
    bounds: BBox | None
    """West, south, east, north; degrees."""


def ask(query: str, *, suffix: str, check: Any, client: Client) -> CachedResponse:
    """Send a query to the first Overpass server that responds; the response has passed ``check``."""
    request = Request(
        what="Overpass",
        urls=client.endpoints.overpass,
        form={"data": query},
        suffix=suffix,
        check=check,
        refusal_s=REFUSAL_S,
    )
    return client.fetch(request)


def fetch_areas(ids: Sequence[OsmId], *, client: Client) -> CachedResponse:
    """Fetch an OpenStreetMap file with some relations or ways and all their members."""
    chosen = "".join(f"{'rel' if one.kind == 'R' else 'way'}({one.number});" for one in ids)
    return _fetch_file(chosen, client=client)


def fetch_coast(boxes: Sequence[BBox], *, margin_deg: float, client: Client) -> CachedResponse:
    """Fetch an OpenStreetMap file with the coastlines in some boxes plus a margin; inland it is empty."""
    return _fetch_file(
        "".join(f'way["natural"="coastline"]({_grown(box, margin_deg)});' for box in boxes), client=client
    )


def list_around(lat: float, lon: float, *, client: Client) -> list[AdminArea]:
    """List the administrative limits that contain a point, or pass within 5 km of it."""
    point = f"{lat:.7f},{lon:.7f}"
    return _list(
        f"is_in({point})->.a;(rel(pivot.a){_ADMINISTRATIVE};rel(around:{AROUND_M},{point}){_ADMINISTRATIVE};);",
        client=client,
    )


def list_in(boxes: Sequence[BBox], *, client: Client) -> list[AdminArea]:
    """List the administrative limits that intersect some boxes."""
    rows = "".join(f"rel{_ADMINISTRATIVE}({_grown(box, 0.0)});" for box in boxes)
    return _list(f"({rows});", client=client)


def _fetch_file(chosen: str, *, client: Client) -> CachedResponse:
    query = f"{HEAD.format(form='xml')}({chosen});(._;>;);out body;"
    return ask(query, suffix=".osm", check=has_areas, client=client)


def _list(chosen: str, *, client: Client) -> list[AdminArea]:
    query = f"{HEAD.format(form='json')}{chosen}out tags bb;"
    return admin_areas(ask(query, suffix=".json", check=lambda body: bool(admin_areas(body)), client=client).body)


def _grown(box: BBox, margin_deg: float) -> str:
    """Format a box plus a margin for Overpass: south, west, north, east."""
    west, south, east, north = box
    low = max(south - margin_deg, -90.0), max(west - margin_deg, -180.0)
    high = min(north + margin_deg, 90.0), min(east + margin_deg, 180.0)
    return ",".join(f"{edge:.6f}" for edge in (*low, *high))


def admin_areas(body: bytes) -> list[AdminArea]:
    """Read the relations of a JSON response.

    Raises
    ------
    ValueError
        As :func:`has_areas`, or when one has no id.

    """
    return [_admin_area(element) for element in elements(body) if element.get("type") == "relation"]


def _admin_area(element: Mapping[str, Any]) -> AdminArea:
    number = element.get("id")
    if not isinstance(number, int):
        raise ValueError("a relation without an id")  # noqa: TRY004 (the value is wrong, not the caller)
    given = element.get("tags")
    tags = {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}
    box = element.get("bounds")
    edges = [box.get(key) for key in ("minlon", "minlat", "maxlon", "maxlat")] if isinstance(box, dict) else []
    numbers = [float(edge) for edge in edges if isinstance(edge, int | float)]
    bounds = (numbers[0], numbers[1], numbers[2], numbers[3]) if len(numbers) == 4 else None
    return AdminArea(id=OsmId("R", number), tags=tags, level=level_of(tags), bounds=bounds)


def has_areas(body: bytes) -> bool:
    """Tell whether an OpenStreetMap file holds any object.

    Raises
    ------
    ValueError
        With the reason, if it is an error page, truncated, or ends with an error of the server: Overpass reports a
        timeout inside a response that otherwise looks complete.

    """
    if not body.rstrip().endswith(b"</osm>"):
        raise ValueError(web_page(body) or "an answer cut short")
    remark = _REMARK.search(body)
    if remark:
        raise ValueError(f"the server gave up ({remark[1][:80].decode(errors='replace')})")
    return b"<relation" in body or b"<way" in body


def elements(body: bytes) -> list[dict[str, Any]]:
    """Read the elements of a JSON response.

    Raises
    ------
    ValueError
        As :func:`has_areas`.

    """
    parsed = parse_json(body)
    listed = parsed.get("elements") if isinstance(parsed, dict) else None
    if not isinstance(listed, list) or not all(isinstance(element, dict) for element in listed):
        raise ValueError("an error instead of places")
    if parsed.get("remark"):
        raise ValueError(f"the server gave up ({str(parsed['remark'])[:80]})")
    return listed
