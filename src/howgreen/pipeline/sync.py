"""Mirror what a plan needs: the windows of its scenes, byte for byte, in a store that works offline.

Every band is saved as soon as it arrives; a scene enters the store as a whole. A run interrupted at any moment leaves a
store that verifies, and the next run fetches only what is missing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import NoImageError, StoreError
from howgreen.core.files import folder_lock
from howgreen.core.grid import Window
from howgreen.core.sensors import SENSORS, bands_in_files
from howgreen.core.stac import Header
from howgreen.imagery.composite.cloud_mask import halo_px
from howgreen.imagery.read import windows
from howgreen.imagery.read.opener import Files, is_web
from howgreen.net import http
from howgreen.store import layout, parts, put_place
from howgreen.store.read import as_stored
from howgreen.store.write import Layer, store_scene

if TYPE_CHECKING:
    from howgreen.core.types import Asset, Plan, Progress, Scene
    from howgreen.store.write import Raster

_WINDOWS, _GRIDS = "howgreen:windows", "howgreen:grids"


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """What a sync did."""

    fetched: tuple[str, ...]
    """Ids of the scenes added to the store, or extended."""
    present: tuple[str, ...]
    """Ids of scenes present before."""
    empty: tuple[str, ...]
    """Ids of scenes without any pixel of the city: not saved."""
    place: Path
    """The file of the city and its districts."""


def sync(plan: Plan, *, root: Path, everything: bool = False, progress: Progress | None = None) -> SyncResult:
    """Save the images and the place of a plan in a store.

    Parameters
    ----------
    plan
        Its scenes, on the web or in another store.
    root
        The store; created if it does not exist.
    everything
        Also save scenes that were found but not used.
    progress
        Called with ``("MiB of pixels", done, in all)``.

    Raises
    ------
    NetworkError, ImageError
        A file cannot be read. What was saved stays; the same call resumes from it.
    StoreError
        The store cannot be written, or has a scene of that name from elsewhere.
    """
    root = Path(root).absolute()
    scenes = [*plan.scenes, *plan.radar, *(plan.passed_over if everything else ())]
    if not scenes:
        raise NoImageError(f"{plan.city.label}: the plan has no scenes to keep; choose another period")
    work = _Work(plan=plan, root=root, total=sum(_mib(plan, _assets(plan, scene)) for scene in scenes), tell=progress)
    place = put_place(root, plan.city)
    done: dict[str, list[str]] = {"fetched": [], "present": [], "empty": []}
    with folder_lock(root):  # of two syncs into one store, the second finds what the first fetched
        for scene, files in _opening(work, scenes):
            done[_keep(work, scene, files)].append(scene.id)
        parts.discard(root)
    return SyncResult(place=place, **{what: tuple(ids) for what, ids in done.items()})


@dataclass(kw_only=True)
class _Work:
    plan: Plan
    root: Path
    total: float
    tell: Progress | None
    done: float = field(default=0.0)

    def step(self, assets: Sequence[Asset]) -> None:
        self.done += _mib(self.plan, assets)
        if self.tell is not None:
            self.tell("MiB of pixels", round(self.done), round(self.total))


def _mib(plan: Plan, assets: Sequence[Asset]) -> float:
    """Size of the city's own pixels in memory: known before any file is opened."""
    sensor = SENSORS[plan.sensor]
    resolution_m = {band.name: band.resolution_m for band in sensor.bands}
    area_m2 = math.prod(plan.grid.shape) * abs(plan.grid.affine.determinant)
    return sum(2 * area_m2 / resolution_m.get(asset.band, 20) ** 2 for asset in assets) / 2**20


def _assets(plan: Plan, scene: Scene) -> list[Asset]:
    """List the scene's assets among the bands that the plan needs, and its mask."""
    wanted = {*bands_in_files(plan.bands), SENSORS[scene.sensor].mask}
    return [asset for asset in scene.assets if asset.band in wanted]


def _opening(work: _Work, scenes: Sequence[Scene]) -> Iterator[tuple[Scene, Files]]:
    """Yield the scenes, each with files already being opened; their disk space is freed with the files."""
    ahead: list[Files] = []
    for number, scene in enumerate(scenes):
        for coming in scenes[number + len(ahead) : number + 2]:
            ahead.append(Files())
            if not _is_stored(work, coming):
                ahead[-1].open_ahead(_assets(work.plan, coming))
        yield scene, ahead.pop(0)


