"""Prefetching the bytes of blocks before they are read: over the web, waiting dominates."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Any

import rasterio
from odc.geo.geobox import GeoBox

from howgreen.core.grid import Window
from howgreen.core.types import Asset
from howgreen.imagery.read._decode import ByteRange
from howgreen.imagery.read._resample import file_window
from howgreen.imagery.read.opener import GDAL_OPTIONS, Files, Image, byte_ranges, is_ranged, opened, wait_for
from howgreen.imagery.read.quality import TABLES

MOST_BLOCKS = 16
"""Blocks requested ahead of the current one, if they are small."""
MOST_BYTES = 128 << 20
"""Approximate limit of bytes requested ahead: enough to stay busy, little to lose if the run is stopped."""
BYTES_PER_PX = 1.5
"""Approximate bytes per pixel of a compressed two-byte tile."""

TileRequest = tuple[Asset, Window]
"""A band, and the part of the grid that will be read from it."""


def _byte_ranges(image: Image, index: int, grid: GeoBox, window: Window) -> list[ByteRange]:
    in_file = file_window(image.dataset, grid, window)
    return [] if in_file is None else byte_ranges(image.dataset, index, in_file)


def prefetch_window(image: Image, index: int, *, grid: GeoBox, window: Window) -> list[Future[None]]:
    """Request the tiles of a file that a block of the grid needs; the futures complete when the bytes have arrived."""
    return image.remote.fetch(_byte_ranges(image, index, grid, window)) if image.remote else []


class Prefetch:
    """The blocks of one composite in computing order, and the remote bytes that each needs."""

    def __init__(self, blocks: Sequence[tuple[Window, Sequence[TileRequest]]], *, grid: GeoBox, files: Files) -> None:
        self.files = files
        self._grid = grid
        self._blocks = [(window, [one for one in requests if is_ranged(one[0].href)]) for window, requests in blocks]
        self._requested: dict[int, list[Future[None]]] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _anew, (self._blocks, self._grid, self.files)

    def wait(self, window: Window) -> None:
        """Wait for the bytes of a block, and request those of the next ones.

        Raises
        ------
        NetworkError
            They cannot be fetched.
        """
        number = next((i for i, (one, _) in enumerate(self._blocks) if one == window), None)
        if number is None or not self._blocks[number][1]:
            return
        with self._lock:
            last = min(number + self._distance(number), len(self._blocks) - 1)
            self._request([n for n in range(number, last + 1) if n not in self._requested])
            mine = self._requested[number]
        wait_for(mine)

    def _request(self, numbers: Sequence[int]) -> None:
        """Request the bytes of some blocks file by file, since neighbouring tiles are adjacent in the file.

        Opening a file takes processor time but, once its directories have arrived, no waiting.
        """
        by_asset: dict[Asset, list[tuple[int, Window]]] = {}
        for number in numbers:
            for asset, window in self._blocks[number][1]:
                by_asset.setdefault(asset, []).append((number, window))
        self.files.open_ahead(by_asset)
        requested: dict[int, list[Future[None]]] = {number: [] for number in numbers}
        with rasterio.Env(**GDAL_OPTIONS):
            for asset, parts in by_asset.items():
                with opened(asset, self.files) as image:
                    needs = {number: _byte_ranges(image, asset.index, self._grid, window) for number, window in parts}
                    if image.beside and asset.band not in TABLES:
                        image.beside.begin(asset.index)
                    if image.remote:
                        image.remote.fetch(itertools.chain.from_iterable(needs.values()))
                        for number, own in needs.items():
                            requested[number] += image.remote.fetch(own)
        self._requested |= requested

    def _distance(self, number: int) -> int:
        """Return how many blocks to prefetch."""
        window, requests = self._blocks[number]
        size = window.shape[0] * window.shape[1] * len(requests) * BYTES_PER_PX
        return min(MOST_BLOCKS, int(MOST_BYTES / max(size, 1)))


def _anew(blocks: Sequence[tuple[Window, Sequence[TileRequest]]], grid: GeoBox, files: Files) -> Prefetch:
    return Prefetch(blocks, grid=grid, files=files)
