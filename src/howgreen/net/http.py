"""Asking servers for JSON: bounded waits, bounded retries, errors that name the server and never a token."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from howgreen.core.errors import NetworkError

if TYPE_CHECKING:
    from pystac_client.stac_api_io import StacApiIO

T = TypeVar("T")

CONNECT_S, READ_S = 8.0, 30.0
RETRIES = 3
LONGEST_WAIT_S = 10
"""Between two tries, whatever a server's Retry-After asks for."""
BUSY = (429, 500, 502, 503, 504)


def named(url: str) -> str:
    """A URL as it may be shown: without user, password, query (where tokens are) and fragment."""
    parts = urlsplit(url.removeprefix("/vsicurl/"))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def stac_io() -> StacApiIO:
    """How to ask a STAC API: POST is repeated like GET, for a search changes nothing."""
    from pystac_client.stac_api_io import StacApiIO
    from urllib3.util.retry import Retry

    retry = Retry(
        total=RETRIES,
        status_forcelist=BUSY,
        allowed_methods=None,
        backoff_factor=0.3,
        backoff_max=LONGEST_WAIT_S,
        retry_after_max=LONGEST_WAIT_S,
        raise_on_status=False,
    )
    return StacApiIO(timeout=(CONNECT_S, READ_S), max_retries=retry)


def whole(job: Callable[[], T]) -> T:
    """The answer of a job that only asks, tried again when it breaks off in the middle: retries end where an answer
    begins.
    """
    from pystac_client.exceptions import APIError
    from requests.exceptions import ChunkedEncodingError

    for _ in range(RETRIES):
        try:
            return job()
        except APIError as error:
            if not isinstance(error.__context__, ChunkedEncodingError):
                raise
    return job()


def json_from(url: str, *, cure: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A JSON object from a server. NetworkError when there is none."""
    with told(url, cure=cure):
        value = json.loads(whole(lambda: stac_io().request(url, headers=dict(headers or {}))))
        if not isinstance(value, dict):
            raise NetworkError(f"{named(url)}: does not answer with a JSON object; {cure}")
        return value


@contextmanager
def told(url: str, *, cure: str) -> Iterator[None]:
    """Turns what a client raises about a server into a NetworkError of one line."""
    from pystac.errors import STACError, STACTypeError
    from pystac_client.exceptions import APIError

    try:
        yield
    except APIError as error:
        status = getattr(error, "status_code", None)
        raise NetworkError(f"{named(url)}: {reason(status, str(error))}; {cure}") from error
    except (STACError, STACTypeError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError) as error:
        raise NetworkError(f"{named(url)}: does not answer as a STAC API ({error!r:.120}); {cure}") from error


def reason(status: int | None, words: str) -> str:
    """What a server did, in words, from its status, else from what the client says of the failure."""
    if status is not None:
        kind = {401: "wants an account", 403: "refuses", 404: "has no such page", 429: "is asked too often"}
        return f"{kind.get(status, 'is out of order' if status >= 500 else 'refuses the request')} (HTTP {status})"
    low = words.lower()
    for sign, meaning in (
        ("timed out", "does not answer in time"),
        ("name or service", "is not known to the network; check the connection"),
        ("resolve", "is not known to the network; check the connection"),
        ("refused", "refuses the connection"),
        ("certificate", "shows no valid certificate"),
    ):
        if sign in low:
            return meaning
    return "cannot be reached, or breaks the connection off"
