"""Read a visitor's vector file in a subprocess that may crash harmlessly; its shapes are checked like drawn ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

import msgspec

from howgreen.core.errors import AreaError, HowgreenError
from howgreen.core.known_types import known
from howgreen.web.serve.places import upload_name

if TYPE_CHECKING:
    from howgreen.web.serve.settings import Settings

SECONDS = 30.0
"""Time limit per file, including the start of the process."""
AT_ONCE = 2
WAIT_SECONDS = 20.0
MOST_AREAS = 100
MOST_ANSWER_BYTES = 40_000_000
MOST_WAITING = 6
"""Most requests waiting for their turn: each holds one of the threads that serve everybody."""
_one_of_few = BoundedSemaphore(AT_ONCE)
_in_line = BoundedSemaphore(AT_ONCE + MOST_WAITING)


_BUSY = "other files are being read; try again in a minute"


class BusyError(HowgreenError):
    """Others are being served; the same request may succeed shortly."""


class FoundArea(msgspec.Struct, frozen=True, kw_only=True):
    """One area of an uploaded file."""

    label: str
    number: int
    vertices: int
    area_km2: float
    problems: list[str]
    geometry: dict[str, Any] | None


class FoundAreas(msgspec.Struct, frozen=True, kw_only=True):
    """What an uploaded file holds, or why it cannot be read."""

    features: list[FoundArea] = []
    left_out: int = 0
    error: str = ""


def read_upload(body: bytes, filename: str, settings: Settings) -> FoundAreas:
    """Read the areas of a visitor's file.

    Raises
    ------
    AreaError
        It holds no readable areas, or takes too much time or memory.
    BusyError
        Other files are being read.
    """
    if not body:
        raise AreaError("the file is empty; send a boundary file")
    if not _in_line.acquire(blocking=False):
        raise BusyError(_BUSY)
    try:
        return _in_turn(body, filename, settings)
    finally:
        _in_line.release()


def _in_turn(body: bytes, filename: str, settings: Settings) -> FoundAreas:
    if not _one_of_few.acquire(timeout=WAIT_SECONDS):
        raise BusyError(_BUSY)
    try:
        settings.scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="upload-", dir=settings.scratch))
        try:
            return _read(body, folder / upload_name(filename), settings)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        _one_of_few.release()


def _read(body: bytes, path: Path, settings: Settings) -> FoundAreas:
    path.write_bytes(body)
    answer = path.with_name(".answer")
    numbers = [str(settings.most_vertices), str(MOST_AREAS)]
    # -P: modules are never imported from the folder of an untrusted file.
    command = [sys.executable, "-P", "-m", "howgreen.web.serve.read_upload", str(path), *numbers]
    # Only what our process needs to find itself, and no secrets from the server's environment.
    kept = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ} | {
        "TMPDIR": str(path.parent), "HOME": str(path.parent), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"
    }  # fmt: skip
    with answer.open("wb") as out:
        child = subprocess.Popen(  # noqa: S603 (our own module)
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, env=environment,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = child.wait(SECONDS)
        except subprocess.TimeoutExpired as error:
            raise AreaError(f"{path.name}: takes more than {SECONDS:.0f} s to read; simplify it") from error
        finally:
            with suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if code < 0:
        raise AreaError(f"{path.name}: takes too much time or memory to read; simplify it")
    try:
        found = msgspec.json.decode(answer.read_bytes()[: MOST_ANSWER_BYTES + 1], type=known(FoundAreas))
    except msgspec.DecodeError as error:
        raise AreaError(f"{path.name}: cannot be read as a boundary; save it as GeoJSON or GeoPackage") from error
    if found.error:
        raise AreaError(found.error)
    return found