def _keep(work: _Work, scene: Scene, files: Files) -> str:
    """Save one scene to the store; return the outcome: a field of :class:`SyncResult`."""
    assets = _assets(work.plan, scene)
    if _is_stored(work, scene):
        work.step(assets)
        return "present"
    margin_px = halo_px(abs(work.plan.grid.affine.a))
    needed = {
        asset.band: windows.needed(asset, grid=work.plan.grid, margin_px=margin_px, files=files) for asset in assets
    }
    if scene.covered_pct == 0 or None in needed.values():
        work.step(assets)
        return "empty"
    known = _known(work.root, scene)
    wanted = _join({band: window for band, window in needed.items() if window}, known.get(_WINDOWS, {}))
    assets = [_marked(scene, asset, files) for asset in scene.assets if asset.band in wanted]
    for asset in assets:
        if not _part(work.root, scene, asset, wanted[asset.band]).is_file():
            windows.request(asset, wanted[asset.band], files=files)
    states = {asset.band: _fetch(work, scene, asset, wanted[asset.band], files) for asset in assets}
    layers = [Layer(band=a.band, read=_reader(_part(work.root, scene, a, wanted[a.band]))) for a in assets]
    grids = sorted({*known.get(_GRIDS, ()), _grid_key(work.plan)})
    store_scene(work.root, _header(scene, assets, wanted, states, grids, work.plan.source), layers)
    parts.discard(work.root, scene.id)
    return "fetched"


def _marked(scene: Scene, asset: Asset, files: Files) -> Asset:
    """Give a band without a nodata value the one that its masked pixels get: a store keeps no such masks."""
    own = scene.encoding(asset.band)
    nodata = windows.nodata_of(asset, own.nodata, files=files) if own.nodata is None else own.nodata
    return asset if nodata == own.nodata else replace(asset, encoding=replace(own, nodata=nodata))


def _is_stored(work: _Work, scene: Scene) -> bool:
    """Tell whether the store holds every file of a scene that the plan needs."""
    known = _known(work.root, scene)
    bands = {asset.band for asset in _assets(work.plan, scene)}
    return _grid_key(work.plan) in known.get(_GRIDS, ()) and bands <= set(known.get(_WINDOWS, {}))


def _known(root: Path, scene: Scene) -> Mapping[str, Any]:
    """Return the properties that an earlier sync saved; empty if there are none, or they are damaged.

    Raises
    ------
    StoreError
        The scene was added from elsewhere: its pixels must not be replaced silently.
    """
    folder = root / SENSORS[scene.sensor].collection / layout.check_scene_id(scene.id)
    properties, whole = as_stored(folder / f"{scene.id}.json")
    if properties and _WINDOWS not in properties:
        raise StoreError(f"{root}: scene {scene.id} was added from files; sync into another store (--store)")
    return properties if whole else {}


def _join(needed: Mapping[str, Window], known: Mapping[str, Sequence[int]]) -> dict[str, Window]:
    """Merge windows so that they hold both: syncing one city must not drop another city's part of a scene."""
    joined = dict(needed)
    for band, (top, bottom, left, right) in known.items():
        stored = Window(top=top, bottom=bottom, left=left, right=right)
        joined[band] = needed[band].union(stored) if band in needed else stored
    return joined


def _part(root: Path, scene: Scene, asset: Asset, window: Window) -> Path:
    return parts.path(root, scene.id, asset.band, json.dumps([asset.href, asset.index, astuple(window)]))


def _fetch(work: _Work, scene: Scene, asset: Asset, window: Window, files: Files) -> str:
    """Save a band unless it exists; return the server's version tag of the file."""
    file = _part(work.root, scene, asset, window)
    kept = parts.get(file)
    if kept is None:
        values, grid = windows.read_window(asset, window, nodata=scene.encoding(asset.band).nodata, files=files)
        state = windows.state(asset, files=files)
        parts.put(file, values, grid, state=state)
    else:
        state = kept[2]
    work.step([asset] if asset in _assets(work.plan, scene) else [])
    return state


def _reader(file: Path) -> Any:
    def read() -> Raster:
        kept = parts.get(file)
        if kept is None:
            raise StoreError(f"{file}: gone, or altered by another program; run the same again")
        return kept[0], kept[1]

    return read


def _grid_key(plan: Plan) -> str:
    what = [str(plan.grid.crs), list(plan.grid.shape), list(plan.grid.affine)[:6]]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def _header(
    scene: Scene,
    assets: Sequence[Asset],
    stored: Mapping[str, Window],
    states: Mapping[str, str],
    grids: Sequence[str],
    source: str,
) -> Header:
    properties = scene.native.get("properties", {})
    origin = {
        "howgreen:source": http.redact_url(source) if is_web(source) else Path(source).name,
        "howgreen:hrefs": {a.band: a.href if is_web(a.href) else Path(a.href).name for a in assets},
        "howgreen:states": {band: state for band, state in states.items() if state},
        "howgreen:radiometry": scene.radiometry,
        _WINDOWS: {band: list(astuple(window)) for band, window in stored.items()},
        _GRIDS: list(grids),
    }
    return Header(
        id=scene.id,
        sensor=SENSORS[scene.sensor],
        time=scene.time,
        scale=scene.scale,
        offset=scene.offset,
        nodata=scene.nodata,
        cloud_cover_pct=scene.cloud_cover_pct,
        baseline=str(properties.get("s2:processing_baseline") or "") or None,
        platform=scene.platform or str(properties.get("platform") or "") or None,
        unit=("1" if scene.power else "dB") if SENSORS[scene.sensor].is_radar else "",
        synthetic=scene.synthetic,
        origin=origin,
        encodings={one.band: one.encoding for one in assets if one.encoding},
        warnings=scene.warnings,
    )
