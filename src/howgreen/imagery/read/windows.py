"""The part of a file that a city needs, byte for byte: for storing, not for viewing."""

from __future__ import annotations

from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS

from howgreen.core.errors import ImageError
from howgreen.core.grid import Window
from howgreen.core.types import Asset
from howgreen.imagery.read import earthengine
from howgreen.imagery.read._resample import file_window
from howgreen.imagery.read.opener import GDAL_OPTIONS, Files, opened
from howgreen.imagery.read.quality import TABLES


def needed(asset: Asset, *, grid: GeoBox, margin_px: int, files: Files | None = None) -> Window | None:
    """Find the window of a file that a composite on a grid reads, margins included; None if they do not meet.

    Snapped outwards to the file's own tiles, which are fetched whole anyway; so averages of a finer file's pixels,
    which are counted from its corner, use the same pixels afterwards.

    Raises
    ------
    ImageError, NetworkError
        The file cannot be opened, or is not a file (Earth Engine's pixels).
    """
    if earthengine.is_pixels(asset.href):
        raise ImageError(f"{asset.href}: Earth Engine's images cannot be kept; use another --catalog")
    whole = Window(top=0, bottom=grid.shape[0], left=0, right=grid.shape[1]).grown(margin_px)
    with rasterio.Env(**GDAL_OPTIONS), opened(asset, files) as image:
        window = file_window(image.dataset, grid, whole)
        if window is None:
            return None
        tile_height, tile_width = image.dataset.block_shapes[asset.index - 1]
        top, bottom = _snapped(window.top, window.bottom, step=tile_height, most=image.dataset.height)
        left, right = _snapped(window.left, window.right, step=tile_width, most=image.dataset.width)
    return Window(top=top, bottom=bottom, left=left, right=right)


def _snapped(first: int, end: int, *, step: int, most: int) -> tuple[int, int]:
    return first // step * step, min(-(-end // step) * step, most)


def request(asset: Asset, window: Window, *, files: Files) -> None:
    """Start fetching the bytes of a window, without waiting; failures are raised by :func:`read_window`."""
    with rasterio.Env(**GDAL_OPTIONS), opened(asset, files) as image:
        image.request(asset.index, window)


def read_window(
    asset: Asset, window: Window, *, nodata: float | None = None, files: Files | None = None
) -> tuple[NDArray[Any], GeoBox]:
    """Read the pixels (y, x) of a window as they are in the file, and the grid they lie on in its own CRS.

    Pixels hidden by a mask, inside the file or beside it, or by an alpha band, become ``nodata``: for integers without
    one 0, else NaN.

    Raises
    ------
    ImageError, NetworkError
        The pixels cannot be read.
    """
    with rasterio.Env(**GDAL_OPTIONS), opened(asset, files) as image:
        masked = image
        if asset.band not in TABLES and image.masks(asset.index):
            empty = image.nodata(asset.index, nodata)
            masked = image.with_mask(np.nan if empty is None else empty)
        values = masked.read(asset.index, window)
        transform: Affine = image.dataset.transform
        crs: CRS = image.dataset.crs
        return values, GeoBox(values.shape, transform @ Affine.translation(window.left, window.top), crs.to_wkt())


def nodata_of(asset: Asset, stated: float | None, *, files: Files) -> float | None:
    """Return the nodata value of a band as :func:`read_window` returns it, where ``stated`` is the file's."""
    with rasterio.Env(**GDAL_OPTIONS), opened(asset, files) as image:
        return stated if asset.band in TABLES else image.nodata(asset.index, stated)


def state(asset: Asset, *, files: Files) -> str:
    """Return the server's version tag of a file (ETag, or date); empty for a local file."""
    with rasterio.Env(**GDAL_OPTIONS), opened(asset, files) as image:
        version = image.remote.version if image.remote else None
    return "" if version is None else version.etag or version.modified
