"""How many threads compute at once, where many cities share a processor."""

from __future__ import annotations

import threading
import time

import pytest

from howgreen.core import threads


def test_a_block_of_work_has_its_share_and_its_inner_block_less_and_then_all_of_it_again():
    with threads.at_most(3):
        with threads.at_most(1):
            assert threads.threads() == 1
        assert threads.threads() == 3
        assert threads.threads(2) == 2
    assert threads.threads() == threads.cores()


def test_the_share_is_of_one_thread_alone():
    seen = []
    with threads.at_most(1):
        other = threading.Thread(target=lambda: seen.append(threads.threads()))
        other.start()
        other.join()
    assert seen == [threads.cores()]


def _busy(share, blocks=6):
    """Which threads computed some blocks, and how many did at once."""
    import dask
    from dask.delayed import delayed

    at_work, most, names, lock = [0], [0], set(), threading.Lock()

    def block():
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
            names.add(threading.current_thread())
        time.sleep(0.005)
        with lock:
            at_work[0] -= 1

    with threads.at_most(share):
        dask.compute(*(delayed(block, pure=False)() for _ in range(blocks)), scheduler=threads.scheduler())
    return names, most[0]


def test_dask_keeps_to_the_share():
    assert _busy(1) == ({threading.current_thread()}, 1)
    names, most = _busy(2)
    assert threading.current_thread() not in names
    assert most == 2


def test_what_works_beside_works_here_where_one_thread_may_be_busy():
    with threads.at_most(1), threads.pool(4) as beside:
        assert beside.submit(threading.current_thread).result() is threading.current_thread()
        assert list(beside.map(abs, [-1, 2])) == [1, 2]
        failed = beside.submit(int, "x")
        with pytest.raises(ValueError, match="invalid literal"):
            failed.result()
    with threads.pool(1) as beside:
        assert beside.submit(threading.current_thread).result() is not threading.current_thread()
