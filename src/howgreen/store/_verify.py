"""Check that a store is intact: every file present, of the right size, unaltered, linked, and inside."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import StoreError
from howgreen.core.reflectance import stated
from howgreen.core.stac import SHA256_MULTIHASH
from howgreen.store import layout, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from howgreen.core.types import Progress

_AGAIN = "add the image again with --replace"
_RELINK = "run `howgreen store add` once more: it links what is there"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of a store."""

    path: Path
    what: str
    cure: str


def verify(root: Path, *, progress: Progress | None = None) -> list[Fault]:
    """Check every file of a store; an empty list means that it is intact.

    Parameters
    ----------
    root
        The store.
    progress
        Called with ``("verify", items done, items in all)``.

    Raises
    ------
    StoreError
        When ``root`` is not a store.

    """
    root = layout.check_store(Path(root))
    linked, faults = _linked(root)
    files = sorted({path.resolve() for path in layout.item_files(root)} | {path for path in linked if path.is_file()})
    announced = layout.pending(root)
    for done, file in enumerate(files):
        if progress:
            progress("verify", done, len(files))
        if file not in linked and file != announced:
            faults.append(Fault(path=file, what="not linked from its collection", cure=_RELINK))
        faults += _item(root, file)
    faults += _empty_folders(root)
    faults += _places(root)
    if progress:
        progress("verify", len(files), len(files))
    return faults


def _linked(root: Path) -> tuple[set[Path], list[Fault]]:
    """Return the items that the links lead to, and the faults of the links."""
    linked: set[Path] = set()
    faults: list[Fault] = []
    waiting, seen = [root / layout.CATALOG], set[Path]()
    while waiting:
        parent = waiting.pop()
        seen.add(parent)
        try:
            links = read.links_of(layout.read_json(parent))
        except StoreError:
            faults.append(Fault(path=parent, what="missing or not readable as JSON", cure=_mend(root, parent)))
            continue
        for one in links:
            try:
                target = _target(root, parent, one["href"])
            except StoreError:
                faults.append(_leaving(parent, one["href"], cure="remove this link, or get the store again"))
                continue
            if target is None or target in seen:
                continue
            seen.add(target)
            if not target.is_file():
                faults.append(Fault(path=target, what=f"missing, but linked from {parent.name}", cure=_AGAIN))
            elif one["rel"] == "child":
                waiting.append(target)
            else:
                linked.add(target)
    return linked, faults


def _mend(root: Path, parent: Path) -> str:
    if parent == root / layout.CATALOG:
        return "remove it and run `howgreen store add` once more: it makes a new one"
    return f"remove it if it is there; {_RELINK}"


def _target(root: Path, file: Path, href: str) -> Path | None:
    """Return the file of an href; None for a web address."""
    text = read.resolved(root, file, href)
    return None if text == href and "://" in href else Path(text)


def _leaving(file: Path, href: object, *, cure: str) -> Fault:
    return Fault(path=file, what=f"names {href!r}, which is outside of the store", cure=cure)


def _item(root: Path, file: Path) -> list[Fault]:
    """Return the faults of one item and its files."""
    try:
        native = layout.read_json(file)
        read.open_item(file)
        entries = [dict(entry) for entry in dict(native["assets"]).values()]
    except (StoreError, KeyError, TypeError, ValueError):
        return [Fault(path=file, what="not readable as a STAC item", cure=_AGAIN)]
    faults = []
    if not entries:
        faults.append(Fault(path=file, what="has no files", cure=_AGAIN))
    for entry in entries:
        faults += _asset(root, file, entry)
    return faults


def _asset(root: Path, file: Path, entry: Mapping[str, Any]) -> Iterator[Fault]:
    href = entry.get("href")
    try:
        path = _target(root, file, str(href))
    except StoreError:
        yield _leaving(file, href, cure=_AGAIN)
        return
    if path is None:
        return
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise FileNotFoundError
    except OSError:
        yield Fault(path=path, what="missing", cure=_AGAIN)
        return
    stated = entry.get("file:size")
    if isinstance(stated, int) and size != stated:
        how = "truncated" if size < stated else "altered"
        yield Fault(path=path, what=f"{how}: {size} bytes instead of {stated}", cure=_AGAIN)
        return
    altered = list(_altered(path, str(entry.get("file:checksum") or "")))
    yield from altered or _contradicted(path, entry)


def _altered(path: Path, checksum: str) -> Iterator[Fault]:
    if not checksum.startswith(SHA256_MULTIHASH):
        return
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        yield Fault(
            path=path, what=f"cannot be read ({error.strerror or error})", cure="check the disk and permissions"
        )
        return
    if found != checksum[len(SHA256_MULTIHASH) :].lower():
        yield Fault(path=path, what="altered: its checksum differs", cure=_AGAIN)


def _contradicted(path: Path, entry: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a fault if an item's scale or offset differs from its file's."""
    import rasterio

    from howgreen.core import cog

    said = stated(entry)
    if said.scale is None:
        return
    try:
        with rasterio.open(path, driver="GTiff") as dataset:
            other = cog.states_otherwise(dataset, scale=said.scale, offset=said.offset or 0.0)
    except rasterio.errors.RasterioError:  # written by another program, and intact by its checksum
        return
    if other:
        what = f"its item says scale {said.scale:g} and offset {said.offset or 0:g}, the file another: one was edited"
        yield Fault(path=path, what=what, cure=_AGAIN)


def _empty_folders(root: Path) -> list[Fault]:
    """Report scene folders whose item file is gone."""
    found = []
    for band in root.glob("*/*/*.tif"):
        folder = band.parent
        hidden = any(part.startswith(".") for part in folder.relative_to(root).parts)
        if not hidden and (folder.parent / layout.COLLECTION).is_file() and not any(folder.glob("*.json")):
            found.append(folder)
    return [
        Fault(path=one, what="holds images, but its item file is missing", cure=_AGAIN) for one in sorted(set(found))
    ]


def _places(root: Path) -> list[Fault]:
    from howgreen.store.places import city_from_feature

    faults = []
    for path in read.place_paths(root):
        try:
            city_from_feature(layout.read_json(path), path=path)
        except StoreError:
            faults.append(Fault(path=path, what="not readable as a place", cure="add it again with --area"))
    return faults
