"""How many threads one piece of work may use while many such pieces share the processor.

This limits computation only: threads waiting for the web or a disk are not limited.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_MOST: ContextVar[int | None] = ContextVar("howgreen_threads", default=None)


def threads(most: int | None = None) -> int:
    """Return how many threads may compute at once: one per processor, or fewer within :func:`at_most`.

    Parameters
    ----------
    most
        Upper bound that the work can use.

    Examples
    --------
    >>> with at_most(1):
    ...     threads(2)
    1
    """
    share = _MOST.get() or cores()
    return share if most is None else min(most, share)


def cores() -> int:
    """Count the processors available to this process."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


@contextmanager
def at_most(count: int) -> Iterator[None]:
    """Limit the work within this block, in this thread only, to that many threads."""
    before = _MOST.set(max(count, 1))
    try:
        yield
    finally:
        _MOST.reset(before)


def scheduler() -> Callable[..., Any]:
    """Return dask's scheduler for this computation, on :func:`threads`.

    A scheduler named "threads" would be looked for among clusters.
    """
    share = _MOST.get()
    if share == 1:
        from dask.local import get_sync

        return get_sync
    from dask.threaded import get

    return get if share is None else partial(get, num_workers=share)


def pool(most: int) -> Executor:
    """Return an executor with at most that many threads beside this one; if only one is allowed, it is this thread."""
    return _Here() if _MOST.get() == 1 else ThreadPoolExecutor(min(most, threads()) if _MOST.get() else most)


class _Here(Executor):
    """Executor that runs each piece of work at once, in the calling thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run it; its exception is raised by the future's result."""
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (it is the caller's)
            done.set_exception(error)
        return done
