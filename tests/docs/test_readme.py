"""Each block of the README that needs no network runs, in order, from an empty folder, and prints what the README says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
NEEDS_NETWORK = ("Lyon, France", "45.76, 4.84")
RUN_BY_CI = ("make demo", "make test")


def shell_lines() -> list[str]:
    """The commands of all shell blocks in their order, comments taken off."""
    text = "".join(block for kind, block in BLOCKS if kind == "sh")
    return [line.partition("  #")[0].strip() for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()]


def offline_lines() -> list[str]:
    """Those that this test can run."""
    return [line for line in shell_lines() if line not in RUN_BY_CI and not any(word in line for word in NEEDS_NETWORK)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder but for the two files that the README's reader has: an image, and a city's boundary."""
    here = tmp_path_factory.mktemp("reader")
    bands = [
        np.full((60, 60), number, "uint16") for number in (350, 700, 300, 4500, 4)
    ]  # a meadow, and SCL's vegetation
    profile = {"driver": "GTiff", "width": 60, "height": 60, "count": 5, "dtype": "uint16", "crs": "EPSG:32632"}
    with rasterio.open(here / "image.tif", "w", **profile, transform=Affine(10, 0, 680_000, 0, -10, 5_152_000)) as file:
        file.write(np.stack(bands))
    box = rasterio.warp.transform_bounds("EPSG:32632", "EPSG:4326", 680_100, 5_151_500, 680_500, 5_151_900)
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    (here / "limits.geojson").write_text(str(shape).replace("'", '"'), encoding="utf-8")
    return here


PROGRAM = os.environ.get("HOWGREEN_PROGRAM")
"""An installed ``howgreen`` to run instead of this checkout's: ``make wheel`` names that of an environment with nothing else in it."""
KEPT = ("PATH", "HOME", "LANG", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")


@pytest.fixture
def run(folder: Path, at_home: Path, sampleton: Path):
    """Run a command line of the README with the program under test, in a shell that has set nothing."""

    def go(line: str) -> str:
        words = shlex.split(line)
        assert words[0].removeprefix(".venv/bin/") == "howgreen"
        command = [PROGRAM, *words[1:]] if PROGRAM else [sys.executable, "-m", "howgreen.cli", *words[1:]]
        env = {name: os.environ[name] for name in (*KEPT, *(() if PROGRAM else ("PYTHONPATH",))) if name in os.environ}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        return done.stdout

    return go


def test_the_two_commands_are_the_first_two_and_are_targets_of_make():
    assert shell_lines()[:2] == list(RUN_BY_CI)
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "\ndemo: $(VENV)/.run\n\t$(BIN)/howgreen city Sampleton\n" in targets
    assert "\ntest: $(VENV)/.dev\n" in targets


def test_the_command_after_them_works_in_the_readers_shell():
    """A new shell knows no ``howgreen``: the path that make has just made is written out, and CI runs the line so."""
    following = offline_lines()[0]
    assert following.startswith(".venv/bin/howgreen ")
    assert f"\nmake demo\n{following} " in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_make_demo_prints_what_the_readme_shows(run, folder: Path):
    (shown,) = (block for kind, block in BLOCKS if kind == "text")
    printed = "\n".join(line for line in run("howgreen city Sampleton").splitlines() if not line.startswith("note: "))
    assert re.sub(r"\d+", "#", printed) == re.sub(r"\d+", "#", shown.strip())
    figures = zip(re.findall(r"\d+", printed), re.findall(r"\d+", shown), strict=True)
    assert all(abs(int(ours) - int(theirs)) <= 1 for ours, theirs in figures), (
        printed
    )  # the last digit may round otherwise
    assert (folder / "sampleton" / "report.html").exists()


def test_every_offline_line_runs(run, folder: Path):
    lines = offline_lines()
    assert len(lines) >= 5
    printed = [run(line) for line in lines]
    assert (folder / "sampleton-summer" / "report.html").exists()
    assert "100% green" in printed[-1] or "9" in printed[-1].partition("% green")[0]  # the meadow


@pytest.mark.parametrize("address", re.findall(r"\]\((?!http)([^)#]+)", README))
def test_links_lead_to_files(address: str):
    assert (ROOT / address).exists()
