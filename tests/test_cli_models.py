"""Models that other people made, from ``models add`` to the answer about a city."""

from __future__ import annotations

import csv
import hashlib
import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

import onnx_models as theirs
from command_line import call
from faults import Faults
from howgreen import landcover, place
from howgreen.core import sensors
from howgreen.core.stac import Header
from howgreen.store import put_place, put_scene

BANDS = ("blue", "green", "red", "nir")
CLASSES = (
    ("forest", True),
    ("cropland", True),
    ("lawn, mown", True),
    ("roof", False),
    ("road", False),
    ("bare", False),
)
ALL = (*CLASSES, ("Water", False))
MOMENT = datetime(2024, 6, 1, 10, tzinfo=UTC)
SENSORS = {"sentinel-2": (10, 1e-4, 0.0), "landsat": (30, 0.0000275, -0.2)}


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def scene(root: Path, sensor: str) -> tuple[np.ndarray, GeoBox]:
    """A store with one clear scene in which every pixel is another; its reflectance (band, y, x) and grid."""
    metres, scale, offset = SENSORS[sensor]
    grid = GeoBox((60, 70), Affine(metres, 0, 680_010, 0, -metres, 5_150_010), "EPSG:32632")
    shares = np.random.default_rng(7).uniform(0.01, 0.6, (len(BANDS), *grid.shape))
    counts = np.round((shares - offset) / scale).astype(np.uint16)
    rasters = {band: (counts[number], grid) for number, band in enumerate(BANDS)}
    known = sensors.SENSORS[
        sensor
    ]  # numbers drawn at random look like clouds to a detector: the image says that it is clear
    rasters[known.mask] = (np.full(grid.shape, 21824 if sensor == "landsat" else 4, np.uint16), grid)
    put_scene(
        root,
        Header(id="s1", sensor=known, time=MOMENT, scale=scale, offset=offset, nodata=0),
        rasters,
    )
    area = grid.extent.to_crs("EPSG:4326").geom.buffer(-0.000005 * metres)
    put_place(root, place.from_shape(area, name="Small"))
    return counts * scale + offset, grid


