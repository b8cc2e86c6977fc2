"""Green polygons become a 0/1 map on the city's grid."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.features
import rasterio.shutil
import shapely
from affine import Affine
from rasterio.errors import RasterioError
from rasterio.windows import Window

from howgreen.core.errors import AreaError, OutputError
from howgreen.core.types import UNSEEN

if TYPE_CHECKING:
    import numpy.typing as npt

    from howgreen.core.types import City, Progress

_BLOCK_PX = 2048
_MOST_PX = 4e9
_COLOURS = {0: (214, 208, 196, 255), 1: (46, 125, 50, 255), UNSEEN: (0, 0, 0, 0)}


def green_raster(
    areas: gpd.GeoDataFrame, city: City, *, out: str | Path, resolution_m: float = 10, progress: Progress | None = None
) -> Path:
    """A 0/1 GeoTIFF of the areas: 1 where the pixel's centre lies in one of them.

    The centre decides, not half of the cover: summed over many pixels it has no bias, whatever the shapes.

    Parameters
    ----------
    areas
        EPSG:4326 polygons; overlaps count once.
    city
        Gives the grid (its UTM zone, snapped to multiples of the resolution) and the limits.
    out
        The file: uint8, 0 = not mapped as green, 1 = green, 255 (nodata) = centre outside the city;
        cloud-optimised, with a colour table. Replaced if it exists, and only once the new one is whole.
    resolution_m
        Pixel size in metres.
    progress
        Told ``("green raster", blocks done, blocks in all)``.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    OutputError
        When the file cannot be written.
    AreaError
        When the resolution is no good for the city.

    """
    out = Path(out)
    limits = gpd.GeoSeries([city.boundary], crs="EPSG:4326").to_crs(city.crs)
    shapes = areas.geometry.to_crs(city.crs).to_numpy()
    transform, width, height = _grid(limits.total_bounds, resolution_m=resolution_m, label=city.label)
    profile: dict[str, Any] = {
        "driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": "uint8", "nodata": UNSEEN,
        "crs": city.crs, "transform": transform, "tiled": True, "compress": "deflate", "bigtiff": "if_safer",
    }  # fmt: skip
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
            plain, cloud = Path(folder, "plain.tif"), Path(folder, "cloud.tif")
            with rasterio.open(plain, "w", **profile) as target:
                _describe(target, areas)
                _fill(target, shapes, limits.iloc[0], progress)
            # The mean of 0 and 1 is neither: overviews take the commonest value.
            rasterio.shutil.copy(plain, cloud, driver="COG", compress="DEFLATE", overview_resampling="MODE")
            os.replace(cloud, out)  # noqa: PTH105 (Path.replace says the same; this name is what atomic means)
    except (OSError, RasterioError) as error:
        raise OutputError(f"{out}: cannot be written ({error}); choose another place or make room") from error
    return out


def _grid(bounds: npt.NDArray[np.float64], *, resolution_m: float, label: str) -> tuple[Affine, int, int]:
    """Transform, width and height of the city's bounds, widened to multiples of the resolution."""
    if not (math.isfinite(resolution_m) and resolution_m > 0):
        raise AreaError(f"resolution {resolution_m:g} m: give a number of metres above 0")
    west, south = (math.floor(bound / resolution_m) for bound in bounds[:2])
    east, north = (math.ceil(bound / resolution_m) for bound in bounds[2:])
    width, height = east - west, north - south
    if width * height > _MOST_PX:
        raise AreaError(f"resolution {resolution_m:g} m: {width:,} x {height:,} pixels for {label}; give a coarser one")
    return Affine(resolution_m, 0, west * resolution_m, 0, -resolution_m, north * resolution_m), width, height


def _describe(target: Any, areas: gpd.GeoDataFrame) -> None:
    target.set_band_description(1, "green")
    target.write_colormap(1, _COLOURS)
    licence = areas.attrs.get("licence", "")
    target.update_tags(values="0 = not mapped as green, 1 = mapped as green, 255 = outside the city", licence=licence)


def _fill(target: Any, shapes: npt.NDArray[np.object_], limits: shapely.Geometry, progress: Progress | None) -> None:
    """Write block by block: memory does not grow with the city."""
    tree = shapely.STRtree(shapes)
    windows = [
        Window(x, y, min(_BLOCK_PX, target.width - x), min(_BLOCK_PX, target.height - y))
        for y in range(0, target.height, _BLOCK_PX)
        for x in range(0, target.width, _BLOCK_PX)
    ]
    for done, window in enumerate(windows, start=1):
        corner = _corner(target.transform, window)
        inside = _burnt([limits], corner, window)
        green = _burnt(list(shapes[tree.query(_bounds(corner, window))]), corner, window)
        target.write(np.where(inside, green, np.uint8(UNSEEN)).astype("uint8"), 1, window=window)
        if progress:
            progress("green raster", done, len(windows))


def _corner(transform: Affine, window: Window) -> Affine:
    """The window's own transform."""
    x, y = transform.c + window.col_off * transform.a, transform.f + window.row_off * transform.e
    return Affine(transform.a, 0, x, 0, transform.e, y)


def _bounds(corner: Affine, window: Window) -> shapely.Polygon:
    south, east = corner.f + window.height * corner.e, corner.c + window.width * corner.a
    return shapely.box(corner.c, south, east, corner.f)


def _burnt(shapes: list[shapely.Geometry], transform: Affine, window: Window) -> npt.NDArray[np.uint8]:
    """1 where a pixel's centre lies in a shape."""
    shape = (int(window.height), int(window.width))
    if not shapes:
        return np.zeros(shape, dtype="uint8")
    burnt: npt.NDArray[np.uint8] = rasterio.features.rasterize(
        shapes, out_shape=shape, transform=transform, dtype="uint8"
    )
    return burnt
