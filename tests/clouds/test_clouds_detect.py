"""The networks: their cards, their arithmetic, and what they call known spectra."""

from __future__ import annotations

import numpy as np
import pytest

from howgreen import clouds
from howgreen.clouds import detect

NAMES = tuple(detect.BANDS)
SIDE = 25
SPECTRA = {
    # blue, green, red, rededge1-3, nir, nir08, swir16, swir22
    "woods": (0.02, 0.04, 0.02, 0.07, 0.22, 0.28, 0.30, 0.31, 0.13, 0.06),
    "town": (0.09, 0.11, 0.12, 0.14, 0.17, 0.19, 0.20, 0.21, 0.20, 0.17),
    "thick cloud": (0.62, 0.62, 0.62, 0.63, 0.63, 0.63, 0.63, 0.62, 0.50, 0.38),
    "thin cloud": (0.25, 0.26, 0.25, 0.29, 0.38, 0.42, 0.43, 0.43, 0.28, 0.19),
}


def picture(*, patch: str, around: str, bands) -> np.ndarray:
    order = [detect.BANDS["clouds-10"].index(band) for band in bands]
    out = np.tile(np.array(SPECTRA[around], np.float32)[order][:, None, None], (1, SIDE, SIDE))
    out[:, 5:20, 5:20] = np.array(SPECTRA[patch], np.float32)[order][:, None, None]
    return out


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_what_a_detector_is(name):
    card = clouds.card(name)
    assert (card.name, card.bands) == (name, clouds.bands_of(name))
    assert [cls.name for cls in card.classes] == ["clear", "haze", "cloud", "shadow", "snow"]
    assert card.scores["simulated_cloud_recall"] > 0.85
    assert card.scores["simulated_clear_recall"] > 0.8
    assert "No image trained it" in card.training_data


@pytest.mark.parametrize("name", NAMES)
def test_known_spectra(name):
    for patch, least, most in (("woods", 0, 0.05), ("town", 0, 0.25), ("thick cloud", 0.6, 1), ("thin cloud", 0.4, 1)):
        chance = clouds.probabilities(name, picture(patch=patch, around="woods", bands=clouds.bands_of(name)))
        np.testing.assert_allclose(chance.sum(axis=0), 1, atol=1e-5)
        assert least <= detect.veil(chance)[12, 12] <= most, patch


def test_no_data_darkens_no_neighbour():
    whole = picture(patch="town", around="town", bands=clouds.bands_of("clouds-4"))
    holed = whole.copy()
    holed[:, :, :10] = np.nan
    a, b = (clouds.probabilities("clouds-4", one) for one in (whole, holed))
    np.testing.assert_allclose(a[:, :, 10:], b[:, :, 10:], atol=1e-6)


@pytest.mark.parametrize(
    ("bands", "few", "name"),
    [
        (detect.BANDS["clouds-10"], False, "clouds-10"),
        (detect.BANDS["clouds-10"], True, "clouds-4"),
        (("blue", "green", "red", "nir", "nir08", "swir16", "swir22"), False, "clouds-6"),
        (("green", "red", "nir", "scl"), False, "clouds-3"),
        (("red", "nir"), False, None),
    ],
)
def test_the_best_detector_whose_bands_are_there(bands, few, name):
    assert clouds.detector_for(bands, few=few) == name


@pytest.mark.parametrize(("share", "veiled"), [(0.45, False), (0.55, True)])
def test_an_image_is_mostly_veiled_from_a_half_on(share, veiled):
    bands = clouds.bands_of("clouds-6")
    order = [detect.BANDS["clouds-10"].index(band) for band in bands]
    cloud, woods = (np.array(SPECTRA[name])[order] for name in ("thick cloud", "woods"))
    rows = np.where((np.arange(1000) < 1000 * share)[:, None], cloud, woods)
    assert clouds.mostly_veiled(dict(zip(bands, rows.T, strict=True))) is veiled


def test_too_few_bands_tell_nothing():
    assert not clouds.mostly_veiled({"red": np.full(1000, 0.6), "nir": np.full(1000, 0.6)})
    assert not clouds.mostly_veiled({"green": np.ones(10), "red": np.ones(11), "nir": np.ones(10)})
