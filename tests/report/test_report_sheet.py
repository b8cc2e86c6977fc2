from __future__ import annotations

import numpy as np
import pytest
import shapely
from PIL import Image

from howgreen.report._sheet import DASH, SPACE, Sheet


@pytest.fixture
def sheet() -> Sheet:
    return Sheet(300, 200, dpi=72, paper="white")


def dark(sheet: Sheet) -> np.ndarray:
    return np.asarray(sheet.image.convert("L")) < 128


def test_a_picture_lies_whole_in_the_middle_of_its_box(sheet):
    place = sheet.lay(Image.new("RGB", (10, 20), "black"), (100, 50, 300, 150))
    assert (place.left, place.top, place.width, place.height, place.scale) == (175, 50, 50, 100, 5)
    assert dark(sheet)[50:150, 175:225].all()
    assert dark(sheet).sum() == 50 * 100


def test_letters_stand_on_their_line_and_end_where_it_is_said(sheet):
    end = sheet.write(20, 100, "HHH", size=20, color="black")
    rows, columns = np.nonzero(dark(sheet))
    assert rows.max() == pytest.approx(99, abs=1)
    assert rows.min() == pytest.approx(100 - 0.73 * 20, abs=1.5)
    assert columns.min() == pytest.approx(22, abs=1.5)
    assert end == pytest.approx(columns.max(), abs=4)  # letters have room beside them
    middle = sheet.write(150, 50, "HHH", size=20, color="black", align=0.5)
    assert middle - 150 == pytest.approx((end - 20) / 2)
    assert sheet.write(5, 5, "", size=20, color="black") == 5


def test_lines_are_broken_between_words_and_none_is_lost(sheet):
    text = "a line of words that is longer than it may be"
    lines = sheet.wrap(text, 100, size=10)
    assert len(lines) > 2
    assert " ".join(lines) == text
    assert all(sheet.write(0, 50, line, size=10, color="black") <= 101 for line in lines)
    assert sheet.wrap("x" * 200, 100, size=10) == ["x" * 200]


def test_every_part_and_hole_is_outlined(sheet):
    ring = shapely.box(10, 10, 90, 90) - shapely.box(30, 30, 70, 70)
    place = sheet.lay(Image.new("RGB", (100, 100), "white"), (0, 0, 200, 200))
    sheet.outline([shapely.MultiPolygon([ring, shapely.box(92, 92, 98, 98)])], place, width=3, color="black")
    edges = dark(sheet)
    for x, y in ((20, 100), (180, 100), (60, 100), (140, 100), (184, 190), (100, 20), (100, 140)):
        assert edges[y, x + place.left]
    assert not edges[100, 100 + place.left]
    assert not edges[40, 40 + place.left]


def test_dashes_are_as_long_as_their_spaces_say(sheet):
    place = sheet.lay(Image.new("RGB", (200, 200), "white"), (0, 0, 200, 200))
    sheet.outline([shapely.box(-50, 100, 500, 500)], place, width=2, color="black", dashed=True)
    share = dark(sheet)[100, 10:190].mean()
    assert share == pytest.approx(DASH / (DASH + SPACE), abs=0.12)  # the ends of a dash are as thick as the line
