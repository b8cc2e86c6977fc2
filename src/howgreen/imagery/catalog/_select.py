"""Scene selection: enough clear observations of every part of the city, and no more."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen.core.acquisitions import acquisitions
from howgreen.core.errors import NoClearImageError, NoImageError
from howgreen.core.geometry import exchanged, geodesic_area_m2, polygonal
from howgreen.core.grid import outline
from howgreen.core.sensors import LANDSAT, SENSORS, SENTINEL1, Sensor, bands_in_files, native_names
from howgreen.core.stac import deduplicate
from howgreen.core.types import Asset, City, Period, Scene
from howgreen.core.words import axis_order
from howgreen.imagery.catalog._coverage import _stored, coverage, look, rank
from howgreen.imagery.read.opener import is_web

MAX_SCENES = 12
MIN_CLEAR_PCT = 5.0
"""Scenes that show less of the city clearly are left out, unless they show ground that no other does."""
ENOUGH_LOOKS = 5
"""Clear dates wanted for each pixel: the median then outvotes two dates with a wrong mask."""
ENOUGH_PCT = 98.0
"""Share that needs ENOUGH_LOOKS, of all ground that any scene shows clearly."""
LEAST_GAIN_PCT = 0.5
"""Least share of the city for which a scene must add a needed observation."""
BAND_BYTES, MASK_BYTES = 1.6, 0.15
"""Bytes per pixel in a compressed file, approximately: 1.5 in the images of Bolzano and Sampleton; noise does not
compress."""
JPEG2000_BYTES = 0.9
"""Bytes per pixel in a JPEG 2000 file, approximately: a 10 m band of a Sentinel-2 tile, 121 million pixels, takes some
100 MB."""
_JPEG2000 = re.compile(r"\.jp2$", re.IGNORECASE)
RADAR_BYTES = 4.0
"""Bytes per pixel of radar: floats with speckle, which do not compress."""
MOST_RADAR = 12
"""Most radar acquisitions used for the median."""
LEAST_RADAR = 0.005
"""Least share of the city that a radar acquisition must show."""
WINDOW = dt.timedelta(days=75)
"""Half the length of the alternative periods proposed."""


def choose(
    scenes: Sequence[Scene],
    *,
    city: City,
    period: Period,
    bands: Sequence[str],
    max_scenes: int = MAX_SCENES,
    root: Path | None = None,
    sensor: str | None = None,
) -> tuple[list[Scene], list[Scene]]:
    """Choose the scenes to use, best first, and list those passed over.

    Scenes are taken greedily, each time the one that gives most of the city a clear observation it still needs (a first
    observation counts more than a fifth), until nearly all of it has ENOUGH_LOOKS or ``max_scenes`` are taken.
    Duplicates of one moment and place count once. The order of ``scenes`` does not matter.

    Parameters
    ----------
    scenes
        From :func:`howgreen.imagery.find`; those that lack one of ``bands`` are passed over.
    city, period, bands
        Purpose of the scenes; the period is used in the error message.
    max_scenes
        Most scenes taken; for radar see :func:`spread_over_period`.
    root, sensor
        Store to search for a better period, and the requested sensor: for the error message.

    Raises
    ------
    NoImageError
        There is no scene; the message says what the store holds.
    NoClearImageError
        None shows the city clearly; the message lists the dates.
    """
    if not scenes:
        raise NoImageError(_nothing(city, period, root, sensor))
    complete = [scene for scene in scenes if not _lacking(scene, bands)]
    if not complete:
        lacking = sorted({band for scene in scenes for band in _lacking(scene, bands)})
        raise NoImageError(
            f"{city.label}, {period}: {len(scenes)} scenes, but none has all of {', '.join(bands)} "
            f"(they lack {', '.join(lacking)}); use a model with fewer bands"
        )
    ordered = sorted(complete, key=rank)
    seen = coverage(ordered, city=city)
    single = deduplicate(ordered, covered=[covered for covered, _ in seen])
    ordered, seen = [ordered[i] for i in single], [seen[i] for i in single]
    reached = np.logical_or.reduce([covered for covered, _ in seen])
    if not reached.any():
        raise NoImageError(_nothing(city, period, root, sensor))
    clear = [pixels[reached] for _, pixels in seen]
    if SENSORS[
        ordered[0].sensor
    ].is_radar:  # no clouds to avoid: many acquisitions, spread over the period, against speckle
        taken = spread_over_period(clear, ordered)
    else:
        taken = _greedy(clear, most=max_scenes, acquisition=_acquisition_of(ordered))
    shown_pct = 100 * np.logical_or.reduce([clear[i] for i in taken]).mean() if taken else 0.0
    if shown_pct < MIN_CLEAR_PCT:
        raise NoClearImageError(_cloudy(ordered, city, period, root))
    used = [scene for i, scene in enumerate(ordered) if i in taken]
    kept = {scene.id for scene in used}
    return used, sorted((scene for scene in scenes if scene.id not in kept), key=rank)


def _lacking(scene: Scene, bands: Sequence[str]) -> list[str]:
    return [band for band in bands if scene.asset(band) is None]


def _acquisition_of(scenes: Sequence[Scene]) -> list[int]:
    """Return the acquisition number of each scene: overlapping tiles of one acquisition are one observation."""
    number = {scene.id: i for i, group in enumerate(acquisitions(scenes)) for scene in group}
    return [number[scene.id] for scene in scenes]


def _greedy(clear: Sequence[NDArray[np.bool_]], *, most: int, acquisition: Sequence[int]) -> set[int]:
    """Select scenes greedily from each one's clear pixels, best first, and its acquisition; return their indices."""
    size = clear[0].size
    looks = np.zeros(size, np.int16)
    reachable = np.logical_or.reduce(clear)
    by_acquisition = {number: np.zeros(size, bool) for number in acquisition}
    taken: set[int] = set()
    while len(taken) < most and 100 * (looks[reachable] >= ENOUGH_LOOKS).sum() < ENOUGH_PCT * reachable.sum():
        gains = [
            0.0 if i in taken else _gain(pixels & ~by_acquisition[acquisition[i]], looks)
            for i, pixels in enumerate(clear)
        ]
        best = int(np.argmax(gains))  # the first of ties: the clearest, then the oldest
        if gains[best] <= 0:
            break
        taken.add(best)
        looks += clear[best] & ~by_acquisition[acquisition[best]]
        by_acquisition[acquisition[best]] |= clear[best]
    return taken


