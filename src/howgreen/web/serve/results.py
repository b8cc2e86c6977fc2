"""Finished reports: one folder each, named after its plan, and a row that lists it.

A folder is moved into place complete, and its row is written afterwards; a row is deleted before its folder. Leftovers
of a process killed in between are found by the job's next attempt, or removed by :meth:`Results.sweep`.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, update

from howgreen.core.errors import OutputError
from howgreen.core.files import scratch_folder, sweep_scratch
from howgreen.web.serve.database import asks, forget, jobs, now, reading, workers, writing
from howgreen.web.serve.database import results as table

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine, Row

    from howgreen.web.serve.settings import Settings

PLACE = "place.geojson"
"""In a result's folder: the place with its districts, as written by :func:`howgreen.store.city_to_feature`."""
OSM_GREEN = "osm_green.tif"
"""In a result's folder, if the server has an extract that covers the place."""
SCRATCH = ".result-"
"""Prefix of folders being written or removed."""
_ID = re.compile(r"[0-9a-f]{64}")
_MOST_SUMMARY_BYTES = 64 * 2**20
_TOUCH_AFTER = timedelta(hours=1)
QUESTIONS = "questions"
"""In the scratch folder: one folder per question, locked by whoever works on it."""
_DAY_S = 86_400.0
BLOCKS_SHARE = 0.25
"""Additional space for the finished blocks of stopped jobs, as a share of that for results."""
_UNLISTED_S = 3600.0
"""A folder without a row is left alone for this long: its row may be about to be written."""


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """A finished report, as listed."""

    id: str
    """64 hexadecimal digits: the SHA-256 of plan and language; also the folder's name."""
    label: str
    created: datetime
    """UTC."""
    bytes: int
    bounds: tuple[float, float, float, float]
    """West, south, east, north, degrees."""
    period: str
    ratio: float | None
    """Green ratio of the land, 0-1; None if no land was observed."""
    low: float | None
    high: float | None
    language: str


