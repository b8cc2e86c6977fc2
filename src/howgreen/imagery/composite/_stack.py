"""All dates of one block, read and masked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen.clouds import parallax
from howgreen.core.acquisitions import Acquisitions
from howgreen.core.grid import Window
from howgreen.core.sensors import SENSORS, SENTINEL2
from howgreen.core.types import Scene
from howgreen.imagery.composite import _median, cloud_mask
from howgreen.imagery.composite._blocks import asset_of
from howgreen.imagery.composite._sky import Sky
from howgreen.imagery.read import quality
from howgreen.imagery.read._resample import read_band, read_codes
from howgreen.imagery.read.opener import GDAL_OPTIONS, Files

_TAKEN_FOR_CLOUD = np.isin(np.arange(65536), quality.SCL_ROOFS)
VOTERS = ("blue", "nir", "swir16")
"""Bands that vote on the mask's false alarms, as far as the composite has them; else its first band."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """All dates of a block, as read from the files wherever that saves a pass over the pixels."""

    planes: list[list[NDArray[Any]]]
    """[date][band] (y, x): int16 codes, or uint16 DN that lack the date's shift."""
    shifts: list[int]
    """For each date, see :func:`howgreen.imagery.composite._median.whole_shift`."""
    clear: NDArray[np.bool_]
    """(date, y, x)."""


class BufferPool:
    """Memory reused for one block after another.

    Fresh memory, which the system first zeroes, would cost a tenth of the composite's time. A copy sent elsewhere (to a
    cluster) starts empty.
    """

    def __init__(self) -> None:
        self._idle: list[NDArray[np.uint16]] = []

    def __reduce__(self) -> tuple[type[BufferPool], tuple[()]]:
        return BufferPool, ()

    @contextmanager
    def borrow(self, shape: tuple[int, ...]) -> Iterator[NDArray[np.uint16]]:
        """Yield uninitialised memory of a shape; nothing may refer to it afterwards."""
        size = math.prod(shape)
        try:
            buffer = self._idle.pop()  # list.pop: no two threads get the same buffer
        except IndexError:
            buffer = np.empty(size, np.uint16)
        if buffer.size < size:
            buffer = np.empty(size, np.uint16)
        yield buffer[:size].reshape(shape)
        self._idle.append(buffer)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """The arguments that all reads of a block share."""

    grid: GeoBox
    window: Window
    bands: tuple[str, ...]
    margin_px: int
    """Margin of the mask's flags around the block."""
    files: Files
    few: bool = False
    """Whether there are too few dates to vote on false alarms."""

    @property
    def inner(self) -> tuple[slice, slice]:
        """The block without its margin."""
        m, (height, width) = self.margin_px, self.window.shape
        return slice(m, m + height), slice(m, m + width)


def _read_scene(
    scene: Scene, reader: Reader, out: NDArray[np.uint16]
) -> tuple[list[NDArray[Any]], NDArray[np.bool_], quality.Flags]:
    """Read planes (y, x) of each band, where any is missing (y, x), and the mask's flags (y, x) with a margin.

    ``out`` (band, y, x) is memory that the planes may use.
    """
    name = SENSORS[scene.sensor].mask
    mask = scene.asset(name)
    window, halo = reader.window, reader.window.grown(reader.margin_px)
    flags = np.zeros(halo.shape, np.uint8)
    if mask is not None:
        flags = read_codes(
            mask,
            grid=reader.grid,
            window=halo,
            fill=quality.outside_code(name),
            table=quality.TABLES[name],
            files=reader.files,
        )
        if (flags & quality.NO_DATA).all():  # outside the swath: nothing to read
            return [np.zeros(window.shape, np.int16)] * len(reader.bands), np.ones(window.shape, bool), flags
        if reader.few and (flags & quality.CLOUD).any():
            flags[_roofs(scene, reader)] = 0
    planes: list[NDArray[Any]] = []
    missing = np.zeros(window.shape, bool)
    empty: NDArray[np.bool_] | None = None
    for buffer, band in zip(out, reader.bands, strict=True):
        own = scene.encoding(band)
        values, none = read_band(
            asset_of(scene, band), grid=reader.grid, window=window, nodata=own.nodata, out=buffer, files=reader.files
        )
        if none is not None:
            missing |= none
        if own.nodata is None:  # nothing marks no data: pixels that are zero in all bands are not ground
            empty = values == 0 if empty is None else empty & (values == 0)
        shift = _median.whole_shift(values.dtype, scale=own.scale, offset=own.offset)
        if shift is None or shift != _shift(scene):  # the planes of a date lack the same shift
            values = _median.encode(values, scale=own.scale, offset=own.offset)
        planes.append(values)
    return planes, missing if empty is None else missing | empty, flags


