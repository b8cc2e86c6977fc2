"""Labels beside the map, and a report that leads with what people saw, as a user types them."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import Counter
from pathlib import Path

import geopandas as gpd
import pytest
from shapely import Point, box

from command_line import call
from howgreen.cli.estimate import _points
from howgreen.estimate.answers import Answer, write_answers
from howgreen.estimate.estimators import Estimate
from howgreen.estimate.sample import load


@pytest.fixture(scope="module")
def folder(sampleton: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample of Sampleton whose every place was read, by one who sees what the map sees and a little more."""
    folder = tmp_path_factory.mktemp("sampled") / "sample"
    assert call("sample", "Sampleton", "--store", sampleton, "--looks", 40, "--out", folder) == 0
    sample = load(folder / "sample.json")
    answers = []
    for unit in sample.units:
        asked = unit.asked.count("1")
        green = round(asked * min(unit.map_green + 0.04, 1.0)) if unit.map_land else 0
        dots = {"tree": green, "built" if unit.map_land else "water": asked - green}
        answers.append(
            Answer(unit=unit.unit, reader="ann", dots={k: n for k, n in dots.items() if n}, time="2026-11-27T10:00:00Z")
        )
    (folder / "answers-ann.csv").write_text(write_answers(answers, sample))
    return folder


def test_districts_of_ones_own_get_ten_looks_each(folder, sampleton, tmp_path, capsys):
    """Without another word; --half-width alone would have asked for fewer places than that."""
    drawn = load(folder / "sample.json").units
    (west, east), (south, north) = (
        (min(one) - 0.01, max(one) + 0.01) for one in zip(*((u.lon, u.lat) for u in drawn), strict=True)
    )
    steps = [west + (east - west) * i / 5 for i in range(6)]
    shapes = [box(a, south, b, north) for a, b in itertools.pairwise(steps)]
    file = tmp_path / "five.gpkg"
    gpd.GeoDataFrame({"name": [f"Part {i}" for i in range(5)]}, geometry=shapes, crs=4326).to_file(file, driver="GPKG")
    asked = ("sample", "Sampleton", "--store", sampleton, "--districts", file, "--out")
    assert call(*asked, tmp_path / "a", "--half-width", 10) == 0
    counts = Counter(unit.district for unit in load(tmp_path / "a" / "sample.json").units)
    assert min(counts.values()) >= 10
    assert set(counts) - {""} == {f"Part {i}" for i in range(5)}
    capsys.readouterr()
    assert call(*asked, tmp_path / "b", "--looks", 40) == 1
    assert "at least 10 each" in capsys.readouterr().err
    assert call(*asked, tmp_path / "c", "--design", "simple", "--looks", 40) == 0
    assert load(tmp_path / "c" / "sample.json").design == "simple"
    assert call(*asked, tmp_path / "e", "--by-district", "--design", "systematic") == 2
    assert "leave --design out" in capsys.readouterr().err


def test_the_report_leads_with_what_people_saw(folder, tmp_path, capsys):
    assert call("city", "--estimate", folder, "--out", tmp_path / "none") == 1
    assert "run `howgreen estimate" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    assert call("estimate", folder) == 0
    capsys.readouterr()
    assert call("city", "--estimate", folder, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "40 places read by one person, and the map" in said.partition("\n")[0]
    assert said.splitlines()[1].startswith("the map alone: ")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    kept = json.loads((folder / "estimate.json").read_text())
    assert summary["estimate"]["ratio"] == kept["headline"]["ratio"]
    assert (summary["estimate"]["looked"], summary["estimate"]["first_look"]) == (40, "2026-11-27")
    assert summary["estimate"]["sample_sha256"] == load(folder / "sample.json").sha256


def test_the_report_tells_what_was_passed_over_and_what_nobody_could_tell(folder, tmp_path, capsys):
    """Half of the dots unknown, and a page that says +-5 points without a word, would be a false number."""
    here = tmp_path / "sample"
    shutil.copytree(folder, here)
    (row, *rows) = (line.split(",") for line in (here / "answers-ann.csv").read_text().splitlines())
    unknown = row.index("unknown")
    for one in rows[::3]:
        one[unknown] = str(sum(map(int, one[4:unknown])))
        one[4:unknown] = ["0"] * (unknown - 4)
    for one in rows:
        one[3] = "28.11.2026 10:00"  # as a spreadsheet writes it
    del rows[10:12]
    (here / "answers-ann.csv").write_text("\n".join(",".join(one) for one in [row, *rows]))
    assert call("estimate", here) == 0
    bounds = json.loads((here / "estimate.json").read_text())["bounds"]
    assert call("city", "--estimate", here, "--out", tmp_path / "out") == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    passed_over, untold = (one["text"] for one in summary["warnings"] if one["code"] == "looks-incomplete")
    assert passed_over.startswith("2 of the first 40 places were passed over")
    assert f"between {100 * bounds['low']:.0f} and {100 * bounds['high']:.0f} %" in untold
    assert summary["estimate"]["first_look"] == ""  # and not a day that is none
    assert "looks-incomplete" in capsys.readouterr().err


def test_no_more_than_all_of_a_city_is_green():
    """A map that knows less green than there is can lift an estimate a little beyond 1."""
    beyond = Estimate(ratio=1.0013, se=0.03, df=20, low=0.934, high=1.0, level=0.95, n=100, method="")
    assert _points(beyond) == "100.0 % (95% interval 93.4-100.0 %)"


def test_a_sample_of_another_map_is_refused_before_the_work(folder, sampleton, tmp_path, capsys):
    call("estimate", folder)
    capsys.readouterr()
    asked = ("city", "Sampleton", "--store", sampleton, "--model", "ndvi", "--estimate", folder)
    assert call(*asked, "--out", tmp_path / "out") == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "was drawn by another map" in error
    assert "plan.json" in error
    assert not (tmp_path / "out").exists()


def test_labels_are_judged_by_a_reports_map(folder, tmp_path, capsys):
    assert call("city", "--plan", folder / "plan.json", "--out", tmp_path / "out") == 0
    units = load(folder / "sample.json").units
    labels = tmp_path / "labels.gpkg"
    points = [Point(unit.lon, unit.lat) for unit in units]
    classes = ["river" if not unit.map_land else "wood" if unit.map_green >= 0.5 else "sealed" for unit in units]
    gpd.GeoDataFrame({"kind": classes}, geometry=points, crs=4326).to_file(labels, driver="GPKG")
    capsys.readouterr()
    assert call("judge", tmp_path / "out", "--labels", labels, "--column", "kind", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["labels"], found["overall"]["value"], found["overall"]["low"]) == (40, 1.0, None)
    assert found["notes"] == []
    assert found["counts"]["water"]["water"] == classes.count("river") > 0
    assert call("judge", tmp_path / "out", "--labels", labels, "--column", "kind", "--probability") == 0
    assert "a probability sample: the 95 % intervals hold for the whole place" in capsys.readouterr().out
    assert call("judge", tmp_path / "out", "--labels", labels, "--column", "kind") == 0
    assert "not a probability sample" in capsys.readouterr().out
    assert call("judge", tmp_path / "out", "--labels", labels) == 1
    assert "no column 'class'" in capsys.readouterr().err
