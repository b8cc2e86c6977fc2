"""From scenes to one clear picture, lazily: each block of the grid is one task that holds all its dates.

Blocks begin where the files' own tiles begin (multiples of ``block_px`` from the first file's corner), so that
each tile is decoded once; the first row and column of blocks are therefore smaller. No pixel depends on it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from dask.base import tokenize
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen.errors import ImageError, MissingBandsError, NoImageError
from howgreen.imagery import kernel, mask
from howgreen.imagery.ahead import Ahead
from howgreen.imagery.dates import dates
from howgreen.imagery.opening import GDAL_OPTIONS, Files
from howgreen.imagery.source import Span, read_band, read_codes, tile_grid
from howgreen.sensors import SENSORS
from howgreen.types import Asset, Composite, Scene

if TYPE_CHECKING:
    import xarray as xr

BLOCK_PX = 1024
VOTERS = ("blue", "nir", "swir16")
"""Bands that vote on false alarms of the mask, those of them that the composite has; else its first band."""
MOST_DATES = 255
"""n_clear is uint8."""


def _asset(scene: Scene, band: str) -> Asset:
    asset = scene.asset(band)
    if asset is None:
        raise MissingBandsError(f"scene {scene.id}: has no band {band}; it has {', '.join(scene.bands)}")
    return asset


@dataclass(frozen=True, kw_only=True)
class Stack:
    """All dates of a block, as they come from the files wherever that saves a pass over the pixels."""

    planes: list[list[NDArray[Any]]]
    """[date][band] (y, x): int16 codes, or uint16 DN that lack the date's shift."""
    shifts: list[int]
    """For each date, see :func:`howgreen.imagery.kernel.whole_shift`."""
    clear: NDArray[np.bool_]
    """(date, y, x)."""


class Rooms:
    """Memory that one block after another is read into: fresh memory, which the system first fills with zeros, takes a
    tenth of the composite's time. Elsewhere (on a cluster) a copy starts without any.
    """

    def __init__(self) -> None:
        self._idle: list[NDArray[np.uint16]] = []

    def __reduce__(self) -> tuple[type[Rooms], tuple[()]]:
        return Rooms, ()

    @contextmanager
    def borrow(self, shape: tuple[int, ...]) -> Iterator[NDArray[np.uint16]]:
        """Room of a shape, holding anything; nothing may refer to it afterwards."""
        size = math.prod(shape)
        try:
            room = self._idle.pop()  # of a list: no two threads get the same
        except IndexError:
            room = np.empty(size, np.uint16)
        if room.size < size:
            room = np.empty(size, np.uint16)
        yield room[:size].reshape(shape)
        self._idle.append(room)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """What every read of a block has in common."""

    grid: GeoBox
    span: Span
    bands: tuple[str, ...]
    margin_px: int
    """Of the mask's flags around the block."""
    files: Files

    @property
    def inner(self) -> tuple[slice, slice]:
        """The block within its margin."""
        m, (height, width) = self.margin_px, self.span.shape
        return slice(m, m + height), slice(m, m + width)


def _read_scene(
    scene: Scene, reader: Reader, out: NDArray[np.uint16]
) -> tuple[list[NDArray[Any]], NDArray[np.bool_], mask.Flags]:
    """Planes (y, x) of each band, where any is missing (y, x), and the mask's flags (y, x) with a margin.

    ``out`` (band, y, x) is room that the planes may use.
    """
    name = SENSORS[scene.sensor].mask
    quality = scene.asset(name)
    span, halo = reader.span, reader.span.grown(reader.margin_px)
    flags = np.zeros(halo.shape, np.uint8)
    if quality is not None:
        flags = read_codes(
            quality,
            grid=reader.grid,
            span=halo,
            fill=mask.outside_code(name),
            table=mask.TABLES[name],
            files=reader.files,
        )
        if (flags & mask.NO_DATA).all():  # outside the swath: nothing to read
            return [np.zeros(span.shape, np.int16)] * len(reader.bands), np.ones(span.shape, bool), flags
    planes: list[NDArray[Any]] = []
    missing = np.zeros(span.shape, bool)
    for room, band in zip(out, reader.bands, strict=True):
        values, none = read_band(
            _asset(scene, band), grid=reader.grid, span=span, nodata=scene.nodata, out=room, files=reader.files
        )
        missing |= none
        if kernel.whole_shift(values.dtype, scale=scene.scale, offset=scene.offset) is None:
            values = kernel.encode(values, scale=scene.scale, offset=scene.offset)
        planes.append(values)
    return planes, missing, flags


