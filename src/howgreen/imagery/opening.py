"""Opening image files, here or on the web: only images, nothing that leads elsewhere, every fault in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context
from itertools import count
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any
from urllib.parse import urlsplit
from weakref import finalize

import rasterio
from rasterio.errors import RasterioError

from howgreen.errors import ImageError
from howgreen.imagery import web
from howgreen.imagery.remote import Handle, Kept, Remote
from howgreen.types import Asset

_DRIVERS = ("GTiff", "JP2OpenJPEG")
GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing of the folder for side-car files
    "GDAL_NUM_THREADS": "1",  # blocks are the parallelism
    "GDAL_TIFF_INTERNAL_MASK": "YES",
    "VSI_CACHE": "FALSE",  # windows are read once; the system caches the files
}
_WEB = ("https://", "http://")
_opens = count()


class Image:
    """An open file."""

    def __init__(
        self,
        dataset: Any,
        *,
        remote: Remote | None = None,
        handles: Sequence[Handle] = (),
        context: Context | None = None,
    ) -> None:
        self.dataset = dataset
        self.remote = remote
        """Where its bytes come from; None for a file on this computer."""
        self._handles = handles
        # GDAL must not outlive the file objects that it reads from: what the finalizer refers to lives until it ran.
        self.close = finalize(self, _close, dataset, handles, context)

    def check(self) -> None:
        """Raises the NetworkError, if any, that GDAL may have taken for the end of the file."""
        _check(self._handles)


def _close(dataset: Any, handles: Sequence[Handle], context: Context | None) -> None:
    if context is None:
        dataset.close()
    else:
        context.run(dataset.close)
    for handle in handles:
        handle.close()


def _check(handles: Sequence[Handle]) -> None:
    for handle in handles:
        if handle.fault is not None:
            raise handle.fault


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
        self._kept = Kept()

    def __reduce__(self) -> tuple[type[Files], tuple[()]]:
        return Files, ()

    @contextmanager
    def open(self, asset: Asset) -> Iterator[Image]:
        """The file of an asset; kept for the next block unless reading it failed."""
        with self._lock:
            idle = self._idle.get(asset.href)
            image = idle.pop() if idle else None
            self._count -= image is not None
        image = image or open_image(asset.href, remote=self._remote(asset))
        kept = False
        try:
            yield image
            image.check()
            with self._lock:
                if self._count < self.most_idle:
                    self._idle.setdefault(asset.href, []).append(image)
                    self._count += 1
                    kept = True
        finally:
            if not kept:
                image.close()

    def ask(self, assets: Iterable[Asset]) -> None:
        """Begin to read the heads of files on the web, all at once."""
        for asset in assets:
            if remote := self._remote(asset):
                remote.ask_head()

    def _remote(self, asset: Asset) -> Remote | None:
        if not is_web(asset.href):
            return None
        key = asset.href, asset.signer
        with self._lock:
            if key not in self._far:
                self._far[key] = Remote(asset.href, signer=asset.signer, kept=self._kept)
            return self._far[key]


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
    """What GDAL opens there, when it is an image by itself and no file that leads to others (VRT).

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
    options = {} if overview is None else {"overview_level": overview}
    if remote is None:
        return _checked(Image(rasterio.open(href, sharing=False, **options)), href)
    return _checked(_far_image(remote, href, options), href)


def _far_image(remote: Remote, href: str, options: Mapping[str, Any]) -> Image:
    name = f"howgreen-{next(_opens)}/{PurePosixPath(urlsplit(href).path).name or 'image'}"
    handles: list[Handle] = []

    def opener(path: str, mode: str = "rb") -> Handle:
        if path != name or mode not in {"r", "rb"}:  # GDAL looks for side-car files, which nobody has
            raise FileNotFoundError(path)
        handles.append(remote.handle())
        return handles[-1]

    remote.head()
    # Rasterio finds its open file objects by the context in which they were opened, and each thread has another one:
    # a dataset that many threads use in turn needs one of its own to be closed in.
    context = Context()
    try:
        dataset = context.run(rasterio.open, name, opener=opener, sharing=False, **options)
    except RasterioError:
        _check(handles)
        raise
    return Image(dataset, remote=remote, handles=handles, context=context)


def _checked(image: Image, href: str) -> Image:
    driver = image.dataset.driver
    if driver not in _DRIVERS:  # a VRT opens what it leads to only when it is read
        image.close()
        raise ImageError(f"{href}: a {driver} file, not a GeoTIFF or JPEG 2000; convert it and add it again")
    return image


@contextmanager
def opened(asset: Asset, files: Files | None = None) -> Iterator[Image]:
    """The file of an asset, local or on the web, with every GDAL fault turned into one line that names the file.

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
            try:
                yield image
            except (RasterioError, OSError):
                image.check()
                raise
    except (RasterioError, OSError) as error:
        href = web.named(asset.href) if is_web(asset.href) else asset.href
        reason = " ".join(str(error).split()).replace(asset.href, "").strip(" :'") or type(error).__name__
        cure = "use another --catalog" if is_web(asset.href) else "check it with `howgreen store verify` and add it again"
        raise ImageError(f"{href}: band {asset.band} cannot be read ({reason}); {cure}") from error


def _check_image(dataset: Any, asset: Asset) -> None:
    if asset.index > dataset.count:
        raise ImageError(
            f"{asset.href}: has {dataset.count} bands, not {asset.index}; add the image again with the right --bands"
        )
    if dataset.crs is None:
        raise ImageError(
            f"{asset.href}: has no coordinate system; assign one (gdal_edit.py -a_srs) and add it again"
        )
