"""Opening image files, here or on the web: only images, nothing that leads elsewhere, every fault in one line."""

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
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing of the folder for side-car files
    "GDAL_NUM_THREADS": "1",  # blocks are the parallelism
    "GDAL_TIFF_INTERNAL_MASK": "YES",
    "VSI_CACHE": "FALSE",  # windows are read once; the system caches the files
}
_WEB = ("https://", "http://")


_UNFETCHED = ("dataset_mask", "read_masks", "sample", "statistics", "stats")


class Fetched:
    """A rasterio dataset of a file on the web: like any other, but its bytes are fetched before it reads them.

    What else of rasterio's reads pixels is not there: in a sparse file it would find zeros.
    """

    def __init__(self, raw: Any, remote: Remote) -> None:
        self.raw = raw
        """The dataset itself, for those who have fetched what they will read."""
        self._remote = remote
        if any(has_own_mask(raw, index) for index in raw.indexes):
            remote.check_size("an image with a mask inside")  # where it lies GDAL does not say
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
        """As rasterio's. NetworkError when the bytes are not to be had."""
        bands = [indexes] if isinstance(indexes, int) else list(indexes or self.raw.indexes)
        (top, bottom), (left, right) = (window or RasterioWindow(0, 0, self.raw.width, self.raw.height)).toranges()
        whole = Window(top=math.floor(top), bottom=math.ceil(bottom), left=math.floor(left), right=math.ceil(right))
        wait_for(self._remote.fetch(part for band in bands for part in byte_ranges(self.raw, band, whole)))
        values: NDArray[Any] = self.raw.read(indexes, window=window, masked=masked, out=out)
        return values


