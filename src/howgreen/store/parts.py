"""Bands of incomplete scenes, kept in a hidden folder of the store so that nothing is fetched twice."""

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
    """Return the file of a band; ``key`` identifies its source and its pixels."""
    return root / FOLDER / slug(scene) / f"{band}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.tif"


def put(file: Path, values: npt.NDArray[Any], grid: GeoBox, *, state: str) -> None:
    """Keep a band atomically; ``state`` is the server's own identifier of the file's version.

    Raises StoreError if the disk refuses.
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
    """Return the pixels (y, x), grid and state of a kept band; None if it is absent or broken."""
    if not file.is_file():
        return None
    try:
        with rasterio.open(file, sharing=False) as dataset:
            grid = GeoBox(dataset.shape, dataset.transform, dataset.crs.to_wkt())
            return dataset.read(1), grid, str(dataset.tags().get(_STATE, ""))
    except RasterioError:
        return None


def discard(root: Path, scene: str | None = None) -> None:
    """Delete the kept bands of a scene, once it is complete, or of all scenes."""
    folder = root / FOLDER
    shutil.rmtree(folder if scene is None else folder / slug(scene), ignore_errors=True)
