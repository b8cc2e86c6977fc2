"""File layout of a store, and changes that leave it intact if killed at any moment.

A scene is built in a hidden folder of its own and renamed into place; then the catalogue's links follow. A journal
covers the time between the two, so that a scene not yet linked is distinguished from a lost one. Writers hold a lock
only while changing the store; the system releases it if they die.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from howgreen.core.errors import StoreError
from howgreen.core.files import PREFIX, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOG = "catalog.json"
COLLECTION = "collection.json"
PLACES = "places"
LOCK = ".lock"
JOURNAL = ".pending.json"
TEMPORARY = PREFIX
LARGEST_JSON_BYTES = 64 * 1024 * 1024
"""Limit on catalogue files; a larger one was not written by a catalogue."""

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")
_CURES = {
    errno.ENOSPC: "the disk is full: free some space and try again",
    errno.EDQUOT: "the disk quota is used up: free some space and try again",
    errno.EFBIG: "the file is larger than is allowed here: raise the limit and try again",
    errno.EACCES: "it may not be written: choose another folder or change its permissions",
    errno.EPERM: "it may not be written: choose another folder or change its permissions",
    errno.EROFS: "its disk is read-only: choose another folder",
    errno.ENOTDIR: "a file is in the way: choose another folder",
    errno.ENOENT: "the folder above it is not there or takes no folders: choose another folder",
    errno.EEXIST: "a file is in the way: choose another folder",
}


def check_scene_id(name: str) -> str:
    """Return the id if it is a valid file name on every system, else StoreError."""
    if not _NAME.match(name) or name.lower() == PLACES:
        raise StoreError(f"scene id {name!r}: use letters, digits, '.', '_' and '-' only, at most 200 of them")
    return name


@contextmanager
def disk_errors(path: Path, doing: str) -> Iterator[None]:
    """Turn errors of the operating system into a one-line StoreError."""
    try:
        yield
    except OSError as error:
        cure = _CURES.get(error.errno or 0, "see to it and try again")
        raise StoreError(f"{path}: cannot {doing} ({error.strerror or error}): {cure}") from error


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, without NaN, which other tools cannot read."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file of the store; StoreError if it is none."""
    try:
        if path.stat().st_size > LARGEST_JSON_BYTES:
            raise StoreError(f"{path}: larger than any catalogue file; remove it and add the image again")
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise StoreError(f"{path}: missing; run `howgreen store verify`") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not readable as JSON; run `howgreen store verify`") from error
    if not isinstance(value, dict):
        raise StoreError(f"{path}: not a JSON object; run `howgreen store verify`")
    return value


def is_store(root: Path) -> bool:
    """Tell whether a folder is a STAC catalogue."""
    return (root / CATALOG).is_file()


def check_store(root: Path) -> Path:
    """Return the folder, resolved, if it is a store; else StoreError with how to make one."""
    if not root.exists():
        raise StoreError(f"{root}: no such store; make one with `howgreen store add FILE --store {root} --city NAME`")
    if not root.is_dir():
        raise StoreError(f"{root}: a file, not a store; a store is a folder: give its path")
    if not is_store(root):
        hint = f"make one with `howgreen store add FILE --store {root} --city NAME`"
        raise StoreError(f"{root}: not a store (it has no {CATALOG}); {hint}")
    return root.resolve()


def inside(root: Path, base: Path, href: str) -> Path:
    """Return the file that a relative or local href points to, if it is inside the store; else StoreError.

    Parameters
    ----------
    root
        The store, resolved.
    base
        The folder of the file that holds the href.
    href
        As written in the catalogue.

    """
    refusal = f"{base}: the href {href!r} leaves the store; replace this entry by adding the image again"
    if "\0" in href or "\\" in href or re.match(r"^[A-Za-z][A-Za-z0-9+.-]*:", href) or href.startswith("/vsi"):
        raise StoreError(refusal)
    try:
        target = (base / href).resolve()
    except (OSError, RuntimeError) as error:
        raise StoreError(refusal) from error
    if not target.is_relative_to(root):
        raise StoreError(refusal)
    return target


def item_files(root: Path) -> list[Path]:
    """Return the item files in howgreen's layout, linked or not, sorted."""
    found = []
    for collection in _folders(root):
        if collection.name != PLACES:
            found += [file for item in _folders(collection) if (file := item / f"{item.name}.json").is_file()]
    return sorted(found)


def _folders(folder: Path) -> list[Path]:
    """List visible subfolders; symlinks are not followed, so that a walk cannot leave the store or loop."""
    with os.scandir(folder) as entries:
        return [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]


def pending(root: Path) -> Path | None:
    """Return the item file that a writer announced but may not have linked yet."""
    try:
        announced = read_json(root / JOURNAL).get("item")
        return inside(root.resolve(), root, announced) if isinstance(announced, str) else None
    except StoreError:
        return None


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """A hidden folder in a store in which one scene is built."""

    root: Path
    folder: Path


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the store's lock, creating the folder first; waits for another writer, who holds it only briefly."""
    if root.exists() and not root.is_dir():
        raise StoreError(f"{root}: a file, not a folder; a store is a folder: give another path")
    while True:
        with disk_errors(root, "open the store for writing"):
            root.mkdir(parents=True, exist_ok=True)
            lock = FileLock(root / LOCK)
            try:
                lock.acquire()
            except FileNotFoundError:  # a failed writer has removed the folder while we waited
                continue
        try:
            yield
        finally:
            lock.release()
        return


@contextmanager
def workshop(root: Path) -> Iterator[Workshop]:
    """Provide a hidden folder to build in and remove it afterwards, along with leftovers of killed writers."""
    new = not root.exists()
    with locked(root):
        clean(root)
        with disk_errors(root, "make a folder in the store"):
            folder = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=root))
            lock = FileLock(folder / LOCK)
            lock.acquire()
    try:
        yield Workshop(root=root, folder=folder)
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)
        _remove_if_unused(root, folder_too=new)


def clean(root: Path) -> None:
    """Remove leftovers of killed writers. Call it under the lock."""
    for leftover in root.glob(f"{TEMPORARY}*"):
        if leftover.is_dir() and not _in_use(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    collections = _folders(root)  # skip hidden ones: other writers' own, which may vanish while being read
    for folder in (root, *collections, *(scene for collection in collections for scene in _folders(collection))):
        for leftover in folder.glob(f"{TEMPORARY}*"):
            if leftover.is_file():
                leftover.unlink(missing_ok=True)


def _in_use(folder: Path) -> bool:
    if not (folder / LOCK).is_file():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except OSError:  # a Timeout is one
        return True


def _remove_if_unused(root: Path, *, folder_too: bool) -> None:
    """Remove the lock, and the folder if we created it, if it stayed empty."""
    try:
        if {entry.name for entry in root.iterdir()} <= {LOCK}:
            (root / LOCK).unlink(missing_ok=True)
            if folder_too:
                root.rmdir()
    except OSError:
        return
