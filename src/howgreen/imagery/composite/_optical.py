"""From scenes to a cloud-free composite, lazily: each block of the grid is one task that holds all its dates.

Blocks are aligned with the files' own tiles (multiples of ``block_px`` from the first file's corner), so that each tile
is decoded once; the first row and column of blocks are therefore smaller. No pixel depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen.core.acquisitions import Acquisitions
from howgreen.core.grid import Window, windows
from howgreen.core.types import Scene
from howgreen.imagery.composite import _median
from howgreen.imagery.composite._blocks import corner_of, layout, prefetch_for, prepared
from howgreen.imagery.composite._sky import Sky
from howgreen.imagery.composite._stack import BufferPool, read_stack
from howgreen.imagery.read._prefetch import Prefetch
from howgreen.imagery.read.opener import Files

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import xarray as xr

BLOCK_PX = 1024


def _composite_block(
    acquisitions: Acquisitions,
    grid: GeoBox,
    window: Window,
    bands: tuple[str, ...],
    prefetch: Prefetch,
    buffers: BufferPool,
    sky: Sky,
) -> tuple[_median.Int16s, NDArray[np.uint8]]:
    with buffers.borrow((len(acquisitions), len(bands), *window.shape)) as buffer:
        prefetch.wait(window)
        stack = read_stack(
            acquisitions, grid=grid, window=window, bands=bands, files=prefetch.files, buffer=buffer, sky=sky
        )
        return _median.median(stack.planes, stack.clear, shifts=stack.shifts)


def _load_block(
    acquisitions: Acquisitions,
    grid: GeoBox,
    window: Window,
    bands: tuple[str, ...],
    prefetch: Prefetch,
    buffers: BufferPool,
    sky: Sky,
) -> NDArray[np.float32]:
    out = np.empty((len(acquisitions), len(bands), *window.shape), np.float32)
    with buffers.borrow(out.shape) as buffer:
        prefetch.wait(window)
        stack = read_stack(
            acquisitions, grid=grid, window=window, bands=bands, files=prefetch.files, buffer=buffer, sky=sky
        )
        for t, planes in enumerate(stack.planes):
            for b, plane in enumerate(planes):
                codes = _median.shifted(plane, stack.shifts[t]) if plane.dtype == np.uint16 else plane
                np.divide(codes, np.float32(1 / _median.STEP), out=out[t, b])
            out[t][:, ~stack.clear[t]] = np.nan
    return out


def composite_scaled(
    scenes: Sequence[Scene],
    *,
    grid: GeoBox,
    bands: Sequence[str],
    block_px: int = BLOCK_PX,
    aside: Executor | None = None,
) -> xr.Dataset:
    """Take the median of the clear dates, pixel by pixel, in whole numbers: half the memory of float reflectance.

    Parameters
    ----------
    scenes
        Of one sensor, in any order. Scenes of one pass count as one date.
    grid
        See :func:`howgreen.imagery.grid`.
    bands
        Common names.
    block_px
        Side of a block; one block needs about ``2 * dates * bands + 2 * bands`` bytes per pixel. The values do not
        depend on it. GDAL's own cache is extra: set it small for the whole run, as
        ``rasterio.Env(GDAL_CACHEMAX=64_000_000)`` does.
    aside
        Executor that detects clouds at once, while libraries load: for callers that will compute everything. None: when
        the first block needs them.

    Returns
    -------
    ``scaled`` int16 (band, y, x), see :func:`howgreen.imagery.composite._median.median`; ``n_clear`` uint8 (y, x). Lazy. Attribute
    ``corner``, see :class:`howgreen.core.types.Composite`.

    Raises
    ------
    MissingBandsError, ImageError, NoImageError
        A scene lacks a band or a file cannot be read (the latter also while computing).
    """
    acquisitions, names = prepared(scenes, bands)
    files, buffers = Files(), BufferPool()
    sky = Sky(acquisitions, grid, files)
    if aside is not None:
        aside.submit(sky.look)  # errors there are raised in the block that needs the result

    import dask.array as da  # a third of a second
    import xarray as xr
    from dask.highlevelgraph import HighLevelGraph
    from odc.geo.xr import xr_coords

    corner = corner_of(acquisitions, grid=grid, bands=names)
    heights, widths = layout(corner, grid=grid, block_px=block_px)
    block_windows = windows(heights, widths)
    prefetch = prefetch_for(acquisitions, grid, block_windows.values(), names, files)
    token = tokenize(acquisitions, grid, names, heights, widths)
    blocks, medians, counts = (f"{what}-{token}" for what in ("composite-block", "scaled", "n-clear"))
    layers: dict[str, dict[Any, Any]] = {blocks: {}, medians: {}, counts: {}}
    for (i, j), window in block_windows.items():
        layers[blocks][(blocks, i, j)] = (
            partial(_composite_block, acquisitions, grid, window, names, prefetch, buffers, sky),
        )
        layers[medians][(medians, 0, i, j)] = (item_of, (blocks, i, j), 0)
        layers[counts][(counts, i, j)] = (item_of, (blocks, i, j), 1)
    graph = HighLevelGraph(layers, {blocks: set(), medians: {blocks}, counts: {blocks}})
    scaled = da.Array(graph, medians, ((len(names),), heights, widths), dtype=np.int16)
    n_clear = da.Array(graph, counts, (heights, widths), dtype=np.uint8)
    return xr.Dataset(
        {
            "scaled": (("band", "y", "x"), scaled),
            "n_clear": (("y", "x"), n_clear, {"units": "1", "long_name": "dates that showed the pixel clearly"}),
        },
        coords={"band": list(names), **xr_coords(grid)},
        attrs={"scenes": [scene.id for group in acquisitions for scene in group], "corner": corner},
    )


def item_of(pair: tuple[Any, ...], which: int) -> Any:
    """Pick one output of a block's task, from which an array is made."""
    return pair[which]


