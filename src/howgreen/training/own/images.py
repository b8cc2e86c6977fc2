"""Training images, with their numbers checked before anything is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from howgreen import store
from howgreen.core.errors import ImageError, MissingBandsError, PeriodError
from howgreen.core.geometry import transformer
from howgreen.core.models import TrainingImage
from howgreen.core.period import Period
from howgreen.core.types import Encoding
from howgreen.core.warnings import warn
from howgreen.imagery.read import quality
from howgreen.store import plausible, sources
from howgreen.store.borders import find_borders
from howgreen.store.options import Options

Floats = npt.NDArray[np.float32]
_NEEDED = ("green", "red", "nir")
"""Without these, vegetation is not recognisable, and the order of bands cannot be checked."""
_MOST_PX = 150_000_000
"""Limit on all bands of all images together: what fits into a few GiB of memory."""
_LEAST, _MOST = -0.5, 2.0
"""Reflectance outside is no ground, whatever a file declares: -9999, -3.4e38 or 65535 for no data, at any usual
scale."""
_LONGEST_SEASON_DAYS = 190
"""A composite of a longer period has no season."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """Reflectance on one grid."""

    name: str
    bands: tuple[str, ...]
    reflectance: Floats
    """(band, y, x), 0-1; NaN without data or where a mask flags cloud, shadow or snow."""
    grid: GeoBox
    sensor: str = ""
    day: str = ""
    """ISO date; empty if unknown."""

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """(y, x) where all bands have data."""
        return np.asarray(np.isfinite(self.reflectance).all(axis=0))

    def band(self, name: str) -> Floats:
        """Return a band, (y, x)."""
        return np.asarray(self.reflectance[self.bands.index(name)])

    @property
    def ndvi(self) -> Floats:
        """(y, x); NaN where unseen."""
        red, nir = np.maximum(self.band("red"), 0), np.maximum(self.band("nir"), 0)
        return np.asarray((nir - red) / np.maximum(nir + red, np.float32(1e-4)))

    def on_card(self) -> TrainingImage:
        """Describe on a card where, when and by which satellite it was taken."""
        box = self.grid.extent.boundingbox
        to_degrees = transformer(str(self.grid.crs), "EPSG:4326")
        west, south, east, north = to_degrees.transform_bounds(box.left, box.bottom, box.right, box.top)
        bounds = (round(west, 4), round(south, 4), round(east, 4), round(north, 4))
        return TrainingImage(sensor=self.sensor or "unknown", day=self.day, bounds=bounds)


def read_images(files: Sequence[Path], options: Options) -> list[Image]:
    """Open training images: multi-band GeoTIFFs, one image with one file per band, or folders as for a store.

    Several images show the same ground in different seasons; the bands common to all are used.

    Parameters
    ----------
    options
        The user's statements: names of the bands in the file's order, scale and offset, no data, day, sensor; None to
        use the file's.

    Raises
    ------
    ImageError
        A file is unreadable, bands are unnamed or on different grids, numbers are not reflectance, or no pixel has
        data.
    MissingBandsError
        Green, red or near-infrared is missing.
    """
    found = store.sources_in(files, replace(options, undated=True))
    for source in found:
        there = [one.band for one in source.bands]
        missing = [band for band in _NEEDED if band not in there]
        if missing:
            raise MissingBandsError(f"{source.name}: lacks {', '.join(missing)} (there: {', '.join(there)}); training needs at least "
                                    "green, red and nir")  # fmt: skip
    _check_size(found)
    images = [_checked(source) for source in found]
    shared = tuple(band for band in images[0].bands if all(band in image.bands for image in images))
    return [_with_bands(image, shared) for image in images]


def _with_bands(image: Image, bands: tuple[str, ...]) -> Image:
    if image.bands == bands:
        return image
    return replace(image, bands=bands, reflectance=np.stack([image.band(band) for band in bands]))


def _check_size(found: Sequence[sources.Source]) -> None:
    total = 0
    for source in found:
        for one in source.bands:
            with sources.opened(one.path) as dataset:
                total += dataset.width * dataset.height
    if total > _MOST_PX:
        raise ImageError(f"{found[0].name}: {total / 1e6:,.0f} million values are too many to learn from at once; cut it to the "
                         "city, as with `gdal_translate -projwin`")  # fmt: skip


def _checked(source: sources.Source) -> Image:
    # The same rules as for a store: any declaration of no data, or none.
    edges, cautions = find_borders(source)
    warn(*cautions, *source.warnings)
    read = {layer.band: layer.read() for layer in sources.layers(source, edges)}
    mask = source.sensor.mask
    grid = max((one for band, (_, one) in read.items() if band != mask), key=lambda one: one.shape.x)
    numbers = {band: _onto(values, own, grid, f"{source.name}: {band}") for band, (values, own) in read.items()}
    flags = numbers.pop(mask, None)
    holes = {band: _holes(values, source.encoding(band)) for band, values in numbers.items()}
    valid = {band: values[~holes[band]] for band, values in numbers.items()}
    if not all(values.size for values in valid.values()):
        empty = [band for band, values in valid.items() if not values.size]
        raise ImageError(f"{source.name}: {', '.join(empty)} hold no data at all (NaN or nodata); check the file")
    warn(*plausible.check(source, valid))
    bands = tuple(band for band in source.sensor.band_names if band in numbers)
    layers = [np.where(holes[band], np.nan, _reflectance(numbers[band], source.encoding(band))) for band in bands]
    reflectance = np.stack(layers).astype(np.float32)
    if flags is not None:
        reflectance[:, quality.TABLES[mask][flags] != 0] = np.nan
    return Image(
        name=source.name, bands=bands, reflectance=reflectance, grid=grid, sensor=source.sensor.name, day=_day(source)
    )


def _onto(values: npt.NDArray[Any], own: GeoBox, grid: GeoBox, name: str) -> npt.NDArray[Any]:
    """Replicate the pixels of a coarser band to a grid whose pixels divide them; ImageError if they do not."""
    if own == grid:
        return values
    factor = round(own.transform.a / grid.transform.a)
    if factor > 1 and own.zoom_out(1 / factor) == grid:
        return values.repeat(factor, 0).repeat(factor, 1)
    raise ImageError(
        f"{name} lies on another grid than the finest band; bring all bands onto one grid, as with `gdalwarp`, or use the "
        "composite.tif of `howgreen city`"
    )


def _day(source: sources.Source) -> str:
    """Return the ISO day of an image, or the middle of a composite's season; empty if unknown."""
    if source.time_from != sources.NOBODY:
        return source.time.date().isoformat()
    with sources.opened(source.bands[0].path) as dataset:
        told = dataset.tags().get("PERIOD", "")
    try:
        period = Period.parse(told)
    except PeriodError:
        return ""
    length = period.end - period.start
    return (period.start + length / 2).isoformat() if length.days <= _LONGEST_SEASON_DAYS else ""


def _reflectance(numbers: Any, encoding: Encoding) -> npt.NDArray[np.float64]:
    return np.asarray(numbers * np.float64(encoding.scale) + encoding.offset)


def _holes(values: npt.NDArray[Any], encoding: Encoding) -> npt.NDArray[np.bool_]:
    """Find pixels without ground (y, x): the file's no data, or values that no ground reflects."""
    if values.dtype.kind == "f":
        none = ~np.isfinite(values)
    else:
        none = np.zeros(values.shape, bool) if encoding.nodata is None else values == encoding.nodata
    if encoding.nodata is not None:
        none = none | (values == encoding.nodata)
    # The extreme numbers only: a wrong scale puts many numbers outside, and is a separate error.
    known = values[~none]
    for number in {known.min(), known.max()} if known.size else ():
        if not _LEAST <= float(_reflectance(number, encoding)) <= _MOST:
            none = none | (values == number)
    return np.asarray(none)