def _read_date(
    scenes: tuple[Scene, ...], reader: Reader, out: NDArray[np.uint16]
) -> tuple[list[NDArray[Any]], NDArray[np.bool_], mask.Flags]:
    """Like :func:`_read_scene`; where scenes of one pass overlap, the first (by id) with a clear pixel shows it."""
    planes, missing, flags = _read_scene(scenes[0], reader, out)
    if len(scenes) == 1:
        return planes, missing, flags
    planes = _coded(planes, scenes[0])  # the scenes of a pass may differ in offset
    for scene in scenes[1:]:
        more, more_missing, more_flags = _read_scene(scene, reader, np.empty_like(out))
        here, there = flags[reader.inner], more_flags[reader.inner]
        better = _rank(there, more_missing) < _rank(here, missing)
        planes = [np.where(better, new, old) for new, old in zip(_coded(more, scene), planes, strict=True)]
        chosen = np.where(better, there, here)
        # In the margin no band was read, so the mask alone merges the flags; where that differs from the scene
        # whose bands were taken (a band is missing there), the pixel is left out.
        flags = np.where(_rank(more_flags, None) < _rank(flags, None), more_flags, flags)
        missing = np.where(better, more_missing, missing) | (chosen != flags[reader.inner])
    return planes, missing, flags


def _coded(planes: list[NDArray[Any]], scene: Scene) -> list[NDArray[Any]]:
    return [
        plane if plane.dtype == np.int16 else kernel.encode(plane, scale=scene.scale, offset=scene.offset)
        for plane in planes
    ]


