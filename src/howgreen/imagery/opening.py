"""Opening image files, here or on the web: only images, nothing that leads elsewhere, every fault in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import rasterio
from rasterio.errors import RasterioError

from howgreen.errors import ImageError, NetworkError
from howgreen.imagery import earthengine, web
from howgreen.imagery.signing import SIGNERS, target
from howgreen.types import Asset

_DRIVERS = ("GTiff", "JP2OpenJPEG")
GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing of the folder for side-car files
    "GDAL_NUM_THREADS": "1",  # blocks are the parallelism
    "GDAL_TIFF_INTERNAL_MASK": "YES",
    "VSI_CACHE": "FALSE",  # windows are read once; the system caches the files
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "8",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    # A failure must not be remembered: the next try may find the server back, or carry a new token.
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http",
}


class Files:
    """Files that stay open between the blocks of one composite: opening takes a tenth of the time of reading a block.

    A dataset serves one thread at a time. What GDAL remembers of their pixels is bounded by its own GDAL_CACHEMAX
    (bytes; a twentieth of the memory by default): a small one costs nothing here, as tiles are decoded once. Elsewhere (on a cluster) a copy starts without any.
    """

    most_idle = 256
    """Files kept open beyond those in use; systems allow a thousand."""

    def __init__(self) -> None:
        self._idle: dict[str, list[Any]] = {}
        self._count = 0
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[Files], tuple[()]]:
        return Files, ()

    @contextmanager
    def open(self, href: str) -> Iterator[Any]:
        """A dataset of what GDAL is to open; kept for the next block unless reading it failed."""
        with self._lock:
            idle = self._idle.get(href)
            dataset = idle.pop() if idle else None
            self._count -= dataset is not None
        dataset = dataset or open_image(href)
        kept = False
        try:
            yield dataset
            with self._lock:
                if self._count < self.most_idle:
                    self._idle.setdefault(href, []).append(dataset)
                    self._count += 1
                    kept = True
        finally:
            if not kept:
                dataset.close()


def check_href(href: str) -> None:
    """Refuse what is neither an absolute path nor a web address.

    GDAL would also follow paths of its own (``/vsicurl/``) and databases: a store or a plan from a stranger decides
    neither which files are read here nor which machines are called.

    Raises
    ------
    ImageError
        If it is not a plain path or http(s) address.
    """
    if not (Path(href).is_absolute() and not href.startswith("/vsi")) and not href.startswith(("https://", "http://")):
        raise ImageError(f"{href!r}: neither an absolute path nor a web address; make a new plan, or a new store")


def open_image(where: str) -> Any:
    """The dataset of what GDAL opens there, when it is an image by itself and no file that leads to others (VRT).

    Raises
    ------
    ImageError
        If it is something else.
    """
    if earthengine.is_pixels(where):
        return earthengine.open_pixels(where)
    dataset = rasterio.open(where, sharing=False)
    if dataset.driver not in _DRIVERS:  # a VRT opens what it leads to only when it is read
        dataset.close()
        raise ImageError(f"{where}: a {dataset.driver} file, not a GeoTIFF or JPEG 2000; convert it and add it again")
    return dataset


@contextmanager
def opened(asset: Asset, files: Files | None = None) -> Iterator[Any]:
    """The dataset of an asset, local or on the web, with every GDAL fault turned into one line that names the file.

    Raises
    ------
    ImageError
        If a local file cannot be read, or any lacks what it must say of itself.
    NetworkError
        If a file on the web cannot be read.
    """
    check_href(asset.href)
    where = target(asset.href, asset.signer)
    patience = rasterio.Env(**GDAL_OPTIONS) if where != asset.href else nullcontext()
    try:
        with patience, files.open(where) if files else open_image(where) as dataset:
            if asset.index > dataset.count:
                raise ImageError(
                    f"{asset.href}: has {dataset.count} bands, not {asset.index}; add the image again with the right --bands"
                )
            if dataset.crs is None:
                raise ImageError(
                    f"{asset.href}: has no coordinate system; assign one (gdal_edit.py -a_srs) and add it again"
                )
            yield dataset
    except (RasterioError, OSError) as error:
        if where != asset.href:
            if asset.signer in SIGNERS:
                SIGNERS[asset.signer].forget(asset.href)
            raise _unread(asset, error) from error
        reason = " ".join(str(error).split()).replace(asset.href, "").strip(" :'") or type(error).__name__
        raise ImageError(
            f"{asset.href}: band {asset.band} cannot be read ({reason}); check it with `howgreen store verify` and add it again"
        ) from error


def _unread(asset: Asset, error: Exception) -> NetworkError:
    status = re.search(r"(?:HTTP (?:error|response) code|response_code)\D*(\d{3})", f"{error} {error.__cause__}")
    why = f"HTTP {status[1]}" if status else "the server does not answer, or breaks off"
    return NetworkError(
        f"{web.named(asset.href)}: band {asset.band} cannot be read ({why}); run the same again, it goes on from what it has"
    )
