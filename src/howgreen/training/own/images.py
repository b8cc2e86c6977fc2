"""One image to learn from, with its numbers checked before anything is learned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from howgreen.core.errors import ImageError, MissingBandsError
from howgreen.core.types import Encoding
from howgreen.core.warnings import warn
from howgreen.imagery.read import quality
from howgreen.store import plausible, source_tif, sources
from howgreen.store.borders import find_borders
from howgreen.store.options import Options

Floats = npt.NDArray[np.float32]
_ANY_DAY = date(2000, 1, 1)
_NEEDED = ("green", "red", "nir")
"""Without these no vegetation is told, and the order of bands cannot be checked."""
_MOST_PX = 150_000_000
"""Of all bands together: what fits into a few GiB of memory."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """Reflectance on one grid."""

    name: str
    bands: tuple[str, ...]
    reflectance: Floats
    """(band, y, x), 0-1; NaN where there is no data or a mask says cloud, shadow or snow."""
    grid: GeoBox

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """(y, x) where all bands have data."""
        return np.asarray(np.isfinite(self.reflectance).all(axis=0))

    def band(self, name: str) -> Floats:
        """(y, x)."""
        return np.asarray(self.reflectance[self.bands.index(name)])

    @property
    def ndvi(self) -> Floats:
        """(y, x); NaN where unseen."""
        red, nir = np.maximum(self.band("red"), 0), np.maximum(self.band("nir"), 0)
        return np.asarray((nir - red) / np.maximum(nir + red, np.float32(1e-4)))


def read_image(files: list[Path], options: Options) -> Image:
    """Open a GeoTIFF with several bands, or one file a band, all on one grid.

    Parameters
    ----------
    options
        What the user says: names of the bands in the file's order, scale and offset, no data, sensor; None where the file is to say it.

    Raises
    ------
    ImageError
        Not readable, bands unnamed or on different grids, numbers that are no reflectance, no pixel with data.
    MissingBandsError
        Green, red or near-infrared is not there.
    """
    options = replace(options, date=options.date or _ANY_DAY)
    found = source_tif.sources(files, options)
    if len(found) != 1:
        raise ImageError(f"{', '.join(str(file) for file in files)}: {len(found)} images; train on one (a composite.tif of "
                         "`howgreen city` joins several dates)")  # fmt: skip
    source = found[0]
    missing = [band for band in _NEEDED if band not in {one.band for one in source.bands}]
    if missing:
        raise MissingBandsError(f"{source.name}: lacks {', '.join(missing)} (there: {', '.join(one.band for one in source.bands)}); "
                                "training needs at least green, red and nir")  # fmt: skip
    _check_size(source)
    return _checked(source)


def _check_size(source: sources.Source) -> None:
    total = 0
    for one in source.bands:
        with sources.opened(one.path) as dataset:
            total += dataset.width * dataset.height
    if total > _MOST_PX:
        raise ImageError(f"{source.name}: {total / 1e6:,.0f} million values are too many to learn from at once; cut it to the "
                         "city, as with `gdal_translate -projwin`")  # fmt: skip


def _checked(source: sources.Source) -> Image:
    # The same rules as for a store: whatever says that there are no data, no tag included.
    edges, cautions = find_borders(source)
    warn(*cautions)
    read = {layer.band: layer.read() for layer in sources.layers(source, edges)}
    grids = {band: grid for band, (_, grid) in read.items()}
    first = next(band for band in grids if band != source.sensor.mask)
    apart = [band for band, grid in grids.items() if grid != grids[first]]
    if apart:
        raise ImageError(f"{source.name}: {', '.join(apart)} lie on another grid than {first}; bring all bands onto one grid, as "
                         "with `gdalwarp`, or use the composite.tif of `howgreen city`")  # fmt: skip
    numbers = {band: values for band, (values, _) in read.items() if band != source.sensor.mask}
    holes = {band: _holes(values, source.encoding(band).nodata) for band, values in numbers.items()}
    valid = {band: values[~holes[band]] for band, values in numbers.items()}
    if not all(values.size for values in valid.values()):
        empty = [band for band, values in valid.items() if not values.size]
        raise ImageError(f"{source.name}: {', '.join(empty)} hold no data at all (NaN or nodata); check the file")
    plausible.check(source, valid)
    bands = tuple(band for band in source.sensor.band_names if band in numbers)
    layers = [np.where(holes[band], np.nan, _reflectance(numbers[band], source.encoding(band))) for band in bands]
    reflectance = np.stack(layers).astype(np.float32)
    if source.sensor.mask in read:
        flags = quality.TABLES[source.sensor.mask][read[source.sensor.mask][0]]
        reflectance[:, flags != 0] = np.nan
    return Image(name=source.name, bands=bands, reflectance=reflectance, grid=grids[first])


def _reflectance(numbers: npt.NDArray[Any], encoding: Encoding) -> npt.NDArray[np.float64]:
    return np.asarray(numbers * np.float64(encoding.scale) + encoding.offset)


def _holes(values: npt.NDArray[np.generic], nodata: float | None) -> npt.NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(~np.isfinite(values))
    return np.asarray(np.zeros(values.shape, bool) if nodata is None else values == nodata)
