"""Check of each scene's stated offset against its pixels, with the decisions recorded.

Sentinel-2 products differ by an offset of 1000 DN (0.1 reflectance) since processing baseline 04.00, and providers have
removed it or not, and said so or not. A wrong offset changes every answer and is visible in none, so the reflectance
itself is tested, on coarse pixels that the mask calls clear:

* **Negative ground.** Atmospheric correction leaves some dark pixels slightly below zero, but not a tenth of all. Such
  a share means that an offset was subtracted twice (30 % is an error, 10 % a warning).
* **No dark pixel.** Vegetation, water and shade reflect less than 0.05 of the visible light; if even the 1st percentile
  is 0.09 or more in every visible band, an offset was not subtracted. Bright deserts have no dark pixel either, so
  this alone is a warning; it is an error if the 1st percentile is 0.06 lower on other dates of the same sensor and
  the same ground. A neighbouring tile, or the other half of a strip, is other ground.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import CRSError

from howgreen import clouds
from howgreen.clouds import omnicloudmask
from howgreen.core import cog, plausibility
from howgreen.core.acquisitions import by_time
from howgreen.core.errors import ContradictionError, ImageError
from howgreen.core.grid import pixel_m
from howgreen.core.reflectance import NOTHING_STATED, stated
from howgreen.core.sensors import DB_SCALE, S2_OFFSET_04, SENSORS, SENTINEL2
from howgreen.core.stac import band_assets
from howgreen.core.types import Asset, Scene
from howgreen.imagery.composite import _median, _radar, cloud_mask
from howgreen.imagery.composite._blocks import asset_of
from howgreen.imagery.read import quality, sky
from howgreen.imagery.read._coarse import read_coarse, together
from howgreen.imagery.read._resample import missing
from howgreen.imagery.read.opener import is_web, mask_doubts, opened

COARSE_PX = 256
"""Side of the coarse raster read."""
FEWEST_PX = 200
"""Clear pixels needed for a verdict."""
VISIBLE = ("blue", "green", "red")
NEGATIVE_WARN, NEGATIVE_ERROR = 0.10, 0.30
DARK_PERCENTILE = 1.0
DARK_WARN = 0.09
DARK_APART = 0.06
UNEVEN = 0.6
"""Spread (10th to 90th percentile of the pixels) of one date's excess light over another, relative to its median: less
indicates an offset."""
SAME_GROUND = 0.5
"""Least overlap of two scenes of the same ground, as a share of their joint outline."""


def decisions(scenes: Sequence[Scene]) -> dict[str, Any]:
    """Record how each scene's numbers were interpreted, as JSON values: scale, offset, mask, and its pixels' evidence.

    Raises
    ------
    ContradictionError
        The pixels of a scene contradict its scale or offset beyond doubt; it names the offset that fits them, if one
        does.
    ImageError
        A file cannot be read.
    """
    sar = [scene for scene in scenes if SENSORS[scene.sensor].is_radar]
    ordered = sorted((scene for scene in scenes if not SENSORS[scene.sensor].is_radar), key=by_time)
    with together(ordered) as pool:
        looks = list(pool.map(_look, ordered))
    measured = [
        None if look is None else _darkness(_light(scene, look)) for scene, look in zip(ordered, looks, strict=True)
    ]
    verdicts = [_verdict(i, ordered, measured) for i in range(len(ordered))]
    for i, (scene, look, (verdict, why)) in enumerate(zip(ordered, looks, verdicts, strict=True)):
        if verdict == "contradicted" or (verdict == "doubtful" and _left_in(scene, look)):
            raise ContradictionError(
                f"scene {scene.id}: offset {scene.offset:g} contradicts its pixels ({why}); {_cure(scene)} "
                "(Sentinel-2: -0.1 from baseline 04.00 on, unless already removed)",
                scene=scene.id,
                offset=_fitting(i, ordered, looks, measured),
            )
        if look is not None and not _asked_before(scene):
            _check_scale(scene, look)
    radar_record = {
        "radar": {"encoding": f"steps of {DB_SCALE:g} dB, median over passes", "scenes": _radar.record(sar)}
    }
    masks = mask_doubts(asset for scene in scenes for asset in scene.assets)
    return (
        (radar_record if sar else {})
        | ({"mask_files": sorted(masks)} if masks else {})
        | {
            "encoding": f"int16 steps of {_median.STEP:g} reflectance, median over clear dates",
            "mask": _mask_words(ordered),
            "scenes": [
                _record(scene, dark, verdict, why)
                for scene, dark, (verdict, why) in zip(ordered, measured, verdicts, strict=True)
            ],
        }
    )


def _record(scene: Scene, dark: Mapping[str, float] | None, verdict: str, why: str) -> dict[str, Any]:
    properties = scene.native.get("properties", {})
    name, detector = SENSORS[scene.sensor].mask, sky.detector_of([scene])
    return {
        "id": scene.id,
        "time": scene.time.isoformat(),
        "scale": scene.scale,
        "offset": scene.offset,
        "offset_why": scene.radiometry or None,
        "nodata": scene.nodata,
        **({"bands": own} if (own := {one.band: asdict(one.encoding) for one in scene.assets if one.encoding}) else {}),
        "baseline": properties.get("s2:processing_baseline") or properties.get("processing:version"),
        "mask": name if scene.asset(name) else detector,
        "offset_check": verdict,
        "offset_check_why": why,
        "measured": dict(dark) if dark else None,
    }


def _mask_words(scenes: Sequence[Scene]) -> str:
    without = [scene for scene in scenes if not sky.has_mask(scene)]
    bare = [scene.id for scene in without if sky.detector_of([scene]) is None]
    words = (
        f"quality band; flags on two thirds of at least {cloud_mask.FEWEST_VOTES} dates whose reflectance agrees are false "
        f"alarms and ignored; Sentinel-2 clouds of {cloud_mask.SMALLEST_CLOUD_M} m and more grown by {cloud_mask.BUFFER_M} m"
    )
    if beside := sorted({sky.detector_of([scene], few=True) or "" for scene in scenes if sky.has_mask(scene)} - {""}):
        words += f"; strong haze that moves is added by howgreen's own detector ({', '.join(beside)})"
    asked = [
        scene.id
        for scene in scenes
        if scene.native.get("properties", {}).get("howgreen:mask_from") == omnicloudmask.NAME
    ]
    if asked:
        words += f"; mask made by OmniCloudMask from red, green and near-infrared light: {', '.join(asked)}"
    for scene in without:
        if detector := sky.detector_of([scene]):
            words += f"; {scene.id}: no cloud mask, clouds found by howgreen's own detector ({detector} {clouds.card(detector).version})"
    if bare:
        words += f"; no cloud mask in {', '.join(bare)}: all their pixels count as clear"
    return words


def _frame(asset: Asset) -> GeoBox:
    """Make a grid over the file's own area: at most COARSE_PX squared pixels."""
    with opened(asset) as image:
        dataset = image.dataset
        try:
            whole = GeoBox(dataset.shape, dataset.transform, dataset.crs.to_wkt())
        except (CRSError, ValueError) as error:
            raise ImageError(
                f"{asset.href}: coordinate system is not understood; assign one and add it again"
            ) from error
        return whole.zoom_to((min(COARSE_PX, whole.shape[0]), min(COARSE_PX, whole.shape[1])))


