"""The maps as cloud-optimised GeoTIFFs, written block by block.

``green_mask.tif``, ``green_fraction.tif`` and, if the model predicts each pixel's uncertainty,
``green_uncertainty.tif`` show exactly what the ratio counts: seen land of which any part lies inside the limits (or a
district); no data on water, on unseen ground, and outside. ``landcover.tif`` shows the water as well. So every figure
can be reproduced from the files: weight each pixel by its part inside the zone. ``composite.tif`` shows the whole grid,
so that the surroundings of the limits are visible too. ``n_clear.tif`` shows everything inside the limits, including
water.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from howgreen.core.geometry import polygonal, project
from howgreen.core.grid import inside
from howgreen.core.sensors import RADAR_BANDS, scale_factor
from howgreen.core.threads import scheduler
from howgreen.core.types import HALF_GREEN, NEVER_CLEAR, UNSEEN
from howgreen.report._cogs import BLOCK_PX, Layout, Scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.models import ModelClass
    from howgreen.core.types import Result

Array = np.ndarray[Any, Any]

FRACTION_STEPS = 1024
"""Fractions are stored to 1/1024, far below the model's error: half the bytes of full floats."""
SLAB_PX = 64 * 1024
"""Pixels processed at once."""
OUTSIDE = 255
"""In the stream of clear-date counts: outside the limits."""

PICTURE = "composite.tif"
"""Takes as long to pack as all others together."""

FILES = {
    "green_mask.tif": "1 green (at least half of the pixel), 0 not; 255 unseen, water or outside the limits",
    "green_fraction.tif": "green share of each pixel, 0-1; NaN unseen, water or outside the limits",
    "green_uncertainty.tif": "standard error of the green share of each pixel, in hundredths; 255 unseen, water or outside the limits",
    "n_clear.tif": "number of dates that showed each pixel clearly, water too; 0 never, 255 outside the limits or known sea",
    "landcover.tif": "class of each pixel, water too, with colours and names; 255 unseen or outside the limits",
    PICTURE: "clear picture of the period: surface reflectance x 10,000 (vv and vh: dB x 100); -32768 never clear",
}


TRUE_COLOUR = ("red", "green", "blue")
UNCERTAINTY_SCALE = 0.01
"""Value of one unit of ``green_uncertainty.tif``."""


def files_of(result: Result) -> dict[str, str]:
    """List a result's maps and their contents."""
    told = "green_uncertainty" in result.landcover.data
    return {name: text for name, text in FILES.items() if told or name != "green_uncertainty.tif"}


@dataclass(frozen=True, kw_only=True)
class ClearObservations:
    """Numbers of clear dates of the pixels inside the limits."""

    counts: tuple[int, ...]
    """Pixels inside the limits by number of clear dates, from 0."""

    def figures(self) -> dict[str, float | int] | None:
        """Return ``min``, ``median``, ``max`` and the share never seen (percent); None without any pixel."""
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


@dataclass(frozen=True, kw_only=True)
class Maps:
    """The maps, drawn but not yet packed."""

    paths: Mapping[str, Path]
    """Paths for rasterio, by the name of the final file."""
    clear: ClearObservations
    packs: Sequence[Callable[[], None]]
    """Functions that make the final files, the largest first; they run without Python, so that pictures can be drawn
    meanwhile."""


@contextmanager
def drawn(result: Result, folder: Path, *, tell: Callable[[], None] | None = None) -> Iterator[Maps]:
    """Draw the maps into a folder; ``tell`` is called for each finished block.

    Each block of the result is computed once. Only the current blocks, and those of one row of the city, are in memory;
    uncompressed copies of the maps stay in the folder until they are packed, or until the end.
    """
    import dask.array as da

    counts, streams = _Counter(tell), _streams(result)
    targets = {
        name: Scratch(
            folder / name,
            _layout(
                result.landcover.grid,
                streams[name],
                smooth=name not in ("green_mask.tif", "landcover.tif", "n_clear.tif"),
            ),
            tell=tell,
        )
        for name in files_of(result)
    }

    def pack_others() -> None:
        for name, target in targets.items():
            if name != PICTURE:
                target.pack(_packing(name))
        for name in ("green_mask.tif", "landcover.tif"):
            write_category_names(folder / name, legend(name, result.card.classes)[1])

    packs = (lambda: targets[PICTURE].pack(_packing(PICTURE)), pack_others)

    try:
        sources = [*(streams[name] for name in targets), streams["clear dates"]]
        sinks: list[Any] = [*targets.values(), counts]
        da.store(sources, sinks, lock=False, scheduler=scheduler())
        for name, target in targets.items():
            target.close()
            _dress(target.path, name, result)
        paths = {name: target.path for name, target in targets.items()}
        yield Maps(paths=paths, clear=ClearObservations(counts=tuple(counts.counts.tolist())), packs=packs)
    finally:
        for target in targets.values():
            target.discard()


