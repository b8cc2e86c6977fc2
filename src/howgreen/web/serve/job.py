"""What a job is: the question, what became of it, what is told of it, and why it may be refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from howgreen.core.errors import HowgreenError
from howgreen.web.serve.questions import Question

LEAST_FREE_BYTES = 500_000_000
"""Of the disk, for a job to be accepted."""


class QueueFullError(HowgreenError):
    """As many jobs wait as may."""


class TooManyJobsError(HowgreenError):
    """A client has asked for as many jobs as it may in a day."""


class DiskFullError(HowgreenError):
    """There is no room for another result."""


class NotYoursError(HowgreenError):
    """A job of other clients, which only they may end."""


class LeaseLostError(HowgreenError):
    """A job that this worker held and does not hold any more: it was dismissed, or taken for dead."""


class Status(StrEnum):
    """What became of a job, in the words of OGC API - Processes."""

    accepted = "accepted"
    running = "running"
    successful = "successful"
    failed = "failed"
    dismissed = "dismissed"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (Status.accepted, Status.running)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A question on its way to an answer."""

    id: str
    """32 hexadecimal digits that nobody can guess."""
    key: str
    """The question's :attr:`Question.key`."""
    question: Question
    status: Status
    message: str
    """One line for people; of a failed job, why."""
    progress: int
    """0-100."""
    stage: str
    """What is being done, in words; empty before and after."""
    created: datetime
    """This and the next three are in UTC."""
    started: datetime | None
    finished: datetime | None
    updated: datetime
    result: str | None
    """Id of the result, when successful."""
    client: str
    """Hash that stands for whoever asked first."""
    attempt: int
    """How often it was begun."""

    @property
    def label(self) -> str:
        """The place."""
        return self.question.label


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that was told of a job."""

    id: int
    """Its place in the job's sequence, from 1."""
    job: str
    kind: str
    """``status``, ``progress``, ``date`` or ``note``."""
    data: dict[str, Any]
    at: datetime
    """In UTC."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """Whether the server can do its work."""

    database: bool
    """Whether it answers."""
    workers: int
    """That were heard of lately, of all servers on this database."""
    oldest_wait_s: float
    """Of the jobs that wait, how long the first has."""
    disk_free_bytes: int
    results_bytes: int

    @property
    def good(self) -> bool:
        """Whether jobs are worked on, and there is room for their results."""
        return self.database and self.workers > 0 and self.disk_free_bytes >= LEAST_FREE_BYTES