Look = dict[str, NDArray[Any]]
"""Clear DN by band, (pixel,)."""


def _asked_before(scene: Scene) -> bool:
    """Tell whether its numbers were checked when it was added to one of our stores."""
    return "howgreen:sensor" in (scene.native.get("properties") or {})


def _cure(scene: Scene) -> str:
    if any("://" in asset.href for asset in scene.assets):
        return "use another --catalog, or keep its files with `howgreen store add` and the right --offset"
    return "add it again with the right --offset"


def _left_in(scene: Scene, look: Look | None) -> bool:
    """Tell whether the pixels hold Sentinel-2's offset, for a scene whose item does not mention it."""
    if look is None or scene.radiometry != NOTHING_STATED:
        return False
    found = plausibility.check(look, {band: scene.encoding(band) for band in look}, sensor=SENSORS[scene.sensor])
    return found is not None and found.kind == "offset" and found.likely == (scene.scale, S2_OFFSET_04)


def _check_scale(scene: Scene, look: Look) -> None:
    """Raise ContradictionError if a scene's numbers cannot be reflectance with its stated scale.

    Only scenes with a near-infrared band are tested: without it the test is weak.
    """
    if not set(plausibility.NEAR_INFRARED) & set(look):
        return
    encodings = {band: scene.encoding(band) for band in look}
    found = plausibility.check(look, encodings, sensor=SENSORS[scene.sensor])
    if found is None or found.kind == "offset":
        return
    likely = "" if found.likely is None else f"; likely scale {found.likely[0]:g} offset {found.likely[1]:g}"
    raise ContradictionError(
        f"scene {scene.id}: with scale {scene.scale:g} offset {scene.offset:g} {found.what}{likely}; use other images, or keep its "
        "files with `howgreen store add` and the right --scale and --offset",
        scene=scene.id,
    )


