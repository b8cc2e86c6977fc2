"""Bytes of files on the web: the right ones of the file as it was when it was first read, or one clear error.

Every answer is checked: status, place and length of the range, the file's size, ETag and date. What may pass (busy
servers, broken connections, expired tokens) is asked again, a bounded number of times and within a bounded time.
"""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from importlib.metadata import version
from threading import Lock, local
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from howgreen.core.errors import NetworkError
from howgreen.net import http
from howgreen.net.sas_tokens import SIGNERS

if TYPE_CHECKING:
    import requests

CONNECT_S, SILENT_S = 8.0, 20.0
"""Longest waits for a connection, and for the next bytes of an answer."""
SLOWEST_BYTES_S = 20_000
"""An answer may take SILENT_S and the time of its bytes at this rate, then it counts as broken off."""
TRIES = 5
FIRST_WAIT_S = 0.4
"""Before the second try; doubled with each, unless the server says how long."""
PATIENCE_S = 90.0
"""After so long a range is not asked for again."""
LARGEST_WHOLE_BYTES = 32 << 20
"""A server that knows no ranges may hand out smaller files as a whole."""
_BUSY = (408, 425, *http.BUSY)
_PIECE = 1 << 20
_SPAN = re.compile(r"^bytes (\d+)-(\d+)/(\d+)$")
_CURE = "run the same again, it goes on from what it has"
_thread = local()


class _RefusedError(Exception):
    """The server wants a token, or another one."""


class _PassingError(Exception):
    """What may be better at the next try; the message is what to say if it is not."""

    def __init__(self, why: str, *, wait_s: float | None = None) -> None:
        super().__init__(why)
        self.wait_s = wait_s


@dataclass(frozen=True, kw_only=True)
class Version:
    """What tells one state of a file from another."""

    size: int
    etag: str
    """Empty where the server gives none, or a weak one."""
    modified: str
    """Empty where the server gives none."""

    def differs(self, other: Version) -> bool:
        """Whether these are surely two states; a server that says nothing is believed."""
        if self.etag and other.etag:
            return self.etag != other.etag or self.size != other.size
        dates = (self.modified, other.modified)
        return self.size != other.size or (all(dates) and dates[0] != dates[1])


