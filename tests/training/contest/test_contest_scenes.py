from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from howgreen.sample.canvas import Canvas
from howgreen.sample.layout import make_land
from howgreen.sample.paint import paint_city
from howgreen.sample.spectra import CLASS_OF
from howgreen.sample.spectra import CLASSES as SAMPLE_CLASSES
from howgreen.training.contest import scenes
from howgreen.training.contest.classes import CROP, GREEN, LOW, TREE, WATER

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def canvas() -> Canvas:
    return paint_city(make_land(3, extent_m=600))


@pytest.mark.parametrize("pixel_m", [10, 30])
def test_shares_are_counted_on_the_map(canvas, pixel_m):
    shares = scenes.true_shares(canvas, pixel_m=pixel_m)
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-6)
    top, left = 4, 7
    block = CLASS_OF[canvas.material[top * pixel_m : (top + 1) * pixel_m, left * pixel_m : (left + 1) * pixel_m]]
    for code, names in ((TREE, ("tree", "shrub")), (LOW, ("grass",)), (CROP, ("crop",)), (WATER, ("water", "sea"))):
        wanted = np.isin(block, [SAMPLE_CLASSES[name] for name in names]).mean()
        assert shares[code, top, left] == pytest.approx(wanted, abs=1e-6)


def test_a_judging_town_is_green_where_it_says_so():
    town = scenes.judging_town(11, extent_m=600, sensor="sentinel-2")
    again = scenes.judging_town(11, extent_m=600, sensor="sentinel-2")
    np.testing.assert_array_equal(town.reflectance, again.reflectance)
    red, nir = (town.reflectance[town.bands.index(band)] for band in ("red", "nir"))
    index = (nir - red) / np.maximum(nir + red, 0.01)
    green = town.shares[GREEN].sum(axis=0)
    assert np.median(index[green > 0.9]) > 0.6 > 0.25 > np.median(index[green < 0.1])
    assert town.reflectance.shape == (10, 60, 60)


def test_towns_to_learn_from_wear_other_materials_each_time(world):
    looks = scenes.learned_town(12, extent_m=600, looks=2, library=world, sensor="sentinel-2")
    np.testing.assert_array_equal(looks[0].shares, looks[1].shares)
    assert np.abs(looks[0].reflectance - looks[1].reflectance).mean() > 0.005


def test_landsat_sees_thirty_metres_and_six_bands():
    town = scenes.judging_town(11, extent_m=600, sensor="landsat")
    assert town.reflectance.shape == (6, 20, 20)
    assert town.shares.shape == (6, 20, 20)
