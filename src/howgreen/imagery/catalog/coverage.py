"""Which scenes show a city, and how much of *it* is clear in each: judged by masks, never by a scene's own figure."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen.core.errors import ImageError
from howgreen.core.grid import coarse_grid
from howgreen.core.sensors import SENSORS
from howgreen.core.types import Asset, City, Period, Progress, Scene
from howgreen.imagery.read import quality
from howgreen.imagery.read.coarse import THREADS, read_coarse
from howgreen.imagery.read.resample import missing


def find(city: City, period: Period, *, root: Path, sensor: str) -> list[Scene]:
    """Scenes of a store that show some of the city in the period, clearest inside the city first.

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
    are read (of a reflective band where there is no mask: then all that is covered counts as clear).

    Raises
    ------
    ImageError
        If a file cannot be read; it is named.
    """
    return look([scene for scene in _stored(root, city) if scene.sensor == sensor and scene.time in period], city=city)


def _stored(root: Path, city: City) -> list[Scene]:
    """Scenes of a store whose footprint meets the city."""
    from howgreen.store.read import scenes

    return [scene for scene in scenes(root) if scene.footprint.intersects(city.boundary)]


def look(scenes: Sequence[Scene], *, city: City, progress: Progress | None = None) -> list[Scene]:
    """Keep the scenes that show any of the city, with ``clear_pct`` and ``covered_pct`` filled in, clearest first."""
    seen = coverage(scenes, city=city, progress=progress)
    looked = [
        replace(scene, clear_pct=float(100 * clear.mean()), covered_pct=float(100 * covered.mean()))
        for scene, (covered, clear) in zip(scenes, seen, strict=True)
    ]
    return sorted((scene for scene in looked if scene.covered_pct), key=rank)


def rank(scene: Scene) -> tuple[Any, ...]:
    """Order of scenes: clearest inside the city, then oldest."""
    return -round(scene.clear_pct or 0, 1), scene.time, scene.id


def coverage(
    scenes: Sequence[Scene], *, city: City, progress: Progress | None = None
) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """For each scene, which coarse pixels of the city have data and which are clear, (pixel,) each."""
    frame, inside = coarse_grid(city)
    found = []
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        for number, seen in enumerate(pool.map(lambda scene: _coverage(scene, frame), scenes), 1):
            found.append(seen)
            if progress:
                progress("look", number, len(scenes))
    return [(_unpack(a, inside), _unpack(b, inside)) for a, b in found]


def _unpack(bits: bytes, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    flat = np.unpackbits(np.frombuffer(bits, np.uint8), count=inside.size).astype(bool)
    return flat.reshape(inside.shape)[inside]


def _coverage(scene: Scene, frame: GeoBox) -> tuple[bytes, bytes]:
    """Bits of the coarse frame: has data; is clear."""
    sensor = SENSORS[scene.sensor]
    asset = scene.asset(sensor.mask) or _any_band(scene)
    return _looked(asset, _stamp(asset), sensor.mask, scene.encoding(asset.band).nodata, frame)


def _any_band(scene: Scene) -> Asset:
    names = SENSORS[scene.sensor].band_names
    asset = next((scene.asset(name) for name in ("red", *names) if scene.asset(name)), None)
    if asset is None:
        raise ImageError(
            f"scene {scene.id}: has none of the bands {', '.join(names)}; add the image again with --bands"
        )
    return asset


def _stamp(asset: Asset) -> tuple[int, int]:
    """Return what changes when a local file does."""
    path = Path(asset.href)
    return (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else (0, 0)


@lru_cache(maxsize=256)  # find and choose look at the same scenes; an entry is some kilobytes
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
