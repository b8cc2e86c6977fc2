"""Files on the web as GDAL reads them: by a file object of ours, whose bytes were asked for beforehand, many at once.

GDAL alone asks for one range after the other and cannot be told to take care that a file stays the same. Here GDAL
only ever decodes: what it reads comes through :class:`howgreen.imagery.ranges.Ranges`, and what cannot be had is an
error of the dataset that asked, never pixels without data.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from itertools import count
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

from howgreen.errors import NetworkError
from howgreen.imagery.ranges import Ranges

IN_FLIGHT = 32
"""Requests under way at once: what an answer takes is mostly waiting, whatever the number of cores."""
HEAD_BYTES = 16 << 10
"""Read when a file is opened: the directory of a COG, and its smallest overviews."""
LEAST_BYTES = 16 << 10
"""Read when GDAL wants something that nobody foresaw."""
GAP_BYTES = 4 << 10
"""Ranges that lie so close together become one request."""
LARGEST_REQUEST_BYTES = 2 << 20
KEPT_BYTES = 192 << 20
"""Most bytes that are kept for blocks to come; a tile of 20 m serves four blocks of 10 m."""

Span = tuple[int, int]
"""First byte, and the one after the last."""


class Pool:
    """Threads for waiting. They are daemons: what they wait for does not hold up the end of the program."""

    def __init__(self, size: int) -> None:
        self._size, self._started = size, 0
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = Lock()

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """The future of ``job()``; jobs begin in the order in which they come."""
        future: Future[Any] = Future()
        with self._lock:
            if self._started < self._size:
                self._started += 1
                Thread(target=self._work, daemon=True, name=f"howgreen-web-{self._started}").start()
        self._jobs.put((future, job))
        return future

    def _work(self) -> None:
        while True:
            future, job = self._jobs.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001 (whoever waits for the future raises it)
                future.set_exception(error)


POOL = Pool(IN_FLIGHT)
"""Of the process: how many requests are under way does not grow with the number of cities."""


class Kept:
    """Bytes of files that are here, or on their way; the longest unused go when there are too many."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most, self._size = most_bytes, 0
        self._pieces: OrderedDict[tuple[str, int], tuple[Future[bytes], int]] = OrderedDict()
        self._lock = Lock()

    def piece(self, key: tuple[str, int], size: int) -> Future[bytes] | None:
        """The piece that begins at ``key`` = (file, first byte), if it is at least ``size`` long."""
        with self._lock:
            found = self._pieces.get(key)
            if found is None or found[1] < size:
                return None
            self._pieces.move_to_end(key)
            return found[0]

    def promise(self, wanted: dict[tuple[str, int], int]) -> dict[tuple[str, int], Future[bytes]]:
        """Futures that the caller has to fulfil: of those of ``wanted`` (key, size) that nobody has promised yet."""
        with self._lock:
            new = {key: Future[bytes]() for key, size in wanted.items() if self._lacks(key, size)}
            for key, future in new.items():
                self._size += wanted[key] - self._pieces.get(key, (None, 0))[1]
                self._pieces[key] = (future, wanted[key])
                self._pieces.move_to_end(key)
            while self._size > self._most and len(self._pieces) > len(new):
                _, (_, size) = self._pieces.popitem(last=False)
                self._size -= size
            return new

    def _lacks(self, key: tuple[str, int], size: int) -> bool:
        future, there = self._pieces.get(key, (None, 0))
        return future is None or there < size or (future.done() and future.exception() is not None)


