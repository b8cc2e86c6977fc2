"""Protection from untrusted clients: hosts, origins, limits, tokens, headers, and errors without paths."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import ipaddress
import json
import logging
import os
import re
import secrets
import tempfile
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from howgreen.core.text import one_line
from howgreen.report.private import without_paths
from howgreen.web.serve.settings import Settings, is_loopback
from howgreen.web.serve.tokens import Tokens

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON, BYTES = "application/json", "application/octet-stream"
PROBLEM = "application/problem+json"
MOST_JSON_BYTES = 2_000_000
"""Limit on a JSON body: limits of 20,000 vertices take a third of it."""
MOST_DEPTH = 32
"""Nesting limit of brackets: a collection of multipolygons needs eight."""
BODY_SECONDS = 60.0
"""Time limit for a whole body to arrive."""
MOST_HELD_BYTES = 150_000_000
"""Limit on all bodies arriving or being processed at one moment: each is limited, and so is their sum."""
MOST_URL_BYTES = 8_000
LONGEST_TEXT = 600
"""Longest error text."""

_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self' blob:; child-src 'self' blob:; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads allow-popups; default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Content security policy of a report's page: its own script runs in an origin of its own, without network access."""
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(?:(?P<name>[A-Za-z0-9._-]+)|\[(?P<six>[0-9A-Fa-f:.]+)\])(?::\d{1,5})?", re.ASCII)
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_LOG = logging.getLogger(__name__)


