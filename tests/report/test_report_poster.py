from __future__ import annotations

import numpy as np
import pytest

from howgreen.report import _poster


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