def _from_metadata(scene: Scene) -> bool:
    """Tell whether its offset comes from a catalogue or a product, and not from a user."""
    origin = (scene.native.get("properties") or {}).get("howgreen:offset_from")
    return origin in {"metadata", "default"} or (not _asked_before(scene) and bool(scene.radiometry))


def _fitting(
    i: int, scenes: Sequence[Scene], looks: Sequence[Look | None], measured: Sequence[Mapping[str, float] | None]
) -> float | None:
    """Return the other of Sentinel-2's two offsets if it fits the pixels; None if a user gave the offset."""
    scene, look = scenes[i], looks[i]
    others = [offset for offset in (0.0, S2_OFFSET_04) if abs(offset - scene.offset) > 1e-9]
    if look is None or scene.sensor != SENTINEL2.name or not _from_metadata(scene) or len(others) != 1:
        return None
    moved = {band: values + (others[0] - scene.offset) for band, values in _light(scene, look).items()}
    changed = [*scenes[:i], replace(scene, offset=others[0]), *scenes[i + 1 :]]
    verdict, _ = _verdict(i, changed, [*measured[:i], _darkness(moved), *measured[i + 1 :]])
    return others[0] if verdict == "consistent" else None


def _check_files(scene: Scene) -> None:
    """Raise ContradictionError if a file in one of our stores has another scale or offset than its item.

    One of the two was edited then.
    """
    entries = band_assets(scene.native, SENSORS[scene.sensor])
    for asset in scene.assets:
        said = stated(entries.get(asset.band, {}))
        if asset.band == SENSORS[scene.sensor].mask or is_web(asset.href) or said.scale is None:
            continue
        with opened(asset) as image:
            if not cog.states_otherwise(image.dataset, scale=said.scale, offset=said.offset or 0.0):
                continue
            there = f"{image.dataset.scales[0]:g} and {image.dataset.offsets[0]:g}"
        raise ContradictionError(
            f"scene {scene.id}: its item says scale {said.scale:g} and offset {said.offset or 0:g} of band {asset.band}, its file {there}: "
            "one of the two was edited; add the image again",
            scene=scene.id,
        )


def _look(scene: Scene) -> Look | None:
    """Read clear coarse pixels of a scene; None if there are too few, or no visible band.

    Of a scene checked before, only the visible bands are read.
    """
    assets = [asset for name in VISIBLE if (asset := scene.asset(name))]
    if not assets:
        return None
    near = next((asset for name in plausibility.NEAR_INFRARED if (asset := scene.asset(name))), None)
    if _asked_before(scene):
        _check_files(scene)
    frame = _frame(assets[0])
    good = _clear(scene, frame)
    bands: Look = {}
    for asset in [*assets, *([near] if near and not _asked_before(scene) else [])]:
        own = scene.encoding(asset.band)
        values = read_coarse(asset, frame, nodata=own.nodata, float32=own.nodata is None)
        good &= ~missing(values, own.nodata)
        bands[asset.band] = values
    if good.sum() < FEWEST_PX:
        return None
    return {band: values[good] for band, values in bands.items()}


