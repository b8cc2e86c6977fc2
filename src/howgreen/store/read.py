"""Read the contents of a store."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import StoreError
from howgreen.store import layout
from howgreen.store.places import city_from_feature, goes_by

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pystac

    from howgreen.core.types import City, Scene

_LOG = logging.getLogger(__name__)
_REMOTE = re.compile(r"^https?://", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One scene, as a table row."""

    id: str
    sensor: str
    time: datetime
    """UTC."""
    bands: tuple[str, ...]
    size_bytes: int | None
    """Size of all its files; None if the catalogue does not say."""
    synthetic: bool
    places: tuple[str, ...]
    """Names of the store's places that it touches."""


def open_item(file: Path) -> pystac.Item:
    """Open one item with pystac, its own href absolute; StoreError if it is broken."""
    return _as_pystac(layout.read_json(file), file)


def _as_pystac(native: dict[str, Any], file: Path) -> pystac.Item:
    import pystac
    from pystac.errors import STACError, STACTypeError

    try:
        return pystac.Item.from_dict(native, href=str(file))
    except (STACError, STACTypeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{file}: not a STAC item ({error!r}); run `howgreen store verify`") from error


def items(root: Path) -> list[pystac.Item]:
    """List all STAC items of a store, sorted by path, linked or not.

    Raises
    ------
    StoreError
        When ``root`` is no store, or an item is broken or names files outside the store.

    """
    root = layout.check_store(Path(root))
    found = []
    for file in item_paths(root):
        _checked(root, file)
        found.append(open_item(file))
    return found


def _checked(root: Path, file: Path) -> dict[str, Any]:
    """Return an item after checking its structure, its asset hrefs absolute and inside the store; else StoreError."""
    native = layout.read_json(file)
    kinds = {"id": str, "properties": dict, "assets": dict}
    wrong = [key for key, kind in kinds.items() if not isinstance(native.get(key), kind)]
    wrong += [key for key, one in (native["assets"].items() if not wrong else ()) if not _has_href(one)]
    if wrong or native.get("type") != "Feature":
        raise StoreError(f"{file}: not a STAC item ({', '.join(wrong) or 'type'}); run `howgreen store verify`")
    assets = {key: {**one, "href": resolved(root, file, one["href"])} for key, one in native["assets"].items()}
    return {**native, "assets": assets, "links": []}


def _has_href(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("href"), str)


def scenes(root: Path) -> list[Scene]:
    """List all scenes of a store by time, their hrefs absolute; items of unknown sensors are skipped.

    ``Scene.native`` is the item with absolute asset hrefs and without links.

    Raises
    ------
    StoreError
        When ``root`` is no store, or an item is broken or names files outside the store.

    """
    root = layout.check_store(Path(root))
    found = [scene for file in item_paths(root) if (scene := scene_at(root, file)) is not None]
    return sorted(found, key=lambda scene: (scene.time, scene.id))


def scene_at(root: Path, file: Path) -> Scene | None:
    """Return the scene of one item file; None if its sensor is unknown. ``root`` is resolved."""
    from howgreen.core import stac

    native = _checked(root, file)
    try:
        scene = stac.scene(native, resolve=str)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StoreError(f"{file}: not a STAC item ({error!r}); run `howgreen store verify`") from error
    if scene is None:
        _LOG.info("%s: no scene of a known sensor, left out", file)
    return scene


def as_stored(file: Path) -> tuple[dict[str, Any], bool]:
    """Return an item file's properties, and whether all its files match them; empty and False if it is unreadable."""
    if not file.is_file():
        return {}, False
    try:
        native = layout.read_json(file)
        properties = dict(native["properties"])
        sizes = {file.parent / one["href"]: one["file:size"] for one in native["assets"].values()}
        return properties, all(path.stat().st_size == size for path, size in sizes.items())
    except (StoreError, OSError, KeyError, TypeError, AttributeError, ValueError):
        return {}, False


def resolved(root: Path, file: Path, href: str) -> str:
    """Return an asset's absolute href: a file in the store, or an unchanged web address; else StoreError."""
    return href if _REMOTE.match(href) else str(layout.inside(root, file.parent, href))


def item_paths(root: Path) -> list[Path]:
    """List the files of all items: those in howgreen's layout, and those that the catalogue links."""
    found = {path.resolve() for path in layout.item_files(root)}
    return sorted(found | set(linked_items(root)))


def linked_items(root: Path) -> list[Path]:
    """List the files of the items that links lead to, from the catalogue down; links to the web are not followed."""
    return [path for rel, path in walk(root) if rel == "item"]


def walk(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield every linked catalogue (``child``) and item as (relation, file), each once."""
    root = root.resolve()
    waiting, seen = [root / layout.CATALOG], set[Path]()
    while waiting:
        parent = waiting.pop()
        for one in links_of(layout.read_json(parent)):
            if _REMOTE.match(one["href"]):
                continue
            target = layout.inside(root, parent.parent, one["href"])
            if target not in seen and target != root / layout.CATALOG:
                seen.add(target)
                yield one["rel"], target
                if one["rel"] == "child" and target.is_file():
                    waiting.append(target)


def links_of(parent: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a catalogue's links to children and items, if they have an href."""
    links = parent.get("links")
    return [
        one
        for one in (links if isinstance(links, list) else [])
        if isinstance(one, dict) and one.get("rel") in {"child", "item"} and isinstance(one.get("href"), str)
    ]


def places(root: Path) -> list[City]:
    """List all places of a store, by file name; StoreError if one cannot be read."""
    root = layout.check_store(Path(root))
    return [city_from_feature(layout.read_json(path), path=path) for path in place_paths(root)]


def place_paths(root: Path) -> list[Path]:
    """List the files of the places."""
    return sorted(path for path in (root / layout.PLACES).glob("*.geojson") if not path.name.startswith("."))


def place(root: Path, name: str) -> City | None:
    """Return the place of that name, ignoring case and accents; None if there is none.

    ``name`` may also be its label, one half of a label like ``Bolzano/Bozen``, or its id.
    """
    return next((city for city in places(root) if goes_by(city, name)), None)


def listing(root: Path) -> list[Row]:
    """List one row per scene, by time, for ``howgreen store list``."""
    known = places(root)
    return [_row(scene, known) for scene in scenes(root)]


def _row(scene: Scene, known: list[City]) -> Row:
    sizes = [asset.size_bytes for asset in scene.assets]
    return Row(
        id=scene.id,
        sensor=scene.sensor,
        time=scene.time,
        bands=scene.bands,
        size_bytes=None if None in sizes else sum(size or 0 for size in sizes),
        synthetic=scene.synthetic,
        places=tuple(city.name for city in known if city.boundary.intersects(scene.footprint)),
    )
