"""A worker and its jobs: what the real one writes, and all the ways in which a job's process can end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

import howgreen
from howgreen.core.errors import OutputError
from howgreen.pipeline import plan_json
from howgreen.web.serve import child as module
from howgreen.web.serve import on_cluster
from howgreen.web.serve.child import Order, encode, for_visitors, in_words
from howgreen.web.serve.database import open_database
from howgreen.web.serve.job import Job, Status
from howgreen.web.serve.jobs import Jobs
from howgreen.web.serve.questions import question
from howgreen.web.serve.results import PLACE, Results
from howgreen.web.serve.settings import Settings
from howgreen.web.serve.worker import CHILD, Worker, is_dead
from questions import asked, city_of_grass

STANDIN = (sys.executable, str(Path(__file__).with_name("standin.py")))


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[tuple[Settings, Jobs, Results]]:
    """A server's settings and database, SQLite: what is tested here does not hang on the kind."""
    settings = Settings(data=tmp_path / "data", offline=True)
    engine = open_database(settings)
    yield settings, Jobs(engine, settings), Results(engine, settings)
    engine.dispose()


@contextmanager
def working(settings: Settings, child: tuple[str, ...] = STANDIN) -> Iterator[Worker]:
    stop = threading.Event()
    worker = Worker(settings, child=child)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def over(jobs: Jobs, job: Job, most_s: float = 60) -> Job:
    end = time.monotonic() + most_s
    while not (now := jobs.job(job.id)).status.is_over:
        assert time.monotonic() < end, now
        time.sleep(0.02)
    return now


def test_a_real_job_writes_a_whole_report_that_names_no_folder_of_the_server(plain, shelf: Path, tmp_path: Path):
    _, jobs, results = plain
    settings = replace(plain[0], stores=(shelf,))
    first = jobs.submit(question(city_of_grass(), period="2024", language="de"), client="c")
    with working(settings, CHILD):
        done = over(jobs, first)
        assert (done.status, done.progress, done.attempt) == (Status.successful, 100, 1), done.message
        folder = results.folder(done.result)
        summary = results.summary(done.result)
        assert summary["language"] == "de"
        assert summary["green_ratio"] > 0.9
        for line in (folder / "SHA256SUMS").read_text().splitlines():
            digest, name = line.split("  ")
            assert module.hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        for path in folder.iterdir():
            assert str(tmp_path).encode() not in path.read_bytes(), path.name
        assert json.loads((folder / PLACE).read_text())["features"][0]["properties"]["label"] == "Small"
        row = results.row(done.result)
        assert (row.label, row.language, row.period, row.ratio) == (
            "Small",
            "de",
            "2024-05-01/2024-09-30",
            summary["green_ratio"],
        )
        kinds = [event.kind for event in jobs.events(done.id)]
        assert {"status", "date", "progress"} <= set(kinds)
        date = next(event.data for event in jobs.events(done.id) if event.kind == "date")
        assert (date["date"], date["taken"], date["clear"]) == ("2024-06-01", True, 1.0)
        assert date["bytes"] > 0
        assert not any(str(tmp_path) in json.dumps(event.data) for event in jobs.events(done.id))
        # Asked anew where nobody remembers the question: the plan is made, and the answer is there.
        written = (folder / "summary.json").stat().st_mtime_ns
        jobs.dismiss(done.id)
        again = over(jobs, jobs.submit(question(city_of_grass(), period="2024", language="de"), client="c"))
        assert again.id != done.id
        assert (again.status, again.result) == (Status.successful, done.result)
        assert (folder / "summary.json").stat().st_mtime_ns == written
    assert [path.name for path in settings.results.iterdir()] == [done.result]
    assert list(settings.scratch.glob(".result-*")) == []


@pytest.mark.slow
def test_a_report_that_is_not_as_it_was_is_made_again_in_its_place(plain, shelf: Path):
    _, jobs, results = plain
    settings = replace(plain[0], stores=(shelf,))
    with working(settings, CHILD):
        done = over(jobs, jobs.submit(question(city_of_grass(), period="2024"), client="c"))
        page = results.folder(done.result) / "report.html"
        page.write_text("broken")
        jobs.dismiss(done.id)
        again = over(jobs, jobs.submit(question(city_of_grass(), period="2024"), client="c"))
    assert (again.status, again.result) == (Status.successful, done.result)
    assert page.stat().st_size > 10_000
    assert [path.name for path in settings.results.iterdir()] == [done.result]
    assert list(settings.scratch.glob(".result-*")) == []


