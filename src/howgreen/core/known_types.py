"""Types decoded by msgspec, registered before several threads use them.

msgspec analyses a type at its first use, and stores the incomplete result meanwhile: a second thread that uses the type at that
moment reads invalid data and the process dies silently (0.22; 3 of 8 tries). So every type is first used by a single thread.
"""

from __future__ import annotations

import threading
from typing import TypeVar

import msgspec

T = TypeVar("T")
_LOCK = threading.Lock()
_KNOWN: set[object] = set()


def known(kind: type[T]) -> type[T]:
    """Return a type that any thread may pass to :func:`msgspec.json.decode` and :func:`msgspec.convert`."""
    with _LOCK:
        if kind not in _KNOWN:
            msgspec.json.Decoder(kind)
            _KNOWN.add(kind)
    return kind
