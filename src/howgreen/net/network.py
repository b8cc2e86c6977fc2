"""How services may be asked: which addresses, from whom, for how long, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from howgreen.net.client import POLITE, Client
from howgreen.net.endpoints import Endpoints
from howgreen.net.http import RetryPolicy


@dataclass(frozen=True, kw_only=True)
class Network:
    """Leave to ask services over the network, and how. ``Network(offline=True)`` takes only responses cached before."""

    endpoints: Endpoints = field(default_factory=Endpoints)
    cache: Path | None = None
    """Folder of the cached responses; None for the user's own cache."""
    offline: bool = False
    contact: str = ""
    """An e-mail address for the services' operators, sent with each request; give one for large batches."""
    retry: RetryPolicy = POLITE

    def client(self, retry: RetryPolicy | None = None) -> Client:
        """Return what asks, for one look-up."""
        import platformdirs

        return Client(
            endpoints=self.endpoints,
            folder=self.cache or Path(platformdirs.user_cache_dir("howgreen")) / "places",
            offline=self.offline,
            contact=self.contact,
            retry=retry or self.retry,
        )
