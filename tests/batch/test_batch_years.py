"""Several years of each city, plans before anything is fetched, and what OpenStreetMap maps, from the command line to the page."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.geom import box

from command_line import call
from howgreen import batch
from howgreen.batch import _plans as plans
from howgreen.core.errors import TableError
from towns import mixed, put_image

GRID = GeoBox((30, 60), Affine(10, 0, 680_000, 0, -10, 5_150_000), "EPSG:32632")


def _row(year, ratio, half=0.1, **more):
    model = (None, None) if half is None else (ratio - half, ratio + half)
    values = {
        "observed_ratio": 1.0,
        "series": "sentinel-2",
        "model": "m",
        "model_low": model[0],
        "model_high": model[1],
    }
    return batch.Row(key="a", name="A", year=year, green_ratio=ratio, **values | more)


def _only(rows):
    return batch.changes(rows)["a", max(row.year for row in rows)]


def test_of_few_years_the_models_errors_count_as_independent():
    found = _only([_row(2019, 0.5, 0.03), _row(2024, 0.55, 0.04)])
    assert (found.since, found.change) == (2019, pytest.approx(0.05))
    assert (found.low, found.high) == (pytest.approx(0.0, abs=1e-12), pytest.approx(0.1))
    assert not _only([_row(2019, 0.5, 0.03), _row(2024, 0.5499, 0.04)]).is_told
    assert _only([_row(2019, 0.5, 0.03), _row(2024, 0.5501, 0.04)]).is_told
    assert _only([_row(2019, 0.5501, 0.03), _row(2024, 0.5, 0.04)]).is_told


def test_an_interval_that_was_cut_at_bare_counts_by_its_longer_side():
    found = _only([_row(2019, 0.02, model_low=0.0, model_high=0.12), _row(2024, 0.5, 0.0)])
    assert found.low == pytest.approx(0.48 - 0.1)


def test_from_five_years_on_the_scatter_of_the_city_decides():
    from scipy.stats import t

    years, noise = range(2017, 2025), (0.01, -0.01, 0.0, 0.01, -0.01, 0.01, 0.0, -0.01)
    rows = [_row(year, 0.5 + 0.02 * (year - 2017) + part, 0.2) for year, part in zip(years, noise, strict=True)]
    found = _only(rows)
    half = (found.high - found.low) / 2
    assert half == pytest.approx(t.ppf(0.975, 6) * np.std(noise, ddof=2) * 2**0.5, rel=0.15)
    assert found.is_told  # which the model's own errors, 0.28, would hide
    assert not _only(rows[-4:]).is_told


def test_land_that_was_not_seen_may_be_anything_in_each_year():
    rows = [_row(2019, 0.5, 0.0, observed_ratio=0.9), _row(2024, 0.5, 0.0, observed_ratio=0.8)]
    found = _only(rows)
    assert (found.low, found.high) == (pytest.approx(0.4 - 0.55), pytest.approx(0.6 - 0.45))


@pytest.mark.parametrize("other", [{"series": "landsat-8-9"}, {"model": "other"}, {"model_low": None}])
def test_what_cannot_be_compared_has_no_interval(other):
    found = _only([_row(2019, 0.2), _row(2024, 0.9, **other)])
    assert (found.change, found.low, found.is_told) == (pytest.approx(0.7), None, False)


@pytest.mark.parametrize(
    ("dates", "alike"),
    [
        (("2019-06-01", "2019-08-01", "2024-06-01", "2024-08-01"), True),
        (("2019-06-01", "2019-06-01", "2024-07-15", "2024-07-15"), True),  # 45 days, of a leap year
        (("2019-06-01", "2019-06-01", "2024-07-17", "2024-07-17"), False),
        (("2018-12-20", "2018-12-20", "2024-01-20", "2024-01-20"), True),  # around New Year
        (("1999-11-18", "1999-11-18", "2002-04-16", "2002-04-16"), False),
    ],
)
def test_another_season_is_no_change(dates, alike):
    rows = [
        _row(year, ratio, 0.01, first_date=first, last_date=last)
        for year, ratio, first, last in ((2019, 0.9, *dates[:2]), (2024, 0.4, *dates[2:]))
    ]
    found = _only(rows)
    assert (found.is_told, found.other_season) == (alike, not alike)


def test_a_year_without_an_answer_is_passed_over():
    rows = [_row(2019, None, None), _row(2020, 0.4, 0.01), _row(2024, 0.5, 0.01)]
    assert set(batch.changes(rows)) == {("a", 2024)}
    assert _only(rows).since == 2020


def test_of_cities_without_a_change_about_one_in_twenty_seems_to_have_changed():
    rng, tries = np.random.default_rng(5), 600
    rows = [
        replace(_row(year, float(0.5 + rng.normal(0, 0.02))), key=str(city))
        for city in range(tries)
        for year in range(2017, 2025)
    ]
    found = batch.changes(rows)
    told = sum(found[str(city), 2024].is_told for city in range(tries)) / tries
    assert 0.01 < told < 0.08


# ---- from the command line ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def towns(tmp_path_factory) -> tuple[Path, Path]:
    """A store with a clear image of July 2023 and 2024, and two towns: half of West's grass is gone in the second year."""
    folder = tmp_path_factory.mktemp("towns")
    for year, west in ((2023, 0.8), (2024, 0.4)):
        share = np.full(GRID.shape, 0.3)
        share[:, :30] = west
        put_image(folder / "store", f"s2-{year}", datetime(year, 7, 9, 10, tzinfo=UTC), mixed(share), GRID)
    shapes = [box(680_000 + 300 * n + 20, 5_149_720, 680_000 + 300 * n + 280, 5_149_980, GRID.crs) for n in (0, 1)]
    frame = gpd.GeoDataFrame({"name": ["West", "East"]}, geometry=[shape.geom for shape in shapes], crs="EPSG:32632")
    frame.to_file(folder / "towns.gpkg")
    return folder / "store", folder / "towns.gpkg"


