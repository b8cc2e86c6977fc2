"""Cloud-optimised GeoTIFFs, written by GDAL's own COG driver: at once from an array, or packed from a plain raster."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio._err import CPLE_BaseError  # it has no public name
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
"""What a store holds; wider numbers are narrowed where no value is lost."""

# Classes must not be averaged; flags packed in bits cannot even be voted on.
_OVERVIEWS = {"scl": "MODE", "qa_pixel": "NEAREST"}
# On real images higher levels take longer and save nothing (libdeflate, predicted uint16).
_OPTIONS = {"compress": "DEFLATE", "level": 1, "predictor": "YES"}
TILE_PX = 512
"""Side of the internal tiles."""
_PACKERS = 2
"""Threads that compress tiles."""

Colours = Mapping[int, tuple[int, ...]]
"""Red, green, blue and, if need be, alpha of each value, 0-255."""


def states_otherwise(dataset: Any, *, scale: float, offset: float) -> bool:
    """Tell whether an open COG of :func:`write` keeps another scale or offset than is stated elsewhere; not where it keeps none.

    One of the two was edited then, and which of them is right neither can tell.
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
    """In the file: NaN for floats that had none."""


def storable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give the same values in one of :data:`DTYPES`, else ImageError.

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


SAMPLE_PX = 512
"""Side of the window that tells an alpha band from others."""


def alpha_index(dataset: Any) -> int | None:
    """Find the number of the band that says where an open file has data; None where none does.

    GDAL calls the fourth band of a picture its alpha band by default, the near-infrared of many files: one that has a name,
    or more than a few values, is none.
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
    """List the bands that GDAL takes for alpha bands, and reads with any other that it warps."""
    return [
        n for n, meaning in enumerate(_meanings(getattr(dataset, "raw", dataset)), 1) if meaning == ColorInterp.alpha
    ]


def _meanings(dataset: Any) -> Sequence[ColorInterp]:
    """Tell what the bands of an open file mean.

    rasterio takes GDAL's answer here for an error's number, and raises what a failed reading of another file left behind in this thread.
    Once raised it is gone.
    """
    if not hasattr(type(dataset), "colorinterp"):
        return ()
    try:
        found: Sequence[ColorInterp] = dataset.colorinterp
    except CPLE_BaseError:
        found = dataset.colorinterp
    return found


def fitting_nodata(dtype: np.dtype[Any], nodata: float | None) -> float | None:
    """Give the nodata value that a file of this type can carry, else ImageError."""
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
    """Write one band and say what came out.

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
    colours
        Of classes, whose overviews then show the nearest pixel.

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
    fitting = fitting_nodata(data.dtype, nodata)
    overviews = "NEAREST" if colours else _OVERVIEWS.get(band, "AVERAGE")
    profile = {"driver": "COG", **_profile(grid, 1, data.dtype.name, fitting), **_OPTIONS, **_tiles()}
    # Encoded in memory and written by Python: a full disk then is an OSError at once, and the checksum costs no
    # second reading. What it takes is the size of one compressed band.
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
    """Open a tiled raster that blocks are written into in any order, until :func:`pack` makes a COG of it.

    Where nothing is written it holds ``nodata``. What comes back is rasterio's, to be closed.
    """
    import rasterio

    profile = _profile(grid, bands, dtype, nodata)
    tiles = {"tiled": True, "blockxsize": TILE_PX, "blockysize": TILE_PX, "interleave": "band", "bigtiff": "IF_SAFER"}
    return rasterio.open(path, "w", driver="GTiff", **profile, **tiles, compress=compress)


def pack(plain: Path, final: Path, creation: Mapping[str, Any]) -> None:
    """Make a COG of a plain raster, with all that it says of itself.

    Parameters
    ----------
    plain
        What rasterio opens.
    creation
        Options of GDAL's COG driver, above all ``overview_resampling``; overviews that ``plain`` has are taken over.

    Raises
    ------
    OSError, RasterioError
        When the disk refuses.
    """
    import rasterio
    import rasterio.shutil
    from rasterio.windows import Window

    options = {"compress": "DEFLATE", **_tiles(), "bigtiff": "IF_SAFER", **creation}
    rasterio.shutil.copy(plain, final, driver="COG", **options)
    with rasterio.open(final) as file:
        # The last tile of the first level ends the file: if it can be read, nothing was cut off.
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
