"""Tokens for files that want one, added when a file is opened and never kept in a plan: they last under an hour."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from types import MappingProxyType
from typing import Protocol
from urllib.parse import urlsplit

from howgreen.core.errors import NetworkError
from howgreen.net import http
from howgreen.net.http import Request, RetryPolicy

KEY = "PC_SDK_SUBSCRIPTION_KEY"
"""Environment variable for those who have one: the name that Planetary Computer's own client gives it."""
POLICY = RetryPolicy(first_wait_s=0.3)
MOST_BYTES = 1 << 20
SPARE = timedelta(minutes=5)
"""A token with less time left is replaced before it is used."""


class Signer(Protocol):
    """Makes an href readable."""

    def signed(self, href: str) -> str:
        """Return the href with a valid token; itself where none is needed. NetworkError when none is to be had."""

    def forget(self, signed: str) -> None:
        """Take note that the server refused this href: unless there is another token already, fetch one next time."""


@dataclass(frozen=True)
class PlanetaryComputer:
    """One token for each storage container, from its own service, without an account for most."""

    url: str = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
    domain: str = ".blob.core.windows.net"
    _tokens: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def signed(self, href: str) -> str:
        """Do as :class:`Signer` says."""
        key = self._container(href)
        if key is None:
            return href
        with self._lock:  # many blocks ask at once; one of them fetches
            token, end = self._tokens.get(key, ("", datetime.min.replace(tzinfo=UTC)))
            if end - datetime.now(UTC) < SPARE:
                token, end = self._fetched(*key)
                self._tokens[key] = token, end
        return f"{href}?{token}"

    def forget(self, signed: str) -> None:
        """Do as :class:`Signer` says."""
        href, _, refused = signed.partition("?")
        if key := self._container(href):
            with self._lock:  # many reads are refused at once, and the first has fetched a new one
                if self._tokens.get(key, ("",))[0] == refused:
                    del self._tokens[key]

    def _container(self, href: str) -> tuple[str, str] | None:
        parts = urlsplit(href)
        if not (parts.hostname or "").endswith(self.domain) or parts.query:
            return None
        return (parts.hostname or "").removesuffix(self.domain), parts.path.lstrip("/").partition("/")[0]

    def _fetched(self, account: str, container: str) -> tuple[str, datetime]:
        url = f"{self.url}/{account}/{container}"
        key = os.environ.get(KEY, "").strip()
        answer = http.fetch_json(
            Request(url=url, headers={"Ocp-Apim-Subscription-Key": key} if key else {}, most_bytes=MOST_BYTES),
            policy=POLICY,
            cure=f"try again later, use another --catalog, or put a subscription key, which some collections want, into {KEY}",
        )
        try:
            end = datetime.fromisoformat(answer["msft:expiry"])
            return str(answer["token"]), end if end.tzinfo else end.replace(tzinfo=UTC)
        except (KeyError, TypeError, ValueError) as error:
            raise NetworkError(
                f"{http.redact_url(url)}: gives no token; try again later, or use another --catalog"
            ) from error


SIGNERS: Mapping[str, Signer] = MappingProxyType({"planetary-computer": PlanetaryComputer()})
"""By the name that an asset carries."""
