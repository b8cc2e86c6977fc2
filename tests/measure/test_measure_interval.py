from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howgreen.core.models import ZONE_SCORES_M2
from howgreen.landcover import load_model
from howgreen.measure.interval import half_width_of, interval

_SHIPPED = load_model("mixture-10").card
CARD = replace(
    _SHIPPED,
    reference_error=replace(_SHIPPED.reference_error, half_width=0.05),
    scores=dict(zip(ZONE_SCORES_M2, (0.12, 0.08, 0.04), strict=True)),
)


@pytest.mark.parametrize(
    ("area_m2", "zone"),
    [(100, 0.12), (1e4, 0.12), (3e4, 0.10), (9e4, 0.08), (18e4, 0.06), (36e4, 0.04), (144e4, 0.02), (36e8, 0.0004)],
)
def test_errors_of_the_zone_and_of_the_place_add_in_squares(area_m2, zone):
    assert half_width_of(CARD, area_m2=area_m2) == pytest.approx((0.05**2 + zone**2) ** 0.5)


@given(st.floats(1, 1e10), st.floats(1, 1e10))
def test_a_larger_zone_is_never_less_sure(one, other):
    small, large = sorted((one, other))
    assert half_width_of(CARD, area_m2=small) >= half_width_of(CARD, area_m2=large) - 1e-12


def test_a_card_without_zones_has_one_width_and_one_without_reference_none():
    assert half_width_of(replace(CARD, scores={}), area_m2=1) == 0.05
    assert half_width_of(replace(CARD, reference_error=None), area_m2=1) is None
    assert interval(0.5, replace(CARD, reference_error=None), area_m2=1) is None
    assert interval(None, CARD, area_m2=1) is None
    assert interval(0.5, CARD, area_m2=1, observed_ratio=None) is None


def test_the_interval_stays_within_what_a_share_can_be_and_says_why_it_is_wide():
    found = interval(0.95, CARD, area_m2=1e4)
    assert (found.low, found.high) == (pytest.approx(0.82), 1.0)
    assert "the zone is small" in found.method
    assert "unseen" not in found.method
    assert "the zone is small" not in interval(0.5, replace(CARD, scores={}), area_m2=1e8).method
    # 0.05 and a zone's part of 0.016 add to 1.05 times 0.05; the part of 0.04 at 36 ha has come down to it at 225 ha.
    assert "the zone is small" in interval(0.5, CARD, area_m2=215e4).method
    assert "the zone is small" not in interval(0.5, CARD, area_m2=235e4).method


def test_unseen_land_may_be_anything_from_bare_to_green():
    """Bolzano by hand: 73 % green of the 85 % that was seen; unseen land alone makes 62-77 % possible."""
    card = replace(CARD, scores={}, reference_error=replace(CARD.reference_error, half_width=0.10))
    found = interval(0.73, card, area_m2=44e6, observed_ratio=0.85)
    assert (found.model_low, found.model_high) == pytest.approx((0.63, 0.83))
    assert (found.unseen_low, found.unseen_high) == pytest.approx((0.6205, 0.7705))
    assert (found.low, found.high) == pytest.approx((0.85 * 0.63, 0.85 * 0.83 + 0.15))
    assert "15.0% of the land was not seen" in found.method
    assert "not seen" not in interval(0.73, card, area_m2=44e6, observed_ratio=0.9996).method
    assert "0.1% of the land was not seen" in interval(0.73, card, area_m2=44e6, observed_ratio=0.9994).method


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_interval_holds_both_parts_and_the_ratio(ratio, seen):
    found = interval(ratio, CARD, area_m2=1e6, observed_ratio=seen)
    for low, high in ((found.model_low, found.model_high), (found.low, found.high)):
        assert 0 <= low <= ratio + 1e-9
        assert ratio - 1e-9 <= high <= 1 + 1e-12
    assert found.low <= found.unseen_low + 1e-12 <= found.unseen_high + 1e-9 <= found.high + 1e-9
