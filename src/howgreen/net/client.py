"""A polite client for the services that know places: rate-limited, with a cache, and patient for a bounded time.

Why not OSMnx, although it knows the same services: its settings are global to the process, a refused connection makes
it sleep for 60 s without a word, it repeats a 429 without end, its pauses hold within one process only, and its cache is
never trimmed (osmnx#385, #445, #832, #1299). Nothing of that can be set for one call.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from howgreen.core.errors import NetworkError
from howgreen.net import cache, http
from howgreen.net._rate_limit import postpone, refused_s, wait_turn
from howgreen.net.cache import CachedResponse
from howgreen.net.endpoints import Endpoints
from howgreen.net.http import FinalError, RetryPolicy, TransientError

_LOG = logging.getLogger(__name__)

POLITE = RetryPolicy(tries=3, first_wait_s=1.0, connect_s=4.0, attempt_s=16.0, total_s=25.0, pause_s=1.0)
"""Nominatim's usage policy asks for a second between two requests; a person who waits for a name, for an end."""
MOST_BYTES = 100 << 20
"""A longer answer is refused."""
INSTEAD = "--area FILE, --osm FILE.osm.pbf, coordinates such as 45.76, 4.84, or a place of your store"
"""What works without a network, as errors say it."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked, and how an answer is told from a fault."""

    what: str
    """The service as errors call it."""
    urls: Sequence[str]
    """Servers that answer alike, best first."""
    params: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    """Sent by POST when there is one."""
    suffix: str
    """Of the cached file: ``.json`` or ``.osm``."""
    instead: str = INSTEAD
    """What works without the service, as errors say it."""
    refusal_s: float | None = None
    """Where the operators want it so: after a refusal (HTTP 429, 403) none of the servers is asked for so long."""
    check: Callable[[bytes], bool]
    """Whether a whole answer holds anything; ValueError with the reason when it is no answer of this service."""


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    why: str
    again: bool
    after_s: float = 0.0
    refused: bool = False
    """The server does not want to be asked now."""


