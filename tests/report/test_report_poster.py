from __future__ import annotations

import numpy as np
import pytest

from howgreen.report import _poster
from howgreen.report._language import language


@pytest.mark.parametrize("count", [1, _poster.MOST_KEYS, _poster.MOST_KEYS + 1, 60])
def test_the_key_has_room_for_the_largest_classes_in_the_order_of_the_card(count):
    names = [f"class {number}" for number in range(count)]
    areas = np.random.default_rng(1).permutation(count).astype(float)
    found = {
        "model": {"classes": [{"name": name} for name in names]},
        "area_by_class_m2": dict(zip(names, areas, strict=True)),
    }
    shown = [item["name"] for item in _poster._shown_classes(found)]
    smallest = np.sort(areas)[-_poster.MOST_KEYS :][0] if count > _poster.MOST_KEYS else 0
    assert shown == [name for name, area in zip(names, areas, strict=True) if area >= smallest]


def test_long_names_are_cut_and_short_ones_are_not():
    assert _poster._short("artificial surface") == "artificial surface"
    assert _poster._short("artificial surfaces and roofs") == "artificial surfac…"


def test_warnings_on_the_picture_are_in_its_language():
    told = "only 1 date (11 Feb 2019): what was bare, mown or under an undetected cloud then counts as not green; add images of other dates"
    found = {"warnings": [{"code": "few-dates", "text": told}, {"code": "few-dates", "text": "what only English has"}]}
    spanish = _poster._warnings(found, language("es"))
    assert spanish[0].startswith("⚠ Solo una fecha (11 feb 2019)")
    assert spanish[-1] == f"⚠ {language('es').meaning('few-dates')}"


@pytest.mark.parametrize(
    ("observed", "big", "why"),
    [
        (None, "no land", "All that the images show inside the limits is water."),
        (0.0, "not seen", "No clear image shows"),
    ],
)
def test_without_a_ratio_the_picture_says_why(observed: float | None, big: str, why: str):
    found = {"green_ratio": None, "observed_ratio": observed}
    assert _poster.unseen(found, language("en")) == big
    assert _poster.no_interval(found, language("en")).startswith(why)


@pytest.mark.parametrize(("name", "size"), [("Lyon", 20), ("Tlaxcala " * 12, 17), ("Tlaxcala " * 60, 8)])
def test_a_long_question_is_written_small_enough(name: str, size: int):
    from howgreen.report._sheet import Sheet

    sheet = Sheet(round(_poster.WIDTH_IN * _poster.DPI), 100, dpi=_poster.DPI, paper="white")
    assert _poster._title_size(sheet, name) == size
