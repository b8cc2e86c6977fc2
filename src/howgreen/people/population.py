"""Rasters of people as they are published: a count in each cell, on the raster's own grid, which is never warped.

GHS-POP R2023A: people per cell of 100 m in Mollweide (ESRI:54009), no data -200. WorldPop R2025A: people per cell of 3 arc
seconds (EPSG:4326), masked where nobody lives.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import ImageError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

MOST_CELLS = 20_000_000
"""Of a population's grid inside a place: cells of 100 m over 200,000 km2."""
MARGIN_CELLS = 2
_EPOCH = re.compile(r"(?:GHS_POP_E|_pop_|_ppp_|[_-])(19[5-9]\d|20[0-4]\d)(?=[_.-])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class PopulationGrid:
    """Counts of people in the cells around a place."""

    people: npt.NDArray[np.float64]
    """(y, x) people in each cell; 0 where the raster has none, or no data."""
    grid: GeoBox
    """The raster's own cells."""
    source: str
    """File name."""
    year: int | None
    """That the file's name tells."""
    unknown_cells: int
    """Cells without data; nobody is counted there."""


def read_grid(path: Path, shape: BaseGeometry, *, crs: str) -> PopulationGrid:
    """Read the cells around a place.

    Parameters
    ----------
    shape
        The place's limits.
    crs
        Of ``shape``: the raster's own, see :func:`crs_of_grid`.

    Raises
    ------
    ImageError
        Not readable, no CRS, no counts, or none of it near the place.
    """
    import rasterio
    from odc.geo.geobox import GeoBox
    from rasterio.errors import RasterioError
    from rasterio.windows import Window, from_bounds

    try:
        with rasterio.open(path) as file:
            _check(file, path)
            part = from_bounds(*shape.bounds, transform=file.transform)
            top, left = math.floor(part.row_off) - MARGIN_CELLS, math.floor(part.col_off) - MARGIN_CELLS
            bottom = math.ceil(part.row_off + part.height) + MARGIN_CELLS
            right = math.ceil(part.col_off + part.width) + MARGIN_CELLS
            top, left = max(top, 0), max(left, 0)
            bottom, right = min(bottom, file.height), min(right, file.width)
            if bottom <= top or right <= left:
                raise ImageError(f"{path.name}: shows no ground of this place; give the tile that holds it")
            if (bottom - top) * (right - left) > MOST_CELLS:
                raise ImageError(
                    f"{path.name}: {right - left:,} x {bottom - top:,} cells are too many; give a smaller place"
                )
            window = Window(left, top, right - left, bottom - top)
            values = file.read(1, window=window, masked=True).astype(np.float64)
            grid = GeoBox(values.shape, file.window_transform(window), crs)
    except RasterioError as error:
        raise ImageError(f"{path.name}: cannot be read ({str(error).splitlines()[0][:160]}); fetch it again") from error
    people, unknown = _counts(values, path)
    return PopulationGrid(people=people, grid=grid, source=path.name, year=epoch_of(path.name), unknown_cells=unknown)


def _check(file: Any, path: Path) -> None:
    if file.crs is None:
        raise ImageError(f"{path.name}: has no CRS; give the population's raster as it is published")
    if (file.transform.b, file.transform.d) != (0, 0) or file.transform.a <= 0 or file.transform.e >= 0:
        raise ImageError(f"{path.name}: is not north up; give the population's raster as it is published")
    if file.count != 1:
        raise ImageError(f"{path.name}: has {file.count} bands; give the raster of all people, one band")


def _counts(values: Any, path: Path) -> tuple[npt.NDArray[np.float64], int]:
    """Take masked, negative (GHS-POP's -200) and non-finite cells as without data: nobody is counted there."""
    raw = np.ma.getdata(values)
    known = ~np.ma.getmaskarray(values) & np.isfinite(raw) & (raw >= 0)
    if known.any() and float(raw[known].max()) > 1e7:
        raise ImageError(f"{path.name}: {raw[known].max():,.0f} people in one cell cannot be; give a raster of counts")
    return np.where(known, raw, 0.0), int((~known).sum())


def crs_of_grid(path: Path) -> str:
    """Tell the CRS of a raster as text that pyproj reads.

    Raises
    ------
    ImageError
        It cannot be opened, or says none.
    """
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(path) as file:
            if file.crs is None:
                raise ImageError(f"{path.name}: has no CRS; give the population's raster as it is published")
            return str(file.crs.to_wkt())
    except RasterioError as error:
        raise ImageError(f"{path.name}: is no raster that GDAL reads ({str(error).splitlines()[0][:120]})") from error


def epoch_of(name: str) -> int | None:
    """Read the year that a file's name tells: ``GHS_POP_E2025_GLOBE_R2023A_...``, ``fra_pop_2024_CN_100m_R2025A_v1.tif``."""
    found = _EPOCH.search(name)
    return int(found[1]) if found else None
