"""Objects shared by the routes: settings, jobs, results, places, and rate limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from howgreen.core.errors import InputError, NetworkError
from howgreen.web.serve.job import DiskFullError, NotYoursError, QueueFullError, TooManyJobsError
from howgreen.web.serve.labels import Labels
from howgreen.web.serve.places import Places
from howgreen.web.serve.reports import Reports
from howgreen.web.serve.safety import PROBLEM, RefusedError
from howgreen.web.serve.tiles import Tiles
from howgreen.web.serve.uploads import BusyError

if TYPE_CHECKING:
    from howgreen.core.errors import HowgreenError
    from howgreen.web.serve.jobs import Jobs
    from howgreen.web.serve.results import Results
    from howgreen.web.serve.settings import Settings

PER_MINUTE = {"places": 240, "online": 20, "check": 300, "upload": 20, "ask": 30, "area": 120, "pixel": 600}
"""Rate limits of one client for expensive requests; pictures and files have their own."""
RETRY_SECONDS = 30
MOST_STREAMS, MOST_STREAMS_EACH = 400, 12

QUEUE_FULL, DISK_FULL = "urn:howgreen:queue-full", "urn:howgreen:disk-full"
USED_UP, TOO_OFTEN = "urn:howgreen:used-up", "urn:howgreen:too-often"
"""Problem types that the page translates for its reader."""
_STATUS: tuple[tuple[type[HowgreenError] | type[Exception], int, str], ...] = (
    (QueueFullError, 503, QUEUE_FULL),
    (DiskFullError, 507, DISK_FULL),
    (TooManyJobsError, 429, USED_UP),
    (NotYoursError, 403, "about:blank"),
    (BusyError, 503, "about:blank"),
    (NetworkError, 502, "about:blank"),
    (InputError, 422, "about:blank"),
)


class Streams:
    """Counts open streams, in total and per client."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def enter(self, client: str) -> None:
        """Count one more stream.

        Raises
        ------
        RefusedError
            The limit is reached.
        """
        if sum(self._open.values()) >= MOST_STREAMS or self._open.get(client, 0) >= MOST_STREAMS_EACH:
            raise RefusedError(
                503, "too many are listening; ask /jobs/{id} from time to time instead", headers={"retry-after": "30"}
            )
        self._open[client] = self._open.get(client, 0) + 1

    def leave(self, client: str) -> None:
        """Count one stream less."""
        left = self._open.get(client, 1) - 1
        if left > 0:
            self._open[client] = left
        else:
            self._open.pop(client, None)


@dataclass(frozen=True, kw_only=True)
class Service:
    """All parts of one server."""

    settings: Settings
    jobs: Jobs
    results: Results
    places: Places
    reports: Reports
    labels: Labels
    tiles: Tiles = field(default_factory=Tiles)
    streams: Streams = field(default_factory=Streams)
    limiter: MovingWindowRateLimiter = field(default_factory=lambda: MovingWindowRateLimiter(MemoryStorage()))

    def count(self, request: Request, what: str) -> None:
        """Count one more request of a client, or refuse it if there are too many.

        Raises
        ------
        RefusedError
            429, with the seconds to wait.
        """
        item = RateLimitItemPerMinute(PER_MINUTE[what])
        if not self.limiter.hit(item, what, client_of(request)):
            raise RefusedError(
                429,
                f"more than {PER_MINUTE[what]} such requests a minute; try again in a minute",
                kind=TOO_OFTEN,
                headers={"retry-after": "60"},
            )


def service_of(request: Request) -> Service:
    """Return the server's parts."""
    service: Service = request.app.state.service
    return service


Here = Annotated[Service, Depends(service_of)]


def base_of(request: Request) -> str:
    """Return the base URL by which a client reached this server: OGC and STAC clients follow absolute links only."""
    return str(request.base_url).rstrip("/")


def client_of(request: Request) -> str:
    """Return the client's hash."""
    return str(request.scope["state"]["client"])


def refused(error: HowgreenError) -> RefusedError:
    """Convert one of our errors to an HTTP error."""
    status, kind = next(((code, kind) for of, code, kind in _STATUS if isinstance(error, of)), (400, "about:blank"))
    busy = {"retry-after": "3600" if status == 429 else str(RETRY_SECONDS)} if status in {429, 503, 507} else {}
    return RefusedError(status, str(error), kind=kind, headers=busy)


def not_found(what: str, *, kind: str = "about:blank") -> RefusedError:
    """Return a 404 error for something."""
    return RefusedError(404, f"there is no such {what} here", kind=kind)


_MEANING = {
    400: "The request cannot be read", 401: "A token is needed", 403: "Not allowed", 404: "There is no such thing",
    408: "The body did not arrive in time", 413: "The body is too large", 415: "Another content type is needed",
    421: "Another host is meant", 422: "The request is understood, and cannot be carried out", 429: "Too many requests",
    500: "A defect of the server", 502: "A service that was asked did not answer", 503: "Busy: try again later",
    507: "The disk is full",
}  # fmt: skip


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Describe the errors of a route, including those common to all routes."""
    listed = sorted({400, 401, 404, 414, 421, 422, 429, 500, *codes})
    return {
        code: {
            "description": _MEANING.get(code, "The address is too long"),
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for code in listed
    }
