"""Many cities on a local Dask cluster: memory, a killed worker, throughput and cost a city. Run by name, it takes minutes.

``python benchmarks/bench_rank.py [--cities 1000] [--pairs 3] [--each 30]`` cuts so many simulated cities out of Sampleton, each with limits of
its own, ranks them with two worker processes of one thread each, kills one of them half-way, ranks again (nothing is left to do),
and compares two processes with one, in turn. Figures are printed as JSON and stand in docs/commands/rank.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import dask
import distributed
import psutil

from howgreen import batch, place, sample
from howgreen.pipeline.image_sources import cache_folder
from howgreen.pipeline.inputs import Store

SIDE_M = 700
"""Of each simulated city."""
PERIOD = "2024-06/2024-07"
WATER = ("no land was seen clearly", "all of it that was seen is water")


def cut_outs(count: int, root: Path) -> tuple[batch.Entry, ...]:
    """Cut squares out of Sampleton, no two alike; they overlap where there are many."""
    from odc.geo.geom import box

    (whole,) = (one for one in (_limits(root),) if one is not None)
    left, bottom, right, top = whole.boundingbox.bbox
    across = max(round((count * (right - left) / (top - bottom)) ** 0.5), 1)
    down = -(-count // across)
    entries = []
    for number in range(count):
        column, row = number % across, number // across
        x = left + 300 + (right - left - SIDE_M - 600) * column / max(across - 1, 1)
        y = bottom + 300 + (top - bottom - SIDE_M - 600) * row / max(down - 1, 1)
        square = box(x, y, x + SIDE_M, y + SIDE_M, whole.crs).to_crs("EPSG:4326", resolution=200)
        name = f"Cut {number:04d}"
        entries.append(batch.Entry(key=f"cut-{number:04d}", name=name, place=place.from_shape(square.geom, name=name)))
    return tuple(entries)


def _limits(root: Path) -> Any:
    from howgreen import imagery, store

    city = store.place(root, "Sampleton")
    return None if city is None else imagery.grid(city, resolution_m=10).extent


class Watched:
    """Keeps memory and moments while cities end, and kills a worker when so many are done."""

    def __init__(self, cluster: Any, *, kill_after: int | None = None) -> None:
        self.cluster, self.kill_after, self.killed = cluster, kill_after, 0
        self.moments: list[float] = [time.monotonic()]
        self.client_mib: list[float] = []
        self.workers_mib: list[float] = []
        self.cpu_s: list[float] = [sum(used_by(pids(cluster)).values())]
        self._used: dict[int, float] = {}
        self._me = psutil.Process()

    def __call__(self, _stage: str, done: int, _total: int) -> None:
        """Look, and kill at the moment."""
        self.moments.append(time.monotonic())
        if done % 10 == 0:
            self.client_mib.append(self._me.memory_info().rss / 2**20)
            self.workers_mib.append(max(memory(pid) for pid in pids(self.cluster)))
            self._used |= used_by(pids(self.cluster))  # of a worker that was killed, what it had used last
            self.cpu_s.append(sum(self._used.values()))
        if done == self.kill_after:
            self.killed = pids(self.cluster)[0]
            os.kill(self.killed, signal.SIGKILL)


def pids(cluster: Any) -> list[int]:
    """List the processes of a cluster's workers, which this one started."""
    return [worker.process.pid for worker in cluster.workers.values() if worker.process and worker.process.pid]


def memory(pid: int) -> float:
    try:
        return psutil.Process(pid).memory_info().rss / 2**20
    except psutil.Error:  # it was killed, and has not been started again
        return 0.0


def cpu(cluster: Any) -> float:
    """Processor seconds that the workers have used."""
    return sum(used_by(pids(cluster)).values())


def used_by(processes: Sequence[int]) -> dict[int, float]:
    """Processor seconds that processes have used, by their id; of those that are there."""
    found = {}
    for pid in processes:
        with suppress(psutil.Error):
            used = psutil.Process(pid).cpu_times()
            found[pid] = used.user + used.system
    return found


