"""Access to a finished report's folder: its figures, files and place, never by a client's path."""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import HowgreenError
from howgreen.report.private import without_paths
from howgreen.store import city_from_feature

if TYPE_CHECKING:
    from howgreen.core.types import City
    from howgreen.web.serve.results import ResultRow, Results

MOST_OPEN = 64
"""Reports whose figures are kept in memory."""
FRESH_SECONDS = 10.0
"""Seconds for which a report is assumed to exist after it was last seen."""
PAGE, PLAN = "report.html", "plan.json"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".png": "image/png",
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".csv": "text/csv; charset=utf-8",
    ".gpkg": "application/geopackage+sqlite3",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
    ".qml": "application/xml",
    ".qgz": "application/zip",
}
_SUM = re.compile(r"([0-9a-f]{64})  ([^/\\\n]+)\n")


class GoneError(HowgreenError):
    """A report no longer exists, or cannot be read."""


@dataclass(frozen=True, kw_only=True)
class ReportFile:
    """One file of a report."""

    name: str
    path: Path
    title: str
    type: str
    bytes: int
    etag: str


@dataclass(frozen=True)
class Report:
    """One finished report."""

    id: str
    row: ResultRow
    folder: Path
    """Never published."""

    @cached_property
    def summary(self) -> dict[str, Any]:
        """All figures, the contents of ``summary.json``."""
        return self._json("summary.json")

    @cached_property
    def plan(self) -> dict[str, Any]:
        """The plan without local folders: its images are identified by checksum."""
        found: dict[str, Any] = _last_parts(self._json(PLAN))
        return found

    @cached_property
    def city(self) -> City:
        """The place with its districts."""
        return city_from_feature(self._json(PLAN)["city"])

    @cached_property
    def files(self) -> dict[str, ReportFile]:
        """The report's files by name: those it lists as its own, including styles and checksums."""
        titles: Mapping[str, str] = self.summary["files"]
        found = {}
        for name, digest in self._digests.items():
            path = self.folder / name
            if path.is_symlink() or not path.is_file():
                continue
            found[name] = ReportFile(
                name=name,
                path=path,
                title=str(titles.get(name, name)),
                type=_TYPES.get(Path(name).suffix, "application/octet-stream"),
                bytes=path.stat().st_size,
                etag=f'"{digest[:32]}"',
            )
        return found

    @cached_property
    def version(self) -> str:
        """Changes with any of its files: part of every ETag."""
        return self._digests.get("summary.json", "")[:16]

    @cached_property
    def _digests(self) -> dict[str, str]:
        try:
            text = (self.folder / "SHA256SUMS").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise GoneError("this result cannot be read any more; ask the question again") from error
        return {name: digest for digest, name in _SUM.findall(text)}

    def _json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise GoneError("this result cannot be read any more; ask the question again") from error
        if not isinstance(value, dict):
            raise GoneError("this result cannot be read any more; ask the question again")
        return value


def _last_parts(plan: dict[str, Any]) -> Any:
    """Remove folders from the addresses of a plan's images, except web addresses."""

    def cut(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: cut(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [cut(item, key) for item in value] if key != "coordinates" else value
        if isinstance(value, str) and key in {"href", "source", "model"} and "://" not in value:
            return re.split(r"[\\/]", value.rstrip("\\/"))[-1]
        return value

    return without_paths(cut(plan), [])


class Reports:
    """The finished reports, with a cache of those in use."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._open: OrderedDict[str, tuple[Report, float]] = OrderedDict()
        self._lock = Lock()

    def at_hand(self, result_id: str) -> Report | None:
        """Return a report requested moments ago; a map requests dozens of tiles at once."""
        with self._lock:
            report, looked = self._open.get(result_id, (None, 0.0))
        return report if time.monotonic() - looked < FRESH_SECONDS else None

    def get(self, result_id: str) -> Report | None:
        """Return a report by its id; None if there is none."""
        if (report := self.at_hand(result_id)) is not None:
            return report
        folder, row = self._results.folder(result_id), self._results.row(result_id)
        with self._lock:
            kept = self._open.pop(result_id, (None, 0.0))[0]
            if folder is None or row is None:
                return None
            report = kept if kept is not None and kept.row.created == row.created else Report(result_id, row, folder)
            self._open[result_id] = (report, time.monotonic())
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        return report
