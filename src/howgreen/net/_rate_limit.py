"""One request at a time and not too often, also between processes: a file for each host says when it may be asked next."""

from __future__ import annotations

import re
import time
from pathlib import Path

from howgreen.net.http import LONGEST_REFUSAL_S

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
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + within_s
    path = _file(folder, host)
    try:
        with FileLock(path.with_suffix(".turn-lock"), timeout=within_s, poll_interval=_POLL_S):
            last, refused_until = _read(path)
            # A clock that was set back must not hold us for longer than a pause.
            wait_s = min(max(last + pause_s - time.time(), 0.0), pause_s)
            wait_s = max(wait_s, _left(last, refused_until))
            if time.monotonic() + wait_s > until:
                return False
            time.sleep(wait_s)
            path.write_text(f"{time.time():.6f} 0")
            return True
    except Timeout:
        return False


def postpone(folder: Path, host: str, seconds: float) -> None:
    """Take note that a host refused, and is not to be asked for so long: by nobody who shares the folder."""
    now = time.time()
    _file(folder, host).write_text(f"{now:.6f} {now + min(seconds, LONGEST_REFUSAL_S):.6f}")


def refused_s(folder: Path, host: str) -> float:
    """Return for how many seconds a host that refused is still to be left alone."""
    return _left(*_read(_file(folder, host)))


def _file(folder: Path, host: str) -> Path:
    return folder / f"{re.sub('[^A-Za-z0-9.-]', '_', host)}.turn"


def _left(last: float, refused_until: float) -> float:
    now = time.time()
    return min(max(refused_until - now, 0.0), LONGEST_REFUSAL_S) if now >= last else 0.0  # else the clock was set back


def _read(path: Path) -> tuple[float, float]:
    """When a host was asked last, and until when it is to be left alone; seconds since 1970."""
    try:
        last, _, until = path.read_text().partition(" ")
        return float(last), float(until or 0)
    except (FileNotFoundError, ValueError):
        return 0.0, 0.0
