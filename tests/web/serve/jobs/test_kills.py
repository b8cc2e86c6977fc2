"""Server, worker and job are killed at random moments and started again: nothing finished is lost, and nothing runs twice at once."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import standin
from sqlalchemy import Engine, text

from howgreen.web.serve.child import encode
from howgreen.web.serve.job import Job, Status
from howgreen.web.serve.jobs import Jobs
from howgreen.web.serve.questions import question
from howgreen.web.serve.results import Results
from howgreen.web.serve.settings import Settings
from questions import asked, city_of_grass

STANDIN = str(Path(__file__).with_name("standin.py"))


class Server:
    """A server of stand-in jobs that can be killed and started again."""

    def __init__(self, settings: Settings, what: str = "serve") -> None:
        self.settings, self.what, self.known = settings, what, set[psutil.Process]()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, STANDIN, self.what, encode(self.settings).decode()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout.readline().startswith(b"http://127.0.0.1:")
        self.process.stdout.close()

    def below(self, kind: str) -> list[psutil.Process]:
        """The workers, or the processes of their jobs."""
        with contextlib.suppress(psutil.NoSuchProcess):
            workers = psutil.Process(self.process.pid).children()
            self.known.update(workers)
            if kind == "worker":
                return workers
            found = [child for worker in workers for child in worker.children()]
            self.known.update(found)
            return found
        return []

    def kill(self, kind: str, chance: random.Random) -> bool:
        """Kill one of a kind; False where there is none just now."""
        if kind == "server":
            self.below("child")
            self.process.kill()
            self.process.wait()
            self.start()
            return True
        end = time.monotonic() + 5
        while not (there := self.below(kind)):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        with contextlib.suppress(psutil.NoSuchProcess):
            chance.choice(there).kill()
        return True

    def stop(self) -> int:
        self.below("child")
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@contextlib.contextmanager
def running(settings: Settings, what: str = "serve") -> Iterator[Server]:
    made = Server(replace(settings, workers=2, port=0, queue=10_000, jobs_per_day=10_000), what)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
            made.process.wait()
        for left in made.known:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()


@pytest.fixture
def server(settings: Settings, engine: Engine) -> Iterator[Server]:
    with running(settings) as made:
        yield made


def record(settings: Settings) -> list[tuple[str, str, float]]:
    lines = (settings.data / "record").read_text().splitlines()
    return [(what, key, float(moment)) for what, key, moment in (line.split() for line in lines)]


def check(
    jobs: Jobs, results: Results, finished: dict[str, Job], is_whole: Callable[[Path], bool] = standin.is_whole
) -> None:
    """What was finished is there, as it was, and whole; what is listed is whole."""
    for job in jobs.jobs(status=Status.successful, limit=1000):
        finished.setdefault(job.id, job)
    for job in finished.values():
        there = jobs.job(job.id)
        assert (there.status, there.result, there.attempt, there.finished) == (
            Status.successful,
            job.result,
            job.attempt,
            job.finished,
        )
    for row in results.listed(limit=1000):
        assert is_whole(results.folder(row.id))


def storm(server: Server, jobs: Jobs, results: Results, *, kills: int, seed: int) -> dict[str, int]:
    """Kill at random moments while jobs come in, then let everything end; how often each kind was killed."""
    chance, killed, number = random.Random(seed), {"server": 0, "worker": 0, "child": 0}, 0
    finished: dict[str, Job] = {}
    made: list[Job] = []
    while sum(killed.values()) < kills:
        while jobs.counts()[Status.accepted] < 3:
            made.append(jobs.submit(asked(number), client="c"))
            number += 1
        time.sleep(chance.uniform(0, 1.0))
        kind = chance.choice([one for one, often in killed.items() if often <= kills // 3])
        killed[kind] += server.kill(kind, chance)
        check(jobs, results, finished)
    end = time.monotonic() + 120
    while any(not jobs.job(job.id).status.is_over for job in made):
        assert time.monotonic() < end, [jobs.job(job.id).message for job in made]
        time.sleep(0.1)
    check(jobs, results, finished)
    for job in (jobs.job(one.id) for one in made):
        assert job.status is Status.successful or "3 times in all" in job.message
    lines = record(server.settings)
    ends = {job.key: job.finished.timestamp() for job in finished.values()}
    assert [line for line in lines if line[0] == "overlap"] == []
    assert [line for line in lines if line[0] == "begin" and line[2] > ends.get(line[1], float("inf"))] == []
    wrote = [key for what, key, _ in lines if what == "wrote"]
    assert len(wrote) == len(set(wrote))  # a folder that is there is linked, and not made again
    return killed


def ended(server: Server) -> None:
    """A server that is stopped leaves no process, no lock and nothing half-written."""
    assert server.stop() == -signal.SIGTERM
    _, alive = psutil.wait_procs(server.known, timeout=10)
    assert alive == []
    scratch = server.settings.scratch
    assert list((scratch / "workers").glob("*.lock")) == [] or all(
        not is_alive(path) for path in (scratch / "workers").glob("*.lock")
    )


def is_alive(sign: Path) -> bool:
    return psutil.pid_exists(int(sign.stem.split("-")[1]))


def test_five_kills(server: Server, jobs: Jobs, results: Results):
    storm(server, jobs, results, kills=5, seed=1)
    ended(server)


def test_a_database_whose_connections_break_costs_no_job(
    settings: Settings, engine: Engine, jobs: Jobs, results: Results, monkeypatch: pytest.MonkeyPatch
):
    if not settings.database:
        pytest.skip("SQLite has no connections that break")
    monkeypatch.setenv("STANDIN_STEP_S", "0.5")
    with running(settings) as server:
        job = jobs.submit(asked(), client="c")
        end = time.monotonic() + 60
        while not server.below("child"):
            assert time.monotonic() < end
            time.sleep(0.05)
        for _ in range(3):
            time.sleep(0.7)
            with engine.begin() as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'howgreen'"
                    )
                )
        while not (now := jobs.job(job.id)).status.is_over:
            assert time.monotonic() < end, now
            time.sleep(0.1)
        assert (now.status, now.attempt) == (Status.successful, 1)
        ended(server)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_thirty_kills(server: Server, jobs: Jobs, results: Results, settings: Settings, seed: int):
    killed = storm(server, jobs, results, kills=30, seed=seed)
    assert min(killed.values()) >= 8
    if not settings.database:
        with jobs._engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    ended(server)


@pytest.mark.slow
def test_real_jobs_that_are_killed(settings: Settings, shelf: Path, jobs: Jobs, results: Results):
    """As above, with six questions that are answered from images; the answers are those of an undisturbed run."""
    from howgreen.pipeline import city
    from howgreen.pipeline.inputs import Store
    from howgreen.report import is_unaltered

    chance, finished = random.Random(4), dict[str, Job]()
    questions = [
        question(city_of_grass(), period="2024", model=model, language=one)
        for model in ("ndvi", None)
        for one in ("en", "de", "fr")
    ]
    with running(replace(settings, stores=(shelf,)), "serve real jobs") as server:
        made = [jobs.submit(one, client="c") for one in questions]
        for kind in ("child", "worker", "server", "child", "server", "worker", "child"):
            time.sleep(chance.uniform(0, 6))
            server.kill(kind, chance)
            check(jobs, results, finished, is_unaltered)
        end = time.monotonic() + 240
        while any(not jobs.job(job.id).status.is_over for job in made):
            assert time.monotonic() < end, [jobs.job(job.id).message for job in made]
            time.sleep(0.2)
        check(jobs, results, finished, is_unaltered)
        ended(server)
    assert len(finished) >= 5  # one may have met three kills
    assert list(settings.scratch.glob(".result-*")) == [] or results.sweep() == 0
    expected = {
        model: city.city(city_of_grass(), images=Store(shelf), period="2024", model=model).stats.green_ratio
        for model in ("ndvi", None)
    }
    for job in finished.values():
        assert results.summary(job.result)["green_ratio"] == expected[job.question.model]


@pytest.mark.slow
def test_a_worker_that_is_frozen_loses_its_job_and_hears_of_it(
    settings: Settings, engine: Engine, jobs: Jobs, results: Results, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("STANDIN_STEP_S", "1")
    with running(settings) as server:
        job = jobs.submit(asked(), client="c")
        end = time.monotonic() + 20
        while not server.below("child"):
            assert time.monotonic() < end
            time.sleep(0.1)
        child = server.below("child")[0]
        frozen = child.parent()
        frozen.suspend()
        child.suspend()  # else it would end with its answer, which nobody hears
        try:
            end = time.monotonic() + 60
            while not (now := jobs.job(job.id)).status.is_over:
                assert time.monotonic() < end, now
                time.sleep(0.2)
                if now.attempt == 1 and not is_held_by_anybody(child):
                    break
                if time.monotonic() > end - 25:
                    child.resume()  # it wakes, finds that it heard nothing for long, and ends
        finally:
            frozen.resume()
        end = time.monotonic() + 60
        while not (now := jobs.job(job.id)).status.is_over:
            assert time.monotonic() < end, now
            time.sleep(0.2)
        assert (now.status, now.attempt) == (Status.successful, 2)
        assert [line for line in record(settings) if line[0] == "overlap"] == []
        ended(server)


def is_held_by_anybody(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_two_servers_share_a_line_and_one_may_go(settings: Settings, engine: Engine, jobs: Jobs, results: Results):
    with running(settings) as first, running(settings) as second:
        made = [jobs.submit(asked(number), client="c") for number in range(16)]
        end = time.monotonic() + 60
        while (
            len({key for what, key, _ in record(settings) if what == "wrote"}) < 4
            if (settings.data / "record").exists()
            else True
        ):
            assert time.monotonic() < end
            time.sleep(0.1)
        first.below("child")
        first.process.kill()
        first.process.wait()
        while any(not jobs.job(job.id).status.is_over for job in made):
            assert time.monotonic() < end, [jobs.job(job.id).message for job in made]
            time.sleep(0.1)
        check(jobs, results, {})
        assert all(jobs.job(job.id).status is Status.successful for job in made)
        assert [line for line in record(settings) if line[0] == "overlap"] == []
        ended(second)
