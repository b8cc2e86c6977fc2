"""From land cover to the green ratio of a city and its districts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from howgreen.core.errors import ImageError, ModelError
from howgreen.core.grid import chunk_sizes, windows
from howgreen.core.threads import scheduler
from howgreen.core.ticks import Ticks
from howgreen.core.types import HALF_GREEN, UNSEEN, GreenStats, Zone
from howgreen.measure._zones import ZoneShape, zone_shapes
from howgreen.measure.coverage import coverage_windows
from howgreen.measure.interval import interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import xarray as xr
    from affine import Affine

    from howgreen.core.grid import Window
    from howgreen.core.models import ModelCard
    from howgreen.core.types import City, LandCover, Progress

ROUNDING = 1e-6
"""Share of a zone's area up to which the land left beside its water is rounding: all of the zone is water."""

Sums = np.ndarray[Any, Any]
"""float64 (6, 256): for each label the zone's pixels, their summed green fraction, those at least half green, their
summed number of clear dates, those seen on a single date, their summed dry-plant fraction."""


def green(
    landcover: LandCover, city: City, *, n_clear: xr.DataArray | None = None, progress: Progress | None = None
) -> tuple[Zone, ...]:
    """Measure the green ratio of a city and of each of its districts.

    Every pixel is weighted by its exact share inside the zone (``exactextract``), block by block over the chunks of the
    land cover; each block is computed once, for all zones, and only if a zone reaches it. Planar sums are scaled by the
    zone's ratio of ellipsoidal to planar area. Ground beyond the raster is unseen land.

    Parameters
    ----------
    landcover
        ``label`` and ``green_fraction`` on one north-up grid. A land pixel is seen if it has both. ``dry_fraction`` if
        the model predicts it.
    city
        Its districts are measured independently; they need neither lie inside the city nor fill it.
    n_clear
        uint8 (y, x) on the same grid: number of clear dates of each pixel; None if not counted.

    Returns
    -------
    tuple of Zone
        The city first, then its districts in their order. Areas in square metres.

    Raises
    ------
    AreaError
        A boundary has no area.
    ImageError
        The grid is not north-up.
    ModelError
        The labels hold a code missing from the model's card.
    """
    if not (landcover.grid.axis_aligned and landcover.grid.transform.a > 0 > landcover.grid.transform.e):
        raise ImageError("land cover: its grid is rotated or not north-up; warp it to a north-up grid first")
    zones = zone_shapes(city, str(landcover.grid.crs))
    sums = _sums(landcover, zones, n_clear, progress)
    _check_codes(sums, landcover.card)
    pixel_m2 = abs(landcover.grid.transform.determinant)
    return tuple(
        Zone(
            name=zone.name,
            id=zone.id,
            kind=zone.kind,
            boundary=zone.boundary,
            level=zone.level,
            stats=_stats(zone, total * pixel_m2 * zone.scale, landcover, counted=n_clear is not None),
        )
        for zone, total in zip(zones, sums, strict=True)
    )


def _sums(
    landcover: LandCover, zones: Sequence[ZoneShape], n_clear: xr.DataArray | None, progress: Progress | None
) -> list[Sums]:
    """Accumulate the sums of each zone over all blocks that it reaches."""
    from dask.base import compute
    from dask.delayed import delayed

    transform: Affine = landcover.grid.transform
    water = landcover.water_codes
    reached = [
        (zones_here, window, pixels)
        for window, pixels in _blocks(landcover.data, n_clear)
        if (zones_here := _reaching(zones, window, transform))
    ]
    tick = Ticks("measure", len(reached), progress)
    tasks = [
        delayed(_block_sums, pure=False)(window, _Shapes(zones_here, zones), transform, water, tick, *pixels)
        for zones_here, window, pixels in reached
    ]
    totals = [np.zeros((6, 256)) for _ in zones]
    for (zones_here, _, _), block_sums in zip(reached, compute(*tasks, scheduler=scheduler()), strict=True):
        for position, values in zip(zones_here, block_sums, strict=True):
            totals[position] += values
    return totals


class _Shapes:
    """Shapes passed to a task; opaque to dask, which would traverse a list of them."""

    def __init__(self, positions: Sequence[int], zones: Sequence[ZoneShape]) -> None:
        self.shapes = [zones[position].shape for position in positions]


def _blocks(data: xr.Dataset, n_clear: xr.DataArray | None) -> Iterator[tuple[Window, list[Any]]]:
    """Yield each spatial chunk: window, labels, green and dry fractions, clear-date counts (delayed; None without)."""
    label, fraction = data["label"].transpose("y", "x"), data["green_fraction"].transpose("y", "x")
    more = [data.get("dry_fraction"), n_clear]
    chunks = label.chunks or fraction.chunks or tuple(map(chunk_sizes, label.shape))
    # Not optimised here: optimising the two separately would compute their shared part twice.
    parts = [
        variable
        if variable is None
        else variable.transpose("y", "x")
        .chunk(dict(zip(("y", "x"), chunks, strict=True)))
        .data.to_delayed(optimize_graph=False)
        for variable in (label, fraction, *more)
    ]
    for block, window in windows(*chunks).items():
        yield window, [None if part is None else part[block] for part in parts]