def _gain(new: NDArray[np.bool_], looks: NDArray[np.int16]) -> float:
    """Value of the new clear pixels: halved for every observation a pixel has. 0 if too few are needed."""
    wanted = new & (looks < ENOUGH_LOOKS)
    first = 100 * (new & (looks == 0)).mean()
    if 100 * wanted.mean() < LEAST_GAIN_PCT or (100 * new.mean() < MIN_CLEAR_PCT and first < LEAST_GAIN_PCT):
        return 0.0
    return float((0.5 ** looks[wanted]).sum() / new.size)


def _dates(scenes: Sequence[Scene]) -> str:
    """``2023-05-01 (3 % clear), ...``, at most eight."""
    shown = [f"{s.time:%Y-%m-%d} ({s.clear_pct or 0:.0f} % clear)" for s in sorted(scenes, key=rank)[:8]]
    return ", ".join(shown) + (f" and {len(scenes) - 8} more" if len(scenes) > 8 else "")


def _nothing(city: City, period: Period, root: Path | None, sensor: str | None) -> str:
    kind = f"{SENSORS[sensor].label} " if sensor else ""
    head = f"{city.label}, {period}: no {kind}image shows it"
    if root is None:
        return f"{head}; choose another period, or add images with `howgreen store add`"
    others = _stored(root, city)
    if not others and _stored(root, _turned(city)):
        return f"{head}, but the store {root} shows it with latitude and longitude exchanged; write {axis_order(city.kind)}"
    if not others:
        return f"{head}, and none of any date in the store {root} does; add images with `howgreen store add`"
    held = "; ".join(_held(others, sensor) for sensor in sorted({scene.sensor for scene in others}))
    return f"{head}; the store has {held}. {_proposal(others, city, sensor)}"


