"""A user's population raster: people per cell, read without resampling."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely

from howgreen.core.errors import ImageError
from howgreen.core.geometry import project
from howgreen.core.warnings import Caution, warn
from howgreen.core.words import plain
from howgreen.measure.populated import People, populated
from howgreen.report.figures import PopulatedFigures

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from howgreen.core.types import City
    from howgreen.pipeline.result import CityResult

MOST_CELLS = 50_000_000
_EPOCH = re.compile(r"(?:GHS_POP_E|_pop_|_ppp_|[_-])(19[5-9]\d|20[0-4]\d)(?=[_.-])", re.IGNORECASE)
_DENSITY = re.compile(r"densit|dichte|densidad|(?:^|[_-])pd(?:[_-]|$)", re.IGNORECASE)
"""Names of rasters and columns of people per square kilometre: ``gpw_v4_population_density_rev11``, WorldPop's
``fra_pd_2020_1km``."""
MOST_DENSE, IMPOSSIBLE = 50_000.0, 1_000_000.0
"""People per km² of the limits: above the first it is doubted (the densest cities have 45,000), above the second
impossible."""
FEWEST_ALIKE = 20
"""Number of inhabited cells that, all with the same value, are doubted; with no empty cell among them they cannot be
counts.

Some rasters spread the people of a census area evenly over settled ground (Meta's and CIESIN's High Resolution
Settlement Layer): around a village within one area, all settled cells then have the same value, and all others none.
"""
LEAST_COVERED = 0.99
"""Share of the limits that a raster must cover; beyond it nobody is counted."""
MOST_APART = 2.0
"""Ratio between the raster's people and the place's known population above which a warning is given."""


def read_people(path: Path, city: City) -> People:
    """Read the cells of a GeoTIFF of people (WorldPop, GHS-POP, GPW: counts, not densities) around a city's limits.

    Raises
    ------
    ImageError
        The raster is missing, has several bands, is rotated, has no CRS, lies off the limits, has too many cells, or
        one value in all of them.
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
        count = np.where(np.isfinite(count) & (count > 0), count, 0.0)
        alike = _alike(count)
        if alike is not None and (count > 0).all():
            raise ImageError(
                f"{path}: holds {alike:g} in all cells around {city.label}, and no cell without people; give counts of people, or areas with "
                "a number each (--population-column)"
            )
        limits = project(city.boundary, crs)
        edges = [affine @ corner for corner in ((0, dataset.height), (dataset.width, 0))]
        covered = shapely.intersection(limits, shapely.box(*edges[0], *edges[1])).area / limits.area
        return People(
            count=count,
            covered=covered,
            alike=alike,
            transform=dataset.window_transform(window),
            crs=crs,
            source=path.name,
        )


def _alike(count: npt.NDArray[np.float64]) -> float | None:
    """Return the single value of all inhabited cells (y, x); None if there are several, or few cells."""
    people = count[count > 0]
    return float(people[0]) if people.size >= FEWEST_ALIKE and people.min() == people.max() else None


def with_population(result: CityResult, path: Path) -> tuple[CityResult, PopulatedFigures]:
    """Measure the green of inhabited ground for the report; doubts about the population are added to the result.

    Raises
    ------
    ImageError
        As :func:`read_people`.
    AreaError
        This raster has nobody inside the limits.
    """
    city = result.plan.city
    given = read_people(path, city)
    found = populated(result.landcover, city, given)
    told = (
        *doubts(found.source, found.people, city, covered=given.covered, alike=given.alike),
        *of_density(found.source),
    )
    warn(*told)
    return replace(result, warnings=(*result.warnings, *told)), PopulatedFigures(
        source=found.source,
        people=round(found.people),
        cells=found.cells,
        green_ratio=found.green_ratio,
        mean_green=found.mean_green,
    )


def doubts(
    source: str, people: float, city: City, *, covered: float = 1.0, alike: float | None = None
) -> Iterator[Caution]:
    """Yield doubts about the population inside the limits: number against the known one, density, coverage, evenness.

    Parameters
    ----------
    covered
        Share of the limits that it has cells or areas on.
    alike
        The one value that all inhabited cells hold, if so.

    Raises
    ------
    ImageError
        The density is impossible.
    """
    if covered < LEAST_COVERED:
        text = f"{source} reaches over {100 * covered:.0f} % of the limits; nobody is counted beyond"
        yield Caution("population-doubtful", text)
    if alike is not None:
        text = (
            f"{source} holds {alike:g} in all cells with people: they are spread evenly over what is settled, or these are no counts, but marks "
            "of where it is settled"
        )
        yield Caution("population-doubtful", text)
    by_km2 = people / (city.area_m2 / 1e6)
    if by_km2 > IMPOSSIBLE:
        raise ImageError(
            f"{source}: {by_km2:,.3g} people per km² inside the limits, as many as live nowhere; give counts of people"
        )
    if by_km2 > MOST_DENSE:
        text = (
            f"{source} has {by_km2:,.0f} people per km² inside the limits, more than any city; are its numbers people per cell, and not a "
            "density?"
        )
        yield Caution("population-doubtful", plain(text))
    known = city.population
    if known is not None and known.count and not 1 / MOST_APART < people / known.count < MOST_APART:
        text = (
            f"{source} has {people:,.0f} people inside the limits, and {known.source} has {known.count:,} ({known.year}); "
            "are its numbers people per cell, and not a density?"
        )
        yield Caution("population-doubtful", plain(text))


def of_density(name: str) -> tuple[Caution, ...]:
    """Doubt a raster or a column named as a density."""
    if not _DENSITY.search(name):
        return ()
    return (
        Caution(
            "population-doubtful",
            f"{name} is a density by its name, and is taken for people per cell; give counts of people",
        ),
    )


def epoch_of(name: str) -> int | None:
    """Read the year from a file's name: ``GHS_POP_E2025_GLOBE_R2023A_...``, ``fra_pop_2024_CN_100m_R2025A_v1.tif``."""
    found = _EPOCH.search(name)
    return int(found[1]) if found else None
