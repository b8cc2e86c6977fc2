"""Opening local or remote image files: only images, nothing that refers elsewhere, every fault in one line."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Interleaving
from rasterio.errors import RasterioError
from rasterio.windows import Window as RasterioWindow

from howgreen.core.cog import alpha_index, called_alpha
from howgreen.core.errors import ImageError
from howgreen.core.grid import Window
from howgreen.core.types import Asset
from howgreen.imagery.read import earthengine
from howgreen.imagery.read._decode import ByteRange, Tiles, tile_bytes, tiles_of
from howgreen.imagery.read._mask_file import MaskFile, has_own_mask
from howgreen.net import http
from howgreen.net.sparse_file import Remote

_DRIVERS = ("GTiff", "JP2OpenJPEG")
GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no directory listing for sidecar files
    "GDAL_NUM_THREADS": "1",  # blocks are the parallelism
    "GDAL_TIFF_INTERNAL_MASK": "YES",
    "VSI_CACHE": "FALSE",  # windows are read once; the system caches the files
}
_WEB = ("https://", "http://")
MOST_TILE_BYTES = 512 << 20
"""Largest uncompressed tile or strip: each thread holds a whole one, and zeros compress to a thousandth."""


_UNFETCHED = ("dataset_mask", "read_masks", "sample", "statistics", "stats")


class Fetched:
    """A rasterio dataset of a remote file, whose bytes are fetched before each read.

    Rasterio's other pixel readers are not exposed: in a sparse file they would find zeros.
    """

    def __init__(self, raw: Any, remote: Remote) -> None:
        self.raw = raw
        """The dataset itself, for callers that have fetched what they will read."""
        self._remote = remote
        if any(has_own_mask(raw, index) for index in raw.indexes):
            remote.check_size("an image with a mask inside")  # GDAL does not say where it lies
            wait_for(remote.everything())

    def __getattr__(self, name: str) -> Any:
        if name in _UNFETCHED:
            raise AttributeError(f"{name}: not of a file on the web; read a window")
        return getattr(self.raw, name)

    def read(
        self,
        indexes: int | Sequence[int] | None = None,
        *,
        window: RasterioWindow | None = None,
        masked: bool = False,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Read as rasterio does. NetworkError if the bytes cannot be fetched."""
        bands = [indexes] if isinstance(indexes, int) else list(indexes or self.raw.indexes)
        (top, bottom), (left, right) = (window or RasterioWindow(0, 0, self.raw.width, self.raw.height)).toranges()
        whole = Window(top=math.floor(top), bottom=math.ceil(bottom), left=math.floor(left), right=math.ceil(right))
        wait_for(self._remote.fetch(part for band in bands for part in byte_ranges(self.raw, band, whole)))
        values: NDArray[Any] = self.raw.read(indexes, window=window, masked=masked, out=out)
        return values


