"""The tables shared by all processes of a server, in SQLite or PostgreSQL; there is no other state.

A writing transaction takes the lock at its start (``BEGIN IMMEDIATE``), so that two processes take turns and neither is
refused half-way. Commits survive a system crash: SQLite syncs its log at every commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    text,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.types import BigInteger, TypeDecorator

from howgreen.core.errors import HowgreenError
from howgreen.core.text import one_line

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect

    from howgreen.web.serve.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_S = 15.0
"""Longest wait of a transaction for its turn."""
_WRITES = "howgreen_writes"
_ADVISORY = int.from_bytes(hashlib.sha256(b"howgreen serve").digest()[:7], "big")
"""Number of the PostgreSQL advisory lock for exclusive transactions."""


class DatabaseError(HowgreenError):
    """The database cannot be reached, or refuses; the message contains neither user nor password."""


class Moment(TypeDecorator[datetime]):
    """A time in UTC; SQLite, which has no time zones, stores it without."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone, and convert the rest to UTC."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Mark the time as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)
_ACTIVE = text("status IN ('accepted', 'running')")

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("key", String(64), nullable=False, index=True),
    Column("question", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("message", Text, nullable=False),
    Column("progress", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    Column("created", Moment, nullable=False, index=True),
    Column("started", Moment),
    Column("finished", Moment),
    Column("updated", Moment, nullable=False),
    Column("result", String(64), index=True),
    Column("client", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),  # grows with every claim: the holder of an earlier one has lost it
    Column("lost", Integer, nullable=False),  # number of times its worker was lost
    Column("worker", String(64)),
    Column("lease", Moment),  # until when the worker need not report
    Column("last_event", Integer, nullable=False),
    Index("one_active_job_a_question", "key", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
)
events = Table(
    "events",
    metadata,
    Column("job", String(32), primary_key=True),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("data", Text, nullable=False),
    Column("at", Moment, nullable=False),
)
asks = Table(  # who requested which job; removing a job does not restore its client's daily allowance
    "asks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", String(32), nullable=False, index=True),
    Column("client", String(64), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("counts", Boolean, nullable=False),
)
results = Table(
    "results",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("label", Text, nullable=False),
    Column("created", Moment, nullable=False, index=True),
    Column("used", Moment, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("west", Float, nullable=False),
    Column("south", Float, nullable=False),
    Column("east", Float, nullable=False),
    Column("north", Float, nullable=False),
    Column("period", Text, nullable=False),
    Column("ratio", Float),
    Column("low", Float),
    Column("high", Float),
    Column("language", String(8), nullable=False),
)
workers = Table(
    "workers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("host", String(64), nullable=False),
    Column("started", Moment, nullable=False),
    Column("beat", Moment, nullable=False),
)


def now() -> datetime:
    """Return the current time, in UTC."""
    return datetime.now(UTC)


def open_database(settings: Settings) -> Engine:
    """Connect, and migrate the tables to the current schema.

    Raises
    ------
    DatabaseError
        It cannot be reached, belongs to a newer howgreen, or its URL is invalid.
    """
    engine = connect(settings)
    try:
        _migrate(engine, settings.data)
    except BaseException as error:
        engine.dispose()
        if isinstance(error, DBAPIError):
            raise DatabaseError(f"database {shown(settings.url)}: {reason(error)}") from error
        raise
    return engine


def connect(settings: Settings) -> Engine:
    """Make the engine for a database with the current schema, without connecting yet."""
    try:
        url = make_url(settings.url)
    except ArgumentError as error:
        raise DatabaseError("--database: write sqlite:///FILE or postgresql://USER@HOST/NAME") from error
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        settings.data.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args={"timeout": BUSY_S, "check_same_thread": False}, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif url.drivername == "postgresql+psycopg":
        engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10}, hide_parameters=True)
    else:
        raise DatabaseError(f"--database {shown(settings.url)}: use sqlite:///FILE or postgresql://USER@HOST/NAME")
    return engine


@contextmanager
def writing(engine: Engine, *, alone: bool = False) -> Iterator[Connection]:
    """Open a writing transaction, committed at the end.

    Parameters
    ----------
    alone
        Whether other exclusive transactions wait; in SQLite every writer is exclusive.
    """
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        if alone and engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY})"))
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a read-only transaction that waits for nobody."""
    with engine.connect() as connection, connection.begin():
        yield connection


def forget(connection: Connection, ids: list[str]) -> None:
    """Remove jobs with all their events; the clients' requests still count."""
    connection.execute(update(asks).where(asks.c.job.in_(ids)).values(job=""))
    connection.execute(delete(events).where(events.c.job.in_(ids)))
    connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))


def shown(url: str) -> str:
    """Return a database's URL without secrets."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return "of that URL"
    return "of SQLite" if parsed.get_backend_name() == "sqlite" else f"of {parsed.get_backend_name()}"


def reason(error: DBAPIError) -> str:
    """Return the reason for a database's refusal in one line."""
    return one_line(str(error.orig)).removeprefix("connection failed: ")[:200]


def is_full(error: DBAPIError) -> bool:
    """Tell whether a database refused for lack of space."""
    said = str(error.orig).casefold()
    return "disk is full" in said or "no space left" in said or "disk i/o error" in said


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we begin transactions explicitly
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: Engine, data: Path) -> None:
    """Run missing migrations; if several processes start at once, one migrates and the others wait."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError
    from filelock import FileLock

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    data.mkdir(parents=True, exist_ok=True)
    with FileLock(data / ".migrations.lock"), writing(engine, alone=True) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise DatabaseError(
                f"database {shown(str(engine.url))}: was made by a newer howgreen ({one_line(str(error))}); use that one, or another database"
            ) from error
