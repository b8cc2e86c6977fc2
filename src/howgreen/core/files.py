"""Atomic writing of files, whole or not at all, and locks that hold between processes.

One policy for all: a file is written under a hidden name next to its destination, then renamed. Files that must survive
a power cut (a store, models, plans, results) are synced to disk first. Files that can be rebuilt, and whose reader
detects truncation (finished blocks, cached responses), are not: that would wait for the disk at every block.
"""

from __future__ import annotations

import ctypes
import glob
import os
import secrets
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filelock import BaseFileLock

PREFIX = ".tmp-"
"""Name prefix of files being written; an old one was left by a process that was killed."""


@contextmanager
def atomic_path(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary name beside ``path`` to write to; on success it replaces ``path``.

    Parameters
    ----------
    path
        Its folder must exist.
    durable
        Whether the file and its name must survive a power cut.

    Raises
    ------
    OSError
        The disk refuses; nothing is left behind, and an older file stays as it was.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        with _into_device(path) as scratch:
            yield scratch
        return
    scratch = path.with_name(
        f"{PREFIX}{secrets.token_hex(8)}"
    )  # without its suffix, so that nobody takes it for the file
    try:
        yield scratch
        if durable:
            _sync(scratch)
        scratch.replace(path)
    except BaseException:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


@contextmanager
def _into_device(path: Path) -> Iterator[Path]:
    """Write to something that is no regular file (``/dev/stdout``, a named pipe), which a rename would replace."""
    with tempfile.TemporaryDirectory(prefix="howgreen-") as folder:
        scratch = Path(folder, "whole")
        yield scratch
        with scratch.open("rb") as whole, path.open("wb") as device:
            shutil.copyfileobj(whole, device)


def write_atomic(path: Path, data: bytes | memoryview | str, *, durable: bool = True) -> None:
    """Write a whole file or nothing, see :func:`atomic_path`; text as UTF-8."""
    with atomic_path(path, durable=durable) as scratch:
        scratch.write_bytes(data.encode() if isinstance(data, str) else data)


_OWNER = ".owner"
_UNOWNED_S = 86_400.0
"""Age below which a scratch folder without a mark is left alone: its creator may not have marked it yet."""


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a private folder for incomplete work; it is removed at the end, unless it was moved.

    The folder is marked as owned as long as this process lives. Folders with the same prefix left by killed processes
    are removed first.
    """
    sweep_scratch(parent, prefix)
    folder, owned = _owned_folder(parent, prefix)
    try:
        yield folder
    finally:
        owned.release()
        shutil.rmtree(folder, ignore_errors=True)


def _owned_folder(parent: Path, prefix: str) -> tuple[Path, BaseFileLock]:
    """Create a folder and mark it as ours; retry if it was removed as abandoned before the mark was locked."""
    from filelock import FileLock

    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        owned = FileLock(folder / _OWNER)
        try:
            owned.acquire()
        except FileNotFoundError:
            if not parent.is_dir():
                raise
        else:
            return folder, owned


def disown(folder: Path) -> None:
    """Remove our mark from a complete scratch folder, just before it is moved to its destination."""
    (folder / _OWNER).unlink(missing_ok=True)


def sweep_scratch(parent: Path, prefix: str) -> None:
    """Remove the scratch folders with a prefix that no living process owns."""
    for left in parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError):
            if (left / _OWNER).exists():
                _remove_unowned(left)
            elif left.is_dir() and left.stat().st_mtime < time.time() - _UNOWNED_S:
                shutil.rmtree(left, ignore_errors=True)


def _remove_unowned(folder: Path) -> None:
    """Remove a marked folder unless its owner lives; BlockingIOError if it does."""
    if sys.platform == "win32":  # cannot check there whether its owner lives
        if folder.stat().st_mtime < time.time() - _UNOWNED_S:
            shutil.rmtree(folder, ignore_errors=True)
        return
    import fcntl

    handle = os.open(folder / _OWNER, os.O_RDWR)  # never created here: its owner may just have removed it
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time work on a folder; the others wait. The lock leaves no file behind."""
    if sys.platform == "win32":  # folders cannot be opened there
        from filelock import FileLock

        with FileLock(folder / f"{PREFIX}lock"):
            yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # which releases the lock


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names atomically, so that both exist at every moment; False if the system cannot."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    try:
        return bool(libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), swap) == 0)
    except AttributeError:  # a C library without this call
        return False


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, if the system can."""
    if sys.platform != "win32":
        _sync(folder)


def sync_files(folder: Path) -> None:
    """Make all files of a folder, and their names, survive a power cut."""
    for path in folder.iterdir():
        _sync(path)
    sync_folder(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)  # Windows syncs only writable handles
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
