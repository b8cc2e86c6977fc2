"""Two who ask the same ask one question; what no run can answer is refused before it waits."""

from __future__ import annotations

import json

import pytest
from shapely.geometry import box

from howgreen.core.errors import HowgreenError
from howgreen.pipeline.inputs import to_city
from howgreen.web.serve.questions import MOST_BYTES, Question, question, read_question


def asked(**more: object) -> Question:
    return question(to_city(box(11.3, 46.4, 11.4, 46.5)), period="2024", **more)


def test_a_question_comes_back_as_it_was_and_keeps_its_key():
    first = asked(season="peak", language="de")
    again = read_question(first.to_json())
    assert again == first
    assert again.key == first.key == asked(season="peak", language="de").key
    assert again.city.boundary.equals_exact(first.city.boundary, 0)


def test_the_order_in_which_json_was_written_does_not_matter():
    value = json.loads(asked().to_json())
    turned = json.dumps(dict(reversed(value.items()))).encode()
    assert read_question(turned).key == asked().key


@pytest.mark.parametrize("more", [{"season": "year"}, {"sensor": "landsat"}, {"model": "ndvi"}, {"language": "fr"}])
def test_whatever_is_asked_differently_is_another_question(more: dict[str, str]):
    assert asked(**more).key != asked().key


@pytest.mark.parametrize(
    "change",
    [
        {"period": "soon"}, {"season": "winter"}, {"sensor": "spot"}, {"model": "../m.onnx"}, {"model": "https://x/m.onnx"},
        {"language": "xx"}, {"period": "2" * 500}, {"place": {}}, {"place": {"features": [{}]}}, {"period": 7},
        {"season": "peak", "sensor": "sentinel-1"},
        {"season": "year", "period": "2024-05/2024-06"}, {"doubts": [["no-such-code", "x"]]},
    ],
)  # fmt: skip
def test_what_no_run_can_answer_is_one_line(change: dict[str, object]):
    raw = json.dumps(json.loads(asked().to_json()) | change).encode()
    with pytest.raises(HowgreenError) as told:
        read_question(raw)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 400


def test_what_is_too_large_or_no_json_is_refused():
    for raw in (b" " * (MOST_BYTES + 1), b"{", b"[" * 100_000, b"\xff\xfe", b"null"):
        with pytest.raises(HowgreenError):
            read_question(raw)
