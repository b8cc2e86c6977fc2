"""Locks on folders of finished blocks that a process may still read, so that no other process deletes them."""

from __future__ import annotations

import os
import secrets
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from filelock import BaseFileLock

_GUARD = ".lock"
"""Lock file beside the folders, held briefly while locking or deleting one."""
_PREFIX = ".lock-"
"""Inside a folder, one lock for each process that reads it."""
_locks: dict[Path, BaseFileLock] = {}
"""Locks on the blocks that this process may still read; the system drops them when it ends."""


def hold(folder: Path) -> None:
    """Keep other processes from deleting these blocks, for as long as a result reads them."""
    from filelock import FileLock

    if folder in _locks:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / _GUARD):
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / f"{_PREFIX}{secrets.token_hex(8)}", thread_local=False)
        lock.acquire()
        os.utime(folder)
    _locks[folder] = lock


def release(folder: Path) -> None:
    """Let other processes delete these blocks again."""
    from pathlib import Path

    lock = _locks.pop(folder, None)
    if lock is not None:
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Delete a folder that no process holds."""
    from filelock import FileLock

    try:
        with FileLock(folder.parent / _GUARD):
            if not any(_is_held(lock) for lock in folder.glob(f"{_PREFIX}*")):
                shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # a read-only disk: nothing is deleted there
        return


def _is_held(path: Path) -> bool:
    from filelock import FileLock

    try:
        with FileLock(path, timeout=0):
            return False
    except TimeoutError:
        return True
