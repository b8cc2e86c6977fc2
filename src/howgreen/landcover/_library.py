"""The user's own folder of models that were added: a file a model, named by its checksum, and an entry a name.

The entry is written last and at once, so a name always stands for a whole file, and replacing one is a single rename.
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
    """Path or URL that it came from, without any token."""
    added: str
    """When: ISO 8601, UTC."""

    @property
    def path(self) -> Path:
        """The model's file."""
        return folder() / f"{self.sha256}.onnx"


def folder() -> Path:
    """Where models that were added lie."""
    import platformdirs

    return Path(platformdirs.user_data_dir("howgreen")) / "models"


def is_name(text: str) -> bool:
    """Whether a model can be added under this name: it becomes a file's name on any system."""
    return _NAME.fullmatch(text) is not None


def names() -> list[str]:
    """All names of the library, sorted."""
    return sorted(path.stem for path in folder().glob("*.json") if is_name(path.stem))


def entry(name: str) -> Entry | None:
    """Look a name up; None when the library does not have it.

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
    """Keep a model's bytes under an entry; whatever the name stood for before is dropped."""
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    before = _sha256_of(item.name)
    if not _holds(item.path, content):
        _write(item.path, content)
    _write(home / f"{item.name}.json", json.dumps(asdict(item), indent=1, ensure_ascii=False).encode())
    if before not in (None, item.sha256):
        _drop_unused(before)


def drop(name: str) -> None:
    """Forget a name, and the file when no other name stands for it."""
    sha256 = _sha256_of(name)
    (folder() / f"{name}.json").unlink()
    _drop_unused(sha256)


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a name in the library for a download, which goes at the end; what a killed process left there goes first."""
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
    except ModelError:  # damaged: what it stood for is not known
        return None


def _drop_unused(sha256: str | None) -> None:
    if sha256 is None or any(_sha256_of(name) == sha256 for name in names()):
        return
    (folder() / f"{sha256}.onnx").unlink(missing_ok=True)
