"""A measured season from the command line to the report, on a year of small images and on real ones."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

import howgreen
from howgreen import cli, place
from howgreen.core.errors import PeriodError, PlanError
from howgreen.pipeline import image_sources, plan_json
from howgreen.pipeline.planning import Choice
from howgreen.store import put_place
from towns import GRID, put_image, put_town

CURVE = (0.2, 0.25, 0.45, 0.62, 0.6, 0.4, 0.3, 0.25, 0.2, 0.2, 0.2, 0.2)
"""A dry summer: April and May are the greenest months, and only May lies in the calendar's season."""


def keep(
    root: Path, moment: datetime, light: dict[str, np.ndarray], grid: GeoBox, *, sensor: str = "sentinel-2"
) -> None:
    numbers = {band: np.clip(values * 1e4, 1, 30000) for band, values in light.items()}
    put_image(root, f"s{moment:%Y%m%d}", moment, numbers, grid, sensor=sensor)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    for number, ndvi in enumerate(CURVE, 1):
        for day in (5, 15, 25):
            nir = np.full(GRID.shape, 0.3)
            light = {"blue": nir / 8, "green": nir / 5, "red": nir * (1 - ndvi) / (1 + ndvi), "nir": nir}
            keep(root, datetime(2023, number, day, 10, tzinfo=UTC), light, GRID)
    put_town(root)
    return root


def call(*arguments: object) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main([str(part) for part in arguments])
    assert done.value.code == 0


@pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")
def test_the_greenest_months_are_planned_told_and_kept(store, tmp_path, capsys):
    out = tmp_path / "report"
    call("city", "Small", "--store", store, "--period", 2023, "--season", "peak", "--model", "ndvi", "--out", out)
    told = "season measured: greenest 2023-04 to 2023-05, of 12 months compared by mean NDVI: 2023-01 0.20 (3 dates), 2023-02"
    assert told in capsys.readouterr().out
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["period"] == {"start": "2023-04-01", "end": "2023-05-31", "months": list(range(1, 13))}
    assert {scene["date"][:7] for scene in summary["scenes"]} == {"2023-04", "2023-05"}
    assert len(summary["passed_over"]) + len(summary["scenes"]) == 36
    assert any(told in note for note in summary["notes"])
    kept = summary["provenance"]["season"]
    assert [round(month["greenness"], 2) for month in kept["months"]] == list(CURVE)
    assert [month["month"] for month in kept["months"] if month["taken"]] == ["2023-04", "2023-05"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert told in page
    line = page[page.index('<svg class="days"') :]
    assert line[: line.index("</svg>")].count("<circle") == 6  # images of other months are in the table alone
    bars = page[page.index('data-testid="season"') :]
    assert "2023-04: 0.62 · 3 dates (used). 2023-05: 0.60" in bars
    assert bars[: bars.index("</svg>")].count("✓") == 2
    assert "out-of-season" not in {one["code"] for one in summary["warnings"]}  # April was measured
    again = plan_json.load(out / "plan.json")
    assert plan_json.to_json(again) == (out / "plan.json").read_text(encoding="utf-8")
    assert again.season.months[3].taken


@pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")
@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("2023", date(2023, 5, 1), date(2023, 9, 30)),
        (howgreen.Season("calendar", 2023), date(2023, 5, 1), date(2023, 9, 30)),
        (howgreen.Season("year", 2023), date(2023, 1, 1), date(2023, 12, 31)),
        (howgreen.Season("peak", 2023), date(2023, 4, 1), date(2023, 5, 31)),
        (howgreen.Season("peak", "2023-06/2023-12"), date(2023, 6, 1), date(2023, 6, 30)),
        (howgreen.Season("peak"), date(2023, 4, 1), date(2023, 5, 31)),
        (howgreen.Season("year"), date(2023, 1, 1), date(2023, 12, 31)),
        (None, date(2023, 5, 1), date(2023, 9, 30)),
    ],
    ids=str,
)
def test_what_a_year_means(store, period, start, end):
    made = howgreen.plan("Small", images=howgreen.Store(store), period=period, model="ndvi")
    assert (made.period.start, made.period.end) == (start, end)
    assert (made.season is not None) is (isinstance(period, howgreen.Season) and period.kind == "peak")


@pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")
def test_an_image_that_is_lost_is_not_replaced_by_one_of_another_season(store):
    from dataclasses import replace

    from howgreen.core.errors import ImageError
    from howgreen.pipeline.planning import without

    made = howgreen.plan("Small", images=howgreen.Store(store), period=howgreen.Season("peak", 2023), model="ndvi")
    few = replace(made, scenes=made.scenes[:1], passed_over=(*made.scenes[1:], *made.passed_over))
    changed = without(few, ImageError(f"scene {made.scenes[0].id}: gone"))
    assert changed.scenes
    assert all(scene.time in made.period for scene in changed.scenes)


