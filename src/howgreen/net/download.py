"""One file from the web, bounded in bytes, time and redirects; only http and https are ever followed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from howgreen.core.errors import NetworkError
from howgreen.net.deadline import in_time, reason
from howgreen.net.endpoints import is_address

if TYPE_CHECKING:
    from howgreen.core.types import Progress

_MIB = 2**20
_PIECE_BYTES = 2**18
_BUSY = (429, 500, 502, 503, 504)
_MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a download ends, whatever the server does."""

    most_bytes: int
    all_s: float = 1800.0
    """For the whole file: 500 MB at 2.2 Mbit/s."""
    answer_s: float = 60.0
    """For an answer to begin, tries again included."""
    connect_s: float = 8.0
    silent_s: float = 30.0
    """Between two pieces."""
    tries_again: int = 2
    redirects: int = 5


def shown(url: str) -> str:
    """A URL as it may be shown: without user, password, query (where tokens are) and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the address"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def download(
    url: str, *, to: Path, limits: Limits, unprotected: bool = False, progress: Progress | None = None
) -> None:
    """Write what a URL gives to the file ``to``, which holds anything or nothing after an error.

    Parameters
    ----------
    unprotected
        Follow plain ``http``, which anybody on the way may alter: for callers who know the file's checksum.

    Raises
    ------
    NetworkError
        Not a web address, no answer, another status than 200, too many bytes, a file that breaks off, too slow.
    """
    began = time.monotonic()
    try:
        with requests.Session() as session:
            again = Retry(
                limits.tries_again, redirect=False, status_forcelist=_BUSY, backoff_factor=0.3, raise_on_status=False,
                respect_retry_after_header=False,
            )  # fmt: skip
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=again))
            with _answer(session, url, limits=limits, unprotected=unprotected) as response:
                _receive(response, to, limits=limits, until=began + limits.all_s, progress=progress)
    except TimeoutError as error:
        raise NetworkError(f"{shown(url)}: does not answer in time; try again later") from error
    except (requests.RequestException, HTTPError, ValueError) as error:
        why = reason(error) if isinstance(error, requests.RequestException) else _other_reason(error)
        raise NetworkError(f"{shown(url)}: {why}; check the address and the connection, and try again") from error


def _answer(session: requests.Session, url: str, *, limits: Limits, unprotected: bool) -> requests.Response:
    """The answer at the end of the redirects, which are followed by hand so that each address is looked at."""
    here = url
    for _ in range(limits.redirects + 1):
        _check_address(here, asked=url, unprotected=unprotected)
        response = in_time(lambda at=here: _get(session, at, limits), limits.answer_s)  # type: ignore[misc]
        if response.status_code not in _MOVED or "Location" not in response.headers:
            if response.status_code == HTTPStatus.OK:
                return response
            response.close()
            raise NetworkError(f"{shown(here)}: answers with HTTP {response.status_code}; check the address")
        response.close()
        here = urljoin(here, response.headers["Location"])
    raise NetworkError(f"{shown(url)}: sends on from address to address without end; check the address")


def _other_reason(error: HTTPError | ValueError) -> str:
    return "the file breaks off" if isinstance(error, HTTPError) else "it, or where it sends on to, is no web address"


def _get(session: requests.Session, url: str, limits: Limits) -> requests.Response:
    return session.get(
        url,
        stream=True,
        allow_redirects=False,
        timeout=(limits.connect_s, limits.silent_s),
        # Packed answers can be far larger than they look.
        headers={"Accept-Encoding": "identity", "User-Agent": "howgreen"},
    )


def _check_address(url: str, *, asked: str, unprotected: bool) -> None:
    sent = "" if url == asked else f"{shown(asked)}: sends on to "
    if not is_address(url):
        raise NetworkError(f"{sent}{shown(url)}, which is no web address; give one that starts with https://")
    if urlsplit(url).scheme != "https" and not unprotected:
        raise NetworkError(
            f"{sent}{shown(url)}, where anybody on the way may alter the file; use https, or give its --sha256"
        )


def _receive(response: requests.Response, to: Path, *, limits: Limits, until: float, progress: Progress | None) -> None:
    said = response.headers.get("Content-Length", "")
    length = int(said) if said.isdecimal() else None
    _check_size(response, length or 0, limits)
    got = 0
    with to.open("wb") as file:
        while piece := response.raw.read1(_PIECE_BYTES, decode_content=False):
            file.write(piece)
            got += len(piece)
            _check_size(response, got, limits)
            if time.monotonic() > until:
                raise NetworkError(f"{shown(response.url)}: too slow: {got:,} bytes in {limits.all_s:.0f} s; download "
                                   "it another way and give the file")  # fmt: skip
            if progress and length:
                progress("download, MiB", got // _MIB, -(-length // _MIB))
    if length is not None and got != length:
        raise NetworkError(f"{shown(response.url)}: the file breaks off at {got:,} of {length:,} bytes; try again")


def _check_size(response: requests.Response, size: int, limits: Limits) -> None:
    if size > limits.most_bytes:
        raise NetworkError(
            f"{shown(response.url)}: more than {limits.most_bytes / 1e6:.0f} MB, which is the most that is taken; "
            "check the address"
        )