def _turned(city: City) -> City:
    """Swap latitude and longitude of a city's limits."""
    return replace(city, boundary=polygonal(exchanged(city.boundary)))


def _held(scenes: Sequence[Scene], sensor: str) -> str:
    times = sorted(scene.time for scene in scenes if scene.sensor == sensor)
    span = f"{times[0]:%Y-%m-%d}" if len(times) == 1 else f"{times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}"
    return f"{len(times)} of {SENSORS[sensor].label} ({span})"


def _cloudy(scenes: Sequence[Scene], city: City, period: Period, root: Path | None) -> str:
    head = f"{city.label}, {period}: no image is clear enough inside its limits: {_dates(scenes)}"
    others = [] if root is None else [s for s in _stored(root, city) if s.time not in period]
    return f"{head}. {_proposal(others, city, scenes[0].sensor)}"


def _proposal(scenes: Sequence[Scene], city: City, sensor: str | None) -> str:
    """Propose a remedy: the period around the clearest other scene that has most clear observations."""
    good = [scene for scene in look(scenes, city=city) if (scene.clear_pct or 0) >= MIN_CLEAR_PCT] if scenes else []
    if not good:
        return "Add clearer images with `howgreen store add`"
    best = max(good, key=lambda s: (sum(min(o.clear_pct or 0, 100) for o in _near(s, good)), -s.time.timestamp()))
    near = _near(best, good)
    start, end = min(s.time for s in near), max(s.time for s in near)
    switch = f"--sensor {best.sensor} " if sensor not in {None, best.sensor} else ""
    if start.date() == end.date():
        return f"Try {switch}--period {start:%Y-%m-%d}, {best.clear_pct or 0:.0f} % clear"
    return f"Try {switch}--period {start:%Y-%m-%d}/{end:%Y-%m-%d} ({SENSORS[best.sensor].label}: {_dates(near)})"


def _near(scene: Scene, scenes: Sequence[Scene]) -> list[Scene]:
    return [other for other in scenes if other.sensor == scene.sensor and abs(other.time - scene.time) <= WINDOW]


def spread_over_period(shown: Sequence[NDArray[np.bool_]], scenes: Sequence[Scene]) -> set[int]:
    """Choose the scenes of up to :data:`MOST_RADAR` acquisitions, spread over the period; return their indices.

    Each step takes the acquisition that shows most of the least-seen ground, and among ties the one farthest in time
    from those taken.

    Parameters
    ----------
    shown
        For each scene the pixels of the city it shows, (pixel,).
    scenes
        In any order.
    """
    place = {scene.id: number for number, scene in enumerate(scenes)}
    groups = [[place[scene.id] for scene in group] for group in acquisitions(scenes)]
    covers = [np.logical_or.reduce([shown[i] for i in group]) for group in groups]
    times = [scenes[group[0]].time.timestamp() for group in groups]
    looks = np.zeros(shown[0].size)
    taken: list[int] = []

    def worth(number: int) -> tuple[float, float]:
        gain = float((1 / (1 + looks[covers[number]])).sum() / looks.size)
        return round(gain, 2), min((abs(times[number] - times[other]) for other in taken), default=0.0)

    left = [number for number, cover in enumerate(covers) if cover.mean() >= LEAST_RADAR]
    while left and len(taken) < MOST_RADAR:
        best = max(left, key=worth)  # the first of ties: the oldest
        left.remove(best)
        taken.append(best)
        looks += covers[best]
    return {i for number in taken for i in groups[number]}


