"""Cloud-optimised GeoTIFFs, written by GDAL's own COG driver: at once from an array, or packed from a plain raster."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from howgreen.core.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
"""What a store holds; wider numbers are narrowed where no value is lost."""

# Classes must not be averaged; flags packed in bits cannot even be voted on.
_OVERVIEWS = {"scl": "MODE", "qa_pixel": "NEAREST"}
# On real images higher levels take longer and save nothing (libdeflate, predicted uint16).
_OPTIONS = {"compress": "DEFLATE", "level": 1, "predictor": "YES", "blocksize": 512, "num_threads": 2}


@dataclass(frozen=True, kw_only=True)
class Written:
    """One band on disk."""

    size_bytes: int
    sha256: str
    data_type: str
    nodata: float | None
    """In the file: NaN for floats that had none."""


def storable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same values in one of :data:`DTYPES`, else ImageError.

    Floats become float32: reflectance has no use for more digits.
    """
    if values.dtype.name in DTYPES:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    if values.dtype.kind in "iu" and values.size:
        low, high = int(values.min()), int(values.max())
        for name in ("uint16", "int16", "uint32", "int32"):
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return values.astype(name)
    raise ImageError(f"values of type {values.dtype}: convert the image to uint16, int16 or float32 first")


def fitting_nodata(dtype: np.dtype[Any], nodata: float | None) -> float | None:
    """The nodata value that a file of this type can carry, else ImageError."""
    if dtype.kind == "f":
        return float("nan") if nodata is None else float(nodata)
    if nodata is None:
        return None
    limits = np.iinfo(dtype)
    if not (float(nodata).is_integer() and limits.min <= nodata <= limits.max):
        raise ImageError(
            f"nodata {nodata} does not fit into {dtype} pixels: give one between {limits.min} and {limits.max}"
        )
    return int(nodata)


def write(
    path: Path,
    values: npt.NDArray[Any],
    *,
    grid: GeoBox,
    band: str,
    nodata: float | None,
    scale: float = 1.0,
    offset: float = 0.0,
) -> Written:
    """Writes one band and says what came out.

    Parameters
    ----------
    path
        New file.
    values
        (y, x) on ``grid``, digital numbers.
    grid
        Where the pixels are; any CRS, also rotated.
    band
        Common name, or ``scl`` / ``qa_pixel``: decides how overviews are made.
    nodata
        DN that means *no data*, or None.
    scale, offset
        Reflectance = DN * scale + offset, kept in the file.

    Raises
    ------
    ImageError
        When the values do not fit the grid or cannot be encoded.
    OSError
        When the disk refuses.

    """
    if values.shape != tuple(grid.shape):
        raise ImageError(f"band {band}: {values.shape} values on a grid of {tuple(grid.shape)} pixels: they must agree")
    data = storable(values)
    kept = fitting_nodata(data.dtype, nodata)
    profile = {
        "driver": "COG",
        "height": data.shape[0],
        "width": data.shape[1],
        "count": 1,
        "dtype": data.dtype.name,
        "crs": str(grid.crs.to_wkt()) if grid.crs else None,
        "transform": grid.affine,
        "nodata": kept,
        "overview_resampling": _OVERVIEWS.get(band, "AVERAGE"),
        **_OPTIONS,
    }
    # Encoded in memory and written by Python: a full disk then is an OSError at once, and the checksum costs no
    # second reading. What it takes is the size of one compressed band.
    try:
        with MemoryFile() as memory:
            with memory.open(**profile) as target:
                target.write(data, 1)
                target.set_band_description(1, band)
                target.scales, target.offsets = (scale,), (offset,)
            return _keep(path, memory.getbuffer(), data_type=data.dtype.name, nodata=kept)
    except (RasterioError, SystemError, MemoryError) as error:
        raise ImageError(f"band {band} cannot be encoded as a GeoTIFF ({error}): check its CRS and size") from error


def _keep(path: Path, encoded: memoryview, *, data_type: str, nodata: float | None) -> Written:
    with path.open("wb") as file:
        file.write(encoded)
        file.flush()
        os.fsync(file.fileno())
    digest = hashlib.sha256(encoded).hexdigest()
    return Written(size_bytes=len(encoded), sha256=digest, data_type=data_type, nodata=nodata)
