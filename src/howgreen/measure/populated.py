"""Greenness of inhabited ground, on a population raster's own cells.

Population counts are never resampled: the limits and the mapped green are aggregated to the raster's cells. A cell cut
by the limits keeps the share of its people that equals its area share inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import AreaError
from howgreen.core.geometry import project, transformer
from howgreen.core.grid import chunk_sizes, windows
from howgreen.core.types import UNSEEN
from howgreen.measure.coverage import coverage_windows, covered_share

if TYPE_CHECKING:
    from affine import Affine
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import City, LandCover

LEAST_PEOPLE, WHOLE_CELL_M2 = 1.0, 10_000.0
"""A one-hectare cell with fewer people is not inhabited, smaller ones in proportion: population models put a thousandth
of a person into forests."""


@dataclass(frozen=True, kw_only=True)
class People:
    """People per cell of a regular, north-up raster."""

    count: npt.NDArray[np.float64]
    """(y, x) people in each cell; 0 where nobody lives or the number is unknown."""
    transform: Affine
    crs: str
    source: str
    """The file's name."""
    covered: float = 1.0
    """Share of the limits that the raster covers."""
    alike: float | None = None
    """The one value that all inhabited cells hold; None if they hold several."""


@dataclass(frozen=True, kw_only=True)
class Populated:
    """Greenness where people live."""

    source: str
    people: float
    """People inside the limits."""
    cells: int
    """Inhabited cells that the limits reach."""
    green_ratio: float | None
    """Green share of the seen land in inhabited cells; None if none of it was seen."""
    mean_green: float | None
    """Population-weighted mean of the green share of the seen land in each cell."""


def populated(landcover: LandCover, city: City, people: People) -> Populated:
    """Measure the green of the inhabited cells.

    A pixel belongs to the cell that contains its exactly projected centre, weighted by its share inside the limits.
    Water and unseen ground count in neither half of the ratio, as everywhere.

    Raises
    ------
    AreaError
        The raster does not reach the limits, or has nobody there.
    """
    ground = city.boundary if city.land is None else city.land
    inside = covered_share(project(ground, people.crs), people.count.shape, people.transform)
    cell = abs(people.transform.a * people.transform.e)
    cell_m2 = cell * project(ground, str(landcover.grid.crs)).area / project(ground, people.crs).area
    lived_in = (people.count >= LEAST_PEOPLE * min(cell_m2 / WHOLE_CELL_M2, 1.0)) & (inside > 0)
    if not lived_in.any():
        raise AreaError(f"{people.source}: nobody lives in {city.label} by it; give a raster of people that covers it")
    here = people.count * inside
    green, land = _by_cell(landcover, ground, people)
    seen = lived_in & (land > 0)
    share = np.divide(green, land, out=np.zeros_like(green), where=land > 0)
    return Populated(
        source=people.source,
        people=float(here.sum()),
        cells=int(lived_in.sum()),
        green_ratio=float(green[seen].sum() / land[seen].sum()) if seen.any() else None,
        mean_green=float((here * share)[seen].sum() / here[seen].sum()) if seen.any() else None,
    )


def _by_cell(landcover: LandCover, ground: BaseGeometry, people: People) -> tuple[Any, Any]:
    """Sum green and seen land of each cell, in pixels of the land cover."""
    grid, data = landcover.grid, landcover.data
    shape = project(ground, str(grid.crs))
    move = transformer(str(grid.crs), people.crs)
    totals = np.zeros((2, people.count.size))
    label, fraction = data["label"].transpose("y", "x"), data["green_fraction"].transpose("y", "x")
    water = np.isin(np.arange(256), landcover.water_codes)
    for window in windows(*(label.chunks or tuple(map(chunk_sizes, label.shape)))).values():
        planes = None
        for part in coverage_windows(shape, window, grid.transform):
            if planes is None:
                planes = label[window.slices].values, fraction[window.slices].values
            here = part.window.within(window)
            codes, values = (plane[here].ravel() for plane in planes)
            flat = np.arange(codes.size) if part.pixels is None else np.asarray(part.pixels)
            share = np.ones(codes.size) if part.share is None else np.asarray(part.share)
            codes, values = codes[flat], values[flat]
            seen = ~water[codes] & (codes != UNSEEN) & np.isfinite(values)
            rows, columns = np.unravel_index(flat[seen], part.window.shape)
            x, y = grid.transform @ (part.window.left + columns + 0.5, part.window.top + rows + 0.5)
            column, row = (np.floor(one) for one in ~people.transform @ move.transform(x, y))
            within = (row >= 0) & (row < people.count.shape[0]) & (column >= 0) & (column < people.count.shape[1])
            cell = np.ravel_multi_index((row[within].astype(int), column[within].astype(int)), people.count.shape)
            weight = share[seen][within]
            totals[0] += np.bincount(cell, weights=weight * values[seen][within], minlength=people.count.size)
            totals[1] += np.bincount(cell, weights=weight, minlength=people.count.size)
    return totals[0].reshape(people.count.shape), totals[1].reshape(people.count.shape)