def look_directions(scenes: Sequence[Scene]) -> tuple[str, ...]:
    """Return a note if both look directions are mixed; nothing otherwise."""
    orbits = [
        str(group[0].native.get("properties", {}).get("sat:orbit_state") or "").lower()
        for group in acquisitions([scene for scene in scenes if scene.sensor == SENTINEL1.name])
    ]
    up, down = orbits.count("ascending"), orbits.count("descending")
    if not (up and down):
        return ()
    return (f"radar looked from both sides ({up} ascending, {down} descending passes): walls and slopes are averaged",)


def mixed_platforms(scenes: Sequence[Scene]) -> tuple[str, ...]:
    """Return a note if scenes of Landsats 4-7 and of 8 and 9 are mixed; nothing otherwise.

    The bands of ETM+ (and TM) are wider than OLI's, so the same ground differs slightly, in the near-infrared most (Roy
    et al. 2016, Remote Sensing of Environment 185, doi:10.1016/j.rse.2015.12.024). Their regression is not applied: it
    was fitted to the conterminous United States, and an unrequested correction would hide in every figure.
    """
    names = sorted({scene.platform for scene in scenes if scene.sensor == LANDSAT.name and scene.platform})
    kinds = {tuple((native_names(LANDSAT, name) or {}).items()) for name in names}
    if len(kinds) < 2:
        return ()
    told = ", ".join(name.replace("landsat-", "Landsat ") for name in names)
    return (f"images of {told} in one picture: their bands differ a little (Roy et al. 2016), nothing was corrected",)


def estimate_bytes(scenes: Sequence[Scene], bands: Sequence[str], grid: GeoBox | None = None) -> int:
    """Estimate the bytes that a composite of these bands and their masks reads; whole files without a ``grid``.

    Counts the share of a scene's footprint within the grid; all of a remote JPEG 2000 file, which cannot be read in
    part. A file without a size in the catalogue counts BAND_BYTES or MASK_BYTES per pixel in the grid (JPEG2000_BYTES
    per pixel of its scene), and nothing without a grid.
    """
    area = outline(grid) if grid is not None else None
    total = 0.0
    for scene in scenes:
        sensor = SENSORS[scene.sensor]
        shared = scene.footprint.area if area is None else scene.footprint.intersection(area).area
        of_scene = min(1.0, shared / scene.footprint.area) if scene.footprint.area > 0 else 1.0
        of_grid = 0.0 if grid is None or area is None else min(1.0, shared / area.area)
        for asset in scene.assets:
            if asset.band in {*bands_in_files(bands), sensor.mask}:
                if is_web(asset.href) and _JPEG2000.search(asset.href):
                    total += asset.size_bytes or (_whole_bytes(asset, scene) if grid is not None else 0)
                else:
                    total += (
                        of_scene * asset.size_bytes
                        if asset.size_bytes
                        else of_grid * _unknown_bytes(asset, sensor, grid)
                    )
    return round(total)


def _resolution_m(asset: Asset, sensor: Sensor) -> float:
    return {band.name: band.resolution_m for band in sensor.bands}.get(asset.band, 2 * sensor.resolution_m)


def _whole_bytes(asset: Asset, scene: Scene) -> float:
    """Estimate the size of a JPEG 2000 file with its whole scene."""
    return geodesic_area_m2(scene.footprint) / _resolution_m(asset, SENSORS[scene.sensor]) ** 2 * JPEG2000_BYTES


def _unknown_bytes(asset: Asset, sensor: Sensor, grid: GeoBox | None) -> float:
    """Estimate the bytes for a whole grid in a file of unknown size."""
    if grid is None:
        return 0.0
    pixels: float = grid.shape[0] * grid.shape[1] * (abs(grid.affine.a) / _resolution_m(asset, sensor)) ** 2
    return pixels * (RADAR_BYTES if sensor.is_radar else MASK_BYTES if asset.band == sensor.mask else BAND_BYTES)
