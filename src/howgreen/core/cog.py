"""Cloud-optimised GeoTIFFs, written by GDAL's COG driver from an array, or converted from a plain raster."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio._err import CPLE_BaseError  # has no public name
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window

from howgreen.core.errors import ImageError
from howgreen.core.files import write_atomic
from howgreen.core.threads import threads

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
"""Data types of a store; wider numbers are narrowed if no value is lost."""

# Classes must not be averaged, and bit-packed flags allow not even a majority vote.
_OVERVIEWS = {"scl": "MODE", "qa_pixel": "NEAREST"}
# On real images, higher levels are slower and save nothing (libdeflate, predicted uint16).
_OPTIONS = {"compress": "DEFLATE", "level": 1, "predictor": "YES"}
TILE_PX = 512
"""Side of the internal tiles."""
_PACKERS = 2
"""Number of threads that compress tiles."""

Colours = Mapping[int, tuple[int, ...]]
"""Red, green, blue and optionally alpha of each value, 0-255."""


def states_otherwise(dataset: Any, *, scale: float, offset: float) -> bool:
    """Tell whether an open COG of :func:`write` has a scale or offset other than stated elsewhere; False for none.

    If so, one of the two was edited, and neither shows which is right.
    """
    own = float(dataset.scales[0]), float(dataset.offsets[0])
    return own != (1.0, 0.0) and not all(
        math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-12) for one, other in zip(own, (scale, offset), strict=True)
    )


@dataclass(frozen=True, kw_only=True)
class Written:
    """One band on disk."""

    size_bytes: int
    sha256: str
    data_type: str
    nodata: float | None
    """Value in the file: NaN for floats without one."""


def storable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the same values in one of :data:`DTYPES`, else ImageError.

    Floats become float32, which is precise enough for reflectance.
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


SAMPLE_PX = 512
"""Side of the window sampled to recognise an alpha band."""


def alpha_index(dataset: Any) -> int | None:
    """Find the number of the band that marks valid pixels in an open file; None if there is none.

    By default GDAL takes the fourth band of an image for alpha, though in many files it is near-infrared: a band with a
    name, or with more than a few values, is not alpha.
    """
    found = called_alpha(dataset)
    if len(found) != 1 or dataset.count == 1 or (dataset.descriptions[found[0] - 1] or "alpha").lower() != "alpha":
        return None
    rows, columns = (
        slice((size - part) // 2, (size + part) // 2) for size in dataset.shape for part in [min(SAMPLE_PX, size)]
    )
    sample = dataset.read(found[0], window=Window.from_slices(rows, columns))
    highest = 1.0 if sample.dtype.kind == "f" else float(np.iinfo(sample.dtype).max)
    return found[0] if set(np.unique(sample).tolist()) <= {0.0, 1.0, 255.0, highest} else None


def called_alpha(dataset: Any) -> list[int]:
    """List the bands that GDAL takes for alpha bands, which it reads with any band that it warps."""
    return [
        n for n, meaning in enumerate(_meanings(getattr(dataset, "raw", dataset)), 1) if meaning == ColorInterp.alpha
    ]


def _meanings(dataset: Any) -> Sequence[ColorInterp]:
    """Return the colour interpretation of an open file's bands.

    rasterio mistakes GDAL's return value here for an error code, and raises whatever error an earlier failed read of
    another file left in this thread. Raising clears it.
    """
    if not hasattr(type(dataset), "colorinterp"):
        return ()
    try:
        found: Sequence[ColorInterp] = dataset.colorinterp
    except CPLE_BaseError:
        found = dataset.colorinterp
    return found


def fitting_nodata(dtype: np.dtype[Any], nodata: float | None) -> float | None:
    """Return a nodata value that this data type can hold, else ImageError."""
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
    colours: Colours | None = None,
) -> Written:
    """Write one band and return a description of the file.

    Parameters
    ----------
    path
        New file.
    values
        (y, x) on ``grid``, digital numbers.
    grid
        Georeferencing; any CRS, rotated too.
    band
        Common name, or ``scl`` / ``qa_pixel``: decides how overviews are resampled.
    nodata
        DN that means *no data*, or None.
    scale, offset
        Reflectance = DN * scale + offset, stored in the file.
    colours
        Colour table of classes; overviews then use the nearest pixel.

    Raises
    ------
    ImageError
        The values do not fit the grid or cannot be encoded.
    OSError
        The disk refuses.

    """
    if values.shape != tuple(grid.shape):
        raise ImageError(f"band {band}: {values.shape} values on a grid of {tuple(grid.shape)} pixels: they must agree")
    data = storable(values)
    fitting = fitting_nodata(data.dtype, nodata)
    overviews = "NEAREST" if colours else _OVERVIEWS.get(band, "AVERAGE")
    profile = {"driver": "COG", **_profile(grid, 1, data.dtype.name, fitting), **_OPTIONS, **_tiles()}
    # Encoded in memory and written by Python: a full disk is then an immediate OSError, and the checksum needs no
    # second read. This takes the memory of one compressed band.
    try:
        with MemoryFile() as memory:
            with memory.open(**profile, overview_resampling=overviews) as target:
                target.write(data, 1)
                target.set_band_description(1, band)
                target.scales, target.offsets = (scale,), (offset,)
                if colours:
                    target.write_colormap(1, colours)
            encoded = memory.getbuffer()
            write_atomic(path, encoded)
            digest = hashlib.sha256(encoded).hexdigest()
            return Written(size_bytes=len(encoded), sha256=digest, data_type=data.dtype.name, nodata=fitting)
    except (RasterioError, SystemError, MemoryError) as error:
        raise ImageError(f"band {band} cannot be encoded as a GeoTIFF ({error}): check its CRS and size") from error


def plain_raster(path: Path, grid: GeoBox, *, dtype: str, nodata: float, bands: int = 1, compress: str = "NONE") -> Any:
    """Open a tiled raster that accepts blocks in any order, until :func:`pack` makes a COG of it.

    Parts not written hold ``nodata``. Returns a rasterio dataset, which the caller closes.
    """
    import rasterio

    profile = _profile(grid, bands, dtype, nodata)
    tiles = {"tiled": True, "blockxsize": TILE_PX, "blockysize": TILE_PX, "interleave": "band", "bigtiff": "IF_SAFER"}
    return rasterio.open(path, "w", driver="GTiff", **profile, **tiles, compress=compress)


def pack(plain: Path, final: Path, creation: Mapping[str, Any]) -> None:
    """Convert a plain raster, metadata included, to a COG.

    Parameters
    ----------
    plain
        Anything rasterio opens.
    creation
        Options of GDAL's COG driver, above all ``overview_resampling``; existing overviews of ``plain`` are reused.

    Raises
    ------
    OSError, RasterioError
        The disk refuses.
    """
    import rasterio
    import rasterio.shutil
    from rasterio.windows import Window

    options = {"compress": "DEFLATE", **_tiles(), "bigtiff": "IF_SAFER", **creation}
    rasterio.shutil.copy(plain, final, driver="COG", **options)
    with rasterio.open(final) as file:
        # The last tile of the first level ends the file: if it is readable, nothing was truncated.
        file.read(window=Window(file.width - 1, file.height - 1, 1, 1))


def _tiles() -> dict[str, int]:
    return {"blocksize": TILE_PX, "num_threads": threads(_PACKERS)}


def _profile(grid: GeoBox, bands: int, dtype: str, nodata: float | None) -> dict[str, Any]:
    return {
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": bands,
        "dtype": dtype,
        "crs": str(grid.crs.to_wkt()) if grid.crs else None,
        "transform": grid.affine,
        "nodata": nodata,
    }
