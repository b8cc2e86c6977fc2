"""The four maps as cloud-optimised GeoTIFFs, written block by block.

``composite.tif``, ``landcover.tif`` and ``green_fraction.tif`` show the whole grid, so that what lies just beyond
the limits can be looked at too. ``green_mask.tif`` shows what the ratio counts and nothing else: 1 and 0 on seen
land inside the limits; 255 where nothing was seen, on water and outside. The mean of its 0 and 1 is
``green_pixel_ratio``, but for the pixels that the limits cut in two.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from errno import ENOSPC
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from howgreen.report.inside import inside
from howgreen.types import UNSEEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

    from howgreen.types import ModelClass, Result

Array = np.ndarray[Any, Any]

REFLECTANCE_SCALE = 1e-4
REFLECTANCE_NODATA = -32768
FRACTION_STEPS = 1024
"""Fractions are kept to 1/1024, far below the model's error: half the bytes of full floats."""
TILE_PX = 512
"""Side of the COGs' internal tiles."""
OUTSIDE = 255
"""In the stream of clear looks: outside the limits."""

FILES = {
    "green_mask.tif": "1 green (at least half of the pixel), 0 not; 255 unseen, water or outside the limits",
    "green_fraction.tif": "green share of each pixel, 0-1; NaN unseen",
    "landcover.tif": "class of each pixel, with colours and names; 255 unseen",
    "composite.tif": "clear picture of the period: surface reflectance x 10,000; -32768 never clear",
}


@dataclass(frozen=True, kw_only=True)
class Looks:
    """How many dates showed the pixels inside the limits clearly."""

    counts: tuple[int, ...]
    """Pixels inside the limits by number of clear dates, from 0."""

    def figures(self) -> dict[str, float | int] | None:
        """``min``, ``median``, ``max`` and the share never seen (percent); None without any pixel."""
        total = sum(self.counts)
        if total == 0:
            return None
        reached = np.cumsum(self.counts)
        seen = np.flatnonzero(self.counts)
        return {
            "min": int(seen[0]),
            "median": float(np.searchsorted(reached, total / 2)),
            "max": int(seen[-1]),
            "never_pct": 100 * self.counts[0] / total,
        }


def write_rasters(result: Result, folder: Path, *, tell: Callable[[], None] | None = None) -> Looks:
    """Write the four maps into a folder; ``tell`` hears of each finished block.

    Each block of the result is computed once. Only the blocks at work are in memory; uncompressed copies of the
    maps stand beside them until they are turned into COGs.
    """
    import dask.array as da

    grid, lock, looks = result.landcover.grid, threading.Lock(), _Counter(tell)
    streams = _streams(result)
    targets = {name: _Scratch(folder / name, grid, streams[name], tell) for name in FILES}
    sources = [*(streams[name] for name in targets), streams["looks"]]
    sinks: list[Any] = [*targets.values(), looks]
    try:
        da.store(sources, sinks, lock=lock, scheduler="threads")
        for target in targets.values():
            target.close()
        _dress(targets, result)
        # The ten bands on one core, the three small maps on the other: overviews are made on one core a file.
        with ThreadPoolExecutor(2) as pool:
            for finished in [pool.submit(_to_cog, targets[name].path, folder / name) for name in reversed(FILES)]:
                finished.result()
    finally:
        # After an error other threads may still be in the middle of a write: never close a file under them.
        with lock:
            for target in targets.values():
                target.discard()
    _write_category_names(folder / "landcover.tif", result.card.classes)
    return Looks(counts=tuple(looks.counts.tolist()))


def blocks(result: Result) -> int:
    """How many blocks :func:`write_rasters` will tell of."""
    streams = _streams(result)
    return sum(int(stream.npartitions) for stream in streams.values())


def shape_on_grid(result: Result) -> BaseGeometry:
    """The city's limits on the grid's CRS."""
    return project(result.plan.city.boundary, str(result.landcover.grid.crs))


def land_on_grid(result: Result) -> BaseGeometry:
    """What of the limits is not known to be sea, on the grid's CRS."""
    city = result.plan.city
    return project(city.land or city.boundary, str(result.landcover.grid.crs))


def project(shape: BaseGeometry, crs: str) -> BaseGeometry:
    """An EPSG:4326 shape on another CRS, edges bent as they must."""
    import shapely
    from pyproj import Transformer

    transform = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform
    dense = shapely.segmentize(shape, 0.005)
    moved: BaseGeometry = shapely.transform(dense, lambda p: np.column_stack(transform(p[:, 0], p[:, 1])))
    return moved


