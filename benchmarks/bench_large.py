"""The whole job on a large synthetic city, against its floor: reading and decoding the same bytes.

Two sizes show whether memory grows with the city; each measurement runs in a process of its own. Other work that
shares the machine only ever adds time, so floor and job take turns and the quickest of each counts; the ratio of CPU
seconds (user and system, all threads) is the steadier one.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import bench_composite

ROUNDS = 3


def _job(folder: Path) -> dict[str, float]:
    """Plan by hand (the files stand in no store), then run and write as ``howgreen city`` does."""
    import rasterio
    import shapely
    from pyproj import Transformer

    from howgreen import cli, imagery, landcover, report
    from howgreen.core.types import Period, Plan
    from howgreen.pipeline import city as pipeline
    from howgreen.place import from_shape

    cli.collect_seldom()
    with rasterio.open(folder / "0" / "red.tif") as dataset:
        bounds, crs = dataset.bounds, dataset.crs.to_string()
    # A polygon inside the images, with a slanted side: its edges cut pixels as real limits do.
    west, south, east, north = bounds
    corners = [(west + 300, south + 200), (east - 900, south + 50), (east - 20, north - 700), (west + 40, north - 30)]
    outline = shapely.segmentize(shapely.Polygon(corners), 500)
    lonlat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    city = from_shape(shapely.transform(outline, lonlat.transform, interleaved=False), name="Largeton (synthetic)")
    start, used = time.perf_counter(), time.process_time()
    scenes = [replace(scene, offset=0.0) for scene in bench_composite.scenes(folder)]
    model = landcover.load_model("mixture-10")
    plan = Plan(
        city=city, period=Period.parse("2024"), sensor="sentinel-2", grid=imagery.grid(city), scenes=tuple(scenes),
        passed_over=(), bands=model.card.bands, source=str(folder), model="mixture-10", model_sha256=model.sha256,
        howgreen="bench",
    )  # fmt: skip
    marks: dict[str, tuple[float, float]] = {}

    def note(stage: str, done: int, total: int) -> None:
        if done == total:
            marks[stage] = time.perf_counter() - start, time.process_time() - used

    report.load_ahead()
    result = pipeline.run(plan, work=folder / "work", progress=note)
    pipeline.write(result, folder / "out", progress=note)
    total, cpu = time.perf_counter() - start, time.process_time() - used
    stages, before = {}, (0.0, 0.0)
    for stage, mark in marks.items():
        name = stage.replace(" ", "_")
        stages[f"{name}_s"], stages[f"{name}_cpu_s"] = mark[0] - before[0], mark[1] - before[1]
        before = mark
    peak = _peak_mib()
    pixels = float(math.prod(plan.grid.shape))
    return {"job_s": total, "job_cpu_s": cpu, "peak_mib": peak, "pixels": pixels, **stages}


def _peak_mib() -> float:
    """Peak memory of this program alone: what ``getrusage`` says begins with the peak of the parent process."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _apart(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.bench_large", str(folder)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return figures


def measure(size_px: int, *, rounds: int) -> dict[str, float]:
    floors, jobs = [], []
    with tempfile.TemporaryDirectory(prefix="howgreen-bench-") as name:
        folder = Path(name)
        bench_composite.make(folder, size_px=size_px, native=False)
        os.sync()  # a city's images are on disk already: their writing is no part of the job
        bench_composite.apart("floor", folder)  # fills the system's file cache for both
        for _ in range(rounds):
            floors.append(bench_composite.apart("floor", folder))
            jobs.append(_apart(folder))
            for made in ("work", "out"):
                shutil.rmtree(folder / made)
    floor = min(floors, key=lambda one: one["floor_s"])
    figures = min(jobs, key=lambda one: one["job_s"])
    return {
        "floor_s": floor["floor_s"],
        "floor_cpu_s": floor["cpu_s"],
        **figures,
        "job_over_floor": figures["job_s"] / floor["floor_s"],
        "job_over_floor_cpu": figures["job_cpu_s"] / floor["cpu_s"],
    }


def run(*, quick: bool = False) -> dict[str, float]:
    figures: dict[str, float] = {}
    for km2, size_px in ((100, 1000),) if quick else ((400, 2000), (1600, 4000)):
        found = measure(size_px, rounds=1 if quick else ROUNDS)
        figures |= {f"{km2}km2_{name}": value for name, value in found.items()}
    return figures


if __name__ == "__main__":
    print(json.dumps(_job(Path(sys.argv[1])) if len(sys.argv) > 1 else run()))
