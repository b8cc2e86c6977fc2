"""``make test`` installs no torch: a file of tests that needs it says so before it imports what does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOAD = """
import importlib.util, sys
from _pytest.outcomes import Skipped
sys.modules["torch"] = None  # as if it were not there
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("tests_alone", path)
    try:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    except Skipped:
        pass
    except ImportError as error:
        sys.exit(f"{path}: {error}")
"""


def test_every_file_loads_without_torch():
    files = sorted(str(path) for path in Path(__file__).parent.rglob("test_*.py"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, *files], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
