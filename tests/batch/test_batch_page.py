"""The page of a ranking: in each language, on screens and paper; and its tables as others open them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from shapely import Point, box

from howgreen import batch
from howgreen.batch._page import _labels, page, ranking_of, spoken
from howgreen.report import ENGLISH, LANGUAGES, Language, catalogue
from messages import of_ranking as messages

FOREIGN = [code for code in LANGUAGES if code != "en"]
PLACES = re.compile(r"%\(\w+\)s")
QGIS_PYTHON = "/usr/bin/python3"
"""Debian's QGIS belongs to Debian's Python."""


def rows(count: int = 6, years: tuple[int | None, ...] = (2022, 2023, 2024), **more) -> list[batch.Row]:
    """Cities that lose or gain two points a year."""
    found = []
    for number in range(count):
        for step, year in enumerate(years):
            ratio = 0.2 + 0.1 * number + 0.02 * step * (-1) ** number
            values = {
                "key": f"c{number}", "name": f"City {number}", "label": f"City {number}", "year": year, "green_ratio": ratio, "low": ratio - 0.08,
                "high": ratio + 0.08, "model_low": ratio - 0.08, "model_high": ratio + 0.08, "level": 0.95, "observed_ratio": 1.0,
                "land_area_m2": 1e6, "first_date": f"{year or 2024}-06-01", "last_date": f"{year or 2024}-08-01", "n_dates": 4,
                "sensor": "sentinel-2", "series": "sentinel-2", "model": "mixture-10", "warnings": ("few-dates",) if number % 2 else (),
                "credits": ("X, CC0.",), "wkt": box(9 + number / 10, 47, 9.08 + number / 10, 47.1).wkt,
            }  # fmt: skip
            found.append(batch.Row(**values | more))
    return [*found, *(batch.Row(key="x", name="No & where", year=year, error="not found") for year in years)]


def shown(found: list[batch.Row], language: Language = ENGLISH) -> str:
    return page(ranking_of(found), files=["ranking.csv"], language=language)


# ---- languages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", FOREIGN)
def test_no_text_is_missing_or_left_over(code):
    """To mend a catalogue: ``python tests/messages.py``, then write what it lists."""
    assert set(catalogue(code, folder="batch")) == set(messages())


@pytest.mark.parametrize("code", FOREIGN)
def test_every_text_fills_the_same_places(code):
    language = spoken(code)
    for one, forms in messages().items():
        for number in (1, 5):
            text = language.ngettext(*forms, number) if len(forms) == 2 else language.gettext(one)
            source = forms[0] if number == 1 or len(forms) == 1 else forms[1]
            assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(source)), one


class Marked(Language):
    """Marks each text, so that one which bypasses the catalogue is seen."""

    def gettext(self, text):
        return f"‹{text}›"

    def ngettext(self, one, many, number):
        return f"‹{one if number == 1 else many}›"


@pytest.mark.parametrize(
    "found",
    [rows(), rows(1), rows(years=(None,)), rows(counted="osm-green", years=(None,)), rows(green_ratio=None)],
    ids=["years", "one", "period", "map", "none"],
)
def test_nothing_bypasses_the_catalogue(found):
    html = shown(found, Marked(code="xx", rtl=True))
    assert '<html lang="xx" dir="rtl">' in html
    body = re.sub(r"<(style|title)[^>]*>.*?</\1>", "", html[html.index("<body>") :], flags=re.DOTALL)
    marked = re.sub(r"‹[^‹›]*›", "", re.sub(r"<[^>]+>", " ", body))
    marked = re.sub(r'City \d|No &amp; where|not found|howgreen|ranking\.csv|few-dates|CC0|\b(May|Jun|Jul|Aug|points)\b', "", marked)  # fmt: skip
    assert not re.findall(r"[A-Za-z]{3,}", marked)


@pytest.mark.parametrize("code", FOREIGN)
def test_a_page_in_another_language_has_none_of_the_english_texts(code):
    html = shown(rows(), spoken(code))
    same = {one for one, text in catalogue(code, folder="batch").items() if text == one}
    assert f'<html lang="{code}" dir="ltr">' in html
    assert not [one for one in messages() if one not in same and len(one) > 12 and one in html]


# ---- what the page says ---------------------------------------------------------------------------------


def test_the_verdict_says_what_can_be_told():
    found = [replace(row, low=row.green_ratio - 0.01, high=row.green_ratio + 0.01) for row in rows(3, (2024,))[:3]]
    assert " ".join(batch.verdict(ranking_of(found))).startswith("By the figures alone, City 2 is the greenest (40")
    assert batch.verdict(ranking_of(found))[1] == "All of them can be told apart."
    tied = [replace(row, low=0.0, high=1.0) for row in found]
    assert batch.verdict(ranking_of(tied))[1] == "No two of them can be told apart: all are ties."
    mixed = [tied[0], *found[1:]]
    assert batch.verdict(ranking_of(mixed))[1] == "1 of 3 pairs of cities can be told apart; the rest are ties."
    assert batch.verdict(ranking_of(mixed))[2] == "City 2 shares the first place with 1 other."


def test_the_verdict_says_how_many_changed():
    narrow = [replace(row, model_low=row.green_ratio and row.green_ratio - 0.01, model_high=row.green_ratio and row.green_ratio + 0.01) for row in rows()]  # fmt: skip
    assert "Of 6 that can be compared with their first year, 3 became greener and 3 less green; of 0" in batch.verdict(ranking_of(narrow))[-1]  # fmt: skip
    assert "0 became greener and 0 less green; of 6 no change" in batch.verdict(ranking_of(rows()))[-1]
    season = [
        replace(row, first_date="2024-12-01", last_date="2024-12-24") if row.year == 2024 else row for row in narrow
    ]
    assert batch.verdict(ranking_of(season))[-1] == "No city can be compared with an earlier year."
    assert "No &amp; where" in shown(season)
    assert "The dates of City 5, City 4, City 3, City 2, City 1, City 0 lie in another season" in shown(season)
    assert "2022" in shown(rows())


def test_models_and_satellites_that_differ_are_told():
    found = rows()
    assert "by different models" not in shown(found)
    mixed = [replace(row, model="ndvi", series="landsat-8-9") if row.key == "c1" else row for row in found]
    text = shown(mixed)
    assert "answered by different models (mixture-10, ndvi)" in text
    assert "of different satellites (landsat-8-9, sentinel-2)" in text
    undated = [replace(row, year=None) for row in rows(years=(None,))]
    assert "several years" not in shown(undated)
    assert "several years" in shown([replace(undated[0], first_date="2021-06-01"), *undated[1:]])


def test_areas_of_images_are_not_called_cities():
    found = rows(3, (None,))
    assert "No limits of" not in shown(found)
    found[1] = replace(found[1], warnings=("limits-are-image",))
    assert "No limits of City 1 were given: the figure is of the area of the image, and not of the city." in shown(
        found
    )
    found[2] = replace(found[2], warnings=("limits-are-image",))
    assert "No limits of City 2, City 1 were given: the figures are of the areas" in shown(found)


def test_few_places_have_their_names_on_the_map_and_none_over_another():
    few, many = (re.findall(r"<text[^>]*>([^<]*)</text>", shown(rows(count, (None,)))) for count in (6, 16))
    assert few[0] == "City 5"
    assert many == []
    same = [replace(row, wkt=box(9, 47, 9.08, 47.1).wkt) for row in rows(3, (None,)) if row.wkt]
    assert re.findall(r"<text[^>]*>([^<]*)</text>", shown(same)) == ["City 2"]  # the first of the order


def test_one_date_is_told_by_its_day_alone():
    one = shown(rows(1, (None,), n_dates=1, first_date="2024-07-01", last_date="2024-07-01"))
    assert ">1\u00a0Jul\u00a02024</td>" in one
    assert ">1\u00a0Jun – 1\u00a0Aug\u00a02024 (4)</td>" in shown(rows(1, (None,)))


def test_the_chosen_year_is_the_one_that_is_shown():
    found = ranking_of(rows(), year=2022)
    assert {one.row.year for one in found.order} == {2022}
    assert ranking_of(rows()).year == 2024


def test_a_place_too_small_for_the_map_is_a_dot():
    far = [
        replace(row, wkt=box(x, 0, x + 0.01, 0.01).wkt) for row, x in zip(rows(2, (None,))[:2], (0, 90), strict=True)
    ]
    text = shown(far)
    assert text.count("<circle cx=") == 2
    assert "<path" not in text


def test_a_table_of_many_cities_does_not_hold_all_pairs():
    many = [batch.Row(key=f"c{n:04d}", name=str(n), green_ratio=0.5, low=0.4, high=0.6) for n in range(3000)]
    found = batch.ranked(many)
    assert {(one.n_ties, one.ties, one.best, one.worst) for one in found} == {(2999, (), 1, 3000)}


def test_ties_are_those_of_every_pair():
    rng = np.random.default_rng(3)
    some = []
    for n in range(60):
        ratio, half = rng.uniform(0, 1), rng.choice([0.02, 0.2, np.nan])
        ends = {} if np.isnan(half) else {"low": ratio - half, "high": ratio + half}
        some.append(batch.Row(key=f"c{n:02d}", name=str(n), green_ratio=ratio, **ends))

    def greener(one, other):
        return one.low is not None and other.high is not None and one.low > other.high

    for one in batch.ranked(some):
        others = [row for row in some if row is not one.row]
        ties = {row.key for row in others if not greener(one.row, row) and not greener(row, one.row)}
        assert set(one.ties) == ties
        assert one.n_ties == len(ties)
        assert one.best == 1 + sum(greener(row, one.row) for row in others)
        assert one.worst == len(some) - sum(greener(one.row, row) for row in others)


# ---- on screens and paper -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("page")
    batch.write_ranking(rows(), out)
    return out


@pytest.mark.browser
def test_the_page_fits_a_phone_and_asks_for_nothing(browser, written):
    for wide in (1400, 390):
        tab = browser.new_page(viewport={"width": wide, "height": 900})
        asked, errors = [], []
        tab.on("request", lambda one, asked=asked: asked.append(one.url))
        tab.on("console", lambda one, errors=errors: errors.append(one.text))
        tab.goto((written / "ranking.html").as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") == wide
        assert errors == []
        assert len(asked) == 1
        assert tab.locator("table.ranking").count() == 2


# ---- the tables, as others open them --------------------------------------------------------------------


def test_the_schema_is_the_one_that_is_documented(written):
    parquet = pytest.importorskip("pyarrow.parquet")
    schema = parquet.read_schema(written / "ranking.parquet")
    kinds = {field.name: str(field.type).replace("large_", "") for field in schema}
    assert kinds.pop("geometry") == "binary"
    assert kinds.pop("bbox").startswith("struct<xmin: double, ymin: double")
    assert kinds == dict(batch.COLUMNS)
    geo = json.loads(schema.metadata[b"geo"])
    assert (geo["version"], geo["columns"]["geometry"]["encoding"]) == ("1.1.0", "WKB")
    assert geo["columns"]["geometry"]["crs"]["id"] == {"authority": "EPSG", "code": 4326}
    text = (Path(__file__).parents[2] / "docs" / "commands" / "rank.md").read_text(encoding="utf-8")
    for name, kind in batch.COLUMNS.items():
        assert re.search(rf"^\|.*`{name}`.*\| {kind} \|", text, flags=re.MULTILINE), name


def test_geopandas_opens_it(written):
    frame = gpd.read_parquet(written / "ranking.parquet")
    assert frame.crs.to_epsg() == 4326
    assert len(frame) == 21
    here = gpd.read_parquet(written / "ranking.parquet", bbox=(9.0, 47.0, 9.05, 47.05))
    assert set(here["key"]) == {"c0"}


def test_duckdb_opens_it(written):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as base:
        found = base.execute(
            "select name, rank, green_ratio, change_told, bbox.xmin, octet_length(geometry::blob) from read_parquet(?) "
            "where year = 2024 order by rank nulls last",
            [str(written / "ranking.parquet")],
        ).fetchall()
    assert [row[1] for row in found] == [1, 2, 3, 4, 5, 6, None]
    assert found[0][0] == "City 5"
    assert found[0][4] == pytest.approx(9.5, abs=1e-5)
    assert found[0][5] == 93  # a polygon of five points as WKB


OPEN = """
import sys
from qgis.core import QgsApplication, QgsVectorLayer, QgsProviderRegistry
app = QgsApplication([], False)
app.initQgis()
layer = QgsVectorLayer(sys.argv[1], "ranking", "ogr")
assert layer.isValid(), "not valid"
print(layer.featureCount(), layer.crs().authid(), layer.fields().indexOf("rank_best") >= 0, layer.wkbType())
"""


@pytest.mark.parametrize("name", ["ranking.gpkg", "ranking.parquet"])
def test_qgis_opens_it(written, name, tmp_path):
    can = "import qgis.core; from osgeo import gdal; assert gdal.GetDriverByName(%r)"
    driver = {"ranking.gpkg": "GPKG", "ranking.parquet": "Parquet"}[name]
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    env.pop("PYTHONPATH", None)
    try:
        subprocess.run([QGIS_PYTHON, "-c", can % driver], env=env, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"needs Debian's python3-qgis with GDAL's driver {driver}")
    done = subprocess.run(
        [QGIS_PYTHON, "-c", OPEN, str(written / name)], env=env, capture_output=True, timeout=60, text=True, check=False
    )
    assert done.stdout.split()[:3] == ["21", "EPSG:4326", "True"], done.stderr


def test_on_the_map_a_name_stands_in_its_own_place_or_nowhere():
    """Neighbours were called by each other's names: each stood to the right of its own place, on the next."""
    row = {
        name: batch.Row(key=name.lower(), name=name) for name in ("Westham", "Eastham", "Tinytown-by-the-sea", "Far")
    }
    places = [box(0, 0, 300, 300), box(300, 0, 600, 300), box(600, 0, 640, 300), box(700, 500, 702, 502)]
    labels = _labels(list(zip(row.values(), places, strict=True)), lambda x, y: (x, y))
    assert [one["name"] for one in labels] == ["Westham", "Eastham", "Far"], "a name that does not fit is left out"
    for one, shape in zip(labels[:2], places, strict=False):
        assert one["side"] == "middle"
        assert shape.buffer(-26 * 0.3 * len(one["name"])).contains(Point(one["x"], 150))
    assert labels[2]["side"] == "end"
    assert labels[2]["x"] < 700