def _reaching(zones: Sequence[ZoneShape], window: Window, transform: Affine) -> list[int]:
    box = shapely.box(*window.bounds(transform))
    return [position for position, zone in enumerate(zones) if zone.shape.intersects(box)]


def _block_sums(
    window: Window,
    zones: _Shapes,
    transform: Affine,
    water: tuple[int, ...],
    tick: Ticks,
    *pixels: Any,
) -> list[Sums]:
    """Sum, for the zones that reach one block, its labels, fractions, dry-plant fractions and clear-date counts.

    Each is a separate argument: in a list, dask would optimise each block's graph separately.
    """
    label, fraction, dry, looks = pixels
    unknown = np.isnan(fraction)
    land = ~np.isin(np.arange(256), water)
    label = np.where(unknown & land[label], np.uint8(UNSEEN), label)
    fraction = np.where(unknown, 0, fraction)
    dry = np.zeros(label.shape, np.float32) if dry is None else np.where(unknown, 0, dry)
    looks = np.zeros(label.shape, np.uint8) if looks is None else looks
    sums = [_zone_sums((label, fraction, looks, dry), window, shape, transform) for shape in zones.shapes]
    tick()
    return sums


def _zone_sums(pixels: tuple[np.ndarray[Any, Any], ...], block: Window, shape: Any, transform: Affine) -> Sums:
    total = np.zeros((6, 256))
    for part in coverage_windows(shape, block, transform):
        here = part.window.within(block)
        flat = [plane[here].ravel() for plane in pixels]
        codes, values, looks, dry = flat if part.pixels is None else [plane[part.pixels] for plane in flat]
        green, dates, once, dead = (
            np.bincount(codes, weights=one if part.share is None else part.share * one, minlength=256)
            for one in (values, looks, looks == 1, dry)
        )
        # Pixels at least half green are counted 256 codes higher: one bincount for both rows.
        apart = np.bincount(codes + np.intp(256) * (values >= HALF_GREEN), weights=part.share, minlength=512)
        total += np.stack([apart[:256] + apart[256:], green, apart[256:], dates, once, dead])
    return total


def _check_codes(sums: Sequence[Sums], card: ModelCard) -> None:
    known = {item.code for item in card.classes} | {UNSEEN}
    strange = sorted({int(code) for total in sums for code in np.flatnonzero(total[0])} - known)
    if strange:
        raise ModelError(f"land cover holds the labels {strange}, which model {card.name} does not define; use its own")


def _stats(zone: ZoneShape, sums_m2: Sums, landcover: LandCover, *, counted: bool) -> GreenStats:
    """Make the answer for one zone from its sums, already in square metres on the ground."""
    area, greenness, half, dates, once, dry = sums_m2
    water = list(landcover.water_codes)
    land = [item.code for item in landcover.card.classes if item.code not in water]
    land_area = zone.land_m2 - float(area[water].sum())
    if land_area < ROUNDING * zone.area_m2:
        land_area = 0.0
    # Rounding must not create land beyond the zone's.
    seen = float(area[land].sum())
    observed = min(seen, land_area)
    green_area = min(float(greenness[land].sum()), observed)
    ratio = green_area / observed if observed > 0 else None
    observed_ratio = observed / land_area if land_area > 0 else None
    return GreenStats(
        zone_area_m2=zone.area_m2,
        land_area_m2=land_area,
        observed_area_m2=observed,
        green_area_m2=green_area,
        green_ratio=ratio,
        green_pixel_ratio=min(float(half[land].sum()) / observed, 1.0) if observed > 0 else None,
        interval=interval(ratio, landcover.card, area_m2=observed, observed_ratio=observed_ratio),
        observed_ratio=observed_ratio,
        area_by_class_m2={item.name: float(area[item.code]) for item in landcover.card.classes},
        green_m2_per_inhabitant=_per_inhabitant(green_area, observed_ratio, zone),
        clear_dates_mean=float(dates[land].sum()) / seen if counted and seen > 0 else None,
        seen_once_ratio=min(float(once[land].sum()) / seen, 1.0) if counted and seen > 0 else None,
        dry_ratio=min(float(dry[land].sum()) / observed, 1.0)
        if observed > 0 and "dry_fraction" in landcover.data
        else None,
    )


def _per_inhabitant(green_area_m2: float, observed_ratio: float | None, zone: ZoneShape) -> float | None:
    if zone.population is None or zone.population.count <= 0 or not observed_ratio:
        return None
    return green_area_m2 / observed_ratio / zone.population.count
