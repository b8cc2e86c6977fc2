"""The commands as a user types them: each journey, each mistake."""

from __future__ import annotations

import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import click
import jsonschema
import numpy as np
import pytest
import rasterio
from affine import Affine
from rio_cogeo.cogeo import cog_validate

import howgreen
from command_line import call
from howgreen import cli
from howgreen.cli.root import COMMANDS
from howgreen.pipeline.schemas import schemas

FILES = {
    "report.html",
    "green_mask.tif",
    "green_fraction.tif",
    "green_uncertainty.tif",
    "n_clear.tif",
    "landcover.tif",
    "green_mask.tif.aux.xml",  # names of the classes: GeoTIFF itself has no place for them
    "landcover.tif.aux.xml",
    "composite.tif",
    "green_mask.qml",  # styles
    "green_fraction.qml",
    "green_uncertainty.qml",
    "landcover.qml",
    "composite.qml",
    "n_clear.qml",
    "howgreen.qgz",
    "SHA256SUMS",
    "districts.gpkg",
    "summary.json",
    "plan.json",
    "map.png",
    "share.png",
    "districts.csv",
    "districts.xlsx",
}


@pytest.fixture(scope="module")
def answered(sampleton: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answer") / "out"
    assert call("city", "Sampleton", "--store", sampleton, "--out", folder) == 0
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A four-band image of reflectance x 10000: left half meadow, right half stone, a border of no data."""
    path = tmp_path / "half.tif"
    profile = {"driver": "GTiff", "width": 80, "height": 60, "count": 4, "dtype": "uint16", "crs": "EPSG:32631"}
    with rasterio.open(path, "w", transform=Affine(10, 0, 640_000, 0, -10, 5_070_000), **profile) as file:
        for number, (meadow, stone) in enumerate([(300, 1500), (700, 1700), (350, 1900), (4500, 2300)], 1):
            values = np.full((60, 80), meadow, "uint16")
            values[:, 40:] = stone
            values[:2] = 0
            file.write(values, number)
    return path


def added(image: Path, store: Path) -> int:
    return call(
        "store", "add", image, "--store", store, "--city", "Half", "--bands", "blue,green,red,nir",
        "--scale", 0.0001, "--date", "2024-07-01",
    )  # fmt: skip


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]):
    assert call("--help") == 0
    printed = capsys.readouterr().out
    for command in ("city", "plan", "where", "osm-green", "predict-table", "models", "store"):
        assert command in printed


def test_help_loads_six_modules_of_ours_click_and_nothing_else_that_is_not_python_s():
    code = (
        "import sys; from howgreen import cli\n"
        "sys.argv[1:] = ['--help']\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "ours = {name for name in sys.modules if name.split('.')[0] == 'howgreen'}\n"
        "tops = {name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - set(sys.argv[2:])\n"
        "print(sorted(ours), sorted(tops), sorted({'difflib', 'json', 'importlib.metadata'} & set(sys.modules)), sep='\\n')"
    )
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*{name.split('.')[0] for name in sys.modules})"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code.replace("sys.argv[2:]", repr(bare.stdout.split()))],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    modules, tops, slow = done.stdout.splitlines()[-3:]
    ours = [
        "howgreen",
        "howgreen.cli",
        "howgreen.cli.root",
        "howgreen.core",
        "howgreen.core.errors",
        "howgreen.core.wording",
    ]
    assert modules == str(ours)
    assert (tops, slow) == ("['click', 'howgreen']", "[]")


def test_the_list_of_commands_says_what_each_says_of_itself():
    context = click.Context(cli.howgreen)
    for name, home in COMMANDS.items():
        command = cli.howgreen.get_command(context, name)
        assert command is not None
        assert command.callback is not None
        assert command.callback.__module__ == f"howgreen.cli.{home.module}"
        assert command.get_short_help_str(limit=100) == home.purpose
    for module in pkgutil.iter_modules(cli.__path__):
        if module.name != "__main__":
            import_module(f"howgreen.cli.{module.name}")
    assert set(cli.howgreen.commands) == set(COMMANDS)


def test_the_journey_of_a_real_city_loads_no_simulation():
    code = (
        "import sys, howgreen.pipeline.city; assert not {'scipy', 'howgreen.sample', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_completion_shows_what_loads_on_first_use():
    assert set(howgreen.__all__) <= set(dir(howgreen))
    assert all(getattr(howgreen, name) is not None for name in howgreen.__all__)


def test_the_record_says_how_areas_can_be_made_again(answered: Path):
    areas = json.loads((answered / "summary.json").read_text())["provenance"]["areas"]
    assert (areas["ellipsoid"], areas["densify_deg"]) == ("WGS 84", 0.005)
    with rasterio.open(answered / "green_fraction.tif") as file:
        steps = file.read(1) * float(areas["rounding"].split("1/")[1])
    assert np.array_equal(steps[~np.isnan(steps)], np.rint(steps[~np.isnan(steps)]))
    assert "0.5" in areas["half_green"]


def test_city_writes_the_whole_folder(answered: Path):
    assert {path.name for path in answered.iterdir()} == FILES
    for path in answered.glob("*.tif"):
        valid, errors, _ = cog_validate(path)
        assert valid, (path, errors)
    summary = json.loads((answered / "summary.json").read_text())
    jsonschema.Draft202012Validator(schemas()["report/summary.schema.json"]).validate(summary)
    assert summary["synthetic"] is True
    assert {"green_ratio", "green_pixel_ratio", "interval", "observed_ratio"} <= set(summary)


def test_the_mask_shows_the_pixel_ratio(answered: Path):
    summary = json.loads((answered / "summary.json").read_text())
    with rasterio.open(answered / "green_mask.tif") as mask, rasterio.open(answered / "landcover.tif") as cover:
        green, label = mask.read(1), cover.read(1)
        water = [int(code) for code, name in enumerate(cover.tags(1).get("classes", "").split(",")) if name == "water"]
    assert set(np.unique(green)) <= {0, 1, 255}
    land = (green != 255) & ~np.isin(label, water)
    assert green[land].mean() == pytest.approx(summary["green_pixel_ratio"], abs=0.01)


def test_json_is_the_only_thing_on_standard_output(sampleton: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert call("city", "Sampleton", "--store", sampleton, "--out", tmp_path / "out", "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "out" / "summary.json").read_text())


def test_a_saved_plan_gives_the_same_answer(answered: Path, tmp_path: Path):
    assert call("city", "--plan", answered / "plan.json", "--out", tmp_path / "again") == 0
    first, second = (json.loads((folder / "summary.json").read_text()) for folder in (answered, tmp_path / "again"))
    assert {**second, "provenance": 0} == {**first, "provenance": 0}
    assert (tmp_path / "again" / "green_fraction.tif").read_bytes() == (answered / "green_fraction.tif").read_bytes()


def test_plan_names_dates_clear_cover_and_bytes(sampleton: Path, capsys: pytest.CaptureFixture[str]):
    assert call("plan", "Sampleton", "--store", sampleton) == 0
    printed = capsys.readouterr().out
    assert "clear" in printed
    assert "MiB to read" in printed
    assert printed.count("2024-") >= 8


def test_a_store_from_an_image_answers(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    store = tmp_path / "store"
    assert added(image, store) == 0
    assert call("store", "list", "--store", store) == 0
    assert "2024-07-01" in capsys.readouterr().out
    assert call("store", "verify", "--store", store) == 0
    assert call("city", "Half", "--store", store, "--out", tmp_path / "out") == 0
    stats = json.loads((tmp_path / "out" / "summary.json").read_text())
    # Its even bare half has no dark place, and no mask: some of it passes for haze, and stays unseen.
    assert 0.48 < stats["green_pixel_ratio"] < 0.75
    assert "own-cloud-mask" in {one["code"] for one in stats["warnings"]}
    assert call("where", "half", "--store", store) == 0
    assert "image footprint" in capsys.readouterr().out


def test_verify_fails_on_an_altered_file(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    store = tmp_path / "store"
    added(image, store)
    victim = next(store.rglob("red.tif"))
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    assert call("store", "verify", "--store", store) == 1
    assert "red.tif" in capsys.readouterr().err


def test_the_default_folder_is_new_and_named_after_the_city(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    added(image, tmp_path / "store")
    for model in ("mixture-4", "ndvi"):
        assert call("city", "Half", "--store", tmp_path / "store", "--model", model) == 0
    assert (tmp_path / "half" / "report.html").exists()
    assert (tmp_path / "half-2" / "report.html").exists()


def test_predict_table_picks_the_model_that_fits_the_columns(tmp_path: Path):
    table = tmp_path / "rows.csv"
    table.write_text("id,B08,B04,B03,B02\na,0.45,0.035,0.07,0.03\nb,0.23,0.19,0.17,0.15\n")
    assert call("predict-table", table, "--out", tmp_path / "out.csv") == 0
    lines = (tmp_path / "out.csv").read_text().splitlines()
    column = lines[0].split(",").index("green_fraction")
    assert float(lines[1].split(",")[column]) > 0.8
    assert float(lines[2].split(",")[column]) < 0.2


def test_models_list_says_how_they_err(capsys: pytest.CaptureFixture[str]):
    assert call("models", "list") == 0
    printed = capsys.readouterr().out
    for name in ("ndvi", "mixture-10", "mixture-4", "RMSE"):
        assert name in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["city", "Atlantis", "--offline"], "Atlantis"),
        (["city", "Sampleton", "--period", "1999"], "1999"),
        (["city", "Sampleton", "--model", "/no/such.onnx"], "such.onnx"),
        (["city", "--plan", "/no/such.json"], "such.json"),
        (["city", "X", "--area", "POLYGON ((0 0, 1 1, 0 1, 1 0, 0 0"], "shape 'POLYGON"),
        (["city", "X", "--area", "/no/such.gpkg"], "such.gpkg"),
        (["city", "95, 200"], "95"),
        (["predict-table", "/no/such.csv", "--out", "/tmp/never.csv"], "such.csv"),
        (["store", "add", "/no/such.tif", "--city", "X"], "such.tif"),
        (["osm-green", "Vaduz", "--osm", "/no/such.osm.pbf"], "such.osm.pbf"),
        (["osm-green", "Sampleton"], "is simulated"),
    ],
)
def test_each_mistake_is_one_clear_line(
    arguments: list[str], words: str, sampleton: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.chdir(tmp_path)
    store = (
        [] if arguments[0] == "predict-table" else ["--store", sampleton if arguments[0] != "store" else tmp_path / "s"]
    )
    assert call(*arguments, *store) == 1
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_folder_is_not_overwritten(sampleton: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "thesis.txt").write_text("three years")
    assert call("city", "Sampleton", "--store", sampleton, "--out", tmp_path) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").read_text() == "three years"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing_half_written(stop: signal.Signals, sampleton: Path, tmp_path: Path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "howgreen.cli", "city", "Sampleton", "--store", str(sampleton), "--out", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "cache").rglob("*.npy")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(stop)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 128 + stop, printed
    assert "stopped" in printed
    assert "Traceback" not in printed
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_clear_line(sampleton: Path, tmp_path: Path):
    disk = tmp_path / "small"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        command = [
            sys.executable,
            "-m",
            "howgreen.cli",
            "city",
            "Sampleton",
            "--store",
            str(sampleton),
            "--out",
            str(disk / "out"),
        ]
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 1
        assert "space" in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
