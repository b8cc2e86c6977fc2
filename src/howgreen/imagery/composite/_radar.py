"""Sentinel-1: backscatter in decibels, as the median of many acquisitions, unaffected by clouds.

A single radar image is grainy (speckle). Little speckle remains in the median over a dozen acquisitions, which also
keeps edges that a spatial filter would smear; so it is the only filter here. No mask is needed: a pixel with data was
seen. Values under FLOOR_DB are noise at the border of a swath, and count as no data.

Files hold decibels or linear power (``Scene.power``). They are converted to decibels pixel by pixel before the median.
With an odd number of acquisitions the order makes no difference; with an even one the middle two are averaged in
decibels, which is the geometric mean of their power. Files not on the grid are interpolated in their own unit.

The variation between acquisitions separates fields, which are sown and mown, from woods and houses: ``vv_variation``
and ``vh_variation`` are the standard deviations of a pixel's decibels, including speckle (some 2 dB).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from dask.base import tokenize
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen.core.acquisitions import Acquisitions
from howgreen.core.grid import Window, windows
from howgreen.core.sensors import DB_SCALE, VARIATION_OF, bands_in_files
from howgreen.core.types import NEVER_CLEAR, Asset, Scene
from howgreen.imagery.composite import _median
from howgreen.imagery.composite._blocks import corner_of, layout, prefetch_for, prepared
from howgreen.imagery.composite._optical import item_of
from howgreen.imagery.read._prefetch import Prefetch
from howgreen.imagery.read._resample import read_band
from howgreen.imagery.read.opener import GDAL_OPTIONS, Files

if TYPE_CHECKING:
    import xarray as xr

FLOOR_DB = -50.0
"""Far below the instrument's own noise (-22 dB and less)."""
Chunks = tuple[tuple[int, ...], tuple[int, ...]]


