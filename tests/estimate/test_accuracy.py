"""Accuracies against the published examples, to the last digit that is right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from howgreen.core.errors import EstimateError
from howgreen.estimate._accuracy import StratifiedClasses, assess
from howgreen.estimate.intervals import wilson


def _of_matrix(matrix, units, names):
    mapped, true = [], []
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            mapped += [names[i]] * count
            true += [names[j]] * count
    mapped, true = np.array(mapped), np.array(true)
    return StratifiedClasses(stratum=mapped, mapped=mapped, true=true, units=dict(zip(names, units, strict=True)))


def _values(figures, what="value"):
    return [getattr(figures[name], what) for name in sorted(figures)]


def test_olofsson_2014():
    matrix = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
    found = assess(_of_matrix(matrix, [200_000, 150_000, 3_200_000, 6_450_000], "abcd"))
    hectares = 10_000_000 * 0.09
    np.testing.assert_allclose(
        np.array(_values(found.area)) * hectares, [21157.762, 11686.154, 285769.930, 581386.154], atol=0.001
    )
    half = 1.96 * hectares * np.array(_values(found.area, "se"))
    np.testing.assert_allclose(half, [6157.634, 3755.826, 15509.836, 16281.656], atol=0.001)
    np.testing.assert_allclose(_values(found.users), [0.88, 0.733333, 0.927273, 0.963077], atol=1e-6)
    np.testing.assert_allclose(1.96 * np.array(_values(found.users, "se")), [0.0740, 0.1008, 0.0397, 0.0205], atol=5e-5)
    np.testing.assert_allclose(_values(found.producers), [0.748661, 0.847156, 0.934509, 0.961609], atol=1e-6)
    # The paper prints .23 and .01 for the second and the fourth; its own equation 7 gives these.
    half = 1.96 * np.array(_values(found.producers, "se"))
    np.testing.assert_allclose(half, [0.2133, 0.2544, 0.0343, 0.0184], atol=5e-5)
    assert found.overall.value == pytest.approx(0.946512, abs=1e-6)
    assert 1.96 * found.overall.se == pytest.approx(0.018484, abs=1e-6)


def test_olofsson_2013():
    found = assess(_of_matrix([[97, 0, 3], [3, 279, 18], [2, 1, 97]], [22353, 1122543, 610228], "abc"))
    total = 22353 + 1122543 + 610228
    np.testing.assert_allclose(np.array(_values(found.area)) * total, [45112.40, 1050067.27, 659944.33], atol=0.01)
    np.testing.assert_allclose(np.array(_values(found.area, "se")) * total, [10751.40, 17652.04, 18635.86], atol=0.01)
    assert found.overall.value == pytest.approx(0.944417, abs=1e-6)
    np.testing.assert_allclose(_values(found.producers), [0.480631, 0.994189, 0.896926], atol=1e-6)


STEHMAN = {
    "s": "AAAAAAAAAABBBBBBBBBBCCCCCCCCCCDDDDDDDDDD",
    "m": "AAAAAAABBBABBBBBBBBBBBCCCCCCBBDDDDDDDDDD",
    "r": "AAAAACBABCABBBBBAABBCCCCCDDBBADDDDDDDCCB",
}


@pytest.mark.parametrize(
    ("finite", "users", "producers"),
    [
        (True, [0.164542, 0.124782, 0.215112, 0.152676], [0.147710, 0.116548, 0.150411, 0.162280]),
        (False, [0.1645627, 0.1248023, 0.2151657, 0.1527525], [0.1477318, 0.1165671, 0.1504438, 0.1623242]),
    ],
)
def test_stehman_2014_where_strata_are_not_the_classes(finite, users, producers):
    letters = {key: np.array(list(text)) for key, text in STEHMAN.items()}
    units = {"A": 40_000, "B": 30_000, "C": 20_000, "D": 10_000}
    found = assess(
        StratifiedClasses(stratum=letters["s"], mapped=letters["m"], true=letters["r"], units=units, finite=finite)
    )
    np.testing.assert_allclose(_values(found.area), [0.35, 0.34, 0.20, 0.11], atol=1e-9)
    np.testing.assert_allclose(_values(found.users), [0.741935, 0.574468, 0.5, 0.7], atol=1e-6)
    np.testing.assert_allclose(_values(found.producers), [0.657143, 0.794118, 0.3, 0.636364], atol=1e-6)
    np.testing.assert_allclose(_values(found.users, "se"), users, atol=1e-6)
    np.testing.assert_allclose(_values(found.producers, "se"), producers, atol=1e-6)
    if finite:
        np.testing.assert_allclose(_values(found.area, "se"), [0.082248, 0.075853, 0.064280, 0.030722], atol=1e-6)
        assert found.overall.se == pytest.approx(0.084642, abs=1e-6)
    assert [round(found.matrix["A", name], 2) for name in "ABCD"] == [0.23, 0.04, 0.04, 0]
    assert [round(found.matrix["C", name], 2) for name in "ABCD"] == [0, 0.02, 0.06, 0.04]


def test_the_card_example():
    found = assess(_of_matrix([[410, 26], [67, 369]], [828_837, 33_067_283], "ab"))
    assert found.area["a"].value == pytest.approx(0.1729063, abs=1e-7)
    assert found.area["a"].se == pytest.approx(0.01687046, abs=1e-7)


def test_what_cannot_be_assessed_says_why():
    one = np.array(["a", "a", "b"])
    with pytest.raises(EstimateError, match="stratum b: has fewer than two looks"):
        assess(StratifiedClasses(stratum=one, mapped=one, true=one, units={"a": 1, "b": 1}))
    with pytest.raises(EstimateError, match="its size is not known"):
        assess(StratifiedClasses(stratum=one, mapped=one, true=one, units={"a": 1}))


def test_figures_have_intervals_even_where_every_look_was_right():
    stratum = np.repeat(["a", "b"], [40, 20])
    true = np.r_[["a"] * 36, ["b"] * 4, ["b"] * 20]
    found = assess(StratifiedClasses(stratum=stratum, mapped=stratum, true=true, units={"a": 0.5, "b": 0.5}))
    right = found.users["b"]
    assert (right.value, right.se) == (1.0, 0.0)
    assert right.low == pytest.approx(wilson(1.0, 20, quantile=stats.t.ppf(0.975, 19))[0])
    assert right.high == 1
    users = found.users["a"]  # a simple sample within its stratum: Wilson's at about its forty looks
    assert (users.low, users.high) == pytest.approx(wilson(0.9, 39, quantile=stats.t.ppf(0.975, 39)))
    assert found.overall.low < found.overall.value < found.overall.high
