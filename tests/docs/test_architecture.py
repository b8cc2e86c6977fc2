"""ARCHITECTURE.md is true of the tree: its floors, its rooms, its modules; and the house can be held in the head."""

from __future__ import annotations

import ast
import graphlib
import re
from pathlib import Path

import modules
import pytest

HOUSE = modules.HOUSE
TEXT = modules.PAGE.read_text(encoding="utf-8")
FILES = frozenset(HOUSE.rglob("*.py"))
ANNEXES = {"sample", "training"}
MOST_ARROWS = 70
"""Between two rooms that are no annexes, the front door (``howgreen/__init__``) counted as one."""


def imported(path: Path, *, at_run_time: bool = False) -> set[Path]:
    """Files of the house that a file imports, at its top or later; at run time not those whose names only stand in its types."""
    package = path.relative_to(HOUSE.parent).parent.parts
    found: set[Path] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in (one for one in ast.walk(tree) if id(one) not in for_types or not at_run_time):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = (*base, *(node.module or "").split(".")) if node.module else base
            names = [(*start, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        for name in names:
            if name[0] == HOUSE.name and (file := _file(name)) is not None:
                found.add(file)
    return found - {path}


def _file(name: tuple[str, ...]) -> Path | None:
    """The file that a dotted name stands for: a module, or the one that defines the name."""
    for parts in (name, name[:-1]):
        path = HOUSE.parent.joinpath(*parts)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file in FILES:
                return file
    return None


@pytest.fixture(scope="module")
def imports() -> dict[Path, set[Path]]:
    return {path: imported(path) for path in FILES}


def room(path: Path) -> str:
    parts = path.relative_to(HOUSE).parts
    return parts[0] if len(parts) > 1 else HOUSE.name


def test_every_module_is_listed_with_what_it_says_of_itself():
    assert modules.page(TEXT) == TEXT, "make format"
    assert all(modules.sentence(path) for name in modules.ROOMS for path in modules.modules(name))


def test_every_room_stands_on_a_floor_and_in_the_list():
    rooms = {path.name for path in HOUSE.iterdir() if (path / "__init__.py").is_file()}
    assert set(modules.ROOMS) == rooms
    floors = TEXT.partition("```text\n")[2].partition("```")[0]
    assert {name for name in rooms if f"{name}/" not in floors} == set()
    assert all(modules.sentence(HOUSE / name / "__init__.py") for name in rooms)


def test_what_a_newcomer_is_told_to_open_is_there():
    rows = re.findall(r"^\| `([\w/]+)` \| [^|]+ \| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert len(rows) > 15
    for folder, names in rows:
        for name in re.findall(r"`(\w+)`", names):
            assert (HOUSE / folder / f"{name}.py").is_file(), f"{folder}/{name}"
    rules = TEXT.partition("| the rule |")[2].partition("\n\n")[0]
    for name in re.findall(r"`([\w/.]+)`", rules):
        assert any((HOUSE / f"{name}{ending}").is_file() for ending in ("", ".py")), name


def test_rooms_know_few_others(imports: dict[Path, set[Path]]):
    arrows = {(room(path), room(other)) for path, others in imports.items() for other in others}
    between = {(one, other) for one, other in arrows if one != other and not ANNEXES & {one, other}}
    # Where a module takes the version from the front door, that is no arrow.
    between = {(one, other) for one, other in between if other != HOUSE.name}
    assert len(between) <= MOST_ARROWS, sorted(between)


def test_no_module_leads_back_to_itself():
    imports = {path: imported(path, at_run_time=True) for path in FILES}
    inside = {path: {other for other in others if other.name != "__init__.py"} for path, others in imports.items()}
    graphlib.TopologicalSorter(inside).prepare()
