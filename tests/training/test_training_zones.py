from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from howgreen.core.models import ZONE_SCORES_M2
from howgreen.training import zones
from howgreen.training.contest.classes import BUILT, CLASSES, LOW, WATER
from howgreen.training.contest.samples import Place

pytestmark = pytest.mark.train


def _city() -> Place:
    """60 x 60 pixels; one band holds the true green share."""
    green = np.random.default_rng(0).random((60, 60)).astype(np.float32)
    shares = np.zeros((len(CLASSES), 60, 60), np.float32)
    shares[LOW], shares[BUILT] = green, 1 - green
    return Place(name="c", bands=("green",), reflectance=green[None], shares=shares)


def _dry(rows):
    return np.zeros(len(rows), bool)


def test_what_the_whole_city_is_off_by_is_no_error_of_its_zones():
    found = zones.half_widths(lambda rows: rows[:, 0] + 0.07, _dry, ("green",), cities=[_city()])
    assert found == pytest.approx(dict.fromkeys(ZONE_SCORES_M2, 0), abs=1e-4)


def test_independent_errors_average_out_over_a_zone():
    noise = np.random.default_rng(1).normal(0, 0.2, 3600)
    found = zones.half_widths(lambda rows: rows[:, 0] + noise, _dry, ("green",), cities=[_city()])
    widths = [found[name] for name in ZONE_SCORES_M2]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == pytest.approx(1.96 * 0.2 / 10, rel=0.35), "a hundred pixels"


def test_zones_larger_than_every_city_have_no_width():
    city = _city()
    small = Place(
        name="s", bands=city.bands, reflectance=city.reflectance[:, :20, :20], shares=city.shares[:, :20, :20]
    )
    assert list(zones.half_widths(lambda rows: rows[:, 0], _dry, ("green",), cities=[small])) == [
        next(iter(ZONE_SCORES_M2))
    ]


def test_the_ratio_of_whole_cities_is_judged_on_land():
    wet = _city()
    shares = wet.shares.copy()
    shares[:, :, :20], shares[WATER, :, :20] = 0, 1
    image = wet.reflectance.copy()
    image[:, :, :20] = -1
    half = Place(name="w", bands=wet.bands, reflectance=image, shares=shares)
    found = zones.ratio_errors(
        lambda rows: np.maximum(rows[:, 0], 0) + 0.03, lambda rows: rows[:, 0] < 0, ("green",), cities=[wet, half]
    )
    assert found == pytest.approx({"simulated_cities_ratio_rms": 0.03, "simulated_cities_ratio_worst": 0.03}, abs=1e-6)