@contextmanager
def local(processes: int) -> Iterator[Any]:
    """Start worker processes of one thread, as docs/commands/rank.md says: without the profiler, whose memory grows, and without ticks."""
    dask.config.set({"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "1s"})
    with distributed.LocalCluster(
        n_workers=processes, threads_per_worker=1, dashboard_address=None, memory_limit=0
    ) as cluster:
        yield cluster


def ranked(
    entries: Sequence[batch.Entry], ask: batch.Ask, out: Path, cluster: Any | None, progress: Any = lambda *_: None
) -> list[batch.Row]:
    """Rank on a cluster, or on two threads of this process."""
    workers = batch.Workers(count=2, scheduler=None if cluster is None else cluster.scheduler_address)
    return batch.rank(entries, ask, out, workers=workers, progress=progress)


def digests(out: Path) -> dict[str, str]:
    """Checksums of all maps and plans of a ranking, and of its tables; pages and summaries say when they were made."""
    kinds = (".tif", ".png", ".csv", ".geojson")
    files = [path for path in sorted(out.rglob("*")) if path.suffix in kinds or path.name == "plan.json"]
    return {str(path.relative_to(out)): sha256(path.read_bytes()).hexdigest() for path in files}


def seconds_and_cpu(entries: Sequence[batch.Entry], ask: batch.Ask, out: Path, processes: int) -> tuple[float, float]:
    """Wall and processor seconds of a ranking on a cluster that has done two cities before."""
    with local(processes) as cluster:
        ranked(entries[: 2 * processes], ask, out / "warm", cluster)
        used, start = cpu(cluster), time.monotonic()
        ranked(entries[2 * processes :], ask, out / "timed", cluster)
        seconds, used = time.monotonic() - start, cpu(cluster) - used
    shutil.rmtree(out, ignore_errors=True)
    return seconds, used


def throughput(entries: Sequence[batch.Entry], ask: batch.Ask, out: Path, *, pairs: int, each: int) -> dict[str, Any]:
    """Cities a second of two worker processes over those of one, in turn, with so many cities for each process."""
    rows = []
    for number in range(pairs):
        one_s, one_cpu = seconds_and_cpu(entries[: 2 + each], ask, out / f"one-{number}", 1)
        two_s, two_cpu = seconds_and_cpu(entries[: 4 + 2 * each], ask, out / f"two-{number}", 2)
        rows.append((each / one_s, 2 * each / two_s, one_cpu / each, two_cpu / (2 * each)))
        print(f"pair {number}: {rows[-1]}", file=sys.stderr, flush=True)
    return {
        "cities_a_second_one_process": [round(row[0], 3) for row in rows],
        "cities_a_second_two_processes": [round(row[1], 3) for row in rows],
        "two_over_one": [round(row[1] / row[0], 2) for row in rows],
        "two_over_one_median": round(statistics.median(row[1] / row[0] for row in rows), 2),
        "cpu_s_a_city_one_process": round(statistics.median(row[2] for row in rows), 3),
        "cpu_s_a_city_two_processes": round(statistics.median(row[3] for row in rows), 3),
        "two_over_one_by_cpu": round(2 * statistics.median(row[2] / row[3] for row in rows), 2),
    }


def many(entries: Sequence[batch.Entry], ask: batch.Ask, out: Path) -> dict[str, Any]:
    """Rank all cities with two processes, one of which is killed half-way; then again."""
    plans, total = batch.plan(entries[:100], ask, out, progress=lambda *_: None)
    last, _ = batch.plan(entries[-100:], ask, out, progress=lambda *_: None)
    with local(2) as cluster:
        watched, start = Watched(cluster, kill_after=len(entries) // 2), time.monotonic()
        rows = ranked(entries, ask, out, cluster, watched)
        seconds = time.monotonic() - start
        errors = [f"{row.key}: {row.error}" for row in rows if row.error and row.error not in WATER]
        gone = [entries[number] for number in (0, len(entries) // 3)]
        for entry in gone:
            shutil.rmtree(batch.folder_of(entry.key, out))
        kept = {
            entry.key: (batch.folder_of(entry.key, out) / "summary.json").stat().st_mtime_ns
            for entry in entries
            if entry not in gone and (batch.folder_of(entry.key, out) / "summary.json").exists()
        }
        start = time.monotonic()
        again = ranked(entries, ask, out, cluster)
        rerun = time.monotonic() - start
    untouched = sum(
        (batch.folder_of(key, out) / "summary.json").stat().st_mtime_ns == moment for key, moment in kept.items()
    )
    steps = [after - before for before, after in zip(watched.moments, watched.moments[1:], strict=False)]
    hundred = min(100, len(steps) // 3)
    tenth = max(len(watched.cpu_s) // 10, 1)
    start = time.monotonic()
    batch.write_ranking(rows, out)
    return {
        "cities": len(rows),
        "seconds": round(seconds, 1),
        "killed_pid_after": [watched.killed, len(entries) // 2],
        "all_water": sum(row.error in WATER for row in rows),
        "without_an_answer": errors,
        "rerun_seconds": round(rerun, 1),
        "rerun_kept": [untouched, len(kept)],
        "rerun_same_rows": [replace(row, error="") for row in again] == [replace(row, error="") for row in rows],
        "write_ranking_seconds": round(time.monotonic() - start, 1),
        "client_mib_first_last_most": _ends(watched.client_mib),
        "worker_mib_first_last_most": _ends(watched.workers_mib),
        "worker_mib_every_100_cities": [round(value) for value in watched.workers_mib[9::10]],
        "client_mib_every_100_cities": [round(value) for value in watched.client_mib[9::10]],
        "seconds_a_city_first_last": [round(sum(part) / hundred, 2) for part in (steps[:hundred], steps[-hundred:])],
        "seconds_a_city_by_tenths": [
            round(statistics.mean(steps[start : start + len(steps) // 10]), 2)
            for start in range(0, len(steps) - len(steps) // 10 + 1, max(len(steps) // 10, 1))
        ],
        "cpu_s_a_city_by_tenths": [
            round((watched.cpu_s[start + tenth] - watched.cpu_s[start]) / (10 * tenth), 3)
            for start in range(0, len(watched.cpu_s) - tenth, tenth)
        ],
        "bytes_to_read_a_city_first_last": [sum(one.bytes for one in part) // len(part) for part in (plans, last)],
        "bytes_written_a_city_first_last": [
            sum(_size(batch.folder_of(entry.key, out)) for entry in part) // len(part)
            for part in (entries[:100], entries[-100:])
        ],
        "planned": asdict(total),
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _ends(values: Sequence[float]) -> list[float]:
    third = max(len(values) // 5, 1)
    return [round(statistics.median(values[:third])), round(statistics.median(values[-third:])), round(max(values))]


def same(entries: Sequence[batch.Entry], ask: batch.Ask, out: Path) -> dict[str, Any]:
    """Whether threads and a cluster give the same answers, to the bit."""
    threads = ranked(entries, ask, out / "threads", None)
    batch.write_ranking(threads, out / "threads")
    with local(2) as cluster:
        there = ranked(entries, ask, out / "cluster", cluster)
    batch.write_ranking(there, out / "cluster")
    one, other = digests(out / "threads"), digests(out / "cluster")
    return {
        "same_rows": threads == there,
        "files_compared": len(one),
        "files_that_differ": sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cities", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--each", type=int, default=30, help="cities for each process where throughput is measured")
    parser.add_argument("--model", default=None)
    parser.add_argument("--parts", default="same,throughput,many")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    root = sample.ensure(cache_folder())
    ask = batch.Ask(images=Store(root), period=PERIOD, model=asked.model)
    with tempfile.TemporaryDirectory(prefix="howgreen-bench-rank-") as folder:
        out = Path(folder)
        entries = cut_outs(asked.cities, root)
        found: dict[str, Any] = {"load_before": os.getloadavg()[0]}
        if "same" in asked.parts:
            found["same"] = same(entries[:: max(len(entries) // 20, 1)][:20], ask, out / "same")
            print(json.dumps(found, indent=1), file=sys.stderr, flush=True)
        if "throughput" in asked.parts:
            found["throughput"] = throughput(entries, ask, out, pairs=asked.pairs, each=asked.each)
            print(json.dumps(found, indent=1), file=sys.stderr, flush=True)
        if "many" in asked.parts:
            found["many"] = many(entries, ask, out / "many")
        found["load_after"] = os.getloadavg()[0]
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
