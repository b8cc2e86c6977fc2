"""Remote files as GDAL reads them: sparse local files, filled with the bytes about to be read.

GDAL alone requests one range after another and cannot verify that a file stays the same. Here it reads an ordinary,
sparse file: first its directories are fetched, then, concurrently, the tiles under the windows to come. All bytes come
through :class:`howgreen.net._ranges.Ranges`, each once; unavailable bytes raise an error for whoever reads them. (A
Python file object for GDAL to read from, rasterio's ``opener``, was tried: formats that reopen their file while
reading, JPEG 2000 among them, then return garbage without an error.)
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from weakref import finalize

from howgreen.core.errors import ImageError, NetworkError
from howgreen.net import http
from howgreen.net._ranges import AbsentError, Ranges, Version
from howgreen.net.endpoints import WITHOUT_MASK_FILES

IN_FLIGHT = 32
"""Concurrent requests: most of a request is waiting, whatever the number of cores."""
HEAD_BYTES = 16 << 10
"""Read when a file is opened: the directories of a COG, and its smallest overviews."""
GAP_BYTES = 4 << 10
"""Ranges with smaller gaps are merged into one request."""
LARGEST_REQUEST_BYTES = 2 << 20
LARGEST_DIRECTORY_BYTES = 32 << 20
MOST_DIRECTORIES = 64
MOST_ENTRIES = 4096
"""Most tags in one directory; GDAL's own files have two dozen."""
MOST_DIRECTORY_BYTES = 64 << 20
"""Limit on all directories of a file together."""
LARGEST_WHOLE_BYTES = 2 << 30
"""Limit on JPEG 2000 files, and images with an internal mask, which are fetched whole."""
LARGEST_TILE_BYTES = 256 << 20
"""Limit on one tile or strip, compressed."""
LARGEST_MASK_BYTES = 64 << 20
"""Limit on a mask file, which is fetched whole; GDAL compresses them to less than a hundredth of their image."""
MASK = ".msk"
"""Suffix of GDAL's mask file beside an image: ``FILE.tif.msk``."""
SLACK = 1.5, 64 << 20
"""Most bytes fetched of a file: a multiple of its size, plus a constant; each byte is needed about once."""
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_JP2 = (b"\0\0\0\x0cjP  ", b"\xffO\xffQ")
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes per TIFF type."""

ByteRange = tuple[int, int]
"""First byte, and one past the last."""


class Pool:
    """Threads for waiting. They are daemons, so that pending requests do not delay the end of the program."""

    def __init__(self, size: int) -> None:
        self._size, self._started = size, 0
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = Lock()

    def submit(self, job: Callable[[], Any], future: Future[Any] | None = None) -> Future[Any]:
        """Return the future of ``job()``; jobs start in order of submission."""
        future = future or Future()
        with self._lock:
            if self._started < self._size:
                self._started += 1
                Thread(target=self._work, daemon=True, name=f"howgreen-web-{self._started}").start()
        self._jobs.put((future, job))
        return future

    def _work(self) -> None:
        while True:
            future, job = self._jobs.get()
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001 (whoever waits for the future raises it)
                future.set_exception(error)
            del future, job


POOL = Pool(IN_FLIGHT)
"""One per process, so that concurrent requests do not grow with the number of cities."""


class Remote:
    """One remote file, and its local sparse copy, which is deleted when nothing refers to this object."""

    def __init__(self, href: str, *, signer: str = "", sha256: str | None = None) -> None:
        self.href = href
        self.mask_doubt = ""
        """The server's response in place of a mask file, if it is not one; empty if there is no doubt."""
        self._sha256 = sha256
        self._signer = signer
        self._ranges = Ranges(href, signer=signer)
        self._lock = Lock()
        self._head_lock = Lock()
        self._head = b""
        self._opened: Future[Path] | None = None
        self._mask: Future[Remote | None] | None = None
        self._everything: list[Future[None]] = []
        self._asked: dict[int, tuple[int, Future[None]]] = {}
        self._handle = -1
        self._block = 4096
        self._size = 0
        self._fetched = 0

    @property
    def fetched(self) -> int:
        """Bytes fetched so far, including the first ones of the file."""
        return self._fetched + len(self._head)

    @property
    def version(self) -> Version | None:
        """Version of the file by its server; None before anything was read."""
        return self._ranges.version

    def check(self) -> Future[None]:
        """Request only the first bytes; the future fails if the file is unavailable or not an image."""
        return POOL.submit(self._check)

    def _check(self) -> None:
        self._read_head()

    def _read_head(self) -> bytes:
        """Return the first bytes, fetched once; raise an error if they are not an image's."""
        with self._head_lock:
            head = self._head or self._ranges.get(0, HEAD_BYTES - 1)  # also a whole number of disk blocks
            if page := http.web_page(head):
                raise NetworkError(
                    f"{http.redact_url(self.href)}: answers with {page}; it may want an account: use another --catalog"
                )
            if head[:4] not in _TIFF and not head.startswith(_JP2):
                raise ImageError(
                    f"{http.redact_url(self.href)}: neither a GeoTIFF nor JPEG 2000; use another --catalog"
                )
            self._head = head
            return head

    def open(self) -> Future[Path]:
        """Return the file for GDAL to open, once its directories are local; requested again only after a failure."""
        with self._lock:
            if self._opened is None or (self._opened.done() and self._opened.exception() is not None):
                self._opened = POOL.submit(self._open)
            return self._opened

    def _open(self) -> Path:
        head = self._read_head()
        version = self._ranges.version
        size = version.size if version else len(head)
        self._size = size
        if head[:4] not in _TIFF:
            self.check_size("a JPEG 2000 file")
        if self._handle < 0:
            self._handle, name = tempfile.mkstemp(prefix="howgreen-", suffix=".tif" if head[:4] in _TIFF else ".jp2")
            self._path = _nameless(self._handle, Path(name))
            finalize(self, _remove, self._handle, Path(name))
            os.ftruncate(self._handle, size)
            self._block = max(os.fstat(self._handle).st_blksize, 4096)
        os.pwrite(self._handle, head, 0)
        if head[:4] in _TIFF:
            try:
                for first, end in directories(partial(self._get, head), size):
                    self._get(head, first, end - first)
            except ValueError as error:
                raise ImageError(f"{http.redact_url(self.href)}: {error}; use another --catalog") from error
        else:  # only its decoder knows where its pixels are
            self._deliver_all()
            self._check_whole(size)
        return self._path

    def check_size(self, what: str) -> None:
        """Raise ImageError if a file that must be fetched whole is too large for that."""
        if self._size > LARGEST_WHOLE_BYTES:
            raise ImageError(
                f"{http.redact_url(self.href)}: {what} of {self._size / 2**30:,.0f} GiB, which would have to come whole; "
                "use another --catalog"
            )

    def mask(self) -> Future[Remote | None]:
        """Return the mask file beside this one, fully local; None if there is none.

        Its server is asked once, and again only after a failure; servers known to have none are not asked.
        """
        with self._lock:
            if self._mask is None or (self._mask.done() and self._mask.exception() is not None):
                self._mask = POOL.submit(self._open_mask)
            return self._mask

    def _open_mask(self) -> Remote | None:
        if urlsplit(self.href).hostname in WITHOUT_MASK_FILES:
            return None
        beside = Remote(_beside(self.href), signer=self._signer)
        try:
            head = beside._ranges.get(0, HEAD_BYTES - 1)
        except AbsentError:
            return None
        if head[:4] not in _TIFF:  # from servers that respond to every address
            self.mask_doubt = http.web_page(head) or "something that is no TIFF file"
            return None
        size = beside._ranges.version.size if beside._ranges.version else len(head)
        if size > LARGEST_MASK_BYTES:
            raise ImageError(
                f"{http.redact_url(self.href)}: the mask file beside it has {size >> 20} MiB, more than the "
                f"{LARGEST_MASK_BYTES >> 20} that are taken; fetch both files and keep them with `howgreen store add`"
            )
        beside._head, beside._opened = head, Future()
        try:
            path = beside._open()
            beside._deliver_all()
        except ImageError as error:  # report it for the image, which is what gets left out
            why = str(error).removeprefix(f"{http.redact_url(beside.href)}: ").partition(";")[0]
            raise ImageError(
                f"{http.redact_url(self.href)}: the mask file beside it ({MASK}) cannot be read ({why}); use another --catalog, "
                "or keep the image with `howgreen store add`"
            ) from error
        beside._opened.set_result(path)
        return beside

    def _deliver_all(self) -> None:
        for first in range(HEAD_BYTES, self._size, LARGEST_REQUEST_BYTES):
            self._deliver([(first, min(first + LARGEST_REQUEST_BYTES, self._size))])

    def _check_whole(self, size: int) -> None:
        """Verify the checksum, from its item or its server, of a file fetched whole."""
        md5 = self._ranges.md5
        if not self._sha256 and not md5:
            return
        sums = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for first in range(0, size, LARGEST_REQUEST_BYTES):
            part = os.pread(self._handle, min(LARGEST_REQUEST_BYTES, size - first), first)
            for one in sums:
                one.update(part)
        if (self._sha256 and sums[0].hexdigest() != self._sha256) or (md5 and sums[1].digest() != md5):
            raise ImageError(
                f"{http.redact_url(self.href)}: its bytes are not those that its {'item' if self._sha256 else 'server'} "
                "states the checksum of; try again, or use another --catalog"
            )

    def _get(self, head: bytes, first: int, size: int) -> bytes:
        """Return bytes, and write them to the file as well."""
        if first + size <= len(head):
            return head[first : first + size]
        start = first // self._block * self._block
        data = self._bytes(start, _up(max(first + size, start + HEAD_BYTES), self._block))
        os.pwrite(self._handle, data, start)
        return data[first - start : first - start + size]

    def _bytes(self, first: int, end: int) -> bytes:
        """Fetch bytes, unless the total fetched exceeds what the file can hold."""
        with self._lock:
            self._fetched += min(end, self._size) - first
            too_much = self._fetched > SLACK[0] * self._size + SLACK[1] or end - first > LARGEST_TILE_BYTES
        if too_much:
            raise ImageError(
                f"{http.redact_url(self.href)}: its tiles or directories claim more bytes than the file can hold; "
                "use another --catalog"
            )
        return self._ranges.get(first, end - 1)

    def fetch(self, spans: Iterable[ByteRange]) -> list[Future[None]]:
        """Request bytes about to be read, concurrently, merging close ranges; the futures finish once they are local."""
        if self._everything and not any(one.done() and one.exception() for one in self._everything):
            return self._everything
        mine: list[ByteRange] = []
        futures: list[Future[None]] = []
        with self._lock:
            for first, end in sorted({span for span in spans if span[1] > HEAD_BYTES}):
                there = self._asked.get(first)
                if there is None or there[0] < end or (there[1].done() and there[1].exception() is not None):
                    there = self._asked[first] = end, Future()
                    mine.append((first, end))
                futures.append(there[1])
            promised = {first: self._asked[first][1] for first, _ in mine}
        for group in _groups(mine):
            POOL.submit(partial(self._keep, group, [promised[first] for first, _ in group]))
        return futures

    def everything(self) -> list[Future[None]]:
        """Request the whole file; later requests are covered by it."""
        version = self._ranges.version
        size, step = version.size if version else 0, LARGEST_REQUEST_BYTES
        self._everything = self.fetch((first, min(first + step, size)) for first in range(0, size, step))
        return self._everything

    def _keep(self, group: Sequence[ByteRange], promised: Sequence[Future[None]]) -> None:
        try:
            self._deliver(group)
        except BaseException as error:  # noqa: BLE001 (whoever waits for the bytes raises it)
            for future in promised:
                future.set_exception(error)
        else:
            for future in promised:
                future.set_result(None)

    def _deliver(self, group: Sequence[ByteRange]) -> None:
        """Write whole disk blocks: GDAL reads through C buffers, which keep the holes they have read."""
        first, end = group[0][0] // self._block * self._block, max(stop for _, stop in group)
        data = self._bytes(first, _up(end, self._block))
        if len(data) < end - first:
            raise ImageError(f"{http.redact_url(self.href)}: ends before its tiles do; use another --catalog")
        os.pwrite(self._handle, data, first)


