"""Ask whether the tests notice when a line that matters is wrong: ``python -m benchmarks.mutate [--only WORD]``.

Each entry of ``mutants.toml`` names a file, the text in it, the wrong text to put there, and the tests that should fail then. One after
the other they are put into a copy of the tree, and the tests are run there, until the first that fails. A
mutant whose tests pass has survived: something that matters is guarded by nothing. Before that the same tests
must pass on the tree as it is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).parent / "mutants.toml"
COPIED = ("src", "tests", "docs", "pyproject.toml", "README.md", "CHANGELOG.md")
PASSED, FAILED = 0, 1
LONGEST_S = 600


@dataclass(frozen=True)
class Mutant:
    """One wrong line."""

    what: str
    file: str
    """Below ``src/howgreen``."""
    old: str
    """Stands in the file once."""
    new: str
    tests: str
    """Arguments of pytest, parted by blanks."""


def mutants(path: Path) -> list[Mutant]:
    return [Mutant(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]]


def copied(folder: Path) -> Path:
    """Make a copy of the tree that tests can run in, with the real data beside it where there is any."""
    tree = folder / "howgreen"
    tree.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, tree / name)
    data = ROOT.parent / "shared"
    if data.is_dir():
        (folder / "shared").symlink_to(data)
    return tree


def tested(tree: Path, tests: str) -> int:
    """The exit code of pytest in a tree."""
    # A compiled file of the right line could be taken for one of the wrong line: same second, same length.
    env = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests.split()]
    try:
        done = subprocess.run(
            command, cwd=tree, env=env, capture_output=True, text=True, check=False, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return FAILED  # a wrong line may well make a loop that never ends
    if done.returncode not in (PASSED, FAILED):
        print(done.stdout[-2000:], done.stderr[-2000:])
    return done.returncode


def fate(mutant: Mutant, tree: Path) -> str:
    """``killed``, ``survived``, or why that cannot be said."""
    path = tree / "src" / "howgreen" / mutant.file
    if not path.exists():
        return "no such file"
    right = path.read_text(encoding="utf-8")
    if right.count(mutant.old) != 1:
        return f"its text stands {right.count(mutant.old)} times in the file"
    path.write_text(right.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        code = tested(tree, mutant.tests)
    finally:
        path.write_text(right, encoding="utf-8")
    return {PASSED: "SURVIVED", FAILED: "killed"}.get(code, f"no test was run (pytest: {code})")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", type=Path, default=LIST, dest="path", help="another file of mutants")
    parser.add_argument("--only", default="", help="only those whose description holds this")
    asked = parser.parse_args()
    chosen = [one for one in mutants(asked.path) if asked.only in one.what]
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="howgreen-mutants-") as folder:
        tree = copied(Path(folder))
        for tests in dict.fromkeys(one.tests for one in chosen):
            if tested(tree, tests) != PASSED:
                print(f"they fail on the tree as it is: {tests}")
                return 1
        for number, one in enumerate(chosen, 1):
            found = fate(one, tree)
            wrong += found != "killed"
            print(f"{number:2d}  {found:9}  {one.what} ({one.file})", flush=True)
    print(f"{len(chosen) - wrong} of {len(chosen)} killed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
