"""Three delineations of an urban ecosystem area (Article 14(4)): a commune, its centres and clusters, and 1 km more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import shapely

from howgreen.core.errors import AreaError, ImageError
from howgreen.core.geometry import polygonal
from howgreen.restoration._maps import LAEA

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

PERI_URBAN_M = 1000.0
"""Article 3(19): at least all areas within 1 km of urban centres and clusters, in the same city or town."""
AREAS: Mapping[str, str] = MappingProxyType(
    {
        "commune": "the whole commune",
        "urban": "its urban centres and urban clusters",
        "peri_urban": "its urban centres and clusters, and all within 1 km of them",
    }
)
"""Delineations of an urban ecosystem area, with their names."""
MOST_CELLS = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Urban centres and clusters of a region."""

    shape: BaseGeometry
    """EPSG:3035."""
    source: str


def clusters_from(files: Sequence[str | Path], *, within: tuple[float, float, float, float]) -> Clusters:
    """Gather urban centres and clusters from Eurostat's 1 km rasters.

    Every cell with a value above 0 that is not no data belongs to one.

    Parameters
    ----------
    files
        GeoTIFFs in EPSG:3035.
    within
        West, south, east, north (EPSG:3035): cells outside are ignored.

    Raises
    ------
    ImageError
        A file is missing, has another projection, or has no cluster cell at all.
    """
    shapes = [_cells(str(file), within) for file in files]
    return Clusters(shape=shapely.union_all(shapes), source=", ".join(Path(str(file)).name for file in files))


def _cells(name: str, within: tuple[float, float, float, float]) -> BaseGeometry:
    import rasterio
    from pyproj import CRS
    from rasterio.errors import RasterioError
    from rasterio.features import shapes
    from rasterio.windows import Window, from_bounds

    if "://" in name or not Path(name).exists():
        raise ImageError(f"{name}: no such file; give the raster of urban centres or clusters")
    try:
        with rasterio.open(name) as file:
            if file.crs is None or not CRS.from_user_input(file.crs).equals(
                CRS.from_user_input(LAEA), ignore_axis_order=True
            ):
                raise ImageError(f"{name}: does not lie in {LAEA}; give Eurostat's grid as it is published")
            if not 100 <= abs(file.transform.a) <= 1000:
                raise ImageError(f"{name}: has cells of {abs(file.transform.a):g} m; clusters come in cells of 1 km")
            whole = Window(0, 0, file.width, file.height)
            part = from_bounds(*within, transform=file.transform).round_offsets().round_lengths(op="ceil")
            part = Window(part.col_off - 1, part.row_off - 1, part.width + 2, part.height + 2)
            if not rasterio.windows.intersect(part, whole):
                return shapely.Polygon()
            part = part.intersection(whole)
            if part.width * part.height > MOST_CELLS:
                raise ImageError(
                    f"{name}: {part.width} x {part.height} cells are too many; cut the file to your country"
                )
            cells = file.read(1, window=part, masked=True)
            marked = np.asarray(cells.filled(0) > 0, np.uint8)
            found = shapes(marked, mask=marked > 0, transform=file.window_transform(part))
            return shapely.union_all([shapely.geometry.shape(shape) for shape, _ in found])
    except RasterioError as error:
        raise ImageError(f"{name}: cannot be read ({str(error).splitlines()[0][:160]}); fetch it again") from error


def zones_of(commune: BaseGeometry, clusters: Clusters | None) -> dict[str, BaseGeometry]:
    """Delineate the areas of one commune (EPSG:3035), by the keys of :data:`AREAS`; without clusters only the whole.

    Clusters that reach beyond the commune count only inside it, and the 1 km is drawn around that part.

    Raises
    ------
    AreaError
        The commune has no area.
    """
    whole = polygonal(commune)
    if whole.is_empty:
        raise AreaError("the commune has no area; give polygons")
    if clusters is None:
        return {"commune": whole}
    urban = polygonal(shapely.intersection(whole, clusters.shape))
    around = polygonal(shapely.intersection(whole, shapely.buffer(urban, PERI_URBAN_M, quad_segs=32)))
    return {"commune": whole, "urban": urban, "peri_urban": around}
