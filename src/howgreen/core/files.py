"""Files that appear under their name whole or not at all, and locks that hold between processes.

One policy for all of them: a file is written beside its place under a hidden name and renamed. What must outlive a power
cut (a store, models, plans, results) is synced to the disk first; what can be made again, and whose reader notices when it
was cut short (finished blocks, cached responses), is not, for that would wait for the disk at every block.
"""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def write_atomic(path: Path, data: bytes | memoryview | str, *, durable: bool = True) -> None:
    """Write a whole file or nothing, see :func:`atomic_path`; text as UTF-8."""
    with atomic_path(path, durable=durable) as scratch:
        scratch.write_bytes(data.encode() if isinstance(data, str) else data)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut, where the system can do that."""
    if sys.platform != "win32":
        _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)  # Windows syncs only what it may write
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
