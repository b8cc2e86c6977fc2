"""An Earth Engine on the loopback: Google's own discovery document and list of algorithms, images from arrays.

It answers what the client library asks: the description of the API, algorithms, listings, images, pixels on any grid of the
image's own CRS (nearest pixel, as Earth Engine does), and exports, which it only remembers.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import ee
import numpy as np
from affine import Affine
from shapely.geometry import mapping

ROOT = "projects/earthengine-public/assets/"
TESTS = Path(ee.__file__).parent / "tests"


@dataclass
class Image:
    id: str
    start: str
    footprint: object
    bands: dict[str, tuple[np.ndarray, Affine]]
    crs: str
    properties: dict[str, object] = field(default_factory=dict)

    def asset(self) -> dict:
        return {
            "type": "IMAGE",
            "name": ROOT + self.id,
            "id": self.id,
            "startTime": self.start,
            "geometry": mapping(self.footprint),
            "properties": self.properties,
            "bands": [{"id": name, "grid": grid(values, t, self.crs)} for name, (values, t) in self.bands.items()],
        }


def grid(values: np.ndarray, t: Affine, crs: str) -> dict:
    """As Earth Engine writes it: what is 0 is left out."""
    parts = {"scaleX": t.a, "shearX": t.b, "translateX": t.c, "shearY": t.d, "scaleY": t.e, "translateY": t.f}
    return {
        "crsCode": crs,
        "dimensions": {"width": values.shape[1], "height": values.shape[0]},
        "affineTransform": {key: value for key, value in parts.items() if value},
    }


@dataclass
class World:
    url: str
    images: list[Image]
    asked: list[str] = field(default_factory=list)
    filters: list[str] = field(default_factory=list)
    exports: list[dict] = field(default_factory=list)
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Used up one by one by requests for pixels."""


@contextmanager
def served(images: list[Image]) -> Iterator[World]:  # noqa: C901 (a server in one place)
    document = json.loads((TESTS / "cloud_api_discovery_document.json").read_text().replace("v1alpha", "v1"))
    # The library's copy is from 2020; its own documentation of listAssets names these two parameters.
    for name in ("filter", "view"):
        listing = document["resources"]["projects"]["resources"]["assets"]["methods"]["listAssets"]
        listing["parameters"][name] = {"type": "string", "location": "query"}
    algorithms = json.loads((TESTS / "algorithms.json").read_text())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            parts = urlsplit(self.path)
            world.asked.append(parts.path)
            if parts.path == "/$discovery/rest":
                self.give(document | {"rootUrl": world.url + "/", "baseUrl": world.url + "/"})
            elif parts.path.endswith("/algorithms"):
                self.give(algorithms if isinstance(algorithms, dict) else {"algorithms": algorithms})
            elif parts.path.endswith(":listAssets"):
                world.filters.append(parse_qs(parts.query)["filter"][0])
                parent = parts.path.removeprefix(f"/v1/{ROOT}").removesuffix(":listAssets")
                self.give({"assets": [i.asset() for i in images if i.id.rpartition("/")[0] == parent]})
            else:
                self.give(self.image(parts.path).asset())

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            path = urlsplit(self.path).path
            world.asked.append(path)
            if path.endswith("/image:export"):
                world.exports.append(body)
                return self.give({"name": "projects/p/operations/TASK1", "metadata": {}, "done": False})
            if world.refusals:
                status, message = world.refusals.pop(0)
                return self.give({"error": {"code": status, "message": message}}, status)
            return self.pixels(self.image(path.removesuffix(":getPixels")), body)

        def image(self, path):
            return next(i for i in images if i.id == path.removeprefix(f"/v1/{ROOT}"))

        def pixels(self, image, body):
            (band,) = body["bandIds"]
            values, own = image.bands[band]
            t, size = body["grid"]["affineTransform"], body["grid"]["dimensions"]
            assert body["grid"]["crsCode"] == image.crs
            asked = Affine(
                t["scaleX"], t.get("shearX", 0), t["translateX"], t.get("shearY", 0), t["scaleY"], t["translateY"]
            )
            x, y = np.meshgrid(np.arange(size["width"]) + 0.5, np.arange(size["height"]) + 0.5)
            to_own = ~own @ asked
            column, row = np.floor(to_own.a * x + to_own.c).astype(int), np.floor(to_own.e * y + to_own.f).astype(int)
            inside = (row >= 0) & (row < values.shape[0]) & (column >= 0) & (column < values.shape[1])
            out = np.zeros(x.shape, [(band, values.dtype)])
            out[band][inside] = values[row[inside], column[inside]]
            buffer = io.BytesIO()
            np.save(buffer, out)
            self.give(buffer.getvalue())

        def give(self, value, status=200):
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header(
                "Content-Type", "application/octet-stream" if isinstance(value, bytes) else "application/json"
            )
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    world = World(url=f"http://127.0.0.1:{server.server_address[1]}", images=images)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield world
    finally:
        server.shutdown()
        server.server_close()
        ee.Reset()