def test_a_task_on_a_cluster_ends_once_nobody_says_that_it_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(on_cluster, "SAID_S", 0.02)
    with on_cluster._wanted(tmp_path / "wanted") as word:
        look = on_cluster.while_wanted(word, silent_s=0.3)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            look("composite", 1, 9)  # said anew every now and then: it goes on
            time.sleep(0.02)
    with pytest.raises(OutputError, match="nobody waits"):
        look("composite", 2, 9)
    word.write_text("what one that was killed said last")
    look = on_cluster.while_wanted(word, silent_s=0.1)
    look("composite", 3, 9)
    time.sleep(0.15)
    with pytest.raises(OutputError, match="nobody waits"):
        look("composite", 4, 9)


def test_nothing_of_an_answer_that_nobody_wants_is_read_or_written(plain, shelf: Path, tmp_path: Path):
    plan = howgreen.plan(city_of_grass(), images=howgreen.Store(shelf), period="2024")
    with pytest.raises(OutputError, match="nobody waits"):
        on_cluster.carried_out(plan_json.to_json(plan), str(tmp_path / "made"), "en", str(tmp_path / "gone"))
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_a_job_that_is_dismissed_leaves_its_cluster_too(plain, shelf: Path):
    distributed = pytest.importorskip("distributed")
    _, jobs, _ = plain
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as there,
        distributed.Client(there) as client,
    ):
        busy = client.submit(time.sleep, 6, pure=False)  # so that the job's task waits
        settings = replace(plain[0], stores=(shelf,), dask=there.scheduler_address)
        with working(settings, CHILD):
            job = jobs.submit(question(city_of_grass(), period="2024"), client="c")
            end = time.monotonic() + 60
            while not any("carried_out" in key for key in tasks(client)):
                assert time.monotonic() < end
                time.sleep(0.05)
            jobs.dismiss(job.id)
            while any("carried_out" in key for key in tasks(client)):
                assert time.monotonic() < end
                time.sleep(0.05)
        assert not busy.done()


def tasks(client):
    """Names of all that a scheduler knows of."""
    return client.run_on_scheduler(lambda dask_scheduler: [str(key) for key in dask_scheduler.tasks])


@pytest.mark.slow
def test_a_cluster_gives_the_same_answer(plain, shelf: Path, tmp_path: Path):
    distributed = pytest.importorskip("distributed")
    _, jobs, results = plain
    asked_of = question(city_of_grass(), period="2024")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0") as there:
        settings = replace(plain[0], stores=(shelf,), dask=there.scheduler_address)
        with working(settings, CHILD):
            done = over(jobs, jobs.submit(asked_of, client="c"))
    assert done.status is Status.successful, done.message
    assert list(settings.scratch.glob(".result-*")) == []
    on_cluster, folder = results.summary(done.result), results.folder(done.result)
    here = replace(settings, dask=None, data=tmp_path / "other")
    engine = open_database(here)
    with working(here, CHILD):
        again = over(Jobs(engine, here), Jobs(engine, here).submit(asked_of, client="c"))
    assert again.result == done.result
    alone = Results(engine, here).summary(again.result)
    for told in (on_cluster, alone):
        del told["provenance"]["created"]
    assert on_cluster == alone
    assert (folder / "green_fraction.tif").read_bytes() == (
        here.results / again.result / "green_fraction.tif"
    ).read_bytes()
    engine.dispose()


@pytest.mark.slow
def test_a_job_that_is_killed_while_it_reads_goes_on_from_what_was_kept(plain, shelf: Path, until: Callable[..., None]):
    import psutil

    settings, jobs, results = replace(plain[0], stores=(shelf,)), plain[1], plain[2]
    asked_of = question(city_of_grass(), period="2024")

    def kill() -> bool:
        there = [one for one in psutil.Process().children() if "howgreen.web.serve.child" in one.cmdline()]
        if not there or not any(event.kind == "progress" for event in jobs.events(job.id)):
            return False
        there[0].kill()
        return True

    with working(settings, CHILD):
        job = jobs.submit(asked_of, client="c")
        until(kill, most_s=60)
        kept = {path: path.stat().st_mtime_ns for path in settings.cache.rglob("*.npy")}
        assert kept
        assert all(settings.blocks in path.parents for path in kept)
        done = over(jobs, job)
    assert (done.status, done.attempt) == (Status.successful, 2)
    assert any("goes on from what was kept" in str(event.data) for event in jobs.events(job.id))
    assert results.summary(done.result)["green_ratio"] > 0.9


