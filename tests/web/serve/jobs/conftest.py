"""A database of each kind, and questions that are quick to ask."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from howgreen.web.serve.database import connect, open_database
from howgreen.web.serve.jobs import Jobs
from howgreen.web.serve.results import Results
from howgreen.web.serve.settings import Settings
from questions import fill_shelf


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of a server whose database is empty."""
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
    made = Settings(data=tmp_path / "data", database=url, offline=True)
    if url:
        engine = connect(made)
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
    return made


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    opened = open_database(settings)
    yield opened
    opened.dispose()


@pytest.fixture
def jobs(engine: Engine, settings: Settings) -> Jobs:
    return Jobs(engine, settings)


@pytest.fixture
def results(engine: Engine, settings: Settings) -> Results:
    return Results(engine, settings)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait for something, and fail when it does not come."""

    def wait(condition: Callable[[], object], *, most_s: float = 30.0) -> None:
        end = time.monotonic() + most_s
        while not condition():
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.02)

    return wait


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A store with one image of grass."""
    return fill_shelf(tmp_path / "shelf")
