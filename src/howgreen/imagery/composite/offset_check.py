"""Do a scene's numbers mean what its metadata says? Offsets checked against pixels, decisions kept for the record.

Sentinel-2 products differ by an offset of 1000 DN (0.1 reflectance) since processing baseline 04.00, and
providers have removed it or not, and said so or not. A wrong offset changes every answer and shows in none, so the
reflectance itself is asked, on coarse pixels that the mask calls clear:

* **Negative ground.** Some dark pixels come out slightly below zero after atmospheric correction; a tenth of all
  does not. It means that an offset was subtracted twice (a share of 30 % is an error, 10 % a warning).
* **No dark pixel.** Vegetation, water and shade reflect less than 0.05 of the visible light; where even the darkest
  hundredth reflects 0.09 or more in every visible band, an offset was not subtracted. Bright deserts have no
  dark pixel either, so this alone is a warning; it is an error where other dates of the same sensor and the same
  ground show the darkest hundredth 0.06 lower. A neighbouring tile, or the other half of a strip, is other ground.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import CRSError

from howgreen.core.acquisitions import by_time
from howgreen.core.errors import ImageError
from howgreen.core.sensors import DB_SCALE, SENSORS
from howgreen.core.types import Asset, Scene
from howgreen.imagery.composite import cloud_mask, median, radar
from howgreen.imagery.read import quality
from howgreen.imagery.read.coarse import THREADS, read_coarse
from howgreen.imagery.read.opener import opened
from howgreen.imagery.read.resample import missing

COARSE_PX = 256
"""Side of the coarse read."""
FEWEST_PX = 200
"""Clear pixels needed for a verdict."""
VISIBLE = ("blue", "green", "red")
NEGATIVE_WARN, NEGATIVE_ERROR = 0.10, 0.30
DARK_PERCENTILE = 1.0
DARK_WARN = 0.09
DARK_APART = 0.06
SAME_GROUND = 0.5
"""Scenes are of the same ground when they share this much of their joint outline."""


def decisions(scenes: Sequence[Scene]) -> dict[str, Any]:
    """How each scene's numbers were understood, as JSON values: scale, offset, mask, and what its pixels say of it.

    Raises
    ------
    ImageError
        If the pixels of a scene contradict its offset beyond doubt, or a file cannot be read.
    """
    sar = [scene for scene in scenes if SENSORS[scene.sensor].is_radar]
    ordered = sorted((scene for scene in scenes if not SENSORS[scene.sensor].is_radar), key=by_time)
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        measured = list(pool.map(_darkness, ordered))
    verdicts = [_verdict(i, ordered, measured) for i in range(len(ordered))]
    for scene, (verdict, why) in zip(ordered, verdicts, strict=True):
        if verdict == "contradicted":
            raise ImageError(
                f"scene {scene.id}: offset {scene.offset:g} contradicts its pixels ({why}); "
                "add it again with the right --offset (Sentinel-2: -0.1 from baseline 04.00 on, unless already removed)"
            )
    radar_record = {"radar": {"encoding": f"steps of {DB_SCALE:g} dB, median over passes", "scenes": radar.record(sar)}}
    return (radar_record if sar else {}) | {
        "encoding": f"int16 steps of {median.STEP:g} reflectance, median over clear dates",
        "mask": _mask_words(ordered),
        "scenes": [
            _record(scene, dark, verdict, why)
            for scene, dark, (verdict, why) in zip(ordered, measured, verdicts, strict=True)
        ],
    }


def _record(scene: Scene, dark: Mapping[str, float] | None, verdict: str, why: str) -> dict[str, Any]:
    properties = scene.native.get("properties", {})
    name = SENSORS[scene.sensor].mask
    return {
        "id": scene.id,
        "time": scene.time.isoformat(),
        "scale": scene.scale,
        "offset": scene.offset,
        "offset_why": scene.radiometry or None,
        "nodata": scene.nodata,
        "baseline": properties.get("s2:processing_baseline") or properties.get("processing:version"),
        "mask": name if scene.asset(name) else None,
        "offset_check": verdict,
        "offset_check_why": why,
        "measured": dict(dark) if dark else None,
    }


def _mask_words(scenes: Sequence[Scene]) -> str:
    bare = [scene.id for scene in scenes if scene.asset(SENSORS[scene.sensor].mask) is None]
    words = (
        f"quality band; flags on two thirds of at least {cloud_mask.FEWEST_VOTES} dates whose reflectance agrees are false "
        f"alarms and ignored; Sentinel-2 clouds of {cloud_mask.SMALLEST_CLOUD_M} m and more grown by {cloud_mask.BUFFER_M} m"
    )
    if bare:
        words += f"; no cloud mask in {', '.join(bare)}: all their pixels count as clear"
    return words


def _frame(asset: Asset) -> GeoBox:
    """Lay a grid over the file's own area: at most COARSE_PX squared pixels."""
    with opened(asset) as image:
        dataset = image.dataset
        try:
            whole = GeoBox(dataset.shape, dataset.transform, dataset.crs.to_wkt())
        except (CRSError, ValueError) as error:
            raise ImageError(
                f"{asset.href}: coordinate system is not understood; assign one and add it again"
            ) from error
        return whole.zoom_to((min(COARSE_PX, whole.shape[0]), min(COARSE_PX, whole.shape[1])))


