"""The answers of a few quick cases are still those of the golden file; ``make.py --check`` asks all of them."""

from __future__ import annotations

import os
from pathlib import Path

import make
import pytest
from golden_record import differences, fingerprint

QUICK = (
    "sampleton_mixture-10",
    "sampleton_landsat",
    "sampleton_own_districts",
    "drawn_area",
    "antimeridian",
    "town_radar_beside_reflectance",
    "town_osm_green",
)
EXPECTED = make.answers()


@pytest.mark.usefixtures("sampleton")
@pytest.mark.parametrize("name", QUICK)
def test_the_answer_is_still_the_golden_one(name: str, at_home: Path):
    env = make.environment(make.ROOT / "src", at_home)
    assert env["XDG_CACHE_HOME"] == os.environ["XDG_CACHE_HOME"]
    alike = EXPECTED["made_on"] == fingerprint()
    found = list(differences(EXPECTED["cases"][name], make.answer(name, env), alike=alike))
    assert [line for line in found if not line.startswith("new ")] == []


def test_every_case_has_its_answer():
    assert set(EXPECTED["cases"]) == set(make.CASES)


def test_a_difference_is_told_and_a_new_figure_is_no_difference():
    one = {"figures": {"green_ratio": 0.5, "name": "A"}, "a.tif": {"sha256": "0", "sums": [1.0]}}
    assert list(differences(one, one, alike=True)) == []
    other = {"figures": {"green_ratio": 0.5 + 1e-6, "width": 1}, "a.tif": {"sha256": "1", "sums": [1.0]}}
    assert list(differences(one, other, alike=True)) == [
        'a.tif: sha256: was "0", is "1"',
        "figures: green_ratio: was 0.5, is 0.500001",
        'figures: name: gone (was "A")',
        "new figures: width: 1",
    ]
    assert list(differences(one, other | {"figures": one["figures"]}, alike=False)) == []
