"""The job queue, in a database shared by several processes.

A worker holds a lease on its job. If the lease is not renewed it expires, the job waits again, and the former holder is
told at its next report (:class:`LeaseLostError`). Ownership is decided by the attempt number, which grows with each
claim.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, delete, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from howgreen.core.errors import OutputError
from howgreen.core.text import one_line
from howgreen.web.serve import database
from howgreen.web.serve.database import asks, events, forget, now, reading, workers, writing
from howgreen.web.serve.database import jobs as table
from howgreen.web.serve.database import results as answers
from howgreen.web.serve.job import (
    LEAST_FREE_BYTES,
    DiskFullError,
    Event,
    Health,
    Job,
    LeaseLostError,
    NotYoursError,
    QueueFullError,
    Status,
    TooManyJobsError,
)
from howgreen.web.serve.questions import Question, is_readable, stored_question

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Row

    from howgreen.web.serve.results import ResultRow
    from howgreen.web.serve.settings import Settings

LEASE_S = 30.0
"""A worker silent for this long counts as dead."""
MOST_LOST = 3
"""Number of times a job is restarted after its worker was lost."""
FRESH = timedelta(days=1)
"""A younger answer is reused without checking for new images."""
MOST_EVENTS = 5_000
"""Per job."""
WAITS = "waits"
UNATTENDED = "waits: no worker is running; whoever runs this server has to start one"
UNREADABLE = "the question was stored by another version of the program: ask it again"
DISK_FULL = "the server's disk is full: whoever runs it has to free some space"
_MOST_MESSAGE = 500


class Jobs:
    """All jobs of a database; safe from several threads and processes."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings

    # For visitors.

    def submit(self, question: Question, *, client: str) -> Job:
        """Queue a question.

        Identical questions share one job: one that waits, runs or was answered recently is returned.

        Raises
        ------
        QueueFullError, TooManyJobsError, DiskFullError
            One line: which limit is reached, and when to try again.
        """
        for last in (False, True):
            try:
                with self._writing(alone=True) as connection:
                    return self._submitted(connection, question, client)
            except IntegrityError:  # the same question was submitted concurrently
                if last:
                    raise
        raise AssertionError("the second try ends above")

    def job(self, job_id: str, /) -> Job | None:
        """Return a job; None if no job has that id."""
        with reading(self._engine) as connection:
            row = _row(connection, job_id)
        return None if row is None else _job(row)

    def jobs(self, *, status: Status | None = None, limit: int = 20, offset: int = 0) -> list[Job]:
        """List jobs, the newest first."""
        query = select(table).order_by(table.c.created.desc(), table.c.id).limit(limit).offset(offset)
        if status is not None:
            query = query.where(table.c.status == status)
        with reading(self._engine) as connection:
            return [_job(row) for row in connection.execute(query)]

    def place_in_line(self, job_id: str, /) -> int | None:
        """Return a waiting job's position: 1 is next; None if it does not wait."""
        with reading(self._engine) as connection:
            own = _row(connection, job_id)
            if own is None or own.status != Status.accepted:
                return None
            before = or_(table.c.created < own.created, (table.c.created == own.created) & (table.c.id <= own.id))
            return _count(connection, select(table.c.id).where(table.c.status == Status.accepted, before))

    def dismiss(self, job_id: str, /, *, client: str | None = None) -> Job | None:
        """End a job, or remove a finished one; its result is kept as usual.

        Parameters
        ----------
        client
            Client who asks for it; None for the operator. If others requested the same job, it continues for them.

        Returns
        -------
        Job
            Its current state; dismissed if it was finished and is removed. None if there is no such job.

        Raises
        ------
        NotYoursError
            The client never requested it.
        """
        with self._writing() as connection:
            row = _row(connection, job_id, lock=True)
            if row is None:
                return None
            others = 0
            if client is not None:
                own = asks.c.job == row.id
                if not _count(connection, select(asks.c.id).where(own, asks.c.client == client)):
                    raise NotYoursError("this job was asked for by somebody else, who alone may end it")
                others = _count(connection, select(asks.c.client).where(own, asks.c.client != client).distinct())
            if others:
                # The daily count stays; only the job's id is removed.
                connection.execute(update(asks).where(asks.c.job == row.id, asks.c.client == client).values(job=""))
                job = _job(row)
                if job.status.is_over:
                    return replace(job, status=Status.dismissed)
                return replace(job, message="goes on: somebody else waits for the same answer")
            if Status(row.status).is_over:
                forget(connection, [row.id])
                return replace(_job(row), status=Status.dismissed)
            _change(
                connection, row.id, status=Status.dismissed, message="dismissed", finished=now(), stage="", lease=None
            )
            return _job(_there(connection, row.id))

    def events(self, job_id: str, /, *, after: int = 0, limit: int = 200) -> list[Event]:
        """List a job's events in order, after a given number."""
        query = select(events).where(events.c.job == job_id, events.c.id > after).order_by(events.c.id).limit(limit)
        with reading(self._engine) as connection:
            return [
                Event(id=row.id, job=row.job, kind=row.kind, data=json.loads(row.data), at=row.at)
                for row in connection.execute(query)
            ]

    def counts(self) -> dict[Status, int]:
        """Count the jobs by status."""
        with reading(self._engine) as connection:
            found = {
                row.status: row.many
                for row in connection.execute(
                    select(table.c.status, func.count().label("many")).group_by(table.c.status)
                )
            }
        return {status: found.get(status, 0) for status in Status}

    def health(self) -> Health:
        """Report whether jobs can be processed."""
        free = _free_bytes(self._settings)
        try:
            with reading(self._engine) as connection:
                alive = _count(
                    connection, select(workers.c.id).where(workers.c.beat > now() - timedelta(seconds=LEASE_S))
                )
                first = connection.scalar(select(func.min(table.c.created)).where(table.c.status == Status.accepted))
                held = connection.scalar(select(func.sum(answers.c.bytes))) or 0
        except DBAPIError:
            return Health(database=False, workers=0, oldest_wait_s=0.0, disk_free_bytes=free, results_bytes=0)
        waits = 0.0 if first is None else max((now() - first).total_seconds(), 0.0)
        return Health(database=True, workers=alive, oldest_wait_s=waits, disk_free_bytes=free, results_bytes=int(held))

    # For workers.

    def claim(self, worker: str) -> Job | None:
        """Claim the job that has waited longest; None if no job waits."""
        waiting = (
            select(table.c.id).where(table.c.status == Status.accepted).order_by(table.c.created, table.c.id).limit(1)
        )
        with reading(self._engine) as connection:
            if connection.execute(waiting).first() is None:
                return None
        with self._writing() as connection:
            found = connection.scalar(waiting.with_for_update(skip_locked=True))
            if found is None:
                return None
            row = _there(connection, found)
            if not is_readable(row.question):
                _change(connection, found, status=Status.failed, message=UNREADABLE, finished=now())
                return None
            _change(
                connection,
                found,
                status=Status.running,
                message="began" if row.attempt == 0 else f"began again (attempt {row.attempt + 1})",
                started=row.started or now(),
                attempt=row.attempt + 1,
                worker=worker,
                lease=now() + timedelta(seconds=LEASE_S),
                progress=0,
            )
            return _job(_there(connection, found))

    def beat(self, worker: str, *, host: str = "", job: Job | None = None) -> None:
        """Report that a worker is alive, and continues its job."""
        moment = now()
        with self._writing() as connection:
            known = connection.execute(update(workers).where(workers.c.id == worker).values(beat=moment))
            if not known.rowcount:
                connection.execute(insert(workers).values(id=worker, host=host, started=moment, beat=moment))
            if job is not None:
                _update_held(connection, job, lease=moment + timedelta(seconds=LEASE_S))

    def is_held(self, job: Job) -> bool:
        """Tell whether a job's attempt still belongs to the worker that claimed it."""
        with reading(self._engine) as connection:
            return connection.execute(select(table.c.id).where(*_held(job))).first() is not None

    def leave(self, worker: str) -> None:
        """Remove a worker that ends."""
        with self._writing() as connection:
            connection.execute(delete(workers).where(workers.c.id == worker))

    def tell(self, job: Job, kind: str, data: dict[str, Any]) -> None:
        """Record an event of a running job; ``progress`` also updates the job's stage and percentage."""
        values: dict[str, Any] = {"updated": now()}
        if kind == "progress":
            values["stage"] = str(data.get("stage", ""))[:_MOST_MESSAGE]
            values["progress"] = max(0, min(int(data.get("percent", 0)), 100))
        with self._writing() as connection:
            _update_held(connection, job, **values)
            _write_event(connection, job.id, kind, data)

    def finish(self, job: Job, result: ResultRow) -> None:
        """List a result whose folder is complete, and mark its job successful, in one transaction.

        Raises
        ------
        OutputError
            The folder is gone.
        """
        west, south, east, north = result.bounds
        with self._writing(alone=True) as connection:
            _refuse_lost(connection, job)
            if not self._is_whole(result.id):
                raise OutputError("the finished report was removed before it could be listed")
            connection.execute(delete(answers).where(answers.c.id == result.id))
            connection.execute(
                insert(answers).values(
                    id=result.id, label=result.label, created=result.created, used=now(), bytes=result.bytes, west=west, south=south,
                    east=east, north=north, period=result.period, ratio=result.ratio, low=result.low, high=result.high, language=result.language,
                )
            )  # fmt: skip
            _change(
                connection, job.id, status=Status.successful, message="answered", finished=now(), progress=100, stage="",
                result=result.id, lease=None,
            )  # fmt: skip

    def fail(self, job: Job, message: str) -> None:
        """Mark a job as failed."""
        with self._writing() as connection:
            _refuse_lost(connection, job)
            _change(
                connection, job.id, status=Status.failed, message=_short(message), finished=now(), stage="", lease=None
            )

    def give_back(self, job: Job, message: str) -> None:
        """Requeue the job of a worker that stops in an orderly way; this does not count as lost."""
        with self._writing() as connection:
            _refuse_lost(connection, job)
            _wait_again(connection, job.id, message, lost=0)

    def lose(self, job: Job, message: str) -> None:
        """Requeue a job whose process was lost; too many losses mark it failed."""
        with self._writing() as connection:
            _refuse_lost(connection, job)
            _lost(connection, _there(connection, job.id), message)

    def recover(self, *, is_dead: Callable[[str], bool] = lambda _: False) -> list[str]:
        """Requeue jobs whose worker is dead: by an expired lease, or because it is known to be.

        Also notifies waiting jobs while no worker is alive.

        Parameters
        ----------
        is_dead
            Called with the name of each worker that holds a job.

        Returns
        -------
        list
            Ids of the jobs that were lost.
        """
        query = select(table.c.id, table.c.worker, table.c.lease, table.c.attempt).where(
            table.c.status == Status.running
        )
        with reading(self._engine) as connection:
            held = connection.execute(query).all()
        suspects = {row.id: row.attempt for row in held if row.lease < now() or is_dead(row.worker or "")}
        found = []
        for job_id, attempt in suspects.items():
            with self._writing() as connection:
                row = _row(connection, job_id, lock=True)
                # It may have ended, or been claimed by another, since it was read.
                if row is None or row.status != Status.running or row.attempt != attempt:
                    continue
                if row.lease > now() and not is_dead(row.worker or ""):
                    continue
                _lost(connection, row, "whoever worked on it was stopped")
                connection.execute(delete(workers).where(workers.c.id == row.worker))
                found.append(job_id)
        self._tell_unattended()
        return found

    def _tell_unattended(self) -> None:
        """Tell waiting jobs whether any worker is alive."""
        alive = select(workers.c.id).where(workers.c.beat > now() - timedelta(seconds=LEASE_S))
        with reading(self._engine) as connection:
            attended = connection.execute(alive).first() is not None
            instead = WAITS if attended else UNATTENDED
            # What became of a job that was lost stands for a while, before that nobody goes on with it.
            old = (table.c.message != UNATTENDED) & (table.c.updated < now() - timedelta(seconds=LEASE_S))
            said = table.c.message == UNATTENDED if attended else (table.c.message == WAITS) | old
            wrong = select(table.c.id).where(table.c.status == Status.accepted, said)
            if connection.execute(wrong).first() is None:
                return
        with self._writing() as connection:
            for job_id in connection.scalars(wrong.with_for_update()).all():
                _change(connection, job_id, message=instead)

    def _submitted(self, connection: Connection, question: Question, client: str) -> Job:
        key = question.key
        row = connection.execute(
            select(table).where(table.c.key == key, table.c.status.in_((Status.accepted, Status.running)))
        ).first() or self._answered(connection, key)
        if row is not None:
            asked = select(asks.c.id).where(asks.c.job == row.id, asks.c.client == client)
            if connection.execute(asked).first() is None:
                connection.execute(insert(asks).values(job=row.id, client=client, at=now(), counts=False))
            return _job(row)
        self._refuse_full(connection, client)
        job_id, moment = secrets.token_hex(16), now()
        connection.execute(
            insert(table).values(
                id=job_id, key=key, question=question.to_json().decode(), label=question.label, status=Status.accepted, message=WAITS,
                progress=0, stage="", created=moment, updated=moment, client=client, attempt=0, lost=0, last_event=0,
            )
        )  # fmt: skip
        connection.execute(insert(asks).values(job=job_id, client=client, at=moment, counts=True))
        _write_event(connection, job_id, "status", {"status": Status.accepted, "message": WAITS})
        return _job(_there(connection, job_id))

    def _answered(self, connection: Connection, key: str) -> Row[Any] | None:
        """Find a recent job with the same question, answered by this same program version, whose result exists."""
        row = connection.execute(
            select(table)
            .join(answers, answers.c.id == table.c.result)
            .where(table.c.key == key, table.c.status == Status.successful, table.c.finished > now() - FRESH)
            .order_by(table.c.finished.desc())
            .limit(1)
        ).first()
        if row is None or not self._is_whole(str(row.result)):
            return None
        if row.finished.timestamp() < max(self._program_changed, _images_changed(self._settings)):
            return None
        connection.execute(update(answers).where(answers.c.id == row.result).values(used=now()))
        return row

    @cached_property
    def _program_changed(self) -> float:
        """Time of the program's last change, constant while it runs; other code may answer differently."""
        from howgreen.pipeline.reruns import code_changed

        return code_changed()

    def _is_whole(self, result_id: str) -> bool:
        return (self._settings.results / result_id / "summary.json").is_file()

    def _refuse_full(self, connection: Connection, client: str) -> None:
        waiting = _count(connection, select(table.c.id).where(table.c.status == Status.accepted))
        if waiting >= self._settings.queue:
            raise QueueFullError(f"{waiting} questions wait already, as many as may: try again in some minutes")
        today = _count(
            connection,
            select(asks.c.id).where(asks.c.client == client, asks.c.counts, asks.c.at > now() - timedelta(days=1)),
        )
        if today >= self._settings.jobs_per_day:
            raise TooManyJobsError(
                f"{today} new questions in 24 hours, as many as one visitor may ask: answers that exist can still be opened"
            )
        if _free_bytes(self._settings) < LEAST_FREE_BYTES:
            raise DiskFullError(DISK_FULL)

    @contextmanager
    def _writing(self, *, alone: bool = False) -> Iterator[Connection]:
        try:
            with writing(self._engine, alone=alone) as connection:
                yield connection
        except DBAPIError as error:
            if database.is_full(error):
                raise DiskFullError(DISK_FULL) from error
            raise


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id, key=row.key, question=stored_question(row.question), status=Status(row.status), message=row.message,
        progress=row.progress, stage=row.stage, created=row.created, started=row.started, finished=row.finished, updated=row.updated,
        result=row.result, client=row.client, attempt=row.attempt,
    )  # fmt: skip


