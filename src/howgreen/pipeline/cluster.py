"""A Dask cluster: how it is reached, for many cities and for the jobs of a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from howgreen.core.errors import MissingExtraError, NetworkError
from howgreen.core.text import one_line

WAIT_S = 20.0
"""For a scheduler to answer."""


@contextmanager
def cluster(scheduler: str) -> Iterator[Any]:
    """Connect to a Dask cluster, and leave it at the end; a client of distributed.

    Raises
    ------
    MissingExtraError
        The package distributed is not installed.
    NetworkError
        No scheduler answers at the address.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError("a Dask cluster (distributed)", "cluster") from error
    try:
        # It says of few of its functions what they give.
        client: Any = distributed.Client(scheduler, timeout=WAIT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise NetworkError(
            f"scheduler {scheduler}: does not answer ({one_line(str(error))[:120]}); check its address"
        ) from error
    with client:
        yield client


def keeps_profiles(scheduler: str) -> bool:
    """Tell whether a cluster's workers keep what Dask's own profiler sees, so that their memory grows as long as they work.

    The first worker is asked; where there is none yet, nobody.

    Raises
    ------
    MissingExtraError, NetworkError
        As :func:`cluster`.
    """
    with cluster(scheduler) as client:
        first = list(client.nthreads())[:1]
        return bool(first) and any(client.run(_profiles, workers=first, on_error="ignore").values())


def _profiles() -> bool:
    """Tell whether this worker's profiler is on."""
    import dask

    return bool(dask.config.get("distributed.worker.profile.enabled", default=False))
