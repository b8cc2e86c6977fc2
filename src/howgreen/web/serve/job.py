"""Jobs: the question, its status, its events, and the reasons to refuse it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from howgreen.core.errors import HowgreenError
from howgreen.web.serve.questions import Question

LEAST_FREE_BYTES = 500_000_000
"""Free disk space required to accept a job."""


class QueueFullError(HowgreenError):
    """The queue is full."""


class TooManyJobsError(HowgreenError):
    """A client has reached its daily limit of jobs."""


class DiskFullError(HowgreenError):
    """There is no space for another result."""


class NotYoursError(HowgreenError):
    """A job of other clients, which only they may end."""


class LeaseLostError(HowgreenError):
    """A job that this worker no longer holds: it was dismissed, or the worker was taken for dead."""


class Status(StrEnum):
    """Status of a job, in terms of OGC API - Processes."""

    accepted = "accepted"
    running = "running"
    successful = "successful"
    failed = "failed"
    dismissed = "dismissed"

    @property
    def is_over(self) -> bool:
        """Whether the status is final."""
        return self not in (Status.accepted, Status.running)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A question on its way to an answer."""

    id: str
    """32 unguessable hexadecimal digits."""
    key: str
    """The question's :attr:`Question.key`."""
    question: Question
    status: Status
    message: str
    """One line for display; for a failed job, the reason."""
    progress: int
    """0-100."""
    stage: str
    """Current stage for display; empty before and after."""
    created: datetime
    """UTC, like the next three."""
    started: datetime | None
    finished: datetime | None
    updated: datetime
    result: str | None
    """Id of the result, when successful."""
    client: str
    """Hash of the first client who requested it."""
    attempt: int
    """Number of attempts."""

    @property
    def label(self) -> str:
        """Name of the place."""
        return self.question.label


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of a job."""

    id: int
    """Its number in the job's sequence, from 1."""
    job: str
    kind: str
    """``status``, ``progress``, ``date`` or ``note``."""
    data: dict[str, Any]
    at: datetime
    """UTC."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether the server is operational."""

    database: bool
    """Whether it responds."""
    workers: int
    """Workers that reported recently, of all servers on this database."""
    oldest_wait_s: float
    """Age of the oldest waiting job."""
    disk_free_bytes: int
    results_bytes: int

    @property
    def good(self) -> bool:
        """Whether jobs are processed, and there is space for their results."""
        return self.database and self.workers > 0 and self.disk_free_bytes >= LEAST_FREE_BYTES
