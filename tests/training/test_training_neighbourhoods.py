from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from howgreen.training import neighbourhoods as made
from howgreen.training import network, surroundings
from howgreen.training.contest import descent, unet
from howgreen.training.contest.classes import BARE, BUILT, LOW


def silent(*_):
    pass


@pytest.fixture(scope="module")
def hoods(world):
    return made.neighbourhoods(24, library=world, seed=3, side=40, progress=silent)


def greenness(ground):
    return ground.true[made._PLANTS[ground.present]].sum(axis=0, dtype=float).mean() / 255


def test_neighbourhoods_are_of_any_greenness_and_hold_every_class(hoods):
    green = [greenness(ground) for ground in hoods.grounds]
    assert min(green) < 0.15
    assert max(green) > 0.75
    assert {int(made._CLASS[material]) for ground in hoods.grounds for material in ground.present} == set(range(6))


def test_a_piece_is_finite_its_shares_are_whole_and_a_seed_makes_it_again(hoods, world):
    for number in range(12):
        image, shares = hoods.draw(np.random.default_rng(number), side=24)
        assert image.shape == (len(world.bands), 24, 24)
        assert np.isfinite(image).all()
        np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)
        assert shares.min() > -1e-6
        again = hoods.draw(np.random.default_rng(number), side=24)
        np.testing.assert_array_equal(image, again[0])
        np.testing.assert_array_equal(shares, again[1])


def test_soil_between_low_plants_counts_as_bare(world):
    open_ground = replace(world, covered=np.full(30, 0.25))
    ground = made.neighbourhood(np.random.default_rng(1), side=16)
    lawn = replace(ground, present=np.array([3]), true=np.full((1, 16, 16), 255, np.uint8))
    _, shares = made._shown(lawn, open_ground, (0, 0, 16), np.random.default_rng(0))
    np.testing.assert_allclose(shares[LOW], 0.25, atol=1e-5)
    np.testing.assert_allclose(shares[BARE], 0.75, atol=1e-5)


def test_a_wall_throws_a_shadow_as_long_as_its_height_over_the_tangent_of_the_sun():
    height = np.zeros((64, 64), np.float32)
    height[:, 40] = 10

    class East:
        @staticmethod
        def uniform(low, high):
            return 0.0

    sun_cos = np.cos(np.radians(45))
    shaded = made._shaded(height, float(sun_cos), East())
    # 10 m at 45 degrees: 10 m, four cells of 2.5 m, away from the sun; the last is reached by the very edge.
    assert shaded[:, 37:40].all()
    assert not shaded[:, :36].any()
    assert not shaded[:, 40:].any()


def test_optics_keep_what_is_even_and_blur_an_edge_symmetrically():
    halves = np.zeros((2, 32, 32), np.float32)
    halves[0], halves[1, :, 16:] = 1, 1
    seen = made._through(halves, cells=2, blur=0.4)
    np.testing.assert_allclose(seen[0], 1, atol=1e-6)
    middle = seen[1, 8]
    np.testing.assert_allclose(middle + middle[::-1], 1, atol=1e-5)
    assert 0 < middle[7] < 0.3


def test_cells_are_counted_by_material():
    counted = made._counted(np.array([[0, 1, 2, 2], [0, 1, 2, 2], [1, 1, 2, 2], [1, 1, 2, 2]], np.uint8), 3, 2)
    np.testing.assert_allclose(counted.sum(axis=0), 1)
    assert counted[2, :, 1].tolist() == [1, 1]
    assert counted[0, 0, 0] == pytest.approx(0.5)


def test_the_error_of_a_whole_piece_counts_beside_that_of_each_pixel():
    shares = torch.zeros(2, 6, 4, 4)
    shares[:, LOW], shares[:, BUILT] = 0.5, 0.5
    right = torch.full((2, 6, 4, 4), -30.0)
    right[:, [LOW, BUILT]] = 0.0
    assert float(surroundings.area_loss(right, shares)) == pytest.approx(float(descent.known_loss(right, shares)))
    wrong = right.clone()
    wrong[:, LOW] = float(np.log(0.6 / 0.4))
    extra = float(surroundings.area_loss(wrong, shares) - descent.known_loss(wrong, shares))
    assert extra == pytest.approx(surroundings._AREA_WEIGHT * 0.1**2, rel=1e-4)
    half = shares.clone()
    half[:, :, :2] = float("nan")  # of what is not known, nothing is asked
    assert float(surroundings.area_loss(wrong, half)) == pytest.approx(
        float(surroundings.area_loss(wrong, shares)), rel=1e-5
    )


def test_what_a_pixel_can_reach_is_less_than_the_halo():
    torch.manual_seed(0)
    net = unet.levels(2, surroundings.WIDTHS, surroundings.STRIDES).eval()
    halvings = int(np.prod(surroundings.STRIDES))
    assert surroundings.HALO_PX % halvings == 0
    assert (unet.TILE_PX - 2 * surroundings.HALO_PX) % halvings == 0
    with network.one_thread():
        for at in range(36, 36 + halvings):
            values = torch.rand(1, 2, 80, 80, requires_grad=True)
            net(values)[0, :, at, at].sum().backward()
            reached = np.abs(np.argwhere(values.grad[0].abs().sum(0).numpy() > 0) - at).max()
            assert 0 < reached < surroundings.HALO_PX
