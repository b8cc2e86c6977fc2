"""Asking for the bytes of blocks before their turn: over the web, waiting takes longer than anything else."""

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
from howgreen.imagery.read.opener import GDAL_OPTIONS, Files, Image, arrive, is_ranged, opened, spans
from howgreen.imagery.read.resample import file_window

MOST_AHEAD = 16
"""Blocks that are asked for before their turn, if they are small."""
AHEAD_BYTES = 128 << 20
"""About what is asked for before its turn, at most: enough to be busy, little to lose when the run is stopped."""
BYTES_PER_PX = 1.5
"""Of a compressed tile of two-byte pixels, about."""

Wish = tuple[Asset, Window]
"""A band, and the part of the grid that will be read of it."""


def _spans(image: Image, index: int, grid: GeoBox, span: Window) -> list[tuple[int, int]]:
    window = file_window(image.dataset, grid, span)
    return [] if window is None else spans(image.dataset, index, (window.top, window.bottom, window.left, window.right))


def foresee(image: Image, index: int, *, grid: GeoBox, span: Window) -> list[Future[None]]:
    """Ask for the tiles of a file that a block of the grid needs; the futures are done when they are here."""
    return image.remote.fetch(_spans(image, index, grid, span)) if image.remote else []


class Ahead:
    """The blocks of one composite in the order in which they will be computed, and what each needs of the web."""

    def __init__(self, wishes: Sequence[tuple[Window, Sequence[Wish]]], *, grid: GeoBox, files: Files) -> None:
        self.files = files
        self._grid = grid
        self._wishes = [(span, [wish for wish in of if is_ranged(wish[0].href)]) for span, of in wishes]
        self._asked: dict[int, list[Future[None]]] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _anew, (self._wishes, self._grid, self.files)

    def ready(self, span: Window) -> None:
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
            last = min(number + self._distance(number), len(self._wishes) - 1)
            self._ask([n for n in range(number, last + 1) if n not in self._asked])
            mine = self._asked[number]
        arrive(mine)

    def _ask(self, numbers: Sequence[int]) -> None:
        """Ask for what some blocks need, file by file, for neighbours' tiles lie beside each other in the file.

        Opening a file takes processor time but, once its directories are here, no waiting.
        """
        wanted: dict[Asset, list[tuple[int, Window]]] = {}
        for number in numbers:
            for asset, span in self._wishes[number][1]:
                wanted.setdefault(asset, []).append((number, span))
        self.files.ask(wanted)
        asked: dict[int, list[Future[None]]] = {number: [] for number in numbers}
        with rasterio.Env(**GDAL_OPTIONS):
            for asset, parts in wanted.items():
                with opened(asset, self.files) as image:
                    needs = {number: _spans(image, asset.index, self._grid, span) for number, span in parts}
                    if image.remote:
                        image.remote.fetch(itertools.chain.from_iterable(needs.values()))
                        for number, own in needs.items():
                            asked[number] += image.remote.fetch(own)
        self._asked |= asked

    def _distance(self, number: int) -> int:
        """How many blocks ahead."""
        span, wishes = self._wishes[number]
        size = span.shape[0] * span.shape[1] * len(wishes) * BYTES_PER_PX
        return min(MOST_AHEAD, int(AHEAD_BYTES / max(size, 1)))


def _anew(wishes: Sequence[tuple[Window, Sequence[Wish]]], grid: GeoBox, files: Files) -> Ahead:
    return Ahead(wishes, grid=grid, files=files)
