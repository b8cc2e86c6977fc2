"""A plan survives JSON; what is not a plan is refused in one line."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely import MultiPolygon, box
from shapely.geometry import mapping

from howgreen.core.errors import PlanError
from howgreen.core.types import Asset, City, District, Period, Population, Scene
from howgreen.pipeline import plan_json
from howgreen.pipeline.plan_json import Plan

PLACES = MultiPolygon([box(11.1, 46.3, 11.4, 46.5), box(11.6, 46.4, 11.7, 46.6)])
GRID = GeoBox((3500, 4800), Affine(10, 0, 661_130, 0, -10, 5_164_260), "EPSG:32632")

scenes = st.builds(
    Scene,
    id=st.text(min_size=1),
    sensor=st.just("sentinel-2"),
    time=st.datetimes(timezones=st.just(UTC)),
    footprint=st.just(box(11, 46, 12, 47)),
    assets=st.lists(
        st.builds(
            Asset,
            band=st.sampled_from(["red", "nir", "scl"]),
            href=st.text(),
            index=st.integers(1, 9),
            size_bytes=st.none() | st.integers(0),
            sha256=st.none() | st.text(),
        )
    ).map(tuple),
    scale=st.floats(1e-6, 1),
    offset=st.floats(-1, 1),
    nodata=st.none() | st.integers(-9999, 65535),
    cloud_cover_pct=st.none() | st.floats(0, 100),
    clear_pct=st.none() | st.floats(0, 100),
    covered_pct=st.none() | st.floats(0, 100),
    platform=st.sampled_from(["", "landsat-5", "sentinel-1a"]),
    power=st.booleans(),
    synthetic=st.booleans(),
)


def made(used: tuple[Scene, ...] = (), passed_over: tuple[Scene, ...] = ()) -> Plan:
    people = Population(count=106_000, year=2023, source="a census")
    return Plan(
        city=City(
            name="bolzano",
            label="Bolzano/Bozen",
            id="store:bolzano",
            boundary=PLACES,
            crs="EPSG:32632",
            area_m2=52e6,
            districts=(District(name="Gries", id="g", boundary=box(11.1, 46.3, 11.2, 46.4), population=people),),
            population=people,
        ),
        period=Period(start=date(2023, 5, 1), end=date(2023, 9, 30), months=(5, 6, 9)),
        sensor="sentinel-2",
        grid=GRID,
        scenes=used,
        passed_over=passed_over,
        bands=("red", "nir"),
        source="/somewhere",
        model="ndvi",
        model_sha256="ab" * 32,
        howgreen="0.1.0",
    )


@given(
    used=st.lists(scenes, max_size=3, unique_by=lambda scene: scene.id).map(tuple),
    passed_over=st.lists(scenes, max_size=2).map(tuple),
)
def test_a_plan_survives_json(used: tuple[Scene, ...], passed_over: tuple[Scene, ...]):
    plan = made(used, passed_over)
    assert plan_json.from_json(plan_json.to_json(plan)) == plan


def test_a_plan_survives_a_file(tmp_path: Path):
    plan_json.save(made(), tmp_path / "plan.json")
    assert plan_json.load(tmp_path / "plan.json") == made()
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"howgreen_plan": 99}', '{"howgreen_plan": 1, "city": {}}', "\x00", "[" * 100_000]
)
def test_what_is_not_a_plan_is_refused_in_one_line(text: str):
    with pytest.raises(PlanError) as caught:
        plan_json.from_json(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", sorted(json.loads(plan_json.to_json(made()))))
def test_every_key_is_needed(key: str):
    data = json.loads(plan_json.to_json(made()))
    del data[key]
    with pytest.raises(PlanError):
        plan_json.from_json(json.dumps(data))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("sensor",), "foo"),
        (("bands",), ["red", "red"]),
        (("bands",), [1]),
        (("model",), None),
        (("grid", "crs"), "foo"),
        (("grid", "crs"), "EPSG:4326"),
        (("grid", "transform"), [0, 0, 0, 0, 0, 0]),
        (("grid", "transform"), [float("nan"), 0, 0, 0, -10, 0]),
        (("grid", "shape"), [3500, 4000]),
        (("grid", "shape"), [10**6, 10**6]),
        (("grid", "transform"), [10, 0, 671_130, 0, -10, 5_164_260]),
        (("grid", "transform"), [0.01, 0, 661_130, 0, -0.01, 5_164_260]),
        (("city", "features", 0, "geometry"), mapping(box(1.1, 46.3, 1.4, 46.5))),
        (("city", "features", 0, "properties", "land"), mapping(box(1.1, 46.3, 1.4, 46.5))),
        (("scenes", 0, "sensor"), "landsat"),
        (("scenes", 0, "scale"), "x"),
        (("scenes", 0, "scale"), float("nan")),
        (("scenes", 0, "scale"), 0),
        (("scenes", 0, "nodata"), "x"),
        (("scenes", 0, "clear_pct"), "<b>"),
        (("scenes", 0, "power"), "no"),
        (("scenes", 0, "platform"), None),
        (("scenes", 0, "assets", 0, "href"), None),
        (("scenes", 0, "assets", 0, "index"), 0),
        (("scenes", 0, "assets", 0, "index"), "1"),
    ],
)
def test_an_edited_value_that_cannot_be_is_refused(path: tuple[str | int, ...], value: object):
    scene = Scene(
        id="S2",
        sensor="sentinel-2",
        time=datetime(2023, 7, 1, tzinfo=UTC),
        footprint=box(11, 46, 12, 47),
        assets=(Asset(band="red", href="/red.tif"),),
        scale=1e-4,
        offset=0.0,
        nodata=0,
    )
    data = json.loads(plan_json.to_json(made((scene,))))
    assert plan_json.from_json(json.dumps(data)).scenes == (scene,)
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(PlanError):
        plan_json.from_json(json.dumps(data))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(PlanError, match=r"absent\.json: No such file"):
        plan_json.load(tmp_path / "absent.json")


def test_words_name_each_scene_and_its_clear_cover():
    scene = Scene(
        id="S2_one",
        sensor="sentinel-2",
        time=datetime(2023, 7, 1, tzinfo=UTC),
        footprint=box(11, 46, 12, 47),
        assets=(),
        scale=1e-4,
        offset=0,
        nodata=0,
        clear_pct=87.4,
        covered_pct=91.0,
    )
    words = plan_json.describe(made((scene,), (dataclasses.replace(scene, id="S2_two", clear_pct=3.0),)))
    assert "2023-07-01  clear  87 % of the city, covers  91 %  S2_one" in words
    assert "found and not used: 1" in words
    assert "S2_two" in words


def test_a_plan_does_not_name_its_maker_and_is_read_on_another_computer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ann"))
    asset = Asset(band="red", href="/home/ann/shelf/red.tif", index=1)
    scene = Scene(
        id="a", sensor="sentinel-2", time=datetime(2024, 6, 1, tzinfo=UTC), footprint=box(11, 46, 12, 47), assets=(asset,),
        scale=1e-4, offset=0.0, nodata=0,
    )  # fmt: skip
    plan = dataclasses.replace(made((scene,)), source="/home/ann/shelf")
    text = plan_json.to_json(plan)
    assert "/home/ann" not in text
    assert plan_json.from_json(text) == plan
    monkeypatch.setattr(Path, "home", lambda: Path("/home/bob"))
    assert plan_json.from_json(text).scenes[0].assets[0].href == "/home/bob/shelf/red.tif"
    elsewhere = dataclasses.replace(plan, source="/home/anna/shelf", scenes=())
    assert json.loads(plan_json.to_json(elsewhere))["source"] == "/home/anna/shelf"
