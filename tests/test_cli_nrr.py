"""``howgreen nrr`` on hand-made maps of the exact coding, from files to the folder."""

from __future__ import annotations

import csv
import http.server
import json
import threading
from pathlib import Path

import geopandas as gpd
import jsonschema
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen.cli import main
from howgreen.estimate.answers import Answer, write_answers
from howgreen.estimate.drawing import draw
from howgreen.estimate.frame import Frame
from howgreen.estimate.sample import save
from howgreen.pipeline.restoration import RestorationOptions, _units

WEST, NORTH = 4_100_000, 3_080_000


def raster(path, codes, *, pixel=10):
    values = np.asarray(codes, np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype="uint8", crs="EPSG:3035",
        transform=Affine(pixel, 0, WEST, 0, -pixel, NORTH), nodata=255,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return str(path)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    codes = np.full((200, 400), 1)
    codes[:100] = 3
    codes[100:120] = 7
    rows = [
        {"GISCO_ID": f"XX_{n}", "CNTR_CODE": "XX", "LAU_NAME": name, "geometry": shapely.box(WEST + 2000 * n, NORTH - 2000, WEST + 2000 * n + 2000, NORTH)}
        for n, name in enumerate(["Árvíz", "Bruck"])
    ]  # fmt: skip
    gpd.GeoDataFrame(rows, crs="EPSG:3035").to_file("lau.gpkg")
    Path("degurba.csv").write_text("LAU code;DEGURBA 2021\n0;1\n1;3\n", encoding="utf-8")
    raster("clc.tif", codes)
    raster("tcd.tif", np.where(codes == 3, 60, 0))
    raster("clusters.tif", [[1, 1, 0, 0], [0, 0, 0, 0]], pixel=1000)
    return tmp_path


def run(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["nrr", "--communes", "lau.gpkg", "--clcplus", "clc.tif", *arguments])
    return stopped.value.code


@pytest.mark.parametrize(
    ("table", "classes"),
    [
        ("CNTR_CODE,LAU_ID,DEGURBA\nXX,1,1\nYY,1,3\nXX,2,2\n", {"1": 1, "2": 2}),
        ("LAU_ID,DEGURBA\n1,1\n1,3\n2,2\n", {"1": None, "2": 2}),  # which 1 is meant is not known
        ("LAU_ID;DEGURBA\n1;1.0\n2;2.0\n", {"1": 1, "2": 2}),  # as a spreadsheet writes it
    ],
)
def test_communes_of_two_countries_that_are_numbered_alike_are_not_mixed_up(tmp_path, table, classes):
    """A town was left out as rural because another country's commune of the same number is."""
    lau = gpd.GeoDataFrame(
        {"LAU_ID": ["1", "2"], "CNTR_CODE": "XX", "LAU_NAME": ["A", "B"]},
        geometry=[shapely.box(WEST + x, NORTH - 900, WEST + x + 900, NORTH) for x in (0, 1000)],
        crs="EPSG:3035",
    )
    lau.to_file(tmp_path / "lau.gpkg")
    (tmp_path / "table.csv").write_text(table, encoding="utf-8")
    options = RestorationOptions(communes=tmp_path / "lau.gpkg", clcplus=(), degurba=tmp_path / "table.csv")
    assert {unit.id: unit.degurba for unit in _units(options, [])} == classes


def test_from_files_to_a_folder(files, capsys):
    code = run(
        "--tree-cover",
        "tcd.tif",
        "--clusters",
        "clusters.tif",
        "--degurba",
        "degurba.csv",
        "--clcplus-before",
        "clc.tif",
        "--strict",
    )
    told = capsys.readouterr()
    assert code == 0, told.err
    assert "Árvíz: urban green space 2.00" in told.out
    assert "Bruck" not in told.out, "a rural commune is no urban ecosystem area"
    found = json.loads(Path("nrr/summary.json").read_text(encoding="utf-8"))
    (one,) = found["communes"]
    assert one["areas"]["commune"]["green"]["share"] == pytest.approx(0.5, abs=1e-5)
    assert one["areas"]["commune"]["canopy"]["covered_m2"] == pytest.approx(0.6 * 2e6, rel=1e-4)
    assert one["areas"]["urban"]["green"]["share"] == pytest.approx(1, abs=1e-5)
    assert one["may_be_left_out"] == "yes"
    styles = {"urban_green_space.qml", "urban_tree_cover.qml"}
    assert set(found["files"]) | styles == {path.name for path in Path("nrr").iterdir()}
    layers = gpd.list_layers("nrr/nrr.gpkg")["name"].tolist()
    assert layers == ["commune", "urban", "peri_urban"]
    frame = gpd.read_file("nrr/nrr.gpkg", layer="urban")
    assert frame.crs.to_epsg() == 3035
    assert frame.area.iloc[0] == pytest.approx(2e6, rel=1e-4)
    with Path("nrr/nrr.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["area"] for row in rows] == ["commune", "urban", "peri_urban"]
    with rasterio.open("nrr/urban_green_space.tif") as file:
        assert (file.read(1) == 1).sum() * 100 == pytest.approx(2e6, rel=1e-3)
    page = Path("nrr/nrr.html").read_text(encoding="utf-8")
    assert "not howgreen’s green ratio" in page
    assert str(files) not in page


def test_the_summary_holds_to_its_schema(files, capsys):
    run("--json")
    found = json.loads(capsys.readouterr().out)
    import howgreen.report

    schema = json.loads((Path(howgreen.report.__file__).parent / "restoration.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, schema)
    assert found["communes"][0]["may_be_left_out"] == "not told"


def test_what_lacks_is_a_warning_and_strict_stops(files, capsys):
    assert run("--strict") == 1
    told = capsys.readouterr().err
    assert "no urban centres and clusters were given" in told
    assert "degree of urbanisation not known of Árvíz, Bruck" in told
    assert not Path("nrr").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Nowhere",), "no commune called 'Nowhere'"),
        (("--tree-cover", "clc.tif"), "exchange the two files"),
        (("--clcplus-before", "tcd.tif"), "no code of CLCplus"),
        (("--clcplus", "clc.tif"), "twice"),
        (("--degurba", "lau.gpkg"), "save Eurostat's table as CSV"),
        (("--clusters", "clc.tif"), "cells of 10 m"),
        (("--tree-cover", "https://maps.example/wms"), "files alone"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(files, capsys, arguments, message):
    assert run(*arguments) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning:")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not Path("nrr").exists()


def test_one_commune_by_name_or_id(files, capsys):
    assert run("XX_1", "--json") == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["communes"]] == ["Bruck"]


def test_communes_that_overlap_are_refused(files, capsys):
    frame = gpd.read_file("lau.gpkg")
    frame.geometry = frame.geometry.buffer(200)
    frame.to_file("lau.gpkg")
    assert run() == 1
    assert "overlap" in capsys.readouterr().err


def test_what_people_saw_stands_beside_the_official_figure(files, capsys):
    grid = GeoBox((60, 80), Affine(10, 0, 600_000, 0, -10, 5_100_000), "EPSG:32632")
    shape = shapely.box(600_000, 5_099_400, 600_800, 5_100_000)
    half = np.full((60, 80), 0.5, np.float32)
    frame = Frame(
        place="Town", place_id="x", plan_sha256="p", grid=grid, shape=shape, cover=np.ones((60, 80), np.float32), green=half,
        land=np.ones((60, 80), np.float32), map_rmse=0.2,
    )  # fmt: skip
    sample = draw(frame, looks=40, dots=1, seed=2, design="simple")
    folder = Path("town-sample")
    folder.mkdir()
    save(sample, folder)
    kinds = ["grass", "crop", "water", "built"]
    answers = [Answer(unit=unit.unit, reader="ann", dots={kinds[unit.unit % 4]: 1}) for unit in sample.units]
    (folder / "answers-ann.csv").write_text(write_answers(answers, sample), encoding="utf-8")
    gpd.GeoDataFrame({"LAU_NAME": ["Town"]}, geometry=[shape.buffer(30)], crs="EPSG:32632").to_file("town.gpkg")
    with pytest.raises(SystemExit) as stopped:
        main(["nrr", "--communes", "town.gpkg", "--clcplus", "clc.tif", "--sample", str(folder), "--json"])
    told = capsys.readouterr()
    assert stopped.value.code == 0, told.err
    (one,) = json.loads(told.out)["communes"]
    assert one["seen_by_people"]["share"] == pytest.approx(0.5), "grass and water count, crops do not"
    assert one["seen_by_people"]["looks"] == 40
    assert one["areas"]["commune"]["green"]["share"] is None, "no file shows this commune"
    with pytest.raises(SystemExit) as stopped:
        main(["nrr", "--communes", "lau.gpkg", "--clcplus", "clc.tif", "--sample", str(folder), "--overwrite"])
    assert stopped.value.code == 1
    assert "do not lie in one of these communes" in capsys.readouterr().err


def test_an_s3_address_is_read_in_ranges(files, capsys, monkeypatch):
    data, asked = Path("clc.tif").read_bytes(), []

    class Storage(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("Authorization", ""))
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            stop = min(int(last or len(data) - 1), len(data) - 1)
            body = data[int(first) : stop + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{stop}/{len(data)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for key, value in {
        "AWS_S3_ENDPOINT": f"127.0.0.1:{server.server_port}", "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE", "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    try:
        with pytest.raises(SystemExit) as stopped:
            main(["nrr", "--communes", "lau.gpkg", "--clcplus", "s3://eodata/CLMS/clc.tif", "--json"])
    finally:
        server.shutdown()
        server.server_close()
    told = capsys.readouterr()
    assert stopped.value.code == 0, told.err
    assert json.loads(told.out)["communes"][0]["areas"]["commune"]["green"]["share"] == pytest.approx(0.5, abs=1e-5)
    assert asked
    assert all(one.startswith("AWS4-HMAC-SHA256 Credential=key/") for one in asked)
    assert "secret" not in told.out + told.err
