"""A server with one finished result of the sample city, made once; each test has its own copy of the state."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

import howgreen
from browsing import GRAPHICS, NARROW, PATIENT_MS, WIDE
from howgreen.core.types import City
from howgreen.sample.identity import EXTENT_M, SEED
from howgreen.sample.layout import make_land
from howgreen.sample.limits import make_city
from howgreen.web.serve.app import create_app
from howgreen.web.serve.database import open_database
from howgreen.web.serve.jobs import Jobs
from howgreen.web.serve.results import Results
from howgreen.web.serve.settings import Settings
from serving import Answered, Rig


@pytest.fixture(scope="session")
def city() -> City:
    """Sampleton's limits."""
    return make_city(make_land(SEED, extent_m=EXTENT_M))


@pytest.fixture(scope="session")
def report(sampleton: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on Sampleton."""
    folder = tmp_path_factory.mktemp("answer") / "sampleton"
    plan = howgreen.plan("Sampleton", store=sampleton, period="2024")
    howgreen.run(plan, work=folder.parent / "work").save(folder)
    return folder


@pytest.fixture(scope="session")
def make_rig(sampleton: Path) -> Callable[..., Rig]:
    def make(folder: Path, **values: Any) -> Rig:
        settings = Settings(data=folder, stores=(sampleton,), offline=True, workers=0, **values)
        engine = open_database(settings)
        jobs, results = Jobs(engine, settings), Results(engine, settings)
        return Rig(settings, jobs, results, create_app(settings, jobs, results))

    return make


@pytest.fixture
def rig(make_rig: Callable[..., Rig], tmp_path: Path) -> Rig:
    """A server of its own, with nothing in it."""
    return make_rig(tmp_path / "data")


@pytest.fixture
def client(rig: Rig) -> Iterator[TestClient]:
    with rig.client() as client:
        yield client


@pytest.fixture(scope="session")
def answered(
    make_rig: Callable[..., Rig], city: City, report: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Answered]:
    """A server that has one result, for tests that only read."""
    rig = make_rig(tmp_path_factory.mktemp("answered") / "data")
    rig.ask(city)
    job = rig.work()
    rig.jobs.tell(job, "progress", {"stage": "reading", "done": 3, "of": 8, "percent": 41})
    rig.jobs.tell(job, "date", {"date": "2024-06-15", "clear": 0.98, "taken": True, "bytes": 1234567})
    result = rig.answer(job, report)
    with rig.client() as client:
        yield Answered(rig, client, result, job)


@pytest.fixture(scope="module")  # ends with its file: two of Playwright's drivers cannot live in one thread
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-background-networking", *GRAPHICS],
        )
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser):
    """Open the page; the test fails on any error in its console, and on any request to elsewhere."""
    contexts, troubles, servers = [], [], []

    def note(message):
        if message.type in ("error", "warning") and "GPU stall" not in message.text:
            troubles.append(message.text)

    def opened(address, path="", *, size=WIDE, language="en-GB", **more):
        servers.append(address)
        context = browser.new_context(viewport=size, locale=language, has_touch=size is NARROW, **more)
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(PATIENT_MS)
        tab.on("console", note)
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("request", lambda r: None if r.url.startswith((*servers, "data:", "blob:")) else troubles.append(r.url))
        tab.goto(f"{address}/{path}")
        return tab

    opened.troubles = troubles
    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


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
