"""The Python on a page runs, block after block, or at least calls what there is, as it can be called."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import howgreen

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NEEDS_NETWORK = "# needs the network"
RUN_ELSEWHERE = {"models.md"}  # tests/test_cli_models.py


def blocks(page: Path) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


WITH_PYTHON = [page for page in PAGES if blocks(page) and page.name not in RUN_ELSEWHERE]
CALLS = [
    pytest.param(node.func.attr, node, id=f"{page.name}: {ast.unparse(node)}")
    for page in WITH_PYTHON
    for block in blocks(page)
    for node in ast.walk(ast.parse(block))
    if isinstance(node, ast.Call)
    and isinstance(node.func, ast.Attribute)
    and ast.unparse(node.func.value) == "howgreen"
]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_the_blocks_run_in_their_order(page: Path, tmp_path: Path, at_home: Path, sampleton: Path):
    program = "\n".join(block for block in blocks(page) if not block.startswith(NEEDS_NETWORK))
    # What a library means to retire some day (affine, by odc-geo) is nothing that a reader sees.
    command = [sys.executable, "-W", "error", "-W", "ignore::PendingDeprecationWarning", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [*tmp_path.glob("*/report.html")]  # each of these pages saves an answer


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_each_call_fits_the_function(name: str, call: ast.Call):
    assert name in howgreen.__all__
    arguments = {keyword.arg: None for keyword in call.keywords if keyword.arg}
    inspect.signature(getattr(howgreen, name)).bind(*call.args, **arguments)


def test_pages_have_python():
    assert {"README.md", "python.md", "start.md"} <= {page.name for page in WITH_PYTHON}
