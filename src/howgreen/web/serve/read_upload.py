"""Read an untrusted vector file in a subprocess, limited in memory, time and bytes, and without network.

Run as ``python -m howgreen.web.serve.read_upload FILE MOST_VERTICES MOST_AREAS``; outputs the file's places as GeoJSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.core import vector_files

if TYPE_CHECKING:
    from howgreen.place.vectors import Feature

MOST_MEMORY_BYTES = 3 << 29
"""In addition to the libraries."""
MOST_SECONDS = 20
"""Processor time."""
MOST_FILE_BYTES = 100 * 2**20
"""Per unpacked file."""
MOST_UNPACKED_BYTES = 200 * 2**20
"""All unpacked files together."""
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_DEAD_END = "http://127.0.0.1:9"
_SMALL = '{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}'


def main(arguments: Sequence[str]) -> int:
    """Read the file; errors are reported in the output, which is always one JSON object."""
    path, most_vertices, most_areas = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    _cut_off()
    from howgreen.core.errors import HowgreenError
    from howgreen.place import from_text
    from howgreen.place.vectors import read_file

    from_text(_SMALL)  # libraries' one-time allocations, some a gigabyte of addresses, must not count for the file
    _bound()
    vector_files.MAX_UNPACKED_BYTES = MOST_UNPACKED_BYTES
    vector_files.MAX_TEXT_BYTES = MOST_FILE_BYTES
    try:
        features = read_file(path).features
        answer: dict[str, Any] = {
            "features": [_candidate(one, path, most_vertices) for one in features[:most_areas]],
            "left_out": max(0, len(features) - most_areas),
        }
    except HowgreenError as error:
        answer = {"error": str(error).replace(str(path), path.name)}
    except MemoryError:
        answer = {"error": f"{path.name}: takes more memory than a visitor's file may; simplify it"}
    sys.stdout.write(json.dumps(answer, ensure_ascii=True, allow_nan=False))
    return 0


def _candidate(feature: Feature, path: Path, most_vertices: int) -> dict[str, Any]:
    """Return one area of the file as a place, or the reason why it is not one."""
    import shapely

    from howgreen.core.errors import HowgreenError
    from howgreen.place import from_shape

    name = feature.name or path.stem
    vertices = int(shapely.get_num_coordinates(feature.geometry))
    found: dict[str, Any] = {"label": name, "number": feature.number, "vertices": vertices, "problems": []}
    if vertices > most_vertices:
        text = f"{vertices:,} vertices; at most {most_vertices:,} are taken: simplify it"
        return {**found, "area_km2": 0.0, "problems": [text], "geometry": None}
    try:
        city = from_shape(feature.shape(), name=name, kind="boundary file")
    except HowgreenError as error:
        return {**found, "area_km2": 0.0, "problems": [str(error)], "geometry": None}
    geometry = shapely.geometry.mapping(city.boundary)
    return {**found, "label": city.label, "area_km2": city.area_m2 / 1e6, "geometry": geometry}


def _cut_off() -> None:
    """Cut off the network: by an own network namespace if the system allows that, and by a proxy that leads nowhere."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "GDAL_HTTP_PROXY", "GDAL_HTTPS_PROXY"):
        os.environ[name] = _DEAD_END
    os.environ.pop("no_proxy", None)
    os.environ.update(GDAL_HTTP_TIMEOUT="1", GDAL_HTTP_MAX_RETRY="0", OGR_SQLITE_LOAD_EXTENSIONS="NO")
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER | _NEW_NETWORK)
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, _: tuple[Any, ...]) -> None:
    if event in {
        "socket.connect",
        "socket.getaddrinfo",
        "socket.sendto",
        "subprocess.Popen",
        "os.exec",
        "os.posix_spawn",
    }:
        raise PermissionError(f"{event}: not in a process that reads a stranger's file")


def _bound() -> None:
    """Limit memory, processor time and file sizes; on systems without such limits, the parent's time-out remains."""
    try:
        import resource
    except ImportError:
        return
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        memory = pages * resource.getpagesize() + MOST_MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    for kind, most in (
        (resource.RLIMIT_CPU, MOST_SECONDS),
        (resource.RLIMIT_FSIZE, MOST_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