@pytest.fixture(scope="module")
def ranked(towns, tmp_path_factory) -> Path:
    store, towns_file = towns
    out = tmp_path_factory.mktemp("ranked") / "ranking"
    assert call("rank", towns_file, "--store", store, "--years", "2023:2024", "--model", "ndvi", "--out", out) == 0
    return out


def test_a_row_a_city_and_year_with_the_change_between_them(ranked):
    table = pd.read_csv(ranked / "ranking.csv")
    assert list(table.columns) == list(batch.COLUMNS)
    assert list(zip(table["year"], table["rank"], table["name"], strict=True)) == [
        (2023, 1, "West"), (2023, 2, "East"), (2024, 1, "West"), (2024, 2, "East")
    ]  # fmt: skip
    west = table[(table["name"] == "West") & (table["year"] == 2024)].iloc[0]
    assert west["change_since"] == 2023
    assert west["change"] == pytest.approx(-0.4, abs=0.12)
    assert west["change_low"] < west["change"] < west["change_high"]
    assert table["change"][:2].isna().all()
    assert (ranked / "years" / "2023" / "west" / "report.html").exists()
    assert not (ranked / "cities").exists()
    page = (ranked / "ranking.html").read_text(encoding="utf-8")
    assert "The order of 2024" in page
    assert 'href="years/2024/west/report.html"' in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_plan_fetches_nothing_and_knows_what_is_answered(ranked, towns, tmp_path, capsys):
    store, towns_file = towns
    before = {path: path.stat().st_mtime_ns for path in ranked.rglob("*")}
    asked = ("rank", towns_file, "--store", store, "--model", "ndvi", "--plan")
    assert call(*asked, "--years", "2022:2024", "--out", ranked, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {path: path.stat().st_mtime_ns for path in ranked.rglob("*")} == before
    assert [(one["name"], one["year"], one["state"]) for one in found["cities"]] == [
        ("West", 2022, "cannot"), ("West", 2023, "answered"), ("West", 2024, "answered"),
        ("East", 2022, "cannot"), ("East", 2023, "answered"), ("East", 2024, "answered"),
    ]  # fmt: skip
    assert found["total"]["to_do"] == found["total"]["bytes"] == 0
    out = tmp_path / "new"
    assert call(*asked, "--years", "2023,2024", "--out", out) == 0
    printed = capsys.readouterr().out
    assert not out.exists()
    assert "4 to do, 0 answered before, 0 that cannot be of 2 cities: 0.3 km²" in printed
    assert "Nothing has been fetched" in printed
    assert len([line for line in printed.splitlines() if line.endswith("to do")]) == 4


def test_a_plan_adds_up_what_is_to_do():
    rows = [
        plans.Planned(key="a", name="A", area_m2=1e6, n_dates=5, bytes=25_000_000, from_web=True, pixels=1_000_000),
        plans.Planned(key="b", name="B", area_m2=2e6, n_dates=1, bytes=7, pixels=1_000_000),
        plans.Planned(key="c", name="C", state="answered", area_m2=9e6, n_dates=9, pixels=9_000_000),
        plans.Planned(key="d", name="D", state="cannot", error="no"),
    ]
    total = plans.outlook(rows, planning_s=3, cores=2)
    assert (total.to_do, total.answered, total.cannot, total.area_m2, total.n_dates) == (2, 1, 1, 3e6, 6)
    assert (total.bytes, total.bytes_from_web, total.fetching_s) == (25_000_007, 25_000_000, pytest.approx(4))
    assert total.working_s == pytest.approx((2 * 0.4 + 2 * 0.5 + 6 * 0.2) / 2)
    assert total.seconds == pytest.approx(7 + total.working_s)
    many = [plans.Planned(key=str(n), name=f"N{n}") for n in range(100)]
    text = plans.describe(many, total)
    assert len(text.splitlines()) == plans.MOST_LINES + 4
    assert "… and 60 more" in text


def test_the_second_run_of_years_only_reads(ranked, towns):
    store, towns_file = towns
    made = {path: path.stat().st_mtime_ns for path in ranked.rglob("report.html")}
    assert len(made) == 4
    assert call("rank", towns_file, "--store", store, "--years", "2023:2024", "--model", "ndvi", "--out", ranked) == 0
    assert {path: path.stat().st_mtime_ns for path in ranked.rglob("report.html")} == made


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--years", "2023:2024", "--period", "2024"), "leave one out"),
        (("--months", "4:6"), "goes with --years"),
        (("--years", "2023:2024", "--year", "2020"), "none of the --years"),
        (("--by", "osm-green", "--period", "2024"), "ranks the map as it is"),
    ],
)
def test_what_does_not_go_together(towns, options, said, capsys):
    assert call("rank", towns[1], *options) == 2
    assert said in capsys.readouterr().err


