"""The user's library of added models: one file per model, named by checksum, and one entry per name.

The entry is written last and atomically, so a name always refers to a complete file, and replacing a model is a single
rename.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from howgreen.core.errors import ModelError
from howgreen.core.files import scratch_folder, write_atomic

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 2**16


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One name of the library."""

    name: str
    sha256: str
    """Of the file when it was added."""
    source: str
    """Path or URL of origin, without any token."""
    added: str
    """Time it was added: ISO 8601, UTC."""

    @property
    def path(self) -> Path:
        """The model's file."""
        return folder() / f"{self.sha256}.onnx"


def folder() -> Path:
    """Return the folder of added models."""
    import platformdirs

    return Path(platformdirs.user_data_dir("howgreen")) / "models"


def is_name(text: str) -> bool:
    """Tell whether a name is allowed for a model: it becomes a file name on any system."""
    return _NAME.fullmatch(text) is not None


def names() -> list[str]:
    """List all names of the library, sorted."""
    return sorted(path.stem for path in folder().glob("*.json") if is_name(path.stem))


def entry(name: str) -> Entry | None:
    """Look up a name; None if the library does not have it.

    Raises
    ------
    ModelError
        The entry is damaged.
    """
    if not is_name(name):
        return None
    path = folder() / f"{name}.json"
    try:
        with path.open("rb") as file:
            values = json.loads(file.read(_MOST_BYTES))
        found = Entry(**values)
        whole = all(isinstance(value, str) for value in values.values()) and _SHA256.fullmatch(found.sha256)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, RecursionError, OSError):
        whole = None
    if not whole:
        raise ModelError(
            f"model {name}: its entry {path} is damaged; `howgreen models remove {name}`, then add it again"
        )
    return found


def put(content: bytes, item: Entry) -> None:
    """Store a model's bytes under an entry; an earlier model of that name is dropped."""
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    before = _sha256_of(item.name)
    if not _holds(item.path, content):
        _write(item.path, content)
    _write(home / f"{item.name}.json", json.dumps(asdict(item), indent=1, ensure_ascii=False).encode())
    if before not in (None, item.sha256):
        _drop_unused(before)


def drop(name: str) -> None:
    """Remove a name, and the file unless another name refers to it."""
    sha256 = _sha256_of(name)
    (folder() / f"{name}.json").unlink()
    _drop_unused(sha256)


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a temporary name in the library for a download, removed at the end.

    Leftovers of killed processes are removed first.
    """
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    with scratch_folder(home, ".part-") as made:
        yield made / "model"


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


def _write(path: Path, content: bytes) -> None:
    write_atomic(path, content)


def _sha256_of(name: str) -> str | None:
    try:
        return item.sha256 if (item := entry(name)) else None
    except ModelError:  # damaged: its file is unknown
        return None


def _drop_unused(sha256: str | None) -> None:
    if sha256 is None or any(_sha256_of(name) == sha256 for name in names()):
        return
    (folder() / f"{sha256}.onnx").unlink(missing_ok=True)
