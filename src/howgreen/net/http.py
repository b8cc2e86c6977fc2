"""The one HTTP layer: shared sessions, one user agent, bounded waits and responses, errors without tokens."""

from __future__ import annotations

import email.utils
import importlib.metadata
import ipaddress
import json
import logging
import os
import random
import re
import socket
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from howgreen.core.errors import NetworkError

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
_LOG = logging.getLogger(__name__)

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes that may succeed on retry."""
MOVED = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 5
MOST_BYTES = 100 << 20
"""Limit on one response in memory, both as sent and decompressed."""
LONGEST_REFUSAL_S = 86_400.0
"""Longest pause that any host can impose."""
_OWN_NAMES = (".localhost", ".local", ".internal", ".localdomain", ".lan", ".home.arpa")
"""Ends of names that no public name server knows."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_PIECE = 1 << 16
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How long, and how often, to retry a server that does not respond."""

    tries: int = 4
    first_wait_s: float = 0.5
    """Wait before the second try; doubled each time, unless the server sets it."""
    longest_wait_s: float = 30.0
    """Total wait that servers may request (``Retry-After``) per response; one that requests more is not retried."""
    connect_s: float = 8.0
    """Time to open a connection to one address of a host."""
    attempt_s: float = 30.0
    """Time for one response, from the first byte sent to the last received."""
    total_s: float = 60.0
    """All tries and waits for one response; in a place look-up, the total for services that do not respond."""
    pause_s: float = 0.0
    """Least interval between two requests to one host, across processes: for public shared services."""

    def wait_s(self, number: int, after_s: float | None = None) -> float:
        """Return seconds to wait after a try (numbered from 0): as the server says, else doubled and jittered."""
        if after_s is not None:
            return after_s
        return self.first_wait_s * float(2**number) * random.uniform(0.8, 1.2)  # noqa: S311 (no secret)


@dataclass(frozen=True, kw_only=True)
class Response:
    """A complete response."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes
    url: str
    """URL after redirects."""


