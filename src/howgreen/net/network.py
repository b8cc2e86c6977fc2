"""How services may be asked: which addresses, from whom, with what patience, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from howgreen.net.client import Client, Manners, Request
from howgreen.net.place_endpoints import Endpoints


@dataclass(frozen=True, kw_only=True)
class Network:
    """Leave to ask services over the network, and how. ``Network(offline=True)`` takes only answers already kept."""

    endpoints: Endpoints = field(default_factory=Endpoints)
    cache: Path | None = None
    """Folder of the kept answers; None for the user's own cache."""
    offline: bool = False
    contact: str = ""
    """An e-mail address for the services' operators, sent with each request; give one for large batches."""
    manners: Manners = field(default_factory=Manners)

    def client(self) -> Client:
        """What asks, for one look-up."""
        import platformdirs

        return Client(
            endpoints=self.endpoints,
            cache=self.cache or Path(platformdirs.user_cache_dir("howgreen")) / "places",
            offline=self.offline,
            contact=self.contact,
            manners=self.manners,
        )

    def ask(
        self, what: str, *, check: Callable[[bytes], bool], instead: str
    ) -> Callable[[str, Mapping[str, str]], bytes]:
        """What asks another service for JSON, as politely: an address and parameters in, a body out.

        Parameters
        ----------
        what
            The service as errors call it.
        check
            See :class:`howgreen.net.client.Request`.
        instead
            What works without it, as errors say it.

        """
        client = self.client()

        def asked(url: str, params: Mapping[str, str]) -> bytes:
            request = Request(what=what, urls=(url,), params=params, suffix=".json", check=check, instead=instead)
            return client.ask(request).body

        return asked
