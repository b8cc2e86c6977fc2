from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from howgreen.landcover import load_model
from howgreen.training.contest import judge
from howgreen.training.contest.classes import BUILT, CLASSES, LOW, TREE, WATER
from howgreen.training.contest.samples import Place, as_place, halves, some_rows, thinned

pytestmark = pytest.mark.train


def _answer(green, true_green, told=None, true=None) -> judge.Answer:
    told = np.zeros(len(green), int) if told is None else np.asarray(told)
    true = np.zeros(len(green), int) if true is None else np.asarray(true)
    return judge.Answer(green=np.asarray(green, np.float32), true_green=np.asarray(true_green, np.float32),
                        probability=np.eye(6, dtype=np.float32)[told], true_shares=np.eye(6, dtype=np.float32)[true])  # fmt: skip


def test_figures_of_pure_pixels_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    true, green = rng.random(500) < 0.6, rng.random(500)
    told = green >= 0.5
    codes = rng.integers(0, 6, (2, 500))
    found = judge.pure_figures(_answer(green, true, codes[0], codes[1]))
    assert found["oa"] == pytest.approx(metrics.accuracy_score(true, told))
    assert found["f1"] == pytest.approx(metrics.f1_score(true, told))
    assert found["iou"] == pytest.approx(metrics.jaccard_score(true, told))
    assert found["kappa"] == pytest.approx(metrics.cohen_kappa_score(true, told))
    np.testing.assert_array_equal(found["confusion"], metrics.confusion_matrix(codes[1], codes[0]))


def test_calibration_error_by_hand():
    assert judge.calibration_error([0.05, 0.05, 0.95, 0.95], [0, 0, 1, 0]) == pytest.approx((0.1 + 0.9) / 4)
    assert judge.calibration_error([0.25] * 4, [0, 0, 0, 1]) == pytest.approx(0)


def test_the_ratio_of_a_city_is_green_over_land_as_the_product_forms_it():
    """NDVI on four pixels: two of lush grass, one of concrete, one of water."""
    grass, grey, water = [0.05, 0.04, 0.5], [0.2, 0.2, 0.22], [0.05, 0.03, 0.01]
    pixels = np.array([grass, grass, grey, water])
    shares = np.eye(len(CLASSES))[[LOW, TREE, BUILT, WATER]]
    place = as_place("here", pixels, shares, ("green", "red", "nir"))
    figures = judge.city_figures(load_model("ndvi"), place)
    assert figures["true_ratio"] == pytest.approx(2 / 3)
    assert figures["ratio_points"] == pytest.approx(0, abs=3)
    assert figures["n"] == 4


def test_zones_miss_what_was_added_to_them():
    green = np.full((20, 20), 0.4)
    said = green.copy()
    said[:10, :10] += 0.25
    misses = judge.zone_errors(10, said, green, np.zeros((20, 20)), np.ones((20, 20), bool))
    assert misses == pytest.approx([25, 0, 0, 0])


def _place() -> Place:
    shares = np.full((6, 4, 5), np.nan, np.float32)
    shares[:, :, :3] = np.eye(6, dtype=np.float32)[:, [TREE, BUILT, WATER]][:, None, :]
    return Place(
        name="p", bands=("red", "nir"), reflectance=np.arange(40, dtype=np.float32).reshape(2, 4, 5), shares=shares
    )


def test_halves_share_no_pixel_and_lose_none():
    place = _place()
    one, other = halves(place, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(one.known ^ other.known, place.known)
    assert one.known.any()
    assert other.known.any()


def test_some_rows_are_the_known_pixels_own():
    place = _place()
    rows, shares = some_rows(place, per_class=2, rng=np.random.default_rng(0))
    assert shares.sum(axis=0).tolist() == [2, 0, 0, 2, 0, 2]
    for row, share in zip(rows, shares, strict=True):
        y, x = divmod(int(row[0]), 5)
        np.testing.assert_array_equal(place.reflectance[:, y, x], row)
        np.testing.assert_array_equal(place.shares[:, y, x], share)


def test_thinning_keeps_so_many_pixels_and_changes_none():
    place = _place()
    few = thinned(place, pixels=5, rng=np.random.default_rng(0))
    assert few.known.sum() == 5
    np.testing.assert_array_equal(few.shares[:, few.known], place.shares[:, few.known])
    np.testing.assert_array_equal(few.reflectance, place.reflectance)


def test_the_error_of_a_ratio_knows_its_blocks():
    """Every block a quarter of four pixels wide; NDVI sees grass where half of the blocks are truly bare: sixteen numbers, 0 or 100."""
    truly = np.arange(16).reshape(4, 4) % 2
    shares = np.eye(len(CLASSES), dtype=np.float32)[np.where(truly, LOW, BUILT)].transpose(2, 0, 1)
    grass = np.array([0.05, 0.04, 0.5], np.float32)[:, None, None]
    place = Place(
        name="p", bands=("green", "red", "nir"), reflectance=grass + np.zeros((1, 4, 4), np.float32), shares=shares
    )
    figures = judge.city_figures(load_model("ndvi"), place)
    assert figures["ratio_points"] == pytest.approx(50, abs=3)
    assert figures["ratio_points_se"] == pytest.approx(100 * truly.std(ddof=1) / 4, rel=0.08)
