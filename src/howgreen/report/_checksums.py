"""Checksums of a report's files, in the format of ``sha256sum --check``: a recipient can verify that it is complete."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CHECKSUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\\\n]+)\n")
_MOST_BYTES = 2**20


def write_checksums(folder: Path) -> None:
    """Write the checksums of all files of a finished folder."""
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    lines = [f"{_sha256(path)}  {path.name}\n" for path in files]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def add_file(path: Path) -> None:
    """Add the checksum of a file added to a finished folder later, which makes it one of the folder's own."""
    with (path.parent / CHECKSUMS).open("a", encoding="utf-8") as file:
        file.write(f"{_sha256(path)}  {path.name}\n")


def is_unaltered(folder: Path) -> bool:
    """Tell whether every file with a checksum is unaltered; files added later do not matter."""
    try:
        with (folder / CHECKSUMS).open(encoding="utf-8") as file:
            text = file.read(_MOST_BYTES)
        told = {name: digest for digest, name in _LINE.findall(text)}
        return bool(told) and all(_sha256(folder / name) == digest for name, digest in told.items())
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
