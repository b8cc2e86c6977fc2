"""Network settings of a user: addresses, contact, time limits, or offline."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from howgreen.net.client import POLITE, Client
from howgreen.net.endpoints import Endpoints
from howgreen.net.http import RetryPolicy


@dataclass(frozen=True, kw_only=True)
class Network:
    """Permission to query services, and how. ``Network(offline=True)`` uses cached responses only."""

    endpoints: Endpoints = field(default_factory=Endpoints)
    cache: Path | None = None
    """Folder of cached responses; None for the user's own cache."""
    offline: bool = False
    contact: str = ""
    """E-mail address for the services' operators, sent with each request; set one for large batches."""
    retry: RetryPolicy = POLITE

    def client(self, retry: RetryPolicy | None = None) -> Client:
        """Return a client for one look-up."""
        import platformdirs

        return Client(
            endpoints=self.endpoints,
            folder=self.cache or Path(platformdirs.user_cache_dir("howgreen")) / "places",
            offline=self.offline,
            contact=self.contact,
            retry=retry or self.retry,
        )