def _streams(result: Result) -> dict[str, Any]:
    """What goes into each file, lazy: composite (band, y, x), the others (y, x)."""
    reflectance = _lazy(result.composite.data["reflectance"].transpose("band", "y", "x"))
    label = _lazy(result.landcover.data["label"].transpose("y", "x"))
    fraction = _lazy(result.landcover.data["green_fraction"].transpose("y", "x")).rechunk(label.chunks)
    n_clear = _lazy(result.composite.data["n_clear"].transpose("y", "x"))
    clip = _Clip(land_on_grid(result), result.landcover.grid)
    water = np.isin(np.arange(256), result.landcover.water_codes)
    return {
        "green_mask.tif": label.map_blocks(
            _mask, fraction, clip=clip, water=water, dtype=np.uint8, meta=_meta(np.uint8)
        ),
        "green_fraction.tif": fraction.map_blocks(_coarse, dtype=np.float32, meta=_meta(np.float32)),
        "landcover.tif": label,
        "composite.tif": reflectance.rechunk({0: -1}).map_blocks(
            _numbers, dtype=np.int16, meta=np.zeros((0, 0, 0), np.int16)
        ),
        "looks": n_clear.map_blocks(_inside, clip=clip, dtype=np.uint8, meta=_meta(np.uint8)),
    }


def _meta(dtype: Any) -> Array:
    return np.zeros((0, 0), dtype)


def _lazy(variable: Any) -> Any:
    return variable.chunk({"y": 1024, "x": 1024}).data if variable.chunks is None else variable.data


class _Clip:
    """Which pixels of a block have their centre inside a shape."""

    def __init__(self, shape: BaseGeometry, grid: GeoBox) -> None:
        self._shape, self._transform = shape, grid.transform

    def __call__(self, block_info: Any) -> Array:
        from affine import Affine

        (top, bottom), (left, right) = block_info[None]["array-location"][-2:]
        t = self._transform
        here = Affine(t.a, t.b, t.c + t.a * left + t.b * top, t.d, t.e, t.f + t.d * left + t.e * top)
        return inside(self._shape, here, (bottom - top, right - left))

    def __dask_tokenize__(self) -> tuple[str, bytes, tuple[float, ...]]:
        import shapely

        return "clip", shapely.to_wkb(self._shape), tuple(self._transform)


def _mask(label: Array, fraction: Array, *, clip: _Clip, water: Array, block_info: Any = None) -> Array:
    # A comparison with NaN is False; whatever is unseen is set to 255 below.
    counted = clip(block_info) & (label != UNSEEN) & ~np.isnan(fraction) & ~water[label]
    return np.where(counted, (fraction >= 0.5).astype(np.uint8), np.uint8(UNSEEN))


def _coarse(fraction: Array) -> Array:
    steps = np.float32(FRACTION_STEPS)
    values: Array = np.rint(fraction * steps) / steps
    return values


def _numbers(reflectance: Array) -> Array:
    numbers: Array = np.empty(reflectance.shape, np.int16)
    for plane, out in zip(reflectance, numbers, strict=True):  # band by band: what is in between stays in the cache
        steps = plane / REFLECTANCE_SCALE
        np.rint(steps, out=steps)
        np.clip(steps, REFLECTANCE_NODATA + 1, 32767, out=steps)
        np.copyto(steps, REFLECTANCE_NODATA, where=np.isnan(steps))
        out[...] = steps
    return numbers


def _inside(n_clear: Array, *, clip: _Clip, block_info: Any = None) -> Array:
    return np.where(clip(block_info), np.minimum(n_clear, OUTSIDE - 1), OUTSIDE).astype(np.uint8)


class _Counter:
    """Takes the place of a file for the clear looks: only their frequencies are kept."""

    def __init__(self, tell: Callable[[], None] | None) -> None:
        self.counts = np.zeros(OUTSIDE, dtype=np.int64)
        self._tell = tell

    def __setitem__(self, key: Any, values: Array) -> None:
        self.counts += np.bincount(values.ravel(), minlength=256)[:OUTSIDE]
        if self._tell:
            self._tell()


