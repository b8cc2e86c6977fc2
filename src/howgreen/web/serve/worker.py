"""A process that works on one job at a time: ``python -m howgreen.web.serve.worker``.

It claims a job, starts a subprocess for it, records its events, and renews the lease; the actual work, with its
libraries and its memory, happens in the subprocess. When its standard input closes, it returns its job and ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from howgreen.core.errors import HowgreenError
from howgreen.core.known_types import known
from howgreen.core.text import one_line
from howgreen.web.serve.child import Order, decode, encode
from howgreen.web.serve.database import connect
from howgreen.web.serve.job import Job, LeaseLostError
from howgreen.web.serve.jobs import LEASE_S, Jobs
from howgreen.web.serve.log import log_as_json
from howgreen.web.serve.results import ResultRow
from howgreen.web.serve.settings import Settings

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOG = logging.getLogger(__name__)

CHILD = (sys.executable, "-m", "howgreen.web.serve.child")
BEAT_S = 5.0
"""Interval between lease renewals."""
LOOK_S = 0.5
"""Interval between checks for a waiting job, or for the dismissal of the current one; also of progress updates."""
EXIT_S = 5.0
"""Time for a process to exit after its last message."""
MOST_LINE_BYTES = 2**20
_LAST_WORDS_BYTES = 2_000


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a server asks of a worker, as a line of JSON on its standard input."""

    settings: Settings
    child: tuple[str, ...]