def _light(scene: Scene, look: Look) -> Look:
    """Reflectance of clear pixels by band."""
    encodings = {band: scene.encoding(band) for band in look}
    return {band: values * encodings[band].scale + encodings[band].offset for band, values in look.items()}


def _darkness(light: Look) -> dict[str, float]:
    """Measure the share of clear pixels below zero in some visible band, and the lowest visible 1st percentile."""
    pixels = np.stack([values for band, values in light.items() if band in VISIBLE])
    return {
        "clear_pixels": pixels.shape[1],
        "negative_share": round(float((pixels < -0.005).any(axis=0).mean()), 4),
        "darkest": round(float(np.percentile(pixels, DARK_PERCENTILE, axis=1).min()), 4),
    }


def _clear(scene: Scene, frame: GeoBox) -> NDArray[np.bool_]:
    name = SENSORS[scene.sensor].mask
    asset = scene.asset(name)
    if asset is None:
        detector = sky.detector_of([scene])
        if detector is None:
            return np.ones(frame.shape, bool)
        return sky.clear_alone(scene, frame, detector=detector, cell_m=pixel_m(frame))[1]
    codes = read_coarse(asset, frame, nodata=quality.outside_code(name))
    clear: NDArray[np.bool_] = quality.TABLES[name][np.clip(codes, 0, 65535).astype(np.uint16)] == 0
    return clear


def _uneven(one: Scene, other: Scene) -> bool:
    """Tell whether one image's excess light over another varies in space, as haze does and an offset does not."""
    frame = _frame(asset_of(one, next(band for band in VISIBLE if one.asset(band))))
    spreads = []
    for band in VISIBLE:
        if one.asset(band) is None or other.asset(band) is None:
            continue
        light = []
        for scene in (one, other):
            own = scene.encoding(band)
            values = read_coarse(asset_of(scene, band), frame, nodata=own.nodata, float32=True)
            light.append(values * own.scale + own.offset)
        more = light[0] - light[1]
        more = more[np.isfinite(more)]
        if more.size >= FEWEST_PX:
            low, middle, high = np.percentile(more, [10, 50, 90])
            spreads.append(float(high - low) / max(float(middle), 1e-3))
    return bool(spreads) and min(spreads) > UNEVEN


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
        apart = bool(others) and darkest - float(np.median(others)) > DARK_APART
        if apart and not sky.has_mask(scenes[i]) and _hazy(i, scenes, measured):
            return "unknown", "brighter than other dates, but not evenly: haze over it, and no offset"
        if apart:
            return "contradicted", f"{why}; on the other dates it reflects {float(np.median(others)):.2f}"
        return "doubtful", why
    return "consistent", f"darkest hundredth {darkest:.3f}, {100 * negative:.1f} % negative"


def _hazy(i: int, scenes: Sequence[Scene], measured: Sequence[Mapping[str, float] | None]) -> bool:
    """Tell whether a date's excess over the darkest comparable date is uneven."""
    others = [j for j, other in enumerate(measured) if other and j != i and _comparable(scenes[j], scenes[i])]
    darkest = min(others, key=lambda j: (measured[j] or {})["darkest"])
    return _uneven(scenes[i], scenes[darkest])


def _comparable(one: Scene, other: Scene) -> bool:
    """Tell whether both scenes' darkest pixels come from one landscape and one sensor."""
    if one.sensor != other.sensor:
        return False
    shared = one.footprint.intersection(other.footprint).area
    return bool(shared >= SAME_GROUND * one.footprint.union(other.footprint).area)