class _Scratch:
    """An uncompressed tiled GeoTIFF that blocks are written into, in any order, under a lock."""

    def __init__(self, final: Path, grid: GeoBox, stream: Any, tell: Callable[[], None] | None) -> None:
        import rasterio

        self.path = final.with_name(f"scratch-{final.name}")
        self._tell = tell
        self._file: Any = rasterio.open(
            self.path,
            "w",
            driver="GTiff",
            height=grid.shape[0],
            width=grid.shape[1],
            count=stream.shape[0] if stream.ndim == 3 else 1,
            dtype=stream.dtype,
            crs=str(grid.crs),
            transform=grid.transform,
            nodata={"uint8": UNSEEN, "float32": np.nan, "int16": REFLECTANCE_NODATA}[str(stream.dtype)],
            tiled=True,
            blockxsize=TILE_PX,
            blockysize=TILE_PX,
            interleave="band",
            BIGTIFF="IF_SAFER",
        )

    def __setitem__(self, key: Any, values: Array) -> None:
        from rasterio.windows import Window

        rows, columns = key[-2:]
        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        self._file.write(values if values.ndim == 3 else values[None], window=window)
        if self._tell:
            self._tell()

    def close(self) -> None:
        """Flush to disk, and make sure that all of it arrived: GDAL keeps a full disk to itself when it closes."""
        expected = self._file.count * self._file.height * self._file.width * np.dtype(self._file.dtypes[0]).itemsize
        self._file.close()
        if self.path.stat().st_size < expected:
            raise OSError(ENOSPC, os.strerror(ENOSPC))

    def discard(self) -> None:
        """Close and delete."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def _dress(targets: dict[str, _Scratch], result: Result) -> None:
    """Names, colours, units and explanations, which the COGs take over."""
    import rasterio

    common = {"SOFTWARE": f"howgreen {result.plan.howgreen}", "PERIOD": str(result.plan.period)}
    for name, target in targets.items():
        with rasterio.open(target.path, "r+") as file:
            file.update_tags(DESCRIPTION=FILES[name], **common)
            if name == "composite.tif":
                file.scales = [REFLECTANCE_SCALE] * file.count
                file.descriptions = result.composite.bands
            elif name == "green_fraction.tif":
                file.set_band_description(1, "green_fraction")
            else:
                colours, names = _legend(name, result.card.classes)
                file.set_band_description(1, name.removesuffix(".tif"))
                file.write_colormap(1, colours)
                file.update_tags(1, **{f"CLASS_{code}": text for code, text in names.items()})


def _legend(name: str, classes: tuple[ModelClass, ...]) -> tuple[dict[int, tuple[int, ...]], dict[int, str]]:
    unseen = {UNSEEN: (0, 0, 0, 0)}
    if name == "green_mask.tif":
        return {0: (242, 234, 215, 255), 1: (31, 107, 69, 255), **unseen}, {
            0: "not green",
            1: "green",
            UNSEEN: "not counted",
        }
    colours = {item.code: (*bytes.fromhex(item.colour[1:]), 255) for item in classes}
    return {**colours, **unseen}, {**{item.code: item.name for item in classes}, UNSEEN: "unseen"}


def _to_cog(scratch: Path, final: Path) -> None:
    """Overviews first, on the uncompressed file, band by band: the COG driver's own way takes ten times as long."""
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.shutil import copy
    from rasterio.windows import Window

    smooth = final.name in ("composite.tif", "green_fraction.tif")
    with rasterio.Env(GDAL_NUM_THREADS=2), rasterio.open(scratch, "r+") as file:
        levels = [2**n for n in range(1, 16) if max(file.shape) > TILE_PX * 2 ** (n - 1)]
        file.build_overviews(levels, Resampling.average if smooth else Resampling.mode)
    copy(scratch, final, driver="COG", BLOCKSIZE=TILE_PX, NUM_THREADS=2, BIGTIFF="IF_SAFER", **_packing(final.name))
    scratch.unlink()
    with rasterio.open(final) as file:
        # The last tile of the first level ends the file: if it can be read, nothing was cut off.
        file.read(window=Window(file.width - 1, file.height - 1, 1, 1))


def _packing(name: str) -> dict[str, Any]:
    """The ten bands are much the largest: ZSTD packs them four times as fast. The rest any old reader can open; to pack
    it harder would take five times as long and save a tenth.
    """
    if name == "composite.tif":
        return {"COMPRESS": "ZSTD", "LEVEL": 1, "PREDICTOR": "YES"}
    return {"COMPRESS": "DEFLATE", "LEVEL": 1, "PREDICTOR": "NO"}


def _write_category_names(path: Path, classes: tuple[ModelClass, ...]) -> None:
    """Class names where GDAL and QGIS look for them: the TIFF format itself has no place for them."""
    names = {item.code: item.name for item in classes}
    band = ET.Element("PAMRasterBand", band="1")
    categories = ET.SubElement(band, "CategoryNames")
    for code in range(max(names) + 1):
        ET.SubElement(categories, "Category").text = names.get(code, "")
    root = ET.Element("PAMDataset")
    root.append(band)
    ET.ElementTree(root).write(path.with_name(f"{path.name}.aux.xml"), encoding="utf-8")
