"""Labels beside a map whose every pixel is known."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen.core.errors import LabelError
from howgreen.core.labels import CLASS_NAMES
from howgreen.estimate.judge import Places, judge
from howgreen.pipeline.judging import LabelFile, Mapped, judge_by

TREE, LOW, CROP, BUILT, BARE, WATER = range(len(CLASS_NAMES))
GRID = GeoBox((20, 30), Affine(10, 0, 600_000, 0, -10, 5_000_200), "EPSG:32632")


def _places(label, green, *, water=None, share=None):
    green = np.array(green, float)
    return Places(
        label=np.array(label), mapped_green=green,
        mapped_water=np.zeros(len(green), bool) if water is None else np.array(water), share=share,
    )  # fmt: skip


def test_the_table_worked_out_by_hand():
    """Mapped green 6, of which 4 are; built 3, all of them; 1 water."""
    label = [TREE, LOW, CROP, TREE, BUILT, BARE, BUILT, BUILT, BUILT, WATER]
    green = [0.9, 0.8, 0.5, 1.0, 0.6, 0.7, 0.49, 0.0, 0.1, 0.9]
    found = judge(_places(label, green, water=[False] * 9 + [True]), probability=False)
    assert found.overall.value == pytest.approx(0.8)
    assert found.users["green"].value == pytest.approx(4 / 6)
    assert found.producers["green"].value == 1
    assert found.producers["not green"].value == pytest.approx(3 / 5)
    assert found.users["water"].value == 1
    assert found.counts["green"] == {"green": 4, "not green": 2, "water": 0}
    # Cohen: observed .8, chance .6 x .4 + .3 x .5 + .1 x .1 = .4
    assert found.kappa == pytest.approx((0.8 - 0.4) / 0.6)
    miss = np.array([-0.1, -0.2, -0.5, 0, 0.6, 0.7, 0.49, 0, 0.1, 0])
    assert found.bias.value == pytest.approx(miss.mean())
    assert found.rmse == pytest.approx(np.sqrt((miss**2).mean()))
    assert found.classes["built"].called_green == pytest.approx(1 / 4)


def test_half_green_is_green_and_less_is_not():
    assert judge(_places([TREE], [0.5]), probability=False).overall.value == 1
    assert judge(_places([TREE], [0.4999]), probability=False).overall.value == 0


def test_labels_that_are_no_sample_have_no_interval():
    found = judge(_places([TREE, BUILT] * 50, [0.9, 0.1] * 50), probability=False)
    every = [found.overall, found.bias, *found.users.values(), *found.producers.values()]
    assert all(one.low is None and one.high is None for one in every)


def test_a_sample_has_intervals_even_where_all_is_right():
    found = judge(_places([TREE, BUILT] * 10, [0.9, 0.2] * 10), probability=True)
    assert found.overall.value == found.overall.high == 1
    assert found.overall.low == pytest.approx(0.8389, abs=1e-4)  # Wilson, 20 of 20
    assert found.bias.low < found.bias.value < found.bias.high


def test_the_intervals_of_a_sample_cover():
    """Users' accuracy .75 of what is mapped green, drawn 400 times."""
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(400):
        green = (rng.random(60) < 0.6).astype(float)
        true = np.where(rng.random(60) < np.where(green == 1, 0.75, 0.1), TREE, BUILT)
        one = judge(_places(true, green), probability=True).users["green"]
        inside += one.low <= 0.75 <= one.high
    assert inside >= 362  # 95 % of 400 is 380; fewer than 362 happens once in 10,000


def test_shares_are_compared_as_shares():
    found = judge(_places([TREE, BUILT], [0.7, 0.1], share=np.array([0.6, 0.3])), probability=False)
    assert found.bias.value == pytest.approx(-0.05)
    assert found.rmse == pytest.approx(np.sqrt((0.1**2 + 0.2**2) / 2))


def test_too_few_for_an_interval_are_refused():
    with pytest.raises(LabelError, match="9 places, and an interval needs 10"):
        judge(_places([TREE] * 9, [0.9] * 9), probability=True)


