"""Common form of all image files: bands with a place, a time and a scale."""

from __future__ import annotations

import hashlib
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import Interleaving
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError

from howgreen.clouds import omnicloudmask
from howgreen.core.errors import ImageError
from howgreen.core.types import Encoding
from howgreen.store import _fill, _masks
from howgreen.store.write import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    import numpy.typing as npt

    from howgreen.core.sensors import Sensor
    from howgreen.core.warnings import Caution
    from howgreen.store.write import Raster

# By magic bytes. Not VRT and the like, which can refer to other files and addresses.
_DRIVERS = {b"II*\0": "GTiff", b"MM\0*": "GTiff", b"II+\0": "GTiff", b"MM\0+": "GTiff", b"\0\0\0\x0c": "JP2OpenJPEG"}
_MOST_LATITUDE, _MOST_LONGITUDE = 91.0, 541.0
NEEDED = ("red", "nir")
"""Bands without which no model can classify green."""
UNDATED = date(2000, 1, 1)
"""Date of an image accepted without one; its ``time_from`` says so."""
NOBODY = "nobody"
LARGEST_BAND_PX = 1_000_000_000
LARGEST_KEPT_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class BandSource:
    """One band of a scene in a file."""

    band: str
    """Common name."""
    path: Path
    index: int = 1
    encoding: Encoding | None = None
    """Set if it differs from the scene's."""
    mask_given: bool = False
    """Whether the user passed it as the image's mask."""
    mask_kind: str = ""
    """Kind of a cloud mask that is not the sensor's own: see :func:`howgreen.store._masks.read_as`."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One scene in the user's files."""

    id: str
    name: str
    """The file or folder, for messages."""
    sensor: Sensor
    bands: tuple[BandSource, ...]
    time: datetime
    time_from: str
    """``metadata``, ``option``, ``file name``, or ``nobody``."""
    scale: float
    offset: float
    offset_from: str
    """``metadata``, ``option`` or ``default``."""
    nodata: float | None
    """Nodata value of the reflective bands; None for floats, which use NaN."""
    baseline: str | None = None
    platform: str | None = None
    cloud_cover_pct: float | None = None
    unit: str = ""
    """Unit of scaled radar bands: :data:`howgreen.core.stac.DECIBEL` or ``POWER``."""
    nodata_given: bool = False
    """Whether the user stated the nodata value: then the files' own tags do not count."""
    scale_given: bool = False
    """Whether the user gave the scale."""
    trusted: bool = False
    """Whether scale and offset come from the provider's own metadata."""
    warnings: tuple[Caution, ...] = ()
    """Doubts about the scene."""

    def encoding(self, band: str) -> Encoding:
        """Return a band's scaling to reflectance."""
        own = next((one.encoding for one in self.bands if one.band == band), None)
        return own or Encoding(scale=self.scale, offset=self.offset, nodata=self.nodata)

    @property
    def encodings(self) -> dict[str, Encoding]:
        """Return the encodings of bands that have their own."""
        return {one.band: one.encoding for one in self.bands if one.encoding}


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a raster file with a CRS and a place on Earth, else ImageError."""
    if not path.is_file():
        raise ImageError(f"{path}: no such file; check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(path, driver=_driver(path))
    except (RasterioError, OSError) as error:
        raise ImageError(
            f"{path}: not a readable GeoTIFF or JPEG 2000 ({_short(error)}); get the file again"
        ) from error
    with dataset:
        if (dataset.crs is None or dataset.transform.is_identity) and (dataset.gcps[0] or dataset.rpcs):
            raise ImageError(f"{path}: only control points say where the image lies; warp it first, as with `gdalwarp`")
        if dataset.crs is None or not dataset.crs.to_wkt():
            cure = f"write it into the file, as with `gdal_edit.py -a_srs EPSG:32632 {path.name}`"
            raise ImageError(f"{path}: the image does not say its CRS; {cure}")
        if dataset.transform.is_identity or dataset.transform.determinant == 0:
            raise ImageError(f"{path}: the image has no place on the map (no geotransform); georeference it first")
        if strange := [kind for kind in dataset.dtypes if kind.startswith("complex")]:
            raise ImageError(
                f"{path}: its pixels are {strange[0]} numbers, which are no reflectance and no backscatter"
            )
        if dataset.width * dataset.height > LARGEST_BAND_PX:
            size = f"{dataset.width} x {dataset.height} pixels"
            raise ImageError(f"{path}: {size} are too many for one scene; cut it to the city, as with `gdal_translate`")
        yield dataset


def _driver(path: Path) -> str:
    with path.open("rb") as file:
        driver = _DRIVERS.get(file.read(4))
    if driver is None:
        raise ImageError(f"{path}: neither a GeoTIFF nor JPEG 2000; convert it, as with `gdal_translate`")
    return driver


def _short(error: BaseException) -> str:
    """Return the first line of a library's message."""
    return (str(error).splitlines() or [type(error).__name__])[0].strip()[:200]


def grid_of(dataset: Any, path: Path) -> GeoBox:
    """Return the grid of an open file."""
    if dataset.crs.is_geographic:
        _check_degrees(dataset, path)
    try:
        return GeoBox((dataset.height, dataset.width), dataset.transform, dataset.crs.to_wkt())
    except (CRSError, ValueError, TypeError) as error:
        raise ImageError(f"{path}: its CRS cannot be used ({_short(error)}); reproject it with `gdalwarp`") from error