def byte_ranges(dataset: Any, index: int, window: Window) -> list[ByteRange]:
    """Find where the tiles (or strips) under a window of a band lie in its file, and those of an alpha band.

    None for files that come as a whole (JPEG 2000), as only their decoder knows.
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
    """Rasterio's, or what behaves like it: :class:`Fetched`, or Earth Engine's."""
    remote: Remote | None = None
    """Where its bytes come from; None for a file on this computer."""
    beside: MaskFile | None = None
    """What may lie beside it, and hide pixels; None where nothing can."""
    tiles: Tiles | None = None
    """How its tiles are packed, where they need no GDAL."""

    def request(self, index: int, window: Window) -> list[Future[None]]:
        """Begin to fetch what a window of a band needs; the futures are done when it is here. None for local files."""
        return self.remote.fetch(byte_ranges(self.dataset, index, window)) if self.remote else []

    hidden: float | None = None
    """What pixels become that the file's own mask (or alpha band) hides; None to leave them as they are."""

    def masks(self, index: int) -> bool:
        """Whether a mask, in the file or beside it, or an alpha band may hide pixels of a band.

        ImageError, NetworkError when a mask file cannot be read.
        """
        if has_own_mask(self.dataset, index) or alpha_index(self.dataset) not in {None, index}:
            return True
        return self.beside is not None and self.beside.hides(index)

    def nodata(self, index: int, stated: float | None) -> float | None:
        """Return what hidden pixels of a band are read as, given the nodata value that is stated; that one where none are hidden."""
        if stated is None and np.dtype(self.dataset.dtypes[index - 1]).kind != "f" and self.masks(index):
            return 0
        return stated

    def with_mask(self, hidden: float) -> Image:
        """Return the same file, hidden pixels read as ``hidden``."""
        return replace(self, hidden=hidden)

    def _shown(self, index: int, window: Window) -> NDArray[np.bool_]:
        """Where the mask shows pixels of a window."""
        dataset, where = self.dataset, RasterioWindow.from_slices(*window.slices)
        if self.beside is not None and self.beside.hides(index):
            return self.beside.shown(index, window)
        if alpha := alpha_index(dataset):
            codes: NDArray[Any] = dataset.read(alpha, window=where)
        else:
            raw = getattr(dataset, "raw", dataset)  # of a file on the web all has arrived: see Fetched
            codes = raw.read_masks(index, window=where)
        return np.asarray(codes != 0)

    def read(self, index: int, window: Window, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read the pixels of a window of a band. NetworkError when the bytes are not to be had."""
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
    """Wait until all bytes are here; raises the NetworkError of the first that is not to be had."""
    for piece in pieces:
        piece.result()


class Files:
    """Files that stay open between the blocks of one composite: opening takes a tenth of the time of reading a block.

    A dataset serves one thread at a time. What GDAL remembers of their pixels is bounded by its own GDAL_CACHEMAX
    (bytes; a twentieth of the memory by default): a small one costs nothing here, as tiles are decoded once. Elsewhere (on a cluster) a copy starts without any.
    A file on the web is the same for as long as this lives, or reading it is an error.
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
        """Open the file of an asset; it stays open for the next block unless reading it failed."""
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
        """Begin to open files on the web, all at once."""
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
        """Ask for the first bytes of files on the web; the futures fail where one is not to be had."""
        return [remote.check() for asset in assets if (remote := self._remote(asset))]


class _Shared:
    """Files on the web that several stages read, each byte fetched once."""

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
    """Name the hosts of files on the web that answer with no mask file where one would be, and say with what.

    Only of files that were read within the :func:`shared_files` that is open.
    """
    remotes = (_shared.remote(asset) for asset in assets if is_ranged(asset.href))
    return {
        f"{urlsplit(remote.href).hostname} answers with {remote.mask_doubt}" for remote in remotes if remote.mask_doubt
    }


def fetched_bytes() -> int:
    """Return how many bytes of files on the web were fetched within the :func:`shared_files` that is open; 0 outside of one."""
    return _shared.fetched()


@contextmanager
def shared_files() -> Iterator[None]:
    """Within this, what one stage has fetched of a file on the web serves the next: a plan's masks serve its run.

    Their bytes lie on the disk until the last who shares ends; a file that changes meanwhile is an error.
    """
    _shared.use(1)
    try:
        yield
    finally:
        _shared.use(-1)


def is_ranged(href: str) -> bool:
    """Whether an href is a file on the web, of which ranges of bytes are read."""
    return is_web(href) and not earthengine.is_pixels(href)


def is_web(href: str) -> bool:
    """Whether an href is a web address."""
    return href.lower().startswith(_WEB)


def check_href(href: str) -> None:
    """Refuse what is neither an absolute path nor a web address.

    GDAL would also follow paths of its own (``/vsicurl/``) and databases: a store or a plan from a stranger decides
    neither which files are read here nor which machines are called.

    Raises
    ------
    ImageError
        If it is not a plain path or http(s) address.
    """
    if not (Path(href).is_absolute() and not href.startswith("/vsi")) and not is_web(href):
        raise ImageError(f"{href!r}: neither an absolute path nor a web address; make a new plan, or a new store")


def open_image(href: str, *, remote: Remote | None = None, overview: int | None = None) -> Image:
    """Open what lies there, when it is an image by itself and no file that leads to others (VRT).

    Parameters
    ----------
    href
        See :func:`check_href`.
    remote
        Where the bytes of a web address come from.
    overview
        Level of the overview to open instead of the whole, from 0.

    Raises
    ------
    ImageError
        If it is something else.
    NetworkError
        If its bytes are not to be had.
    """
    if earthengine.is_pixels(href):
        return Image(dataset=earthengine.open_pixels(href))
    options = {} if overview is None else {"overview_level": overview}
    path = href if remote is None else remote.open().result()
    dataset = rasterio.open(path, sharing=False, **options)
    if dataset.driver not in _DRIVERS:  # a VRT opens what it leads to only when it is read
        driver = dataset.driver
        dataset.close()
        raise ImageError(f"{href}: a {driver} file, not a GeoTIFF or JPEG 2000; convert it and add it again")
    tiles = tiles_of(dataset, Path(path))
    image = dataset if remote is None else Fetched(dataset, remote)
    beside = MaskFile(href, image, remote) if overview is None else None
    return Image(dataset=image, remote=remote, tiles=tiles, beside=beside)


@contextmanager
def opened(asset: Asset, files: Files | None = None) -> Iterator[Image]:
    """Open the file of an asset, local or on the web, with every GDAL fault turned into one line that names the file.

    Raises
    ------
    ImageError
        If a file cannot be decoded, or lacks what it must say of itself.
    NetworkError
        If the bytes of a file on the web are not to be had.
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
