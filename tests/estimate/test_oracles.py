"""The estimators against packages that statisticians trust, on numbers that anybody can make again.

The figures were computed by samplics 0.6.1 (TaylorEstimator), ppi-python 0.2.3 (ppi_mean_pointestimate and ppi_mean_ci, lam=1) and statsmodels
0.15.0 (proportion_confint, OLS, WLS). None of them is needed here.
"""

from __future__ import annotations

import numpy as np
import pytest

from howgreen.estimate.estimators import Looks, MapShares, estimate_by_regression, estimate_ratio, unstratified
from howgreen.estimate.evaluate import slope_of
from howgreen.estimate.intervals import wilson

EXACT = {"rel": 1e-12}
_N = np.arange(60)
STRATUM = np.repeat([0, 1, 2], [20, 25, 15])
WEIGHT = np.array([0.5, 0.3, 0.2])
LAND = np.where(_N % 7 == 3, (_N % 5) / 4, 1.0)
GREEN = LAND * np.round(9 * (0.5 + 0.45 * np.sin(1.7 * _N))) / 9
MAPPED = np.clip(0.1 + 0.8 * GREEN + 0.1 * np.cos(2.3 * _N), 0, 1)
ALL_LAND = np.ones(60)
FRAME = 0.55
"""The map's mean over the frame."""


def test_samplics_knows_the_ratio_and_the_mean_of_a_stratified_sample():
    ratio = estimate_ratio(Looks(green=GREEN, land=LAND, stratum=STRATUM, weight=WEIGHT))
    assert (ratio.ratio, ratio.se) == pytest.approx((0.5172261793846862, 0.04455583743705241), **EXACT)
    mean = estimate_ratio(Looks(green=GREEN, land=ALL_LAND, stratum=STRATUM, weight=WEIGHT))
    assert (mean.ratio, mean.se) == pytest.approx((0.47804629629629625, 0.04572311211917987), **EXACT)


def test_prediction_powered_inference_is_the_difference_estimator():
    """ppi-python divides the variance by n, and takes the normal's quantile; we divide by n - 1, and take Student's."""
    assist = MapShares(green=MAPPED, land=ALL_LAND, frame_green=FRAME, frame_land=1.0)
    found = estimate_ratio(unstratified(GREEN), assist)
    assert found.ratio == pytest.approx(0.54321124, abs=5e-9)
    assert 1.959963984540054 * found.se * np.sqrt(59 / 60) == pytest.approx((0.56746494 - 0.51895754) / 2, abs=1e-8)


def test_statsmodels_knows_wilsons_interval():
    assert wilson(3 / 60, 60, quantile=1.959963984540054) == pytest.approx(
        (0.017149502164395668, 0.1370051647634852), **EXACT
    )
    assert wilson(57 / 60, 60, quantile=1.6448536269514722) == pytest.approx(
        (0.8813248674127361, 0.9798430138533205), **EXACT
    )


def test_the_regression_estimator_is_the_line_at_the_frames_mean():
    assist = MapShares(green=MAPPED, land=ALL_LAND, frame_green=FRAME, frame_land=1.0)
    assert estimate_by_regression(unstratified(GREEN), assist).ratio == pytest.approx(0.55589228, abs=5e-9)


def test_the_slope_of_answers_on_map_is_that_of_weighted_least_squares():
    looks = Looks(green=GREEN, land=LAND, stratum=STRATUM, weight=WEIGHT)
    found = slope_of(looks, MAPPED)
    assert found.ratio == pytest.approx(1.16584607, abs=5e-9)
    assert found.low < found.ratio < found.high


def test_the_slopes_interval_covers():
    """Of a town whose map pulls towards the middle: truth on map has slope 1.25."""
    rng = np.random.default_rng(5)
    town = rng.beta(0.8, 0.8, 40_000)
    mapped = np.clip(0.1 + 0.8 * town + rng.normal(0, 0.08, len(town)), 0, 1)
    true = float(np.polyfit(mapped, town, 1)[0])
    held = 0
    for _ in range(400):
        drawn = rng.integers(0, len(town), 80)
        found = slope_of(unstratified(town[drawn]), mapped[drawn])
        held += found.low <= true <= found.high
    assert 0.91 <= held / 400 <= 0.98
