"""The scenes that show a city, and the clear share of *it* in each: measured on masks, not taken from metadata."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen import clouds
from howgreen.core.errors import HowgreenError, ImageError, NetworkError
from howgreen.core.grid import coarse_grid
from howgreen.core.sensors import SENSORS
from howgreen.core.types import Asset, City, Period, Progress, Scene
from howgreen.core.warnings import Caution
from howgreen.imagery.read import quality, sky
from howgreen.imagery.read._coarse import read_coarse, together
from howgreen.imagery.read._resample import missing
from howgreen.imagery.read.opener import Files

VEILED = Caution(
    "thin-veil",
    "all that is clear in it may lie under an even veil, which adds light to the ground: the ratio may be far off",
)
"""For an image without a mask in which no pixel is veil-free: see :func:`howgreen.clouds.evenly_veiled`."""
MOST_LOST = 3
"""After this many unreadable scenes without a readable one, the catalogue is at fault."""


def find(city: City, period: Period, *, root: Path, sensor: str) -> list[Scene]:
    """List a store's scenes that show some of the city in the period, clearest inside the city first.

    Parameters
    ----------
    city, period
        Where and when.
    root
        Folder of the store.
    sensor
        Key of :data:`howgreen.core.sensors.SENSORS`.

    Returns
    -------
    Scenes with ``clear_pct`` and ``covered_pct`` of the city; empty if there are none. Only overviews of the mask
    are read; without a mask, those of the bands that reveal clouds (with too few of them, everything covered counts as clear).

    Raises
    ------
    ImageError
        A file cannot be read; it is named.
    """
    return look([scene for scene in _stored(root, city) if scene.sensor == sensor and scene.time in period], city=city)


def _stored(root: Path, city: City) -> list[Scene]:
    """List a store's scenes whose footprint intersects the city."""
    from howgreen.store.read import scenes

    return [scene for scene in scenes(root) if scene.footprint.intersects(city.boundary)]


def look(scenes: Sequence[Scene], *, city: City, progress: Progress | None = None) -> list[Scene]:
    """Keep the scenes that show any of the city, with ``clear_pct`` and ``covered_pct`` filled in, clearest first."""
    seen = _seen_each(scenes, city=city, progress=progress)
    looked = [
        _looked_at(scene, covered, clear, veiled=veiled)
        for scene, (covered, clear, veiled) in zip(scenes, seen, strict=True)
    ]
    return sorted((scene for scene in looked if scene.covered_pct), key=rank)


def _looked_at(scene: Scene, covered: NDArray[np.bool_], clear: NDArray[np.bool_], *, veiled: bool) -> Scene:
    """Fill in the coverage of the city, and the doubt that it lies under an even veil."""
    others = tuple(one for one in scene.warnings if one != VEILED)
    return replace(
        scene,
        clear_pct=float(100 * clear.mean()),
        covered_pct=float(100 * covered.mean()),
        warnings=(*others, VEILED) if veiled else others,
    )


def look_each(
    scenes: Sequence[Scene], *, city: City, progress: Progress | None = None
) -> tuple[list[Scene], dict[str, HowgreenError]]:
    """Measure the coverage of scenes as :func:`look`; unreadable ones are left out and returned by id with the reason.

    Raises
    ------
    NetworkError, ImageError
        None of the first few can be read: the catalogue is at fault.
    """
    frame, inside = coarse_grid(city)
    lost: dict[str, HowgreenError] = {}
    seen: list[Scene] = []
    with together(scenes) as pool:
        futures = [pool.submit(_coverage, scene, frame) for scene in scenes]
        for number, (scene, future) in enumerate(zip(scenes, futures, strict=True), 1):
            try:
                covered, clear, veiled = future.result()
                seen.append(_looked_at(scene, _unpack(covered, inside), _unpack(clear, inside), veiled=veiled))
            except (NetworkError, ImageError) as error:
                lost[scene.id] = error
                if not seen and (len(lost) == len(scenes) or len(lost) >= MOST_LOST):
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
            if progress:
                progress("look", number, len(scenes))
    return sorted((scene for scene in seen if scene.covered_pct), key=rank), lost


def missing_files(scenes: Sequence[Scene], bands: Sequence[str]) -> dict[str, HowgreenError]:
    """Request the first bytes of each remote file that scenes need; return the scenes that lack one, by id, and why."""
    files = Files()
    wanted = {
        scene.id: files.check(a for a in scene.assets if a.band in {*bands, SENSORS[scene.sensor].mask})
        for scene in scenes
    }
    lost: dict[str, HowgreenError] = {}
    for name, futures in wanted.items():
        for future in futures:
            try:
                future.result()
            except (NetworkError, ImageError) as error:
                lost.setdefault(name, error)
                break
    return lost


