"""Progress told by many threads: each number once, in order, up to the total."""

from concurrent.futures import ThreadPoolExecutor

from howgreen.core.ticks import Ticks


def test_steps_of_many_threads_are_told_one_after_another():
    told = []
    tick = Ticks("measure", 400, lambda *step: told.append(step))
    with ThreadPoolExecutor(8) as pool:
        for _ in range(400):
            pool.submit(tick)
    assert told == [("measure", done, 400) for done in range(1, 401)]


def test_nobody_need_listen():
    Ticks("measure", 1, None)()
