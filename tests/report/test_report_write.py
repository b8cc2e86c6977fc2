from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import jsonschema
import pytest

from howgreen import report
from howgreen.core.errors import OutputError
from howgreen.pipeline.schemas import schemas
from howgreen.report import _write as module  # noqa: F401 (the function; the module is taken from sys.modules)

WRITE = sys.modules["howgreen.report._write"]
FILES = {
    "report.html", "green_mask.tif", "green_fraction.tif", "green_uncertainty.tif", "n_clear.tif", "landcover.tif", "composite.tif",
    "districts.gpkg", "howgreen.qgz", "SHA256SUMS", "summary.json", "plan.json", "map.png", "share.png", "districts.csv",
    "districts.xlsx",
}  # fmt: skip
BESIDE = {  # what belongs to a raster and is not told of by itself
    "green_mask.tif.aux.xml", "landcover.tif.aux.xml", "green_mask.qml", "green_fraction.qml", "green_uncertainty.qml", "landcover.qml",
    "n_clear.qml",
    "composite.qml",
}  # fmt: skip


@pytest.fixture(scope="module")
def small(make):
    return make(120, 140)


@pytest.fixture(scope="module")
def done(small, truth, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "deep" / "report"
    told = []
    found = report.write(small, out, truth=truth, plan_json='{"a": 1}', progress=lambda *step: told.append(step))
    assert told[-1] == ("report", len(told), len(told))
    return out, found


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_all_files_and_nothing_else(done):
    out, found = done
    assert names(out) == FILES | BESIDE
    assert names(out.parent) == {"report"}
    assert set(found["files"]) == FILES
    assert (out / "plan.json").read_text() == '{"a": 1}'


def test_summary_file_is_what_was_returned_and_fits_the_schema(done, small):
    out, found = done
    read = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert read == found.to_dict()
    jsonschema.validate(read, schemas()["report/summary.schema.json"])
    assert read["truth"]["error"] == pytest.approx(read["green_ratio"] - 0.462)
    assert 0 < read["clear_looks"]["max"] <= int(small.composite.data["n_clear"].max())


def test_districts_file(done, small):
    for layer, zones in (("city", small.zones.iloc[:1]), ("districts", small.zones.iloc[1:])):
        frame = gpd.read_file(done[0] / "districts.gpkg", layer=layer)
        assert list(frame["name"]) == list(zones["name"])
        assert frame["green_ratio"].tolist() == pytest.approx(zones["green_ratio"].tolist())
        assert frame.crs == "EPSG:4326"


def test_picture(done):
    from PIL import Image

    with Image.open(done[0] / "map.png") as picture:
        assert picture.width == 1950
        assert len(picture.convert("RGB").resize((200, 90)).getcolors(20000)) > 500


def test_an_earlier_report_and_an_empty_folder_are_replaced(small, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    report.write(small, out, plan_json="{}")
    first = (out / "summary.json").stat().st_ino
    report.write(small, out)
    assert names(out) == (FILES | BESIDE) - {"plan.json"}
    assert (out / "summary.json").stat().st_ino != first
    assert names(tmp_path) == {"out"}


@pytest.mark.parametrize("extra", ["thesis.txt", "summary.json"])
def test_a_strangers_folder_is_left_alone(small, tmp_path, extra):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / extra).write_text('{"mine": true}')
    with pytest.raises(OutputError, match=extra):
        report.write(small, tmp_path / "out")
    assert names(tmp_path / "out") == {extra}


def test_the_folder_one_stands_in_is_not_replaced(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="name a folder in it"):
        report.write(small, Path())
    assert list(tmp_path.iterdir()) == []


def test_a_strangers_file_among_ours_is_left_alone(done, small):
    out, _ = done
    (out / "notes.txt").write_text("mine")
    try:
        with pytest.raises(OutputError, match=r"notes\.txt"):
            report.write(small, out)
        assert names(out) == FILES | BESIDE | {"notes.txt"}
    finally:
        (out / "notes.txt").unlink()


def test_a_file_in_the_way(small, tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError, match="name a folder"):
        report.write(small, tmp_path / "out")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [(OSError(28, "No space left on device"), OutputError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
@pytest.mark.parametrize("step", ["_write._tables", "_folder._swap"])
@pytest.mark.parametrize("earlier", [True, False])
def test_nothing_half_written(small, tmp_path, monkeypatch, raised, expected, step, earlier):
    """Whatever stops it, there is either no folder or the earlier one, whole."""
    out = tmp_path / "out"
    if earlier:
        out.mkdir()
        (out / "summary.json").write_text(json.dumps({"format": "howgreen-summary/1", "files": {}}))

    def fail(*args, **keywords):
        raise raised

    file, name = step.split(".")
    monkeypatch.setattr(sys.modules[f"howgreen.report.{file}"], name, fail)
    with pytest.raises(expected) as caught:
        report.write(small, out)
    if expected is OutputError:
        assert "No space left on device" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert names(tmp_path) == ({"out"} if earlier else set())
    if earlier:
        assert names(out) == {"summary.json"}


def test_the_earlier_report_comes_back_if_the_move_fails(small, tmp_path, monkeypatch):
    out = tmp_path / "out"
    report.write(small, out)
    rename = Path.rename

    def fail(self, target):
        if Path(target) == out and not self.name.endswith("-old"):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr("howgreen.report._folder.exchange", lambda one, other: False)  # as on other systems
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(KeyboardInterrupt):
        report.write(small, out)
    assert names(tmp_path) == {"out"}
    assert "summary.json" in names(out)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import make_result
from howgreen import report
from howgreen.core.errors import OutputError
result = make_result(300, 300, chunk=64)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    report.write(result, Path({out!r}))
except OutputError as error:
    print("one line:", error)
"""


@pytest.mark.parametrize("limit", [100_000, 700_000])
def test_a_full_disk(tmp_path, limit):
    """Files may not grow beyond a limit: GDAL fails in the middle of its own writing."""
    script = FULL_DISK.format(tests=str(Path(__file__).parent), limit=limit, out=str(tmp_path / "out"))
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("one line:"), ran.stderr
    assert ran.stdout.count("\n") == 1
    assert names(tmp_path) == set()