def test_a_question_that_no_image_answers_says_so_in_a_line_for_visitors(plain, shelf: Path, tmp_path: Path):
    settings, jobs, _ = plain
    with working(replace(settings, stores=(shelf,)), CHILD):
        done = over(jobs, jobs.submit(asked(50), client="c"))
    assert done.status is Status.failed
    assert str(tmp_path) not in done.message
    assert "--" not in done.message
    assert "\n" not in done.message


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("full", "this server's disk is full or refuses"),
        ("no room", "this server's disk is full or refuses"),
        ("memory", "not enough memory"),
        ("killed", "its process was killed (by hand, or for want of memory), 3 times in all"),
        ("broken", "its process broke down, 3 times in all"),
        ("no image", "a.tif: has no image; use another period"),
        ("endless line", "3 times in all"),
    ],
)
def test_however_a_job_goes_wrong_it_is_a_line_and_nothing_is_left(
    plain, monkeypatch: pytest.MonkeyPatch, fault: str, words: str
):
    settings, jobs, results = plain
    monkeypatch.setenv("STANDIN_FAULT", fault)
    with working(settings):
        done = over(jobs, jobs.submit(asked(), client="c"))
        monkeypatch.delenv("STANDIN_FAULT")
        assert done.status is Status.failed
        assert words in done.message
        assert str(settings.data) not in done.message
        assert results.listed() == []
        assert not settings.results.exists() or list(settings.results.iterdir()) == []
        assert list(settings.scratch.glob(".result-*")) == []
        # The worker goes on, with the same question as with any.
        assert over(jobs, jobs.submit(asked(), client="c")).status is Status.successful


def test_a_job_that_takes_too_long_is_ended(plain, monkeypatch: pytest.MonkeyPatch):
    settings, jobs, _ = plain
    monkeypatch.setenv("STANDIN_FAULT", "silent")
    with working(replace(settings, job_seconds=0.5)):
        done = over(jobs, jobs.submit(asked(), client="c"), 10)
    assert done.status is Status.failed
    assert "took longer than 0.00833 minutes" in done.message


def children() -> list[int]:
    import psutil

    found = []
    for one in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # gone, or a zombie, since it was listed
            if STANDIN[1] in one.cmdline():
                found.append(one.pid)
    return found


def test_a_job_that_is_dismissed_ends_its_process(plain, monkeypatch: pytest.MonkeyPatch, until: Callable[..., None]):
    settings, jobs, _ = plain
    monkeypatch.setenv("STANDIN_FAULT", "silent")
    with working(settings):
        job = jobs.submit(asked(), client="c")
        until(children)
        assert jobs.dismiss(job.id, client="c").status is Status.dismissed
        until(lambda: not children(), most_s=15)
        assert jobs.job(job.id).status is Status.dismissed
        monkeypatch.delenv("STANDIN_FAULT")
        assert over(jobs, jobs.submit(asked(), client="c")).status is Status.successful


def test_a_worker_that_is_told_to_stop_gives_its_job_back(
    plain, monkeypatch: pytest.MonkeyPatch, until: Callable[..., None]
):
    settings, jobs, _ = plain
    monkeypatch.setenv("STANDIN_FAULT", "silent")
    job = jobs.submit(asked(), client="c")
    with working(settings) as worker:
        until(children)
        assert not is_dead(settings, worker.name)
        assert jobs.health().workers == 1
    assert children() == []
    waiting = jobs.job(job.id)
    assert (waiting.status, waiting.attempt) == (Status.accepted, 1)
    assert "the server was stopped" in waiting.message
    assert jobs.health().workers == 0
    assert list((settings.scratch / "workers").iterdir()) == []