def _row(connection: Connection, job_id: str, *, lock: bool = False) -> Row[Any] | None:
    query = select(table).where(table.c.id == job_id)
    return connection.execute(query.with_for_update() if lock else query).first()


def _there(connection: Connection, job_id: str) -> Row[Any]:
    return connection.execute(select(table).where(table.c.id == job_id)).one()


def _count(connection: Connection, query: Select[Any]) -> int:
    return int(connection.scalar(select(func.count()).select_from(query.subquery())) or 0)


def _held(job: Job) -> tuple[Any, ...]:
    """Return the conditions that hold while the claiming worker holds a job."""
    return table.c.id == job.id, table.c.status == Status.running, table.c.attempt == job.attempt


def _update_held(connection: Connection, job: Job, **values: Any) -> None:
    """Update a job without an event, while the claiming worker holds it."""
    if not connection.execute(update(table).where(*_held(job)).values(**values)).rowcount:
        raise LeaseLostError(f"job {job.id}: is not this worker's any more")


def _refuse_lost(connection: Connection, job: Job) -> None:
    if connection.execute(select(table.c.id).where(*_held(job)).with_for_update()).first() is None:
        raise LeaseLostError(f"job {job.id}: is not this worker's any more")


def _change(connection: Connection, job_id: str, **values: Any) -> None:
    """Update a job, and record the event."""
    connection.execute(update(table).where(table.c.id == job_id).values(updated=now(), **values))
    row = _there(connection, job_id)
    _write_event(connection, job_id, "status", {"status": row.status, "message": row.message})


