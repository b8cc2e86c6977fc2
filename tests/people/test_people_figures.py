from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from howgreen.people import AROUND_M, Surroundings, figures, gini, weighted_quantiles
from howgreen.people._cells import Counts

VALUES = st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 50)), min_size=1, max_size=30)


def test_gini_of_known_values():
    assert gini([10, 20, 30, 40]) == pytest.approx(0.25)
    assert gini([0, 0, 0, 1]) == pytest.approx(0.75)
    assert gini([0.1, 0.2, 0.4], [1000, 3000, 6000]) == pytest.approx(0.183871, abs=5e-7)


@given(VALUES)
def test_people_together_or_apart_are_the_same_people(pairs):
    values, people = np.array([v for v, _ in pairs]), np.array([n for _, n in pairs])
    together, apart = gini(values, people), gini(np.repeat(values, people))
    assert (together is None) == (apart is None)
    if together is not None:
        assert together == pytest.approx(apart, abs=1e-9)
        assert -1e-9 <= together < 1
        assert gini(values * 7, people) == pytest.approx(together, abs=1e-9)


def test_nobody_or_nothing_has_no_gini():
    assert gini([1, 2], [0, 0]) is None
    assert gini([0, 0], [3, 4]) is None
    assert gini([np.nan, 2], [5, 5]) == 0


@given(VALUES)
def test_deciles_are_those_of_people_one_by_one(pairs):
    values, people = np.array([v for v, _ in pairs]), np.array([n for _, n in pairs])
    each = np.sort(np.repeat(values, people))
    expected = [each[int(np.ceil(len(each) * share - 1e-9)) - 1] for share in (0.1, 0.5, 0.9)]
    assert weighted_quantiles(values, people, (0.1, 0.5, 0.9)) == expected


def surroundings(share, near):
    share = np.array(share, float)
    return Surroundings(
        green_m2=dict.fromkeys(AROUND_M, share * 1000), share=dict.fromkeys(AROUND_M, share), near_patch=np.array(near, float),
        near_public=None, green_ratio=share,
    )  # fmt: skip


def test_cells_count_by_their_people_and_unseen_ones_are_told():
    zone = Counts(name="a", id="a", people=np.array([100.0, 300.0, 50.0]))
    found = figures(zone, surroundings([0.2, 0.6, np.nan], [0, 1, np.nan]))
    assert (found.people, found.used) == (450, 400)
    assert found.near_patch == pytest.approx(0.75)
    assert found.around[1].mean_share == pytest.approx(0.5)
    assert found.around[1].decile_shares == (0.2, 0.2, *[0.6] * 7)
    assert found.near_public is None


def test_near_on_foot_is_300_metres():
    zone = Counts(name="a", id="a", people=np.array([100.0, 300.0, 50.0]))
    found = figures(zone, replace(surroundings([0.2, 0.6, 0.1], [0, 1, 0]), walk_m=np.array([300.0, 301.0, np.inf])))
    assert found.near_public_walk == pytest.approx(100 / 450)


def test_a_zone_without_people_has_no_figures():
    found = figures(Counts(name="a", id="a", people=np.zeros(2)), surroundings([0.2, 0.6], [0, 1]))
    assert (found.near_patch, found.gini, found.around[0].mean_share, found.around[0].decile_shares) == (
        None,
        None,
        None,
        (),
    )
