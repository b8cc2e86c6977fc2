"""Servers on the loopback that answer as they are told, and remember who asked what, and when."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

DATA = Path(__file__).resolve().parent.parent / "data"


@dataclass
class Ask:
    path: str
    query: dict[str, str]
    agent: str
    at: float


@dataclass
class Reply:
    body: bytes = b"[]"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    drop_after: int | None = None
    """Close the connection after so many bytes of the body."""
    drip_s: float = 0.0
    """Seconds between two bytes."""


@dataclass
class Service:
    url: str
    asked: list[Ask]
    replies: list[Reply]
    """Used up one by one; then ``usual`` answers."""
    usual: Callable[[Ask], Reply]


def says(value: object) -> Reply:
    return Reply(value if isinstance(value, bytes) else json.dumps(value).encode())


@contextmanager
def served(usual: Callable[[Ask], Reply] = lambda _: Reply()) -> Iterator[Service]:
    asked: list[Ask] = []
    replies: list[Reply] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._reply(dict(parse_qs(urlsplit(self.path).query)))

        def do_POST(self):
            self._reply(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))

        def _reply(self, query):
            ask = Ask(
                urlsplit(self.path).path,
                {k: v[0] for k, v in query.items()},
                self.headers["User-Agent"],
                time.monotonic(),
            )
            asked.append(ask)
            reply = replies.pop(0) if replies else service.usual(ask)
            time.sleep(reply.wait_s)
            with suppress(BrokenPipeError, ConnectionResetError):
                self._send(reply)

        def _send(self, reply):
            if reply.drop_after is not None and reply.drop_after < 0:
                return  # not even a status line
            self.send_response(reply.status)
            for key, value in reply.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            if reply.drip_s:
                for byte in reply.body:
                    self.wfile.write(bytes([byte]))
                    time.sleep(reply.drip_s)
            self.wfile.write(reply.body[: reply.drop_after])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    service = Service(f"http://127.0.0.1:{server.server_port}", asked, replies, usual)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


def rectangle(west, south, east, north):
    return {
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    }


def record(number, name, *, geojson=None, kind="relation", addresstype="city", rank=16, country="xx", **more):
    """A minimal record of Nominatim's jsonv2."""
    lat, lon = more.pop("at", (0.0, 0.0))
    return {
        "osm_type": kind, "osm_id": number, "lat": str(lat), "lon": str(lon), "category": "boundary",
        "type": "administrative", "place_rank": rank, "addresstype": addresstype, "name": name,
        "display_name": f"{name}, Somewhere", "address": {"country_code": country},
        "geojson": geojson or {"type": "Point", "coordinates": [lon, lat]}, **more,
    }  # fmt: skip


def point(name, lat, lon, **more):
    """A settlement that Nominatim knows as a node only."""
    return record(99, name, kind="node", at=(lat, lon), category="place", type="city", **more)


def osm_file(*areas) -> bytes:
    """An answer of Overpass in XML: relations (id, tags, box) of one ring each, nodes first."""
    nodes, ways, relations = [], [], []
    for number, tags, (west, south, east, north) in sorted(areas, key=lambda area: area[0]):
        corners = [(west, south), (east, south), (east, north), (west, north)]
        for i, (lon, lat) in enumerate(corners):
            nodes.append(f'<node id="{number * 10 + i}" lat="{lat}" lon="{lon}"/>')
        refs = "".join(f'<nd ref="{number * 10 + i % 4}"/>' for i in range(5))
        ways.append(f'<way id="{number * 10}">{refs}</way>')
        marks = "".join(f'<tag k="{k}" v="{v}"/>' for k, v in tags.items())
        relations.append(
            f'<relation id="{number}"><member type="way" ref="{number * 10}" role="outer"/>{marks}</relation>'
        )
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6" generator="Overpass API 0.7.62">\n'
    meta = '<note>The data is from www.openstreetmap.org, ODbL.</note>\n<meta osm_base="2026-05-01T00:00:00Z"/>\n'
    return (head + meta + "\n".join([*nodes, *ways, *relations]) + "\n</osm>\n").encode()


def admin(name, level, **more):
    return {"type": "boundary", "boundary": "administrative", "admin_level": str(level), "name": name, **more}


def listed(*areas):
    """The same areas as ``out tags bb`` lists them in JSON."""
    return says({"version": 0.6, "elements": [
        {"type": "relation", "id": number, "tags": tags,
         "bounds": {"minlon": w, "minlat": s, "maxlon": e, "maxlat": n}} for number, tags, (w, s, e, n) in areas]})  # fmt: skip
