"""What the project says of itself keeps its form: citation, changelog, the width of lines."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import wrap
import yaml

import howgreen

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "docs" / "commands").glob("*.md"),
]
WRITTEN_BY_PROGRAM = {"benchmark.md", "contest.md"}


def test_the_citation_has_what_its_format_asks_for_and_names_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["cff-version"] == "1.2.0"
    assert str(cited["version"]) == howgreen.__version__
    assert cited["license"] == "Apache-2.0"


def test_the_changelog_keeps_its_form():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)", text, re.MULTILINE)[0] == "[Unreleased]"
    kinds = re.findall(r"^### (.+)", text, re.MULTILINE)
    assert kinds
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert all(re.fullmatch(r"\[[^]]+\]( - \d{4}-\d\d-\d\d)?", title) for title in re.findall(r"^## (.+)", text, re.M))


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in WRITTEN_BY_PROGRAM], ids=lambda p: p.name)
def test_lines_are_at_most_120_characters(page: Path):
    """Of prose: tables, pictures and command lines cannot be broken."""
    in_code, long = False, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        in_code ^= line.lstrip().startswith("```")
        if len(line) > 120 and not in_code and not line.startswith(("|", "!", "    ")):
            long.append(f"{number}: {len(line)}")
    assert long == [], "make format wraps them"


def test_every_extra_for_users_is_on_the_start_page():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    start = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
    assert [extra for extra in project["optional-dependencies"] if f"| `howgreen[{extra}]` |" not in start] == [
        "docs",
        "dev",
    ]


def test_every_exception_from_a_rule_says_why():
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("src", "tests", "benchmarks", "docs")
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "# noqa" in line
        and path != Path(__file__)
        and not re.search(r"# noqa: [A-Z]+\d+(, ?[A-Z]+\d+)* \(.+\)", line)
    ]
    assert bare == []


def test_only_paragraphs_with_a_long_line_are_wrapped():
    long = " ".join(["word"] * 40)
    text = f"# {long}\n\nshort\nlines\n\n- {long}\n- next\n\n> {long}\n> {long}\n\n```text\n{long}\n```\n\n| {long} |\n"
    found = wrap.wrap(text)
    assert wrap.wrap(found) == found
    assert found.count("word") == text.count("word")
    assert found.startswith(f"# {long}\n\nshort\nlines\n\n- word")
    assert f"```text\n{long}\n```\n\n| {long} |\n" in found
    wrapped = found.split("\n\n")[2].splitlines() + found.split("\n\n")[3].splitlines()
    assert max(map(len, wrapped)) <= wrap.LONGEST
    assert all(line.startswith(("- ", "  ")) for line in found.split("\n\n")[2].splitlines())
    assert all(line.startswith("> ") for line in found.split("\n\n")[3].splitlines())
