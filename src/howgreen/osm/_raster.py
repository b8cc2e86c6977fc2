"""Rasterise green polygons to a 0/1 map on the city's grid."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from rasterio.errors import RasterioError

from howgreen.core import cog
from howgreen.core.errors import AreaError, OutputError
from howgreen.core.files import PREFIX, atomic_path
from howgreen.core.geometry import project
from howgreen.core.grid import chunk_sizes, grid, inside, windows
from howgreen.core.types import UNSEEN

if TYPE_CHECKING:
    import geopandas as gpd
    from odc.geo.geobox import GeoBox

    from howgreen.core.types import City, Progress

_BLOCK_PX = 2048
_MOST_PX = 4e9
_COLOURS = {0: (214, 208, 196, 255), 1: (46, 125, 50, 255), UNSEEN: (0, 0, 0, 0)}


def green_raster(
    areas: gpd.GeoDataFrame, city: City, *, out: str | Path, resolution_m: float = 10, progress: Progress | None = None
) -> Path:
    """Write a 0/1 GeoTIFF of the areas: 1 if the pixel's centre lies in one of them.

    The centre decides, not half of the cover: summed over many pixels it is unbiased for any shape.

    Parameters
    ----------
    areas
        EPSG:4326 polygons; overlaps count once.
    city
        Determines the grid (its UTM zone, snapped to multiples of the resolution) and the limits.
    out
        The file: uint8, 0 = not mapped as green, 1 = green, 255 (nodata) = centre outside the city; cloud-optimised,
        with a colour table. An existing file is replaced only once the new one is complete.
    resolution_m
        Pixel size in metres.
    progress
        Called with ``("green raster", blocks done, blocks in all)``.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    OutputError
        When the file cannot be written.
    AreaError
        When the resolution does not suit the city.

    """
    out, frame = Path(out), grid(city, resolution_m=resolution_m)
    height, width = frame.shape
    if height * width > _MOST_PX:
        raise AreaError(
            f"resolution {resolution_m:g} m: {width:,} x {height:,} pixels for {city.label}; give a coarser one"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=PREFIX) as folder, atomic_path(out) as final:
            plain = Path(folder, "plain.tif")
            with cog.plain_raster(plain, frame, dtype="uint8", nodata=UNSEEN, compress="DEFLATE") as target:
                _describe(target, areas)
                _fill(target, areas, city, frame, progress)
            # The mean of 0 and 1 is neither: overviews use the mode.
            cog.pack(plain, final, {"overview_resampling": "MODE"})
    except (OSError, RasterioError) as error:
        raise OutputError(f"{out}: cannot be written ({error}); choose another place or make room") from error
    return out


def _describe(target: Any, areas: gpd.GeoDataFrame) -> None:
    target.set_band_description(1, "green")
    target.write_colormap(1, _COLOURS)
    licence = areas.attrs.get("licence", "")
    target.update_tags(values="0 = not mapped as green, 1 = mapped as green, 255 = outside the city", licence=licence)


def _fill(target: Any, areas: gpd.GeoDataFrame, city: City, frame: GeoBox, progress: Progress | None) -> None:
    """Write block by block, so that memory does not grow with the city."""
    from rasterio.windows import Window

    limits = project(city.boundary, city.crs)
    shapes = np.array([project(shape, city.crs) for shape in areas.geometry], dtype=object)
    tree = shapely.STRtree(shapes)
    blocks = windows(*(chunk_sizes(size, _BLOCK_PX) for size in frame.shape)).values()
    for done, block in enumerate(blocks, start=1):
        here = frame[block.slices]
        green = inside(shapes[tree.query(shapely.box(*here.boundingbox.bbox))], here)
        values = np.where(inside(limits, here), green, np.uint8(UNSEEN)).astype(np.uint8)
        target.write(values, 1, window=Window.from_slices(*block.slices))
        if progress:
            progress("green raster", done, len(blocks))
