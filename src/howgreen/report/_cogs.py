"""A map on its way to a cloud-optimised GeoTIFF: written uncompressed with its overviews, then packed in one go."""

from __future__ import annotations

import os
from dataclasses import dataclass
from errno import ENOSPC
from threading import Lock
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen.core.cog import TILE_PX, pack, plain_raster
from howgreen.report._overviews import pyramid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Array = np.ndarray[Any, Any]

BLOCK_PX = 1024
"""Blocks start at multiples of this: their overviews then need no pixels of other blocks."""
MOST_LEVELS = 10
"""At the tenth overview a block is one pixel."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Properties of a map."""

    grid: GeoBox
    bands: int
    dtype: str
    nodata: float
    smooth: bool
    """Whether overviews are means; else modes."""

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Shapes of the map and its overviews, until one fits into a tile."""
        shapes = [(int(self.grid.shape[0]), int(self.grid.shape[1]))]
        while max(shapes[-1]) > TILE_PX and len(shapes) <= MOST_LEVELS:
            shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
        return shapes


class Scratch:
    """A map that accepts blocks, in any order and from several threads.

    Stored as one uncompressed file per level, and a virtual one (VRT) that combines them into one map with overviews.
    """

    def __init__(self, final: Path, layout: Layout, *, tell: Callable[[], None] | None = None) -> None:
        self.final = final
        self.path = final.with_name(f"scratch-{final.stem}.vrt")
        self._layout, self._lock, self._tell = layout, Lock(), tell
        self._paths = [self.path.with_name(f"{self.path.stem}-{n}.tif") for n in range(len(layout.shapes))]
        grid = layout.grid
        grids = [GeoBox(shape, grid.transform @ Affine.scale(2**n), grid.crs) for n, shape in enumerate(layout.shapes)]
        self._files = [
            plain_raster(path, level, dtype=layout.dtype, nodata=layout.nodata, bands=layout.bands)
            for path, level in zip(self._paths, grids, strict=True)
        ]

    def __setitem__(self, key: Any, values: Array) -> None:
        """Write a block that starts at multiples of BLOCK_PX, as dask does."""
        from rasterio.windows import Window

        values = values if values.ndim == 3 else values[None]
        layout, (rows, columns) = self._layout, key[-2:]
        smaller = pyramid(values, len(self._files) - 1, nodata=layout.nodata, smooth=layout.smooth)
        levels = [values, *smaller]
        with self._lock:
            for n, (file, level) in enumerate(zip(self._files, levels, strict=True)):
                file.write(level, window=Window(columns.start >> n, rows.start >> n, level.shape[2], level.shape[1]))
        if self._tell:
            self._tell()

    def close(self) -> None:
        """Flush to disk, and check that everything arrived: GDAL does not report a full disk on closing."""
        for path, file in zip(self._paths, self._files, strict=True):
            expected = file.count * file.height * file.width * np.dtype(file.dtypes[0]).itemsize
            file.close()
            if path.stat().st_size < expected:
                raise OSError(ENOSPC, os.strerror(ENOSPC))
        self.path.write_text(_vrt(self._layout, [path.name for path in self._paths]), encoding="utf-8")

    def discard(self) -> None:
        """Close and delete."""
        with self._lock:  # after an error, another thread may still be writing
            for path, file in zip(self._paths, self._files, strict=True):
                file.close()
                path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def pack(self, creation: Mapping[str, Any]) -> None:
        """Convert it to the COG. ``creation``: options of GDAL's driver."""
        pack(self.path, self.final, creation)


def _vrt(layout: Layout, names: list[str]) -> str:
    """Describe the files of all levels as one map (https://gdal.org/en/stable/drivers/raster/vrt.html)."""
    height, width = layout.shapes[0]
    root = ET.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    ET.SubElement(root, "SRS").text = str(layout.grid.crs)
    ET.SubElement(root, "GeoTransform").text = ", ".join(map(repr, layout.grid.transform.to_gdal()))
    kind = {"uint8": "Byte", "int16": "Int16", "float32": "Float32"}[layout.dtype]
    for number in range(1, layout.bands + 1):
        band = ET.SubElement(root, "VRTRasterBand", dataType=kind, band=str(number))
        ET.SubElement(band, "NoDataValue").text = str(layout.nodata)
        for level, name in enumerate(names):
            source = ET.SubElement(band, "Overview" if level else "SimpleSource")
            ET.SubElement(source, "SourceFilename", relativeToVRT="1").text = name
            ET.SubElement(source, "SourceBand").text = str(number)
    return ET.tostring(root, encoding="unicode")
