"""Doubts travel with the values, each told once, and are harmless to a terminal."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, date, datetime

import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import box

from howgreen.core.text import one_line
from howgreen.core.types import City, Period, Plan, Scene
from howgreen.core.warnings import CODES, Caution, HowgreenWarning, warn
from howgreen.pipeline._doubts import gather

AREA = box(11.3, 46.4, 11.4, 46.5)
NO_MASK = Caution("no-cloud-mask", "has no cloud mask: all its pixels count as clear")


def scene(number: int, *warnings: Caution) -> Scene:
    return Scene(
        id=f"S{number}", sensor="sentinel-2", time=datetime(2024, 6, number, tzinfo=UTC), footprint=AREA, assets=(),
        scale=1e-4, offset=0.0, nodata=0, warnings=warnings,
    )  # fmt: skip


def plan(*scenes: Scene, city: tuple[Caution, ...] = (), own: tuple[Caution, ...] = ()) -> Plan:
    place = City(
        name="X", label="X", id="file:x", boundary=AREA, crs="EPSG:32632", area_m2=1.0, warnings=city
    )  # fmt: skip
    return Plan(
        city=place, period=Period(start=date(2024, 5, 1), end=date(2024, 9, 30)), sensor="sentinel-2",
        grid=GeoBox((10, 10), Affine(10, 0, 0, 0, -10, 0), "EPSG:32632"), scenes=scenes, passed_over=(scene(9, NO_MASK),),
        bands=("red",), source="store", model="ndvi", model_sha256="", howgreen="0", warnings=own,
    )  # fmt: skip


def test_codes_are_kebab_case_in_alphabetical_order_with_a_meaning():
    assert list(CODES) == sorted(CODES)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", code) and meaning for code, meaning in CODES.items())


def test_an_unknown_code_is_refused():
    with pytest.raises(ValueError, match="is unknown"):
        Caution("no-such-code", "text")


def test_scenes_that_share_a_caution_are_named_once_and_scenes_that_are_not_used_never():
    assert [c.text for c in gather(plan(scene(1, NO_MASK), scene(2)))] == [f"image S1: {NO_MASK.text}"]
    assert [c.text for c in gather(plan(scene(1, NO_MASK), scene(2, NO_MASK)))] == [f"images S1, S2: {NO_MASK.text}"]
    five = gather(plan(*(scene(n, NO_MASK) for n in range(1, 6)), scene(6)))
    assert [c.text for c in five] == [f"images S1, S2, S3 and 2 more: {NO_MASK.text}"]
    assert [c.text for c in gather(plan(*(scene(n, NO_MASK) for n in range(1, 5))))] == [
        f"all 4 images: {NO_MASK.text}"
    ]


def test_the_city_comes_first_and_what_was_gathered_before_is_not_told_again():
    city, own = Caution("limits-are-image", "the limits are the image's"), Caution("few-dates", "one date")
    later = Caution("low-share-seen", "12 % seen")
    first = plan(scene(1, NO_MASK), city=(city,), own=(own,))
    before = gather(first)
    assert [c.code for c in before] == ["limits-are-image", "no-cloud-mask", "few-dates"]
    again = gather(dataclasses.replace(first, warnings=before), (later, city))
    assert again == (*before, later)


def test_python_hears_a_warning_with_its_code():
    with pytest.warns(HowgreenWarning, match="all its pixels") as heard:
        warn(NO_MASK)
    assert heard[0].message.code == "no-cloud-mask"
    assert heard[0].filename == __file__


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\x07", "a [31mred"),
        ("one\r\ntwo\u2028three", "one two three"),
        ("abc\u202edcb\u200b", "abcdcb"),
        ("\x9b2J", "2J"),
        ("北京 القاهرة दिल्ली กรุงเทพ", "北京 القاهرة दिल्ली กรุงเทพ"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_strangers_text_is_one_harmless_line(text, shown):
    assert one_line(text) == shown
    assert Caution("few-dates", text).text == shown