# ---- what OpenStreetMap maps ----------------------------------------------------------------------------

EXTRACT = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6"><bounds minlat="47.0" minlon="9.0" maxlat="47.1" maxlon="9.2"/>{nodes}{ways}{relations}</osm>"""


@pytest.fixture
def extract(tmp_path) -> Path:
    """Two municipalities side by side; a quarter of the western one is a park."""
    corners = [(9.0, 47.0), (9.01, 47.0), (9.02, 47.0), (9.02, 47.01), (9.01, 47.01), (9.0, 47.01), (9.005, 47.0), (9.005, 47.005), (9.0, 47.005)]  # fmt: skip
    nodes = "".join(f'<node id="{n}" version="1" lat="{y}" lon="{x}"/>' for n, (x, y) in enumerate(corners, 1))
    rings = {1: (1, 2, 5, 6, 1), 2: (2, 3, 4, 5, 2), 3: (1, 7, 8, 9, 1)}

    def way(number, tags=""):
        return f'<way id="{number}" version="1">' + "".join(f'<nd ref="{n}"/>' for n in rings[number]) + tags + "</way>"

    ways = way(1) + way(2) + way(3, '<tag k="leisure" v="park"/>')
    relations = "".join(
        f'<relation id="{n}" version="1"><member type="way" ref="{n}" role="outer"/><tag k="type" v="boundary"/>'
        f'<tag k="boundary" v="administrative"/><tag k="admin_level" v="{level}"/><tag k="name" v="{name}"/></relation>'
        for n, (name, level) in enumerate((("Westen", 8), ("Osten", 8)), 1)
    )
    path = tmp_path / "small.osm"
    path.write_text(EXTRACT.format(nodes=nodes, ways=ways, relations=relations))
    return path


def test_an_extract_is_a_list_and_its_map_can_be_ranked(extract, tmp_path, capsys):
    assert [(one.key, one.place) for one in batch.read_list(extract, level=8)] == [("osten", "R2"), ("westen", "R1")]
    out = tmp_path / "out"
    assert call("rank", extract, "--level", 8, "--by", "osm-green", "--offline", "--out", out) == 0
    printed = capsys.readouterr().out
    assert "Westen has the largest share of green (25%) and Osten the smallest (0%)" in printed
    table = pd.read_csv(out / "ranking.csv")
    assert list(table["counted"]) == ["osm-green"] * 2
    assert table["green_ratio"].tolist() == [pytest.approx(0.25, abs=0.001), 0]
    assert table["low"].isna().all()
    assert list(table["n_ties"]) == [1, 1]
    page = (out / "ranking.html").read_text(encoding="utf-8")
    assert "not what a satellite saw" in page
    assert "OpenStreetMap contributors" in page
    assert call("rank", extract, "--level", 8, "--by", "osm-green", "--offline", "--out", out, "--plan") == 0
    assert "2 to do" in capsys.readouterr().out


def test_an_extract_needs_a_level_that_it_has(extract, towns):
    with pytest.raises(TableError, match="say which areas with --level"):
        batch.read_list(extract)
    with pytest.raises(TableError, match="no whole area of level 6"):
        batch.read_list(extract, level=6)
    with pytest.raises(TableError, match="only that has levels"):
        batch.read_list(towns[1], level=8)