def _write_event(connection: Connection, job_id: str, kind: str, data: dict[str, Any]) -> None:
    number = connection.scalar(
        update(table)
        .where(table.c.id == job_id)
        .values(last_event=table.c.last_event + 1)
        .returning(table.c.last_event)
    )
    if number is not None and (number <= MOST_EVENTS or kind == "status"):
        connection.execute(
            insert(events).values(job=job_id, id=number, kind=kind, data=json.dumps(data, ensure_ascii=False), at=now())
        )


def _wait_again(connection: Connection, job_id: str, message: str, *, lost: int) -> None:
    _change(
        connection, job_id, status=Status.accepted, message=_short(message), lost=table.c.lost + lost, worker=None, lease=None,
        progress=0, stage="",
    )  # fmt: skip


def _lost(connection: Connection, row: Row[Any], why: str) -> None:
    if row.lost + 1 >= MOST_LOST:
        text = f"{why}, {row.lost + 1} times in all: it is not begun again"
        _change(
            connection, row.id, status=Status.failed, message=_short(text), finished=now(), stage="", lease=None, lost=row.lost + 1
        )  # fmt: skip
    else:
        _wait_again(connection, row.id, f"{why}: it waits again, and goes on from what was kept", lost=1)


def _images_changed(settings: Settings) -> float:
    """Return when an image last entered a store: a scene's folder is moved into its sensor's."""
    last = 0.0
    for store in settings.stores:
        with suppress(OSError):
            last = max([last, *(folder.stat().st_mtime for folder in store.iterdir() if folder.is_dir())])
    return last


def _free_bytes(settings: Settings) -> int:
    try:
        return shutil.disk_usage(settings.data).free
    except OSError:
        return 0


def _short(text: str) -> str:
    flat = one_line(text)
    return flat if len(flat) <= _MOST_MESSAGE else flat[: _MOST_MESSAGE - 1] + "…"
