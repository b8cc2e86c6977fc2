from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pandas")

from howgreen.training.clusters import clustered_mean, jackknifed_mean


def test_without_clusters_it_is_the_plain_standard_error():
    values = np.random.default_rng(0).normal(3, 2, 500)
    found = clustered_mean(values)
    assert found.mean == pytest.approx(values.mean())
    assert found.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(500))
    assert (found.n, found.clusters) == (500, 500)


def test_pixels_of_one_polygon_count_as_one():
    """Ten polygons, each of a hundred equal pixels: as sure as ten numbers, not as a thousand."""
    each = np.random.default_rng(1).normal(0, 1, 10)
    found = clustered_mean(each.repeat(100), np.arange(10).repeat(100) + 70)
    assert found.standard_error == pytest.approx(each.std(ddof=1) / np.sqrt(10))
    assert np.isnan(clustered_mean(each, np.zeros(10, int)).standard_error), "one cluster tells nothing"


def test_leaving_clusters_out_gives_the_same_where_each_value_has_its_own():
    values = np.random.default_rng(2).normal(0, 1, 60)
    found = jackknifed_mean(values, np.arange(60)[:, None].repeat(3, axis=1))
    assert found.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(60))


def test_mixtures_move_with_all_their_polygons():
    """A value is the mean of its two polygons' errors; the simulated spread of such means is what the jackknife says."""
    rng, polygons = np.random.default_rng(3), 20
    members = rng.integers(0, polygons, (2000, 2))
    means, told = [], []
    for _ in range(300):
        error = rng.normal(0, 0.1, polygons)
        found = jackknifed_mean(error[members].mean(axis=1), members)
        means.append(found.mean)
        told.append(found.standard_error)
    assert np.mean(told) == pytest.approx(np.std(means), rel=0.15)