def write_rasters(result: Result, folder: Path, *, tell: Callable[[], None] | None = None) -> ClearObservations:
    """Write the maps into a folder; ``tell`` is called for each finished block."""
    with drawn(result, folder, tell=tell) as maps:
        for pack in maps.packs:
            pack()
    return maps.clear


def _layout(grid: GeoBox, stream: Any, *, smooth: bool) -> Layout:
    dtype = str(stream.dtype)
    return Layout(
        grid=grid,
        bands=stream.shape[0] if stream.ndim == 3 else 1,
        dtype=dtype,
        nodata={"uint8": UNSEEN, "float32": np.nan, "int16": NEVER_CLEAR}[dtype],
        smooth=smooth,
    )


def blocks(result: Result) -> int:
    """Return how many blocks :func:`write_rasters` will report."""
    streams = _streams(result)
    return sum(int(stream.npartitions) for stream in streams.values())


def shape_on_grid(result: Result) -> BaseGeometry:
    """Project the city's limits to the grid's CRS."""
    return project(result.plan.city.boundary, str(result.landcover.grid.crs))


def land_on_grid(result: Result) -> BaseGeometry:
    """Project the limits without the known sea to the grid's CRS."""
    city = result.plan.city
    return project(city.land or city.boundary, str(result.landcover.grid.crs))


def counted_fraction(result: Result) -> Any:
    """Return the green share of the pixels that the figures count, lazy float32 (y, x); NaN elsewhere.

    Counted is seen land of which any part lies inside the limits, or a district. A pixel that they cut is kept whole:
    weighted by its part inside, it gives the figures.
    """
    return _counted(result)[1]


def _counted(result: Result) -> tuple[Any, Any, Any]:
    """Labels and green shares (y, x), lazy, UNSEEN and NaN where nothing counts; and pixels at least partly inside."""
    import dask.array as da

    label = _lazy(result.landcover.data["label"].transpose("y", "x"))
    fraction = _lazy(result.landcover.data["green_fraction"].transpose("y", "x")).rechunk(label.chunks)
    clip = _Clip(counted_on_grid(result), result.landcover.grid, in_part=True)
    within = da.map_blocks(clip, chunks=label.chunks, dtype=bool, meta=_meta(bool))
    water = np.isin(np.arange(256), result.landcover.water_codes)
    options = {"water": water, "dtype": np.uint8, "meta": _meta(np.uint8)}
    shown = label.map_blocks(_cut_label, fraction, within, **options)
    return shown, fraction.map_blocks(_cut, shown, water=water, dtype=np.float32, meta=_meta(np.float32)), within


def _cut_label(label: Array, fraction: Array, within: Array, *, water: Array) -> Array:
    # Land without a green share is not seen land: the figures do not count it either.
    return np.where(within & (water[label] | ~np.isnan(fraction)), label, np.uint8(UNSEEN))


def _cut(values: Array, label: Array, *, water: Array) -> Array:
    return np.where((label != UNSEEN) & ~water[label], values, np.float32(np.nan))


def counted_on_grid(result: Result) -> BaseGeometry:
    """Project the limits and the districts without the known sea to the grid's CRS."""
    import shapely

    city = result.plan.city
    whole = shapely.union_all([city.boundary, *(district.boundary for district in city.districts)])
    ashore = whole if city.land is None else shapely.intersection(whole, city.land)
    return project(polygonal(ashore), str(result.landcover.grid.crs))


