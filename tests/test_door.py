"""The public door: few parameters, values in and out, values that show themselves, nothing heavy before it is used."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import odc.geo.xr  # noqa: F401 (teaches xarray `.odc`)
import pytest
import rioxarray  # noqa: F401 (teaches xarray `.rio`)
import shapely

import howgreen
from howgreen.core import errors
from howgreen.core.errors import HowgreenError, PlanError, StoreError
from howgreen.core.warnings import Caution, HowgreenWarning

FUNCTIONS = [name for name in howgreen.__all__ if inspect.isfunction(getattr(howgreen, name))]


@pytest.fixture(scope="module")
def place(sampleton: Path) -> howgreen.City:
    return howgreen.place_from_name("Sampleton", store=howgreen.Store(sampleton))


@pytest.fixture(scope="module")
def plan(place: howgreen.City, sampleton: Path) -> howgreen.Plan:
    return howgreen.plan(place, images=howgreen.Store(sampleton), period="2024")


@pytest.fixture(scope="module")
def result(plan: howgreen.Plan) -> howgreen.CityResult:
    return howgreen.run(plan)


def test_completion_offers_what_is_meant_for_users():
    shown = {name for name in dir(howgreen) if not name.startswith("__")}
    assert shown == {name for name in howgreen.__all__ if not name.startswith("__")}


def test_nothing_heavy_is_loaded_before_it_is_used():
    program = (
        "import sys, howgreen; before = set(sys.modules); howgreen.HowgreenWarning, howgreen.HowgreenError, howgreen.Store;"
        "assert not {'numpy', 'rasterio', 'shapely', 'xarray', 'msgspec', 'dataclasses'} & before, before;"
        "assert set(howgreen.__all__) <= set(dir(howgreen))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_have_at_most_eight_named_parameters_and_tell_what_they_return(name: str):
    signature = inspect.signature(getattr(howgreen, name))
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    assert len(kinds) <= 8
    assert not {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL} & set(kinds)
    assert signature.return_annotation is not inspect.Signature.empty
    assert not hasattr(getattr(howgreen, name), "__wrapped__")
    assert getattr(howgreen, name).__doc__.split("\n")[0].endswith(".")


def test_city_says_that_it_answers_with_a_city_result():
    assert inspect.signature(howgreen.city).return_annotation == "CityResult"
    assert list(inspect.signature(howgreen.city).parameters) == list(inspect.signature(howgreen.plan).parameters)


def test_a_name_a_city_a_shape_and_a_file_are_all_places(place: howgreen.City, sampleton: Path, tmp_path: Path):
    quarter = place.districts[0].boundary
    file = tmp_path / "quarter.geojson"
    frame = gpd.GeoDataFrame({"name": ["Quarter"]}, geometry=[quarter], crs="EPSG:4326")
    frame.to_file(file)
    ways = [quarter, shapely.geometry.mapping(quarter), quarter.wkt, frame, file]
    plans = [howgreen.plan(one, store=sampleton) for one in ways]
    assert len({made.grid for made in plans}) == 1
    by_name = howgreen.plan("Sampleton", store=sampleton)
    assert by_name == howgreen.plan(place, images=howgreen.Store(sampleton))
    assert by_name.grid != plans[0].grid


def test_periods_are_years_days_words_or_periods(place: howgreen.City, sampleton: Path):
    for period in (2024, "2024", howgreen.Period.growing_season(place.boundary.centroid.y, 2024)):
        made = howgreen.plan(place, store=sampleton, period=period)
        assert (made.period.start, made.period.end) == (date(2024, 5, 1), date(2024, 9, 30))
    day = howgreen.plan(place, store=sampleton).scenes[0].time.date()
    assert len(howgreen.plan(place, store=sampleton, period=day).scenes) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"images": "shelf"}, r"write howgreen\.Store\(folder\)"),
        ({"images": howgreen.Store("a"), "store": "b"}, "leave one out"),
        ({"sensor": "kite"}, "sentinel-2"),
    ],
)
def test_natural_mistakes_are_one_line_that_helps(place: howgreen.City, options: dict, words: str):
    with pytest.raises(PlanError, match=words) as caught:
        howgreen.plan(place, **options)
    assert isinstance(caught.value, ValueError)


def test_a_file_is_no_store(tmp_path: Path):
    (tmp_path / "x.tif").write_bytes(b"")
    with pytest.raises(StoreError, match=r"is a file, not a store; .* howgreen store add"):
        howgreen.Store(tmp_path / "x.tif")


def test_what_a_user_gave_wrong_is_a_value_error():
    inputs = {"PlaceNotFoundError", "AmbiguousPlaceError", "AreaError", "PeriodError", "ModelError", "MissingBandsError",
              "LabelError", "TableError", "PlanError", "EstimateError"}  # fmt: skip
    for name in inputs:
        assert issubclass(getattr(errors, name), ValueError), name
        assert issubclass(getattr(errors, name), HowgreenError)
    for name in ("NetworkError", "OutputError", "NoImageError"):
        assert not issubclass(getattr(errors, name), ValueError)


def test_a_plan_describes_saves_and_loads_itself(plan: howgreen.Plan, tmp_path: Path):
    plan.save(tmp_path / "plan.json")
    again = howgreen.Plan.load(tmp_path / "plan.json")
    assert again == plan
    assert type(again) is howgreen.Plan is type(plan)
    assert "scenes used: 8" in again.describe()


def test_districts_are_given_to_a_place_and_it_stays_as_it_was(place: howgreen.City, tmp_path: Path):
    quarter = gpd.GeoDataFrame({"name": ["Only"]}, geometry=[place.districts[0].boundary], crs="EPSG:4326")
    quarter.to_file(tmp_path / "districts.gpkg")
    with_one = howgreen.with_districts(place, tmp_path / "districts.gpkg")
    assert [part.name for part in with_one.districts] == ["Only"]
    assert len(place.districts) > 1


def test_where_lists_what_a_name_means(sampleton: Path):
    (only,) = howgreen.where("Sampleton", store=howgreen.Store(sampleton))
    assert only.id == "sample:sampleton"


def test_values_show_themselves_in_one_line(result: howgreen.CityResult):
    ratio, span = result.stats.green_ratio, result.stats.interval
    answer = f"{ratio:.0%} green (95 % interval {span.low:.0%}–{span.high:.0%})".replace("%", " %").replace(
        "95  %", "95 %"
    )
    answer = answer.replace(f"{span.low:.0%}–".replace("%", " %"), f"{span.low:.0%}–".replace("%", ""))
    texts = [repr(one) for one in (result, result.plan, result.plan.city, result.stats, result.summary())]
    assert all("\n" not in text and len(text) < 200 and "\u00a0" not in text for text in texts)
    for text in (texts[0], texts[3], texts[4]):
        assert answer in text
    assert "8 images, 11 May – 13 Sep 2024" in texts[0]
    assert texts[1] == "<Plan Sampleton (synthetic): 2024-05-01/2024-09-30, sentinel-2, 8 scenes, mixture-10>"


def test_values_show_themselves_in_a_notebook_and_escape_what_strangers_wrote(result: howgreen.CityResult):
    nasty = "<script>alert(1)</script>"
    city = replace(result.plan.city, label=nasty, warnings=(Caution("limits-doubtful", nasty),))
    shown = replace(result, plan=replace(result.plan, city=city), warnings=city.warnings)
    pages = [one._repr_html_() for one in (shown, shown.plan, city, shown.stats, shown.summary())]
    for page in pages:
        assert "<script>" not in page
    assert pages[0].count("&lt;script&gt;") == 2
    for word in ("Interval", "Land that was seen", "11 May", "data:image/png;base64,"):
        assert word in pages[0].replace("\u00a0", " ")


def test_a_frame_holds_one_tidy_row_a_zone(result: howgreen.CityResult):
    frame = result.to_frame()
    assert isinstance(frame, gpd.GeoDataFrame)
    assert frame.crs == "EPSG:4326"
    assert len(frame) == 1 + len(result.plan.city.districts)
    assert frame["green_ratio"][0] == result.stats.green_ratio
    assert frame[["n_dates", "first_date", "last_date", "model"]].drop_duplicates().values.tolist() == [
        [8, "2024-05-11", "2024-09-13", "mixture-10"]
    ]
    assert frame["warnings"][0] == " ".join(caution.code for caution in result.warnings)
    two = typing.cast("gpd.GeoDataFrame", gpd.pd.concat([frame, frame]))
    assert len(two) == 2 * len(frame)


@pytest.mark.filterwarnings("ignore:Use .@. matmul:PendingDeprecationWarning")  # rioxarray's own
def test_the_green_fraction_lies_where_other_libraries_look_and_gives_the_ratio(result: howgreen.CityResult):
    fraction = result.green_fraction
    grid = result.landcover.grid
    assert fraction.odc.geobox == grid
    assert fraction.rio.crs == grid.crs.to_epsg()
    assert fraction.rio.transform() == grid.transform
    assert fraction.rio.bounds() == pytest.approx(tuple(grid.boundingbox.bbox))
    values = fraction.values
    whole = result.landcover.data["green_fraction"].values
    kept = ~np.isnan(values)
    np.testing.assert_array_equal(values[kept], whole[kept])
    water = np.isin(result.landcover.data["label"].values, result.landcover.water_codes)
    assert not (kept & water).any()
    centres = shapely.points(*np.meshgrid(fraction.x.values, fraction.y.values))
    limits = gpd.GeoSeries([result.plan.city.boundary], crs="EPSG:4326").to_crs(fraction.rio.crs).union_all()
    far = shapely.distance(limits, centres) > 7.2  # half a pixel's diagonal, and what bent edges may add
    assert not (kept & far).any()
    from exactextract import exact_extract

    zone = gpd.GeoDataFrame(geometry=[limits], crs=fraction.rio.crs)
    mean = exact_extract(fraction.compute(), zone, ["mean"])[0]["properties"]["mean"]
    assert mean == pytest.approx(result.stats.green_ratio, abs=1e-6)


def test_python_hears_each_warning_once(place: howgreen.City, sampleton: Path):
    day = howgreen.plan(place, store=sampleton).scenes[0].time.date()
    with warnings.catch_warnings(record=True) as every:
        warnings.simplefilter("always", HowgreenWarning)
        made = howgreen.plan(place, store=sampleton, period=day)
    heard = [one for one in every if issubclass(one.category, HowgreenWarning)]
    assert [one.message.code for one in heard] == ["few-dates"] == [caution.code for caution in made.warnings]
    assert {one.filename for one in heard} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error", HowgreenWarning)
        result = howgreen.run(made)  # nothing new came up
        with pytest.raises(HowgreenWarning, match="only 1 date"):
            howgreen.plan(place, store=sampleton, period=day)
    assert result.warnings == made.warnings
    assert [one["code"] for one in result.summary()["warnings"]] == ["few-dates"]