def _darkness(scene: Scene) -> dict[str, float] | None:
    """Share of clear pixels below zero in some visible band, and the darkest visible hundredth; None if unknown."""
    assets = [asset for name in VISIBLE if (asset := scene.asset(name))]
    if not assets:
        return None
    frame = _frame(assets[0])
    good = _clear(scene, frame)
    bands: list[NDArray[np.float64]] = []
    for asset in assets:
        own = scene.encoding(asset.band)
        values = read_coarse(asset, frame, nodata=own.nodata, float32=own.nodata is None)
        good &= ~missing(values, own.nodata)
        bands.append(values * own.scale + own.offset)
    if good.sum() < FEWEST_PX:
        return None
    pixels = np.stack([band[good] for band in bands])
    return {
        "clear_pixels": int(good.sum()),
        "negative_share": round(float((pixels < -0.005).any(axis=0).mean()), 4),
        "darkest": round(float(np.percentile(pixels, DARK_PERCENTILE, axis=1).min()), 4),
    }


def _clear(scene: Scene, frame: GeoBox) -> NDArray[np.bool_]:
    name = SENSORS[scene.sensor].mask
    asset = scene.asset(name)
    if asset is None:
        return np.ones(frame.shape, bool)
    codes = read_coarse(asset, frame, nodata=quality.outside_code(name))
    clear: NDArray[np.bool_] = quality.TABLES[name][np.clip(codes, 0, 65535).astype(np.uint16)] == 0
    return clear


def _verdict(i: int, scenes: Sequence[Scene], measured: Sequence[Mapping[str, float] | None]) -> tuple[str, str]:
    """``consistent``, ``doubtful``, ``contradicted`` or ``unknown``, and why."""
    dark = measured[i]
    if dark is None:
        return "unknown", "too few clear pixels in the visible bands"
    negative, darkest = dark["negative_share"], dark["darkest"]
    if negative > NEGATIVE_WARN:
        why = f"{100 * negative:.0f} % of the clear pixels have negative reflectance: the offset seems subtracted twice"
        return ("contradicted" if negative > NEGATIVE_ERROR else "doubtful"), why
    if darkest >= DARK_WARN:
        others = [
            other["darkest"]
            for j, other in enumerate(measured)
            if other and j != i and _comparable(scenes[j], scenes[i]) and other["negative_share"] <= NEGATIVE_WARN
        ]
        why = f"the darkest hundredth reflects {darkest:.2f} in every visible band: an offset seems not subtracted"
        if others and darkest - float(np.median(others)) > DARK_APART:
            return "contradicted", f"{why}; on the other dates it reflects {float(np.median(others)):.2f}"
        return "doubtful", why
    return "consistent", f"darkest hundredth {darkest:.3f}, {100 * negative:.1f} % negative"


def _comparable(one: Scene, other: Scene) -> bool:
    """Whether both scenes' darkest pixels lie in one landscape, seen by one sensor."""
    if one.sensor != other.sensor:
        return False
    shared = one.footprint.intersection(other.footprint).area
    return bool(shared >= SAME_GROUND * one.footprint.union(other.footprint).area)
