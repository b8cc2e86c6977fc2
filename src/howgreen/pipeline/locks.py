"""Folders of finished blocks that a process may still read, so that no other process deletes them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_LOCK = ".lock"
_held: dict[Path, int] = {}
"""Locks on the blocks that this process may still read; the kernel drops them when it ends."""


def hold(folder: Path) -> None:
    """Keep other processes from deleting these blocks: a result reads them as long as it lives."""
    if sys.platform == "win32" or folder in _held:
        return
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(handle, fcntl.LOCK_SH)
        try:
            if os.path.samestat(os.fstat(handle), (folder / _LOCK).stat()):
                os.utime(folder)
                _held[folder] = handle
                return
        except FileNotFoundError:  # deleted while we waited: once more
            pass
        os.close(handle)


def release(folder: Path) -> None:
    """Hold a folder no longer."""
    handle = _held.pop(folder, None)
    if handle is not None:
        os.close(handle)


def discard(folder: Path) -> None:
    """Delete a folder that no process holds."""
    if sys.platform == "win32":
        shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(handle)
