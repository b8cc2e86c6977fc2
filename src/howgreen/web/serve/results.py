"""Finished reports: a folder each, named after the plan that it answers, and a row that lists it.

A folder is moved to its place whole, and its row is written after it; a row goes before its folder does. What lies between the two
when a process is killed is found by the same job's next attempt, or removed by :meth:`Results.sweep`.
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
"""In a result's folder: the place with its districts, as :func:`howgreen.store.city_to_feature` writes it."""
OSM_GREEN = "osm_green.tif"
"""In a result's folder, where the server has an extract that holds the place."""
SCRATCH = ".result-"
"""Prefix of folders that are being written, or removed."""
_ID = re.compile(r"[0-9a-f]{64}")
_MOST_SUMMARY_BYTES = 64 * 2**20
_TOUCH_AFTER = timedelta(hours=1)
QUESTIONS = "questions"
"""In the scratch folder: a folder for each question, which whoever works on it locks."""
_DAY_S = 86_400.0
BLOCKS_SHARE = 0.25
"""Of the room for results, as much again for the finished blocks of jobs that were stopped."""
_UNLISTED_S = 3600.0
"""A folder without a row is left alone for so long: its row may be on its way."""


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """A finished report, as it is listed."""

    id: str
    """64 hexadecimal digits: the SHA-256 of plan and language; the folder's name."""
    label: str
    created: datetime
    """In UTC."""
    bytes: int
    bounds: tuple[float, float, float, float]
    """West, south, east, north, degrees."""
    period: str
    ratio: float | None
    """Green ratio of the land, 0-1; None where no land was seen."""
    low: float | None
    high: float | None
    language: str


class Results:
    """All results of a database; safe from several threads and processes."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings

    def folder(self, result_id: str, /) -> Path | None:
        """Return a result's folder: whole, and never a path that a client made up; None where there is no such result."""
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
        """Return what a result's ``summary.json`` holds; None where there is no such result."""
        folder = self.folder(result_id)
        return None if folder is None else _json(folder / "summary.json")

    def row(self, result_id: str, /) -> ResultRow | None:
        """Return a result as it is listed; None where there is no such result."""
        with reading(self._engine) as connection:
            found = connection.execute(select(table).where(table.c.id == result_id)).first()
        return None if found is None else _listed(found)

    def listed(self, *, limit: int = 20, offset: int = 0) -> list[ResultRow]:
        """List results, the newest first."""
        query = select(table).order_by(table.c.created.desc(), table.c.id).limit(limit).offset(offset)
        with reading(self._engine) as connection:
            return [_listed(row) for row in connection.execute(query)]

    def sweep(self) -> int:
        """Remove what is older than it may be, then the results used longest ago until all fit; how many results went.

        Never one that is being written, and none without its row.
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
        """Remove a result, unless somebody has used it since."""
        folder = self._settings.results / result_id
        with writing(self._engine, alone=True) as connection:
            gone = connection.execute(delete(table).where(table.c.id == result_id, table.c.used == used))
            if not gone.rowcount:
                return False
            _forget_jobs_of(connection, result_id)
        # Without its row nobody opens it; a job that ends with it now finds that it is gone, or lists it again.
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
        """Remove the blocks kept longest ago of jobs that were stopped, until they fit; none that a process reads."""
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
        """Remove samples of results that are gone, where nobody has answered any of it."""
        if not self._settings.samples.is_dir():
            return
        for folder in self._settings.samples.iterdir():
            if folder.name not in known and _age_s(folder) > _UNLISTED_S and not any(folder.glob("answers-*.csv")):
                with scratch_folder(self._settings.scratch, SCRATCH) as scratch:
                    folder.rename(scratch / folder.name)


def row_of(folder: Path, *, language: str) -> ResultRow:
    """Read off a whole folder how its result is listed.

    Raises
    ------
    OutputError
        The folder is not a whole report.
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
