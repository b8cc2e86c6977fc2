"""Footprint of an image: the outline of its valid pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.affinity import affine_transform

from howgreen.core.errors import ImageError
from howgreen.core.geometry import polygonal, to_lonlat

if TYPE_CHECKING:
    import numpy.typing as npt
    from odc.geo.geobox import GeoBox

LARGEST_SIDE_PX = 512
"""Larger images are outlined by blocks of pixels; a block with any valid pixel counts."""
MOST_VERTICES = 400


def valid(values: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    """Find the pixels that hold data: neither ``nodata`` nor NaN."""
    has_data: npt.NDArray[np.bool_] = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(values.shape, np.bool_)
    if nodata is not None and nodata == nodata:
        has_data &= values != nodata
    return has_data


def outline(mask: npt.NDArray[np.bool_], grid: GeoBox) -> Polygon | MultiPolygon:
    """Outline the true pixels, EPSG:4326, holes filled; never smaller than the data, slightly larger at most.

    Parameters
    ----------
    mask
        (y, x) on ``grid``.
    grid
        Any CRS, also rotated.

    Returns
    -------
    Polygon or MultiPolygon
        Empty when no pixel is true. Split where it crosses the antimeridian.

    """
    from rasterio.features import shapes

    if grid.crs is None or not (grid.crs.geographic or grid.crs.projected):
        raise ImageError(f"CRS {str(grid.crs)[:60]!r} has no place on Earth; reproject the image with `gdalwarp`")
    height, width = mask.shape
    step = -(-max(height, width) // LARGEST_SIDE_PX)
    coarse = _any_in_blocks(mask, step)
    parts = [Polygon(geom["coordinates"][0]) for geom, value in shapes(coarse.astype(np.uint8), coarse, 4) if value]
    if not parts:
        return Polygon()
    pixels = affine_transform(_simple(parts), [step, 0, 0, step, 0, 0]).intersection(shapely.box(0, 0, width, height))
    a, b, c, d, e, f = grid.affine[:6]
    mapped = affine_transform(pixels, [a, b, d, e, c, f])
    # A decimetre of simplification is harmless and saves dozens of vertices.
    return polygonal(to_lonlat(mapped, grid.crs.to_wkt()).simplify(1e-6))


def _any_in_blocks(mask: npt.NDArray[np.bool_], step: int) -> npt.NDArray[np.bool_]:
    """Reduce each block of ``step`` x ``step`` to one pixel: whether any is true."""
    if step <= 1:
        return mask
    rows = np.logical_or.reduceat(mask, np.arange(0, mask.shape[0], step), axis=0)
    found: npt.NDArray[np.bool_] = np.logical_or.reduceat(rows, np.arange(0, mask.shape[1], step), axis=1)
    return found


def _simple(parts: list[Polygon]) -> Polygon | MultiPolygon:
    """Cover the parts with few vertices: by their union, or else by their convex hull."""
    whole = polygonal(shapely.union_all(parts))
    if shapely.get_num_coordinates(whole) > MOST_VERTICES:
        whole = polygonal(whole.buffer(1, join_style="mitre").simplify(1))
    if shapely.get_num_coordinates(whole) > MOST_VERTICES:
        whole = polygonal(shapely.convex_hull(shapely.union_all(parts)))
    return whole
