"""Tiles of the most common GeoTIFFs (DEFLATE, one band of integers or of 32-bit floats), decoded without GDAL.

libtiff spends a third of its time undoing predictor 2, and GDAL copies each tile through a cache of its own. libdeflate
with numpy's cumulative sums gives the same numbers in two thirds of the time. Anything but exactly this common kind is
left to GDAL. Corrupted tiles are not: if they still fill the tile, libtiff ignores their checksum and returns wrong
numbers silently.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from howgreen.core.grid import Window

LARGEST_TILE_BYTES = 4 << 20
"""Largest uncompressed tile; larger ones are rare, and would hold much memory per thread."""
_PREDICTORS = {
    "uint8": (None, "1", "2"),
    "int16": (None, "1", "2"),
    "uint16": (None, "1", "2"),
    "float32": (None, "1", "3"),
}
"""Predictors decoded here for each type: 2 differences numbers, 3 differences the floats' bytes."""

ByteRange = tuple[int, int]
"""First byte in the file, and the one after the last."""


class _Buffers(threading.local):
    """Memory that a thread reuses for one tile after another: allocating it would take as long as decoding."""

    def __init__(self) -> None:
        self.packed = np.empty(LARGEST_TILE_BYTES, np.uint8)


_buffers = _Buffers()


def tile_bytes(dataset: Any, index: int, row: int, column: int) -> ByteRange | None:
    """Find the bytes of a tile (or strip) of a band in its file; None for one that is absent because it has no data."""
    first, size = (
        dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=index) for what in ("OFFSET", "SIZE")
    )
    return (int(first), int(first) + int(size)) if first and size else None


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Compression layout of a file's tiles."""

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, int]
    """Height and width of a tile."""
    differences: bool
    """Predictor 2: each number but a row's first is stored as the difference from the one before."""
    float_bytes: bool = False
    """Predictor 3: a row's bytes are ordered by their position in the floats, then differenced."""

    def read(self, dataset: Any, window: Window, out: NDArray[Any]) -> bool:
        """Read a window inside the image into ``out`` of its size; False if GDAL has to do it.

        RasterioError for a corrupted tile.
        """
        height, width = self.shape
        top, bottom, left, right = window.top, window.bottom, window.left, window.right
        inside = 0 <= top < bottom <= dataset.height and 0 <= left < right <= dataset.width
        if not inside or out.shape != window.shape or out.dtype != self.dtype:
            return False
        rows, columns = range(top // height, -(-bottom // height)), range(left // width, -(-right // width))
        try:
            with self.path.open("rb", buffering=0) as file:
                for row, column in itertools.product(rows, columns):
                    where = tile_bytes(dataset, 1, row, column)
                    tile = self._decoded(file, *where) if where else None
                    if tile is None:
                        return False
                    self._place(tile, row * height - top, column * width - left, out)
        except OSError:
            return False
        return True

    def _decoded(self, file: Any, first: int, end: int) -> NDArray[Any] | None:
        """Decompress one tile (y, x), without undoing the predictor; valid until the next call."""
        import deflate

        size = end - first
        if size > LARGEST_TILE_BYTES:
            return None
        file.seek(first)
        packed = _buffers.packed[:size]
        if file.readinto(packed) != size:
            return None
        expected = self.shape[0] * self.shape[1] * self.dtype.itemsize
        try:  # never longer than expected: a tile that decompresses to more is refused too
            decoded = deflate.zlib_decompress(packed, expected)
        except deflate.DeflateError as error:
            raise RasterioError(f"the tile at byte {first} is not what was written") from error
        if len(decoded) != expected:  # the last strip is shorter
            return None
        if self.float_bytes:
            return _floats(np.frombuffer(decoded, np.uint8).reshape(*self.shape, 4))
        return np.frombuffer(decoded, self.dtype).reshape(self.shape)

    def _place(self, tile: NDArray[Any], top: int, left: int, out: NDArray[Any]) -> None:
        """Copy a tile's part of ``out``; ``top``, ``left`` are its first row and column in it (may be negative)."""
        bottom, right = min(top + tile.shape[0], out.shape[0]), min(left + tile.shape[1], out.shape[1])
        y, x = max(top, 0), max(left, 0)
        rows, inner = tile[y - top : bottom - top, : right - left], out[y:bottom, x:right]
        if not self.differences:
            inner[...] = rows[:, x - left :]
        elif left >= 0:  # summed at the destination: one pass less over memory
            np.add.accumulate(rows, axis=-1, dtype=self.dtype, out=inner)
        else:  # rows begin before ``out`` does
            inner[...] = np.add.accumulate(rows, axis=-1, dtype=self.dtype)[:, x - left :]


def _floats(packed: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Decode the rows of a float tile: first all their highest bytes, then the next, each differenced."""
    height, width, size = packed.shape
    summed = np.add.accumulate(packed.reshape(height, -1), axis=-1, dtype=np.uint8)
    planes = summed.reshape(height, size, width).transpose(0, 2, 1)
    return np.ascontiguousarray(planes).view(">f4")[..., 0].astype(np.float32)


def tiles_of(dataset: Any, path: Path) -> Tiles | None:
    """Describe the tiles of an open GeoTIFF; None if only GDAL can read it."""
    if dataset.driver != "GTiff" or dataset.count != 1 or dataset.dtypes[0] not in _PREDICTORS:
        return None
    packing, shape, dtype = dataset.tags(ns="IMAGE_STRUCTURE"), dataset.block_shapes[0], np.dtype(dataset.dtypes[0])
    predictor, bits = packing.get("PREDICTOR"), dataset.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
    if packing.get("COMPRESSION") != "DEFLATE" or predictor not in _PREDICTORS[str(dtype)] or bits is not None:
        return None
    if shape[0] * shape[1] * dtype.itemsize > LARGEST_TILE_BYTES or not _little_endian(path):
        return None
    return Tiles(path=path, dtype=dtype, shape=shape, differences=predictor == "2", float_bytes=predictor == "3")


def _little_endian(path: Path) -> bool:
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(2) == b"II"
    except OSError:
        return False
