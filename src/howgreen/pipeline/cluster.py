"""Connecting to a Dask cluster, for many cities and for a server's jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from howgreen.core.errors import MissingExtraError, NetworkError
from howgreen.core.text import one_line

WAIT_S = 20.0
"""Seconds to wait for a scheduler to answer."""


@contextmanager
def cluster(scheduler: str) -> Iterator[Any]:
    """Connect to a Dask cluster, yield a client of distributed, and disconnect at the end.

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
        # distributed annotates few return types.
        client: Any = distributed.Client(scheduler, timeout=WAIT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise NetworkError(
            f"scheduler {scheduler}: does not answer ({one_line(str(error))[:120]}); check its address"
        ) from error
    with client:
        yield client


def keeps_profiles(scheduler: str) -> bool:
    """Tell whether a cluster's workers keep the samples of Dask's profiler, which makes their memory grow.

    Only the first worker is queried; none if there is no worker yet.

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
