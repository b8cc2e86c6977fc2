"""A server on the loopback that answers as a test says, and items in the form in which public catalogues give them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Ask:
    url: str
    """Of the server."""
    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Said:
    body: Any = b""
    """Bytes, or a value that is sent as JSON; or an iterator of bytes, sent as they come and without a length."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Loop:
    url: str
    asked: list[Ask] = field(default_factory=list)

    def of(self, part: str) -> list[Ask]:
        return [ask for ask in self.asked if part in ask.path]


@contextmanager
def loop(answer: Callable[[Ask], Said]) -> Iterator[Loop]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            ask = Ask(there.url, self.command, parts.path, query, self.headers, sent, time.monotonic())
            there.asked.append(ask)
            said = answer(ask)
            stream = hasattr(said.body, "__next__")
            plain = isinstance(said.body, bytes) or stream
            body = said.body if plain else json.dumps(said.body).encode()
            length = {"Connection": "close"} if stream else {"Content-Length": str(len(body))}
            kind = {} if plain else {"Content-Type": "application/json"}
            self.close_connection = stream
            with suppress(OSError):
                self.send_response_only(said.status)
                for key, value in {**length, **kind, **said.headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                for part in body if stream else [body]:
                    self.wfile.write(part)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    there = Loop(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()


OUTLINE = {
    "type": "Polygon",
    "coordinates": [[[14.3, 52.2], [14.7, 52.2], [14.7, 52.45], [14.3, 52.45], [14.3, 52.2]]],
}
BANDS = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "scl": "SCL"}


def landing(url: str) -> dict:
    """As stac-fastapi answers."""
    return {
        "type": "Catalog", "id": "x", "stac_version": "1.0.0", "description": "x", "conformsTo": [],
        "links": [
            {"rel": "self", "href": url}, {"rel": "root", "href": url}, {"rel": "data", "href": f"{url}/collections"},
            {"rel": "search", "href": f"{url}/search", "method": "GET"},
            {"rel": "search", "href": f"{url}/search", "method": "POST"},
        ],
    }  # fmt: skip


def item(day: str, url: str = "https://example.org", *, number: int = 0) -> dict:
    """An item as Earth Search v1 gave it in July 2025."""
    compact = day.replace("-", "")
    name = f"S2B_33UVT_{compact}_{number}_L2A"
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a", "links": [],
        "bbox": [14.3, 52.2, 14.7, 52.45], "geometry": OUTLINE,
        "assets": {
            key: {"href": f"{url}/files/{name}/{band}.tif", "type": "image/tiff", "roles": ["data"]}
            for key, band in BANDS.items()
        },
        "properties": {
            "datetime": f"{day}T10:16:29.123000Z", "platform": "sentinel-2b", "constellation": "sentinel-2",
            "grid:code": "MGRS-33UVT", "s2:processing_baseline": "05.11", "s2:product_type": "S2MSI2A",
            "s2:datatake_id": f"GS2B_{compact}T101559_{number:06d}_N05.11", "earthsearch:boa_offset_applied": True,
            "s2:datastrip_id": f"S2B_OPER_MSI_L2A_DS_2BPS_{compact}T132745_S{compact}T10155{number}_N05.11",
        },
    }  # fmt: skip


def found(features: list[dict], *links: dict, **more: Any) -> Said:
    return Said({"type": "FeatureCollection", "features": features, "links": list(links), **more})


def catalogue(search: Callable[[Ask], Said]) -> Callable[[Ask], Said]:
    """A landing page, and searches as ``search`` answers them."""
    return lambda ask: search(ask) if "/search" in ask.path else Said(landing(f"{ask.url}/v1"))
