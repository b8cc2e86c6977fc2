"""The greenest months of a year, measured on coarse overviews of its clear images.

Each acquisition gives an NDVI (NIR - red) / (NIR + red) on the coarse grid of the cloud masks, over clear pixels inside
the limits; each month is the median of its clearest acquisitions. Months show different parts of a place, so their
plain means are not comparable: each month and each pixel gets a level of its own, fitted alternately (Tukey's two-way
fit, by means), and the months' levels are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen.core.acquisitions import acquisitions
from howgreen.core.errors import ImageError, NetworkError
from howgreen.core.grid import coarse_grid
from howgreen.core.period import Period
from howgreen.core.types import City, MeasuredSeason, MonthGreenness, Progress, Scene
from howgreen.imagery.catalog import _coverage
from howgreen.imagery.read._coarse import read_coarse, together
from howgreen.imagery.read._resample import missing
from howgreen.imagery.read.opener import fetched_bytes

MOST_A_MONTH = 3
"""Most acquisitions read per month, the clearest first."""
LEAST_CLEAR_PCT = 5.0
"""Acquisitions that show less of the city clearly are not read."""
LEAST_SEEN_PCT = 20.0
"""Months with less of the city seen clearly are not compared."""
NEAR_PEAK = 0.05
"""Months adjacent to the greenest with an NDVI lower by at most this belong to the season."""
FITS = 20
"""Rounds of the two-way fit; it changes by less than 0.001 NDVI after five."""


@dataclass(frozen=True, kw_only=True)
class _Look:
    """NDVI of an acquisition, (pixel,), NaN where not clear."""

    month: date
    values: NDArray[np.float32]


def measure_season(
    scenes: Sequence[Scene], *, city: City, searched: Period, progress: Progress | None = None
) -> tuple[Period, MeasuredSeason]:
    """Measure monthly greenness from some scenes; find the greenest month with those adjacent that are nearly as green.

    Parameters
    ----------
    scenes
        Of one optical sensor, with coverage; those without red and a near-infrared band are skipped, as are unreadable
        ones.
    city, searched
        The place, and the period of the scenes.

    Returns
    -------
    Period, MeasuredSeason
        The greenest consecutive months within ``searched`` (all of it if no month could be measured); and all months
        measured.
    """
    before = fetched_bytes()
    looks = _looks(scenes, city, progress)
    by_month: dict[date, list[NDArray[np.float32]]] = {}
    for look in looks:
        by_month.setdefault(look.month, []).append(look.values)
    months = sorted(by_month)
    if not months:
        return searched, MeasuredSeason(searched=searched, months=(), read_bytes=fetched_bytes() - before)
    planes = np.array([_median(by_month[month]) for month in months], np.float32)
    seen_pct = 100 * np.isfinite(planes).mean(axis=1)
    usable = seen_pct >= LEAST_SEEN_PCT
    levels = np.full(len(months), np.nan)
    levels[usable] = month_levels(planes[usable])
    chosen = greenest(months, levels)
    record = MeasuredSeason(
        searched=searched,
        months=tuple(
            MonthGreenness(
                month=month,
                greenness=None if np.isnan(level) else float(level),
                dates=len(by_month[month]),
                seen_pct=float(seen),
                taken=month in chosen,
            )
            for month, level, seen in zip(months, levels, seen_pct, strict=True)
        ),
        read_bytes=fetched_bytes() - before,
    )
    return _period(chosen, searched), record


def month_levels(planes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute monthly levels from the NDVI in each pixel, (month, pixel), NaN unseen; their mean is an average pixel's.

    A month that shows only the wood is not greener for it: pixel levels absorb the differences between places. Pixels
    seen in one month only carry no comparison and are left out, unless there are no others.
    """
    if len(planes) == 0:
        return np.zeros(0)
    known = np.isfinite(planes)
    shared = known.sum(axis=0) > 1
    if shared.any():
        planes, known = planes[:, shared], known[:, shared]
    values = np.where(known, planes, 0).astype(np.float64)
    counts = np.maximum(known.sum(axis=1), 1)
    months = values.sum(axis=1) / counts
    for _ in range(FITS):
        pixels = ((values - months[:, None]) * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        months = ((values - pixels) * known).sum(axis=1) / counts
    levels: NDArray[np.float64] = months + pixels.mean()
    levels[~known.any(axis=1)] = np.nan
    return levels


def greenest(months: Sequence[date], levels: NDArray[np.float64]) -> tuple[date, ...]:
    """Find the greenest month and those adjacent without a gap that are lower by at most NEAR_PEAK.

    There is none if there are no months.
    """
    level = {month: value for month, value in zip(months, levels.tolist(), strict=True) if np.isfinite(value)}
    if not level:
        return ()
    best = max(level, key=lambda month: (level[month], -month.toordinal()))  # of ties the first
    chosen = [best]
    for step in (-1, 1):
        month = _beside(best, step)
        while month in level and level[month] >= level[best] - NEAR_PEAK:
            chosen.append(month)
            month = _beside(month, step)
    return tuple(sorted(chosen))


def _beside(month: date, step: int) -> date:
    number = month.year * 12 + month.month - 1 + step
    return date(number // 12, number % 12 + 1, 1)


def _period(chosen: Sequence[date], searched: Period) -> Period:
    if not chosen:
        return searched
    end = _beside(chosen[-1], 1) - (date(2000, 1, 2) - date(2000, 1, 1))
    return replace(searched, start=max(chosen[0], searched.start), end=min(end, searched.end))


def _median(planes: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Median over the acquisitions that show a pixel; NaN if none does."""
    stack = np.stack(planes)
    empty = ~np.isfinite(stack).any(axis=0)
    stack[0, empty] = 0  # numpy warns of means of empty slices
    found: NDArray[np.float32] = np.nanmedian(stack, axis=0)
    found[empty] = np.nan
    return found


def _looks(scenes: Sequence[Scene], city: City, progress: Progress | None) -> list[_Look]:
    """Read the clearest acquisitions of each month."""
    frame, inside = coarse_grid(city)
    by_month: dict[date, list[tuple[Scene, ...]]] = {}
    for group in acquisitions([scene for scene in scenes if _near_infrared(scene) and scene.asset("red")]):
        if sum(scene.clear_pct or 0 for scene in group) >= LEAST_CLEAR_PCT:
            by_month.setdefault(group[0].time.date().replace(day=1), []).append(group)
    wanted = [
        (month, group)
        for month, groups in by_month.items()
        for group in sorted(groups, key=lambda group: -sum(scene.clear_pct or 0 for scene in group))[:MOST_A_MONTH]
    ]
    looks = []
    with together(scenes) as pool:
        for number, (month, values) in enumerate(
            zip(
                (month for month, _ in wanted),
                pool.map(lambda one: _of_acquisition(one[1], frame, inside), wanted),
                strict=True,
            ),
            1,
        ):
            if values is not None:
                looks.append(_Look(month=month, values=values))
            if progress:
                progress("season", number, len(wanted))
    return looks


def _near_infrared(scene: Scene) -> str:
    return next((band for band in ("nir", "nir08") if scene.asset(band)), "")


def _of_acquisition(group: Sequence[Scene], frame: GeoBox, inside: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """NDVI of an acquisition inside the city, (pixel,); None if none of its files can be read."""
    found: NDArray[np.float32] | None = None
    for scene in group:
        try:
            values = _ndvi(scene, frame, inside)
        except (NetworkError, ImageError):
            continue  # a run that needs the file reports it
        found = values if found is None else np.where(np.isnan(found), values, found)
    return found


def _ndvi(scene: Scene, frame: GeoBox, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    _, clear = _coverage.bits(scene, frame, inside)
    light = []
    for band in ("red", _near_infrared(scene)):
        asset, encoding = scene.asset(band), scene.encoding(band)
        if asset is None:
            raise ImageError(f"scene {scene.id}: has no band {band}")
        numbers = read_coarse(asset, frame, nodata=encoding.nodata, float32=encoding.nodata is None)[inside]
        clear &= ~missing(numbers, encoding.nodata)
        light.append(np.maximum(numbers.astype(np.float32) * encoding.scale + encoding.offset, 0))
    red, near = light
    total = red + near
    ndvi: NDArray[np.float32] = np.where(clear & (total > 0), (near - red) / np.where(total > 0, total, 1), np.nan)
    return ndvi.astype(np.float32)
