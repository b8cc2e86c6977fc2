"""Asking OpenStreetMap's database, by Overpass, and what an answer of it must hold."""

from __future__ import annotations

import re
from typing import Any

from howgreen.net.cache import CachedResponse
from howgreen.net.client import Client, Request
from howgreen.net.http import parse_json, web_page

HEAD = "[out:{form}][timeout:20][maxsize:268435456];"
"""Begins each query: its form of answer, and what the server may spend on it."""
REFUSAL_S = 30.0
"""So long the operators of overpass-api.de want to be left alone after a refusal, and no other server asked instead
(Overpass-API#791)."""
_REMARK = re.compile(rb"<remark>\s*(.*?)\s*</remark>", re.DOTALL)


def ask(query: str, *, suffix: str, check: Any, client: Client) -> CachedResponse:
    """Send a query to the first Overpass server that answers it; the answer passed ``check``."""
    request = Request(
        what="Overpass",
        urls=client.endpoints.overpass,
        form={"data": query},
        suffix=suffix,
        check=check,
        refusal_s=REFUSAL_S,
    )
    return client.fetch(request)


def has_areas(body: bytes) -> bool:
    """Whether an OpenStreetMap file holds any object.

    Raises
    ------
    ValueError
        With the reason when it is an error page, cut short, or ends with the server's own complaint: Overpass says
        that it ran out of time in an answer that otherwise looks whole.

    """
    if not body.rstrip().endswith(b"</osm>"):
        raise ValueError(web_page(body) or "an answer cut short")
    remark = _REMARK.search(body)
    if remark:
        raise ValueError(f"the server gave up ({remark[1][:80].decode(errors='replace')})")
    return b"<relation" in body or b"<way" in body


def elements(body: bytes) -> list[dict[str, Any]]:
    """The elements of an answer in JSON.

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
