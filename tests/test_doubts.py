"""Every doubt that can move the ratio is told wherever the number stands; each threshold is where it is said to be."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from shapely import box

from command_line import call as run
from howgreen.core.models import ModelClass
from howgreen.core.types import Asset, City, GreenStats, MeasuredSeason, MonthGreenness, Period, Plan, Scene
from howgreen.core.warnings import CODES, Caution
from howgreen.pipeline import _doubts
from howgreen.store import put_place
from towns import GRASS, GRID, limits, put_image


def city(kind: str = "city", latitude: float = 46.0) -> City:
    return City(name="X", label="Xton", id="file:x", boundary=box(11, latitude, 11.1, latitude + 0.1), crs="EPSG:32632",
                area_m2=1.0, kind=kind)  # fmt: skip


def scene(day: date, *, mask: bool = True) -> Scene:
    assets = [Asset(band="red", href="red.tif"), *([Asset(band="scl", href="scl.tif")] if mask else [])]
    return Scene(
        id=f"S{day}", sensor="sentinel-2", time=datetime(day.year, day.month, day.day, 10, tzinfo=UTC),
        footprint=box(11, 46, 12, 47), assets=tuple(assets), scale=1e-4, offset=0.0, nodata=0,
    )  # fmt: skip


def plan(*scenes: Scene, place: City | None = None) -> Plan:
    return Plan(
        city=place or city(), period=Period(start=date(2020, 1, 1), end=date(2024, 12, 31)), sensor="sentinel-2", grid=GRID,
        scenes=scenes, passed_over=(), bands=("red",), source="store", model="ndvi", model_sha256="", howgreen="0",
    )  # fmt: skip


def codes(made: Plan) -> list[str]:
    return [caution.code for caution in _doubts.of_plan(made)]


JULY = [date(2024, 7, day) for day in (1, 11, 21, 31)]


def test_three_clear_days_of_one_season_leave_no_doubt():
    assert codes(plan(*map(scene, JULY[:3]))) == []


@pytest.mark.parametrize(("clear_pct", "told"), [(79.0, True), (81.0, False)])
def test_where_no_date_without_a_mask_is_clear_over_four_fifths_it_is_told(clear_pct: float, told: bool):
    bands = ("green", "red", "nir")
    assets = tuple(Asset(band=band, href=f"/x/{band}.tif") for band in bands)
    bare = [dataclasses.replace(scene(day), assets=assets, clear_pct=clear_pct - n) for n, day in enumerate(JULY)]
    found = codes(plan(*bare))
    assert "own-cloud-mask" in found
    assert ("no-clear-date" in found) == told
    masked = dataclasses.replace(bare[0], assets=(*assets, Asset(band="scl", href="/x/scl.tif")))
    assert "no-clear-date" not in codes(plan(masked, *bare[1:]))


def test_a_thin_veil_is_told_where_no_other_image_is_clear():
    veil = Caution("thin-veil", "all of it may lie under a veil")
    veiled = [dataclasses.replace(scene(day), warnings=(veil,)) for day in JULY[:3]]
    clear, cloudy, masked = (dataclasses.replace(scene(JULY[3]), clear_pct=pct) for pct in (80.0, 79.0, None))
    told = [caution.code for caution in _doubts.gather(plan(*veiled))]
    assert told == ["thin-veil"]
    assert [caution.code for caution in _doubts.gather(plan(*veiled, clear))] == []
    for other in (cloudy, masked):
        assert [caution.code for caution in _doubts.gather(plan(*veiled, other))] == ["thin-veil"]


def test_fewer_than_three_dates_are_told_and_two_tiles_of_one_pass_are_one():
    assert codes(plan(*map(scene, JULY[:2]))) == ["few-dates"]
    first = scene(JULY[0])
    twin = dataclasses.replace(first, id="T", time=first.time + timedelta(minutes=1))
    assert codes(plan(first, twin, scene(JULY[1]))) == ["few-dates"]
    (caution,) = _doubts.of_plan(plan(scene(JULY[0])))
    assert caution.text.startswith("only 1 date (1 Jul 2024)")


@pytest.mark.parametrize(("days", "told"), [(366, False), (367, True)])
def test_images_more_than_a_year_apart_are_told(days: int, told: bool):
    last = date(2023, 7, 1) + timedelta(days)
    made = plan(scene(date(2023, 7, 1)), scene(date(2023, 8, 1)), scene(last))
    assert ("dates-far-apart" in codes(made)) == told


@pytest.mark.parametrize(
    ("latitude", "day", "told"),
    [
        (46.0, date(2024, 4, 30), True),
        (46.0, date(2024, 5, 1), False),
        (46.0, date(2024, 9, 30), False),
        (46.0, date(2024, 10, 1), True),
        (-34.0, date(2024, 12, 31), False),
        (-34.0, date(2024, 7, 1), True),
        (4.0, date(2024, 1, 1), False),
    ],
)
def test_images_outside_of_the_growing_season_are_told(latitude: float, day: date, told: bool):
    days = [day, day, day]
    scenes = [
        dataclasses.replace(scene(d), id=str(n), time=scene(d).time + timedelta(hours=n)) for n, d in enumerate(days)
    ]
    assert ("out-of-season" in codes(plan(*scenes, place=city(latitude=latitude)))) == told


@pytest.mark.parametrize(
    ("latitude", "day", "told"),
    [
        (18.0, date(2002, 4, 16), True),  # Tabasco's dry image
        (18.0, date(1999, 11, 18), False),  # and its wet one
        (19.3, date(2024, 12, 1), True),
        (19.3, date(2024, 5, 1), False),
        (-12.0, date(2024, 6, 1), True),
        (-12.0, date(2024, 10, 31), True),
        (-12.0, date(2024, 11, 1), False),
        (-12.0, date(2024, 4, 16), False),
        (4.7, date(2024, 2, 1), False),  # near the equator no month is dry
        (24.0, date(2024, 2, 1), False),  # out of season instead
    ],
)
def test_a_day_of_the_dry_season_of_the_tropics_is_told(latitude: float, day: date, told: bool):
    place = city(latitude=latitude)
    assert ("dry-season" in codes(plan(scene(day), place=place))) == told
    assert "dry-season" not in codes(plan(scene(day), scene(date(2024, 7, 3)), scene(date(2024, 1, 3)), place=place))


@pytest.mark.parametrize(("months", "told"), [(5, True), (6, False)])
def test_a_season_measured_in_few_months_is_told_and_stands_for_the_calendar(months: int, told: bool):
    greenness = [
        MonthGreenness(
            month=date(2024, n, 1), greenness=0.1 * n if n <= months else None, dates=1, seen_pct=9, taken=n == 1
        )
        for n in range(1, 8)
    ]
    searched = Period(start=date(2024, 1, 1), end=date(2024, 12, 31))
    season = MeasuredSeason(searched=searched, months=tuple(greenness), read_bytes=0)
    made = dataclasses.replace(plan(*(scene(date(2024, 1, day)) for day in (1, 9, 17))), season=season)
    assert codes(made) == (["season-unmeasured"] if told else [])
    assert f"of {months} months compared" in season.in_words()


def test_images_without_a_mask_and_a_place_without_limits_are_told():
    made = plan(scene(JULY[0], mask=False), *map(scene, JULY[1:]), place=city("image footprint"))
    found = {caution.code: caution.text for caution in _doubts.of_plan(made)}
    assert list(found) == ["limits-are-image", "no-cloud-mask"]
    assert "not the limits of Xton" in found["limits-are-image"]
    assert found["no-cloud-mask"].startswith("1 of 4 images have no cloud mask")


@pytest.mark.parametrize(("seen", "told"), [(0.9, False), (0.899, True), (None, False), (0.0, True)])
def test_a_low_share_seen_is_told(seen: float | None, told: bool):
    stats = GreenStats(
        zone_area_m2=1e6, land_area_m2=1e6, observed_area_m2=1e6 * (seen or 0), green_area_m2=1.0, green_ratio=0.5,
        green_pixel_ratio=0.5, interval=None, observed_ratio=seen, area_by_class_m2={},
    )  # fmt: skip

    class Card:
        name = "m"
        reference_error = object()
        learned_from = ()

    record = {"radiometry": {"scenes": [{"id": "S", "offset_check": "doubtful", "offset_check_why": "too bright"}]}}
    found = [caution.code for caution in _doubts.of_answer(stats, Card, record)]
    assert found == ["offset-doubtful", *(["low-share-seen"] if told else [])]
    Card.reference_error = None
    assert [c.code for c in _doubts.of_answer(stats, Card, {"radiometry": {"scenes": []}})][-1] == "model-unscored"


@pytest.mark.parametrize(
    ("water", "told"),
    [(0.0, "water on 0 % of the limits, so that it lies on land"), (0.51, "mostly water"), (0.49, "lies on land")],
)
def test_a_sea_that_was_not_believed_is_asked_of_the_pixels(water: float, told: str):
    place = dataclasses.replace(
        city(), warnings=(Caution("coast-unclear", "by the coastline 99.9% of the limits would be sea"),)
    )
    stats = GreenStats(
        zone_area_m2=1e6, land_area_m2=1e6 * (1 - water), observed_area_m2=1e6 * (1 - water), green_area_m2=1.0, green_ratio=0.5,
        green_pixel_ratio=0.5, interval=None, observed_ratio=1.0, area_by_class_m2={},
    )  # fmt: skip

    class Card:
        name, reference_error = "m", object()
        classes = (
            ModelClass(code=0, name="green", green=True, colour="#0f0"),
            ModelClass(code=1, name="Water", green=False, colour="#00f"),
        )

    none = {"radiometry": {"scenes": []}}
    (found,) = _doubts.of_answer(stats, Card, none, place)
    assert (found.code, told in found.text.replace("\xa0", " ")) == ("coast-unclear", True)
    assert list(_doubts.of_answer(stats, Card, none, city())) == []
    assert list(_doubts.of_answer(stats, Card, none, dataclasses.replace(place, land=place.boundary))) == []
    Card.classes = Card.classes[:1]  # a model that knows no water cannot be asked
    assert list(_doubts.of_answer(stats, Card, none, place)) == []


def test_every_code_is_given_somewhere():
    source = "".join(p.read_text() for p in Path(_doubts.__file__).parents[1].rglob("*.py") if p.name != "warnings.py")
    assert [code for code in CODES if f'"{code}"' not in source] == []


# Through the command line: an image without a mask, of one winter's day, whose footprint is all that is known of the place.


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "shelf"
    put_image(root, "s1", datetime(2024, 2, 1, 10, tzinfo=UTC), GRASS)
    place = dataclasses.replace(
        city(), name="Tlax", label="Tlax\x1b[31m\x07cala", boundary=limits().boundary, kind="image footprint"
    )
    put_place(root, place)
    return root


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)
    return run


EXPECTED = ["limits-are-image", "own-cloud-mask", "few-dates", "out-of-season"]


def test_each_doubt_is_told_wherever_the_number_stands(call: Callable[..., int], store: Path, tmp_path: Path, capsys):
    assert call("city", "Tlax", "--period", "2024-02", "--store", store, "--out", "out") == 0
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if line.startswith("warning: ")]
    assert [line.rpartition("[")[2].rstrip("]") for line in lines] == EXPECTED
    assert printed.out.startswith("the area of the image (not Tlax [31m cala’s limits) is ")
    assert not {"\x1b", "\x07"} & set(printed.out + printed.err)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [one["code"] for one in summary["warnings"]] == EXPECTED
    assert [one["code"] for one in json.loads((tmp_path / "out" / "plan.json").read_text())["warnings"]] == EXPECTED
    page = (tmp_path / "out" / "report.html").read_text()
    hero = page[page.index('class="hero"') : page.index('class="facts"')]
    assert [hero.index(f'data-code="{code}"') for code in EXPECTED] == sorted(
        hero.index(f'data-code="{code}"') for code in EXPECTED
    )
    assert "How green is <em>the area of the image (not the limits of Tlax" in hero


def test_a_plan_tells_them_before_any_pixel(call: Callable[..., int], store: Path, capsys):
    assert call("plan", "Tlax", "--period", "2024-02", "--store", store, "--out", "plan.json") == 0
    printed = capsys.readouterr()
    assert printed.out.count("warning: ") == printed.err.count("warning: ") == len(EXPECTED)
    assert call("city", "--plan", "plan.json", "--out", "again") == 0
    assert capsys.readouterr().err.count("warning: ") == len(EXPECTED)


def test_strict_makes_them_errors_and_nothing_is_written(call: Callable[..., int], store: Path, tmp_path: Path, capsys):
    before = set(tmp_path.iterdir())
    assert call("city", "Tlax", "--period", "2024-02", "--store", store, "--strict") == 1
    assert set(tmp_path.iterdir()) == before
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(
        "howgreen: --strict: 4 warnings (few-dates, limits-are-image, out-of-season, own-cloud-mask)"
    )
    assert call("plan", "Tlax", "--period", "2024-02", "--store", store, "--strict") == 1
    assert call("city", "Tlax", "--period", "2024-02", "--store", store, "--out", "out") == 0


def test_every_code_is_used_or_documented_somewhere():
    """A code that nothing raises would be a promise that nobody keeps."""
    source = "".join(path.read_text() for path in Path(sys.modules["howgreen"].__path__[0]).rglob("*.py"))
    for code in CODES:
        assert Caution(code, "x").code == code
        assert source.count(f'"{code}"') >= 1


def test_a_trend_of_an_image_s_area_says_so():
    from types import SimpleNamespace

    from howgreen.pipeline import trending

    nothing = SimpleNamespace(points=(), unjoined={})
    assert [one.code for one in trending._doubts(nothing, [], city("image footprint"))] == ["limits-are-image"]
    assert list(trending._doubts(nothing, [], city())) == []
