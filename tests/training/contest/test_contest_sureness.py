from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from howgreen.training.contest import samples, sureness
from howgreen.training.contest.classes import BUILT, CLASSES, TREE, WATER
from howgreen.training.contest.judge import Answer

pytestmark = pytest.mark.train


def _found(spread, told, n=4000) -> Answer:
    rng = np.random.default_rng(0)
    true = np.full(n, 0.5)
    told = np.broadcast_to(told, n)
    return Answer(green=true + rng.normal(0, 1, n) * spread, probability=np.zeros((n, 6)), true_green=true,
                  true_shares=np.zeros((n, 6)), uncertainty=told)  # fmt: skip


def test_true_standard_errors_hold_95_percent_and_lie_on_the_diagonal():
    size = np.linspace(0.02, 0.2, 4000)
    figures = sureness._figures([_found(size, size)])
    assert figures["held"] == pytest.approx(0.95, abs=0.01)
    np.testing.assert_allclose(figures["told"], figures["missed"], rtol=0.1)
    assert figures["told"] == sorted(figures["told"])


def test_boasting_shows():
    figures = sureness._figures([_found(0.2, 0.05)])
    assert figures["held"] < 0.5
    assert min(figures["missed"]) > 3 * max(figures["told"])


def test_the_table_names_what_is_held():
    each = {"sureness": {"towns": {"n": 10, "held": 0.9, "told": [0.1, 0.1], "missed": [0.2, 0.2]}}}
    head, rows = sureness.table({"a": each, "b": {}})
    assert head == ["", "towns: held", "towns: told, missed"]
    assert rows == [["a", "90 % of 10", "0.100, 0.200"]]


def test_mixtures_of_real_pixels_hold_no_water_and_know_their_shares():
    code = np.tile([TREE, BUILT, WATER], 30)
    shares = np.eye(len(CLASSES))[code]
    city = samples.as_place("c", (code == TREE).astype(float)[:, None], shares, ("red",))
    mixed = samples.mixed_real(city, rng=np.random.default_rng(0), count=400)
    assert (mixed.shares[WATER] == 0).all()
    np.testing.assert_allclose(mixed.shares.sum(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(mixed.reflectance[0], mixed.shares[TREE], atol=1e-6)
