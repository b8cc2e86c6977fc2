"""``howgreen serve`` as whoever runs it meets it: what it says, refuses, and how it ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from howgreen import cli
from howgreen.web.serve.settings import Settings


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., int]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments: object) -> int:
        with pytest.raises(SystemExit) as left:
            cli.main(["serve", *map(str, arguments)])
        return int(left.value.code or 0)

    # The command says where its process logs, and to whom; this process goes on to other tests.
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield run
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What the server would be started with."""
    from howgreen.web.serve import server

    made: list[Settings] = []

    def serve(settings: Settings, app: object, *, listening: Callable[[str], None]) -> None:
        made.append(settings)
        listening(f"http://{settings.host}:{settings.port}/")

    monkeypatch.setattr(server, "serve", serve)
    return made


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_its_address_answers_and_ends_as_its_signal_says(tmp_path: Path, stop: signal.Signals):
    process = subprocess.Popen(
        [sys.executable, "-m", "howgreen.cli", "serve", "--offline", "--port", "0", "--data", str(tmp_path / "data"), "--workers", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"XDG_DATA_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    url = process.stdout.readline().decode().removeprefix("howgreen serve: ").strip()
    assert url.startswith("http://127.0.0.1:")
    with httpx.Client(base_url=url, timeout=20) as client:
        assert client.get("/jobs").json()["jobs"] == []
        end = time.monotonic() + 30
        while client.get("/health").status_code != 200:  # until the worker is there
            assert time.monotonic() < end
            time.sleep(0.1)
    process.send_signal(stop)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 128 + stop
    assert b"Traceback" not in told
    assert told.strip().splitlines()[-1].startswith(b"howgreen: stopped")
    assert str(tmp_path).encode() not in b"\n".join(line for line in told.splitlines() if line.startswith(b"{"))


def test_without_a_host_nobody_else_reaches_it(
    call: Callable[..., int], served: list[Settings], capsys: pytest.CaptureFixture[str]
):
    assert call("--offline") == 0
    assert (served[0].host, served[0].offline, served[0].stores) == ("127.0.0.1", True, ())
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_a_host_says_what_it_opens(
    call: Callable[..., int], served: list[Settings], capsys: pytest.CaptureFixture[str], host: str, tmp_path: Path
):
    assert call("--offline", "--host", host) == 0
    told = capsys.readouterr().err
    assert "is open to everybody who can reach this computer, unencrypted" in told
    assert call("token", "--tokens", tmp_path / "t", "--name", "x") == 0
    assert capsys.readouterr().out.startswith("hg_")
    assert call("--offline", "--host", host, "--tokens", tmp_path / "t") == 0
    assert "is open to whoever has a token" in capsys.readouterr().err


def test_what_is_asked_for_is_what_is_served(
    monkeypatch: pytest.MonkeyPatch, call: Callable[..., int], served: list[Settings], tmp_path: Path
):
    monkeypatch.setattr("howgreen.pipeline.cluster.cluster", lambda _: nullcontext())
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "catalog.json").touch()
    assert call("--store", "a", "--port", 0, "--keep", "12h", "--max-area", 10, "--max-disk", 2, "--workers", 0, "--queue", 3,
                "--jobs-per-day", 4, "--proxies", 1, "--catalog", "earth-search", "--dask", "tcp://x:1", "--data", "d") == 0  # fmt: skip
    made = served[0]
    assert made == Settings(
        data=tmp_path / "d", stores=(tmp_path / "a",), catalogs=("earth-search",), port=0, keep=timedelta(hours=12), most_area_km2=10,
        most_disk_bytes=2_000_000_000, workers=0, queue=3, jobs_per_day=4, proxies=1, dask="tcp://x:1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--store", "nowhere"), "is no store of images"),
        (("--catalog", "nothing"), "nothing"),
        (("--offline", "--catalog", "earth-search"), "needs the network"),
        (("--offline", "--tokens", "missing.txt"), "howgreen serve token"),
        (("--offline", "--database", "mysql://a:b@c/d"), "use sqlite:///FILE or postgresql://"),
        (("--offline", "--host", "203.0.113.254"), "use another --port or --host"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
):
    assert call(*arguments) == 1
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [("--keep", "soon"), ("--keep", "0d"), ("tokens",), ("token",), ("--proxies", "9")]
)
def test_what_is_mistyped_is_told(call: Callable[..., int], arguments: tuple[str, ...]):
    assert call(*arguments) == 2


def test_a_port_that_is_taken_is_one_line(call: Callable[..., int], capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert call("--offline", "--port", taken.getsockname()[1]) == 1
    assert "Address already in use; use another --port" in capsys.readouterr().err


def test_without_the_extra_the_install_line_is_given(
    call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name in [one for one in sys.modules if one.startswith("howgreen.web.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    assert call("--offline") == 1
    assert 'pip install "howgreen[web]"' in capsys.readouterr().err
