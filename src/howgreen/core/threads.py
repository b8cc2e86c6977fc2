"""How many threads a piece of work may keep busy, where many such pieces share the processor.

What waits (for the web, for a disk) may have as many threads as it likes; this is about what computes.
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
    """Count the threads that may compute at once: those of the processor, or fewer where :func:`at_most` says so.

    Parameters
    ----------
    most
        More than that are of no use.

    Examples
    --------
    >>> with at_most(1):
    ...     threads(2)
    1
    """
    share = _MOST.get() or cores()
    return share if most is None else min(most, share)


def cores() -> int:
    """Count the processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


@contextmanager
def at_most(count: int) -> Iterator[None]:
    """Let the work of this block keep no more than so many threads busy; of this thread's work alone."""
    before = _MOST.set(max(count, 1))
    try:
        yield
    finally:
        _MOST.reset(before)


def scheduler() -> Callable[..., Any]:
    """Return what computes dask's tasks here, on :func:`threads`; by the name of threads it would be looked for among clusters."""
    share = _MOST.get()
    if share == 1:
        from dask.local import get_sync

        return get_sync
    from dask.threaded import get

    return get if share is None else partial(get, num_workers=share)


def pool(most: int) -> Executor:
    """Return what works beside this thread, with so many threads at most; in this very thread where it may keep one busy only."""
    return _Here() if _MOST.get() == 1 else ThreadPoolExecutor(min(most, threads()) if _MOST.get() else most)


class _Here(Executor):
    """Does each piece of work at once, where it is handed over."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it; what it raises is raised by the future's result."""
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (it is the caller's)
            done.set_exception(error)
        return done
