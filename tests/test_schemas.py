"""The schemas that are published are those of the types, and what is written fits them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import howgreen
from howgreen import landcover
from howgreen.landcover import card_to_json
from howgreen.pipeline import plan_json
from howgreen.pipeline.schemas import HOME, schemas, text_of


@pytest.mark.parametrize("name", list(schemas()))
def test_the_committed_schema_is_that_of_the_types(name: str):
    """If this fails: python -m howgreen.pipeline.schemas, then look at what changed."""
    made = schemas()[name]
    assert (HOME / name).read_text(encoding="utf-8") == text_of(made)
    jsonschema.Draft202012Validator.check_schema(made)
    assert made["additionalProperties"] is False
    for part in made["$defs"].values():
        assert part["additionalProperties"] is False
        assert part["description"].endswith(".")


def test_no_other_schema_lies_about():
    assert {path.relative_to(HOME).as_posix() for path in HOME.rglob("*.schema.json")} == set(schemas())


def validate(name: str, value: object) -> None:
    checker = jsonschema.FormatChecker()
    jsonschema.Draft202012Validator(schemas()[name], format_checker=checker).validate(value)


def test_plans_and_cards_fit_their_schemas(sampleton: Path):
    plan = howgreen.plan("Sampleton", store=sampleton)
    validate("pipeline/plan.schema.json", json.loads(plan_json.to_json(plan)))
    for name in landcover.SHIPPED:
        validate("landcover/card.schema.json", json.loads(card_to_json(landcover.load_model(name).card)))


@pytest.mark.parametrize("change", [{"extra": 1}, {"sensor": 3}, {"scenes": [{}]}, {"period": {"start": "x"}}])
def test_what_the_schema_refuses_the_reader_refuses(sampleton: Path, change: dict):
    plan = json.loads(plan_json.to_json(howgreen.plan("Sampleton", store=sampleton))) | change
    with pytest.raises(jsonschema.ValidationError):
        validate("pipeline/plan.schema.json", plan)
    with pytest.raises(ValueError, match="not a howgreen plan"):
        plan_json.from_json(json.dumps(plan))


def test_another_layout_is_told_as_such():
    with pytest.raises(ValueError, match=r"^plan of layout 2: this howgreen reads 1; make a new plan$"):
        plan_json.from_json('{"howgreen_plan": 2, "anything": []}')
