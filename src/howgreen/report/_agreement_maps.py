"""Map of disagreement between two maps, as a cloud-optimised GeoTIFF: written block by block, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from howgreen.core.agreement import BOTH, NEITHER, NOT_COMPARED, ONLY_OURS, ONLY_THEIRS
from howgreen.core.cog import pack, plain_raster
from howgreen.report._qgis import write_class_style
from howgreen.report._rasters import write_category_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from odc.geo.geobox import GeoBox
    from PIL.Image import Image

Array = np.ndarray[Any, Any]

CATEGORIES: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        NEITHER: ("neither green", "#e6e0d0"),
        BOTH: ("both green", "#2f7d4f"),
        ONLY_OURS: ("only ours green", "#2c6fbb"),
        ONLY_THEIRS: ("only theirs green", "#e08214"),
    }
)
"""Name and colour of each category; blue and orange are distinguishable with any colour vision."""

SHOWN = MappingProxyType({**CATEGORIES, 4: ("not compared (water, unseen)", "#b7c4cf")})
"""The same in pictures, where uncompared ground inside the limits has a colour too."""


def file_name(key: str) -> str:
    """Name the file of the agreement map with map ``key``."""
    return f"agreement_{key.replace('-', '_')}.tif"


@contextmanager
def agreement_map(folder: Path, key: str, grid: GeoBox, *, label: str) -> Iterator[Callable[[int, int, Array], None]]:
    """Open a file that accepts blocks of categories (row, column, uint8 (y, x)); on success it becomes a COG.

    Raises
    ------
    OSError, RasterioError
        The disk refuses.
    """
    plain, final = folder / f"scratch-{file_name(key)}", folder / file_name(key)
    try:
        with plain_raster(plain, grid, dtype="uint8", nodata=NOT_COMPARED, compress="DEFLATE") as file:
            yield lambda row, column, values: file.write(values, 1, window=_window(row, column, values))
            _dress(file, label)
        # The mean of two categories is a third one: overviews use the mode.
        pack(plain, final, {"overview_resampling": "MODE"})
    finally:
        plain.unlink(missing_ok=True)
    write_category_names(final, {code: name for code, (name, _) in CATEGORIES.items()})
    write_class_style(final, CATEGORIES)


def small(folder: Path, key: str, shape: tuple[int, int]) -> Array:
    """Shrink an agreement map to screen size, uint8 (y, x)."""
    import rasterio
    from rasterio.enums import Resampling

    with rasterio.open(folder / file_name(key)) as file:
        categories: Array = file.read(1, out_shape=shape, resampling=Resampling.mode)
    return categories


def picture(categories: Array, inside: Array) -> Image:
    """Make a palette picture of an agreement map (uint8, y, x), transparent outside the limits (bool, y, x)."""
    from howgreen.report.shades import palette

    index = np.where(inside & (categories == NOT_COMPARED), np.uint8(4), categories)
    return palette(index, {code: colour for code, (_, colour) in SHOWN.items()})


def _window(row: int, column: int, values: Array) -> Any:
    from rasterio.windows import Window

    return Window(column, row, values.shape[1], values.shape[0])


def _dress(file: Any, label: str) -> None:
    file.set_band_description(1, "agreement")
    file.write_colormap(
        1,
        {code: (*bytes.fromhex(colour[1:]), 255) for code, (_, colour) in CATEGORIES.items()}
        | {NOT_COMPARED: (0, 0, 0, 0)},
    )
    names = {f"CLASS_{code}": name for code, (name, _) in CATEGORIES.items()}
    file.update_tags(1, **names, **{f"CLASS_{NOT_COMPARED}": "not compared"})
    file.update_tags(DESCRIPTION=f"howgreen against {label}")