def _streams(result: Result) -> dict[str, Any]:
    """List the content of each file, lazy, in :class:`Scratch`'s blocks: composite (band, y, x), others (y, x)."""
    import dask.array as da

    label, fraction, in_part = _counted(result)
    n_clear = _lazy(result.composite.data["n_clear"].transpose("y", "x")).rechunk(label.chunks)
    clip = _Clip(land_on_grid(result), result.landcover.grid)
    within = da.map_blocks(clip, chunks=label.chunks, dtype=bool, meta=_meta(bool))
    byte = {"dtype": np.uint8, "meta": _meta(np.uint8)}
    streams = {
        "green_mask.tif": fraction.map_blocks(_mask, **byte),
        "green_fraction.tif": fraction.map_blocks(_coarse, dtype=np.float32, meta=_meta(np.float32)),
        "landcover.tif": label,
        PICTURE: _composite(result),
        "n_clear.tif": n_clear.map_blocks(_inside, in_part, **byte),
        "clear dates": n_clear.map_blocks(_inside, within, **byte),
    }
    if "green_uncertainty" in result.landcover.data:
        unsure = _lazy(result.landcover.data["green_uncertainty"].transpose("y", "x")).rechunk(label.chunks)
        streams["green_uncertainty.tif"] = unsure.map_blocks(_hundredths, fraction, **byte)
    return {name: stream.rechunk({-2: BLOCK_PX, -1: BLOCK_PX}, method="tasks") for name, stream in streams.items()}


def composite_bands(result: Result) -> tuple[str, ...]:
    """List the bands of ``composite.tif`` in order: red, green, blue first, as every viewer shows them."""
    there = result.composite.bands
    return (
        (*TRUE_COLOUR, *(band for band in there if band not in TRUE_COLOUR))
        if set(TRUE_COLOUR) <= set(there)
        else there
    )


def _composite(result: Result) -> Any:
    """(band, y, x) integers, the stored ones if there are any."""
    data, names = result.composite.data, composite_bands(result)
    order = [result.composite.bands.index(name) for name in names]
    if "scaled" in data:
        return _lazy(data["scaled"].transpose("band", "y", "x"))[order].rechunk({0: -1})
    factors = tuple(scale_factor(band) for band in names)
    reflectance = _lazy(data["reflectance"].transpose("band", "y", "x"))[order].rechunk({0: -1})
    return reflectance.map_blocks(_to_scaled, factors=factors, dtype=np.int16, meta=np.zeros((0, 0, 0), np.int16))


def _meta(dtype: Any) -> Array:
    return np.zeros((0, 0), dtype)


def _lazy(variable: Any) -> Any:
    return variable.chunk({"y": 1024, "x": 1024}).data if variable.chunks is None else variable.data


class _Clip:
    """Pixels of a block with their centre, or any part, inside a shape."""

    def __init__(self, shape: BaseGeometry, grid: GeoBox, *, in_part: bool = False) -> None:
        self._shape, self._grid, self._in_part = shape, grid, in_part

    def __call__(self, block_info: Any) -> Array:
        rows, columns = (slice(*ends) for ends in block_info[None]["array-location"][-2:])
        return inside(self._shape, self._grid[rows, columns], in_part=self._in_part)

    def __dask_tokenize__(self) -> tuple[str, bool, bytes, tuple[float, ...]]:
        import shapely

        return "clip", self._in_part, shapely.to_wkb(self._shape), tuple(self._grid.transform)


def _mask(fraction: Array) -> Array:
    return np.where(np.isnan(fraction), np.uint8(UNSEEN), (fraction >= HALF_GREEN).astype(np.uint8))


def _coarse(fraction: Array) -> Array:
    steps = np.float32(FRACTION_STEPS)
    values: Array = np.rint(fraction * steps) / steps
    return values


def _hundredths(uncertainty: Array, fraction: Array) -> Array:
    steps = np.rint(uncertainty / np.float32(UNCERTAINTY_SCALE))
    steps[np.isnan(fraction)] = np.nan
    # At least 1: no pixel is known exactly.
    return np.where(np.isnan(steps), np.float32(UNSEEN), np.clip(steps, 1, 100)).astype(np.uint8)


