from __future__ import annotations

import numpy as np
import pytest

from howgreen.core.errors import ModelError
from howgreen.core.sensors import SENTINEL2
from howgreen.training import spectra


def test_a_flat_spectrum_is_flat_in_every_band():
    weights = np.random.default_rng(0).random((3, spectra.WAVELENGTH_NM.size))
    responses = spectra.Responses(bands=("a", "b", "c"), weights=weights / weights.sum(axis=1, keepdims=True),
                                resolution_m=np.full(3, 10.0))  # fmt: skip
    flat = np.full((2, spectra.WAVELENGTH_NM.size), 0.37)
    np.testing.assert_allclose(spectra.to_bands(flat, responses), 0.37)


def test_gaps_in_measured_spectra_are_bridged():
    measured_nm = np.array([400.0, 1000.0, 1400.0, 1800.0, 2500.0])
    got = spectra.on_axis(np.array([[0.4, 1.0, np.nan, 1.8, 2.5]]), measured_nm)
    np.testing.assert_allclose(got[0], spectra.WAVELENGTH_NM / 1000)


def test_a_missing_file_says_which_folder_is_meant(tmp_path):
    with pytest.raises(ModelError, match=r"slum_shortwave\.csv.*--data"):
        spectra.read_materials(tmp_path)


@pytest.mark.real
def test_responses_see_the_right_wavelengths(shared_data):
    responses = spectra.read_responses(shared_data)
    assert responses.bands == SENTINEL2.band_names
    centres = responses.weights @ spectra.WAVELENGTH_NM
    np.testing.assert_allclose(centres, [492, 560, 665, 704, 740, 783, 833, 865, 1614, 2202], atol=6)
    np.testing.assert_allclose(responses.weights.sum(axis=1), 1)


@pytest.mark.real
def test_materials_are_reflectance(shared_data):
    materials = spectra.read_materials(shared_data)
    assert materials.spectra.shape == (74, spectra.WAVELENGTH_NM.size)
    assert len(set(materials.names)) == 74
    assert materials.spectra.min() > 0
    assert materials.spectra.max() <= 1
