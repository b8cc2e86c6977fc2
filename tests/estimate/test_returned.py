"""Places go out to other programs and come back: the forms that those programs write, made from what we gave them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen.core.errors import EstimateError
from howgreen.estimate.answers import KINDS, read_answers
from howgreen.estimate.sample import Frame, draw, save_for_others

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