def test_the_year_of_the_south_is_not_cut_in_its_summer():
    south = place.from_point(-33.9, 151.2, radius_m=900)
    period, notes = image_sources.asked_period("2024", south, "peak")
    assert (period.start, period.end) == (date(2023, 7, 1), date(2024, 6, 30))
    assert notes == ("2024 means the twelve months around its growing season here, 2023-07-01/2024-06-30",)
    newest = next(iter(image_sources.image_sources(
        south, root=None, named=False, catalogs=("one",), period=howgreen.Season("peak"), sensor="sentinel-2", today=date(2024, 11, 27),
    ))).period  # fmt: skip
    assert (newest.start, newest.end) == (date(2023, 7, 1), date(2024, 6, 30))


def test_seasons_that_cannot_be_are_refused(store):
    with pytest.raises(PlanError, match="measured by optical images"):
        Choice(sensor="sentinel-1", period=howgreen.Season("peak", 2023))
    with pytest.raises(PeriodError, match="'spring' is unknown: use calendar, peak, year"):
        howgreen.Season("spring")
    with pytest.raises(PeriodError, match="season 'year' takes a year"):
        howgreen.plan("Small", images=howgreen.Store(store), period=howgreen.Season("year", "2023-05/2023-06"))


# ---- real images


S2_BANDS = {"blue": 1, "green": 2, "red": 3, "nir": 7}
DAYS = ("2015-08-20", "2015-07-31", "2015-09-09", "2015-08-30", "2015-07-11")


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")
def test_five_dates_of_slovenia_a_wholly_clouded_one_among_them(shared_data, tmp_path):
    """The clouds of 2015-08-20 and 07-31 have no mask: the detector tells them, so that no month is pulled down by one."""
    scenes = np.load(shared_data / "slovenia_dates" / "REFERENCE_SCENES.npy")
    grid = GeoBox(scenes.shape[1:3], Affine(9.995, 0, 465181.05, 0, -9.997, 5080254.63), "EPSG:32633")
    for day, values in zip(DAYS, scenes, strict=True):
        keep(
            tmp_path,
            datetime.fromisoformat(f"{day}T10:00:00+00:00"),
            {n: values[..., i] for n, i in S2_BANDS.items()},
            grid,
        )
    put_place(tmp_path, place.from_shape(grid.extent.to_crs("EPSG:4326").geom.buffer(-0.0002), name="Slovenia"))
    made = howgreen.plan(
        "Slovenia", images=howgreen.Store(tmp_path), period=howgreen.Season("peak", 2015), model="ndvi"
    )
    level = {f"{one.month:%m}": one.greenness for one in made.season.months}
    assert list(level) == ["07", "08", "09"]
    assert level["08"] == pytest.approx(level["09"], rel=0.1)
    assert made.season.months[2].taken


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning")
def test_twelve_months_of_belgian_fields(shared_data, tmp_path):
    months = two_sensors(shared_data / "two_sensors" / "worldcereal_preprocessed_inputs.nc")
    ndvi = {}
    for moment, light in months:
        seen = (light["red"] > 0) & (light["nir"] > 0)
        if seen.any():
            keep(tmp_path, moment, light, GeoBox(seen.shape, Affine(10, 0, 664_000, 0, -10, 5_613_000), "EPSG:32631"))
            red, nir = light["red"][seen], light["nir"][seen]
            ndvi[moment.date().replace(day=1)] = float(((nir - red) / (nir + red)).mean())
    put_place(tmp_path, place.from_shape(seen_extent(seen.shape), name="Fields"))
    made = howgreen.plan("Fields", images=howgreen.Store(tmp_path), period=howgreen.Season("peak", None), model="ndvi")
    found = {one.month: one.greenness for one in made.season.months}
    best = max(found, key=found.get)
    assert best == max((month for month in ndvi if month in found), key=ndvi.get)
    assert best.month in (4, 5, 6)


def seen_extent(shape: tuple[int, int]):
    return (
        GeoBox(shape, Affine(10, 0, 664_000, 0, -10, 5_613_000), "EPSG:32631")
        .extent.to_crs("EPSG:4326")
        .geom.buffer(-0.0002)
    )


def two_sensors(path: Path) -> list[tuple[datetime, dict[str, np.ndarray]]]:
    """Monthly reflectance, 0 where there is none, by GDAL's own netCDF reader."""
    import warnings
    from datetime import timedelta

    import rasterio

    names = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}
    planes = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for band, code in names.items():
            with rasterio.open(f"netcdf:{path}:S2-L2A-{code}") as file:
                values, tags = file.read().astype(float), file.tags()
                planes[band] = np.where(values == 65535, 0, values / 1e4)
    unit = tags["t#units"].removeprefix("days since ").strip()[:10]
    days = [int(one) for one in tags["NETCDF_DIM_t_VALUES"].strip("{}").split(",")]
    first = datetime.fromisoformat(f"{unit}T10:00:00+00:00")
    return [
        (first + timedelta(days=day), {band: plane[number] for band, plane in planes.items()})
        for number, day in enumerate(days)
    ]
