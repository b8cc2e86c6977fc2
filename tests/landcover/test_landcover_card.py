from __future__ import annotations

import dataclasses
import json

import pytest

from howgreen.core.errors import ModelError
from howgreen.core.models import ModelCard, ReferenceScore
from howgreen.landcover import card_from_json, card_to_json

SCORE = ReferenceScore(source="s", n=98, rmse=0.2, mae=0.1, bias=-0.01, r2=0.5, half_width=0.04, level=0.95, method="m")


def _values(make_card, **changes) -> dict:
    return json.loads(card_to_json(make_card(reference_error=SCORE))) | changes


def test_a_card_survives_json(make_card):
    for card in (make_card(), make_card(reference_error=SCORE)):
        assert card_from_json(card_to_json(card), source="x") == card


@pytest.mark.parametrize("key", [one.name for one in dataclasses.fields(ModelCard) if one.name != "learned_from"])
def test_a_missing_key_is_named_with_its_file(make_card, key):
    values = _values(make_card)
    del values[key]
    with pytest.raises(ModelError, match=rf"some\.onnx.*lacks '{key}'"):
        card_from_json(json.dumps(values), source="some.onnx")


@pytest.mark.parametrize("inner", ["reference_error", "classes"])
def test_a_missing_inner_key_is_named_with_its_place(make_card, inner):
    values = _values(make_card)
    target = values[inner] if inner == "reference_error" else values[inner][1]
    target.pop("method" if inner == "reference_error" else "colour")
    with pytest.raises(ModelError, match=rf"{inner}.*lacks '(method|colour)'"):
        card_from_json(json.dumps(values), source="x")


def test_an_unknown_key_is_named(make_card):
    with pytest.raises(ModelError, match="unknown 'tile_size'"):
        card_from_json(json.dumps(_values(make_card, tile_size=3)), source="x")


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("name", 3), ("bands", "red"), ("bands", []), ("bands", ["red", "red"]), ("bands", ["red", 4]), ("resolution_m", "10"),
        ("resolution_m", 0), ("tile_px", 8.5), ("tile_px", True), ("tile_px", 0), ("halo_px", -1), ("stride_px", 0),
        ("scores", [1]), ("scores", {"a": "b"}), ("scores", {"a": None}), ("reference_error", 1), ("classes", {}),
        ("classes", [{"code": 1, "name": "a", "green": True, "colour": "#000000"}]),
        ("classes", [{"code": 0, "name": "a", "green": 1, "colour": "#000000"}]),
        ("classes", [{"code": 0, "name": "a", "green": True, "colour": "green"}]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_key_and_file(make_card, key, wrong):
    with pytest.raises(ModelError, match=rf"f\.onnx.*'{key}"):
        card_from_json(json.dumps(_values(make_card, **{key: wrong})), source="f.onnx")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null"])
def test_what_is_no_card_at_all_is_said(text):
    with pytest.raises(ModelError, match="card"):
        card_from_json(text, source="x")


def test_numbers_that_are_not_finite_are_refused(make_card):
    text = json.dumps(_values(make_card)).replace("0.5", "NaN")
    with pytest.raises(ModelError, match="finite"):
        card_from_json(text, source="x")