def on_map(file: Path, values: np.ndarray, grid: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """A map of the report, and the scene's values on its grid."""
    with rasterio.open(file) as opened:
        found, transform = opened.read(1, masked=True), opened.transform
    column, row = (round(place) for place in ~grid.affine @ (transform.c, transform.f))
    return found, values[:, row : row + found.shape[0], column : column + found.shape[1]]


CASES = {
    "other classes, no water, bands backwards": ("sentinel-2", CLASSES, {}, 1, ("nir", "red", "green", "blue")),
    "few bands, odd tiles": ("sentinel-2", ALL, {"tile_px": 23, "stride_px": 23}, 1, ("nir", "blue")),
    "one tile of fixed size": ("sentinel-2", ALL, {"axes": (16, 16), "count": 1}, 1, ("red", "nir")),
    "neighbours": ("sentinel-2", ALL, {"tile_px": 30, "halo_px": 3, "stride_px": 24}, 5, ("red", "nir", "blue")),
    "neighbours, fixed size": (
        "sentinel-2", ALL, {"tile_px": 32, "halo_px": 2, "stride_px": 24, "axes": (32, 32), "count": 1}, 5, ("nir", "red"),
    ),
    "made for 20 m": ("sentinel-2", ALL, {"resolution_m": 20}, 1, ("red", "nir")),
    "made for 30 m": ("landsat", ALL, {"resolution_m": 30}, 1, ("nir", "red", "green")),
    "an old file": ("sentinel-2", (("grey", False), ("green", True)), {}, 1, ("red", "nir")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_model_made_elsewhere_answers_about_a_city_as_plain_sums_do(case, tmp_path, capsys):
    sensor, classes, changes, size, bands = CASES[case]
    values, grid = scene(tmp_path / "store", sensor)
    weight = theirs.linear(tmp_path / "m.onnx", bands, classes, size=size, **changes)
    assert call("models", "add", tmp_path / "m.onnx", "--name", "elsewhere") == 0
    (tmp_path / "m.onnx").unlink()
    capsys.readouterr()
    options = ["--store", tmp_path / "store", "--sensor", sensor, "--model", "elsewhere", "--out", tmp_path / "out"]
    assert call("city", "Small", *options, "--json") == 0
    summary = json.loads(capsys.readouterr().out)

    there = [BANDS.index(band) for band in bands]
    found, pixels = on_map(tmp_path / "out" / "green_fraction.tif", values, grid)
    wanted = theirs.expected(weight, pixels[there])
    green = wanted[[code for code, (_, is_green) in enumerate(classes) if is_green]].sum(axis=0)
    water = [code for code, (name, _) in enumerate(classes) if name == "Water"]
    # Composites are kept in steps of 0.0001 of reflectance, half of which is 0.00005: sharp classes make that larger.
    assert found.count() > 2000
    np.testing.assert_allclose(found.compressed(), green[~found.mask], atol=0.01)
    labels, _ = on_map(tmp_path / "out" / "landcover.tif", values, grid)
    assert (labels.compressed() == wanted.argmax(axis=0)[~labels.mask]).mean() > 0.995

    land = ~np.isin(wanted.argmax(axis=0), water)
    assert summary["green_ratio"] == pytest.approx(green[land].mean(), abs=0.02)
    assert summary["model"]["name"] == "elsewhere"
    assert [cls["name"] for cls in summary["model"]["classes"]] == [name for name, _ in classes]
    assert set(summary["area_by_class_m2"]) == {name for name, _ in classes}
    assert summary["interval"] is None
    notes = " ".join(one["text"] for one in summary["warnings"])
    assert ("no class water" in notes) == (not water)
    assert ("made for pixels of 20 m and is used on 10 m" in notes) == (case == "made for 20 m")
    assert "made for pixels of 30 m" not in notes
    page = (tmp_path / "out" / "report.html").read_text()
    assert all(name in page for name, _ in classes)


@pytest.mark.parametrize("axes", [{}, {"axes": (16, 16), "count": 1}])
def test_the_same_model_answers_rows_of_a_table(axes, tmp_path):
    bands = ("nir", "red", "green")
    weight = theirs.linear(tmp_path / "m.onnx", bands, ALL, **axes)
    assert call("models", "add", tmp_path / "m.onnx") == 0
    values = np.random.default_rng(3).uniform(0, 0.6, (3, 700)).round(6)  # two tiles and a part of one
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["B03", "id", "red", "B08"])
        rows.writerows([green, number, red, nir] for number, (nir, red, green) in enumerate(values.T))
    assert call("predict-table", "rows.csv", "--out", "out.csv", "--model", "theirs") == 0
    wanted = theirs.expected(weight, values[:, :, None])[:, :, 0]
    found = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert len(found) == 700
    for code, (name, _) in enumerate(ALL):
        given = [float(row[f"probability_{name.replace(' ', '_')}"]) for row in found]
        np.testing.assert_allclose(given, wanted[code], atol=1e-5)
    assert [row["label"] for row in found] == [ALL[code][0] for code in wanted.argmax(axis=0)]


def test_rows_have_no_neighbours(tmp_path, capsys):
    theirs.linear(tmp_path / "m.onnx", ("red", "nir"), size=3, halo_px=1, stride_px=14)
    assert call("models", "add", tmp_path / "m.onnx") == 0
    Path("rows.csv").write_text("red,nir\n0.1,0.4\n")
    assert call("predict-table", "rows.csv", "--out", "out.csv", "--model", "theirs") == 1
    assert "looks at neighbouring pixels" in capsys.readouterr().err


def test_a_plan_keeps_name_and_checksum_and_tells_a_missing_or_changed_model(tmp_path, capsys):
    scene(tmp_path / "store", "sentinel-2")
    theirs.linear(tmp_path / "m.onnx", ("red", "nir"))
    sha256 = hashlib.sha256(Path("m.onnx").read_bytes()).hexdigest()
    assert call("models", "add", "m.onnx", "--sha256", sha256) == 0
    assert call("plan", "Small", "--store", "store", "--model", "theirs", "--out", "plan.json") == 0
    plan = json.loads(Path("plan.json").read_text())
    assert (plan["model"], plan["model_sha256"]) == ("theirs", sha256)
    assert any("no class water" in one["text"] for one in plan["warnings"])

    assert call("models", "remove", "theirs") == 0
    capsys.readouterr()
    assert call("city", "--plan", "plan.json", "--out", "out") == 1
    _one_line(capsys, "model theirs: is not here", sha256[:12])
    theirs.linear(tmp_path / "changed.onnx", ("red", "nir"), version="4")
    assert call("models", "add", "changed.onnx") == 0
    capsys.readouterr()
    assert call("city", "--plan", "plan.json", "--out", "out") == 1
    _one_line(capsys, "its file is not the one that the plan was made with", sha256[:12])
    assert not Path("out").exists()
    assert call("models", "add", "m.onnx", "--replace") == 0
    assert call("city", "--plan", "plan.json", "--out", "out") == 0


def test_a_network_that_answers_no_number_in_the_field_is_one_line(tmp_path, capsys):
    """NDVI without a guard: fine on the trial's pixels, 0/0 where two bands are dark."""
    node, onnx = theirs.helper.make_node, theirs.onnx
    nodes = [
        node("Split", ["reflectance"], ["red", "nir"], axis=1),
        node("Sub", ["nir", "red"], ["difference"]),
        node("Add", ["nir", "red"], ["sum"]),
        node("Div", ["difference", "sum"], ["ndvi"]),
        node("Clip", ["ndvi", "none", "all"], ["green_fraction"]),
        node("Sub", ["all", "green_fraction"], ["rest"]),
        node("Concat", ["rest", "green_fraction"], ["probability"], axis=1),
    ]
    numbers = [onnx.numpy_helper.from_array(np.float32(value), name) for name, value in (("none", 0), ("all", 1))]
    theirs.write(tmp_path / "m.onnx", nodes, numbers, theirs.card(("red", "nir")))
    assert call("models", "add", "m.onnx") == 0
    Path("rows.csv").write_text("red,nir\n0.1,0.4\n,0.2\n")
    assert call("predict-table", "rows.csv", "--out", "fine.csv", "--model", "theirs") == 0, "an empty row counts not"
    Path("rows.csv").write_text("red,nir\n0.1,0.4\n0,0\n")
    capsys.readouterr()
    assert call("predict-table", "rows.csv", "--out", "out.csv", "--model", "theirs") == 1
    _one_line(capsys, "its answer is not a number at 1 of 2 pixels")
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("where", ["list", "show", "show --json"])
def test_cards_are_told_whole(where, tmp_path, capsys):
    theirs.linear(tmp_path / "m.onnx", BANDS, ALL, scores={"rmse": 0.125}, training_data="a\nb", licence="CC-BY-4.0")
    assert call("models", "add", "m.onnx", "--name", "mine") == 0
    capsys.readouterr()
    assert call("models", *where.split()[:1], *([] if where == "list" else ["mine"]), *where.split()[1:]) == 0
    printed = capsys.readouterr().out
    found = landcover.load_model("mine")
    assert found.sha256 in printed
    if where == "list":
        assert [line.split()[0] for line in printed.splitlines() if line[0] != " "] == [*landcover.SHIPPED, "mine"]
    elif where == "show":
        for text in (
            "theirs",
            "blue, green, red, nir",
            "10 m",
            "0.125",
            "a b",
            "CC-BY-4.0",
            "none: reports",
            str(found.path),
        ):
            assert text in printed
        for name, green in ALL:
            (line,) = [line for line in printed.splitlines() if f" {name} " in line]
            assert ("not green" in line) != green
    else:
        told = json.loads(printed)
        assert told["sha256"] == found.sha256
        assert told["added"]["source"] == str(tmp_path / "m.onnx")
        card = {key: told[key] for key in theirs.card(BANDS)}
        assert card == json.loads(landcover.card_to_json(found.card))


def test_a_shipped_model_and_a_file_are_shown_too(tmp_path, capsys):
    assert call("models", "show", "mixture-10") == 0
    assert "Potsdam" in capsys.readouterr().out
    theirs.linear(tmp_path / "m.onnx", BANDS)
    assert call("models", "show", "m.onnx") == 0
    assert "made elsewhere" in capsys.readouterr().out
    assert call("models", "show", "nobody") == 1
    _one_line(capsys, "nobody", "howgreen models list")


def test_one_damaged_model_does_not_hide_the_others(tmp_path, capsys):
    for name in ("one", "two"):
        theirs.linear(tmp_path / "m.onnx", BANDS, name=name)
        assert call("models", "add", "m.onnx") == 0
    landcover.load_model("one").path.write_bytes(b"rotten")
    capsys.readouterr()
    assert call("models", "list") == 1
    told = capsys.readouterr()
    assert "\ntwo " in told.out
    assert told.err.count("\n") == 1
    assert "model one: its file" in told.err


@pytest.fixture
def far(tmp_path):
    (tmp_path / "web").mkdir()
    theirs.linear(tmp_path / "web" / "m.onnx", BANDS)
    with Faults(root=tmp_path / "web") as server:
        server.sha256 = hashlib.sha256((tmp_path / "web" / "m.onnx").read_bytes()).hexdigest()
        yield server


def test_a_model_from_the_web_is_added(far, capsys):
    url = f"{far.url}/m.onnx?token=secret"
    assert call("models", "add", url, "--sha256", far.sha256) == 0
    assert call("models", "show", "theirs") == 0
    printed = capsys.readouterr()
    assert f"from {far.url}/m.onnx" in printed.out
    assert "secret" not in printed.out + printed.err


@pytest.mark.parametrize(
    ("fault", "options", "said"),
    [
        (None, [], "anybody on the way may alter the file"),
        (None, ["--sha256", "0" * 64], "not 000000"),
        (None, ["--sha256", "zz"], "64 hexadecimal digits"),
        (None, ["--name", "ndvi"], "comes with howgreen"),
        ({"kind": "drop"}, ["SHA256"], "break"),
        ({"kind": "garbage"}, ["SHA256"], "altered on the way"),
        ({"kind": "status", "status": 404}, ["SHA256"], "HTTP 404"),
        (
            {"kind": "status", "status": 302, "headers": {"Location": "file:///etc/passwd"}},
            ["SHA256"],
            "no web address",
        ),
        ({"kind": "status", "status": 302, "headers": {"Location": "/m.onnx"}}, ["SHA256"], "without end"),
    ],
)
def test_each_fault_of_the_web_is_one_line_and_leaves_nothing(far, tmp_path, capsys, fault, options, said):
    if fault:
        far.fail(**fault)
    known = ["--sha256", far.sha256] if options == ["SHA256"] else options
    assert call("models", "add", f"{far.url}/m.onnx", *known) == 1
    _one_line(capsys, said)
    assert not list((tmp_path / "data").rglob("*.*"))


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
def test_a_trial_that_does_not_end_can_be_stopped(tmp_path):
    theirs.endless(tmp_path / "m.onnx")
    command = [sys.executable, "-m", "howgreen.cli", "models", "add", "m.onnx"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    used_s, until = 0.0, time.monotonic() + 60
    while used_s < 3 and time.monotonic() < until:  # loading takes less than a second of a core
        time.sleep(0.1)
        children = psutil.Process(process.pid).children()  # the first tile runs in a process of its own
        used_s = sum(sum(child.cpu_times()[:2]) for child in children)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "stopped" in err
    assert "terminate" not in err
    assert not list((tmp_path / "data").rglob("*.*"))


def _one_line(capsys, *words: str) -> None:
    told = capsys.readouterr()
    assert told.out == ""
    err = "".join(line for line in told.err.splitlines(keepends=True) if not line.startswith("warning: "))
    assert err.startswith("howgreen: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_the_example_of_the_page_for_users_is_a_model(capsys):
    page = (Path(__file__).parent.parent / "docs" / "models.md").read_text(encoding="utf-8")
    (example,) = page.split("```python\n")[1:]
    exec(compile(example.split("```")[0], "docs/models.md", "exec"), {})
    assert call("models", "add", "mine.onnx") == 0
    Path("rows.csv").write_text("nir,red\n0.4,0.05\n0.1,0.2\n")
    assert call("predict-table", "rows.csv", "--out", "out.csv", "--model", "red-edge-free") == 0
    answers = Path("out.csv").read_text().splitlines()
    assert ["vegetation" in answers[1], "other" in answers[2]] == [True, True]
    assert "note:" not in capsys.readouterr().out


def test_a_table_that_looks_wrong_is_answered_with_a_note(tmp_path, capsys):
    rows = ["red,green,nir", *["0.14,0.15,0.5", "0.25,0.24,0.28", "0.13,0.14,0.12"] * 20]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    assert call("predict-table", tmp_path / "t.csv", "--out", tmp_path / "o.csv") == 0
    assert (tmp_path / "o.csv").exists()
    said = capsys.readouterr()
    assert "written with model ndvi" in said.out
    assert "note: table" in said.err
    assert "subtract 0.1" in said.err


def test_a_model_given_by_path_is_tried_before_the_long_work(tmp_path, capsys, monkeypatch):
    scene(tmp_path / "store", "sentinel-2")
    monkeypatch.setattr("howgreen.landcover._smoke_test.LONGEST_S", 1.0)
    theirs.endless(tmp_path / "m.onnx")
    options = ["--store", tmp_path / "store", "--model", tmp_path / "m.onnx", "--out", tmp_path / "out"]
    capsys.readouterr()
    assert call("city", "Small", *options) == 1
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "m.onnx: takes more than 1 s for a tile" in told
    assert not (tmp_path / "out").exists()
