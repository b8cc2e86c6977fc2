"""Short-lived access tokens, added when a file is opened and never stored in a plan: they last less than an hour."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from types import MappingProxyType
from typing import Protocol
from urllib.parse import urlsplit

from howgreen.core.errors import NetworkError
from howgreen.net import http
from howgreen.net.endpoints import SAS_TOKENS
from howgreen.net.http import Request, RetryPolicy

KEY = "PC_SDK_SUBSCRIPTION_KEY"
"""Environment variable with a subscription key, under the name that Planetary Computer's own client uses."""
POLICY = RetryPolicy(first_wait_s=0.3)
MOST_BYTES = 1 << 20
SPARE = 0.25, 300.0
"""A token is replaced when this share of its lifetime is left, or this many seconds if that is less."""
SHORTEST_S = 60.0
"""A new token is used at least this long, whatever its expiry, until it is refused: one of the two clocks is wrong."""
FAILED_S = 60.0
"""Seconds without a retry after a service issued no token: otherwise each file of each scene would wait again."""


class Signer(Protocol):
    """Makes an href readable."""

    def signed(self, href: str) -> str:
        """Return the href with a valid token, or unchanged if it needs none; NetworkError if none is available."""

    def forget(self, signed: str) -> None:
        """Record that the server refused this href: fetch a new token next time, unless one has arrived already."""


@dataclass(frozen=True)
class PlanetaryComputer:
    """One token per storage container, from the Planetary Computer's token service; most need no account."""

    url: str = SAS_TOKENS
    domain: str = ".blob.core.windows.net"
    _tokens: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict, repr=False, compare=False)
    """By container: token, and the end of its use (monotonic)."""
    _failed: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def signed(self, href: str) -> str:
        """See :class:`Signer`."""
        key = self._container(href)
        if key is None:
            return href
        with self._lock:  # many blocks ask at once; one of them fetches
            token, end = self._tokens.get(key, ("", 0.0))
            if not token or time.monotonic() > end:
                token, end = self._tokens[key] = self._fetched_once(key)
        return f"{href}?{token}"

    def forget(self, signed: str) -> None:
        """See :class:`Signer`."""
        href, _, refused = signed.partition("?")
        if key := self._container(href):
            with self._lock:  # many reads are refused at once, and the first has fetched a new one
                if self._tokens.get(key, ("",))[0] == refused:
                    del self._tokens[key]

    def _fetched_once(self, key: tuple[str, str]) -> tuple[str, float]:
        """Fetch a token, or repeat a recent failure."""
        until, why = self._failed.get(key, (0.0, ""))
        if time.monotonic() < until:
            raise NetworkError(why)
        try:
            return self._fetched(*key)
        except NetworkError as error:
            self._failed[key] = time.monotonic() + FAILED_S, str(error)
            raise

    def _container(self, href: str) -> tuple[str, str] | None:
        parts = urlsplit(href)
        if not (parts.hostname or "").endswith(self.domain) or parts.query:
            return None
        return (parts.hostname or "").removesuffix(self.domain), parts.path.lstrip("/").partition("/")[0]

    def _fetched(self, account: str, container: str) -> tuple[str, float]:
        url = f"{self.url}/{account}/{container}"
        key = os.environ.get(KEY, "").strip()
        cure = f"try again later, use another --catalog, or put a subscription key, which some collections want, into {KEY}"
        headers = {"Ocp-Apim-Subscription-Key": key} if key else {}
        asked = time.monotonic()
        reply = http.fetch(Request(url=url, headers=headers, most_bytes=MOST_BYTES), policy=POLICY, cure=cure)
        now = http.server_time(reply.headers) or datetime.now(UTC)  # tokens expire by the service's own clock
        try:
            answer = http.parse_json(reply.body)
            end = datetime.fromisoformat(answer["msft:expiry"])
            life_s = ((end if end.tzinfo else end.replace(tzinfo=UTC)) - now).total_seconds()
            spare_s = min(SPARE[0] * life_s, SPARE[1])
            return str(answer["token"]), asked + max(life_s - spare_s, SHORTEST_S)
        except (KeyError, TypeError, ValueError) as error:
            raise NetworkError(
                f"{http.redact_url(url)}: gives no token; try again later, or use another --catalog"
            ) from error


SIGNERS: Mapping[str, Signer] = MappingProxyType({"planetary-computer": PlanetaryComputer()})
"""By the signer's name in an asset."""
