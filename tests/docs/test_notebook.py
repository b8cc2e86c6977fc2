"""A notebook, run as its reader runs it: by a kernel, cell after cell."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = (
    "import howgreen, shapely\nresult = howgreen.city('Sampleton', period=2024)\nresult",
    "result.stats",
    "west, south, east, north = result.plan.city.boundary.bounds\n"  # noqa: ISC004 (lines of one cell)
    "middle = shapely.box(*(shapely.Point((west + east) / 2, (south + north) / 2).buffer(0.005).bounds))\n"
    "howgreen.plan(middle, store=result.plan.source, period=(2024, 2024))",
    "howgreen.plan(result.zones.iloc[1:2][['name', 'geometry']], store=result.plan.source)",
    "try:\n    howgreen.plan('Sampleton', sensor='sentinel2')\nexcept howgreen.HowgreenError as error:\n    print(error)",
    "howgreen.plan('Sampleton', progress=lambda *step: None);",
)


@pytest.fixture(scope="module")
def ran(home: Path, sampleton: Path, tmp_path_factory: pytest.TempPathFactory) -> list[nbformat.NotebookNode]:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    with pytest.MonkeyPatch.context() as patched:
        for name in ("CACHE", "DATA", "CONFIG"):
            patched.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
        patched.setenv("JUPYTER_PLATFORM_DIRS", "1")
        patched.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        client = NotebookClient(
            book, timeout=180, resources={"metadata": {"path": str(tmp_path_factory.mktemp("book"))}}
        )
        client.execute()
    return book.cells


def shown(cell: nbformat.NotebookNode, kind: str) -> str:
    return "\n".join(
        "".join(output.get("data", {}).get(kind, output.get("text", "") if kind == "text/plain" else ""))
        for output in cell.outputs
    )


def test_bars_are_shown_and_end_full(ran: list[nbformat.NotebookNode]):
    bars = shown(ran[0], "text/html")
    assert "<progress" in bars
    assert "composite and land cover: " in bars
    done, total = bars.partition("composite and land cover: ")[2].partition("<")[0].split(" of ")
    assert done == total
    assert "<progress" not in shown(ran[5], "text/html")


def test_values_show_themselves(ran: list[nbformat.NotebookNode]):
    assert "How green is Sampleton" in shown(ran[0], "text/html")
    assert "Green ratio" in shown(ran[1], "text/html")


def test_shapes_and_frames_are_places(ran: list[nbformat.NotebookNode]):
    assert "Plan for " in shown(ran[2], "text/html")
    assert "Plan for " in shown(ran[3], "text/html")


def test_errors_speak_python(ran: list[nbformat.NotebookNode]):
    text = "".join(output.get("text", "") for output in ran[4].outputs)
    assert "did you mean 'sentinel-2'?" in text
    assert "--" not in text
