"""A database of each kind, and questions that are quick to ask."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
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


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL of our own on the loopback; the test is skipped, visibly, where there is none."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not homes:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    programs = homes[-1].parent
    root = os.geteuid() == 0
    if root and not shutil.which("runuser"):
        pytest.skip("PostgreSQL refuses root, and there is no runuser")
    as_other = ["runuser", "-u", "postgres", "--"] if root else []
    # Not below pytest's own folder, which only its user may enter.
    folder = Path(
        subprocess.run(
            [*as_other, "mktemp", "-d", "/tmp/howgreen-pg-XXXXXX"], check=True, capture_output=True, text=True
        ).stdout.strip()
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*words: str) -> None:
        subprocess.run([*as_other, *words], check=True, capture_output=True, cwd="/")

    try:
        run(
            str(programs / "initdb"), "-D", f"{folder}/data", "-A", "trust", "-U", "howgreen", "-E", "UTF8", "--no-sync"
        )
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c max_connections=60"
        run(str(programs / "pg_ctl"), "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql://howgreen@127.0.0.1:{port}/postgres"
        finally:
            run(str(programs / "pg_ctl"), "-D", f"{folder}/data", "-w", "-m", "immediate", "stop")
    finally:
        subprocess.run([*as_other, "rm", "-rf", str(folder)], check=False)


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
