"""Byte ranges of remote files: verified bytes of the version first read, or one clear error.

Every response is checked: status, position and length of the range, the file's size, ETag and date. Transient failures
(busy servers, broken connections, expired tokens) are retried a bounded number of times within a bounded time.
"""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from howgreen.core.errors import NetworkError
from howgreen.net import http
from howgreen.net.http import FinalError, RetryPolicy, TransientError
from howgreen.net.sas_tokens import SIGNERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

POLICY = RetryPolicy(tries=5, first_wait_s=0.4, attempt_s=20.0, total_s=90.0)
"""For one range; ``attempt_s`` is the longest silence: a response may take that plus the transfer time of its bytes."""
SLOWEST_BYTES_S = 20_000
"""Slowest transfer rate; below it, the connection counts as broken."""
LARGEST_WHOLE_BYTES = 32 << 20
"""Largest file accepted whole from a server without range support."""
_PIECE = 1 << 20
_CONTENT_RANGE = re.compile(r"^bytes (\d{1,18})-(\d{1,18})/(\d{1,18})$", re.IGNORECASE)
_S3_ETAG = re.compile(r'^"([0-9a-f]{32})"$')
_CURE = "run the same again, it goes on from what it has"


class AbsentError(NetworkError):
    """The server has no such file, or denies it to us (HTTP 4xx)."""


