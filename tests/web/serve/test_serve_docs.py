"""The page about the interface: its lines run as they are, in their order."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from serving import listening

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_lines_of_the_page_run_as_they_are(answered, tmp_path):
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("needs bash and curl")
    lines = "\n".join(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    assert lines.count("curl ") > 12
    with listening(answered.rig.app) as url:
        script = lines.replace("http://127.0.0.1:8000", url)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    assert json.loads((tmp_path / "results.json").read_text())["summary"]["green_ratio"] == pytest.approx(
        0.594, abs=0.01
    )
    assert (tmp_path / "tile.png").read_bytes().startswith(b"\x89PNG")
    assert len(json.loads((tmp_path / "items.json").read_text())["features"]) == 1
    assert "event: status" in done.stdout
    assert '"green_ratio"' in done.stdout


def test_every_status_of_the_page_is_one_that_the_interface_knows(answered):
    told = {
        int(code)
        for row in re.findall(r"^\| ([\d, ]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
        for code in row.split(", ")
    }
    known = {
        int(code)
        for item in answered.rig.app.openapi()["paths"].values()
        for one in item.values()
        for code in one["responses"]
    }
    assert told <= known
