from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from shapely import box

from howgreen.core.models import ReferenceScore, TrainingImage
from howgreen.landcover import card_from_json, card_to_json, for_plan, load_model, model_warnings
from howgreen.landcover.model import FAR_KM, KM_PER_DEGREE, elsewhere

HOME = TrainingImage(sensor="sentinel-2", day="2021-11-18", bounds=(10.0, 45.0, 10.2, 45.1))
MODEL = load_model("ndvi")
SCORE = ReferenceScore(source="x", n=9, rmse=0.1, mae=0.1, bias=0, r2=0.9, half_width=0.05, level=0.95, method="x")
CARD = replace(MODEL.card, learned_from=(HOME,), reference_error=SCORE)


def _city(west=10.0, south=45.0):
    return SimpleNamespace(boundary=box(west, south, west + 0.1, south + 0.1))


def _scene(day="2022-11-20", sensor="sentinel-2"):
    return SimpleNamespace(time=datetime.fromisoformat(day).replace(tzinfo=UTC), sensor=sensor)


@pytest.mark.parametrize(
    ("city", "scenes", "said"),
    [
        (_city(), [_scene()], ""),
        (_city(), [_scene("2023-01-02")], ""),  # 45 days, over the turn of the year
        (_city(), [_scene("2023-01-03")], "in another season"),
        (_city(), [_scene("2022-04-16")], "in another season"),
        (_city(), [_scene("2022-04-16"), _scene()], ""),  # half of them
        (_city(), [_scene(sensor="landsat")], "on images of landsat"),
        (_city(south=45.1 + 0.99 * FAR_KM / KM_PER_DEGREE), [_scene()], ""),
        (_city(south=45.1 + 1.01 * FAR_KM / KM_PER_DEGREE), [_scene()], "101 km from the place"),
        (
            _city(west=-120),
            [_scene("2022-04-16", "landsat")],
            "km from the place that it was made for; in another season",
        ),
    ],
)
def test_a_model_of_one_place_says_when_it_is_away(city, scenes, said):
    found = elsewhere(CARD, city=city, scenes=scenes)
    assert (said in found) if said else found == ""
    warned = [one.code for one in model_warnings(CARD, resolution_m=10, city=city, scenes=scenes)]
    assert ("model-elsewhere" in warned) == bool(said)


def test_it_has_no_interval_away_from_home_and_keeps_it_at_home():
    model = replace(MODEL, card=CARD)
    assert for_plan(model, SimpleNamespace(city=_city(), scenes=[_scene()])) is model
    assert for_plan(model, SimpleNamespace(city=_city(west=60), scenes=[_scene()])).card.reference_error is None
    everywhere = replace(model, card=replace(CARD, learned_from=()))
    assert for_plan(everywhere, SimpleNamespace(city=_city(west=60), scenes=[_scene()])) is everywhere


def test_places_on_either_side_of_the_date_line_are_near():
    card = replace(CARD, learned_from=(replace(HOME, bounds=(179.5, 45.0, 180.0, 45.1)),))
    assert elsewhere(card, city=_city(west=-179.9), scenes=[_scene()]) == ""


def test_cards_with_and_without_a_home_are_read_as_they_were_written():
    assert card_from_json(card_to_json(CARD), source="x") == CARD
    assert "learned_from" not in card_to_json(MODEL.card)
