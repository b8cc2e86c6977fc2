"""Bands of scenes that are not whole yet, kept in a hidden folder of the store so that nothing is fetched twice."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from howgreen.core.files import write_atomic
from howgreen.core.text import slug
from howgreen.store import layout

if TYPE_CHECKING:
    import numpy.typing as npt

FOLDER = ".parts"
_STATE = "HOWGREEN_STATE"


def path(root: Path, scene: str, band: str, key: str) -> Path:
    """Where a band lies; ``key`` tells where it is from and which pixels it has."""
    return root / FOLDER / slug(scene) / f"{band}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.tif"


def put(file: Path, values: npt.NDArray[Any], grid: GeoBox, *, state: str) -> None:
    """Keep a band, whole or not at all; ``state`` is what its server calls this state of the file.

    Raises StoreError when the disk refuses.
    """
    with layout.disk_errors(file.parent, "write"):
        file.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.MemoryFile() as memory:
            profile = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "dtype": values.dtype}
            with memory.open(
                **profile,
                count=1,
                crs=grid.crs.to_wkt() if grid.crs else None,
                transform=grid.affine,
                compress="DEFLATE",
            ) as out:
                out.write(values, 1)
                out.update_tags(**{_STATE: state})
            write_atomic(file, memory.getbuffer())


def get(file: Path) -> tuple[npt.NDArray[Any], GeoBox, str] | None:
    """Return the pixels (y, x), their grid and the state of a band that was kept; None if there is none, or a broken one."""
    if not file.is_file():
        return None
    try:
        with rasterio.open(file, sharing=False) as dataset:
            grid = GeoBox(dataset.shape, dataset.transform, dataset.crs.to_wkt())
            return dataset.read(1), grid, str(dataset.tags().get(_STATE, ""))
    except RasterioError:
        return None


def discard(root: Path, scene: str | None = None) -> None:
    """Delete the bands of a scene, once it is whole, or of all scenes."""
    folder = root / FOLDER
    shutil.rmtree(folder if scene is None else folder / slug(scene), ignore_errors=True)
