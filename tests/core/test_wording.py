"""Errors in the words of whoever reads them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from howgreen.core import wording
from howgreen.core.errors import AreaError, NetworkError
from howgreen.core.warnings import Caution, HowgreenWarning

SRC = Path(__file__).resolve().parents[2] / "src" / "howgreen"


@pytest.fixture
def in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "_readers", ["python"])


@pytest.mark.parametrize(
    ("shell", "python"),
    [
        ("take one with --pick N, or all with --pick all:", "take one with pick=N, or all with pick='all':"),
        ("a boundary with --area FILE", "a boundary with the Path of a boundary file"),
        ("try again later, or use another --catalog", "try again later, or use another catalogue: images=Catalogs(name)"),
        ("--catalog earth-search needs the network", "Catalogs('earth-search') needs the network"),
        ("likely --scale 0.0001 --offset -0.1; check", "likely scale=0.0001 offset=-0.1; check"),
        ("likely Landsat's: --sensor landsat, or --scale 1e-4", "likely Landsat's: sensor='landsat', or scale=1e-4"),
        ("choose a shorter --period", "choose a shorter period"),
        ("Try --period 2023-05-01/2023-09-30 (x)", "Try period='2023-05-01/2023-09-30' (x)"),
        ("leave --offline out, or use a --store", "leave Network(offline=True) out, or use a store"),
        ("names look wrong, give --name-column", "names look wrong, give name_column"),
        ("first `howgreen store add x --city NAME`", "first `howgreen store add x --city NAME`"),
        ("put it there: howgreen store add a.tif --city NAME", "put it there: howgreen store add a.tif --city NAME"),
        ("howgreen reads none there; use another --catalog", "howgreen reads none there; use another catalogue: images=Catalogs(name)"),
        ("nothing to say - or -- little", "nothing to say - or -- little"),
    ],
)  # fmt: skip
def test_python_names_arguments_where_a_shell_names_options(shell: str, python: str):
    assert wording.in_python(shell) == python
    assert wording.in_python(python) == python


@pytest.mark.usefixtures("in_python")
def test_errors_and_warnings_are_said_as_they_are_read():
    error = AreaError("two; take one with --pick N")
    assert str(error) == "two; take one with pick=N"
    assert str(NetworkError(f"x: {error}")) == "x: two; take one with pick=N"
    warning = HowgreenWarning(Caution("limits-are-image", "give them with --area FILE"))
    assert "--" not in str(warning)
    with wording.for_a_shell():
        assert str(error) == "two; take one with --pick N"
    assert "--" not in str(error)


def test_no_message_of_the_library_keeps_an_option_in_python():
    """Each text with an option in it, outside of the commands that teach a shell."""
    option = re.compile(r"(?<![-\w])--[a-z]")
    left = []
    for path in SRC.rglob("*.py"):
        if {"cli", "training", "web"} & set(path.relative_to(SRC).parts) or path.name in {"wording.py", "_explore.py"}:
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            if option.search(line) and not line.strip().startswith(("#", '"""')):
                said = wording.in_python(line)
                for command in re.findall(
                    r"`[^`]*`?|\bhowgreen (?:city|layers|models|plan|sample|store) .*|[^`]*`, ", said
                ):
                    said = said.replace(command, "")
                left += [f"{path.name}: {said.strip()}"] if option.search(said) else []
    assert left == []


MISTAKES = """
import datetime, warnings
from pathlib import Path
import howgreen, shapely
warnings.simplefilter("ignore")
offline = howgreen.Network(offline=True)
box = shapely.box(11.30, 46.48, 11.32, 46.50)
mistakes = [
    lambda: howgreen.plan("Zzyzx", network=offline),
    lambda: howgreen.plan("limits.geojson"),
    lambda: howgreen.plan((45.76, 4.84)),
    lambda: howgreen.plan((11.3, 46.4, 11.4, 46.5)),
    lambda: howgreen.plan(["Lyon", "Paris"]),
    lambda: howgreen.plan(120965),
    lambda: howgreen.plan("Sampleton", network=False),
    lambda: howgreen.plan("Sampleton", images="shelf"),
    lambda: howgreen.plan("Sampleton", sensor="sentinel2"),
    lambda: howgreen.plan("Sampleton", model=3),
    lambda: howgreen.plan("Sampleton", model="mixture10"),
    lambda: howgreen.plan("Sampleton", period="summer"),
    lambda: howgreen.plan("Sampleton", period=20.5),
    lambda: howgreen.plan(box, images=howgreen.Catalogs("earth-search"), network=offline),
    lambda: howgreen.run("Sampleton"),
    lambda: howgreen.Store("shelf").add("x.tif"),
    lambda: howgreen.Store("shelf").add("x.tif", city="Here"),
    lambda: howgreen.place_from_point(145.76, 4.84, radius_m=1000),
]
for mistake in mistakes:
    try:
        mistake()
    except howgreen.HowgreenError as error:
        print(str(error).replace("\\n", " / "))
    else:
        raise SystemExit("no error")
"""


def test_natural_mistakes_in_python_are_one_line_that_helps(at_home: Path, sampleton: Path, tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", MISTAKES], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == MISTAKES.count("    lambda:")
    assert not [line for line in lines if re.search(r"(?<![`\w])--[a-z]", re.sub(r"`[^`]*`", "", line))]
    for words in ("Path('limits.geojson')", '"45.76, 4.84"', "shapely.box(", "one place at a time", '"R120965"', "offline=True",
                  "howgreen.Store(folder)", "did you mean 'sentinel-2'", "did you mean mixture-10", "howgreen.plan(...)",
                  "Store('shelf').add('x.tif', city='NAME')", "x.tif", "4.84, 145.76"):  # fmt: skip
        assert words in done.stdout, words
    assert not (tmp_path / "shelf").exists()


def test_periods_are_what_people_hold_in_their_hands():
    import datetime

    import numpy as np
    import pandas as pd

    from howgreen.pipeline.planning import period_text

    day = datetime.date(2024, 6, 1)
    assert period_text(2023) == period_text(2023.0) == period_text(np.int64(2023)) == "2023"
    assert (
        period_text(day) == period_text(pd.Timestamp(day)) == period_text(np.datetime64("2024-06-01")) == "2024-06-01"
    )
    assert period_text(datetime.datetime(2024, 6, 1, 10)) == "2024-06-01"  # noqa: DTZ001 (as people write it)
    assert period_text((day, "2024-09")) == period_text([day, "2024-09"]) == "2024-06-01/2024-09"
