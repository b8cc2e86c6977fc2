from __future__ import annotations

from datetime import date

import pytest

from howgreen.core import words


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.4712, "47"), (0.0, "0"), (1.0, "100"), (0.0041, "0.4"), (0.0004, "<0.1"), (0.9960, "99.6"), (0.99996, ">99.9"), (1 - 1e-9, "100"), (0.0125, "1"),
     (0.9985, "99.9"), (None, "–"), (float("nan"), "–"), (0.0951, "10")],
)  # fmt: skip
def test_digits(ratio, text):
    assert words.digits(ratio) == text


def test_percent_and_span():
    assert words.percent(0.47) == "47\u00a0%"
    assert words.percent(None) == "–"
    assert words.span(0.412, 0.528) == "41–53\u00a0%"
    assert words.span(None, None) == ""


def test_dry_plants_are_told_from_fifteen_percent_of_the_land_on():
    assert words.told_dry(0.15) == 0.15
    assert words.told_dry(0.1499) is None
    assert words.told_dry(None) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (27_345_678, "27.3 km²"),
        (1_234_567_890, "1,230 km²"),
        (12_345, "1.23 ha"),
        (0, "0 ha"),
        (999_000, "0.999 km²"),
        (999_658, "1.00 km²"),
        (102, "102 m²"),
        (0.16, "0.160 m²"),
        (1000, "0.100 ha"),
        (None, "–"),
    ],
)
def test_area(value, text):
    assert words.area(value) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(("kind", "first"), [("circle", "lat"), ("city", "lon")])
def test_typed_coordinates_go_the_other_way_round_than_those_of_a_file(kind: str, first: str):
    assert words.axis_order(kind).startswith(f"{first} first")


def test_days():
    assert words.days([date(2024, 9, 11), date(2024, 5, 3)]).replace("\u00a0", " ") == "3 May – 11 Sep 2024"
    assert words.days([date(2023, 12, 1), date(2024, 2, 3)]).replace("\u00a0", " ") == "1 Dec 2023 – 3 Feb 2024"
    assert words.days([date(2024, 5, 3)]).replace("\u00a0", " ") == "3 May 2024"
    assert words.days([]) == "–"


def test_points_and_count():
    assert words.points(-0.0123) == "−1.2\u00a0points"
    assert words.count(1, "image") == "1\u00a0image"
    assert words.count(6, "image") == "6\u00a0images"