@pytest.fixture
def mapped():
    """West half green, east half not, the last column water, one pixel unseen; limits leave the top five rows out."""
    green = np.zeros((20, 30), np.float32)
    green[:, :15] = 0.9
    green[10, 3] = np.nan
    water = np.zeros((20, 30), bool)
    water[:, 29] = True
    return Mapped(
        title="Testville",
        grid=GRID,
        green=green,
        water=water,
        limits=shapely.box(600_000, 5_000_000, 600_300, 5_000_150),
    )


def _file(tmp_path, shapes, classes, **columns):
    path = tmp_path / "labels.gpkg"
    gpd.GeoDataFrame({"class": classes, **columns}, geometry=shapes, crs="EPSG:32632").to_file(path, driver="GPKG")
    return path


def test_polygons_count_by_the_pixels_inside_the_limits(tmp_path, mapped):
    shapes = [shapely.box(600_000, 5_000_000, 600_100, 5_000_200), shapely.box(600_160, 5_000_100, 600_200, 5_000_200),
              shapely.box(600_290, 5_000_000, 600_300, 5_000_020), shapely.box(600_100, 5_000_180, 600_120, 5_000_200)]  # fmt: skip
    judged = judge_by(mapped, LabelFile(path=_file(tmp_path, shapes, ["forest", "road", "lake", "tree"])))
    assert judged.found.counts["green"]["green"] == 10 * 15 - 1
    assert judged.found.counts["not green"]["not green"] == 4 * 5
    assert judged.found.counts["water"]["water"] == 2
    assert judged.found.overall.value == 1
    assert judged.shapes == 3
    assert [note.split()[0] for note in judged.notes] == ["1", "1"]  # one outside, one place unseen


def test_points_in_one_pixel_both_count_and_the_right_pixel_is_asked(tmp_path, mapped):
    shapes = [
        shapely.Point(600_149.9, 5_000_050),
        shapely.Point(600_150.1, 5_000_050),
        shapely.Point(600_151, 5_000_051),
    ]
    judged = judge_by(mapped, LabelFile(path=_file(tmp_path, shapes, ["tree", "tree", "built"])))
    assert judged.found.counts["green"]["green"] == 1
    assert judged.found.counts["not green"] == {"green": 1, "not green": 1}
    assert judged.shapes == 3


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"probability": True}, "these are areas"),
        ({"share_column": "share"}, "no share of 0-1"),
        ({"share_column": "missing"}, "no column 'missing'"),
        ({"classes": {"a": "tree"}, "column": "other"}, "unknown class 'b'"),
    ],
)
def test_what_cannot_be_judged_is_one_line(tmp_path, mapped, change, match):
    shapes = [shapely.box(600_000, 5_000_000, 600_100, 5_000_100), shapely.box(600_200, 5_000_000, 600_250, 5_000_100)]
    path = _file(tmp_path, shapes, ["tree", "built"], share=[0.5, 50.0], other=["a", "b"])
    with pytest.raises(LabelError, match=match) as failed:
        judge_by(mapped, LabelFile(**{"path": path, **change}))
    assert "\n" not in str(failed.value)


def test_places_that_are_there_twice_are_no_random_ones(tmp_path, mapped):
    """Each point three times, and the interval was +-2.7 points instead of +-4.7."""
    shapes = [shapely.Point(600_010 + 7.3 * i, 5_000_050) for i in range(12)]
    alone = _file(tmp_path, shapes, ["tree"] * 12)
    assert judge_by(mapped, LabelFile(path=alone, probability=True)).shapes == 12
    twice = _file(tmp_path, [*shapes, *shapes[:2]], ["tree"] * 14)
    with pytest.raises(LabelError, match="2 points stand where another one stands"):
        judge_by(mapped, LabelFile(path=twice, probability=True))
    assert judge_by(mapped, LabelFile(path=twice)).shapes == 14


def test_labels_elsewhere_are_told(tmp_path, mapped):
    with pytest.raises(LabelError, match="none lies inside the limits of Testville"):
        judge_by(mapped, LabelFile(path=_file(tmp_path, [shapely.Point(700_000, 5_000_050)], ["tree"])))
