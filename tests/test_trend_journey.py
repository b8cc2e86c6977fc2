"""Several simulated years of a small town whose true green share is known, from the command line to the page."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from command_line import call
from howgreen import report
from howgreen.core.errors import NoImageError, PlanError
from howgreen.pipeline import trending
from howgreen.pipeline.inputs import Store
from towns import GRID, mixed, put_image, put_town

WOBBLE = {2017: 1, 2018: -1, 2019: 0, 2020: 1, 2021: 0, 2022: -1, 2023: 0, 2024: 0}
"""Columns of forty by which a year differs from the line."""


def add(
    root: Path, year: int, columns: float, *, sensor: str = "sentinel-2", platform: str | None = None, months=(6, 7, 8)
) -> None:
    """Three images of a year in which the first so many of forty columns are grass."""
    grid = GRID if sensor == "sentinel-2" else GRID.zoom_to(resolution=30)
    share = np.clip(columns / 40 * grid.shape[1] - np.arange(grid.shape[1]), 0, 1) * np.ones((grid.shape[0], 1))
    for month in months:
        moment = datetime(year, month, 9, 10, tzinfo=UTC)
        name = f"{platform or sensor}-{year}{month:02d}"
        put_image(root, name, moment, mixed(share), grid, sensor=sensor, platform=platform)


@pytest.fixture(scope="module")
def greener(tmp_path_factory) -> Path:
    """Eight years in which the town gains a column, a fortieth, a year; none of 2020 is clear."""
    root = tmp_path_factory.mktemp("greener")
    put_town(root)
    for year in range(2017, 2025):
        if year != 2020:
            add(root, year, 12 + (year - 2017) + 0.5 * WOBBLE[year])
    return root


@pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")
def test_a_known_change_is_found_told_and_kept(greener, tmp_path, capsys):
    out = tmp_path / "trend"
    assert call("trend", "Small", "--store", greener, "--years", "2017:2024", "--model", "ndvi", "--out", out) == 0
    printed = capsys.readouterr()
    assert "Small, 2017 to 2024: more green. +2." in printed.out
    assert "points a year could not have been seen" in printed.out
    assert "no clear image in 2020: a gap in the series [image-left-out]" in printed.err
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    # The model is blind to some of the contrast, and to none of the change in it: the truth is 2.5 points a year.
    assert summary["slope"] == pytest.approx(0.025, abs=0.004)
    assert summary["slope_low"] < 0.025 < summary["slope_high"] + 0.002
    assert summary["verdict"] == "more green"
    assert [one["year"] for one in summary["years"]] == [2017, 2018, 2019, 2021, 2022, 2023, 2024]
    assert {gap["year"] for gap in summary["gaps"]} == {2020}
    assert all(one["interval_low"] <= one["green_ratio"] <= one["interval_high"] for one in summary["years"])
    assert len({one["year_to_year"] for one in summary["years"]}) == 1
    assert 0 < summary["years"][0]["year_to_year"] < 0.05
    assert {*summary["files"]} == {path.name for path in out.iterdir()}
    assert json.loads((out / "plan_2024_sentinel-2.json").read_text())["period"]["start"] == "2024-05-01"
    page = (out / "trend.html").read_text(encoding="utf-8")
    assert ">More green.</p>" in page
    assert page.count("<circle cx=") == 7 + 1  # and the key
    assert 'src="http' not in page
    with (out / "trend.csv").open(encoding="utf-8") as file:
        assert [row["year"] for row in csv.DictReader(file)] == [str(one["year"]) for one in summary["years"]]
    assert (
        call("trend", "Small", "--store", greener, "--years", "2017:2018", "--model", "ndvi", "--out", out) == 1
    )  # not without --overwrite
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")
def test_years_that_only_scatter_show_no_change_and_what_could_have_been_seen(tmp_path):
    area = put_town(tmp_path / "store")
    for year, columns in WOBBLE.items():
        add(tmp_path / "store", year, 20 + columns)
    asked = trending.TrendOptions(years=tuple(WOBBLE), model="ndvi")
    found = trending.over_years(area, Store(tmp_path / "store"), asked, out=tmp_path / "out")
    assert found.verdict == "no change that can be told from noise"
    assert found.slope_low < 0 < found.slope_high
    assert found.noise == pytest.approx(np.std(list(WOBBLE.values()), ddof=2) / 40, rel=0.25)
    assert found.detectable == pytest.approx(2.447 * found.noise / np.sqrt(42), rel=0.01)
    assert "stroke-dasharray" in (tmp_path / "out" / "trend.html").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")
def test_landsat_and_sentinel_2_are_joined_by_the_years_that_both_saw(tmp_path):
    """Landsat sees two columns less, as wider bands might; nothing changes on the ground."""
    root = tmp_path / "store"
    area = put_town(root)
    for year in range(2014, 2021):
        add(root, year, 18 + 0.2 * (year % 2), sensor="landsat", platform="landsat-8")
    for year in range(2017, 2023):
        add(root, year, 20 + 0.2 * (year % 2))
    for year in (2014, 2015):  # of other bands: left out of Landsat 8's years, and too few to be joined
        add(root, year, 30, sensor="landsat", platform="landsat-7")
    asked = trending.TrendOptions(years=tuple(range(2014, 2023)), sensors=("sentinel-2", "landsat"), model="ndvi")
    found = trending.over_years(area, Store(root), asked, out=tmp_path / "out")
    (step,) = found.joins
    assert (step.older, step.newer, step.years) == ("landsat-8-9", "sentinel-2", (2017, 2018, 2019, 2020))
    old = {one.year: one.green_ratio for one in found.left_out if one.satellites == "landsat-8-9"}
    new = {one.year: one.green_ratio for one in found.years}
    assert step.shift == pytest.approx(np.mean([new[year] - old[year] for year in step.years]))
    assert step.shift > 0.01
    assert found.years[0].joined_ratio == pytest.approx(found.years[0].green_ratio + step.shift)
    assert [one.satellites for one in found.years] == ["landsat-8-9"] * 3 + ["sentinel-2"] * 6
    assert found.verdict == "no change that can be told from noise"
    assert abs(found.slope) < 0.003
    assert {one.satellites for one in found.left_out} == {"landsat-8-9", "landsat-4-7"}
    assert any("landsat-4-7 is left out: it shares 2 years" in one.text for one in found.warnings)


@pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")
def test_the_same_model_and_months_in_every_year(tmp_path):
    root = tmp_path / "store"
    area = put_town(root)
    for year in (2022, 2023, 2024):
        add(root, year, 20, months=(3, 4, 7))
    found = trending.over_years(
        area, Store(root), trending.TrendOptions(years=(2022, 2023, 2024), months=(3, 4)), out=tmp_path / "out"
    )
    assert {one.dates for one in found.years} == {(f"{year}-03-09", f"{year}-04-09") for year in (2022, 2023, 2024)}
    assert found.model == "mixture-4"
    assert found.verdict == "too few years to tell"
    assert any(one.code == "few-dates" for one in found.warnings)
    assert report.TrendSummary.from_dict(found.to_dict()) == found


@pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")
def test_coefficients_from_elsewhere_are_applied_where_they_are_asked_for_and_told(tmp_path):
    root = tmp_path / "store"
    area = put_town(root)
    for year in (2001, 2002):
        add(root, year, 20, sensor="landsat", platform="landsat-7")
    own, roy = (
        trending.over_years(
            area,
            Store(root),
            trending.TrendOptions(years=(2001, 2002), model="ndvi", bandpass=name),
            out=tmp_path / (name or "own"),
        )
        for name in ("", "roy-2016")
    )
    assert roy.years[0].green_ratio > own.years[0].green_ratio + 0.01  # dry streets seem greener by it
    assert own.coefficients == ""
    assert (own.slope_low, own.noise, own.detectable, own.verdict) == (None, None, None, "too few years to tell")
    assert "nan" not in own.in_words() + own.to_json()
    assert own.in_words() == "2001 to 2002: too few years to tell"
    assert "points a year" not in (tmp_path / "own" / "trend.html").read_text(encoding="utf-8")
    assert "nan" not in re.sub(
        r"<style>.*?</style>", "", (tmp_path / "own" / "trend.html").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    assert "Roy et al. 2016" in (tmp_path / "roy-2016" / "trend.html").read_text(encoding="utf-8")
    assert "coefficients" not in (tmp_path / "own" / "trend.html").read_text(encoding="utf-8")
    plan = json.loads((tmp_path / "roy-2016" / "plan_2001_landsat-4-7.json").read_text(encoding="utf-8"))
    assert "3 of 3 images were brought to Landsat 8's bands by Roy et al. 2016" in plan["notes"][-1]


def test_what_cannot_be_asked(tmp_path):
    area = put_town(tmp_path)
    with pytest.raises(PlanError, match="two years at least"):
        trending.TrendOptions(years=(2024,))
    with pytest.raises(PlanError, match="60 at most"):
        trending.TrendOptions(years=tuple(range(1900, 2000)))
    with pytest.raises(PlanError, match="'sentinel-1' has no trend"):
        trending.TrendOptions(years=(2023, 2024), sensors=("sentinel-1",))
    with pytest.raises(NoImageError, match="Small: 0 of 2 years have clear images"):
        trending.over_years(area, Store(tmp_path), trending.TrendOptions(years=(2023, 2024)), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert call("trend", "Small", "--years", "2024:2017") == 2
    assert call("trend", "Small", "--years", "2017:2024", "--months", "0:13") == 2


def test_months_over_the_turn_of_the_year_end_in_it():
    asked = trending.TrendOptions(years=(2023, 2024), months=(11, 3))
    assert str(asked.period(2024)) == "2023-11-01/2024-03-31"
    assert str(trending.TrendOptions(years=(2023, 2024), months=(4, 6)).period(2024)) == "2024-04-01/2024-06-30"
    assert trending.TrendOptions(years=(1985, 2024)).families() == ("landsat-4-7", "landsat-8-9")
    assert trending.TrendOptions(years=(2017, 2024)).families() == ("sentinel-2",)
