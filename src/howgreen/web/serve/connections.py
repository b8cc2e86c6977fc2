"""Connections of uvicorn with time limits: a client that sends half a request, or does not read, is disconnected."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from howgreen.web.serve.settings import is_loopback

if TYPE_CHECKING:
    from howgreen.web.serve.settings import Settings

HEAD_S = 15.0
"""Time limit for the head of a request to arrive."""
STALL_S = 60.0
"""Time within which a client must read some of the data waiting for it."""
MOST_EACH = 192
"""Most connections per address: an office behind one router needs dozens, and nobody needs all."""


class Connection(H11Protocol):
    """One HTTP connection."""

    open_by_address: ClassVar[Counter[str] | None] = None
    """Open connections by address; None if all come from one: that of our own proxy."""
    _address = ""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for a request."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if self.open_by_address is not None and address and not is_loopback(address):
            self._address = address
            self.open_by_address[address] += 1
            if self.open_by_address[address] > MOST_EACH:
                transport.abort()
                return
        self._set_deadline(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from the count."""
        self._clear_deadline()
        if self.open_by_address is not None and self._address:
            self.open_by_address[self._address] -= 1
            if not self.open_by_address[self._address]:
                del self.open_by_address[self._address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head; the guard limits whatever follows."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._clear_deadline()
        elif self._deadline is None:
            self._set_deadline(HEAD_S)

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._set_deadline(STALL_S)

    def resume_writing(self) -> None:
        """Resume writing."""
        self._clear_deadline()
        super().resume_writing()

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def bounded(settings: Settings) -> type[Connection]:
    """Make one server's connection class."""

    class Counted(Connection):
        open_by_address = None if settings.proxies else Counter()

    return Counted
