"""Download one file, bounded in bytes, time and redirects; only http and https are ever followed."""

from __future__ import annotations

import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from howgreen.core.errors import NetworkError
from howgreen.net import http
from howgreen.net.endpoints import is_address
from howgreen.net.http import FinalError, RetryPolicy, TransientError, redact_url

if TYPE_CHECKING:
    from howgreen.core.types import Progress

POLICY = RetryPolicy(tries=3, first_wait_s=0.3, attempt_s=60.0, total_s=1800.0)
"""``attempt_s`` until a response begins, ``total_s`` for the whole file: 500 MB at 2.2 Mbit/s."""
SILENT_S = 30.0
"""Longest pause between two chunks."""
_MIB = 2**20
_PIECE_BYTES = 2**18


def download(
    url: str,
    *,
    to: Path,
    most_bytes: int,
    policy: RetryPolicy = POLICY,
    unprotected: bool = False,
    progress: Progress | None = None,
) -> None:
    """Download a URL to the file ``to``, whose contents are undefined after an error.

    Parameters
    ----------
    most_bytes
        Larger files are refused.
    unprotected
        Follow plain ``http``, which can be tampered with in transit: only for callers who know the file's checksum.

    Raises
    ------
    NetworkError
        Not a web address, no response, a status other than 200, too many bytes, a truncated file, or too slow.
    """
    until = time.monotonic() + policy.total_s
    try:
        with requests.Session() as session:
            begun = http.retried(
                lambda _: _begin(session, url, policy=policy, unprotected=unprotected), url=url, policy=policy
            )
            with begun as response:
                _receive(response, to, most_bytes=most_bytes, until=until, progress=progress)
    except FinalError as error:
        raise NetworkError(
            f"{redact_url(url)}: {error}; check the address and the connection, and try again"
        ) from error
    except (requests.RequestException, HTTPError) as error:
        raise NetworkError(f"{redact_url(url)}: the file breaks off; check the connection, and try again") from error


def _begin(session: requests.Session, url: str, *, policy: RetryPolicy, unprotected: bool) -> requests.Response:
    """Return the response at the end of the redirects, followed by hand so that each address is checked."""
    here = url
    for _ in range(http.MOST_REDIRECTS + 1):
        _check_address(here, asked=url, unprotected=unprotected)
        response = _get(session, here, policy)
        if response.status_code not in http.MOVED or "Location" not in response.headers:
            if response.status_code == HTTPStatus.OK:
                return response
            response.close()
            why = http.describe_status(response.status_code)
            if response.status_code in http.BUSY:
                raise TransientError(why, after_s=http.retry_after_s(response.headers))
            raise NetworkError(f"{redact_url(here)}: {why}; check the address")
        response.close()
        here = urljoin(here, response.headers["Location"])
    raise NetworkError(f"{redact_url(url)}: sends on from address to address without end; check the address")


def _get(session: requests.Session, url: str, policy: RetryPolicy) -> requests.Response:
    def ask() -> requests.Response:
        return session.get(
            url,
            stream=True,
            allow_redirects=False,
            timeout=(policy.connect_s, min(SILENT_S, policy.attempt_s)),
            # Compressed responses can be far larger than they look.
            headers={"Accept-Encoding": "identity", "User-Agent": http.user_agent()},
        )

    try:
        return http.in_time(ask, policy.attempt_s)
    except TimeoutError:
        raise TransientError("does not answer in time") from None
    except (requests.RequestException, HTTPError) as error:
        raise TransientError(http.describe_failure(error)) from error
    except http.PrivateAddressError as error:
        raise FinalError(str(error)) from None
    except ValueError:
        raise FinalError("it, or where it sends on to, is no web address") from None


def _check_address(url: str, *, asked: str, unprotected: bool) -> None:
    sent = "" if url == asked else f"{redact_url(asked)}: sends on to "
    if not is_address(url):
        raise NetworkError(f"{sent}{redact_url(url)}, which is no web address; give one that starts with https://")
    if urlsplit(url).scheme != "https" and not unprotected:
        raise NetworkError(
            f"{sent}{redact_url(url)}, where anybody on the way may alter the file; use https, or give its --sha256"
        )


def _receive(
    response: requests.Response, to: Path, *, most_bytes: int, until: float, progress: Progress | None
) -> None:
    stated = response.headers.get("Content-Length", "")
    length = int(stated) if stated.isdecimal() and len(stated) < 19 else None
    _check_size(response, length or 0, most_bytes)
    began, got = time.monotonic(), 0
    with to.open("wb") as file:
        while piece := response.raw.read1(_PIECE_BYTES, decode_content=False):
            file.write(piece)
            got += len(piece)
            _check_size(response, got, most_bytes)
            if time.monotonic() > until:
                raise NetworkError(f"{redact_url(response.url)}: too slow: {got:,} bytes in {time.monotonic() - began:.0f} s; "
                                   "download it another way and give the file")  # fmt: skip
            if progress and length:
                progress("download, MiB", got // _MIB, -(-length // _MIB))
    if length is not None and got != length:
        raise NetworkError(f"{redact_url(response.url)}: the file breaks off at {got:,} of {length:,} bytes; try again")


def _check_size(response: requests.Response, size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise NetworkError(
            f"{redact_url(response.url)}: more than {most_bytes / 1e6:.0f} MB, which is the most that is taken; "
            "check the address"
        )
