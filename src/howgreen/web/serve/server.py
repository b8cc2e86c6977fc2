"""The server process: pages and API by uvicorn, with workers and periodic maintenance."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from howgreen.core.errors import HowgreenError, NetworkError
from howgreen.core.text import one_line
from howgreen.web.serve.child import encode
from howgreen.web.serve.database import open_database
from howgreen.web.serve.jobs import Jobs
from howgreen.web.serve.results import Results
from howgreen.web.serve.worker import CHILD, Work, forget_dead, is_dead

if TYPE_CHECKING:
    from howgreen.web.serve.settings import Settings

_LOG = logging.getLogger(__name__)

RECOVER_S = 2.0
"""Interval between checks for jobs with dead workers."""
SWEEP_S = 600.0
"""Interval between clean-ups of old or excess data."""
RESTART_S = 2.0
"""Delay before a dead worker is restarted."""
STOP_S = 8.0
"""Time for workers to return their jobs."""
MOST_CONNECTIONS = 512
"""Most open connections: every open page has one that waits for events."""
MOST_HEAD_BYTES = 32_768
KEEP_ALIVE_S = 15
FINISH_S = 3
"""Time to finish pending responses on shutdown."""


def serve(
    settings: Settings,
    app: Callable[[Settings, Jobs, Results], Any],
    *,
    child: Sequence[str] = CHILD,
    listening: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until a signal, which uvicorn then passes on to the caller.

    Parameters
    ----------
    app
        Makes the pages and the API.
    child
        Command of a worker's subprocess for a job.
    listening
        Called with the address once the server listens.

    Raises
    ------
    HowgreenError
        The address is in use, or the database refuses.
    """
    import uvicorn

    from howgreen.web.serve.connections import bounded

    with contextlib.closing(listen(settings.host, settings.port)) as door:
        engine = open_database(settings)
        try:
            jobs, results = Jobs(engine, settings), Results(engine, settings)
            config = uvicorn.Config(
                app(settings, jobs, results), http=bounded(settings), ws="none", lifespan="auto", log_config=None, access_log=False,
                server_header=False, proxy_headers=False, limit_concurrency=MOST_CONNECTIONS, backlog=256,
                timeout_keep_alive=KEEP_ALIVE_S, timeout_graceful_shutdown=FINISH_S, h11_max_incomplete_event_size=MOST_HEAD_BYTES,
            )  # fmt: skip
            with caretaker(settings, jobs, results, child=child):
                listening(address(door))
                uvicorn.Server(config).run(sockets=[door])
        finally:
            engine.dispose()


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 for any free one.

    Raises
    ------
    NetworkError
        The address is in use, or not of this computer.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, OverflowError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number and number > 0 else error
        raise NetworkError(
            f"--host {host} --port {port}: {one_line(str(reason))}; use another --port or --host"
        ) from error


def address(door: socket.socket) -> str:
    """Return a socket's address as a URL for browsers."""
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


@contextlib.contextmanager
def caretaker(settings: Settings, jobs: Jobs, results: Results, *, child: Sequence[str] = CHILD) -> Iterator[None]:
    """Keep workers running, recover jobs and limit disk use for the duration of the block."""
    stop = threading.Event()
    thread = threading.Thread(target=_Caretaker(settings, jobs, results, child).run, args=(stop,), name="caretaker")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _Caretaker:
    """Does all of it in one thread, which starts the workers and outlives them."""

    def __init__(self, settings: Settings, jobs: Jobs, results: Results, child: Sequence[str]) -> None:
        self._settings, self._jobs, self._results, self._child = settings, jobs, results, tuple(child)
        self._workers: list[subprocess.Popen[bytes] | None] = [None] * settings.workers
        self._started = [-RESTART_S] * settings.workers

    def run(self, stop: threading.Event) -> None:
        swept = -SWEEP_S
        try:
            while not stop.is_set():
                try:
                    self._start_missing()
                    for line in self._recovered():
                        _LOG.warning("job %s was lost with its worker", line)
                    if time.monotonic() - swept >= SWEEP_S or self._is_over():
                        swept = time.monotonic()
                        self._sweep()
                except Exception:  # noqa: BLE001 (a defect of one step must not leave the server without workers)
                    _LOG.exception("the caretaker stumbled, and goes on")
                stop.wait(RECOVER_S)
        finally:
            self._stop_all()

    def _start_missing(self) -> None:
        for number, worker in enumerate(self._workers):
            if worker is not None and worker.poll() is None:
                continue
            if time.monotonic() - self._started[number] < RESTART_S:
                continue
            if worker is not None:
                _LOG.warning("a worker ended with %s, and is started again", worker.returncode)
                _close(worker)
            self._started[number] = time.monotonic()
            self._workers[number] = self._start()

    def _start(self) -> subprocess.Popen[bytes] | None:
        # In its own session: a terminal's Ctrl-C is for the server, which tells the others.
        try:
            worker = subprocess.Popen(
                [sys.executable, "-m", "howgreen.web.serve.worker"], stdin=subprocess.PIPE, bufsize=0, start_new_session=True
            )  # fmt: skip
        except OSError as error:
            _LOG.warning("no worker can be started: %s", error.strerror)
            return None
        with contextlib.suppress(OSError):
            if worker.stdin is not None:
                worker.stdin.write(encode(Work(settings=self._settings, child=self._child)))
        return worker

    def _recovered(self) -> list[str]:
        try:
            return self._jobs.recover(is_dead=lambda name: is_dead(self._settings, name))
        except (SQLAlchemyError, HowgreenError, OSError) as error:
            _LOG.warning("the database refuses: %s", one_line(str(error))[:300])
            return []

    def _is_over(self) -> bool:
        try:
            return self._results.bytes() > self._settings.most_disk_bytes
        except (SQLAlchemyError, HowgreenError):
            return False

    def _sweep(self) -> None:
        try:
            gone = self._results.sweep()
            forget_dead(self._settings)
        except (SQLAlchemyError, HowgreenError, OSError) as error:
            _LOG.warning("old results cannot be removed: %s", one_line(str(error))[:300])
        else:
            if gone:
                _LOG.info("%d old results were removed", gone)

    def _stop_all(self) -> None:
        there = [worker for worker in self._workers if worker is not None]
        for worker in there:
            with contextlib.suppress(OSError):
                if worker.stdin is not None:
                    worker.stdin.close()
        end = time.monotonic() + STOP_S
        for worker in there:
            try:
                worker.wait(max(end - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


def _close(worker: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if worker.stdin is not None:
            worker.stdin.close()