def started(settings: Settings, parent: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([*STANDIN, str(parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    process.stdin.write(encode(Order(job="j", question=asked(), settings=settings)))
    return process


def closed(process: subprocess.Popen[bytes]) -> None:
    process.stdin.close()
    process.stdout.close()
    process.kill()
    process.wait()


def test_a_job_ends_when_its_pipe_does(plain, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STANDIN_FAULT", "silent")
    process = started(plain[0], os.getpid())
    time.sleep(1)
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(10) == 1
    closed(process)


def test_a_job_that_hears_nothing_ends_before_its_lease_does(plain, monkeypatch: pytest.MonkeyPatch):
    from howgreen.web.serve.jobs import LEASE_S
    from howgreen.web.serve.worker import BEAT_S

    assert module.SILENT_S + BEAT_S <= LEASE_S
    monkeypatch.setenv("STANDIN_FAULT", "silent")
    monkeypatch.setenv("STANDIN_SILENT_S", "1.5")
    process = started(plain[0], os.getpid())
    for _ in range(6):
        time.sleep(0.5)
        process.stdin.write(b".")
    assert process.poll() is None
    assert process.wait(10) == 1
    closed(process)


def test_a_job_whose_parent_is_gone_does_not_begin(plain):
    process = subprocess.Popen([*STANDIN, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert process.wait(10) == 1
    closed(process)


def test_the_database_may_refuse_for_a_while(plain, monkeypatch: pytest.MonkeyPatch):
    """A result that is there is listed as soon as it can be."""
    from sqlalchemy.exc import OperationalError

    settings, jobs, _ = plain
    real, refusals = Jobs.finish, [0]

    def refuse(self: Jobs, job: Job, row: object) -> None:
        if refusals[0] < 2:
            refusals[0] += 1
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))
        real(self, job, row)

    monkeypatch.setattr(Jobs, "finish", refuse)
    with working(settings):
        assert over(jobs, jobs.submit(asked(), client="c")).status is Status.successful
    assert refusals == [2]


def test_what_is_told_meanwhile_may_be_lost_but_not_the_job(plain, monkeypatch: pytest.MonkeyPatch):
    from sqlalchemy.exc import OperationalError

    settings, jobs, _ = plain

    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("no connection"))

    monkeypatch.setattr(Jobs, "tell", refuse)
    monkeypatch.setattr(Jobs, "is_held", refuse)
    monkeypatch.setenv("STANDIN_STEP_S", "0.3")
    with working(settings):
        done = over(jobs, jobs.submit(asked(), client="c"))
    assert (done.status, done.attempt) == (Status.successful, 1)


def test_a_full_database_is_told_and_hurts_nothing(tmp_path: Path):
    from howgreen.web.serve.job import DiskFullError

    settings = Settings(data=tmp_path / "data", queue=10_000, jobs_per_day=10_000)
    engine = open_database(settings)
    jobs = Jobs(engine, settings)
    kept = jobs.submit(asked(0), client="c")
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    def bound(
        connection: object, _: object
    ) -> None:  # the pages that are there are all that there are: as on a full disk
        connection.execute(f"PRAGMA max_page_count = {pages}")

    def fill() -> None:
        for number in range(1, 300):
            jobs.submit(asked(number), client="c")

    event.listen(engine, "connect", bound)
    engine.dispose()
    with pytest.raises(DiskFullError, match="disk is full"):
        fill()
    event.remove(engine, "connect", bound)
    engine.dispose()
    assert jobs.job(kept.id).status is Status.accepted
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    jobs.submit(asked(400), client="c")
    engine.dispose()


def test_the_whole_never_goes_back():
    told = []
    progress = in_words(lambda kind, data: told.append((kind, data["stage"], data["percent"])))
    for stage, done, total in (
        ("look", 1, 2),
        ("look", 2, 2),
        ("composite and land cover", 1, 2),
        ("look", 1, 2),
        ("odd", 1, 1),
        ("report", 3, 3),
    ):
        progress(stage, done, total)
    assert [percent for _, _, percent in told] == [10, 15, 47, 47, 47, 99]
    assert told[2] == ("progress", "reading images and mapping green", 47)


def test_visitors_see_no_folder_and_no_option():
    settings = Settings(data=Path("/srv/how green/data"), stores=(Path("/srv/my shelf"),))
    text = for_visitors(
        "/srv/my shelf/s2/a.tif: is cut short, also /etc/x/y; use `howgreen store add` with --period 2024\x1b[2J",
        settings,
    )
    assert "/srv" not in text
    assert "/etc" not in text
    assert "--" not in text
    assert "\x1b" not in text


def test_visitors_are_not_told_what_to_type_nor_how_a_store_is_called(tmp_path: Path):
    settings = Settings(data=tmp_path / "data", stores=(tmp_path / "shelf-of-ann",))
    said = "Ocean: no image shows it, and none of any date in the store shelf-of-ann does; add images with `howgreen store add`"
    told = "Ocean: no image shows it, and none of any date in this server's store does"
    assert for_visitors(said, settings) == told
    kept = "Town: no image shows it; the store has 2 of Landsat. Try period 2024-05-11/2024-09-13"
    assert for_visitors(kept, settings) == kept
