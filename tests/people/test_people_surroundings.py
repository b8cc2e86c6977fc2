from __future__ import annotations

import numpy as np
import pytest

from howgreen.people import MIN_PATCH_M2, Ground, around, distance_m, mapped_and_seen, patches
from howgreen.people._surroundings import disk


def ground(green, inside=None):
    values = np.asarray(green, np.float32)
    return Ground(green=values, inside=np.ones(values.shape, bool) if inside is None else inside, pixel_m=10.0)


def brute(green, radius_m):
    total, seen = np.zeros(green.shape), np.zeros(green.shape)
    rows, columns = np.indices(green.shape)
    for row, column in np.ndindex(green.shape):
        near = np.hypot(rows - row, columns - column) * 10 <= radius_m
        total[row, column] = np.nansum(green[near])
        seen[row, column] = np.isfinite(green[near]).sum()
    return total, seen


@pytest.mark.parametrize("radius", [100, 37])
def test_green_within_a_distance_is_every_pixel_whose_centre_lies_there(radius, monkeypatch):
    rng = np.random.default_rng(1)
    green = rng.random((37, 52))
    green[rng.random(green.shape) < 0.2] = np.nan
    total, seen = brute(green, radius)
    monkeypatch.setattr("howgreen.people._surroundings.BLOCK_PX", 16)
    found = around(ground(green), radius)
    np.testing.assert_allclose(found.green_m2, total * 100, rtol=1e-4, atol=0.5)
    np.testing.assert_allclose(found.share, total / seen, rtol=1e-4, atol=1e-5)


def test_a_circle_of_300_m_holds_its_area():
    assert disk(30).sum() * 100 == pytest.approx(np.pi * 300**2, rel=0.003)


def test_where_nothing_was_seen_nothing_is_said():
    found = around(ground(np.full((40, 40), np.nan)), 100)
    assert np.isnan(found.share).all()
    assert not found.green_m2.any()


def test_a_patch_hangs_together_side_by_side_over_half_a_hectare():
    green = np.zeros((30, 30))
    green[2:7, 2:12] = 0.5  # 50 pixels: half a hectare
    green[10:17, 2:9] = 1  # 49 pixels
    green[17, 9] = 1  # touches by a corner only
    marked = patches(ground(green), MIN_PATCH_M2)
    assert marked[2:7, 2:12].all()
    assert marked.sum() == 50
    green[2, 2] = 0.49
    assert not patches(ground(green), MIN_PATCH_M2).any()


def test_distance_runs_to_the_edge_of_the_patch():
    marked = np.zeros((5, 60), bool)
    marked[:, 0] = True
    far = distance_m(marked, 10)
    assert far[2, 0] == 0
    assert far[2, 1] == 5
    assert far[2, 30] == 295
    assert far[2, 31] == 305, "further than 300 m"
    assert np.isinf(distance_m(np.zeros((2, 2), bool), 10)).all()


def test_mapped_and_seen_add_up_to_the_seen_land():
    green = np.array([[1.0, 0.5], [0.25, np.nan]])
    found = mapped_and_seen(ground(green), np.array([[True, False], [True, True]]), np.ones((2, 2), bool))
    assert found == {"mapped_green_m2": 125, "unmapped_green_m2": 50, "mapped_not_green_m2": 75, "neither_m2": 50}
