"""Places go out to other programs and come back: the forms that those programs write, made from what we gave them."""

from __future__ import annotations

import ast
import csv
import io
import subprocess
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen.core.errors import EstimateError
from howgreen.estimate.answers import KINDS, read_answers
from howgreen.estimate.drawing import draw
from howgreen.estimate.evaluate import evaluate
from howgreen.estimate.frame import Frame
from howgreen.estimate.sample import save, save_for_others

GRID = GeoBox((40, 40), Affine(10, 0, 600_000, 0, -10, 5_100_000), "EPSG:32632")
QUESTION = "What is there?"


def drawn(dots: int):
    green = np.random.default_rng(2).random((40, 40)).astype(np.float32)
    frame = Frame(place="Testville", place_id="x", plan_sha256="p", grid=GRID, shape=shapely.box(600_000, 5_099_600, 600_395, 5_100_000),
                  cover=np.ones((40, 40), np.float32), green=green, land=np.ones((40, 40), np.float32), map_rmse=0.1)  # fmt: skip
    return draw(frame, looks=30, seed=3, dots=dots)


@pytest.fixture(scope="module")
def sample():
    return drawn(9)


def collect_earth(sample, folder: Path, edit=lambda rows: rows, *, plot="plotid", dot="sampleid") -> Path:
    """The table that Collect Earth Online gives for the dots that we gave it, all looked at."""
    save_for_others(sample, folder)
    given = list(csv.DictReader((folder / "collect-earth-online-samples.csv").read_text().splitlines()))
    rows = [
        {plot: row["PLOTID"], dot: row["SAMPLEID"], "sample_internal_id": str(n), "lon": row["LON"], "lat": row["LAT"],
         "email": "ann@example.org", "flagged": "false", "collection_time": "2026-11-27 12:00", "imagery_title": "Planet, monthly",
         "pl_sample": sample.key, QUESTION: ("Tree", "built", "Water", "can't tell")[n % 4]}
        for n, row in enumerate(given)
    ]  # fmt: skip
    rows = edit(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    (folder / "ceo.csv").write_text("\ufeff" + text.getvalue(), encoding="utf-8")
    return folder / "ceo.csv"


@pytest.mark.parametrize(("plot", "dot"), [("plotid", "sampleid"), ("plot_id", "sample_id")])
def test_collect_earth_online_gives_every_dot_back(sample, tmp_path, plot, dot):
    answers = read_answers([collect_earth(sample, tmp_path, plot=plot, dot=dot)], sample)
    assert [one.unit for one in answers] == [unit.unit for unit in sample.units]
    assert {one.reader for one in answers} == {"ann@example.org"}
    assert [one.asked for one in answers] == [unit.asked.count("1") for unit in sample.units]
    assert answers[0].dots == {"tree": 3, "built": 2, "water": 2, "unknown": 2}
    assert answers[0].time == "2026-11-27 12:00"


def changed(row: int, **cells: str):
    return lambda rows: [one | cells if n == row else one for n, one in enumerate(rows)]


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (changed(4, lon="11.0"), "row 6: dot 5 of place 1 lies elsewhere in this sample; give its own table"),
        (changed(4, lat="north"), "row 6: 'north' is no position in degrees"),
        (changed(4, sampleid="10"), "the sample has no dot 10 in place 1"),
        (changed(4, plotid="31"), "the sample has no dot 5 in place 31"),
        (changed(4, plotid="one"), "'one' is no whole number"),
        (changed(4, **{QUESTION: ""}), "place 1 has 8 of its 9 dots told; look at it again"),
        (changed(4, **{QUESTION: "forest"}), "no column whose answers are all kinds of ground"),
        (lambda rows: [*rows, rows[0]], "dot 1 of place 1 is told twice"),
        (lambda rows: [row | {"Again?": row[QUESTION]} for row in rows], "several columns (What is there?, Again?)"),
    ],
)
def test_tables_of_collect_earth_that_cannot_be_are_one_line(sample, tmp_path, edit, word):
    with pytest.raises(EstimateError) as caught:
        read_answers([collect_earth(sample, tmp_path, edit)], sample)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plot_that_nobody_opened_is_no_answer(sample, tmp_path):
    unseen = collect_earth(
        sample, tmp_path, lambda rows: [row | {QUESTION: ""} if row["plotid"] == "30" else row for row in rows]
    )
    assert [one.unit for one in read_answers([unseen], sample)] == list(range(1, 30))