class Results:
    """All results of a database; safe from several threads and processes."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings

    def folder(self, result_id: str, /) -> Path | None:
        """Return a result's folder, complete, and never a path made up by a client; None if there is no such result."""
        if not _ID.fullmatch(result_id):
            return None
        with reading(self._engine) as connection:
            used = connection.scalar(select(table.c.used).where(table.c.id == result_id))
        folder = self._settings.results / result_id
        if used is None or not folder.is_dir():
            return None
        if now() - used > _TOUCH_AFTER:
            with writing(self._engine) as connection:
                connection.execute(update(table).where(table.c.id == result_id).values(used=now()))
        return folder

    def summary(self, result_id: str, /) -> dict[str, Any] | None:
        """Return a result's ``summary.json``; None if there is no such result."""
        folder = self.folder(result_id)
        return None if folder is None else _json(folder / "summary.json")

    def row(self, result_id: str, /) -> ResultRow | None:
        """Return a result's row; None if there is no such result."""
        with reading(self._engine) as connection:
            found = connection.execute(select(table).where(table.c.id == result_id)).first()
        return None if found is None else _listed(found)

    def listed(self, *, limit: int = 20, offset: int = 0) -> list[ResultRow]:
        """List results, the newest first."""
        query = select(table).order_by(table.c.created.desc(), table.c.id).limit(limit).offset(offset)
        with reading(self._engine) as connection:
            return [_listed(row) for row in connection.execute(query)]

    def sweep(self) -> int:
        """Remove expired results, then the least recently used until the rest fits; return the number removed.

        Folders being written, or without a row, are not removed.
        """
        moment = now()
        limit = moment - self._settings.keep
        with writing(self._engine) as connection:
            old = select(jobs.c.id).where(jobs.c.finished < limit, jobs.c.status.not_in(("accepted", "running")))
            forget(connection, list(connection.scalars(old)))
            connection.execute(delete(asks).where(asks.c.at < moment - timedelta(days=2), asks.c.job == ""))
            connection.execute(delete(workers).where(workers.c.beat < moment - timedelta(days=1)))
        with reading(self._engine) as connection:
            rows = connection.execute(select(table.c.id, table.c.used, table.c.bytes).order_by(table.c.used)).all()
        held = sum(row.bytes for row in rows)
        gone = 0
        for row in rows:
            if row.used >= limit and held <= self._settings.most_disk_bytes:
                break
            if self._remove(row.id, used=row.used):
                held -= row.bytes
                gone += 1
        self._remove_unlisted()
        self._bound_blocks()
        return gone

    def bytes(self) -> int:
        """Sum up the sizes of all results."""
        with reading(self._engine) as connection:
            return int(connection.scalar(select(func.sum(table.c.bytes))) or 0)

    def _remove(self, result_id: str, *, used: datetime) -> bool:
        """Remove a result, unless it has been used since."""
        folder = self._settings.results / result_id
        with writing(self._engine, alone=True) as connection:
            gone = connection.execute(delete(table).where(table.c.id == result_id, table.c.used == used))
            if not gone.rowcount:
                return False
            _forget_jobs_of(connection, result_id)
        # Without its row it cannot be opened; a job that finishes with it now finds it gone, or lists it again.
        self._take_away(folder)
        return True

    def _take_away(self, folder: Path) -> None:
        """Move a folder out of the results, unless it is listed (again), and delete it."""
        self._settings.scratch.mkdir(parents=True, exist_ok=True)
        with (
            scratch_folder(self._settings.scratch, SCRATCH) as scratch,
            writing(self._engine, alone=True) as connection,
        ):
            listed = connection.execute(select(table.c.id).where(table.c.id == folder.name)).first()
            if listed is None and folder.exists():
                folder.rename(scratch / folder.name)

    def _bound_blocks(self) -> None:
        """Remove the oldest blocks of stopped jobs until they fit; none that a process reads."""
        from howgreen.pipeline import locks

        with suppress(OSError):
            runs = sorted(self._settings.blocks.glob("[0-9a-f]*"), key=_age_s)
            held, most = 0, self._settings.most_disk_bytes * BLOCKS_SHARE
            for folder in runs:
                held += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                if held > most:
                    locks.discard(folder)

    def _remove_unlisted(self) -> None:
        root, scratch = self._settings.results, self._settings.scratch
        if scratch.is_dir():
            sweep_scratch(scratch, SCRATCH)
            for folder in (scratch / QUESTIONS).glob("*"):
                if _age_s(folder) > _DAY_S:  # longer than any job takes
                    shutil.rmtree(folder, ignore_errors=True)
        if not root.is_dir():
            return
        with reading(self._engine) as connection:
            known = set(connection.scalars(select(table.c.id)))
        self._remove_samples(known)
        for folder in root.iterdir():
            if _ID.fullmatch(folder.name) and folder.name not in known and _age_s(folder) > _UNLISTED_S:
                self._take_away(folder)

    def _remove_samples(self, known: set[str]) -> None:
        """Remove samples without answers whose results are gone."""
        if not self._settings.samples.is_dir():
            return
        for folder in self._settings.samples.iterdir():
            if folder.name not in known and _age_s(folder) > _UNLISTED_S and not any(folder.glob("answers-*.csv")):
                with scratch_folder(self._settings.scratch, SCRATCH) as scratch:
                    folder.rename(scratch / folder.name)


def row_of(folder: Path, *, language: str) -> ResultRow:
    """Build a result's row from its complete folder.

    Raises
    ------
    OutputError
        The folder is not a complete report.
    """
    from shapely.geometry import shape

    try:
        summary, place = _json(folder / "summary.json"), _json(folder / PLACE)
        bounds = shape(place["features"][0]["geometry"]).bounds
        interval = summary.get("interval") or {}
        period = summary["period"]
        return ResultRow(
            id=folder.name,
            label=str(place["features"][0]["properties"]["label"]),
            created=datetime.fromtimestamp((folder / "summary.json").stat().st_mtime, UTC),
            bytes=sum(path.stat().st_size for path in folder.iterdir()),
            bounds=bounds,
            period=f"{period['start']}/{period['end']}",
            ratio=summary["green_ratio"],
            low=interval.get("low"),
            high=interval.get("high"),
            language=language,
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise OutputError("the finished report cannot be read back") from error


def _json(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        value: dict[str, Any] = json.loads(file.read(_MOST_SUMMARY_BYTES))
    return value


def _listed(row: Row[Any]) -> ResultRow:
    return ResultRow(
        id=row.id, label=row.label, created=row.created, bytes=row.bytes, bounds=(row.west, row.south, row.east, row.north),
        period=row.period, ratio=row.ratio, low=row.low, high=row.high, language=row.language,
    )  # fmt: skip


def _forget_jobs_of(connection: Connection, result_id: str) -> None:
    forget(connection, list(connection.scalars(select(jobs.c.id).where(jobs.c.result == result_id))))


def _age_s(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:
        return 0.0
