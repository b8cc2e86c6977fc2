"""``python -m benchmarks [NAME ...] [--quick]``: print a table, keep a JSON in benchmarks/results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

NAMES = ("help", "classify", "composite", "city", "notebook", "large", "http")
RESULTS = Path(__file__).parent / "results"


def _apart(name: str, *, quick: bool) -> dict[str, float]:
    """One benchmark in a process of its own: a child's peak memory begins with that of the process it came from."""
    code = f"import json; from benchmarks import bench_{name} as b; print(json.dumps(b.run(quick={quick})))"
    answer = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which benchmarks (default: all)")
    parser.add_argument("--quick", action="store_true", help="smaller inputs, for trying the benchmarks out")
    asked = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed was compiled once, not at every start
    figures: dict[str, dict[str, float]] = {}
    for name in asked.names or NAMES:
        print(f"{name} ...", file=sys.stderr)
        figures[name] = _apart(name, quick=asked.quick)
        for key, value in figures[name].items():
            print(f"{name:10s} {key:48s} {value:12.3f}")
    RESULTS.mkdir(exist_ok=True)
    stamp = datetime.now(UTC)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    path = RESULTS / f"{stamp:%Y%m%dT%H%M%S}.local.json"
    path.write_text(json.dumps({"time": stamp.isoformat(), **machine, "figures": figures}, indent=2) + "\n")
    print(f"kept in {path}")


if __name__ == "__main__":
    main()