class Ranges:
    """One file on the web. Any number of threads may ask at once."""

    def __init__(self, href: str, *, signer: str = "") -> None:
        self.href = href
        self._signer = SIGNERS.get(signer)
        self._lock = Lock()
        self._version: Version | None = None

    @property
    def version(self) -> Version | None:
        """Of the file when it was first read; None before."""
        return self._version

    def get(self, first: int, last: int) -> bytes:
        """Bytes ``first`` to ``last`` (included); fewer where the file ends before, all of it where ranges are unknown
        and the whole begins at ``first`` = 0.

        Raises
        ------
        NetworkError
            When they are not to be had, or the file has changed since its first bytes were read.
        """
        start, tokens = time.monotonic(), 2
        for number in range(TRIES):
            url = self._signer.signed(self.href) if self._signer else self.href
            try:
                return self._asked(url, first, last)
            except _PassingError as trouble:
                why = trouble
            except _RefusedError as refused:
                tokens -= 1
                if self._signer is None or not tokens:
                    raise self._error(str(refused), "try again later, or use another --catalog") from None
                self._signer.forget(url)
                continue
            wait_s = FIRST_WAIT_S * 2**number * random.uniform(0.8, 1.2) if why.wait_s is None else why.wait_s  # noqa: S311 (no secret)
            if number + 1 == TRIES or time.monotonic() - start + wait_s > PATIENCE_S:
                break
            time.sleep(wait_s)
        raise self._error(str(why), _CURE)

    def _asked(self, url: str, first: int, last: int) -> bytes:
        import requests
        from urllib3.exceptions import HTTPError

        headers = {"Range": f"bytes={first}-{last}", "Accept-Encoding": "identity"}
        try:
            with _session(url).get(url, headers=headers, stream=True, timeout=(CONNECT_S, SILENT_S)) as reply:
                self._check_status(reply)
                return self._body(reply, first, last)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _PassingError(http.reason(None, str(error))) from error

    def _check_status(self, reply: requests.Response) -> None:
        status = reply.status_code
        if status in {200, 206}:
            return
        if status in {401, 403}:
            raise _RefusedError(http.reason(status, ""))
        if status in _BUSY:
            raise _PassingError(http.reason(status, ""), wait_s=_retry_after_s(reply.headers.get("Retry-After")))
        if status == 416 and self._version is not None:
            raise self._changed()
        raise self._error(http.reason(status, ""), "make a new plan, or use another --catalog")

    def _body(self, reply: requests.Response, first: int, last: int) -> bytes:
        """The bytes of an answer, once they are sure to be the ones that were asked for."""
        length = int(reply.headers.get("Content-Length", -1))
        if reply.status_code == 200:
            if not 0 <= length <= LARGEST_WHOLE_BYTES:
                raise self._error("its server hands out no ranges of files", "use another --catalog")
            self._check_version(_version(reply, size=length))
            return _received(reply, length)[first : last + 1]
        span = _SPAN.match(reply.headers.get("Content-Range", ""))
        start, end, size = (int(part) for part in span.groups()) if span else (-1, -1, -1)
        if span:
            self._check_version(_version(reply, size=size))
        wanted = min(last, size - 1) - first + 1
        if start != first or end - start + 1 != wanted or length not in {-1, wanted}:
            raise _PassingError("hands out other bytes than it was asked for")
        return _received(reply, wanted)

    def _check_version(self, found: Version) -> None:
        with self._lock:
            if self._version is None:
                self._version = found
            elif self._version.differs(found):
                raise self._changed()

    def _changed(self) -> NetworkError:
        return self._error("the file has changed while it was read", "run the same again, it reads the new one")

    def _error(self, why: str, cure: str) -> NetworkError:
        return NetworkError(f"{http.named(self.href)}: {why}; {cure}")


def _version(reply: requests.Response, *, size: int) -> Version:
    etag = reply.headers.get("ETag", "")
    return Version(
        size=size, etag="" if etag.startswith("W/") else etag, modified=reply.headers.get("Last-Modified", "")
    )


def _received(reply: requests.Response, wanted: int) -> bytes:
    """All bytes of the body; it must be as long as ``wanted`` and come in a bounded time."""
    end = time.monotonic() + SILENT_S + wanted / SLOWEST_BYTES_S
    parts: list[bytes] = []
    missing = wanted
    while missing > 0:
        part = reply.raw.read1(min(missing, _PIECE), decode_content=False)
        if not part:
            raise _PassingError("breaks off in the middle of the file")
        if time.monotonic() > end:
            raise _PassingError("sends too slowly")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _retry_after_s(said: str | None) -> float | None:
    """What a server asks to wait, in seconds, at most web.LONGEST_WAIT_S; None when it says nothing that can be read."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util.retry import Retry

    try:
        asked = Retry().parse_retry_after(said) if said else None
    except InvalidHeader:
        return None
    return None if asked is None else min(float(asked), http.LONGEST_WAIT_S)


def _session(url: str) -> requests.Session:
    """One a thread and server, with its own connection that is kept open; proxies and certificates are the system's."""
    import requests

    sessions: dict[str, requests.Session] = _thread.__dict__.setdefault("sessions", {})
    host = urlsplit(url).netloc
    if host not in sessions:
        session = sessions[host] = requests.Session()
        session.max_redirects = 5
        session.headers["User-Agent"] = f"howgreen/{version('howgreen')}"
        # Looked up once: with each request it takes longer than the request.
        found = session.merge_environment_settings(url, {}, stream=True, verify=None, cert=None)
        session.proxies, session.verify, session.trust_env = found["proxies"], found["verify"], False
    return sessions[host]
