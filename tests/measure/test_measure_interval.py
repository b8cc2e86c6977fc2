from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from howgreen.core.types import ZONE_SCORES_M2
from howgreen.landcover import load_model
from howgreen.measure.interval import half_width_of, interval

_SHIPPED = load_model("mixture-10").card
CARD = replace(
    _SHIPPED,
    reference_error=replace(_SHIPPED.reference_error, half_width=0.05),
    scores=dict(zip(ZONE_SCORES_M2, (0.12, 0.08, 0.04), strict=True)),
)


@pytest.mark.parametrize(
    ("area_m2", "wanted"),
    [(100, 0.12), (1e4, 0.12), (3e4, 0.10), (9e4, 0.08), (18e4, 0.06), (36e4, 0.05), (1e9, 0.05)],
)
def test_small_zones_are_less_sure_and_large_ones_as_sure_as_the_reference(area_m2, wanted):
    assert half_width_of(CARD, area_m2=area_m2) == pytest.approx(wanted)


@given(st.floats(1, 1e10), st.floats(1, 1e10))
def test_a_larger_zone_is_never_less_sure(one, other):
    small, large = sorted((one, other))
    assert half_width_of(CARD, area_m2=small) >= half_width_of(CARD, area_m2=large) - 1e-12


def test_a_card_without_zones_has_one_width_and_one_without_reference_none():
    assert half_width_of(replace(CARD, scores={}), area_m2=1) == 0.05
    assert half_width_of(replace(CARD, reference_error=None), area_m2=1) is None
    assert interval(0.5, replace(CARD, reference_error=None), area_m2=1) is None
    assert interval(None, CARD, area_m2=1) is None


def test_the_interval_stays_within_what_a_share_can_be_and_says_why_it_is_wide():
    found = interval(0.95, CARD, area_m2=1e4)
    assert (found.low, found.high) == (pytest.approx(0.83), 1.0)
    assert "because the zone is small" in found.method
    assert "because" not in interval(0.5, CARD, area_m2=1e8).method
