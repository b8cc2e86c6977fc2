"""Files that appear under their name whole or not at all, and locks that hold between processes.

One policy for all of them: a file is written beside its place under a hidden name and renamed. What must outlive a power
cut (a store, models, plans, results) is synced to the disk first; what can be made again, and whose reader notices when it
was cut short (finished blocks, cached responses), is not, for that would wait for the disk at every block.
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
"""Names of files that are being written begin so; one of these that is old was left by a process that was killed."""


@contextmanager
def atomic_path(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a name beside ``path`` to write a file under; it takes the place of ``path`` when all went well.

    Parameters
    ----------
    path
        Its folder must be there.
    durable
        Whether the file and its name are to outlive a power cut.

    Raises
    ------
    OSError
        When the disk refuses; nothing is left behind, and an older file stays as it was.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        with _into_device(path) as scratch:
            yield scratch
        return
    scratch = path.with_name(f"{PREFIX}{secrets.token_hex(8)}")  # without its suffix: no one takes it for the file
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
    """Write into what is no file of a disk (``/dev/stdout``, a named pipe), which a rename would put an end to."""
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
"""A scratch folder without a mark is left alone for so long: its maker may not have come to mark it."""


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a folder of our own for what is not whole yet; it goes at the end, unless it was moved.

    As long as this process lives the folder is marked as owned. What processes that were killed have left under the same
    prefix is removed first.
    """
    sweep_scratch(parent, prefix)
    folder, owned = _owned_folder(parent, prefix)
    try:
        yield folder
    finally:
        owned.release()
        shutil.rmtree(folder, ignore_errors=True)


def _owned_folder(parent: Path, prefix: str) -> tuple[Path, BaseFileLock]:
    """Make a folder and mark it as ours; anew where another process took it for left over before its mark was held."""
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
    """Take our mark out of a scratch folder that is whole, just before it is moved to its place."""
    (folder / _OWNER).unlink(missing_ok=True)


def sweep_scratch(parent: Path, prefix: str) -> None:
    """Remove the scratch folders of a prefix that no living process owns."""
    for left in parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError):
            if (left / _OWNER).exists():
                _remove_unowned(left)
            elif left.is_dir() and left.stat().st_mtime < time.time() - _UNOWNED_S:
                shutil.rmtree(left, ignore_errors=True)


def _remove_unowned(folder: Path) -> None:
    """Remove a marked folder unless its owner lives; BlockingIOError when it does."""
    if sys.platform == "win32":  # whether its owner lives cannot be asked there
        if folder.stat().st_mtime < time.time() - _UNOWNED_S:
            shutil.rmtree(folder, ignore_errors=True)
        return
    import fcntl

    handle = os.open(folder / _OWNER, os.O_RDWR)  # never made anew: its owner may just have taken it out
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time do something to a folder; the others wait. The lock leaves no file behind."""
    if sys.platform == "win32":  # no folder can be opened there
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
        os.close(handle)  # which gives the lock back


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names at once, so that each stands for something at any moment; False where the system cannot."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    try:
        return bool(libc.renameat2(here, os.fsencode(one), here, os.fsencode(other), swap) == 0)
    except AttributeError:  # a C library without it
        return False


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut, where the system can do that."""
    if sys.platform != "win32":
        _sync(folder)


def sync_files(folder: Path) -> None:
    """Make all files of a folder, and their names, outlive a power cut."""
    for path in folder.iterdir():
        _sync(path)
    sync_folder(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)  # Windows syncs only what it may write
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
