"""Rate limit per host, across processes: a file for each host records when it may be queried next."""

from __future__ import annotations

import re
import time
from pathlib import Path

from howgreen.net.http import LONGEST_REFUSAL_S

_POLL_S = 0.02


def wait_turn(folder: Path, host: str, *, pause_s: float, within_s: float) -> bool:
    """Wait until the last request to a host is ``pause_s`` ago; return False if that takes longer than ``within_s``.

    All threads, and all processes of one user that share the folder, take turns.

    Parameters
    ----------
    folder
        Folder of the turn files; created if missing.
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
            # A clock set back must not block us for longer than a pause.
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
    """Record that a host refused: nobody who shares the folder contacts it for this long."""
    now = time.time()
    _file(folder, host).write_text(f"{now:.6f} {now + min(seconds, LONGEST_REFUSAL_S):.6f}")


def refused_s(folder: Path, host: str) -> float:
    """Return the seconds for which a host that refused must not be contacted."""
    return _left(*_read(_file(folder, host)))


def _file(folder: Path, host: str) -> Path:
    return folder / f"{re.sub('[^A-Za-z0-9.-]', '_', host)}.turn"


def _left(last: float, refused_until: float) -> float:
    now = time.time()
    return min(max(refused_until - now, 0.0), LONGEST_REFUSAL_S) if now >= last else 0.0  # else the clock was set back


def _read(path: Path) -> tuple[float, float]:
    """Return the time of a host's last request, and the end of its refusal; seconds since 1970."""
    try:
        last, _, until = path.read_text().partition(" ")
        return float(last), float(until or 0)
    except (FileNotFoundError, ValueError):
        return 0.0, 0.0
