"""A population raster that a user has: people by cell, read as they are."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from howgreen.core.errors import ImageError
from howgreen.core.geometry import project
from howgreen.core.warnings import Caution, warn
from howgreen.core.words import plain
from howgreen.measure.populated import People, populated
from howgreen.report.figures import PopulatedFigures

if TYPE_CHECKING:
    from howgreen.core.types import City
    from howgreen.pipeline.result import CityResult

MOST_CELLS = 50_000_000
_EPOCH = re.compile(r"(?:GHS_POP_E|_pop_|_ppp_|[_-])(19[5-9]\d|20[0-4]\d)(?=[_.-])", re.IGNORECASE)
MOST_APART = 2.0
"""Times by which the raster's people may differ from the number that the place is known by, before it is told."""


def read_people(path: Path, city: City) -> People:
    """Read the cells of a GeoTIFF of people (WorldPop, GHS-POP, GPW: counts, not densities) around a city's limits.

    Raises
    ------
    ImageError
        No such raster, several bands, turned, without a CRS, away from the limits, or too many cells.
    """
    from rasterio.windows import Window

    from howgreen.store.sources import opened

    with opened(path) as dataset:
        crs = dataset.crs.to_wkt()
        if dataset.count != 1:
            raise ImageError(f"{path}: has {dataset.count} bands; give a raster of one band, the people in each cell")
        affine = dataset.transform
        if affine.b or affine.d or affine.a <= 0 or affine.e >= 0:
            raise ImageError(f"{path}: is turned or not north-up; a count cannot be warped, so give one that is not")
        west, south, east, north = project(city.boundary, crs).bounds
        columns, rows = ~affine @ (np.array([west, east]), np.array([north, south]))
        left, top = max(math.floor(columns[0]), 0), max(math.floor(rows[0]), 0)
        right, bottom = min(math.ceil(columns[1]), dataset.width), min(math.ceil(rows[1]), dataset.height)
        if left >= right or top >= bottom:
            raise ImageError(f"{path}: does not reach {city.label}; give the raster that covers it")
        if (cells := (right - left) * (bottom - top)) > MOST_CELLS:
            raise ImageError(f"{path}: {cells:,} cells around the limits are too many; give a coarser raster")
        window = Window(left, top, right - left, bottom - top)
        count = dataset.read(1, window=window, masked=True).astype(np.float64).filled(0.0)
        return People(
            count=np.where(np.isfinite(count) & (count > 0), count, 0.0),
            transform=dataset.window_transform(window),
            crs=crs,
            source=path.name,
        )


def with_population(result: CityResult, path: Path) -> tuple[CityResult, PopulatedFigures]:
    """Measure the green of the ground on which people live, for the report; what is doubtful about them goes into the result.

    Raises
    ------
    ImageError
        As :func:`read_people`.
    AreaError
        Nobody lives inside the limits by this raster.
    """
    city = result.plan.city
    found = populated(result.landcover, city, read_people(path, city))
    told = doubts(found.source, found.people, city)
    warn(*told)
    return replace(result, warnings=(*result.warnings, *told)), PopulatedFigures(
        source=found.source,
        people=round(found.people),
        cells=found.cells,
        green_ratio=found.green_ratio,
        mean_green=found.mean_green,
    )


def doubts(source: str, people: float, city: City) -> tuple[Caution, ...]:
    """Compare the people of a population inside the limits with the number that the place is known by."""
    known = city.population
    if known is None or not known.count or 1 / MOST_APART < people / known.count < MOST_APART:
        return ()
    text = (
        f"{source} has {people:,.0f} people inside the limits, and {known.source} has {known.count:,} ({known.year}); "
        "are its numbers people by cell, and not a density?"
    )
    return (Caution("population-doubtful", plain(text)),)


def epoch_of(name: str) -> int | None:
    """Read the year that a file's name tells: ``GHS_POP_E2025_GLOBE_R2023A_...``, ``fra_pop_2024_CN_100m_R2025A_v1.tif``."""
    found = _EPOCH.search(name)
    return int(found[1]) if found else None
