"""The one door to the network for places: polite, patient for a bounded time, and with a memory.

Why ``requests`` and not OSMnx, although OSMnx knows the same services: its settings are global to the process, a
refused connection makes it sleep for 60 s without a word, it repeats a 429 without end, its pauses hold within one
process only, and its cache is never trimmed (osmnx#385, #445, #832, #1299). Nothing of that can be set for one call.
What is left to do is small: ``requests`` speaks HTTP (proxies and certificates as the user's system has them), osmium
assembles the rings (see :mod:`howgreen.place.overpass`).
"""

from __future__ import annotations

import email.utils
import importlib.metadata
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests

from howgreen.core.errors import NetworkError
from howgreen.net.cache import MOST_BYTES, Answer, keep, kept, key_of
from howgreen.net.deadline import in_time, reason
from howgreen.net.place_endpoints import Endpoints
from howgreen.net.rate_limit import wait_turn

_LOG = logging.getLogger(__name__)

_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_DAY_S = 86_400.0
INSTEAD = "--area FILE, --osm FILE.osm.pbf, coordinates such as 45.76, 4.84, or a place of your store"
"""What works without a network, as errors say it."""


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How a service is treated."""

    pause_s: float = 1.0
    """At least so long between two requests to one host, over all processes (Nominatim's usage policy)."""
    patience_s: float = 25.0
    """All waiting for services that do not answer ends after this, in one look-up."""
    connect_s: float = 4.0
    """For opening a connection to one address of a host."""
    attempt_s: float = 16.0
    """For one answer, from the first byte sent to the last received."""
    rounds: int = 3
    """How often each server is asked at most."""
    backoff_s: float = 1.0
    """Pause after the first round; doubled after each further one."""
    fresh_days: float = 30.0
    """Kept answers are taken without asking again for so long; later only when the service does not answer."""
    fresh_empty_days: float = 1.0
    """The same for answers that hold nothing: a place can be mapped tomorrow."""
    most_answer_bytes: int = 100 * 2**20
    """A longer answer is refused."""
    most_kept_bytes: int = MOST_BYTES


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
    """Of the kept file: ``.json`` or ``.osm``."""
    instead: str = INSTEAD
    """What works without the service, as errors say it."""
    check: Callable[[bytes], bool]
    """Whether a whole answer holds anything; ValueError with the reason when it is no answer of this service."""


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    why: str
    again: bool
    after_s: float = 0.0


class Client:
    """Asks services for one look-up: its patience is used up once, however many services do not answer."""

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        cache: Path,
        offline: bool = False,
        contact: str = "",
        manners: Manners | None = None,
    ) -> None:
        self.endpoints = endpoints
        self.offline = offline
        self._cache = cache
        self._manners = manners or Manners()
        self._left_s = self._manners.patience_s
        self._agent = f"howgreen/{_version()} (command line tool; contact: {contact or 'its user'})"

    @property
    def patience_s(self) -> float:
        """What is left of the look-up's patience."""
        return self._left_s

    def ask(self, request: Request, *, patience_s: float | None = None) -> Answer:
        """The answer, kept or new. A kept one that holds something stays before a new one that holds nothing.

        Parameters
        ----------
        patience_s
            Give up earlier than the look-up's own patience, because another service can answer as well.

        Raises
        ------
        NetworkError
            When no server gave a usable answer in time, or asking is switched off and nothing is kept.

        """
        query = (
            "" if request.form is None else "&".join(f"{key}={value}" for key, value in sorted(request.form.items()))
        )
        name = key_of(request.urls[0], request.params, query) + request.suffix
        old = self._whole(kept(self._cache, name), request)
        if old is not None and (self.offline or self._fresh(old, request)):
            return old
        if self.offline:
            raise NetworkError(
                f"{request.what} may not be asked (offline), and has not been asked this before; give {request.instead}"
            )
        try:
            body = self._asked(request, patience_s=patience_s)
        except NetworkError as error:
            if old is None:
                raise
            _LOG.warning("%s; the answer of %s is used", error, old.day)
            return old
        if old is not None and request.check(old.body) and not request.check(body):
            # Limits vanish from OpenStreetMap overnight, by one wrong edit, and come back within days.
            _LOG.warning("%s no longer has what it had on %s; that answer is used", request.what, old.day)
            return old
        return keep(self._cache, name, body, most_bytes=self._manners.most_kept_bytes)

    def _whole(self, answer: Answer | None, request: Request) -> Answer | None:
        """The kept answer, unless its file was damaged."""
        if answer is None:
            return None
        try:
            request.check(answer.body)
        except (ValueError, OSError):
            return None
        return answer

    def _fresh(self, answer: Answer, request: Request) -> bool:
        days = self._manners.fresh_days if request.check(answer.body) else self._manners.fresh_empty_days
        return time.time() - answer.asked < days * _DAY_S

    def _asked(self, request: Request, *, patience_s: float | None) -> bytes:
        began = time.monotonic()
        until = began + min(self._left_s, patience_s if patience_s is not None else self._left_s)
        tried: dict[str, list[str]] = {}
        try:
            body = self._rounds(request, until=until, tried=tried)
        finally:
            spent_s = time.monotonic() - began
        if body is not None:
            return body
        self._left_s = max(self._left_s - spent_s, 0.0)
        said = "; ".join(f"{host}: {_counted(reasons)}" for host, reasons in tried.items()) or "no time was left to ask"
        raise NetworkError(
            f"{request.what} gave no answer in {spent_s:.0f} s ({said}); check the connection and try again, or give {request.instead}"
        )

    def _rounds(self, request: Request, *, until: float, tried: dict[str, list[str]]) -> bytes | None:
        """The first usable body of any server, each asked once a round; None when time or hope is over."""
        ready = dict.fromkeys(request.urls, 0.0)
        for number in range(self._manners.rounds):
            round_ = [url for url in request.urls if ready.get(url, until) <= time.monotonic()]
            for place, url in enumerate(round_):
                # A server that hangs must leave time for its mirrors.
                share_s = (until - time.monotonic()) / (len(round_) - place)
                outcome = self._once(url, request, share_s=share_s, until=until)
                if isinstance(outcome, bytes):
                    return outcome
                tried.setdefault(urlsplit(url).netloc, []).append(outcome.why)
                if outcome.again:
                    ready[url] = time.monotonic() + outcome.after_s
                else:
                    del ready[url]
            if not ready:
                return None
            pause_s = max(self._manners.backoff_s * 2**number, min(ready.values()) - time.monotonic())
            # Waiting past the end, or after the last round, would only put off the error.
            if number + 1 == self._manners.rounds or time.monotonic() + pause_s >= until:
                return None
            time.sleep(pause_s)
        return None

    def _once(self, url: str, request: Request, *, share_s: float, until: float) -> bytes | _Refusal:
        host = urlsplit(url).netloc
        within_s = until - time.monotonic()
        if within_s <= 0 or not wait_turn(self._cache, host, pause_s=self._manners.pause_s, within_s=within_s):
            return _Refusal(why="its turn did not come in time", again=True)
        seconds = max(min(self._manners.attempt_s, share_s, until - time.monotonic()), 0.05)
        try:
            status, headers, body = in_time(lambda: self._sent(url, request, seconds=seconds), seconds)
        except TimeoutError:
            return _Refusal(why="timed out", again=True)
        except requests.RequestException as error:
            return _Refusal(why=reason(error), again=not isinstance(error, requests.exceptions.InvalidURL))
        if status != 200:
            after_s = _retry_after_s(headers.get("Retry-After", ""))
            return _Refusal(why=f"HTTP {status}", again=status in _TRY_AGAIN, after_s=after_s)
        try:
            request.check(body)
        except ValueError as error:
            return _Refusal(why=str(error), again=True)
        return body

    def _sent(self, url: str, request: Request, *, seconds: float) -> tuple[int, Mapping[str, str], bytes]:
        timeout = (min(self._manners.connect_s, seconds), seconds)
        method = "GET" if request.form is None else "POST"
        chunks: list[bytes] = []
        size = 0
        with (
            requests.Session() as session,
            session.request(
                method,
                url,
                params=request.params or None,
                data=request.form,
                headers={"User-Agent": self._agent},
                timeout=timeout,
                stream=True,
            ) as response,
        ):
            for chunk in response.iter_content(2**16):
                chunks.append(chunk)
                size += len(chunk)
                if size > self._manners.most_answer_bytes:
                    raise requests.exceptions.ContentDecodingError(f"more than {size:,} bytes")
            return response.status_code, response.headers, b"".join(chunks)


def _version() -> str:
    try:
        return importlib.metadata.version("howgreen")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return "0"


def _retry_after_s(text: str) -> float:
    """Seconds that a server asks us to wait: a number, or a date; 0 when it does not say."""
    text = text.strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _counted(reasons: Sequence[str]) -> str:
    """``2 × HTTP 503, timed out``."""
    counts = {reason: reasons.count(reason) for reason in reasons}
    return ", ".join(f"{count} × {reason}" if count > 1 else reason for reason, count in counts.items())
