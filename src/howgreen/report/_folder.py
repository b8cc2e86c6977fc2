"""A folder that appears whole or not at all."""

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
"""What ends the name of a file, and of no folder that somebody means."""
FORMATS = (FORMAT, LAYERS_FORMAT, OSM_GREEN_FORMAT, PEOPLE_FORMAT, RESTORATION_FORMAT, CHANGE_FORMAT, TREND_FORMAT)
"""What a summary calls itself, in folders that are ours to replace."""


@contextmanager
def new_folder(out: Path, *, needs_bytes: int = 0, check: Callable[[], None] | None = None) -> Iterator[Path]:
    """Give a new folder beside ``out`` that takes its place when all went well, and vanishes when anything did not.

    Parameters
    ----------
    check
        Called then, while no other process may exchange ``out``; what it raises leaves ``out`` as it is.

    Raises
    ------
    OutputError
        ``out`` holds what is not ours, or the disk refuses.
    """
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError
    from rasterio._err import CPLE_BaseError  # what rasterio lets through of GDAL's; it has no public name
    from rasterio.errors import RasterioError

    of_files = (OSError, RasterioError, CPLE_BaseError, DataSourceError, DataLayerError, FeatureError)
    out = Path(os.path.realpath(out))
    try:
        check_out(out, needs_bytes=needs_bytes)
    except OutputError:
        if not out.parent.is_dir():
            raise
        with folder_lock(out.parent):  # another process may have been exchanging it while it was looked at
            check_out(out, needs_bytes=needs_bytes)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with folder_lock(out.parent):
            _restore(out)
        with scratch_folder(out.parent, f".{out.name}-") as scratch:
            scratch.chmod(0o777 & ~_umask())
            yield scratch
            with folder_lock(out.parent):  # two that write the same report take turns
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
    """Give a copy of a finished folder to change; it takes the folder's place when all went well.

    Parameters
    ----------
    anew
        Files that the copy begins without, for they are written again.
    text
        Of these, files that it begins with all the same. All others are the same files, by hard links where there are any: leave
        them as they are.

    Raises
    ------
    OutputError
        As :func:`new_folder`; also where somebody else changed the folder meanwhile.
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
    """Say what lay at the bottom of it, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join((getattr(error, "strerror", None) or str(error)).split())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_out(out: Path, *, needs_bytes: int = 0) -> None:
    """Refuse a disk with less than ``needs_bytes`` free, and what may not be replaced.

    That is anything but an empty folder or one that is wholly ours. OutputError says which.
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
        # Another process exchanged it just now; whoever writes looks again, alone.
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
    """Names of the files of an earlier report; none where its summary cannot be read."""
    try:
        return names_of((out / SUMMARY).read_text(encoding="utf-8"), formats=FORMATS, itself=SUMMARY)
    except (OSError, ValueError):
        return set()


def names_of(text: str, *, formats: Collection[str], itself: str) -> set[str]:
    """List the names of files that a summary lists as its own, its own among them; none when it is no such summary."""
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
    """Give an earlier report its name back that a process left off it when it was killed between two renames."""
    for old in out.parent.glob(f".{glob.escape(out.name)}-*{_OLD}"):
        if not out.exists():
            old.rename(out)
        else:
            shutil.rmtree(old, ignore_errors=True)


def _swap(scratch: Path, out: Path) -> None:
    """Put the new folder in the old one's place; the old one comes back if that fails."""
    if not out.exists():
        scratch.rename(out)
        return
    if exchange(scratch, out):
        return  # the earlier report is scratch now
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