def decibels(numbers: NDArray[Any], scene: Scene, band: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Convert DN to backscatter in decibels, and mark where there is none (set to 0 dB)."""
    own = scene.encoding(band)
    values = numbers.astype(np.float32) * np.float32(own.scale) + np.float32(own.offset)
    if scene.power:
        with np.errstate(divide="ignore", invalid="ignore"):  # zero and negative power have no logarithm
            values = np.float32(10) * np.log10(values)
    none = ~(values >= FLOOR_DB)  # NaN too
    values[none] = 0
    return values, none


def backscatter(
    scenes: Sequence[Scene], *, grid: GeoBox, bands: Sequence[str], block_px: int, chunks: Chunks | None = None
) -> xr.Dataset:
    """Take the median of all acquisitions, lazily, in whole numbers.

    Parameters
    ----------
    scenes
        Of Sentinel-1, in any order. Within one pass, the first (by id) with data gives a pixel's value.
    grid, block_px
        As for :func:`howgreen.imagery.composite`.
    bands
        ``vv``, ``vh`` and the bands derived from them, ``vv_variation`` and ``vh_variation``.
    chunks
        Heights and widths of the blocks, instead of ``block_px``.

    Returns
    -------
    ``scaled`` int16 (band, y, x) in steps of DB_SCALE, NEVER_CLEAR where never seen (variation: less than twice);
    ``n_clear`` uint8 (y, x), the number of acquisitions with data in all bands.
    """
    import dask.array as da
    import xarray as xr
    from dask.highlevelgraph import HighLevelGraph
    from odc.geo.xr import xr_coords

    acquisitions, in_files = prepared(scenes, bands_in_files(bands))
    names, corner = tuple(bands), (0, 0)
    if chunks is None:
        corner = corner_of(acquisitions, grid=grid, bands=in_files)
        chunks = layout(corner, grid=grid, block_px=block_px)
    heights, widths = chunks
    block_windows, token = windows(heights, widths), tokenize(acquisitions, grid, names, heights, widths)
    prefetch = prefetch_for(acquisitions, grid, block_windows.values(), in_files, Files())
    blocks, medians, counts = (f"{what}-{token}" for what in ("radar-block", "backscatter", "n-passes"))
    layers: dict[str, dict[Any, Any]] = {blocks: {}, medians: {}, counts: {}}
    for (i, j), window in block_windows.items():
        layers[blocks][(blocks, i, j)] = (partial(_block, acquisitions, grid, window, names, prefetch),)
        layers[medians][(medians, 0, i, j)] = (item_of, (blocks, i, j), 0)
        layers[counts][(counts, i, j)] = (item_of, (blocks, i, j), 1)
    graph = HighLevelGraph(layers, {blocks: set(), medians: {blocks}, counts: {blocks}})
    return xr.Dataset(
        {
            "scaled": (
                ("band", "y", "x"),
                da.Array(graph, medians, ((len(names),), heights, widths), dtype=np.int16),
            ),
            "n_clear": (
                ("y", "x"),
                da.Array(graph, counts, (heights, widths), dtype=np.uint8),
                {"units": "1", "long_name": "passes that showed the pixel"},
            ),
        },
        coords={"band": list(names), **xr_coords(grid)},
        attrs={"scenes": [scene.id for group in acquisitions for scene in group], "corner": corner},
    )


def _block(
    acquisitions: Acquisitions, grid: GeoBox, window: Window, bands: tuple[str, ...], prefetch: Prefetch
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    prefetch.wait(window)
    in_files = bands_in_files(bands)
    codes: list[list[NDArray[np.int16]]] = []
    covered = np.empty((len(acquisitions), *window.shape), bool)
    with rasterio.Env(**GDAL_OPTIONS):
        for number, scenes in enumerate(acquisitions):
            planes, none = _read_pass(scenes, grid, window, in_files, prefetch.files)
            codes.append([_median.encode(plane, scale=_median.STEP / DB_SCALE, offset=0.0) for plane in planes])
            covered[number] = ~none
    # Variation first: the median may overwrite its input.
    changed = {
        band: variation([date[in_files.index(of)] for date in codes], covered)
        for band, of in VARIATION_OF.items()
        if band in bands
    }
    medians, counts = _median.median(codes, covered)
    if not changed:
        return medians, counts
    levels = dict(zip(in_files, medians, strict=True)) | changed
    return np.stack([levels[band] for band in bands]), counts


def variation(codes: Sequence[NDArray[np.int16]], covered: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Compute the standard deviation of codes (date) (y, x) over dates, in the same steps; NEVER_CLEAR under two."""
    count = covered.sum(axis=0, dtype=np.int64)
    total, squares = np.zeros_like(count), np.zeros_like(count)
    for plane, there in zip(codes, covered, strict=True):
        value = np.where(there, plane, 0).astype(np.int64)
        total += value
        squares += value * value
    spread = np.sqrt(np.maximum(count * squares - total * total, 0)) / np.maximum(count, 1)
    return np.where(count < 2, NEVER_CLEAR, np.rint(spread)).astype(np.int16)


def _read_pass(
    scenes: tuple[Scene, ...], grid: GeoBox, window: Window, bands: tuple[str, ...], files: Files
) -> tuple[list[NDArray[np.float32]], NDArray[np.bool_]]:
    """Read decibels (y, x) of each band, and where any is missing."""
    planes, missing = _read_scene(scenes[0], grid, window, bands, files)
    for scene in scenes[1:]:  # slices of one pass overlap a little
        if not missing.any():
            break
        more, none = _read_scene(scene, grid, window, bands, files)
        planes = [np.where(missing, new, old) for new, old in zip(more, planes, strict=True)]
        missing &= none
    return planes, missing


def _read_scene(
    scene: Scene, grid: GeoBox, window: Window, bands: tuple[str, ...], files: Files
) -> tuple[list[NDArray[np.float32]], NDArray[np.bool_]]:
    planes = []
    missing = np.zeros(window.shape, bool)
    for band in bands:
        numbers, none = read_band(
            _band(scene, band), grid=grid, window=window, nodata=scene.encoding(band).nodata, files=files
        )
        values, dark = decibels(numbers, scene, band)
        missing |= dark if none is None else none | dark
        planes.append(values)
    return planes, missing


def _band(scene: Scene, band: str) -> Asset:
    return next(asset for asset in scene.assets if asset.band == band)


def record(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """Record how each scene's numbers were interpreted, as JSON values."""
    return [
        {
            "id": scene.id,
            "time": scene.time.isoformat(),
            "unit": "linear power" if scene.power else "dB",
            "scale": scene.scale,
            "offset": scene.offset,
            "nodata": scene.nodata,
            "why": scene.radiometry or None,
        }
        for scene in sorted(scenes, key=lambda one: (one.time, one.id))
    ]
