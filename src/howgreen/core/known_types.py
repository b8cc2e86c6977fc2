"""Types that msgspec reads, made known to it before it is asked in earnest.

msgspec works out a type where it first meets it, and keeps what it has so far before it has all: a second thread that meets the type in
that moment reads what is not there, and the process is gone without a word (0.22; 3 of 8 tries). So every type is met once, by one thread.
"""

from __future__ import annotations

import threading
from typing import TypeVar

import msgspec

T = TypeVar("T")
_LOCK = threading.Lock()
_KNOWN: set[object] = set()


def known(kind: type[T]) -> type[T]:
    """Return a type that :func:`msgspec.json.decode` and :func:`msgspec.convert` may be asked for by any thread."""
    with _LOCK:
        if kind not in _KNOWN:
            msgspec.json.Decoder(kind)
            _KNOWN.add(kind)
    return kind
