"""How quickly the command answers ``--help``, against a Python that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time


def _best(command: list[str], times: int) -> float:
    """Shortest wall-clock seconds of several runs: noise only ever adds."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def run(*, quick: bool = False) -> dict[str, float]:
    times = 3 if quick else 10
    floor = _best([sys.executable, "-c", "pass"], times)
    help_s = _best([sys.executable, "-m", "howgreen.cli", "--help"], times)
    imported = _best([sys.executable, "-c", "import howgreen"], times)
    return {"help_s": help_s, "import_s": imported, "python_floor_s": floor, "help_over_floor": help_s / floor}


if __name__ == "__main__":
    print(run())
