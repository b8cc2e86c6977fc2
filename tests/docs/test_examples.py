"""Each command line on a page or in the README is one that the program understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import commands
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")),
         *sorted((ROOT / "docs" / "commands").glob("*.md"))]  # fmt: skip
BLOCK = re.compile(r"^ *```(console|powershell|sh)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"(?:^|\s|/|\\)howgreen(?=\s)")


def lines_of(page: Path) -> list[str]:
    """The command lines of a page that start howgreen, with lines that end in a backslash joined."""
    found = []
    for _, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            bare = line.strip().removeprefix("$ ")
            if (
                PROGRAM.search(f" {bare}")
                and not bare.startswith(("#", "pip ", "pipx ", "podman build "))
                and "/pip " not in bare
            ):
                found.append(bare)
    return found


EXAMPLES = [(page, line) for page in PAGES for line in lines_of(page)]


def understood(line: str) -> None:
    """Let click parse the line: an unknown command or option, or a value it refuses, is an error; files need not be there."""
    words = shlex.split(line.replace("\\", "/"), comments=True)
    start = next(i for i, word in enumerate(words) if word == "howgreen" or word.endswith("/howgreen"))
    words = words[start + 1 :]
    command: click.Command = commands.program
    context = click.Context(command, info_name="howgreen")
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        assert command is not None
        context = click.Context(command, info_name=name, parent=context)
    values, left, _ = command.make_parser(context).parse_args(args=list(words))
    assert not left, f"{left} is too much"
    for parameter in command.params:
        if isinstance(parameter.type, click.Choice) and values.get(parameter.name):
            parameter.type_cast_value(context, values[parameter.name])
        assert not parameter.required or values.get(parameter.name), f"{parameter.name} is missing"


@pytest.mark.parametrize(("page", "line"), EXAMPLES, ids=[f"{page.name}: {line}" for page, line in EXAMPLES])
def test_the_program_understands_the_line(page: Path, line: str):
    understood(line)


def test_pages_have_such_lines():
    assert {"README.md", "start.md", "city.md", "sensors.md"} <= {page.name for page, _ in EXAMPLES}


@pytest.mark.parametrize(
    "line",
    ["howgreen city Lyon --periode 2024", "howgreen citty Lyon", "howgreen layers Lyon --layer corinne",
     "howgreen city Lyon Paris", "howgreen train --out a.onnx"],
)  # fmt: skip
def test_a_line_that_it_does_not_understand_is_found(line: str):
    with pytest.raises((click.UsageError, AssertionError)):
        understood(line)


LEAVES = {path: command for path, command in commands.walk().items() if not isinstance(command, click.Group)}


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_the_help_of_every_command_ends_with_examples_that_it_understands(path: tuple[str, ...]):
    lines = re.sub(r"\\\n\s*", "", LEAVES[path].epilog or "").splitlines()[2:]
    assert any(f"{line.strip()} ".startswith(f"howgreen {' '.join(path)} ") for line in lines)
    for line in lines:
        understood(line.strip())


@pytest.mark.parametrize("path", commands.walk(), ids=" ".join)
def test_the_list_of_commands_says_whole_sentences(path: tuple[str, ...]):
    """In a terminal of 80 columns, click cuts what is longer."""
    said = commands.walk()[path].get_short_help_str(limit=80 - 6 - len("predict-table"))
    assert said.endswith((".", "?"))
    assert not said.endswith("..")
