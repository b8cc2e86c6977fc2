"""Fixtures that all test folders share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("same-each-time", derandomize=True)
if os.environ.get("CI"):  # there, a property that fails once in a hundred runs would fail at somebody else's change
    settings.load_profile("same-each-time")


@pytest.fixture(autouse=True)
def _words_of_a_shell() -> Iterator[None]:
    """Errors are read as the command line says them; tests/core/test_wording.py is about those that Python says."""
    from howgreen.core.wording import for_a_shell

    with for_a_shell():
        yield


@pytest.fixture(autouse=True)
def _no_refusals() -> Iterator[None]:
    """Ports are used again: what one test's server asked for does not bind the next one's."""
    from howgreen.net import http

    http._refused.clear()
    yield
    http.close_sessions()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what takes minutes, visibly, unless it is asked for."""
    if "slow" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: pytest -m slow"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; the test is skipped, visibly, where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data (../shared/data) is not here")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium to drive; the test is skipped, visibly, where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("no chromium here: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium without a window, for the tests of a file."""
    sync = pytest.importorskip("playwright.sync_api")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync.sync_playwright() as player:
        started = player.chromium.launch(executable_path=chromium, args=flags)
        yield started
        started.close()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache and data home for all workers of a test run, so that Sampleton is simulated once."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "howgreen-home"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Points the user's cache and data folders at the test run's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    return home


@pytest.fixture(scope="session")
def sampleton(home: Path) -> Path:
    """The store of the synthetic sample city."""
    import fcntl

    from howgreen import sample

    # Workers take turns: the second finds what the first has simulated.
    with (home / "sampleton.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return sample.ensure(home / "cache" / "howgreen")
