"""Bands read on a coarse grid, from overviews where there are any: for looking at masks and for checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT

from howgreen.core.grid import Window
from howgreen.core.types import Asset
from howgreen.imagery.read._prefetch import prefetch_window
from howgreen.imagery.read._resample import shrink
from howgreen.imagery.read.earthengine import Pixels
from howgreen.imagery.read.opener import GDAL_OPTIONS, Image, open_image, opened, wait_for

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