class _RefusedError(Exception):
    """The server wants a token, or a different one."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """Identifiers that distinguish one version of a file from another."""

    size: int
    etag: str
    """Empty if the server sends none, or a weak one."""
    modified: str
    """Empty if the server sends none."""

    def differs(self, other: Version) -> bool:
        """Tell whether these are certainly different versions; missing identifiers count as equal."""
        if self.etag and other.etag:
            return self.etag != other.etag or self.size != other.size
        dates = (self.modified, other.modified)
        return self.size != other.size or (all(dates) and dates[0] != dates[1])


class Ranges:
    """One remote file. Any number of threads may read at once."""

    def __init__(self, href: str, *, signer: str = "") -> None:
        self.href = href
        self._signer = SIGNERS.get(signer)
        self._lock = Lock()
        self._version: Version | None = None
        self.md5 = b""
        """MD5 of the whole file, if its server states it."""

    @property
    def version(self) -> Version | None:
        """Version of the file when it was first read; None before."""
        return self._version

    def get(self, first: int, last: int) -> bytes:
        """Return the bytes ``first`` to ``last`` (inclusive); fewer if the file ends before.

        Raises
        ------
        NetworkError
            When they are unavailable, or the file has changed since its first bytes were read.
        """
        try:
            return http.retried(lambda _: self._attempt(first, last), url=self.href, policy=POLICY)
        except FinalError as error:
            raise self._error(str(error), _CURE) from error.__cause__

    def _attempt(self, first: int, last: int) -> bytes:
        """Send one request; if its token is refused, another with a new token."""
        for fresh in (False, True):
            url = self._signer.signed(self.href) if self._signer else self.href
            try:
                return self._request(url, first, last)
            except _RefusedError as refused:
                if self._signer is None or fresh or url == self.href:  # without a token, a new one does not help
                    raise self._absent(str(refused), "try again later, or use another --catalog") from None
                self._signer.forget(url)
        raise AssertionError  # the second pass returns or raises

    def _request(self, url: str, first: int, last: int) -> bytes:
        import requests
        from urllib3.exceptions import HTTPError

        headers = {"Range": f"bytes={first}-{last}", "Accept-Encoding": "identity", "User-Agent": http.user_agent()}
        timeout = (POLICY.connect_s, POLICY.attempt_s)
        try:
            with http.session(url) as lent, lent.get(url, headers=headers, stream=True, timeout=timeout) as reply:
                self._check_status(reply)
                return self._body(reply, first, last)
        except http.PrivateAddressError as error:
            raise self._error(str(error), "use another --catalog") from None
        except (requests.TooManyRedirects, requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL):
            raise self._error("it sends on without end, or to no web address", "use another --catalog") from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise TransientError(http.describe_failure(error)) from error

    def _check_status(self, reply: requests.Response) -> None:
        status = reply.status_code
        if status in {200, 206}:
            return
        if status in {401, 403}:
            raise _RefusedError(http.describe_status(status))
        if status in http.BUSY:
            after_s = http.retry_after_s(reply.headers)
            raise TransientError(http.describe_status(status), after_s=after_s)
        if status == 416 and self._version is not None:
            raise self._changed()
        kind = self._absent if 400 <= status < 500 and status != 416 else self._error
        raise kind(http.describe_status(status), "make a new plan, or use another --catalog")

    def _body(self, reply: requests.Response, first: int, last: int) -> bytes:
        """Return the body of a response after verifying that it is the requested range."""
        stated = reply.headers.get("Content-Length", "")
        length = int(stated) if stated.isascii() and stated.isdecimal() and len(stated) < 19 else -2 if stated else -1
        if reply.status_code == 200:
            if not 0 <= length <= LARGEST_WHOLE_BYTES:
                raise self._error("its server hands out no ranges of files", "use another --catalog")
            self._check_version(_version(reply, size=length), reply.headers)
            return _received(reply, length)[first : last + 1]
        place = _CONTENT_RANGE.match(reply.headers.get("Content-Range", ""))
        start, end, size = (int(part) for part in place.groups()) if place else (-1, -1, -1)
        if place:
            self._check_version(_version(reply, size=size), reply.headers)
        wanted = min(last, size - 1) - first + 1
        if start != first or end - start + 1 != wanted or length not in {-1, wanted}:
            raise TransientError("hands out other bytes than it was asked for")
        return _received(reply, wanted)

    def _check_version(self, found: Version, headers: Mapping[str, str]) -> None:
        with self._lock:
            if self._version is None:
                self._version = found
                self.md5 = _md5_of_whole(headers)
            elif self._version.differs(found):
                raise self._changed()

    def _changed(self) -> NetworkError:
        return self._error("the file has changed while it was read", "run the same again, it reads the new one")

    def _absent(self, why: str, cure: str) -> AbsentError:
        return AbsentError(str(self._error(why, cure)))

    def _error(self, why: str, cure: str) -> NetworkError:
        return NetworkError(f"{http.redact_url(self.href)}: {why}; {cure}")


def _version(reply: requests.Response, *, size: int) -> Version:
    etag = reply.headers.get("ETag", "")
    return Version(
        size=size, etag="" if etag.startswith("W/") else etag, modified=reply.headers.get("Last-Modified", "")
    )


def _md5_of_whole(headers: Mapping[str, str]) -> bytes:
    """Return the MD5 of a whole file as stated by Azure, Google or S3; empty if none states it.

    On S3 it is the ETag of a file uploaded in one part, unless encrypted with a customer's key.
    """
    hashes = dict(part.strip().partition("=")[::2] for part in headers.get("x-goog-hash", "").split(","))
    stated = headers.get("x-ms-blob-content-md5") or hashes.get("md5", "")
    try:
        if stated:
            return base64.b64decode(stated, validate=True)
    except ValueError:
        return b""
    etag = _S3_ETAG.match(headers.get("ETag", "")) if "x-amz-request-id" in headers else None
    plain = headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
    return bytes.fromhex(etag[1]) if etag and plain else b""


def _received(reply: requests.Response, wanted: int) -> bytes:
    """Read the whole body, which must have ``wanted`` bytes and arrive in a bounded time."""
    end = time.monotonic() + POLICY.attempt_s + wanted / SLOWEST_BYTES_S
    parts: list[bytes] = []
    missing = wanted
    while missing > 0:
        part = reply.raw.read1(min(missing, _PIECE), decode_content=False)
        if not part:
            raise TransientError("breaks off in the middle of the file")
        if time.monotonic() > end:
            raise TransientError("sends too slowly")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
