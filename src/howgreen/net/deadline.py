"""Asking the network for bounded time, and why it did not answer, in words."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import requests

T = TypeVar("T")


class _Box(Generic[T]):
    """What came out of a thread."""

    value: T
    error: BaseException | None = None
    done = False


def in_time(work: Callable[[], T], seconds: float) -> T:
    """The result of work, or TimeoutError after so many seconds.

    A thread of its own, because no timeout of a socket bounds the resolver, a host with many dead addresses, or a
    server that sends one byte a second.
    """
    box: _Box[T] = _Box()

    def run() -> None:
        try:
            box.value = work()
        except BaseException as error:  # noqa: BLE001  handed on to the caller below
            box.error = error
        box.done = True

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not box.done:
        raise TimeoutError
    if box.error is not None:
        raise box.error
    return box.value


def reason(error: requests.RequestException) -> str:
    """Why a request failed, without its address, which may hold a token."""
    import requests

    if isinstance(error, requests.Timeout):
        return "timed out"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted here"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return "the answer broke off"
    if isinstance(error, requests.ConnectionError):
        dropped = any(word in str(error) for word in ("aborted", "reset", "RemoteDisconnected", "IncompleteRead"))
        return "the connection was dropped" if dropped else "no connection"
    return type(error).__name__
