"""One request at a time and not too often, also between processes: a file for each host holds the last turn's time."""

from __future__ import annotations

import re
import time
from pathlib import Path

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
    path = folder / f"{re.sub('[^A-Za-z0-9.-]', '_', host)}.turn"
    try:
        with FileLock(path.with_suffix(".turn-lock"), timeout=within_s, poll_interval=_POLL_S):
            wait_s = _last(path) + pause_s - time.time()
            # A clock that was set back must not hold us for longer than a pause.
            wait_s = min(max(wait_s, 0.0), pause_s)
            if time.monotonic() + wait_s > until:
                return False
            time.sleep(wait_s)
            path.write_text(f"{time.time():020.6f}")
            return True
    except Timeout:
        return False


def _last(path: Path) -> float:
    try:
        return float(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0.0