def acatama(sample, folder: Path, *, name="labelled.gpkg", shift=0.0, **columns) -> Path:
    """The layer that AcATaMa saves of the points that we gave it."""
    save_for_others(sample, folder)
    points = gpd.read_file(folder / "acatama-points.gpkg")
    labels = [KINDS[n % len(KINDS)] if n else None for n in range(len(points))]
    given = {"ID": points["id"], "Label": labels, "Label ID": [KINDS.index(one) + 1 if one else None for one in labels]}
    frame = gpd.GeoDataFrame(given | columns, geometry=points.geometry.translate(shift), crs=points.crs)
    frame.to_file(folder / name)
    return folder / name


@pytest.mark.parametrize("name", ["labelled.gpkg", "labelled.shp"])
def test_acatama_gives_one_label_a_place_back(tmp_path, name):
    sample = drawn(1)
    answers = read_answers([acatama(sample, tmp_path, name=name)], sample)
    assert [one.unit for one in answers] == list(range(2, 31))  # the first was not labelled
    assert [one.dots for one in answers] == [{KINDS[n % len(KINDS)]: 1} for n in range(1, 30)]


def test_layers_of_acatama_that_cannot_be_are_one_line(sample, tmp_path):
    one = drawn(1)
    with pytest.raises(
        EstimateError, match="one label a place, and this sample asks for 9 dots; draw it with --dots 1"
    ):
        read_answers([acatama(sample, tmp_path)], sample)
    with pytest.raises(EstimateError, match="point 2: lies elsewhere in this sample"):
        read_answers([acatama(one, tmp_path, shift=30.0)], one)
    with pytest.raises(EstimateError, match="point 2: 'forest' is no kind of ground"):
        read_answers([acatama(one, tmp_path, Label=["forest" if n == 1 else "tree" for n in range(30)])], one)
    with pytest.raises(EstimateError, match="point 77: is none of the sample's 30"):
        read_answers([acatama(one, tmp_path, ID=[77 if n == 1 else n + 1 for n in range(30)])], one)
    with pytest.raises(EstimateError, match="point 1: is there twice"):
        read_answers([twice(one, tmp_path)], one)
    with pytest.raises(EstimateError, match="is no layer that AcATaMa saved"):
        read_answers([tmp_path / "acatama-points.gpkg"], one)


def twice(sample, folder: Path) -> Path:
    file = acatama(sample, folder, Label=["tree"] * 30)
    frame = gpd.read_file(file)
    gpd.GeoDataFrame(frame.iloc[[0, *range(30)]], crs=frame.crs).to_file(file)
    return file


def test_google_earths_file_is_read_by_another_reader_of_kml(sample, tmp_path):
    """GDAL's own: the squares lie where the pixels do, to a decimetre."""
    save_for_others(sample, tmp_path)
    squares = gpd.read_file(tmp_path / "google-earth.kml").to_crs(GRID.crs)
    assert squares["Name"].tolist() == [str(unit.unit) for unit in sample.units]
    for unit, square in zip(sample.units, squares.geometry, strict=True):
        west, north = 600_000 + 10 * unit.column, 5_100_000 - 10 * unit.row
        assert square.symmetric_difference(shapely.box(west, north - 10, west + 10, north)).area < 1.0


def _filled(sample, folder, *, leave=0):
    """The table of units as a person fills it: answers beside the design, the last few places not looked at."""
    save(sample, folder)
    table = pd.read_csv(folder / "units.csv", dtype=str)
    green = np.array([round(9 * unit.map_green) for unit in sample.units])
    table["reader"], table["tree"], table["built"] = "ann", green.astype(str), (9 - green).astype(str)
    table.loc[len(table) - leave :, ["reader", "tree", "built"]] = ""
    return table


@pytest.fixture(scope="module")
def dealt():
    """A sample in strata, places all of land and inside."""
    ones, share = np.ones((40, 40), np.float32), np.broadcast_to(np.linspace(0, 1, 40, dtype=np.float32), (40, 40))
    limits = shapely.box(600_000, 5_099_600, 600_400, 5_100_000)
    frame = Frame(place="Testville", place_id="x", plan_sha256="p", grid=GRID, shape=limits, cover=ones, green=share, land=ones,
                  map_rmse=0.1)  # fmt: skip
    return draw(frame, looks=60, seed=5, dots=9)