def _roofs(scene: Scene, reader: Reader) -> NDArray[np.bool_]:
    """Find pixels that a scene's mask calls cloud but whose bands show no parallax, (y, x) of a block with its margin.

    Empty if that cannot be tested: for other sensors, on other pixels, without blue and red, beyond the area that a
    composite of all blocks reads, and in simulated images, whose clouds have no parallax.
    """
    halo = reader.window.grown(reader.margin_px)
    nothing = np.zeros(halo.shape, bool)
    mask = scene.asset(SENTINEL2.mask)
    at_hand = set(parallax.BANDS) <= set(reader.bands) and np.isclose(abs(reader.grid.affine.a), parallax.PIXEL_M)
    if scene.sensor != SENTINEL2.name or scene.synthetic or mask is None or not at_hand:
        return nothing
    whole = Window(top=0, bottom=reader.grid.shape[0], left=0, right=reader.grid.shape[1]).grown(reader.margin_px)
    # A patch that touches the block lies whole in this window, or is too large: neighbouring blocks always decide
    # alike.
    wide = halo.grown(parallax.LARGEST_PX + parallax.MARGIN_PX).common(whole)
    cloud = read_codes(
        mask,
        grid=reader.grid,
        window=wide,
        fill=quality.outside_code(SENTINEL2.mask),
        table=_TAKEN_FOR_CLOUD,
        files=reader.files,
    )
    if not cloud.any():
        return nothing
    light = []
    for band in parallax.BANDS:
        own = scene.encoding(band)
        values, none = read_band(
            asset_of(scene, band), grid=reader.grid, window=wide, nodata=own.nodata, files=reader.files
        )
        numbers = values.astype(np.float32)
        if none is not None:
            numbers[none] = np.nan
        light.append(numbers)
    return parallax.standing(cloud, *light)[halo.within(wide)]


def _read_date(
    scenes: tuple[Scene, ...], reader: Reader, out: NDArray[np.uint16]
) -> tuple[list[NDArray[Any]], NDArray[np.bool_], quality.Flags]:
    """As :func:`_read_scene`; where scenes of one pass overlap, the first (by id) with a clear pixel provides it."""
    planes, missing, flags = _read_scene(scenes[0], reader, out)
    if len(scenes) == 1:
        return planes, missing, flags
    planes = _coded(planes, scenes[0])  # the scenes of a pass may differ in offset
    for scene in scenes[1:]:
        more, more_missing, more_flags = _read_scene(scene, reader, np.empty_like(out))
        flags_here, more_here = flags[reader.inner], more_flags[reader.inner]
        better = _rank(more_here, more_missing) < _rank(flags_here, missing)
        planes = [np.where(better, new, old) for new, old in zip(_coded(more, scene), planes, strict=True)]
        chosen = np.where(better, more_here, flags_here)
        # No band is read in the margin, so there the mask alone merges the flags; if that differs from the scene whose
        # bands were used (a band is missing there), the pixel is left out.
        flags = np.where(_rank(more_flags, None) < _rank(flags, None), more_flags, flags)
        missing = np.where(better, more_missing, missing) | (chosen != flags[reader.inner])
    return planes, missing, flags


def _coded(planes: list[NDArray[Any]], scene: Scene) -> list[NDArray[Any]]:
    return [plane if plane.dtype == np.int16 else _median.shifted(plane, _shift(scene)) for plane in planes]


def _rank(flags: quality.Flags, missing: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """0 clear, 1 flagged, 2 no data."""
    rank: NDArray[np.uint8] = (flags != 0).astype(np.uint8)
    rank[flags & quality.NO_DATA != 0] = 2
    if missing is not None:
        rank[missing] = 2
    return rank


def read_stack(
    acquisitions: Acquisitions,
    *,
    grid: GeoBox,
    window: Window,
    bands: tuple[str, ...],
    files: Files,
    buffer: NDArray[np.uint16],
    sky: Sky,
) -> Stack:
    """Read all dates of a block, optionally into ``buffer`` (date, band, y, x); ``sky`` has the detected clouds."""
    resolution_m = abs(grid.affine.a)
    reader = Reader(
        grid=grid,
        window=window,
        bands=bands,
        margin_px=cloud_mask.halo_px(resolution_m),
        files=files,
        few=len(acquisitions) < cloud_mask.FEWEST_VOTES,
    )
    stack: list[list[NDArray[Any]]] = []
    missing = np.empty((len(acquisitions), *window.shape), bool)
    flags = np.empty((len(acquisitions), *window.grown(reader.margin_px).shape), np.uint8)
    with rasterio.Env(**GDAL_OPTIONS):
        for t, scenes in enumerate(acquisitions):
            planes, missing[t], flags[t] = _read_date(scenes, reader, buffer[t])
            if (found := sky.flags(t, window.grown(reader.margin_px))) is not None:
                flags[t] |= found
            stack.append(planes)
    voters = tuple(bands.index(band) for band in VOTERS if band in bands) or (0,)
    shifts = [_shift(scenes[0]) for scenes in acquisitions]
    if flags.any():
        clear = cloud_mask.clear(flags, stack, missing, voters=voters, resolution_m=resolution_m, shifts=shifts)
    else:
        clear = ~missing
    return Stack(planes=stack, shifts=shifts, clear=clear)


def _shift(scene: Scene) -> int:
    return _median.whole_shift(np.dtype(np.uint16), scale=scene.scale, offset=scene.offset) or 0