class RefusedError(Exception):
    """A refused request, with the reason."""

    def __init__(
        self, status: int, detail: str, *, kind: str = "about:blank", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.kind, self.headers = status, detail, kind, dict(headers or {})


_TITLES = {
    400: "Bad request", 401: "Not allowed without a token", 403: "Not allowed", 404: "Not found", 405: "Method not allowed",
    406: "Not acceptable", 408: "Too slow", 411: "Length required", 413: "Too large", 414: "Address too long",
    415: "Unsupported media type", 421: "Another host", 422: "Not understood", 429: "Too many", 500: "A defect of the server",
    502: "A service did not answer", 503: "Busy", 507: "Disk full",
}  # fmt: skip


def problem(status: int, detail: str, *, kind: str = "about:blank") -> bytes:
    """Format an error per RFC 9457; ``detail`` is one line for people, without paths of this computer."""
    value = {"type": kind, "title": _TITLES.get(status, "Error"), "status": status, "detail": public_text(detail)}
    return json.dumps(value, ensure_ascii=False).encode()


def public_text(text: str) -> str:
    """Make a text safe to publish: one line, of limited length, without paths of this computer."""
    cleaned = without_paths(one_line(str(text)), _roots())
    return str(cleaned)[:LONGEST_TEXT]


def _roots() -> list[str]:
    roots = {str(Path.home()), str(Path.cwd()), tempfile.gettempdir()}
    return sorted((root for root in roots if len(root) > 1), key=len, reverse=True)


def depth_of(raw: bytes) -> int:
    """Return the nesting depth of a JSON text without parsing it."""
    brackets = _STRING.sub(b"", raw).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def given_token(authorization: str) -> str:
    """Return the token in a header: ``Bearer TOKEN``, or the password of ``Basic``, which browsers send."""
    scheme, _, given = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() == "basic":
        with suppress(binascii.Error, UnicodeDecodeError, ValueError):
            return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
    return ""


def client_key(folder: Path) -> bytes:
    """Return the secret for hashing clients' addresses, created at first use and stored beside the database."""
    path = folder / "client.key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        made = secrets.token_bytes(32)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another server was first
            return path.read_bytes()
        with os.fdopen(descriptor, "wb") as file:
            file.write(made)
        return made


class Guard:
    """Wraps the application: checks every request before it is read, and every response before it is sent."""

    def __init__(
        self, app: App, *, settings: Settings, page: Callable[[str], bool], takes: Callable[[str], bool]
    ) -> None:
        self._app, self._settings, self._page, self._takes = app, settings, page, takes
        self._tokens = Tokens(settings.tokens) if settings.tokens else None
        self._key = client_key(settings.data)
        self._held = 0
        self._named = frozenset(name.lower().rstrip(".") for name in (*settings.hosts, settings.host))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        head = scope["method"] == "HEAD" and not scope["path"].endswith("/events")
        if head:
            scope["method"] = "GET"
        outgoing = _Outgoing(send, head=head, policy=_PAGE if self._page(scope["path"]) else _NOTHING)
        try:
            headers = _headers(scope)
            self._check(scope, headers)
            if self._settings.proxies and headers.get("x-forwarded-proto") in {"http", "https"}:
                scope["scheme"] = headers["x-forwarded-proto"]
            scope["state"] = {**scope.get("state", {}), "client": self._client(scope, headers)}
            body = await self._body(scope, headers, receive)
            await self._app(scope, _replay(body, receive), outgoing)
        except RefusedError as error:
            await outgoing.refuse(error)
        except Exception:  # noqa: BLE001 (whatever it was: the log has it, and no stranger)
            number = secrets.token_hex(6)
            _LOG.exception("request %s: %s %s", number, scope["method"], scope["path"])
            text = f"something went wrong here that should not; the log has it under {number}"
            await outgoing.refuse(RefusedError(500, text))
        finally:
            self._held -= scope.pop("howgreen.held", 0)

    def _check(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Refuse requests for other hosts, from other origins' pages, or without a required token."""
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > MOST_URL_BYTES:
            raise RefusedError(414, f"an address of more than {MOST_URL_BYTES:,} bytes; shorten it")
        host = headers.get("host", "")
        if not self.knows(host):
            raise RefusedError(421, "this server does not answer under that name; start it with --allowed-host NAME")
        if scope["method"] not in _SAFE:
            _check_origin(headers, host)
            if scope["method"] == "POST" and self._takes(scope["path"]):
                _check_kind(headers, scope["path"])
        if self._tokens is not None and scope["path"] != "/health":
            found = self._tokens.client(given_token(headers.get("authorization", "")))
            if found is None:
                ask = {"www-authenticate": 'Basic realm="howgreen", charset="UTF-8"'}
                raise RefusedError(
                    401, "this server needs a token: send it as `Authorization: Bearer TOKEN`", headers=ask
                )
            scope["howgreen.token"] = found

    def knows(self, host: str) -> bool:
        """Tell whether a Host header names this server: a page rebound to our address by DNS sends its own name.

        On the loopback these are its own names; else any IP address passes, because only names can be rebound.
        """
        found = _HOST.fullmatch(host)
        if found is None:  # with a user or a path in it, links built from it would lead elsewhere
            return False
        name = (found["name"] or found["six"]).lower().rstrip(".")
        if name == "localhost" or name in self._named:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not is_loopback(self._settings.host)

    def _client(self, scope: Scope, headers: Mapping[str, str]) -> str:
        """Identify the client by the hash of its token, else of its address; X-Forwarded-For counts only from our proxies."""
        if name := scope.get("howgreen.token"):
            who = name
        else:
            who = (scope.get("client") or ("unknown",))[0]
            hops = [one.strip() for one in headers.get("x-forwarded-for", "").split(",") if one.strip()]
            if self._settings.proxies and hops:
                who = hops[-min(self._settings.proxies, len(hops))][:100]
        return hashlib.blake2b(str(who).encode(), key=self._key, digest_size=16).hexdigest()

    def _hold(self, scope: Scope, size: int) -> None:
        """Count bytes held for a request until its response."""
        self._held += size
        scope["howgreen.held"] = scope.get("howgreen.held", 0) + size
        if self._held > MOST_HELD_BYTES:
            raise RefusedError(
                503, "too much is being sent at once; try again", headers={**_CLOSE, "retry-after": "10"}
            )

    async def _body(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Read a body within the limits on bytes, time and depth; no body is read if none belongs there."""
        upload = scope["path"] == "/places/upload"
        most = self._settings.most_upload_bytes if upload else MOST_JSON_BYTES
        if (
            "transfer-encoding" in headers and "content-length" in headers
        ):  # two lengths: chained servers would disagree
            raise RefusedError(400, "send either Content-Length or Transfer-Encoding", headers=_CLOSE)
        given = headers.get("content-length", "0")
        if not given.isdecimal() or len(given) > 12:
            raise RefusedError(400, "the Content-Length is no number")
        if int(given) > most:
            raise RefusedError(413, f"a body of {int(given):,} bytes; at most {most:,} are taken", headers=_CLOSE)
        if scope["method"] in _SAFE and not int(given) and "transfer-encoding" not in headers:
            return b""
        parts, size = [], 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RefusedError(400, "the connection was closed before the body was whole")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    self._hold(scope, len(parts[-1]))
                    if size > most:
                        raise RefusedError(
                            413, f"a body of more than {most:,} bytes, which is the most", headers=_CLOSE
                        )
                    if not message.get("more_body"):
                        break
        except TimeoutError as error:
            raise RefusedError(408, f"the body did not arrive in {BODY_SECONDS:.0f} seconds", headers=_CLOSE) from error
        raw = b"".join(parts)
        if not upload and depth_of(raw) > MOST_DEPTH:
            raise RefusedError(400, f"JSON with brackets more than {MOST_DEPTH} deep; at most that many are read")
        return raw


_CLOSE = {"connection": "close"}


def _headers(scope: Scope) -> dict[str, str]:
    return {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}


def _check_origin(headers: Mapping[str, str], host: str) -> None:
    """Refuse requests from a page of another origin; programs send neither of these headers."""
    site, origin = headers.get("sec-fetch-site", ""), headers.get("origin", "")
    if site not in {"", "same-origin", "none"}:
        raise RefusedError(403, "this was sent by a page of another site, which may not")
    if origin:
        try:
            theirs = urlsplit(origin).netloc.lower()
        except ValueError:
            theirs = ""
        if theirs != host.lower():
            raise RefusedError(403, "this was sent by a page of another site, which may not")


def _check_kind(headers: Mapping[str, str], path: str) -> None:
    """Refuse bodies that another site's form could send unasked; forms send nothing but POST."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    needed = BYTES if path == "/places/upload" else JSON
    if kind != needed and not (needed == JSON and kind == "application/geo+json"):
        raise RefusedError(415, f"send the body with `Content-Type: {needed}`")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Replay a body already read to the application; afterwards only the disconnection is reported."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


class _Outgoing:
    """Adds security headers to a response that does not set them itself."""

    def __init__(self, send: Send, *, policy: str, head: bool) -> None:
        self._send, self._policy, self._head, self.started = send, policy, head, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = list(message.get("headers", ()))
            there = {key.lower() for key, _ in headers}
            wanted = {**_HEADERS, "content-security-policy": self._policy, "cache-control": "no-store"}
            headers += [(key.encode(), value.encode()) for key, value in wanted.items() if key.encode() not in there]
            message = {**message, "headers": headers}
        elif self._head:  # the same response without its body
            message = {**message, "body": b""}
        await self._send(message)

    async def refuse(self, error: RefusedError) -> None:
        if self.started:  # too late for another response: break the connection, which no client takes for a regular end
            raise ConnectionAbortedError(error.detail)
        body = problem(error.status, error.detail, kind=error.kind)
        headers = {"content-type": PROBLEM, "content-length": str(len(body)), **error.headers}
        raw = [(key.encode(), value.encode()) for key, value in headers.items()]
        await self({"type": "http.response.start", "status": error.status, "headers": raw})
        await self({"type": "http.response.body", "body": body})
