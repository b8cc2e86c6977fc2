"""Bands read on a coarse grid, from overviews where there are any: for looking at masks and for checks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterioWindow

from howgreen.core.grid import Window
from howgreen.core.types import Asset
from howgreen.imagery.read._prefetch import prefetch_window
from howgreen.imagery.read._resample import same_crs, shrink
from howgreen.imagery.read.earthengine import Pixels
from howgreen.imagery.read.opener import GDAL_OPTIONS, Files, Image, open_image, opened, wait_for

BEYOND_PX = 4
"""Coarse pixels around a frame that are fetched with it."""
THREADS = 8
"""Scenes read together; the work is waiting for files."""


def read_coarse(
    asset: Asset,
    frame: GeoBox,
    *,
    nodata: float | None,
    float32: bool = False,
    resampling: Resampling = Resampling.nearest,
) -> NDArray[Any]:
    """Values of a band on a coarse grid, by the nearest pixel unless told otherwise, from overviews where there are any.

    Outside the file: ``nodata``, or NaN with ``float32``.
    """
    with rasterio.Env(**GDAL_OPTIONS), opened(asset) as full, _overview(full, asset, frame) as dataset:
        options: dict[str, Any] = {"dtype": "float32", "nodata": float("nan")} if float32 else {"nodata": nodata}
        with WarpedVRT(
            dataset,
            crs=str(frame.crs),
            transform=frame.affine,
            height=frame.shape[0],
            width=frame.shape[1],
            resampling=resampling,
            src_nodata=nodata,
            **options,
        ) as view:
            values: NDArray[Any] = view.read(asset.index)
            return values


def read_means(asset: Asset, frame: GeoBox, *, nodata: float | None, files: Files | None = None) -> NDArray[np.float32]:
    """Return the means of a band's pixels over the cells of a coarse grid, NaN where there are no data.

    Files on this computer that lie straight on the grid's own coordinates are not warped, which takes a fifth of the time.
    """
    with rasterio.Env(**GDAL_OPTIONS), opened(asset, files) as image:
        at = None if image.remote or image.hidden is not None else _straight(image.dataset, frame)
        if at is not None:
            return _decimated(image, asset.index, frame, at, nodata)
    return read_coarse(asset, frame, nodata=nodata, float32=True, resampling=Resampling.average)


def _straight(dataset: Any, frame: GeoBox) -> tuple[float, float, float] | None:
    """Find row and column of the file at the frame's corner, and pixels to a cell; None where the frame lies across."""
    source, target = dataset.transform, frame.affine
    if dataset.driver != "GTiff" or not same_crs(dataset.crs.to_wkt(), str(frame.crs)):
        return None
    if any((source.b, source.d, target.b, target.d)) or source.a <= 0 or source.e >= 0:
        return None
    k, k_y = target.a / source.a, target.e / source.e
    row, column = (target.f - source.f) / source.e, (target.c - source.c) / source.a
    return (row, column, k) if k >= 1 and abs(k - k_y) < 1e-6 * k else None


def _decimated(
    image: Image, index: int, frame: GeoBox, at: tuple[float, float, float], nodata: float | None
) -> NDArray[np.float32]:
    """Read the cells that lie wholly inside a file; one that reaches beyond its edge shows its neighbour inside."""
    row, column, k = at
    out = np.full(frame.shape, np.nan, np.float32)
    spans = []
    for start, cells, pixels in zip((row, column), frame.shape, image.dataset.shape, strict=True):
        first, last = max(0, math.ceil(-start / k - 1e-6)), min(cells, math.floor((pixels - start) / k + 1e-6))
        if first >= last:
            return out
        spans.append((first, last))
    (top, bottom), (left, right) = spans
    where = RasterioWindow(column + left * k, row + top * k, (right - left) * k, (bottom - top) * k)
    values = image.dataset.read(
        index, window=where, out_shape=(bottom - top, right - left), resampling=Resampling.average
    ).astype(np.float32)
    if nodata is not None:
        values[values == nodata] = np.nan
    beyond = [(int(first > 0), int(last < cells)) for (first, last), cells in zip(spans, frame.shape, strict=True)]
    grown = np.pad(values, beyond, mode="edge")
    (up, down), (before, after) = beyond
    out[top - up : bottom + down, left - before : right + after] = grown
    return out


@contextmanager
def _overview(full: Image, asset: Asset, frame: GeoBox) -> Iterator[Any]:
    """Open the dataset's coarsest overview that is as fine as the frame, or itself.

    GDAL's warper takes none by itself, and would decode all of a large file.
    """
    factors = full.dataset.overviews(asset.index)
    far = full.dataset.driver == Pixels.driver
    step = shrink(frame, full.dataset.crs.to_wkt(), full.dataset.transform) if factors or far else 1
    level = sum(factor <= step for factor in factors) - 1
    if far:
        with _in_memory(*full.dataset.coarse(2 ** max(0, int(step).bit_length() - 1)), crs=full.dataset.crs) as dataset:
            yield dataset
        return
    image = full if level < 0 else open_image(asset.href, remote=full.remote, overview=level)
    try:
        # The warper may look a little beyond.
        everything = Window(top=0, bottom=frame.shape[0], left=0, right=frame.shape[1]).grown(BEYOND_PX)
        wait_for(prefetch_window(image, asset.index, grid=frame, window=everything))
        yield getattr(image.dataset, "raw", image.dataset)
    finally:
        if image is not full:
            image.dataset.close()


@contextmanager
def _in_memory(values: NDArray[Any], transform: Affine, *, crs: Any) -> Iterator[Any]:
    """Open a dataset of one band that lies in memory."""
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": values.shape[0],
        "width": values.shape[1],
        "dtype": values.dtype,
    }
    with MemoryFile() as file:
        with file.open(**profile, crs=crs, transform=transform) as dataset:
            dataset.write(values, 1)
        with file.open() as dataset:
            yield dataset