class Remote:
    """One file on the web, shared by all datasets that are open of it."""

    _numbers = count()

    def __init__(self, href: str, *, signer: str = "", kept: Kept | None = None) -> None:
        self.href = href
        self._ranges = Ranges(href, signer=signer)
        self._kept = kept or Kept()
        self._head: Future[bytes] | None = None
        self._lock = Lock()

    def head(self) -> bytes:
        """The first bytes of the file, asked for once. NetworkError when they are not to be had."""
        with self._lock:
            mine = self._head is None or (self._head.done() and self._head.exception() is not None)
            head = self._head = Future() if mine or self._head is None else self._head
        if mine:
            _fulfil(head, lambda: self._ranges.get(0, HEAD_BYTES - 1))
        return head.result()

    def ask_head(self) -> None:
        """Begin to read the first bytes, without waiting for them."""
        with self._lock:
            if self._head is None:
                self._head = POOL.submit(lambda: self._ranges.get(0, HEAD_BYTES - 1))

    @property
    def size(self) -> int:
        """Bytes of the file, once its head was read."""
        version = self._ranges.version
        return version.size if version else len(self.head())

    def fetch(self, spans: Iterable[Span]) -> list[Future[bytes]]:
        """Ask for bytes that will be read, at once and close ones together; the futures are done when they are here."""
        spans = sorted({span for span in spans if span[1] > HEAD_BYTES})
        wanted = {(self.href, first): end - first for first, end in spans}
        mine = self._kept.promise(wanted)
        for group in _groups([span for span in spans if (self.href, span[0]) in mine]):
            POOL.submit(lambda group=group: self._deliver(group, mine))  # type: ignore[misc]
        found = (mine.get((self.href, first)) or self._kept.piece((self.href, first), end - first) for first, end in spans)
        return [future for future in found if future is not None]

    def _deliver(self, group: Sequence[Span], promised: dict[tuple[str, int], Future[bytes]]) -> None:
        first, end = group[0][0], max(stop for _, stop in group)
        try:
            data = self._ranges.get(first, end - 1)
        except BaseException as error:  # noqa: BLE001 (whoever waits for the bytes raises it)
            for start, _ in group:
                promised[self.href, start].set_exception(error)
        else:
            for start, stop in group:
                promised[self.href, start].set_result(data[start - first : stop - first])

    def read(self, first: int, size: int) -> bytes:
        """Bytes from ``first`` on, ``size`` of them or more, fewer at the end of the file; fetched now if nobody has
        asked for them before.
        """
        head = self.head()
        size = min(size, self.size - first)
        if size <= 0:
            return b""
        if first + size <= len(head):
            return head[first:]
        piece = self._kept.piece((self.href, first), size)
        return piece.result() if piece else self._ranges.get(first, first + max(size, LEAST_BYTES) - 1)

    def handle(self) -> Handle:
        """A file object with a place of its own, for one dataset."""
        return Handle(self)


def _fulfil(future: Future[bytes], job: Callable[[], bytes]) -> None:
    try:
        future.set_result(job())
    except BaseException as error:  # noqa: BLE001 (whoever waits for the bytes raises it)
        future.set_exception(error)


def _groups(spans: Sequence[Span]) -> list[list[Span]]:
    """Spans, sorted, that one request brings together."""
    groups: list[list[Span]] = []
    for span in spans:
        last = groups[-1] if groups else None
        if last and span[0] - last[-1][1] <= GAP_BYTES and span[1] - last[0][0] <= LARGEST_REQUEST_BYTES:
            last.append(span)
        else:
            groups.append([span])
    return groups


class Handle:
    """What GDAL reads from. A fault is kept for the dataset's user: to GDAL it looks like the end of the file."""

    def __init__(self, remote: Remote) -> None:
        self._remote: Remote | None = remote
        self._at = 0
        self._near: tuple[int, bytes] = (0, b"")
        self.fault: NetworkError | None = None

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what was read; rasterio may keep this object for as long as its thread lives."""
        self._near = (0, b"")
        self._remote = None

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See :class:`io.IOBase`."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size()}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """See :class:`io.IOBase`."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """See :class:`io.IOBase`; nothing once a fault has happened."""
        if self.fault is not None:
            return b""
        try:
            data = self._read(self._size() - self._at if size < 0 else size)
        except NetworkError as fault:
            self.fault = fault
            return b""
        self._at += len(data)
        return data

    def _read(self, size: int) -> bytes:
        start, near = self._near
        if start <= self._at and self._at + size <= start + len(near):
            return near[self._at - start : self._at - start + size]
        data = self._remote.read(self._at, size) if self._remote else b""
        self._near = (self._at, data)
        return data[:size]

    def _size(self) -> int:
        try:
            return self._remote.size if self._remote else 0
        except NetworkError as fault:
            self.fault = fault
            return 0
