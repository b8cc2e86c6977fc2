"""The wrong lines of ``benchmarks/mutants.toml`` can all be made: whoever changes a line that matters takes its mutant along."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_each_wrong_line_replaces_one_that_is_there_and_its_tests_are_there():
    listed = tomllib.loads((ROOT / "benchmarks" / "mutants.toml").read_text(encoding="utf-8"))["mutant"]
    assert len({one["what"] for one in listed}) == len(listed)
    for one in listed:
        text = (ROOT / "src" / "howgreen" / one["file"]).read_text(encoding="utf-8")
        assert text.count(one["old"]) == 1, one["what"]
        assert one["new"] not in {"", one["old"]}, one["what"]
        tests = [word for word in one["tests"].split() if word.startswith("tests/")]
        assert tests, one["what"]
        assert all((ROOT / path).exists() for path in tests), one["what"]