def _check_degrees(dataset: Any, path: Path) -> None:
    """Refuse metres declared as degrees, which would otherwise fail only when the scene is stored."""
    t, corners = dataset.transform, [(x, y) for x in (0, dataset.width) for y in (0, dataset.height)]
    lons, lats = ([a * x + b * y + c for x, y in corners] for a, b, c in ((t.a, t.b, t.c), (t.d, t.e, t.f)))
    if max(map(abs, lats)) > _MOST_LATITUDE or max(map(abs, lons)) > _MOST_LONGITUDE:
        where = f"x {min(lons):g}…{max(lons):g}, y {min(lats):g}…{max(lats):g}"
        raise ImageError(f"{path}: {where} are no degrees, as its CRS says; write the right CRS into it (gdal_edit.py)")


def layers(source: Source, borders: Mapping[GeoBox, npt.NDArray[np.bool_]] | None = None) -> list[Layer]:
    """List a scene's bands, each read on demand; ``borders`` as from :func:`howgreen.store.borders.find_borders`."""
    keep = _Keep()

    def reader(one: BandSource) -> Callable[[], Raster]:
        return lambda: read(one, source, keep=keep, borders=borders or {})

    return [Layer(band=one.band, read=reader(one)) for one in source.bands]


@dataclass(kw_only=True)
class _Keep:
    """Cache the pixels of one pixel-interleaved file, which would otherwise be decoded once per band."""

    path: Path | None = None
    values: npt.NDArray[Any] | None = None

    def band(self, dataset: Any, path: Path, index: int) -> npt.NDArray[Any]:
        if path == self.path and self.values is not None:
            values: npt.NDArray[Any] = self.values[index - 1].copy()
            return values
        size = dataset.count * dataset.width * dataset.height * np.dtype(dataset.dtypes[0]).itemsize
        if dataset.count == 1 or dataset.interleaving != Interleaving.pixel or size > LARGEST_KEPT_BYTES:
            alone: npt.NDArray[Any] = dataset.read(index)
            return alone
        self.path, self.values = path, dataset.read()
        return self.band(dataset, path, index)


@contextmanager
def broken(one: BandSource) -> Iterator[None]:
    """Turn GDAL's decoding errors into an ImageError that names the file."""
    try:
        yield
    except (RasterioError, MemoryError) as error:
        reason = _short(error.__cause__ or error)
        raise ImageError(
            f"{one.path}: truncated or broken in band {one.band} ({reason}); get the file again"
        ) from error


def read(one: BandSource, source: Source, *, keep: _Keep, borders: Mapping[GeoBox, npt.NDArray[np.bool_]]) -> Raster:
    """Read all pixels of a band and their grid; every mark of missing data becomes the band's nodata value.

    Raises
    ------
    ImageError
        When the file is truncated or broken.

    """
    is_mask = one.band == source.sensor.mask
    if one.mask_kind == omnicloudmask.NAME:
        return _masks.of_omnicloudmask(*_light(source, keep, borders), source.sensor)
    with opened(one.path) as dataset:
        grid = grid_of(dataset, one.path)
        with broken(one):
            values = keep.band(dataset, one.path, one.index)
            hidden = None if is_mask else _fill.hidden(dataset, one.index)
        own = None if source.nodata_given else dataset.nodatavals[one.index - 1]
    if is_mask:
        return (_masks.read_as(one.mask_kind, values, source.sensor) if one.mask_kind else values), grid
    border = borders.get(grid)
    empty = [mask for mask in (hidden, border) if mask is not None]
    return _fill.as_nodata(values, source.encoding(one.band).nodata, own=own, empty=empty), grid


def doubts_of_mask(source: Source) -> tuple[Caution, ...]:
    """Warn if a mask holds none of the values the user declares clear."""
    for one in source.bands:
        if _masks.clear_numbers(one.mask_kind):
            with opened(one.path) as dataset, broken(one):
                doubt = _masks.never_clear(one.mask_kind, dataset.read(one.index))
            return () if doubt is None else (doubt,)
    return ()


def _light(
    source: Source, keep: _Keep, borders: Mapping[GeoBox, npt.NDArray[np.bool_]]
) -> tuple[npt.NDArray[np.float32], GeoBox, str]:
    """Return the reflectance (3, y, x) of OmniCloudMask's bands, NaN for no data, their grid, and the image's name."""
    by_name = {one.band: one for one in source.bands}
    lacking = [name for name in omnicloudmask.BANDS if name not in by_name]
    if lacking:
        raise ImageError(
            f"{source.name}: --mask {omnicloudmask.NAME} needs the bands red, green and nir; {', '.join(lacking)} is missing"
        )
    planes, grids = [], []
    for name in omnicloudmask.BANDS:
        values, grid = read(by_name[name], source, keep=keep, borders=borders)
        own = source.encoding(name)
        light = values.astype(np.float32) * np.float32(own.scale) + np.float32(own.offset)
        if own.nodata is not None:
            light[values == own.nodata] = np.nan
        planes.append(light)
        grids.append(grid)
    if len(set(grids)) > 1:
        raise ImageError(
            f"{source.name}: --mask {omnicloudmask.NAME} needs red, green and nir on one grid; resample them with gdalwarp"
        )
    return np.stack(planes), grids[0], source.name


def digest(source: Source) -> str:
    """Hash the files' bytes and their interpretation: equal digests mean the same scene."""
    total = hashlib.sha256()
    for path in sorted({one.path for one in source.bands}):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    bands = [(one.band, one.path.name, one.index) for one in source.bands]
    meaning = (bands, source.sensor.name, source.time, source.scale, source.offset, source.nodata, source.baseline)
    more = (
        *([source.unit] if source.unit else []),
        *(one.mask_kind for one in source.bands if one.mask_given),
        *sorted((band, repr(one)) for band, one in source.encodings.items()),
    )
    total.update(repr((*meaning, *more)).encode())
    return total.hexdigest()
