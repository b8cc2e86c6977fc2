"""The tables that migrations make are those that the code means, on either database, however many start at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, insert, inspect, select, text

from howgreen.web.serve.database import DatabaseError, metadata, open_database, reading, workers, writing
from howgreen.web.serve.settings import Settings


def test_the_migrations_make_the_tables_that_the_code_means(engine: Engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert set(metadata.tables) <= set(inspect(engine).get_table_names())


def test_a_table_that_is_not_migrated_is_noticed(engine: Engine):
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE workers"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) != []


def _open(settings: Settings) -> int:
    engine = open_database(settings)
    with reading(engine) as connection:
        found = len(connection.execute(text("SELECT version_num FROM alembic_version")).all())
    engine.dispose()
    return found


def test_several_that_start_at_once_migrate_once(settings: Settings):
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(_open, [settings] * 3)) == [1, 1, 1]


def test_moments_come_back_in_utc(engine: Engine):
    moment = datetime(2024, 6, 5, 14, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
    with writing(engine) as connection:
        connection.execute(insert(workers).values(id="a", host="h", started=moment, beat=moment))
    with reading(engine) as connection:
        found = connection.scalar(select(workers.c.beat))
    assert (found, found.tzinfo, found.hour) == (moment, UTC, 12)


def test_a_database_of_a_newer_program_is_refused_in_one_line(settings: Settings):
    engine = open_database(settings)
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseError, match="made by a newer howgreen"):
        open_database(settings)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "nonsense", "postgresql://u:secret@127.0.0.1:1/d"])
def test_what_cannot_be_connected_to_is_one_line_without_its_password(url: str, tmp_path: Path):
    with pytest.raises(DatabaseError) as told:
        open_database(Settings(data=tmp_path, database=url))
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


def test_sqlite_syncs_every_commit_and_lets_others_read(tmp_path: Path):
    engine = open_database(Settings(data=tmp_path))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    with writing(engine) as connection:
        connection.execute(insert(workers).values(id="a", host="h", started=datetime.now(UTC), beat=datetime.now(UTC)))
        with reading(engine) as other:  # waits for nobody
            assert other.execute(select(workers)).all() == []
    engine.dispose()


def test_the_folder_is_made_where_it_is_missing(tmp_path: Path):
    settings = Settings(data=tmp_path / "a" / "b")
    open_database(replace(settings, database="")).dispose()
    assert (tmp_path / "a" / "b" / "howgreen.sqlite3").exists()
