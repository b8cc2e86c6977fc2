from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.training import mixtures, red_edge

pytestmark = pytest.mark.train

SHARED = tuple("nir08" if band == "nir" else band for band in LANDSAT.band_names)
DRAWN = [SENTINEL2.band_names.index(band) for band in SENTINEL2.band_names if band not in SHARED]


def _open_land(world, count, seed):
    rng = np.random.default_rng(seed)
    shares = np.zeros((count, len(mixtures.CLASSES)))
    shares[:, [mixtures.TREE, mixtures.LOW, mixtures.BARE, mixtures.DRY]] = rng.dirichlet((0.3, 0.75, 0.7, 1), count)
    return mixtures.mix_of(world, shares, rng=rng)


def _as_landsat(pixels):
    six = pixels.with_bands(SHARED)
    return mixtures.Mixtures(reflectance=six.reflectance, shares=six.shares, bands=LANDSAT.band_names)


def test_bands_that_landsat_lacks_are_found_again(world):
    true, simulated = _open_land(world, 400, 1), _open_land(world, 20_000, 2)
    found = red_edge.with_red_edge(_as_landsat(true), simulated, rng=np.random.default_rng(3))
    assert found.bands == SENTINEL2.band_names
    np.testing.assert_array_equal(found.shares, true.shares)
    np.testing.assert_array_equal(found.with_bands(SHARED).reflectance, true.with_bands(SHARED).reflectance)
    off = np.abs(found.reflectance[:, DRAWN] / true.reflectance[:, DRAWN] - 1)
    # The sensor's own noise is 3.5 % of a band in either of the two, and what is drawn is noisy by 3 %.
    assert np.median(off) < 0.06
    assert np.quantile(off, 0.95) < 0.25
    smooth = red_edge.with_red_edge(_as_landsat(true), simulated, rng=_Still())
    assert 0.01 < np.median(np.abs(found.reflectance[:, DRAWN] / smooth.reflectance[:, DRAWN] - 1)) < 0.04


class _Still:
    """Draws nothing."""

    def normal(self, mean, spread, shape):
        return np.zeros(shape)


def test_no_roof_and_no_water_is_a_neighbour(world):
    """Built and wet pixels whose red edge is absurd change nothing, however near they are in the other bands."""
    true, simulated = _open_land(world, 50, 1), _open_land(world, 5_000, 2)
    plain = red_edge.with_red_edge(_as_landsat(true), simulated, rng=_Still())
    shares = np.zeros_like(true.shares)
    shares[:, mixtures.BUILT], shares[:, mixtures.BARE] = 0.03, 0.97
    odd = true.reflectance.copy()
    odd[:, DRAWN] = 1.5
    joined = mixtures.joined(
        simulated,
        mixtures.Mixtures(reflectance=odd, shares=shares, bands=true.bands),
        rng=np.random.default_rng(0),
    )
    again = red_edge.with_red_edge(_as_landsat(true), joined, rng=_Still())
    np.testing.assert_allclose(again.reflectance, plain.reflectance, rtol=1e-6)
