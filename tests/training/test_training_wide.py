from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("torch")

from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.training import wide
from howgreen.training.contest.classes import GREEN

pytestmark = pytest.mark.train


def _ratio(place) -> float:
    return float(place.green.sum() / place.land.sum())


def test_cities_run_from_grey_to_green_in_every_climate():
    for number, climate in enumerate(wide.CLIMATES):
        grey, green = (wide.wide_city(climate, level, seed=100 * number + 7, sensor=SENTINEL2) for level in (0.0, 0.97))
        assert 0.01 < _ratio(grey) < 0.07
        assert _ratio(green) > (0.4 if "winter" in climate else 0.8), "leafless crowns are not green"
        for city in (grey, green):
            np.testing.assert_allclose(city.shares.sum(axis=0), 1, atol=1e-5)
            assert np.isfinite(city.reflectance).all()
            assert city.reflectance.min() > -0.02
            assert city.reflectance.max() < 1.5


def test_a_seed_gives_a_city_again_and_landsat_sees_the_same_one():
    one, same = (wide.wide_city("arid", 0.5, seed=3, sensor=SENTINEL2) for _ in range(2))
    np.testing.assert_array_equal(one.reflectance, same.reflectance)
    coarse = wide.wide_city("arid", 0.5, seed=3, sensor=LANDSAT)
    assert coarse.reflectance.shape == (6, 40, 40)
    blocks = one.shares.reshape(len(one.shares), 40, 3, 40, 3).mean((2, 4))
    np.testing.assert_allclose(coarse.shares, blocks, atol=1e-5)


def test_pixels_know_their_place():
    """Greener pixels have the higher NDVI, by rank, where there is sun: image and truth lie on one grid."""
    city = wide.wide_city("temperate summer", 0.6, seed=1, sensor=SENTINEL2)
    red, nir = city.reflectance[2], city.reflectance[6]
    index = ((nir - red) / (nir + red)).ravel()
    green = city.green.ravel()
    here = np.corrcoef(index, green)[0, 1]
    moved = np.corrcoef(index, np.roll(city.green, 1, axis=1).ravel())[0, 1]
    assert here > 0.8 > moved + 0.05


def test_no_plant_of_these_cities_is_a_spectrum_that_teaches():
    spectra = np.array([row[1] for row in wide._TABLE.values()])
    green = np.array([GREEN[row[0]] for row in wide._TABLE.values()])
    index = (spectra[:, 7] - spectra[:, 2]) / (spectra[:, 7] + spectra[:, 2])
    assert index[green].min() > 0.6
    assert np.median(index[~green]) < 0.25
    assert ((spectra > 0) & (spectra < 0.85)).all()
