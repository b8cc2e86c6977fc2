"""The whole job on the sample city, as a user runs it: cold (the city is simulated first) and warm."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Wall-clock seconds and peak memory (MiB) of one howgreen command in a home of its own."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "XDG_DATA_HOME": str(folder / "data")}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "howgreen.cli", *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"howgreen {' '.join(arguments)}: exit {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def run(*, quick: bool = False) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cold_s, cold_mib = measure(["city", "Sampleton", "--out", "first"], folder)
        warm = [measure(["city", "Sampleton", "--out", f"again{turn}"], folder) for turn in range(1 if quick else 3)]
    return {
        "sampleton_first_use_s": cold_s,
        "sampleton_first_use_peak_mib": cold_mib,
        "sampleton_warm_s": min(seconds for seconds, _ in warm),
        "sampleton_warm_peak_mib": max(mib for _, mib in warm),
    }


if __name__ == "__main__":
    print(run())