def byte_ranges(dataset: Any, index: int, window: Window) -> list[ByteRange]:
    """Find the byte ranges of the tiles (or strips) under a window of a band, and those of an alpha band.

    Empty for files that come as a whole (JPEG 2000), as only the decoder knows.
    """
    if dataset.driver != "GTiff":
        return []
    height, width = dataset.block_shapes[index - 1]
    top, bottom = max(window.top, 0), min(window.bottom, dataset.height)
    left, right = max(window.left, 0), min(window.right, dataset.width)
    places = itertools.product(range(top // height, -(-bottom // height)), range(left // width, -(-right // width)))
    bands = {index, *called_alpha(dataset)}
    ranges = (tile_bytes(dataset, band, row, column) for row, column in places for band in bands)
    return [one for one in ranges if one is not None]


@dataclass(frozen=True, kw_only=True)
class Image:
    """An open file."""

    dataset: Any
    """A rasterio dataset, or one that behaves like it: :class:`Fetched`, or Earth Engine's."""
    remote: Remote | None = None
    """Source of its bytes; None for a local file."""
    beside: MaskFile | None = None
    """The possible mask file beside it; None if it cannot have one."""
    tiles: Tiles | None = None
    """Layout of its tiles, if they can be decoded without GDAL."""

    def request(self, index: int, window: Window) -> list[Future[None]]:
        """Start fetching what a window of a band needs; the futures complete on arrival. None for local files."""
        return self.remote.fetch(byte_ranges(self.dataset, index, window)) if self.remote else []

    hidden: float | None = None
    """Value for pixels hidden by the file's own mask (or alpha band); None to leave them as they are."""

    def masks(self, index: int) -> bool:
        """Tell whether a mask, inside the file or beside it, or an alpha band may hide pixels of a band.

        ImageError, NetworkError if a mask file cannot be read.
        """
        if has_own_mask(self.dataset, index) or alpha_index(self.dataset) not in {None, index}:
            return True
        return self.beside is not None and self.beside.hides(index)

    def nodata(self, index: int, stated: float | None) -> float | None:
        """Return the value that hidden pixels of a band are read as: the stated nodata value if none are hidden."""
        if stated is None and np.dtype(self.dataset.dtypes[index - 1]).kind != "f" and self.masks(index):
            return 0
        return stated

    def with_mask(self, hidden: float) -> Image:
        """Return the same file with hidden pixels read as ``hidden``."""
        return replace(self, hidden=hidden)

    def _shown(self, index: int, window: Window) -> NDArray[np.bool_]:
        """Find the pixels of a window that the mask shows."""
        dataset, where = self.dataset, RasterioWindow.from_slices(*window.slices)
        if self.beside is not None and self.beside.hides(index):
            return self.beside.shown(index, window)
        if alpha := alpha_index(dataset):
            codes: NDArray[Any] = dataset.read(alpha, window=where)
        else:
            raw = getattr(dataset, "raw", dataset)  # all bytes of a remote file have arrived: see Fetched
            codes = raw.read_masks(index, window=where)
        return np.asarray(codes != 0)

    def read(self, index: int, window: Window, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read a window of a band. NetworkError if the bytes cannot be fetched."""
        values = self._numbers(index, window, out)
        if self.hidden is not None:
            values[~self._shown(index, window)] = self.hidden
        return values

    def _numbers(self, index: int, window: Window, out: NDArray[Any] | None) -> NDArray[Any]:
        if self.tiles and index == 1:
            wait_for(self.request(index, window))
            buffer = np.empty(window.shape, self.tiles.dtype) if out is None else out
            if self.tiles.read(self.dataset, window, buffer):
                return buffer
        rows, columns = window.slices
        values: NDArray[Any] = self.dataset.read(index, window=RasterioWindow.from_slices(rows, columns), out=out)
        return values

    def close(self) -> None:
        """Close the file, and the mask file beside it."""
        self.dataset.close()
        if self.beside is not None:
            self.beside.close()


def wait_for(pieces: Iterable[Future[None]]) -> None:
    """Wait until all bytes have arrived; raise the NetworkError of the first that cannot be fetched."""
    for piece in pieces:
        piece.result()


class Files:
    """Files kept open between the blocks of one composite: opening takes a tenth of the time of reading a block.

    A dataset serves one thread at a time. GDAL's block cache is bounded by GDAL_CACHEMAX (bytes; a twentieth of memory
    by default): a small one costs nothing here, as tiles are decoded once. A copy sent elsewhere (to a cluster) starts
    empty. A remote file must not change during this object's life, or reading it is an error.
    """

    most_idle = 256
    """Files kept open beyond those in use; systems allow a thousand."""

    def __init__(self) -> None:
        self._idle: dict[str, list[Image]] = {}
        self._count = 0
        self._lock = Lock()
        self._far: dict[tuple[str, str], Remote] = {}

    def __reduce__(self) -> tuple[type[Files], tuple[()]]:
        return Files, ()

    @contextmanager
    def open(self, asset: Asset) -> Iterator[Image]:
        """Open the file of an asset; it stays open for the next block unless reading failed."""
        with self._lock:
            idle = self._idle.get(asset.href)
            image = idle.pop() if idle else None
            self._count -= image is not None
        image = image or open_image(asset.href, remote=self._remote(asset))
        idle_again = False
        try:
            yield image
            with self._lock:
                if self._count < self.most_idle:
                    self._idle.setdefault(asset.href, []).append(image)
                    self._count += 1
                    idle_again = True
        finally:
            if not idle_again:
                image.close()

    def open_ahead(self, assets: Iterable[Asset]) -> None:
        """Start opening remote files, all at once."""
        for asset in assets:
            if remote := self._remote(asset):
                remote.open()

    def _remote(self, asset: Asset) -> Remote | None:
        if not is_ranged(asset.href):
            return None
        key = asset.href, asset.signer
        with self._lock:
            if key not in self._far:
                self._far[key] = _shared.remote(asset)
            return self._far[key]

    def check(self, assets: Iterable[Asset]) -> list[Future[None]]:
        """Request the first bytes of remote files; the future of a file that cannot be fetched fails."""
        return [remote.check() for asset in assets if (remote := self._remote(asset))]


class _Shared:
    """Remote files that several stages read, each byte fetched once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._far: dict[tuple[str, str], Remote] = {}

    def remote(self, asset: Asset) -> Remote:
        key = asset.href, asset.signer
        with self._lock:
            far = self._far if self._users else {}
            if key not in far:
                far[key] = Remote(asset.href, signer=asset.signer, sha256=asset.sha256)
            return far[key]

    def use(self, change: int) -> None:
        with self._lock:
            self._users += change
            if not self._users:
                self._far.clear()

    def fetched(self) -> int:
        with self._lock:
            return sum(far.fetched for far in self._far.values())


_shared = _Shared()


def mask_doubts(assets: Iterable[Asset]) -> set[str]:
    """Name the hosts of remote files that return something other than a mask file at its address, and say what.

    Covers only files read within the current :func:`shared_files`.
    """
    remotes = (_shared.remote(asset) for asset in assets if is_ranged(asset.href))
    return {
        f"{urlsplit(remote.href).hostname} answers with {remote.mask_doubt}" for remote in remotes if remote.mask_doubt
    }


def fetched_bytes() -> int:
    """Return the bytes of remote files fetched within the current :func:`shared_files`; 0 outside of one."""
    return _shared.fetched()


@contextmanager
def shared_files() -> Iterator[None]:
    """Share fetched bytes of remote files between stages within this context: a plan's masks serve its run.

    The bytes stay on disk until the last user ends; a file that changes meanwhile is an error.
    """
    _shared.use(1)
    try:
        yield
    finally:
        _shared.use(-1)


def is_ranged(href: str) -> bool:
    """Tell whether an href is a remote file read by byte ranges."""
    return is_web(href) and not earthengine.is_pixels(href)


def is_web(href: str) -> bool:
    """Tell whether an href is a web address."""
    return href.lower().startswith(_WEB)


def check_href(href: str) -> None:
    """Refuse an href that is neither an absolute path nor a web address.

    GDAL would also follow its own virtual paths (``/vsicurl/``) and databases: an untrusted store or plan must decide
    neither which local files are read nor which machines are contacted.

    Raises
    ------
    ImageError
        It is not a plain path or http(s) address.
    """
    if not (Path(href).is_absolute() and not href.startswith("/vsi")) and not is_web(href):
        raise ImageError(f"{href!r}: neither an absolute path nor a web address; make a new plan, or a new store")


def open_image(href: str, *, remote: Remote | None = None, overview: int | None = None) -> Image:
    """Open an image that is self-contained, not a file that refers to others (VRT).

    Parameters
    ----------
    href
        See :func:`check_href`.
    remote
        Source of a web address's bytes.
    overview
        Level of the overview to open instead of the full image, from 0.

    Raises
    ------
    ImageError
        It is anything else.
    NetworkError
        Its bytes cannot be fetched.
    """
    if earthengine.is_pixels(href):
        return Image(dataset=earthengine.open_pixels(href))
    options = {} if overview is None else {"overview_level": overview}
    path = href if remote is None else remote.open().result()
    dataset = rasterio.open(path, sharing=False, **options)
    if dataset.driver not in _DRIVERS:  # a VRT opens the files it refers to only when read
        driver = dataset.driver
        dataset.close()
        raise ImageError(f"{href}: a {driver} file, not a GeoTIFF or JPEG 2000; convert it and add it again")
    if dataset.driver == "GTiff" and (size := _tile_bytes(dataset)) > MOST_TILE_BYTES:
        dataset.close()
        raise ImageError(
            f"{http.redact_url(href) if remote else href}: its tiles unpack to {size / 2**30:,.1f} GiB each, more than "
            f"{MOST_TILE_BYTES / 2**30:g} GiB; write it in smaller ones (gdal_translate -co TILED=YES)"
        )
    tiles = tiles_of(dataset, Path(path))
    image = dataset if remote is None else Fetched(dataset, remote)
    beside = MaskFile(href, image, remote) if overview is None else None
    return Image(dataset=image, remote=remote, tiles=tiles, beside=beside)


@contextmanager
def opened(asset: Asset, files: Files | None = None) -> Iterator[Image]:
    """Open the file of an asset, local or remote, with every GDAL fault turned into one line that names the file.

    Raises
    ------
    ImageError
        A file cannot be decoded, or lacks required metadata.
    NetworkError
        The bytes of a remote file cannot be fetched.
    """
    check_href(asset.href)
    try:
        with (files or Files()).open(asset) as image:
            _check_image(image.dataset, asset)
            yield image
    except (RasterioError, OSError) as error:
        href = http.redact_url(asset.href) if is_web(asset.href) else asset.href
        reason = " ".join(str(error).split()).replace(asset.href, "").strip(" :'") or type(error).__name__
        cure = (
            "use another --catalog" if is_web(asset.href) else "check it with `howgreen store verify` and add it again"
        )
        raise ImageError(f"{href}: band {asset.band} cannot be read ({reason}); {cure}") from error


def _tile_bytes(dataset: Any) -> int:
    """Return the uncompressed size of a tile or strip; all bands of a GeoTIFF have one data type and one tile size."""
    size: int = math.prod(dataset.block_shapes[0]) * np.dtype(dataset.dtypes[0]).itemsize
    return size * (dataset.count if dataset.interleaving is Interleaving.pixel else 1)


def _check_image(dataset: Any, asset: Asset) -> None:
    if asset.index > dataset.count:
        raise ImageError(
            f"{asset.href}: has {dataset.count} bands, not {asset.index}; add the image again with the right --bands"
        )
    if np.dtype(dataset.dtypes[asset.index - 1]).kind == "c":
        raise ImageError(f"{asset.href}: holds complex numbers, which are no reflectance; give an image of reflectance")
    if dataset.crs is None and dataset.gcps[0]:
        raise ImageError(
            f"{asset.href}: its place is told by control points only; move it to a coordinate system (gdalwarp -t_srs) and "
            "add it again"
        )
    if dataset.crs is None:
        raise ImageError(f"{asset.href}: has no coordinate system; assign one (gdal_edit.py -a_srs) and add it again")