def _beside(href: str) -> str:
    """Return the address of the mask file beside an image, keeping its query, which may hold a signature."""
    parts = urlsplit(href)
    return urlunsplit(parts._replace(path=parts.path + MASK, fragment=""))


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _nameless(handle: int, path: Path) -> Path:
    """Return a path to an open file that vanishes with this process, however it ends; its own path if unsupported."""
    own = Path(f"/proc/self/fd/{handle}")
    if not own.exists():
        return path
    path.unlink()
    return own


def _remove(handle: int, path: Path) -> None:
    os.close(handle)
    path.unlink(missing_ok=True)


def _groups(spans: Sequence[ByteRange]) -> list[list[ByteRange]]:
    """Group sorted ranges that fit into one request."""
    groups: list[list[ByteRange]] = []
    for span in spans:
        last = groups[-1] if groups else None
        if last and span[0] - last[-1][1] <= GAP_BYTES and span[1] - last[0][0] <= LARGEST_REQUEST_BYTES:
            last.append(span)
        else:
            groups.append([span])
    return groups


def directories(read: Callable[[int, int], bytes], size: int) -> Iterator[ByteRange]:
    """Yield the ranges of TIFF tag values that are stored outside the directories.

    Parameters
    ----------
    read
        Returns bytes, given a first byte and a length; called for each directory.
    size
        Bytes of the file; values beyond it are left for GDAL to report.

    The layout is that of TIFF 6.0 (Adobe 1992) and BigTIFF.

    Raises
    ------
    ValueError
        When they claim more than an image file has.
    """
    start = read(0, 16)
    if len(start) < 16:
        raise ValueError("ends within its first bytes")
    order = "<" if start[:2] == b"II" else ">"
    big = 43 in start[2:4]
    count_code, word, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
    word_size, seen = struct.calcsize(word), set[int]()
    given, total = set[tuple[int, int]](), 0
    at = struct.unpack_from(order + word, start, 8 if big else 4)[0]
    while at and at not in seen and len(seen) < MOST_DIRECTORIES:
        seen.add(at)
        count_size = struct.calcsize(f"={count_code}")
        number = _unpack(order + count_code, read(at, count_size))
        if number is None or at + number * entry > size:
            return
        if number > MOST_ENTRIES:
            raise ValueError(f"a directory of {number:,} tags")
        table = read(at + count_size, number * entry + word_size)
        for place in range(0, min(number * entry, len(table) - word_size), entry):
            _, kind, count = struct.unpack_from(order + "HH" + word, table, place)
            length = _SIZES.get(kind, 0) * count
            first = struct.unpack_from(order + word, table, place + entry - word_size)[0]
            if (
                word_size < length <= LARGEST_DIRECTORY_BYTES
                and first + length <= size
                and (first, length) not in given
            ):
                given.add((first, length))
                total += length
                if total > MOST_DIRECTORY_BYTES:
                    raise ValueError(f"directories of more than {MOST_DIRECTORY_BYTES >> 20} MiB")
                yield first, first + length
        at = _unpack(order + word, table[-word_size:])


def _unpack(code: str, data: bytes) -> int | None:
    return struct.unpack(code, data)[0] if len(data) == struct.calcsize(code) else None
