"""Adding models to the user's library, from a file or from the web, and removing them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from howgreen.core.errors import ModelError
from howgreen.landcover import _library, _onnxfile
from howgreen.landcover._smoke_test import try_model
from howgreen.landcover.model import SHIPPED, Model, load_model, model_from

if TYPE_CHECKING:
    from howgreen.core.types import Progress

CATALOGUE = "`howgreen models list` shows those that are here"


@dataclass(frozen=True, kw_only=True)
class Added:
    """A model just added to the library."""

    model: Model
    notes: tuple[str, ...]
    """Notes for its user."""


def add_model(
    source: str | Path,
    *,
    name: str | None = None,
    sha256: str | None = None,
    replaces: bool = False,
    progress: Progress | None = None,
) -> Added:
    """Check a model, run it on a tile, and store it under a name, which then works like a shipped model's.

    Parameters
    ----------
    source
        An ONNX file, or the URL of one.
    name
        Name to store it under; None for the name on its card.
    sha256
        Required hash of the file's bytes. Mandatory for plain http.
    replaces
        Whether an existing model of that name may be replaced.

    Raises
    ------
    ModelError
        The name is taken or invalid, the checksum differs, or the file breaks the contract.
    NetworkError
        The URL returns no file.
    """
    wanted = _checksum(sha256)
    if name is not None:
        _check_name(name)
    shown, content = _fetched(source, wanted, progress)
    found = hashlib.sha256(content).hexdigest()
    if wanted not in (None, found):
        raise ModelError(
            f"model {shown}: its sha256 is {found}, not {wanted}; it is another file, or was altered on the way"
        )
    model = model_from(content, path=Path(shown.rpartition("/")[2] or shown), source=shown)
    called = model.card.name if name is None else name
    if name is None:
        _check_name(called)
    _check_free(called, found, replaces=replaces)
    notes = try_model(model, source=shown)
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    _library.put(content, _library.Entry(name=called, sha256=found, source=shown, added=moment))
    return Added(model=load_model(called), notes=notes)


def remove_model(name: str) -> None:
    """Remove a model from the library. ModelError if it is not there."""
    if name in SHIPPED:
        raise ModelError(f"model {name}: comes with howgreen and cannot be removed")
    if name not in _library.names():
        raise ModelError(f"model {name!r}: was not added; {CATALOGUE}")
    _library.drop(name)


def _checksum(given: str | None) -> str | None:
    if given is None:
        return None
    text = given.strip().lower().removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ModelError(f"--sha256 {given!r}: not a checksum of 64 hexadecimal digits")
    return text


def _check_name(name: str) -> None:
    if not _library.is_name(name):
        raise ModelError(
            f"model {name!r}: no name for the library; give --name with letters, digits, '.', '_' and '-' (at most 64)"
        )
    if name.casefold() in {shipped.casefold() for shipped in SHIPPED}:
        raise ModelError(f"model {name}: comes with howgreen and keeps its name; give another --name")


def _check_free(name: str, sha256: str, *, replaces: bool) -> None:
    """Names that differ only in case are one file on many systems."""
    for other in _library.names():
        if other.casefold() != name.casefold():
            continue
        if other != name:
            raise ModelError(
                f"model {name}: differs from {other}, which is there, by capitals alone; give another --name"
            )
        known = None if replaces else _library.entry(other)
        if known is not None and known.sha256 != sha256:
            raise ModelError(
                f"model {name}: another one of that name is there, added from {known.source}; give another --name, or --replace"
            )


def _fetched(source: str | Path, sha256: str | None, progress: Progress | None) -> tuple[str, bytes]:
    """Fetch a model's file: its source in displayable form, and its bytes."""
    if "://" in str(source):
        return _downloaded(str(source), sha256, progress)
    path = Path(source)
    try:
        return str(path.absolute()), _onnxfile.read_file(path)
    except ModelError:
        raise
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model {source}: cannot be read ({_onnxfile.why(error)}); give an ONNX file or its URL"
        ) from error


def _downloaded(url: str, sha256: str | None, progress: Progress | None) -> tuple[str, bytes]:
    from howgreen.net.download import download
    from howgreen.net.http import redact_url

    with _library.scratch() as part:
        download(url, to=part, most_bytes=_onnxfile.MOST_BYTES, unprotected=sha256 is not None, progress=progress)
        return redact_url(url), _onnxfile.read_file(part)
