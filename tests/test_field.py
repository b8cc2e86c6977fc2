"""docs/field.md names a test for each lesson of the field: they exist, and no lesson is left out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TABLE = (ROOT / "docs" / "field.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLE.splitlines()
    if line.startswith("| ") and not line.startswith("| what went wrong")
]
NAMED_AFTER_ONE = re.compile(r"test_(pc|earth_search|torchgeo|stackstac|odc|fmask|brokenspoke|osmnx)_\d")


def named_in(path: Path) -> set[str]:
    """Names of the test functions of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def source_of(path: Path, name: str) -> str:
    """The test itself, with its name and its words."""
    text = path.read_text(encoding="utf-8")
    nodes = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name)
    return ast.get_source_segment(text, next(nodes)) or ""


def issues(text: str) -> set[tuple[str, str]]:
    """``a#1, #2`` as (a, 1) and (a, 2)."""
    return {
        (project, number)
        for project, numbers in re.findall(r"([\w-]+)((?:(?:,\s+)?#\d+)+)", text)
        for number in re.findall(r"#(\d+)", numbers)
    }


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_the_named_test_exists(row: list[str]):
    assert len(row) == 3
    path, _, name = row[2].strip("`").partition("::")
    assert name in named_in(ROOT / path)


@pytest.mark.parametrize("row", [row for row in ROWS if "#" in row[1]], ids=lambda row: row[0])
def test_the_named_test_tells_the_number_of_its_issue(row: list[str]):
    path, _, name = row[2].strip("`").partition("::")
    told = set(re.findall(r"\d+", source_of(ROOT / path, name)))
    assert {number for _, number in issues(row[1])} <= told


def test_every_test_named_after_an_issue_stands_in_the_table():
    named = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in named_in(path)
        if NAMED_AFTER_ONE.match(name)
    }
    listed = {tuple(row[2].strip("`").split("::")) for row in ROWS}
    assert named
    assert named <= listed


@pytest.mark.real
def test_every_issue_of_the_notes_has_its_line(shared_data: Path):
    notes = (shared_data.parent / "FIELD.md").read_text(encoding="utf-8")
    ours = notes.partition("## Radiometry and catalogues")[2].partition("## The number")[0]
    assert len(issues(ours)) > 25
    assert issues(ours) <= issues("\n".join(row[1] for row in ROWS))
