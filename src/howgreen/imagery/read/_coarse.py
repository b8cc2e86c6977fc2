"""Bands read on a coarse grid, from overviews if there are any: for masks and for checks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
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
from howgreen.core.threads import pool, threads
from howgreen.core.types import Asset, Scene
from howgreen.imagery.read._prefetch import prefetch_window
from howgreen.imagery.read._resample import coarsened, file_window, missing, same_crs, shrink
from howgreen.imagery.read.earthengine import Pixels
from howgreen.imagery.read.opener import GDAL_OPTIONS, Files, Image, is_web, open_image, opened, wait_for
from howgreen.imagery.read.quality import TABLES

BEYOND_PX = 4
"""Coarse pixels around a frame that are fetched with it."""
STRIP_ROWS = 256
"""Rows per strip read at once, then coarsened."""
THREADS = 8
"""Scenes read concurrently; the work is waiting for files."""


def together(scenes: Iterable[Scene]) -> Executor:
    """Return an executor to read scenes: many threads for the web, for local files no more than may compute at once."""
    far = any(is_web(asset.href) for scene in scenes for asset in scene.assets)
    return ThreadPoolExecutor(THREADS) if far else pool(threads(THREADS))


def read_coarse(
    asset: Asset,
    frame: GeoBox,
    *,
    nodata: float | None,
    float32: bool = False,
    resampling: Resampling = Resampling.nearest,
) -> NDArray[Any]:
    """Read a band on a coarse grid, by nearest neighbour unless told otherwise, from overviews if there are any.

    Outside the file: ``nodata``, or NaN with ``float32``.
    """
    fill = float("nan") if float32 else nodata
    with rasterio.Env(**GDAL_OPTIONS), opened(asset) as full, _overview(full, asset, frame) as image:
        if asset.band not in TABLES and full.beside is not None and full.beside.hides(asset.index):
            mean = resampling is Resampling.average
            with _without_hidden(full, image, asset.index, frame, nodata=nodata, fill=fill, mean=mean) as shown:
                return _warped(shown, 1, frame, fill=fill, own=fill, resampling=resampling)
        dataset = getattr(image.dataset, "raw", image.dataset)
        return _warped(dataset, asset.index, frame, fill=fill, own=nodata, resampling=resampling)


def _warped(
    dataset: Any, index: int, frame: GeoBox, *, fill: float | None, own: float | None, resampling: Resampling
) -> NDArray[Any]:
    """Warp a band to a frame: ``own`` is its nodata value, ``fill`` the result's; with NaN the result is float32."""
    with WarpedVRT(
        dataset,
        crs=str(frame.crs),
        transform=frame.affine,
        height=frame.shape[0],
        width=frame.shape[1],
        resampling=resampling,
        src_nodata=own,
        nodata=fill,
        **({"dtype": "float32"} if fill is not None and math.isnan(fill) else {}),
    ) as view:
        values: NDArray[Any] = view.read(index)
        return values


def read_means(asset: Asset, frame: GeoBox, *, nodata: float | None, files: Files | None = None) -> NDArray[np.float32]:
    """Return a band's pixel means over the cells of a coarse grid, NaN without data.

    Local files aligned with the grid's axes are decimated instead of warped, which takes a fifth of the time.
    """
    with rasterio.Env(**GDAL_OPTIONS), opened(asset, files) as image:
        warped = image.remote or image.hidden is not None or image.masks(asset.index)
        at = None if warped else _straight(image.dataset, frame)
        if at is not None:
            return _decimated(image, asset.index, frame, at, nodata)
    return read_coarse(asset, frame, nodata=nodata, float32=True, resampling=Resampling.average)


