"""The page's own files: only those in its folder, by name."""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import lru_cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from howgreen.web.serve.service import not_found, problems

_TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8", ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png",
    ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8", ".pbf": "application/x-protobuf",
    ".webmanifest": "application/manifest+json", ".map": "application/json",
}  # fmt: skip


_PACKED = frozenset({".html", ".js", ".mjs", ".css", ".json", ".svg", ".map"})
"""Served compressed to clients that accept it: the map library is a megabyte, and a quarter of that compressed."""


def _takes_gzip(accepted: str) -> bool:
    """Tell whether an ``Accept-Encoding`` header accepts gzip: named, with non-zero weight."""
    listed = (one.strip().lower().partition(";") for one in accepted.split(","))
    return any(name.strip() == "gzip" and not re.fullmatch(r"\s*q=0(\.0*)?\s*", rest) for name, _, rest in listed)


def is_page(path: str) -> bool:
    """Tell whether a path belongs to the page itself, whose policy allows its scripts."""
    return path in {"/", "/docs"} or path.startswith(("/static/", "/label"))


@lru_cache(maxsize=1)
def _listed() -> dict[str, Any]:
    """List the folder's files: requests are looked up here, and never turned into a path."""
    found: dict[str, Any] = {}

    def walk(folder: Any, prefix: str) -> None:
        for one in folder.iterdir():
            if one.name.startswith((".", "__")):
                continue
            if one.is_dir():
                walk(one, f"{prefix}{one.name}/")
            elif PurePosixPath(one.name).suffix in _TYPES or one.name.startswith("LICENSE"):
                found[prefix + one.name] = one

    root = files(__package__ or "").joinpath("static")
    if root.is_dir():
        walk(root, "")
    return found


@lru_cache(maxsize=256)
def _content(name: str, *, packed: bool) -> tuple[bytes, str]:
    """Read a file, compressed if requested; return also its ETag, which differs for each form."""
    body: bytes = _listed()[name].read_bytes()
    tag = hashlib.sha256(body).hexdigest()[:24]
    return (gzip.compress(body, mtime=0), f'"{tag}-gz"') if packed else (body, f'"{tag}"')


router = APIRouter(tags=["front"])


@router.get(
    "/static/{name:path}", response_class=Response,
    responses={200: {"description": "A file of the page", "content": {"application/octet-stream": {}}},
               304: {"description": "Not changed"}, **problems()},
)  # fmt: skip
def static(request: Request, name: Annotated[str, Path(max_length=200)]) -> Response:
    """Return a file of the page."""
    if name not in _listed():
        raise not_found("file")
    packed = PurePosixPath(name).suffix in _PACKED and _takes_gzip(request.headers.get("accept-encoding", ""))
    body, etag = _content(name, packed=packed)
    headers = {"etag": etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if packed:
        headers["content-encoding"] = "gzip"
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    kind = _TYPES.get(PurePosixPath(name).suffix, "text/plain; charset=utf-8")
    return Response(body, media_type=kind, headers=headers)