class TransientError(Exception):
    """A failure that may pass on retry; the message is used if it does not."""

    def __init__(self, why: str, *, after_s: float | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s


class PrivateAddressError(Exception):
    """A public server redirects to an address of this computer or its own network."""


class FinalError(Exception):
    """A permanent failure; the message says why."""


def redact_url(url: str) -> str:
    """Return a URL safe to show: without user, password, query (which may hold tokens) and fragment."""
    try:
        parts = urlsplit(url.removeprefix("/vsicurl/"))
    except ValueError:
        return "the address"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@cache
def _program() -> tuple[str, str]:
    """Return name and version, and the project's URL from the package metadata."""
    try:
        package = importlib.metadata.metadata("howgreen")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree without installation
        return "howgreen/0", ""
    urls = [entry.partition(",")[2].strip() for entry in package.get_all("Project-URL") or []]
    return f"howgreen/{package['Version']}", next((f"+{url}; " for url in urls if url), "")


def user_agent(contact: str = "") -> str:
    """Return the user agent of all requests: the program, its URL, and a contact for operators."""
    name, address = _program()
    contact = contact or os.environ.get("HOWGREEN_CONTACT", "")
    given = "".join(char for char in contact if char.isascii() and char.isprintable())
    return f"{name} ({address}green areas of cities; contact: {given or 'none given'})"


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """Return a server's own time, as its clock may differ from ours; None if it does not say."""
    try:
        return email.utils.parsedate_to_datetime(headers["Date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError, OverflowError, IndexError):
        return None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read a ``Retry-After`` header: seconds to wait, from a number or a date by the server's clock; None if invalid."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return min(float(text[:12]), LONGEST_REFUSAL_S)
    try:
        now = server_time(headers) or datetime.now(UTC)
        wait_s = (email.utils.parsedate_to_datetime(text).astimezone(UTC) - now).total_seconds()
        return min(max(wait_s, 0.0), LONGEST_REFUSAL_S)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def is_private(url: str) -> bool:
    """Tell whether an address is of this computer or its own network, as far as the address itself says."""
    try:
        host = unicodedata.normalize("NFKC", urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return False
    if host and not set(host) & set(".:") and not host.isdecimal() and not host.startswith("0x"):
        return True  # a name without a dot is looked up in the local network
    if host.endswith(_OWN_NAMES):
        return True
    try:
        # Resolvers also take 127.1, 0x7f000001 and 2130706433 for an address.
        address = ipaddress.ip_address(host if ":" in host else socket.inet_ntoa(socket.inet_aton(host)))
    except (ValueError, OSError):
        return False
    if isinstance(address, ipaddress.IPv6Address):  # addresses that embed an IPv4 address
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address.sixtofour
        address = inner or address
    return not address.is_global or address.is_multicast


# ---- sessions

_idle: dict[tuple[str, ...], list[requests.Session]] = {}


@contextmanager
def session(url: str) -> Iterator[requests.Session]:
    """Lend a session with its own connection to a server, kept open for reuse; one thread at a time.

    Proxies and certificates are those of the system, looked up once per session: doing it per request takes longer than
    the request.
    """
    import requests

    parts = urlsplit(url)
    key = parts.scheme, parts.netloc, *(os.environ.get(n) or os.environ.get(n.upper(), "") for n in _PROXIES)
    waiting = _idle.setdefault(key, [])
    try:
        lent = waiting.pop()
    except IndexError:
        lent = requests.Session()
        lent.max_redirects = MOST_REDIRECTS
        found = lent.merge_environment_settings(url, {}, stream=True, verify=None, cert=None)
        lent.proxies, lent.verify, lent.trust_env = found["proxies"], found["verify"], False
        if not is_private(url):
            lent.hooks["response"].append(_check_redirect)
    try:
        yield lent
    except BaseException:  # a failed session is not reused
        lent.close()
        raise
    waiting.append(lent)


def close_sessions() -> None:
    """Close idle connections."""
    for waiting in _idle.values():
        while waiting:
            waiting.pop().close()


def _check_redirect(reply: requests.Response, **_: object) -> None:
    """Refuse redirects from a public server to this computer or its own network."""
    there = urljoin(reply.url, reply.headers.get("Location", ""))
    if reply.status_code in MOVED and is_private(there):
        reply.close()
        raise PrivateAddressError(f"sends on to {redact_url(there)}, an address of this network")


# ---- one answer


class _Box:
    """Holds the result of a thread."""

    value: Any = None
    error: BaseException | None = None
    done = False


def in_time(work: Callable[[], T], seconds: float) -> T:
    """Return the result of work, or raise TimeoutError after the given seconds.

    Uses a thread, because no socket timeout bounds the resolver, a host with many dead addresses, or a server that
    sends one byte a second.
    """
    box = _Box()

    def run() -> None:
        try:
            box.value = work()
        except BaseException as error:  # noqa: BLE001 (handed on to the caller below)
            box.error = error
        box.done = True

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not box.done:
        raise TimeoutError
    if box.error is not None:
        raise box.error
    result: T = box.value
    return result


@dataclass(frozen=True, kw_only=True)
class Request:
    """An HTTP request."""

    url: str
    method: str = "GET"
    params: Mapping[str, str] | None = None
    form: Mapping[str, str] | None = None
    json: Any = None
    headers: Mapping[str, str] | None = None
    """Sent to the first server only, not after a redirect."""
    contact: str = ""
    most_bytes: int = MOST_BYTES


def send(request: Request, *, seconds: float, connect_s: float = 8.0) -> Response:
    """Send a request once and return the complete response, whatever its status.

    A redirect is followed with the same method and body: browsers turn a redirected POST into a GET, and a search would
    lose its query.

    Raises
    ------
    TransientError
        When no complete response came in time, or the connection failed.
    FinalError
        When the response is too large, or the redirects lead to no web address.
    """
    import requests
    from urllib3.exceptions import HTTPError

    try:
        return in_time(lambda: _follow(request, end=time.monotonic() + seconds, connect_s=connect_s), seconds)
    except TimeoutError:
        raise TransientError("does not answer in time") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        raise FinalError("it, or where it sends on to, is no web address") from None
    except PrivateAddressError as error:
        raise FinalError(str(error)) from None
    except (requests.RequestException, HTTPError, OSError) as error:
        raise TransientError(describe_failure(error)) from error


def _follow(request: Request, *, end: float, connect_s: float) -> Response:
    here, method, headers = request.url, request.method, dict(request.headers or {})
    first = urlsplit(here).scheme, urlsplit(here).netloc
    for number in range(MOST_REDIRECTS + 1):
        left = max(end - time.monotonic(), 0.05)
        bodies: dict[str, Any] = {} if method == "GET" else {"data": request.form, "json": request.json}
        with (
            session(here) as lent,
            lent.request(
                method, here, params=request.params if number == 0 else None, stream=True, allow_redirects=False,
                headers={"User-Agent": user_agent(request.contact), **headers},
                timeout=(min(connect_s, left), left), **bodies,
            ) as reply,
        ):  # fmt: skip
            body = _received(reply, most_bytes=request.most_bytes, end=end)
            _LOG.debug("%s %s: %d, %d bytes", method, redact_url(here), reply.status_code, len(body))
            if reply.status_code not in MOVED or "Location" not in reply.headers:
                return Response(status=reply.status_code, headers=reply.headers, body=body, url=here)
            here = urljoin(here, reply.headers["Location"])
            method = "GET" if reply.status_code == 303 else method
        if (urlsplit(here).scheme, urlsplit(here).netloc) != first:
            headers = {}  # a key is only for its own server, and never sent in the clear
    raise FinalError("sends on from address to address without end")


def _received(reply: requests.Response, *, most_bytes: int, end: float) -> bytes:
    """Return the body, decompressed chunk by chunk so that a small response cannot expand beyond the limit."""
    parts: list[bytes] = []
    size = 0
    for part in reply.iter_content(_PIECE):
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise FinalError(f"answers with more than {most_bytes / 2**20:.0f} MiB")
        if time.monotonic() > end:
            raise TimeoutError
    return b"".join(parts)


def describe_failure(error: Exception) -> str:
    """Say why a request failed, without its URL, which may hold a token."""
    import requests

    text = str(error)
    low = text.lower()
    if isinstance(error, requests.exceptions.ProxyError) or "proxyerror" in low:
        named = next(
            (n for n in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") if os.environ.get(n) or os.environ.get(n.lower())),
            "",
        )
        return f"cannot be reached through the proxy{f' ({named})' if named else ''}"
    if isinstance(error, requests.exceptions.SSLError) or "certificate" in low:
        return "shows a certificate that is not trusted here (behind a proxy with its own, set REQUESTS_CA_BUNDLE)"
    if isinstance(error, requests.Timeout) or "timed out" in low:
        return "does not answer in time"
    if "name or service" in low or "resolve" in low or "nodename" in low:
        return "is not known to the network (check the connection)"
    if "refused" in low:
        return "refuses the connection"
    return "cannot be reached, or breaks the connection off"


def describe_status(status: int, body: bytes = b"") -> str:
    """Describe a failure by its status, and in the server's own words if any."""
    kinds = {401: "wants an account", 403: "refuses", 404: "has no such page", 407: "the proxy wants an account",
             429: "is asked too often"}  # fmt: skip
    kind = kinds.get(status, "is out of order" if status >= 500 else "refuses the request")
    words = server_words(body)
    return f"{kind} (HTTP {status}{f': {words}' if words else ''})"


_TITLE = re.compile(rb"<title[^>]*>\s*(.*?)\s*</title>", re.IGNORECASE | re.DOTALL)
_XML_WORDS = re.compile(rb"<(?:\w+:)?(?:ExceptionText|Message|remark)>\s*(.*?)\s*</", re.DOTALL)
_ERROR_WORDS = re.compile(rb"</strong>\s*:\s*(.*?)\s*</p>", re.IGNORECASE | re.DOTALL)
_KEYS = ("description", "detail", "message", "error_description", "error", "title", "errors", "code")


def server_words(body: bytes | Mapping[str, Any]) -> str:
    """Find the server's account of a failure: the message of its JSON, the text of its XML, the title of its page."""
    if isinstance(body, Mapping):
        return _clean(_message(dict(body)))
    head = body[:65536].lstrip()
    if head[:1] == b"<":
        found = _XML_WORDS.search(head) or _ERROR_WORDS.search(head) or _TITLE.search(head)
        return _clean(re.sub(rb"<[^>]*>", b" ", found[1]).decode(errors="replace")) if found else ""
    try:
        return _clean(_message(json.loads(head)))
    except (ValueError, RecursionError):
        return ""


def _message(value: Any, depth: int = 0) -> str:
    if isinstance(value, list):
        return _message(value[0], depth + 1) if value and depth < 4 else ""
    if not isinstance(value, dict):
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    found = (_message(value[key], depth + 1) for key in _KEYS if value.get(key) and depth < 4)
    return next((text for text in found if text), "")


def _clean(text: str) -> str:
    """Return one short line without control characters or ';', which separates clauses in our own errors."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).replace(";", ",").split()).rstrip(".")
    return line if len(line) <= 160 else f"{line[:159]}…"


def web_page(body: bytes) -> str:
    """Say that a response is a web page instead of data, with its title; empty if it is not."""
    head = body[:2000].lstrip().lower()
    if not head.startswith(b"<") or not any(
        sign in head for sign in (b"<!doctype html", b"<html", b"<head", b"<title")
    ):
        return ""
    title = _TITLE.search(body[:65536])
    words = _clean(title[1].decode(errors="replace")) if title else ""
    return f"a web page instead of data{f' ({words!r}, a page to sign in or a notice?)' if words else ''}"


def parse_json(body: bytes) -> Any:
    """Parse untrusted JSON.

    Raises
    ------
    ValueError
        With a readable reason: a web page instead of data, or broken JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        words = server_words(body) if body.lstrip()[:1] == b"<" else ""
        raise ValueError(
            web_page(body) or (f"an error instead of data ({words})" if words else "broken JSON")
        ) from None


# ---- tries

_refused: dict[str, tuple[float, str]] = {}
"""By host: end (monotonic) of its requested pause, and its explanation."""


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:  # the request itself will report it
        return url


def refused_s(url: str) -> tuple[float, str]:
    """Return the seconds left of a host's requested pause, and its explanation."""
    until, why = _refused.get(_host(url), (0.0, ""))
    return max(until - time.monotonic(), 0.0), why


def remember_refusal(url: str, seconds: float, why: str) -> None:
    """Record a host's requested pause: further requests to it wait or fail."""
    _refused[_host(url)] = time.monotonic() + seconds, why


def retried(job: Callable[[float], T], *, url: str, policy: RetryPolicy) -> T:
    """Return the result of a job, retried as long as that may help.

    Parameters
    ----------
    job
        Takes the seconds left; raises :class:`TransientError` for transient failures.
    url
        URL of the server: a host that requested a longer pause than the policy allows is not contacted.

    Raises
    ------
    FinalError
        When it did not succeed in time; the message is the last reason.
    """
    end = time.monotonic() + policy.total_s
    why, patience = "", policy.longest_wait_s
    for number in range(policy.tries):
        pause, said = refused_s(url)
        if pause > patience or pause > max(end - time.monotonic(), 0.0):
            raise FinalError(f"{said or why}, and is not asked again for {pause:.0f} s")
        time.sleep(pause)
        patience -= pause
        try:
            return job(max(end - time.monotonic(), 0.05))
        except TransientError as trouble:
            why, wait_s, trouble_s = str(trouble), policy.wait_s(number, trouble.after_s), trouble.after_s or 0.0
            if trouble_s:
                remember_refusal(url, trouble_s, why)
        if number + 1 == policy.tries or wait_s > patience or time.monotonic() + wait_s > end:
            break
        time.sleep(wait_s)
        patience -= trouble_s
    raise FinalError(why)


def fetch(request: Request, *, policy: RetryPolicy, cure: str) -> Response:
    """Return a server's successful response (HTTP 200), retried within the policy's bounds.

    Raises
    ------
    NetworkError
        One line: the server, what it did and said, and ``cure``.
    """

    def once(left: float) -> Response:
        reply = send(request, seconds=min(policy.attempt_s, left), connect_s=policy.connect_s)
        if 200 <= reply.status < 300:
            return reply
        why = describe_status(reply.status, reply.body)
        if reply.status in BUSY:
            raise TransientError(why, after_s=retry_after_s(reply.headers))
        raise FinalError(why)

    try:
        return retried(once, url=request.url, policy=policy)
    except FinalError as error:
        raise NetworkError(f"{redact_url(request.url)}: {error}; {cure}") from error


def fetch_json(request: Request, *, policy: RetryPolicy, cure: str) -> dict[str, Any]:
    """Return the JSON object of a response; NetworkError as in :func:`fetch`, or if it is not one."""
    return json_object(fetch(request, policy=policy, cure=cure), url=request.url, cure=cure)


def json_object(reply: Response, *, url: str, cure: str) -> dict[str, Any]:
    """Return the JSON object in a response; NetworkError if it is not one."""
    try:
        value = parse_json(reply.body)
    except ValueError as error:
        raise NetworkError(f"{redact_url(url)}: answers with {error}; {cure}") from error
    if not isinstance(value, dict):
        raise NetworkError(f"{redact_url(url)}: does not answer with a JSON object; {cure}")
    return value