def load(scenes: Sequence[Scene], *, grid: GeoBox, bands: Sequence[str], block_px: int = BLOCK_PX // 2) -> xr.Dataset:
    """Load every date separately, for inspection: the input of :func:`composite`'s median.

    Returns
    -------
    ``reflectance`` float32 (time, band, y, x), harmonised, NaN where not clear or no data; lazy, a block holds all
    dates. Coordinate ``time`` (UTC) is the first scene's of each pass.

    Raises
    ------
    MissingBandsError, ImageError, NoImageError
        As :func:`composite`.
    """
    import dask.array as da
    import xarray as xr
    from dask.highlevelgraph import HighLevelGraph
    from odc.geo.xr import xr_coords

    acquisitions, names = prepared(scenes, bands)
    heights, widths = layout(corner_of(acquisitions, grid=grid, bands=names), grid=grid, block_px=block_px)
    files, buffers = Files(), BufferPool()
    sky = Sky(acquisitions, grid, files)
    block_windows = windows(heights, widths)
    prefetch = prefetch_for(acquisitions, grid, block_windows.values(), names, files)
    name = f"dates-{tokenize(acquisitions, grid, names, heights, widths)}"
    layer: dict[Any, Any] = {
        (name, 0, 0, i, j): (partial(_load_block, acquisitions, grid, window, names, prefetch, buffers, sky),)
        for (i, j), window in block_windows.items()
    }
    chunks = ((len(acquisitions),), (len(names),), heights, widths)
    pixels = da.Array(HighLevelGraph({name: layer}, {name: set()}), name, chunks, dtype=np.float32)
    times = np.array([group[0].time.replace(tzinfo=None) for group in acquisitions], "datetime64[ns]")
    return xr.Dataset(
        {"reflectance": (("time", "band", "y", "x"), pixels, {"units": "1", "long_name": "surface reflectance"})},
        coords={"time": times, "band": list(names), **xr_coords(grid)},
        attrs={"scenes": [[scene.id for scene in group] for group in acquisitions]},
    )
