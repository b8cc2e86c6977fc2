"""Twenty simulated cities on a local Dask cluster: a worker killed in the middle, and the same answers as by threads."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from howgreen import batch
from howgreen.core.errors import NetworkError
from howgreen.pipeline.inputs import Store

pytest.importorskip("distributed")
pytest.importorskip("psutil")


@pytest.fixture(scope="module")
def bench():
    path = Path(__file__).parents[2] / "benchmarks" / "bench_rank.py"
    spec = importlib.util.spec_from_file_location("bench_rank", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_rank"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_killed_worker_costs_at_most_its_city_and_a_second_run_does_what_is_missing(bench, sampleton, tmp_path):
    entries = bench.cut_outs(20, sampleton)
    ask = batch.Ask(images=Store(sampleton), period=bench.PERIOD)
    with bench.local(2) as cluster:
        watched = bench.Watched(cluster, kill_after=8)
        rows = bench.ranked(entries, ask, tmp_path / "cluster", cluster, watched)
        lost = [row for row in rows if row.error and row.error not in bench.WATER]
        assert watched.killed
        assert watched.killed not in bench.pids(cluster)
        assert len(lost) <= 1
        gone = batch.folder_of(entries[3].key, tmp_path / "cluster")
        made = {row.key: _made(tmp_path, row.key) for row in rows if row not in lost}
        gone.rename(tmp_path / "gone")
        again = bench.ranked(entries, ask, tmp_path / "cluster", cluster)
    assert [row.key for row in again if row.error and row.error not in bench.WATER] == []
    assert {key for key, moment in made.items() if _made(tmp_path, key) != moment} == {entries[3].key}
    threads = bench.ranked(entries, ask, tmp_path / "threads", None)
    assert threads == again
    for name, found in (("cluster", again), ("threads", threads)):
        batch.write_ranking(found, tmp_path / name)
    one, other = bench.digests(tmp_path / "cluster"), bench.digests(tmp_path / "threads")
    assert len(one) > 100
    assert one == other


def _made(tmp_path, key):
    return (batch.folder_of(key, tmp_path / "cluster") / "summary.json").stat().st_mtime_ns


def _slowly(entry, ask, out):
    import time

    time.sleep(0.2)
    return (batch.Row(key=entry.key, name=entry.name, green_ratio=0.5),)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_dies_ends_the_run_with_one_line(tmp_path):
    import subprocess

    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as scheduler:
        address = next(
            line.rsplit(" ", 1)[1].strip() for line in scheduler.stderr if "Scheduler at" in line or "tcp://" in line
        )
        worker = [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            address,
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
        ]
        with subprocess.Popen(
            worker, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        ) as one:
            threading.Thread(target=scheduler.stderr.read, daemon=True).start()
            done = []

            def kill(stage, number, total):
                done.append(number)
                if number == 3:
                    os.kill(scheduler.pid, signal.SIGKILL)

            entries = tuple(batch.Entry(key=f"c{n}", name=f"c{n}", place=f"c{n}") for n in range(40))
            try:
                with pytest.raises(NetworkError, match=r"scheduler .* is gone.*run again"):
                    batch.rank(
                        entries,
                        batch.Ask(),
                        tmp_path,
                        workers=batch.Workers(scheduler=address),
                        progress=kill,
                        run=_slowly,
                    )
            finally:
                one.kill()
    assert len(done) < 40
