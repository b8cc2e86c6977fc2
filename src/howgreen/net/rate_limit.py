"""One request at a time and not too often, also between processes: a file for each host holds the last turn's time."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_POLL_S = 0.02


def wait_turn(folder: Path, host: str, *, pause_s: float, within_s: float) -> bool:
    """Wait until the last request to a host is ``pause_s`` ago; False when that takes longer than ``within_s``.

    All processes of one user that share the folder take turns, and all threads.

    Parameters
    ----------
    folder
        Where the files of the turns lie; made when it is not there.
    host
        Name (and port) of the server.

    """
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + within_s
    with _locked(folder / f"{re.sub('[^A-Za-z0-9.-]', '_', host)}.turn", until=until) as handle:
        if handle is None:
            return False
        wait_s = _last(handle) + pause_s - time.time()
        # A clock that was set back must not hold us for longer than a pause.
        wait_s = min(max(wait_s, 0.0), pause_s)
        if time.monotonic() + wait_s > until:
            return False
        time.sleep(wait_s)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, f"{time.time():020.6f}".encode())
        return True


def _last(handle: int) -> float:
    try:
        return float(os.read(handle, 32))
    except ValueError:
        return 0.0


@contextmanager
def _locked(path: Path, *, until: float) -> Iterator[int | None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _lock(handle):
            if time.monotonic() > until:
                yield None
                return
            time.sleep(_POLL_S)
        yield handle
    finally:
        os.close(handle)  # which gives the lock back


def _lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 64)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
