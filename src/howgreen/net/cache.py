"""Disk cache of service responses: atomic, and bounded in bytes."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from howgreen.core.files import PREFIX, write_atomic

MOST_BYTES = 300 * 2**20
"""Limit on all cached responses together; the least recently used go first."""
FRESH_DAYS = 30.0
"""A cached response is used for this long without a new request; later, only if the service does not respond."""
FRESH_EMPTY_DAYS = 1.0
"""The same for empty responses: a place can be mapped tomorrow."""
_DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class CachedResponse:
    """A service's response, and when it was received."""

    path: Path
    """The file that holds it."""
    asked: float
    """Seconds since 1970."""

    @property
    def day(self) -> date:
        """The day (UTC) of the request."""
        return datetime.fromtimestamp(self.asked, UTC).date()

    @property
    def body(self) -> bytes:
        """The response itself."""
        return self.path.read_bytes()

    def is_fresh(self, *, empty: bool) -> bool:
        """Tell whether no new request is needed; an empty response (``empty``) ages faster.

        A response dated in the future was cached while the clock was wrong, so its age is unknown.
        """
        return -_DAY_S < time.time() - self.asked < (FRESH_EMPTY_DAYS if empty else FRESH_DAYS) * _DAY_S


def key_of(url: str, params: Mapping[str, str], body: str) -> str:
    """Return a file name for a request: the same address, parameters and body give the same name."""
    text = "\n".join([url, *(f"{key}={value}" for key, value in sorted(params.items())), "", body])
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def load(folder: Path, name: str) -> CachedResponse | None:
    """Find the response of that name, if any; using it delays its removal."""
    path = folder / name
    try:
        asked = path.stat().st_mtime
        os.utime(path, (time.time(), asked))
    except OSError:  # absent, or in a read-only folder
        return CachedResponse(path=path, asked=path.stat().st_mtime) if path.is_file() else None
    return CachedResponse(path=path, asked=asked)


def save(folder: Path, name: str, body: bytes, *, most_bytes: int = MOST_BYTES) -> CachedResponse:
    """Cache a response atomically: a reader sees the old one or the new one, never a part."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / name, body, durable=False)
    _trim(folder, spare=name, most_bytes=most_bytes)
    return CachedResponse(path=folder / name, asked=(folder / name).stat().st_mtime)


def _trim(folder: Path, *, spare: str, most_bytes: int) -> None:
    """Remove the least recently used responses until the rest fits, and leftovers of writers killed an hour ago."""
    files = []
    for path in folder.iterdir():
        try:
            status = path.stat()
        except FileNotFoundError:  # another process was faster
            continue
        if path.name.startswith(PREFIX) and status.st_mtime < time.time() - 3600:
            path.unlink(missing_ok=True)
        elif path.is_file() and path.suffix in {".json", ".osm"}:
            files.append((status.st_atime, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= most_bytes:
            return
        if path.name != spare:
            path.unlink(missing_ok=True)
            total -= size
