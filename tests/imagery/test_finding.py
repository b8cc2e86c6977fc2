from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from shapely import MultiPolygon, Point, box

from howgreen.core.errors import ImageError, NoClearImageError, NoImageError
from howgreen.core.types import Period
from howgreen.imagery import choose, estimate_bytes, find
from howgreen.imagery.catalog._coverage import look
from howgreen.imagery.catalog._select import _greedy

UTM = "EPSG:32632"
WEST, NORTH = 600_000.0, 5_200_000.0
PERIOD = Period.parse("2024-05/2024-09")


@pytest.fixture
def city(make_city):
    """2 km square, its middle 3 km from the images' corner."""
    return make_city(box(WEST + 2000, NORTH - 4000, WEST + 4000, NORTH - 2000))


def scl(cloudy_columns, absent_columns=0, size=300):
    """20 m codes over 6 km: of the city (columns 100-200) the first ones cloudy, the last ones absent."""
    codes = np.full((size, size), 4, np.uint8)
    codes[:, 100 : 100 + cloudy_columns] = 9
    if absent_columns:
        codes[:, 200 - absent_columns :] = 0
    codes[:60], codes[240:] = 8, 8  # outside the city all is cloud
    return codes


def scene(make_scene, codes, **options):
    bands = {"red": np.full((600, 600), 500, np.uint16), "scl": (codes, 20.0, WEST, NORTH, UTM)}
    return make_scene(bands, **options)


def test_clear_is_counted_inside_the_city_only(make_scene, city):
    made = [scene(make_scene, scl(30), day=1), scene(make_scene, scl(0, 25), day=2), scene(make_scene, scl(0), day=3)]
    got = look(made, city=city)
    assert [s.id for s in got] == ["scene-2", "scene-1", "scene-0"]
    assert [s.clear_pct for s in got] == pytest.approx([100, 75, 70], abs=2)
    assert [s.covered_pct for s in got] == pytest.approx([100, 75, 100], abs=2)


def test_exclaves_count_and_the_box_between_does_not(make_scene, make_city):
    two = make_city(
        MultiPolygon([Point(WEST + 2300, NORTH - 3000).buffer(250), Point(WEST + 3700, NORTH - 3000).buffer(250)])
    )
    (got,) = look([scene(make_scene, scl(50))], city=two)
    assert got.clear_pct == pytest.approx(50, abs=3)


def test_without_a_mask_covered_is_clear(make_scene, city):
    values = np.full((600, 600), 900, np.uint16)
    values[:, 300:] = 0
    for nodata, expected in ((0, 50), (None, 100)):
        (got,) = look([make_scene({"red": values}, nodata=nodata)], city=city)
        assert (got.clear_pct, got.covered_pct) == pytest.approx((expected, expected), abs=2)


def test_another_zone_and_landsat(make_scene, city):
    qa = np.full((240, 240), 21824, np.uint16)
    qa[:, 100:] = 22280  # cloud from 3 km on
    got = look([make_scene({"qa_pixel": (qa, 30.0, WEST - 15, NORTH + 15, UTM)}, sensor="landsat")], city=city)
    assert got[0].clear_pct == pytest.approx(49, abs=3)


def test_scenes_that_miss_the_city_are_left_out(make_scene, city):
    assert look([scene(make_scene, np.zeros((300, 300), np.uint8))], city=city) == []


def test_broken_mask_is_named(make_scene, city):
    made = scene(make_scene, np.random.default_rng(0).integers(4, 9, (300, 300)).astype(np.uint8))
    with Path(made.asset("scl").href).open("r+b") as file:
        file.truncate(1200)
    with pytest.raises(ImageError, match=r"scl\.tif"):
        look([made], city=city)


def store_of(scenes, monkeypatch):
    import howgreen.store.read

    monkeypatch.setattr(howgreen.store.read, "scenes", lambda root: list(scenes))


def test_find_takes_the_sensor_the_period_and_the_place(make_scene, city, monkeypatch, tmp_path):
    right = scene(make_scene, scl(0))
    late = scene(make_scene, scl(0), day=300)
    far = replace(right, id="far", footprint=box(100, 10, 101, 11))
    other = replace(right, id="other", sensor="landsat")
    store_of([late, far, other, right], monkeypatch)
    assert [s.id for s in find(city, PERIOD, root=tmp_path, sensor="sentinel-2")] == [right.id]


def looked(make_scene, city, *codes, **options):
    return look([scene(make_scene, c, day=3 * i, **options) for i, c in enumerate(codes)], city=city)


def chosen(scenes, city, **options):
    used, over = choose(scenes, city=city, period=PERIOD, bands=("red",), **options)
    assert {s.id for s in used} | {s.id for s in over} == {s.id for s in scenes}
    assert not {s.id for s in used} & {s.id for s in over}
    return [s.id for s in used]


def test_five_clear_looks_are_enough(make_scene, city):
    scenes = looked(make_scene, city, *[scl(0)] * 7, scl(40))
    assert chosen(scenes, city) == [f"scene-{i}" for i in range(5)]


