from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from howgreen.training import calibrate
from howgreen.training.evaluate import Reference
from howgreen.training.mixtures import BUILT, TREE, WATER

pytestmark = pytest.mark.train


def _reference(cities=("Here", "There", "Yonder")) -> Reference:
    """One band that tells the green share of pure pixels exactly, and one that is 1 for water only."""
    code = np.tile([TREE, BUILT, WATER], 20 * len(cities))
    green = (code == TREE).astype(float)
    group = tuple(np.repeat(cities, 60).tolist())
    return Reference(
        reflectance=np.stack([green, code == WATER], axis=1),
        bands=("green", "water"),
        green=green,
        group=group,
        code=code,
    )


def test_mixtures_of_pure_pixels_know_their_share():
    mixed = calibrate.real_mixtures(_reference(("Here",)), count=500)
    np.testing.assert_allclose(mixed.reflectance[:, 0], mixed.green)
    assert 0.2 < mixed.reflectance[:, 1].mean() < 0.45, "water is mixed in like the other classes"
    land, _ = calibrate.traced_mixtures(_reference(("Here",)), without=WATER, count=500)
    assert land.reflectance[:, 1].max() == 0
    assert 0.3 < mixed.green.mean() < 0.7
    assert ((mixed.green > 0.01) & (mixed.green < 0.99)).mean() > 0.3


def test_cities_are_taken_apart():
    cities = calibrate.cities_of([_reference(("Here", "There")), _reference(("Yonder",))])
    assert {name: len(city.green) for name, city in cities.items()} == {"Here": 60, "There": 60, "Yonder": 60}


def test_the_factor_makes_standard_errors_hold_what_they_say():
    rng = np.random.default_rng(0)
    missed = rng.normal(0, 0.1, 20_000)
    told = np.full(20_000, 0.05)
    assert calibrate.factor(missed, told) == pytest.approx(2, rel=0.02)
    assert calibrate.held(missed, 2 * told) == pytest.approx(0.95, abs=0.01)


def test_a_city_is_judged_by_the_factor_of_the_others():
    """Each city's errors are of another size: the smallest is held by the others' factor, the largest is not."""
    size = {"Here": 0.01, "There": 0.02, "Yonder": 0.2}
    rng = np.random.default_rng(1)
    turn = iter(sorted(size))

    def tell(rows):
        spread = size[next(turn)]
        return rows[:, 0] + rng.normal(0, spread, len(rows)), np.full(len(rows), 0.02)

    together, figures = calibrate.judged(tell, ("green",), [_reference()])
    assert figures["uncertainty_here_held"] == 1
    assert figures["uncertainty_yonder_held"] < 0.5
    assert together == figures["uncertainty_factor"] > 5