def _to_scaled(reflectance: Array, *, factors: tuple[float, ...]) -> Array:
    scaled: Array = np.empty(reflectance.shape, np.int16)
    rows = max(1, SLAB_PX // max(reflectance.shape[2], 1))
    for plane, out, factor in zip(reflectance, scaled, factors, strict=True):
        for top in range(0, len(plane), rows):  # slab by slab: intermediate results stay in the core's cache
            whole = plane[top : top + rows] / factor
            np.rint(whole, out=whole)
            np.clip(whole, NEVER_CLEAR + 1, 32767, out=whole)
            missing = np.isnan(whole)
            if missing.any():
                whole[missing] = NEVER_CLEAR
            out[top : top + rows] = whole
    return scaled


def _inside(n_clear: Array, within: Array) -> Array:
    return np.where(within, np.minimum(n_clear, OUTSIDE - 1), OUTSIDE).astype(np.uint8)


class _Counter:
    """Stand-in for a file of clear-date counts that keeps only their frequencies."""

    def __init__(self, tell: Callable[[], None] | None) -> None:
        self.counts = np.zeros(OUTSIDE, dtype=np.int64)
        self._lock = threading.Lock()
        self._tell = tell

    def __setitem__(self, key: Any, values: Array) -> None:
        counts = np.bincount(values.ravel(), minlength=256)[:OUTSIDE]
        with self._lock:
            self.counts += counts
        if self._tell:
            self._tell()


def _dress(path: Path, name: str, result: Result) -> None:
    """Set names, colours, units and descriptions, which the COG inherits."""
    import rasterio
    from rasterio.enums import ColorInterp

    with rasterio.open(path, "r+") as file:
        file.update_tags(
            DESCRIPTION=FILES[name], SOFTWARE=f"howgreen {result.plan.howgreen}", PERIOD=str(result.plan.period)
        )
        if name == PICTURE:
            bands = composite_bands(result)
            file.scales = [scale_factor(band) for band in bands]
            file.units = ["dB" if band in RADAR_BANDS else "1" for band in bands]
            file.descriptions = bands
            if bands[:3] == TRUE_COLOUR:
                rest = [ColorInterp.undefined] * (len(bands) - 3)
                file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, *rest]
        elif name == "green_fraction.tif":
            file.set_band_description(1, "green_fraction")
            file.units = ("1",)
        elif name == "green_uncertainty.tif":
            file.set_band_description(1, "green_uncertainty")
            file.scales, file.units = (UNCERTAINTY_SCALE,), ("1",)
        elif name == "n_clear.tif":
            file.set_band_description(1, "n_clear")
            file.units = ("dates",)
        else:
            colours, names = legend(name, result.card.classes)
            file.set_band_description(1, name.removesuffix(".tif"))
            file.write_colormap(1, colours)
            file.update_tags(1, **{f"CLASS_{code}": text for code, text in names.items()})


def legend(name: str, classes: tuple[ModelClass, ...]) -> tuple[dict[int, tuple[int, ...]], dict[int, str]]:
    """Return the colours (red, green, blue, alpha) and names of the values of a class map."""
    unseen = {UNSEEN: (0, 0, 0, 0)}
    if name == "green_mask.tif":
        return {0: (242, 234, 215, 255), 1: (31, 107, 69, 255), **unseen}, {
            0: "not green",
            1: "green",
            UNSEEN: "not counted",
        }
    colours = {item.code: (*bytes.fromhex(item.colour[1:]), 255) for item in classes}
    return {**colours, **unseen}, {**{item.code: item.name for item in classes}, UNSEEN: "unseen"}


def _packing(name: str) -> dict[str, Any]:
    """Return GDAL's packing options for a file.

    The ten bands are by far the largest: ZSTD packs them four times as fast. All other files stay readable by old
    software; stronger compression would take five times as long and save a tenth.
    """
    if name == PICTURE:
        return {"compress": "ZSTD", "level": 1, "predictor": "YES"}
    return {"compress": "DEFLATE", "level": 1, "predictor": "NO"}


def write_category_names(path: Path, names: Mapping[int, str]) -> None:
    """Write class names where GDAL and QGIS look for them: the TIFF format itself has no place for them."""
    names = {code: name for code, name in names.items() if code != UNSEEN}
    band = ET.Element("PAMRasterBand", band="1")
    categories = ET.SubElement(band, "CategoryNames")
    for code in range(max(names) + 1):
        ET.SubElement(categories, "Category").text = names.get(code, "")
    root = ET.Element("PAMDataset")
    root.append(band)
    ET.ElementTree(root).write(path.with_name(f"{path.name}.aux.xml"), encoding="utf-8")