def _straight(dataset: Any, frame: GeoBox) -> tuple[float, float, float] | None:
    """Find the file's row and column at the frame's corner, and pixels per cell; None if the frame is not aligned."""
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
    """Read the cells that lie wholly inside a file; one across its edge gets the value of its inner neighbour."""
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
def _overview(full: Image, asset: Asset, frame: GeoBox) -> Iterator[Image]:
    """Open an image's coarsest overview that is as fine as the frame, or the image itself.

    GDAL's warper uses no overview by itself, and would decode all of a large file.
    """
    factors = full.dataset.overviews(asset.index)
    far = full.dataset.driver == Pixels.driver
    step = shrink(frame, full.dataset.crs.to_wkt(), full.dataset.transform) if factors or far else 1
    level = sum(factor <= step for factor in factors) - 1
    if far:
        with _in_memory(*full.dataset.coarse(2 ** max(0, int(step).bit_length() - 1)), crs=full.dataset.crs) as dataset:
            yield Image(dataset=dataset)
        return
    image = full if level < 0 else open_image(asset.href, remote=full.remote, overview=level)
    try:
        # The warper may read slightly beyond.
        everything = Window(top=0, bottom=frame.shape[0], left=0, right=frame.shape[1]).grown(BEYOND_PX)
        for index in image.dataset.indexes:  # and warps all bands, whichever one is requested
            wait_for(prefetch_window(image, index, grid=frame, window=everything))
        yield image
    finally:
        if image is not full:
            image.dataset.close()


@contextmanager
def _without_hidden(
    full: Image, image: Image, index: int, frame: GeoBox, *, nodata: float | None, fill: float | None, mean: bool
) -> Iterator[Any]:
    """Open an in-memory copy of a band for a frame, ``fill`` where the external mask hides pixels or there is no data.

    GDAL's warper ignores external masks. Pixels much finer than the frame's are first averaged, or subsampled, by an
    integer factor, strip by strip, so that memory does not grow with the file.
    """
    dataset, mask = image.dataset, full.beside
    if mask is None:
        raise ValueError("nothing is hidden where there is no mask file")
    everything = Window(top=0, bottom=frame.shape[0], left=0, right=frame.shape[1]).grown(BEYOND_PX)
    inner = file_window(dataset, frame, everything) or Window(top=0, bottom=1, left=0, right=1)
    k = min(max(1, shrink(frame, dataset.crs.to_wkt(), dataset.transform) // 2), *dataset.shape)
    (top, bottom), (left, right) = (
        (min(first // k, size // k - 1) * k, min(-(-end // k), size // k) * k)
        for first, end, size in zip((inner.top, inner.left), (inner.bottom, inner.right), dataset.shape, strict=True)
    )
    strips = []
    for row in range(top, bottom, STRIP_ROWS * k):
        strip = Window(top=row, bottom=min(row + STRIP_ROWS * k, bottom), left=left, right=right)
        values = image.read(index, strip)
        shown = (
            mask.shown(index, strip)
            if image is full
            else mask.shown_smaller(index, _in_full(full, image, strip), strip.shape)
        )
        valid = shown & ~missing(values, nodata)
        if mean:
            values, valid = coarsened(values, valid, k)
        else:
            values, valid = (one[k // 2 :: k, k // 2 :: k] for one in (values, valid))
        strips.append(np.where(valid, values, values.dtype.type(0) if fill is None else fill))
    floats = mean or (fill is not None and math.isnan(fill))
    shrunk = np.concatenate(strips).astype(np.float32 if floats else dataset.dtypes[index - 1])
    transform = dataset.transform @ Affine.translation(left, top) @ Affine.scale(k)
    with _in_memory(shrunk, transform, crs=dataset.crs) as made:
        yield made


def _in_full(full: Image, overview: Image, window: Window) -> Window:
    """Convert a window of an overview to the window of the full image."""
    down, across = (whole / part for whole, part in zip(full.dataset.shape, overview.dataset.shape, strict=True))
    return Window(
        top=round(window.top * down),
        bottom=round(window.bottom * down),
        left=round(window.left * across),
        right=round(window.right * across),
    )


@contextmanager
def _in_memory(values: NDArray[Any], transform: Affine, *, crs: Any) -> Iterator[Any]:
    """Open a single-band in-memory dataset."""
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
