from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from howgreen.training import atmosphere

pytestmark = pytest.mark.train

NM = np.array([492.0, 560, 665, 833, 2202])


def _air(**changes: float) -> atmosphere.Air:
    values = {
        "aerosol_550nm": 0.0,
        "angstrom": 1.3,
        "backscatter": 0.25,
        "molecules": 0.0,
        "sun_cos": 0.77,
        "gases": 0.0,
    }
    return atmosphere.Air(**{name: np.array([[value]]) for name, value in (values | changes).items()})


def test_no_air_changes_nothing():
    ground = np.random.default_rng(0).random((1, 5))
    np.testing.assert_allclose(atmosphere.through(ground, _air(), nm=NM), ground)


def test_uncorrected_molecules_are_what_hansen_and_travis_give():
    """Depth 0.156 at 492 nm; over black ground at 40 degrees of sun zenith some 7 % of blue, 0.6 % of near-infrared."""
    seen = atmosphere.through(np.zeros((1, 5)), _air(molecules=1.0), nm=NM)[0]
    assert 0.055 < seen[0] < 0.08
    assert 0.004 < seen[3] < 0.01
    assert (np.diff(seen) < 0).all(), "bluest is brightest"


def test_haze_brightens_what_is_dark_and_darkens_what_is_bright():
    dark, bright = (atmosphere.through(np.full((1, 5), v), _air(aerosol_550nm=0.4), nm=NM)[0] for v in (0.02, 0.9))
    assert (dark > 0.02).all()
    assert (bright < 0.9).all()


def test_too_strong_a_correction_is_haze_with_the_other_sign():
    over, under = (atmosphere.through(np.full((1, 5), 0.02), _air(aerosol_550nm=a), nm=NM)[0] for a in (-0.05, 0.05))
    assert (over < 0.02).all()
    np.testing.assert_allclose(over - 0.02, 0.02 - under, atol=2e-4)


def test_gases_only_take_away():
    ground = np.full((1, 5), 0.3)
    seen = atmosphere.through(ground, _air(gases=1.0), nm=NM)
    assert (seen < ground).all()
    assert (seen > 0.9 * ground).all()


def test_most_draws_are_corrected_images():
    air = atmosphere.draw(20_000, rng=np.random.default_rng(1))
    raw = air.molecules[:, 0] == 1
    assert raw.mean() == pytest.approx(atmosphere.UNCORRECTED, abs=0.01)
    assert (air.gases[~raw] == 0).all()
    assert abs(np.median(air.aerosol_550nm[~raw])) < 0.05 < np.median(air.aerosol_550nm[raw])
    twice = replace(air, molecules=air.molecules * 0, gases=air.gases * 0)
    seen = atmosphere.through(np.full((20_000, 5), 0.1), twice, nm=NM)
    assert np.isfinite(seen).all()
