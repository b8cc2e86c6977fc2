from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from howgreen.training import shade

pytestmark = pytest.mark.train

COLUMN = np.ones((20_000, 1))


def test_open_ground_is_lit():
    lit = shade.lit_share(0 * COLUMN, 0 * COLUMN, tan_sun=COLUMN, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(lit, 1)


def test_shade_follows_the_geometry_of_a_random_town():
    """Squares of density p and height-to-width a, at random: exp(-0.9 p a tan) of the ground is lit, for any one of them."""
    rng = np.random.default_rng(0)
    lit = shade.lit_share(0.3 * COLUMN, 0 * COLUMN, tan_sun=0.5 * COLUMN, rng=rng)
    ratio = -np.log(lit) / (0.9 * 0.3 * 0.5)
    assert np.median(ratio) == pytest.approx(0.45, rel=0.02)
    longer = shade.lit_share(0.3 * COLUMN, 0 * COLUMN, tan_sun=1.0 * COLUMN, rng=np.random.default_rng(0))
    np.testing.assert_allclose(longer, lit**2)


def test_slopes_are_as_bright_as_level_ground_on_average_and_never_negative():
    bright = shade.slopes(20_000, tan_sun=COLUMN, rng=np.random.default_rng(2))
    assert (bright >= 0).all()
    assert (bright == 1).mean() > 0.7
    assert bright.mean() == pytest.approx(1, abs=0.03)


def test_skylight_is_blue():
    sky = shade.skylight(500, nm=np.array([490.0, 2200.0]), rng=np.random.default_rng(3))
    assert ((sky > 0) & (sky < 0.5)).all()
    assert (sky[:, 0] > 2 * sky[:, 1]).all()
