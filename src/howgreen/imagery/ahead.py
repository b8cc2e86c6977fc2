"""Asking for the bytes of blocks before their turn: over the web, waiting takes longer than anything else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Any

import rasterio
from odc.geo.geobox import GeoBox

from howgreen.imagery.opening import GDAL_OPTIONS, Files, Image, is_web, opened
from howgreen.imagery.remote import KEPT_BYTES
from howgreen.imagery.source import Span, file_window
from howgreen.types import Asset

MOST_AHEAD = 16
"""Blocks that are asked for before their turn, if they are small."""
BYTES_PER_PX = 1.5
"""Of a compressed tile of two-byte pixels, about."""

Wish = tuple[Asset, Span]
"""A band, and the part of the grid that will be read of it."""


def foresee(image: Image, index: int, *, grid: GeoBox, span: Span) -> list[Future[bytes]]:
    """Ask for the tiles of a file that a block of the grid needs; the futures are done when they are here.

    Nothing for files on this computer, and for those whose format does not say where its tiles are (JPEG 2000).
    """
    if image.remote is None:
        return []
    window = file_window(image.dataset, grid, span)
    return [] if window is None else image.remote.fetch(_tiles(image.dataset, index, window))


def _tiles(dataset: Any, index: int, window: Span) -> Iterable[tuple[int, int]]:
    """Byte spans of the tiles (or strips) under a window; those that are not in the file (all nodata) left out."""
    height, width = dataset.block_shapes[index - 1]
    for row in range(window.top // height, -(-window.bottom // height)):
        for column in range(window.left // width, -(-window.right // width)):
            first = dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=index)
            size = dataset.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=index)
            if first and size:
                yield int(first), int(first) + int(size)


class Ahead:
    """The blocks of one composite in the order in which they will be computed, and what each needs of the web."""

    def __init__(self, wishes: Sequence[tuple[Span, Sequence[Wish]]], *, grid: GeoBox, files: Files) -> None:
        self.files = files
        self._grid = grid
        self._wishes = [(span, [wish for wish in of if is_web(wish[0].href)]) for span, of in wishes]
        self._asked: dict[int, list[Future[bytes]]] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _anew, (self._wishes, self._grid, self.files)

    def ready(self, span: Span) -> None:
        """Wait until the bytes of a block are here, and ask for those of the next ones.

        Raises
        ------
        NetworkError
            If they are not to be had.
        """
        number = next((i for i, (one, _) in enumerate(self._wishes) if one == span), None)
        if number is None or not self._wishes[number][1]:
            return
        with self._lock:
            for n in range(number, min(number + 1 + self._distance(number), len(self._wishes))):
                if n not in self._asked:
                    self._asked[n] = self._ask(self._wishes[n][1])
            mine = self._asked[number]
        for piece in mine:
            piece.result()

    def _ask(self, wishes: Sequence[Wish]) -> list[Future[bytes]]:
        """Opening a file takes processor time but, once its head is here, no waiting."""
        self.files.ask(asset for asset, _ in wishes)
        asked: list[Future[bytes]] = []
        with rasterio.Env(**GDAL_OPTIONS):
            for asset, span in wishes:
                with opened(asset, self.files) as image:
                    asked += foresee(image, asset.index, grid=self._grid, span=span)
        return asked

    def _distance(self, number: int) -> int:
        """How many blocks ahead still fit in half of what is kept."""
        span, wishes = self._wishes[number]
        size = span.shape[0] * span.shape[1] * len(wishes) * BYTES_PER_PX
        return min(MOST_AHEAD, int(KEPT_BYTES / 2 / max(size, 1)))


def _anew(wishes: Sequence[tuple[Span, Sequence[Wish]]], grid: GeoBox, files: Files) -> Ahead:
    return Ahead(wishes, grid=grid, files=files)
