"""Jobs of both databases: one line, one lease, one answer, whatever others do at the same moment."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from howgreen.core.errors import OutputError
from howgreen.web.serve import database
from howgreen.web.serve import jobs as module
from howgreen.web.serve.database import now, writing
from howgreen.web.serve.job import (
    DiskFullError,
    Job,
    LeaseLostError,
    NotYoursError,
    QueueFullError,
    Status,
    TooManyJobsError,
)
from howgreen.web.serve.jobs import LEASE_S, UNATTENDED, UNREADABLE, WAITS, Jobs
from howgreen.web.serve.results import PLACE, Results, row_of
from howgreen.web.serve.settings import Settings
from questions import asked


def folder_of(settings: Settings, job: Job, name: str = "a" * 64) -> str:
    """A folder such as a report is, as far as a listing reads it."""
    folder = settings.results / name
    folder.mkdir(parents=True)
    summary = {
        "green_ratio": 0.5,
        "interval": {"low": 0.4, "high": 0.6},
        "period": {"start": "2024-05-01", "end": "2024-09-30"},
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / PLACE).write_text(json.dumps(job.question.place))
    return name


def answered(jobs: Jobs, settings: Settings, number: int = 0, name: str = "a" * 64, client: str = "c") -> Job:
    made = jobs.submit(asked(number), client=client)
    claimed = jobs.claim("w")
    folder_of(settings, claimed, name)
    jobs.finish(claimed, row_of(settings.results / name, language="en"))
    return jobs.job(made.id)


@pytest.fixture
def plain_jobs(tmp_path: Path) -> Iterator[Jobs]:
    """SQLite, where what is tested does not hang on the kind of database."""
    settings = Settings(data=tmp_path / "data")
    engine = database.open_database(settings)
    yield Jobs(engine, settings)
    engine.dispose()


def expire(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(update(database.jobs).values(lease=now() - timedelta(seconds=1)))


def test_a_job_goes_from_accepted_to_its_answer(jobs: Jobs, settings: Settings):
    made = jobs.submit(asked(), client="c")
    assert (made.status, made.progress, made.attempt, made.client) == (Status.accepted, 0, 0, "c")
    assert jobs.place_in_line(made.id) == 1
    claimed = jobs.claim("w")
    assert (claimed.id, claimed.status, claimed.attempt) == (made.id, Status.running, 1)
    assert jobs.place_in_line(made.id) is None
    jobs.tell(claimed, "progress", {"stage": "reading images", "percent": 41, "done": 1, "of": 2})
    jobs.tell(claimed, "date", {"date": "2024-06-05", "clear": 0.98, "taken": True, "bytes": 1})
    seen = jobs.job(made.id)
    assert (seen.progress, seen.stage) == (41, "reading images")
    jobs.finish(claimed, row_of(settings.results / folder_of(settings, claimed), language="en"))
    done = jobs.job(made.id)
    assert (done.status, done.progress, done.result, done.stage) == (Status.successful, 100, "a" * 64, "")
    assert done.created <= done.started <= done.finished <= done.updated + timedelta(seconds=1)
    told = jobs.events(made.id)
    assert [event.id for event in told] == [1, 2, 3, 4, 5]
    assert [event.kind for event in told] == ["status", "status", "progress", "date", "status"]
    assert jobs.events(made.id, after=3, limit=1)[0].data["date"] == "2024-06-05"
    assert jobs.counts() == {status: int(status is Status.successful) for status in Status}
    assert [one.id for one in jobs.jobs(status=Status.successful)] == [made.id]


def test_the_same_question_is_one_job_while_it_waits_runs_and_is_answered(jobs: Jobs, settings: Settings):
    first = jobs.submit(asked(), client="a")
    assert jobs.submit(asked(), client="b").id == first.id
    claimed = jobs.claim("w")
    assert jobs.submit(asked(), client="b").id == first.id
    jobs.finish(claimed, row_of(settings.results / folder_of(settings, claimed), language="en"))
    again = jobs.submit(asked(), client="b")
    assert (again.id, again.status, again.result) == (first.id, Status.successful, "a" * 64)
    assert jobs.submit(asked(language="de"), client="b").id != first.id


def test_an_old_answer_is_looked_at_anew(
    jobs: Jobs, settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    first = answered(jobs, settings)
    with monkeypatch.context() as patched:
        patched.setattr(module, "FRESH", timedelta(0))
        assert jobs.submit(asked(), client="c").id != first.id
    jobs.dismiss(jobs.jobs(status=Status.accepted)[0].id)
    with monkeypatch.context() as patched:
        patched.setattr("howgreen.pipeline.reruns.code_changed", lambda: now().timestamp() + 5)
        assert Jobs(engine, settings).submit(asked(), client="c").id != first.id
    jobs.dismiss(jobs.jobs(status=Status.accepted)[0].id)
    shelf = settings.data / "shelf"
    (shelf / "sentinel-2").mkdir(parents=True)  # an image that came later
    with_store = Jobs(engine, replace(settings, stores=(shelf,)))
    assert with_store.submit(asked(), client="c").id != first.id
    jobs.dismiss(jobs.jobs(status=Status.accepted)[0].id)
    os.utime(shelf / "sentinel-2", (0, 0))
    assert with_store.submit(asked(), client="c").id == first.id
    (settings.results / ("a" * 64) / "summary.json").unlink()
    assert jobs.submit(asked(), client="c").id != first.id


@pytest.mark.parametrize(("hours", "same"), [(23.9, True), (24.1, False)])
def test_an_answer_is_young_for_a_day(plain_jobs: Jobs, hours: float, same: bool):
    jobs, settings, engine = plain_jobs, plain_jobs._settings, plain_jobs._engine
    first = answered(jobs, settings)
    with writing(engine) as connection:
        connection.execute(update(database.jobs).values(finished=now() - timedelta(hours=hours)))
    jobs.__dict__["_program_changed"] = 0.0
    assert (jobs.submit(asked(), client="c").id == first.id) == same


def test_two_visitors_at_the_same_moment_make_one_job(jobs: Jobs):
    start = threading.Barrier(8)

    def ask(number: int) -> str:
        start.wait()
        return jobs.submit(asked(), client=str(number)).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert len(jobs.jobs()) == 1


def test_no_job_is_claimed_twice(jobs: Jobs):
    for number in range(12):
        jobs.submit(asked(number), client="c")
    start = threading.Barrier(6)

    def work(number: int) -> list[str]:
        start.wait()
        taken = []
        while job := jobs.claim(f"w{number}"):
            taken.append(job.id)
        return taken

    with ThreadPoolExecutor(6) as pool:
        taken = [job for some in pool.map(work, range(6)) for job in some]
    assert len(taken) == len(set(taken)) == 12


def test_who_waits_longest_comes_next_and_keeps_its_place_when_it_was_lost(jobs: Jobs, engine: Engine):
    made = [jobs.submit(asked(number), client="c").id for number in range(3)]
    assert [jobs.place_in_line(one) for one in made] == [1, 2, 3]
    assert jobs.claim("w").id == made[0]
    assert [jobs.place_in_line(one) for one in made] == [None, 1, 2]
    expire(engine)
    assert jobs.recover() == [made[0]]
    assert [jobs.place_in_line(one) for one in made] == [1, 2, 3]


def test_a_lease_that_is_renewed_is_kept_and_one_that_is_not_is_lost(jobs: Jobs, engine: Engine):
    jobs.submit(asked(), client="c")
    first = jobs.claim("w")
    expire(engine)
    jobs.beat("w", job=first)
    assert jobs.recover() == []
    expire(engine)
    assert jobs.recover() == [first.id]
    waiting = jobs.job(first.id)
    assert (waiting.status, waiting.progress) == (Status.accepted, 0)
    assert "waits again" in waiting.message
    second = jobs.claim("v")
    assert second.attempt == 2
    for late in (
        lambda: jobs.beat("w", job=first),
        lambda: jobs.tell(first, "note", {}),
        lambda: jobs.fail(first, "x"),
        lambda: jobs.lose(first, "x"),
        lambda: jobs.finish(first, row_of(jobs._settings.results / folder_of(jobs._settings, first), language="en")),
    ):
        with pytest.raises(LeaseLostError):
            late()
    assert jobs.is_held(second)
    assert not jobs.is_held(first)
    assert jobs.job(first.id).status is Status.running


def test_a_lease_lasts_as_long_as_is_said(jobs: Jobs, engine: Engine):
    jobs.submit(asked(), client="c")
    before = now()
    jobs.claim("w")
    with database.reading(engine) as connection:
        lease = connection.scalar(select(database.jobs.c.lease))
    assert timedelta(seconds=LEASE_S) <= lease - before < timedelta(seconds=LEASE_S + 5)


def test_a_worker_known_to_be_dead_is_not_waited_for(jobs: Jobs):
    job = jobs.submit(asked(), client="c")
    jobs.claim("w")
    assert jobs.recover(is_dead=lambda worker: worker != "w") == []
    assert jobs.recover(is_dead=lambda worker: worker == "w") == [job.id]


def test_a_job_that_is_lost_three_times_has_failed(jobs: Jobs, engine: Engine):
    job = jobs.submit(asked(), client="c")
    for attempt in (1, 2, 3):
        assert jobs.claim("w").attempt == attempt
        expire(engine)
        jobs.recover()
    end = jobs.job(job.id)
    assert end.status is Status.failed
    assert "3 times" in end.message
    assert jobs.claim("w") is None
    assert jobs.submit(asked(), client="c").id != job.id


def test_a_worker_that_stops_in_good_order_costs_no_attempt(jobs: Jobs):
    job = jobs.submit(asked(), client="c")
    for _ in range(4):
        jobs.give_back(jobs.claim("w"), "the server was stopped")
    assert jobs.job(job.id).status is Status.accepted


def test_the_line_has_an_end(jobs: Jobs, settings: Settings, engine: Engine):
    few = Jobs(engine, replace(settings, queue=2))
    few.submit(asked(0), client="c")
    few.submit(asked(1), client="c")
    with pytest.raises(QueueFullError):
        few.submit(asked(2), client="c")
    few.submit(asked(1), client="d")  # the same question takes no place
    few.claim("w")
    few.submit(asked(2), client="c")


def test_a_client_asks_so_much_a_day_and_forgetting_jobs_does_not_help(jobs: Jobs, settings: Settings, engine: Engine):
    few = Jobs(engine, replace(settings, jobs_per_day=2))
    for number in (0, 1):
        few.dismiss(few.submit(asked(number), client="c").id, client="c")
    for job in few.jobs():
        few.dismiss(job.id, client="c")
    assert few.jobs() == []
    with pytest.raises(TooManyJobsError):
        few.submit(asked(2), client="c")
    few.submit(asked(2), client="d")
    with writing(engine) as connection:
        connection.execute(update(database.asks).values(at=now() - timedelta(days=1, seconds=1)))
    few.submit(asked(3), client="c")


def test_no_job_is_accepted_on_a_full_disk(jobs: Jobs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_free_bytes", lambda _: module.LEAST_FREE_BYTES - 1)
    with pytest.raises(DiskFullError):
        jobs.submit(asked(), client="c")
    monkeypatch.setattr(module, "_free_bytes", lambda _: module.LEAST_FREE_BYTES)
    jobs.submit(asked(), client="c")


def test_only_who_asked_may_end_a_job_and_not_for_others(jobs: Jobs):
    job = jobs.submit(asked(), client="a")
    jobs.submit(asked(), client="b")
    held = jobs.claim("w")
    with pytest.raises(NotYoursError):
        jobs.dismiss(job.id, client="stranger")
    still = jobs.dismiss(job.id, client="a")
    assert (still.status, "goes on" in still.message) == (Status.running, True)
    jobs.beat("w", job=held)
    assert jobs.dismiss(job.id, client="b").status is Status.dismissed
    with pytest.raises(LeaseLostError):
        jobs.beat("w", job=held)
    assert jobs.job(job.id).status is Status.dismissed
    assert jobs.dismiss(job.id, client="b").status is Status.dismissed
    assert jobs.job(job.id) is None
    assert jobs.events(job.id) == []
    assert jobs.dismiss(job.id, client="b") is None


def test_a_job_that_is_forgotten_leaves_its_result(jobs: Jobs, results: Results, settings: Settings):
    job = answered(jobs, settings)
    assert jobs.dismiss(job.id, client="c").status is Status.dismissed
    assert jobs.job(job.id) is None
    assert results.folder("a" * 64) is not None


def test_a_finished_job_of_others_stays_when_one_forgets_it(jobs: Jobs, settings: Settings):
    job = answered(jobs, settings)
    jobs.submit(asked(), client="d")
    assert jobs.dismiss(job.id, client="c").status is Status.dismissed
    assert jobs.job(job.id).status is Status.successful


def test_jobs_that_nobody_works_on_are_told_so(jobs: Jobs):
    job = jobs.submit(asked(), client="c")
    jobs.recover()
    assert jobs.job(job.id).message == UNATTENDED
    assert jobs.events(job.id)[-1].data["message"] == UNATTENDED
    jobs.recover()
    assert len(jobs.events(job.id)) == 2
    jobs.beat("w")
    jobs.recover()
    assert jobs.job(job.id).message == WAITS
    jobs.leave("w")
    jobs.recover()
    assert jobs.job(job.id).message == UNATTENDED


def test_a_job_that_was_given_back_is_told_so_too_once_its_own_story_was(jobs: Jobs, monkeypatch: pytest.MonkeyPatch):
    jobs.submit(asked(), client="c")
    job = jobs.claim("w")
    jobs.give_back(job, "the server was stopped")
    jobs.recover()
    assert jobs.job(job.id).message == "the server was stopped"
    monkeypatch.setattr(module, "now", lambda: now() + timedelta(seconds=LEASE_S + 1))
    jobs.recover()
    assert jobs.job(job.id).message == UNATTENDED


def test_what_is_finished_must_be_there(jobs: Jobs, settings: Settings):
    jobs.submit(asked(), client="c")
    claimed = jobs.claim("w")
    row = row_of(settings.results / folder_of(settings, claimed), language="en")
    (settings.results / row.id / "summary.json").unlink()
    with pytest.raises(OutputError):
        jobs.finish(claimed, row)
    assert jobs.job(claimed.id).status is Status.running


def test_events_have_an_end_but_not_those_of_the_status(
    jobs: Jobs, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "MOST_EVENTS", 4)
    jobs.submit(asked(), client="c")
    claimed = jobs.claim("w")
    for number in range(5):
        jobs.tell(claimed, "note", {"n": number})
    jobs.fail(claimed, "no\x1b[2J image\nhere")
    told = jobs.events(claimed.id)
    assert [event.kind for event in told] == ["status", "status", "note", "note", "status"]
    assert told[-1].data == {"status": "failed", "message": "no [2J image here"}


def test_a_question_of_another_version_fails_alone(jobs: Jobs, engine: Engine):
    first, second = jobs.submit(asked(0), client="c"), jobs.submit(asked(1), client="c")
    with writing(engine) as connection:
        connection.execute(update(database.jobs).where(database.jobs.c.id == first.id).values(question='{"place": 7}'))
    assert jobs.claim("w") is None
    assert (jobs.job(first.id).status, jobs.job(first.id).message, jobs.job(first.id).label) == (
        Status.failed,
        UNREADABLE,
        "?",
    )
    assert jobs.claim("w").id == second.id
    assert len(jobs.jobs()) == 2


def test_health_says_what_is_wrong(jobs: Jobs, engine: Engine):
    assert not jobs.health().good
    jobs.beat("w")
    health = jobs.health()
    assert (health.good, health.workers, health.oldest_wait_s) == (True, 1, 0.0)
    jobs.submit(asked(), client="c")
    with writing(engine) as connection:
        connection.execute(update(database.jobs).values(created=now() - timedelta(seconds=60)))
        connection.execute(update(database.workers).values(beat=now() - timedelta(seconds=LEASE_S + 1)))
    health = jobs.health()
    assert (health.good, health.workers) == (False, 0)
    assert 59 < health.oldest_wait_s < 90


def test_the_results_used_longest_ago_go_first(jobs: Jobs, results: Results, settings: Settings, engine: Engine):
    made = [answered(jobs, settings, number, str(number) * 64) for number in range(3)]
    tight = Results(engine, replace(settings, most_disk_bytes=results.bytes() - 1))
    assert Results(engine, replace(settings, most_disk_bytes=results.bytes())).sweep() == 0
    with writing(engine) as connection:
        connection.execute(
            update(database.results).where(database.results.c.id == "1" * 64).values(used=now() - timedelta(days=2))
        )
    assert tight.sweep() == 1
    assert results.folder("1" * 64) is None
    assert not (settings.results / ("1" * 64)).exists()
    assert jobs.job(made[1].id) is None
    assert [row.id for row in results.listed()] == ["2" * 64, "0" * 64]
    assert tight.sweep() == 0


def test_what_nobody_used_for_long_goes_with_its_jobs(jobs: Jobs, results: Results, settings: Settings, engine: Engine):
    old, young = answered(jobs, settings, 0, "0" * 64), answered(jobs, settings, 1, "1" * 64)
    failed = jobs.submit(asked(2), client="c")
    jobs.fail(jobs.claim("w"), "no")
    past = now() - settings.keep - timedelta(seconds=1)
    with writing(engine) as connection:
        connection.execute(update(database.results).where(database.results.c.id == "0" * 64).values(used=past))
        connection.execute(update(database.jobs).where(database.jobs.c.id == failed.id).values(finished=past))
    assert results.sweep() == 1
    assert [jobs.job(one.id) is None for one in (old, failed, young)] == [True, True, False]
    assert results.summary("1" * 64)["green_ratio"] == 0.5


def test_a_folder_without_its_row_is_not_shown_and_goes_later(results: Results, settings: Settings):
    young, old = settings.results / ("a" * 64), settings.results / ("b" * 64)
    now_asked, asked_long_ago = settings.scratch / "questions" / "a", settings.scratch / "questions" / "b"
    for folder in (young, old, now_asked, asked_long_ago):
        folder.mkdir(parents=True)
    for folder in (old, asked_long_ago):
        os.utime(folder, (0, 0))
    assert results.folder("b" * 64) is None
    results.sweep()
    assert [folder.exists() for folder in (young, old, now_asked, asked_long_ago)] == [True, False, True, False]


@pytest.mark.parametrize("name", ["..", "../data", "a" * 63, "A" * 64, "a" * 64 + "\n", "", "%2e%2e"])
def test_a_result_is_named_by_the_database_alone(results: Results, settings: Settings, name: str):
    settings.results.mkdir(parents=True)
    assert results.folder(name) is None
    assert results.summary(name) is None


def test_opening_a_result_keeps_it(jobs: Jobs, results: Results, settings: Settings, engine: Engine):
    answered(jobs, settings)
    with writing(engine) as connection:
        connection.execute(update(database.results).values(used=now() - settings.keep - timedelta(days=1)))
    results.folder("a" * 64)
    assert results.sweep() == 0


def test_blocks_of_jobs_that_were_stopped_are_bounded_and_never_taken_from_a_reader(plain_jobs: Jobs):
    from howgreen.pipeline import locks
    from howgreen.web.serve.results import BLOCKS_SHARE

    settings = replace(plain_jobs._settings, most_disk_bytes=int(2_500 / BLOCKS_SHARE))
    runs = [settings.blocks / f"{number:020x}" for number in range(4)]
    for folder in runs:
        folder.mkdir(parents=True)
        (folder / "a.npy").write_bytes(b"x" * 1_000)
    locks.hold(runs[3])
    try:
        for age, folder in enumerate(runs):
            os.utime(folder, (now().timestamp() - 60 * age,) * 2)
        Results(plain_jobs._engine, settings).sweep()
        assert [folder.exists() for folder in runs] == [True, True, False, True]
    finally:
        locks.release(runs[3])
