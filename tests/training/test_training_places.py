from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy")

from howgreen.core.models import PlaceError
from howgreen.training.places import spread


def _places(errors, standard_errors) -> list[PlaceError]:
    return [
        PlaceError(place=str(number), error=error, standard_error=se, n=100, clusters=10)
        for number, (error, se) in enumerate(zip(errors, standard_errors, strict=True))
    ]


def test_worked_by_hand():
    """Equal standard errors s: tau^2 = var - s^2, and SE^2 = var / k, var being the sample variance."""
    errors, s = np.array([0.02, 0.05, -0.03, 0.06]), 0.02
    found = spread(_places(errors, [s] * 4))
    variance = errors.var(ddof=1)
    assert found.mean == pytest.approx(errors.mean())
    assert found.tau == pytest.approx(np.sqrt(variance - s**2))
    assert found.standard_error == pytest.approx(np.sqrt(variance / 4))
    assert found.half_width == pytest.approx(4.302653 * np.sqrt(variance - s**2 + variance / 4), rel=1e-6)
    assert found.about_the_ratio == pytest.approx(0.025 + found.half_width), (
        "a model that leans is that much further off"
    )


def test_published_example():
    """Six trials of unequal precision, by the formulas of DerSimonian & Laird step by step."""
    error = np.array([-0.10, 0.02, 0.08, 0.03, -0.02, 0.12])
    se = np.array([0.03, 0.02, 0.04, 0.01, 0.05, 0.03])
    w = 1 / se**2
    q = (w * (error - (w * error).sum() / w.sum()) ** 2).sum()
    tau2 = (q - 5) / (w.sum() - (w**2).sum() / w.sum())
    v = 1 / (se**2 + tau2)
    mean = (v * error).sum() / v.sum()
    found = spread(_places(error, se))
    assert found.tau == pytest.approx(np.sqrt(tau2))
    assert found.mean == pytest.approx(mean)
    assert found.standard_error >= 1 / np.sqrt(v.sum()) - 1e-12


def test_places_that_agree_leave_only_their_own_doubt():
    found = spread(_places([0.01, 0.01, 0.01, 0.01], [0.02] * 4))
    assert found.tau == 0
    assert found.standard_error == pytest.approx(0.01), "never less than the plain one"


def test_two_places_are_too_few():
    with pytest.raises(ValueError, match="at least 3"):
        spread(_places([0, 0.1], [0.01, 0.01]))


@pytest.mark.parametrize(("tau", "k"), [(0.046, 4), (0.046, 8), (0.08, 5)])
def test_a_new_place_is_held(tau, k):
    """Simulated places: the interval holds a new place at least as often as it says; one place's bias would not."""
    rng, held, old, widths = np.random.default_rng(7), 0, 0, []
    runs, s = 2000, 0.02
    for _ in range(runs):
        errors = rng.normal(0, tau, k) + rng.normal(0, s, k)
        found = spread(_places(errors, [s] * k))
        new = rng.normal(0, tau)
        held += abs(new - found.mean) <= found.half_width
        old += abs(new) <= 1.96 * np.hypot(s, errors[0])
        widths.append(found.half_width)
    assert held / runs > 0.92, "DerSimonian-Laird leaves a point or two to nominal where places are many"
    assert old / runs < 0.88, "what was printed before: the bias of one place taken for the spread between places"
    if k > 4:
        assert np.median(widths) < 3.6 * np.hypot(tau, tau / np.sqrt(k)), "not wider than it must be"
