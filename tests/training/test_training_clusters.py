from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pandas")

from howgreen.training.clusters import bootstrapped_error, clustered_mean, jackknifed_mean


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


def test_drawn_clusters_give_the_known_error_of_a_mean_of_few_and_of_many():
    """Six clusters of forty equal values: s / √6, as of six numbers; always the same."""
    for clusters in (6, 40):
        each = np.random.default_rng(4).normal(0, 1, clusters)
        values, members = each.repeat(40), np.arange(clusters).repeat(40) + 9
        told = bootstrapped_error(lambda weights, values=values: np.average(values, weights=weights), members)
        assert told == pytest.approx(each.std(ddof=1) / np.sqrt(clusters), rel=0.08)
        assert told == bootstrapped_error(lambda weights, values=values: np.average(values, weights=weights), members)
    assert np.isnan(bootstrapped_error(np.sum, np.zeros(9, int))), "one cluster tells nothing"
    assert np.isnan(bootstrapped_error(np.sum, np.stack([np.arange(9), np.zeros(9, int)], axis=1)))


def test_drawn_clusters_give_the_known_error_of_a_slope():
    """Least squares through independent points: s / (spread of x, √n)."""
    rng = np.random.default_rng(5)
    x = rng.normal(0, 2, 400)
    y = 1.3 * x + rng.normal(0, 0.5, 400)
    told = bootstrapped_error(lambda weights: np.polyfit(x, y, 1, w=np.sqrt(weights))[0], np.arange(400))
    assert told == pytest.approx(0.5 / (x.std() * np.sqrt(400)), rel=0.12)


def test_drawn_clusters_of_two_kinds_move_a_figure_as_both_do():
    """A value is the sum of its plant's and its ground's error: the variances of both add up. A draw that is not finite counts for nothing."""
    rng = np.random.default_rng(6)
    plant, ground = rng.normal(0, 0.1, 15), rng.normal(0, 0.2, 20)
    members = np.stack([part.ravel() for part in np.mgrid[:15, :20]], axis=1)
    values = plant[members[:, 0]] + ground[members[:, 1]]
    known = np.hypot(plant.std(ddof=1) / np.sqrt(15), ground.std(ddof=1) / np.sqrt(20))
    told = bootstrapped_error(lambda weights: np.average(values, weights=weights), members)
    assert told == pytest.approx(known, rel=0.08)
    gone = bootstrapped_error(lambda w: np.average(values, weights=w) if w[0] else float("nan"), members)
    assert np.isfinite(gone)