def test_order_does_not_matter(make_scene, city):
    scenes = looked(make_scene, city, scl(10), scl(40), scl(0), scl(90), scl(60), scl(0, 50), scl(98), scl(2))
    expected = chosen(scenes, city, max_scenes=4)
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert chosen([scenes[i] for i in rng.permutation(len(scenes))], city, max_scenes=4) == expected


def test_halves_of_a_swath_complement_each_other(make_scene, city):
    left, right = scl(0, 50), scl(0)
    right[:, :150] = 0
    a, b = scene(make_scene, left, day=1), scene(make_scene, right, day=1, minutes=1)
    assert sorted(chosen(look([a, b], city=city), city)) == [a.id, b.id]


def test_a_nearly_useless_scene_is_passed_over_unless_it_shows_what_none_does(make_scene, city):
    assert chosen(looked(make_scene, city, scl(0), scl(97)), city) == ["scene-0"]
    lone = scl(100)
    lone[:, 100:103] = 4
    hidden = scl(3)
    scenes = look([scene(make_scene, hidden, day=9), scene(make_scene, lone, day=12)], city=city)
    assert len(chosen(scenes, city)) == 2


def test_a_double_counts_once_and_the_newest_baseline_stays(make_scene, city):
    old = scene(make_scene, scl(0), native={"properties": {"s2:processing_baseline": "02.14"}})
    new = scene(make_scene, scl(0), minutes=1, native={"properties": {"s2:processing_baseline": "05.00"}})
    assert chosen(look([old, new], city=city), city) == [new.id]


def test_scenes_without_the_bands_are_passed_over(make_scene, city):
    full = scene(make_scene, scl(0), day=1)
    bare = make_scene({"scl": (scl(0), 20.0, WEST, NORTH, UTM)}, day=2)
    scenes = look([bare, full], city=city)
    assert chosen(scenes, city) == [full.id]
    with pytest.raises(NoImageError, match="lack red, swir22"):
        choose(scenes, city=city, period=PERIOD, bands=("red", "swir22"))


def test_most_scenes(make_scene, city):
    assert len(chosen(looked(make_scene, city, *[scl(0)] * 4), city, max_scenes=2)) == 2


def test_overlapping_tiles_of_a_pass_are_one_look():
    same = [np.ones(100, bool)] * 3
    assert _greedy(same, most=9, acquisition=[0, 0, 0]) == {0}
    assert _greedy(same, most=9, acquisition=[0, 1, 2]) == {0, 1, 2}


@pytest.mark.parametrize(("again", "taken"), [(150, {0, 2}), (190, {0, 2}), (210, {0, 1}), (300, {0, 1})])
def test_a_second_look_is_worth_half_a_first_one(again, taken):
    """Beside the clearest date one more may be had: a second look at ``again`` pixels, or the first at 100."""
    first, second, new = np.zeros((3, 1000), bool)
    first[:900], second[:again], new[900:] = True, True, True
    assert _greedy([first, second, new], most=2, acquisition=[0, 1, 2]) == taken


def test_nothing_there_says_what_there_is(make_scene, city, monkeypatch, tmp_path):
    held = [scene(make_scene, scl(20), day=-400), scene(make_scene, scl(0), day=-390)]
    store_of(held, monkeypatch)
    with pytest.raises(NoImageError) as error:
        choose([], city=city, period=PERIOD, bands=("red",), root=tmp_path, sensor="sentinel-2")
    first, last = (f"{s.time:%Y-%m-%d}" for s in held)
    text = str(error.value)
    assert f"2 of Sentinel-2 L2A ({first} to {last})" in text
    assert f"--period {first}/{last}" in text
    assert "\n" not in text
    store_of([], monkeypatch)
    with pytest.raises(NoImageError, match="store add"):
        choose([], city=city, period=PERIOD, bands=("red",), root=tmp_path)


def test_only_cloud_lists_the_dates_and_a_better_period(make_scene, city, monkeypatch, tmp_path):
    cloudy = looked(make_scene, city, scl(100), scl(98))
    better = scene(make_scene, scl(5), day=200)
    store_of([*cloudy, better], monkeypatch)
    with pytest.raises(NoClearImageError) as error:
        choose(cloudy, city=city, period=PERIOD, bands=("red",), root=tmp_path)
    text = str(error.value)
    for shown in cloudy:
        assert f"{shown.time:%Y-%m-%d} ({shown.clear_pct:.0f} % clear)" in text
    assert f"Try --period {better.time:%Y-%m-%d}, 95 % clear" in text
    assert better.time + timedelta(0) not in [s.time for s in cloudy]


def test_bytes(make_scene):
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from howgreen.imagery import grid  # noqa: F401 (the name is taken by a local value below)

    made = scene(make_scene, scl(0))
    whole = sum(a.size_bytes for a in made.assets)
    assert estimate_bytes([made, made], ("red",)) == 2 * whole
    assert estimate_bytes([made], ()) == made.asset("scl").size_bytes
    quarter = GeoBox((300, 300), Affine(10, 0, WEST, 0, -10, NORTH), UTM)
    assert estimate_bytes([made], ("red",), quarter) == pytest.approx(whole / 4, rel=0.02)