@pytest.mark.parametrize("form", ["csv", "gpkg"])
def test_the_estimate_without_the_map_can_be_redone_from_the_table_alone(dealt, tmp_path, form):
    """By pandas, from what people filled in: shares of strata, draws and answers are all that it takes."""
    table = _filled(dealt, tmp_path)
    file = tmp_path / f"filled.{form}"
    if form == "csv":
        table.to_csv(file, index=False)
        read = pd.read_csv(file)
    else:
        squares = gpd.read_file(tmp_path / "units.gpkg", layer="units")
        for name in ("reader", "tree", "built"):
            squares[name] = table[name] if name == "reader" else table[name].astype(float)  # as QGIS may keep a number
        squares.to_file(file, layer="units", driver="GPKG")
        read = gpd.read_file(file)
    read["green"] = read["tree"] / (read["tree"] + read["built"])
    by = read.groupby("stratum")
    share, draws = by["stratum_share"].first(), by["stratum_draws"].first()
    ratio = float((share * by["green"].mean()).sum())
    se = float((share**2 * by["green"].var() / draws).sum() ** 0.5)
    found = evaluate(dealt, read_answers([file], dealt))
    assert (found.plain.ratio, found.plain.se) == pytest.approx((ratio, se), abs=1e-12)
    assert len(share) > 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("stratum", "0"), ("stratum_share", "0.5"), ("stratum_draws", "7"), ("inclusion_probability", "0.5"), ("lon", "11.1"), ("lat", "44.0"),
        ("design", "simple"), ("seed", "6"), ("estimator", "mean"), ("sha256", "0" * 64), ("twice", "2"), ("inclusion_probability", "high"),
    ],
)  # fmt: skip
def test_a_returned_table_whose_design_was_altered_is_refused_in_one_line(dealt, tmp_path, column, value):
    table = _filled(dealt, tmp_path)
    row = next(i for i, unit in enumerate(dealt.units) if unit.stratum == 1)
    table.loc[row, column] = value
    table.to_csv(tmp_path / "back.csv", index=False)
    with pytest.raises(
        EstimateError, match=f"row {row + 2}, column {column}: says .* take the table as it was given out"
    ) as error:
        read_answers([tmp_path / "back.csv"], dealt)
    assert "\n" not in str(error.value)


def test_a_returned_layer_whose_design_was_altered_is_refused(dealt, tmp_path):
    _filled(dealt, tmp_path)
    squares = gpd.read_file(tmp_path / "units.gpkg", layer="units")
    squares["reader"], squares["tree"] = "ann", 9
    squares.loc[3, "inclusion_probability"] *= 1.01
    squares.to_file(tmp_path / "back.gpkg", layer="units", driver="GPKG")
    with pytest.raises(EstimateError, match="row 4, column inclusion_probability"):
        read_answers([tmp_path / "back.gpkg"], dealt)


@pytest.mark.parametrize(("factor", "refused"), [(1 + 0.5e-4, False), (1 + 2e-4, True)])
def test_what_a_program_rounds_is_no_alteration(dealt, tmp_path, factor, refused):
    table = _filled(dealt, tmp_path)
    table.loc[0, "inclusion_probability"] = str(float(table.loc[0, "inclusion_probability"]) * factor)
    table.to_csv(tmp_path / "back.csv", index=False)
    if refused:
        with pytest.raises(EstimateError, match="inclusion_probability"):
            read_answers([tmp_path / "back.csv"], dealt)
    else:
        assert len(read_answers([tmp_path / "back.csv"], dealt)) == 60


def test_places_of_the_table_that_nobody_looked_at_are_no_answers(dealt, tmp_path):
    table = _filled(dealt, tmp_path, leave=7)
    table.to_csv(tmp_path / "back.csv", index=False)
    assert len(read_answers([tmp_path / "back.csv"], dealt)) == 53


_QGIS = """
import sys
from qgis.core import QgsApplication, QgsVectorLayer
app = QgsApplication([], False); app.initQgis()
units, strata, design = (QgsVectorLayer(f"{sys.argv[1]}|layername={name}", name, "ogr") for name in ("units", "strata", "design"))
assert all(one.isValid() for one in (units, strata, design))
rows = [(f["unit"], f["stratum"], f["stratum_share"], f["inclusion_probability"], f.geometry().isEmpty()) for f in units.getFeatures()]
print(repr((units.crs().authid(), rows, [f["share"] for f in strata.getFeatures()], {f["name"]: f["value"] for f in design.getFeatures()})))
"""


def test_qgis_reads_the_design(dealt, tmp_path):
    python = "/usr/bin/python3"  # Debian's QGIS belongs to Debian's Python
    if (
        not Path(python).exists()
        or subprocess.run([python, "-c", "import qgis.core"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no QGIS here")
    save(dealt, tmp_path)
    environment = {
        "PATH": "/usr/bin:/bin",
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [python, "-c", _QGIS, str(tmp_path / "units.gpkg")],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.stdout, done.stderr
    crs, rows, shares, design = ast.literal_eval(done.stdout.splitlines()[-1])
    assert crs == "EPSG:4326"
    assert [row[:2] for row in rows] == [(one.unit, one.stratum) for one in dealt.units]
    assert [row[3] for row in rows] == pytest.approx([one.inclusion for one in dealt.units])
    assert not any(row[4] for row in rows)
    assert shares == pytest.approx(dealt.weights)
    assert design["sha256"] == dealt.sha256
    assert design["seed"] == str(dealt.seed)