def rank(scene: Scene) -> tuple[Any, ...]:
    """Sort key of scenes: clearest inside the city, then oldest."""
    return -round(scene.clear_pct or 0, 1), scene.time, scene.id


def coverage(scenes: Sequence[Scene], *, city: City) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Find, for each scene, the city's coarse pixels that have data and those that are clear, (pixel,) each."""
    return [(covered, clear) for covered, clear, _ in _seen_each(scenes, city=city)]


def _seen_each(
    scenes: Sequence[Scene], *, city: City, progress: Progress | None = None
) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_], bool]]:
    """As :func:`coverage`, and whether the clear part may lie under an even veil."""
    frame, inside = coarse_grid(city)
    found = []
    with together(scenes) as pool:
        for number, seen in enumerate(pool.map(lambda scene: _coverage(scene, frame), scenes), 1):
            found.append(seen)
            if progress:
                progress("look", number, len(scenes))
    return [(_unpack(covered, inside), _unpack(clear, inside), veiled) for covered, clear, veiled in found]


def bits(scene: Scene, frame: GeoBox, inside: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the city's coarse pixels with data in a scene, and the clear ones, (pixel,) each."""
    covered, clear, _ = _coverage(scene, frame)
    return _unpack(covered, inside), _unpack(clear, inside)


def _unpack(bits: bytes, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=inside.size).astype(bool)
    return flat.reshape(inside.shape)[inside]


def _coverage(scene: Scene, frame: GeoBox) -> tuple[bytes, bytes, bool]:
    """Bit masks of the coarse frame: has data; is clear. And whether the clear part may lie under an even veil."""
    sensor = SENSORS[scene.sensor]
    if not sky.has_mask(scene) and (detector := sky.detector_of([scene])):
        bare = replace(scene, native={}, warnings=(), clear_pct=None, covered_pct=None)
        return _by_pixels(bare, tuple(_stamp(asset) for asset in scene.assets), detector, frame)
    asset = scene.asset(sensor.mask) or _any_band(scene)
    return *_looked(asset, _stamp(asset), sensor.mask, scene.encoding(asset.band).nodata, frame), False


def _any_band(scene: Scene) -> Asset:
    names = SENSORS[scene.sensor].band_names
    asset = next((scene.asset(name) for name in ("red", *names) if scene.asset(name)), None)
    if asset is None:
        raise ImageError(
            f"scene {scene.id}: has none of the bands {', '.join(names)}; add the image again with --bands"
        )
    return asset


def _stamp(asset: Asset) -> tuple[int, int]:
    """Return a value that changes whenever a local file does."""
    path = Path(asset.href)
    return (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else (0, 0)


@lru_cache(maxsize=256)
def _by_pixels(
    scene: Scene, _stamps: tuple[tuple[int, int], ...], detector: str, frame: GeoBox
) -> tuple[bytes, bytes, bool]:
    """As :func:`_coverage`, for an image without a mask: from its own pixels."""
    k = max(1, math.ceil(clouds.CELL_M / abs(frame.affine.a)))
    cells = frame.zoom_out(k)
    data, found, veiled = sky.clear_alone(scene, cells, detector=detector, cell_m=abs(cells.affine.a))
    rows, columns = (np.minimum(np.arange(n) // k, most - 1) for n, most in zip(frame.shape, found.shape, strict=True))
    covered = data[np.ix_(rows, columns)]
    clear = covered & found[np.ix_(rows, columns)]
    return np.packbits(covered).tobytes(), np.packbits(clear).tobytes(), veiled


@lru_cache(maxsize=256)  # find and choose measure the same scenes; an entry is a few kilobytes
def _looked(
    asset: Asset, _stamp: tuple[int, int], mask_name: str, nodata: float | None, frame: GeoBox
) -> tuple[bytes, bytes]:
    if asset.band == mask_name:
        codes = read_coarse(asset, frame, nodata=quality.outside_code(mask_name))
        flags = quality.TABLES[mask_name][np.clip(codes, 0, 65535).astype(np.uint16)]
        covered, clear = flags & quality.NO_DATA == 0, flags == 0
    else:
        values = read_coarse(asset, frame, nodata=nodata, float32=nodata is None)
        covered = clear = ~missing(values, nodata)
    return np.packbits(covered).tobytes(), np.packbits(clear).tobytes()