def main() -> int:
    """Work until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # a process manager may signal all of a server's processes: the server tells us
    work: Work = decode(sys.stdin.buffer.readline(), Work)
    log_as_json()
    stop = threading.Event()
    threading.Thread(target=_until_the_end, args=(stop,), daemon=True).start()
    Worker(work.settings, child=work.child).run(stop)
    return 0


def _until_the_end(stop: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    stop.set()
    time.sleep(10)
    os._exit(1)  # an unresponsive database must not block the exit


class Worker:
    """One worker, by its name in the database."""

    def __init__(self, settings: Settings, *, child: Sequence[str] = CHILD) -> None:
        self._settings, self._child = settings, tuple(child)
        self.name = f"{boot()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._engine = connect(settings)
        self._jobs = Jobs(self._engine, settings)
        self._beaten = -BEAT_S

    def run(self, stop: threading.Event) -> None:
        """Process jobs one after another until told to stop; database failures are retried."""
        with _sign_of_life(self._settings, self.name):
            while not stop.is_set():
                try:
                    self._beat(None)
                    job = self._jobs.claim(self.name)
                    if job is not None:
                        self._carry_out(job, stop)
                        continue
                except LeaseLostError as error:
                    _LOG.warning("%s", error)
                    continue
                except (SQLAlchemyError, HowgreenError, OSError) as error:
                    # Whatever it was doing, its lease expires by itself.
                    _LOG.warning("worker: %s", one_line(str(error))[:300])
                except Exception:  # noqa: BLE001 (a defect that one job shows must not keep the others waiting)
                    _LOG.exception("worker: stumbled, and goes on")
                stop.wait(LOOK_S)
            with contextlib.suppress(SQLAlchemyError, HowgreenError):
                self._jobs.leave(self.name)
        self._engine.dispose()

    def _beat(self, job: Job | None) -> None:
        """Report that this worker is alive, and continues its job; without a job, less often."""
        if job is None and time.monotonic() - self._beaten < BEAT_S:
            return
        self._jobs.beat(self.name, host=socket.gethostname()[:64], job=job)
        self._beaten = time.monotonic()

    def _carry_out(self, job: Job, stop: threading.Event) -> None:
        self._settings.scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(  # noqa: S603 (our own program, and a number)
                [*self._child, str(os.getpid())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, cwd=self._settings.scratch,
                bufsize=0,
            )  # fmt: skip
            running = _Running(job, process, self._jobs, self._settings)
            try:
                running.order()
                end = running.follow(stop, self._beat)
            finally:
                _end(process)
            self._conclude(job, end, process.returncode, said)

    def _conclude(self, job: Job, end: dict[str, Any], code: int, said: IO[bytes]) -> None:
        """Record how a job ended."""
        if end["kind"] == "result":
            row = msgspec.convert({key: value for key, value in end.items() if key != "kind"}, known(ResultRow))
            self._insist(lambda: self._jobs.finish(job, row))
        elif end["kind"] == "failed":
            _LOG.warning("job %s: %s", job.id, one_line(str(end.get("log") or end["message"]))[:500])
            self._insist(lambda: self._jobs.fail(job, str(end["message"])))
        elif end["kind"] == "stopped":
            self._jobs.give_back(job, "the server was stopped: it waits again, and goes on from what was kept")
        else:
            _LOG.warning("job %s: its process ended with %s: %s", job.id, code, _last_words(said))
            why = "its process was killed (by hand, or for want of memory)" if code < 0 else "its process broke down"
            self._insist(lambda: self._jobs.lose(job, why))

    def _insist(self, write: Callable[[], object]) -> None:
        """Record the final state, retrying while the database refuses, until the lease expires.

        Even then a result with a finished folder is not lost: the next attempt finds it.
        """
        end = time.monotonic() + LEASE_S
        while True:
            try:
                write()
            except LeaseLostError:
                raise
            except (SQLAlchemyError, HowgreenError) as error:
                if time.monotonic() > end:
                    raise
                _LOG.warning("worker: %s", one_line(str(error))[:300])
                time.sleep(LOOK_S)
            else:
                return


class _Running:
    """A running subprocess: reads its lines, records the job's events."""

    def __init__(self, job: Job, process: subprocess.Popen[bytes], jobs: Jobs, settings: Settings) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a child has pipes")
        self._job, self._process, self._jobs, self._settings = job, process, jobs, settings
        self._in, self._out = process.stdin, process.stdout
        self._progress: dict[str, Any] | None = None
        self._stage = ""
        self._left = b""
        self._end: dict[str, Any] = {"kind": "lost"}

    def order(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._in.write(encode(Order(job=self._job.id, question=self._job.question, settings=self._settings)))

    def follow(self, stop: threading.Event, beat: Callable[[Job], object]) -> dict[str, Any]:
        """Record the subprocess's events until it ends, is too slow, is told to stop, or the job is lost.

        Raises
        ------
        LeaseLostError
            The job was dismissed, or its worker was taken for dead.
        """
        began = beaten = looked = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            while True:
                if selector.select(LOOK_S) and not self._read():
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._process.wait(EXIT_S)  # by itself, so that its exit status tells why
                    return self._end
                now = time.monotonic()
                if stop.is_set():
                    return {"kind": "stopped"}
                if now - began > self._settings.job_seconds:
                    minutes = self._settings.job_seconds / 60
                    return {
                        "kind": "failed",
                        "message": f"took longer than {minutes:.3g} minutes: ask for a smaller place",
                    }
                if now - beaten > BEAT_S and self._tried(lambda: beat(self._job)):
                    beaten = now
                    with contextlib.suppress(BrokenPipeError):
                        self._in.write(b".")
                if now - looked > LOOK_S:
                    looked = now
                    self._tried(self._look)

    def _look(self) -> None:
        if not self._jobs.is_held(self._job):
            raise LeaseLostError(f"job {self._job.id}: was dismissed")
        self._tell_progress()

    def _tried(self, write: Callable[[], object]) -> bool:
        """Run a database write, which may fail for a while; return whether it succeeded.

        The subprocess ends by itself if that lasts too long.
        """
        try:
            write()
        except LeaseLostError:
            raise
        except (SQLAlchemyError, HowgreenError) as error:
            _LOG.warning("worker: %s", one_line(str(error))[:300])
            return False
        return True

    def _read(self) -> bool:
        """Read the subprocess's output; False when it has closed."""
        got = os.read(self._out.fileno(), 2**16)
        *lines, self._left = (self._left + got).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._left) > MOST_LINE_BYTES:
            self._process.kill()
            return False
        return bool(got)

    def _take(self, line: bytes) -> None:
        try:
            told = json.loads(line)
            kind = told["kind"]
        except (ValueError, LookupError, TypeError):  # truncated
            return
        if kind in ("result", "failed"):
            self._end = told
        elif kind == "progress":
            self._progress = told
            if told.get("stage") != self._stage:
                self._tried(self._tell_progress)
        elif kind in ("date", "note"):
            data = {key: value for key, value in told.items() if key != "kind"}
            self._tried(lambda: self._jobs.tell(self._job, kind, data))

    def _tell_progress(self) -> None:
        told, self._progress = self._progress, None
        if told is not None:
            self._stage = str(told.get("stage", ""))
            self._jobs.tell(self._job, "progress", {key: value for key, value in told.items() if key != "kind"})


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a subprocess that still runs; its unfinished files have no name."""
    process.kill()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe is not None:
                pipe.close()
    process.wait()


def _last_words(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(size - _LAST_WORDS_BYTES, 0))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return one_line(lines[-1])[:300] if lines else "no word"


def boot() -> str:
    """Return an id of this boot of the computer: a worker of another boot is gone."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        text = socket.gethostname()
    return "".join(letter for letter in text if letter.isalnum())[:32]


@contextlib.contextmanager
def _sign_of_life(settings: Settings, name: str) -> Any:
    """Hold a lock for the life of this process: whoever finds it free knows that it is dead."""
    path = _sign(settings, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(path)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
        path.unlink(missing_ok=True)


def is_dead(settings: Settings, name: str) -> bool:
    """Tell whether a worker is known to be dead: its lock exists and is free. For others, only time tells."""
    path = _sign(settings, name)
    if not name.replace("-", "").isalnum() or not path.is_file():
        return False
    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except (TimeoutError, OSError):
        return False
    lock.release()
    return True


def forget_dead(settings: Settings) -> None:
    """Remove the locks of killed workers."""
    for path in (settings.scratch / "workers").glob("*.lock"):
        if is_dead(settings, path.stem):
            path.unlink(missing_ok=True)


def _sign(settings: Settings, name: str) -> Path:
    return settings.scratch / "workers" / f"{name}.lock"


def _lock(path: Path) -> BaseFileLock:
    from filelock import FileLock

    return FileLock(path, thread_local=False)


if __name__ == "__main__":
    sys.exit(main())