def _rank(flags: mask.Flags, missing: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """0 clear, 1 flagged, 2 no data."""
    rank: NDArray[np.uint8] = (flags != 0).astype(np.uint8)
    rank[flags & mask.NO_DATA != 0] = 2
    if missing is not None:
        rank[missing] = 2
    return rank


def read_stack(
    passes: tuple[tuple[Scene, ...], ...],
    *,
    grid: GeoBox,
    span: Span,
    bands: tuple[str, ...],
    files: Files,
    room: NDArray[np.uint16],
) -> Stack:
    """All dates of a block; its planes may lie in ``room`` (date, band, y, x)."""
    resolution_m = abs(grid.affine.a)
    reader = Reader(grid=grid, span=span, bands=bands, margin_px=mask.halo_px(resolution_m), files=files)
    stack: list[list[NDArray[Any]]] = []
    missing = np.empty((len(passes), *span.shape), bool)
    flags = np.empty((len(passes), *span.grown(reader.margin_px).shape), np.uint8)
    with rasterio.Env(**GDAL_OPTIONS):
        for t, scenes in enumerate(passes):
            planes, missing[t], flags[t] = _read_date(scenes, reader, room[t])
            stack.append(planes)
    voters = tuple(bands.index(band) for band in VOTERS if band in bands) or (0,)
    shifts = [_shift(scenes[0]) for scenes in passes]
    if any(_has_mask(scene) for scenes in passes for scene in scenes):
        clear = mask.clear(flags, stack, missing, voters=voters, resolution_m=resolution_m, shifts=shifts)
    else:
        clear = ~missing
    return Stack(planes=stack, shifts=shifts, clear=clear)


def _shift(scene: Scene) -> int:
    return kernel.whole_shift(np.dtype(np.uint16), scale=scene.scale, offset=scene.offset) or 0


def _has_mask(scene: Scene) -> bool:
    return scene.asset(SENSORS[scene.sensor].mask) is not None


def _ahead(
    passes: tuple[tuple[Scene, ...], ...], grid: GeoBox, spans: Iterable[Span], bands: tuple[str, ...], files: Files
) -> Ahead:
    """What each block will read: the bands, and the mask with its margin."""
    margin_px = mask.halo_px(abs(grid.affine.a))
    scenes = [scene for group in passes for scene in group]
    assets = [_asset(scene, band) for scene in scenes for band in bands]
    masks = [quality for scene in scenes if (quality := scene.asset(SENSORS[scene.sensor].mask))]
    wishes = [
        (span, [(one, span.grown(margin_px)) for one in masks] + [(one, span) for one in assets]) for span in spans
    ]
    return Ahead(wishes, grid=grid, files=files)


def _composite_block(
    passes: tuple[tuple[Scene, ...], ...], grid: GeoBox, span: Span, bands: tuple[str, ...], ahead: Ahead, rooms: Rooms
) -> tuple[kernel.Steps, NDArray[np.uint8]]:
    with rooms.borrow((len(passes), len(bands), *span.shape)) as room:
        ahead.ready(span)
        stack = read_stack(passes, grid=grid, span=span, bands=bands, files=ahead.files, room=room)
        return kernel.median_steps(stack.planes, stack.clear, shifts=stack.shifts)


def _load_block(
    passes: tuple[tuple[Scene, ...], ...], grid: GeoBox, span: Span, bands: tuple[str, ...], ahead: Ahead, rooms: Rooms
) -> kernel.Floats:
    out = np.empty((len(passes), len(bands), *span.shape), np.float32)
    with rooms.borrow(out.shape) as room:
        ahead.ready(span)
        stack = read_stack(passes, grid=grid, span=span, bands=bands, files=ahead.files, room=room)
        for t, planes in enumerate(stack.planes):
            for b, plane in enumerate(planes):
                codes = kernel.shifted(plane, stack.shifts[t]) if plane.dtype == np.uint16 else plane
                np.divide(codes, np.float32(1 / kernel.STEP), out=out[t, b])
            out[t][:, ~stack.clear[t]] = np.nan
    return out


def _cuts(length: int, first: int, step: int) -> tuple[int, ...]:
    """Sizes of blocks that begin at ``first`` modulo ``step``."""
    edges = [0, *range(first % step or step, length, step), length]
    return tuple(b - a for a, b in itertools.pairwise(edges))


def _layout(
    passes: tuple[tuple[Scene, ...], ...], *, grid: GeoBox, bands: tuple[str, ...], block_px: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Heights and widths of the blocks."""
    if block_px < 1:
        raise ValueError(f"block_px={block_px}: must be at least 1")
    at = tile_grid(_asset(passes[0][0], bands[0]), grid=grid) or (0, 0)
    return _cuts(grid.shape[0], at[0], block_px), _cuts(grid.shape[1], at[1], block_px)


def _spans(heights: tuple[int, ...], widths: tuple[int, ...]) -> dict[tuple[int, int], Span]:
    tops, lefts = np.cumsum([0, *heights]).tolist(), np.cumsum([0, *widths]).tolist()
    return {
        (i, j): Span(top=tops[i], bottom=tops[i] + height, left=lefts[j], right=lefts[j] + width)
        for i, height in enumerate(heights)
        for j, width in enumerate(widths)
    }


def _prepared(scenes: Sequence[Scene], bands: Sequence[str]) -> tuple[tuple[tuple[Scene, ...], ...], tuple[str, ...]]:
    if not scenes:
        raise NoImageError("a composite of no scenes: choose at least one")
    if not bands:
        raise MissingBandsError("a composite of no bands: name at least one")
    if len({scene.sensor for scene in scenes}) > 1:
        raise ImageError(
            f"scenes of {', '.join(sorted({s.sensor for s in scenes}))} in one composite: their bands differ; use one sensor"
        )
    for scene in scenes:
        for band in bands:
            _asset(scene, band)
    passes = dates([replace(scene, native={}) for scene in scenes])  # the graph needs no STAC items
    if len(passes) > MOST_DATES:
        raise ImageError(f"{len(passes)} dates in one composite: at most {MOST_DATES}; choose a shorter period")
    return passes, tuple(bands)


def composite(scenes: Sequence[Scene], *, grid: GeoBox, bands: Sequence[str], block_px: int = BLOCK_PX) -> Composite:
    """The median of the clear dates, pixel by pixel, lazily; the parameters are those of :func:`composite_steps`."""
    return from_steps(composite_steps(scenes, grid=grid, bands=bands, block_px=block_px), grid=grid, scenes=scenes)


def composite_steps(
    scenes: Sequence[Scene], *, grid: GeoBox, bands: Sequence[str], block_px: int = BLOCK_PX
) -> xr.Dataset:
    """A composite as it is best kept: whole numbers take half the room of the reflectance that :func:`from_steps` makes.

    Parameters
    ----------
    scenes
        Of one sensor; their order does not matter. Scenes of one pass count as one date.
    grid
        See :func:`howgreen.imagery.grid`.
    bands
        Common names.
    block_px
        Side of a block; one block needs about ``2 * dates * bands + 2 * bands`` bytes a pixel.
        The values do not depend on it. GDAL's own cache comes on top: set it small for all of a run, as
        ``rasterio.Env(GDAL_CACHEMAX=64_000_000)`` does.

    Returns
    -------
    ``steps`` (band, y, x), blocks of int16 or, where that does not hold them, int32: see
    :func:`howgreen.imagery.kernel.median_steps`; ``n_clear`` uint8 (y, x). Lazy.

    Raises
    ------
    MissingBandsError, ImageError, NoImageError
        If a scene lacks a band or a file cannot be read (the latter also while computing).
    """
    import dask.array as da
    import xarray as xr
    from dask.highlevelgraph import HighLevelGraph
    from odc.geo.xr import xr_coords

    passes, names = _prepared(scenes, bands)
    heights, widths = _layout(passes, grid=grid, bands=names, block_px=block_px)
    files, rooms = Files(), Rooms()
    spans = _spans(heights, widths)
    ahead = _ahead(passes, grid, spans.values(), names, files)
    token = tokenize(passes, grid, names, heights, widths)
    blocks, medians, counts = (f"{what}-{token}" for what in ("composite-block", "steps", "n-clear"))
    layers: dict[str, dict[Any, Any]] = {blocks: {}, medians: {}, counts: {}}
    for (i, j), span in spans.items():
        layers[blocks][(blocks, i, j)] = (partial(_composite_block, passes, grid, span, names, ahead, rooms),)
        layers[medians][(medians, 0, i, j)] = (_item, (blocks, i, j), 0)
        layers[counts][(counts, i, j)] = (_item, (blocks, i, j), 1)
    graph = HighLevelGraph(layers, {blocks: set(), medians: {blocks}, counts: {blocks}})
    steps = da.Array(graph, medians, ((len(names),), heights, widths), dtype=np.int16)
    n_clear = da.Array(graph, counts, (heights, widths), dtype=np.uint8)
    return xr.Dataset(
        {
            "steps": (("band", "y", "x"), steps),
            "n_clear": (("y", "x"), n_clear, {"units": "1", "long_name": "dates that showed the pixel clearly"}),
        },
        coords={"band": list(names), **xr_coords(grid)},
        attrs={"scenes": [scene.id for group in passes for scene in group]},
    )


def from_steps(data: xr.Dataset, *, grid: GeoBox, scenes: Sequence[Scene]) -> Composite:
    """The composite of what :func:`composite_steps` made, wherever that was kept in between."""
    meta = np.empty((0, 0, 0), np.float32)
    values = data["steps"].data.map_blocks(kernel.reflectance, dtype=np.float32, meta=meta)
    colours = (data["steps"].dims, values, {"units": "1", "long_name": "surface reflectance"})
    counts = data["n_clear"]
    return Composite(
        data=data.drop_vars(["steps", "n_clear"]).assign(reflectance=colours, n_clear=counts),
        grid=grid,
        scenes=tuple(scenes),
    )


def _item(pair: tuple[Any, ...], which: int) -> Any:
    return pair[which]


def load(scenes: Sequence[Scene], *, grid: GeoBox, bands: Sequence[str], block_px: int = BLOCK_PX // 2) -> xr.Dataset:
    """Every date by itself, for those who want to look: what :func:`composite` takes the median of.

    Returns
    -------
    ``reflectance`` float32 (time, band, y, x), harmonised, NaN where not clear or no data; lazy, a block holds all
    dates. Coordinate ``time`` (UTC) is the first scene's of each pass.

    Raises
    ------
    MissingBandsError, ImageError, NoImageError
        As :func:`composite` does.
    """
    import dask.array as da
    import xarray as xr
    from dask.highlevelgraph import HighLevelGraph
    from odc.geo.xr import xr_coords

    passes, names = _prepared(scenes, bands)
    heights, widths = _layout(passes, grid=grid, bands=names, block_px=block_px)
    files, rooms = Files(), Rooms()
    spans = _spans(heights, widths)
    ahead = _ahead(passes, grid, spans.values(), names, files)
    name = f"dates-{tokenize(passes, grid, names, heights, widths)}"
    layer: dict[Any, Any] = {
        (name, 0, 0, i, j): (partial(_load_block, passes, grid, span, names, ahead, rooms),)
        for (i, j), span in spans.items()
    }
    chunks = ((len(passes),), (len(names),), heights, widths)
    pixels = da.Array(HighLevelGraph({name: layer}, {name: set()}), name, chunks, dtype=np.float32)
    times = np.array([group[0].time.replace(tzinfo=None) for group in passes], "datetime64[ns]")
    return xr.Dataset(
        {"reflectance": (("time", "band", "y", "x"), pixels, {"units": "1", "long_name": "surface reflectance"})},
        coords={"time": times, "band": list(names), **xr_coords(grid)},
        attrs={"scenes": [[scene.id for scene in group] for group in passes]},
    )
