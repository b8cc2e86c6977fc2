"""Client for place services: rate-limited, cached, and with a bounded wait.

Why not OSMnx, which supports the same services: its settings are global to the process, a refused connection makes it
sleep for 60 s silently, it repeats a 429 endlessly, its pauses apply within one process only, and its cache is never
trimmed (osmnx#385, #445, #832, #1299). None of that can be set per call.
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
"""Nominatim's usage policy requires a second between two requests; a user waiting for a name needs an upper limit."""
MOST_BYTES = 100 << 20
"""Larger responses are refused."""
INSTEAD = "--area FILE, --osm FILE.osm.pbf, coordinates such as 45.76, 4.84, or a place of your store"
"""Alternatives without a network, as errors list them."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request, and how to validate its response."""

    what: str
    """Name of the service in errors."""
    urls: Sequence[str]
    """Equivalent servers, best first."""
    params: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    """Sent by POST if given."""
    suffix: str
    """Suffix of the cached file: ``.json`` or ``.osm``."""
    instead: str = INSTEAD
    """Alternatives to the service, as errors list them."""
    refusal_s: float | None = None
    """If the operators require it: after a refusal (HTTP 429, 403), seconds without a request to any of the servers."""
    check: Callable[[bytes], bool]
    """Whether a complete response holds anything; ValueError with the reason if it is not a response of this
    service."""


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    why: str
    again: bool
    after_s: float = 0.0
    refused: bool = False
    """The server refuses requests for now."""


class Client:
    """Queries services for one look-up, with one time limit shared by all services that do not respond."""

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
        self._patience_s = retry.longest_wait_s  # time left for waits that servers request

    @property
    def left_s(self) -> float:
        """Time left for services that do not respond."""
        return self._left_s

    def fetch(self, request: Request, *, total_s: float | None = None) -> CachedResponse:
        """Return the response, cached or new. A cached one with content takes precedence over a new, empty one.

        Parameters
        ----------
        total_s
            Give up earlier than the look-up itself, because another service may be able to respond.

        Raises
        ------
        NetworkError
            When no server gave a usable response in time, or requests are disabled and nothing is cached.

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
            # Limits vanish from OpenStreetMap overnight through a single bad edit, and return within days.
            _LOG.warning("%s no longer has what it had on %s; that answer is used", request.what, old.day)
            return old
        return cache.save(self._folder, name, body)

    def _whole(self, answer: CachedResponse | None, request: Request) -> CachedResponse | None:
        """Return the cached response, unless its file is damaged."""
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
        """Return the first usable body from any server, each queried once per round; None if time or rounds run out."""
        ready = dict.fromkeys(request.urls, 0.0)
        for number in range(self._retry.tries):
            round_ = [url for url in request.urls if ready.get(url, until) <= time.monotonic()]
            for place, url in enumerate(round_):
                # A hanging server must leave time for its mirrors.
                share_s = (until - time.monotonic()) / (len(round_) - place)
                outcome = self._once(url, request, share_s=share_s, until=until)
                if isinstance(outcome, bytes):
                    return outcome
                tried.setdefault(urlsplit(url).netloc, []).append(outcome.why)
                ready[url] = time.monotonic() + outcome.after_s
                if not outcome.again:
                    del ready[url]
                if (
                    outcome.refused and request.refusal_s is not None
                ):  # its operators do not want load spread over mirrors
                    ready = {url: ready[url]} if outcome.again else {}
                    break
            if not ready:
                return None
            asked_s = max(min(ready.values()) - time.monotonic(), 0.0)
            # Waiting past the time limit, or after the last round, would only delay the error.
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
    """Summarise reasons: ``2 × HTTP 503, timed out``."""
    counts = {reason: reasons.count(reason) for reason in reasons}
    return ", ".join(f"{count} × {reason}" if count > 1 else reason for reason, count in counts.items())