class Client:
    """Asks services for one look-up: its time is used up once, however many services do not answer."""

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        folder: Path,
        offline: bool = False,
        contact: str = "",
        retry: RetryPolicy = POLITE,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.endpoints = endpoints
        self.offline = offline
        self._folder = folder
        self._contact = contact
        self._retry = retry
        self._most_bytes = most_bytes
        self._left_s = retry.total_s
        self._patience_s = retry.longest_wait_s  # what is left of it for waits that servers ask for

    @property
    def left_s(self) -> float:
        """What is left of the time for services that do not answer."""
        return self._left_s

    def fetch(self, request: Request, *, total_s: float | None = None) -> CachedResponse:
        """Return the answer, cached or new. A cached one that holds something stays before a new one that holds nothing.

        Parameters
        ----------
        total_s
            Give up earlier than the look-up itself, because another service can answer as well.

        Raises
        ------
        NetworkError
            When no server gave a usable answer in time, or asking is switched off and nothing is cached.

        """
        query = (
            "" if request.form is None else "&".join(f"{key}={value}" for key, value in sorted(request.form.items()))
        )
        name = cache.key_of(request.urls[0], request.params, query) + request.suffix
        old = self._whole(cache.load(self._folder, name), request)
        if old is not None and (self.offline or old.is_fresh(empty=not request.check(old.body))):
            return old
        if self.offline:
            raise NetworkError(
                f"{request.what} may not be asked (offline), and has not been asked this before; give {request.instead}"
            )
        try:
            body = self._ask(request, total_s=total_s)
        except NetworkError as error:
            if old is None:
                raise
            _LOG.warning("%s; the answer of %s is used", error, old.day)
            return old
        if old is not None and request.check(old.body) and not request.check(body):
            # Limits vanish from OpenStreetMap overnight, by one wrong edit, and come back within days.
            _LOG.warning("%s no longer has what it had on %s; that answer is used", request.what, old.day)
            return old
        return cache.save(self._folder, name, body)

    def _whole(self, answer: CachedResponse | None, request: Request) -> CachedResponse | None:
        """Return the cached answer, unless its file was damaged."""
        if answer is None:
            return None
        try:
            request.check(answer.body)
        except (ValueError, OSError):
            return None
        return answer

    def _ask(self, request: Request, *, total_s: float | None) -> bytes:
        began = time.monotonic()
        until = began + min(self._left_s, total_s if total_s is not None else self._left_s)
        tried: dict[str, list[str]] = {}
        try:
            body = self._rounds(request, until=until, tried=tried)
        finally:
            spent_s = time.monotonic() - began
        if body is not None:
            return body
        self._left_s = max(self._left_s - spent_s, 0.0)
        reasons = ", ".join(f"{host}: {_counted(whys)}" for host, whys in tried.items()) or "no time was left to ask"
        raise NetworkError(
            f"{request.what} gave no answer in {spent_s:.0f} s ({reasons}); check the connection and try again, or give {request.instead}"
        )

    def _rounds(self, request: Request, *, until: float, tried: dict[str, list[str]]) -> bytes | None:
        """Return the first usable body of any server, each asked once a round; None when time or hope is over."""
        ready = dict.fromkeys(request.urls, 0.0)
        for number in range(self._retry.tries):
            round_ = [url for url in request.urls if ready.get(url, until) <= time.monotonic()]
            for place, url in enumerate(round_):
                # A server that hangs must leave time for its mirrors.
                share_s = (until - time.monotonic()) / (len(round_) - place)
                outcome = self._once(url, request, share_s=share_s, until=until)
                if isinstance(outcome, bytes):
                    return outcome
                tried.setdefault(urlsplit(url).netloc, []).append(outcome.why)
                ready[url] = time.monotonic() + outcome.after_s
                if not outcome.again:
                    del ready[url]
                if outcome.refused and request.refusal_s is not None:  # its operators want no spreading over mirrors
                    ready = {url: ready[url]} if outcome.again else {}
                    break
            if not ready:
                return None
            asked_s = max(min(ready.values()) - time.monotonic(), 0.0)
            # Waiting past the end, or after the last round, would only put off the error.
            if number + 1 == self._retry.tries or asked_s > self._patience_s:
                return None
            pause_s = max(self._retry.first_wait_s * 2**number, asked_s)
            if time.monotonic() + pause_s - asked_s >= until:
                return None
            if asked_s > 1:
                _LOG.warning("%s asks to wait %.0f s", request.what, asked_s)
            self._patience_s -= asked_s
            self._left_s += asked_s
            until += asked_s
            time.sleep(pause_s)
        return None

    def _once(self, url: str, request: Request, *, share_s: float, until: float) -> bytes | _Refusal:
        host = urlsplit(url).netloc
        within_s = until - time.monotonic()
        left_alone_s = refused_s(self._folder, host)
        if left_alone_s > 0:
            why = f"asked to be left alone for {left_alone_s:.0f} s more"
            return _Refusal(why=why, again=True, after_s=left_alone_s, refused=True)
        if within_s <= 0 or not wait_turn(self._folder, host, pause_s=self._retry.pause_s, within_s=within_s):
            return _Refusal(why="its turn did not come in time", again=True)
        seconds = max(min(self._retry.attempt_s, share_s, until - time.monotonic()), 0.05)
        sent = http.Request(
            url=url,
            method="GET" if request.form is None else "POST",
            params=request.params or None,
            form=request.form,
            contact=self._contact,
            most_bytes=self._most_bytes,
        )
        try:
            reply = http.send(sent, seconds=seconds, connect_s=self._retry.connect_s)
        except (TransientError, FinalError) as error:
            return _Refusal(why=str(error), again=isinstance(error, TransientError))
        if reply.status != 200:
            after_s = http.retry_after_s(reply.headers) or 0.0
            why = http.describe_status(reply.status, reply.body)
            refused = reply.status in {403, 429}
            if refused:
                after_s = max(after_s, request.refusal_s or 0.0)
                postpone(self._folder, host, after_s)
            return _Refusal(why=why, again=reply.status in http.BUSY, after_s=after_s, refused=refused)
        try:
            request.check(reply.body)
        except ValueError as error:
            return _Refusal(why=str(error), again=True)
        return reply.body


def _counted(reasons: Sequence[str]) -> str:
    """``2 × HTTP 503, timed out``."""
    counts = {reason: reasons.count(reason) for reason in reasons}
    return ", ".join(f"{count} × {reason}" if count > 1 else reason for reason, count in counts.items())
