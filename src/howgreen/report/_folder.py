"""Atomic folders: whole or not at all."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from howgreen.core.errors import OutputError
from howgreen.core.files import disown, exchange, folder_lock, scratch_folder
from howgreen.report.figures import FORMAT

SUMMARY = "summary.json"
LAYERS_FORMAT = "howgreen-layers/1"
OSM_GREEN_FORMAT = "howgreen-osm-green/1"
PEOPLE_FORMAT = "howgreen-people/1"
RESTORATION_FORMAT = "howgreen-nrr/1"
CHANGE_FORMAT = "howgreen-change/1"
TREND_FORMAT = "howgreen-trend/1"
_OLD = "-old"
_OF_FILES = frozenset(
    {".csv", ".geojson", ".gpkg", ".htm", ".html", ".json", ".pdf", ".png", ".tif", ".tiff", ".xlsx", ".zip"}
)
"""File extensions, which no intended folder name has."""
FORMATS = (FORMAT, LAYERS_FORMAT, OSM_GREEN_FORMAT, PEOPLE_FORMAT, RESTORATION_FORMAT, CHANGE_FORMAT, TREND_FORMAT)
"""Format names in summaries of folders that are ours to replace."""


@contextmanager
def new_folder(out: Path, *, needs_bytes: int = 0, check: Callable[[], None] | None = None) -> Iterator[Path]:
    """Yield a new folder beside ``out`` that replaces it on success, and is deleted on any failure.

    Parameters
    ----------
    check
        Called before the replacement, while no other process may exchange ``out``; if it raises, ``out`` stays as it
        is.

    Raises
    ------
    OutputError
        ``out`` holds foreign files, or the disk refuses.
    """
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
    from rasterio._err import CPLE_BaseError  # raised by rasterio for GDAL's errors; it has no public name
    from rasterio.errors import RasterioError

    of_files = (OSError, RasterioError, CPLE_BaseError, DataSourceError, DataLayerError, FeatureError)
    out = Path(os.path.realpath(out))
    try:
        check_out(out, needs_bytes=needs_bytes)
    except OutputError:
        if not out.parent.is_dir():
            raise
        with folder_lock(out.parent):  # another process may have been exchanging it during the check
            check_out(out, needs_bytes=needs_bytes)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with folder_lock(out.parent):
            _restore(out)
        with scratch_folder(out.parent, f".{out.name}-") as scratch:
            scratch.chmod(0o777 & ~_umask())
            yield scratch
            with folder_lock(out.parent):  # two writers of the same report take turns
                check_out(out)
                if check is not None:
                    check()
                disown(scratch)
                _swap(scratch, out)
    except of_files as error:
        full = isinstance(error, OSError) and error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS)
        cure = "free some space or name another folder" if full else "name a folder that you may write to"
        raise OutputError(f"{out}: cannot be written ({_reason(error)}); {cure}") from error


@contextmanager
def copied_folder(out: Path, *, anew: Collection[str], text: Collection[str]) -> Iterator[Path]:
    """Yield a copy of a finished folder to change; on success it replaces the folder.

    Parameters
    ----------
    anew
        Files missing from the copy, since they are rewritten.
    text
        Of these, files that are copied nevertheless. All others are shared by hard links, if available: do not modify
        them.

    Raises
    ------
    OutputError
        As :func:`new_folder`; or somebody else changed the folder meanwhile.
    """
    before = (out / SUMMARY).read_bytes()

    def unchanged() -> None:
        if (out / SUMMARY).read_bytes() != before:
            raise OutputError(f"{out}: was changed while this was written; run the same command again")

    with new_folder(out, check=unchanged) as scratch:
        for path in out.iterdir():
            if path.name in text:
                shutil.copyfile(path, scratch / path.name)
            elif path.name not in anew:
                link(path, scratch / path.name)
        yield scratch


def link(path: Path, to: Path) -> None:
    """Give a file a second name, or copy it on a disk without hard links."""
    try:
        to.hardlink_to(path)
    except OSError:
        shutil.copy2(path, to)


def _reason(error: BaseException) -> str:
    """State the root cause in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join((getattr(error, "strerror", None) or str(error)).split())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_out(out: Path, *, needs_bytes: int = 0) -> None:
    """Refuse a disk with less than ``needs_bytes`` free, and a destination that must not be replaced.

    Only an empty folder or one that is wholly ours may be replaced. OutputError states the reason.
    """
    _check_space(out, needs_bytes)
    if not out.exists():
        if out.suffix.lower() in _OF_FILES:
            raise OutputError(
                f"{out}: is a file's name, and a report is a folder of files; name a folder, such as {out.stem}"
            )
        return
    if not out.is_dir():
        raise OutputError(f"{out}: is a file; name a folder")
    try:
        _check_what_is_there(out)
    except FileNotFoundError:
        # Another process has just exchanged it; the writer checks again, alone.
        return


def _check_what_is_there(out: Path) -> None:
    if out.is_mount() or out.resolve() == Path.cwd():
        raise OutputError(f"{out}: is where you stand or a disk's root, which cannot be replaced; name a folder in it")
    strangers = {path.name for path in out.iterdir()} - _ours(out)
    if strangers:
        example = min(strangers)
        raise OutputError(
            f"{out}: holds {example!r}, which is not part of a report; name another folder or move it away"
        )


def _check_space(out: Path, needs_bytes: int) -> None:
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < needs_bytes:
        raise OutputError(
            f"{out}: needs about {needs_bytes / 2**20:.0f} MiB while it is written, and the disk has "
            f"{free / 2**20:.0f} MiB of free space; free some or name another folder"
        )


def _ours(out: Path) -> set[str]:
    """List the file names of an earlier report; empty if its summary is unreadable."""
    try:
        return names_of((out / SUMMARY).read_text(encoding="utf-8"), formats=FORMATS, itself=SUMMARY)
    except (OSError, ValueError):
        return set()


def names_of(text: str, *, formats: Collection[str], itself: str) -> set[str]:
    """List the file names that a summary lists as its own, including itself; empty if it is not such a summary."""
    try:
        earlier = json.loads(text)
    except (ValueError, RecursionError):
        return set()
    if not isinstance(earlier, dict) or earlier.get("format") not in formats:
        return set()
    names = {str(name) for name in earlier.get("files", ())}
    beside = {f"{name.removesuffix('.tif')}.qml" for name in names if name.endswith(".tif")}
    return names | beside | {f"{name}.aux.xml" for name in names} | {itself}


def _restore(out: Path) -> None:
    """Restore an earlier report whose name was lost when a process was killed between two renames."""
    for old in out.parent.glob(f".{glob.escape(out.name)}-*{_OLD}"):
        if not out.exists():
            old.rename(out)
        else:
            shutil.rmtree(old, ignore_errors=True)


def _swap(scratch: Path, out: Path) -> None:
    """Replace the old folder by the new one; the old one is restored on failure."""
    if not out.exists():
        scratch.rename(out)
        return
    if exchange(scratch, out):
        return  # the scratch name now holds the earlier report
    old = out.with_name(f"{scratch.name}{_OLD}")
    try:
        out.rename(old)
        try:
            scratch.rename(out)
        except BaseException:
            old.rename(out)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
