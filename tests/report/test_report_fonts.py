"""Names in any script: drawn where a font has the letters, left out with a word where none has, never as boxes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import warnings

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from PIL import Image

from howgreen import report
from howgreen.report import _fonts, _poster
from howgreen.report._language import ENGLISH
from howgreen.report._pictures import from_data, photo_rgb
from howgreen.report._sheet import Sheet


def test_latin_greek_cyrillic_and_arabic_are_drawn_by_matplotlibs_own_fonts():
    for text in ("Bolzano/Bozen", "Αθήνα", "Київ", "القاهرة", "תל אביב"):
        shown, families = _fonts.fitting(text, first=_fonts.SERIF)
        assert shown == text
        assert families == (_fonts.SERIF, _fonts.SANS)


def test_what_no_font_has_is_left_out_with_one_word(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_fonts, "_others", lambda: ())
    _fonts.fitting.cache_clear()
    assert _fonts.fitting("北京市 or 東京")[0] == f"{_fonts.LEFT_OUT} or {_fonts.LEFT_OUT}"
    assert not _fonts.drawable("दिल्ली")
    assert _fonts.drawable("$1 & Co")
    _fonts.fitting.cache_clear()


def test_a_font_of_the_computer_that_has_the_letters_is_used(monkeypatch: pytest.MonkeyPatch):
    letters = {
        "Han": frozenset("北京市"),
        "Thai": frozenset("กรุงเทพ"),
        _fonts.SERIF: frozenset("a "),
        _fonts.SANS: frozenset("a "),
    }
    monkeypatch.setattr(_fonts, "_others", lambda: ("Empty", "Han", "Thai"))
    monkeypatch.setattr(_fonts, "_letters", lambda family: letters.get(family, frozenset()))
    _fonts.fitting.cache_clear()
    assert _fonts.fitting("北京 a", first=_fonts.SERIF) == ("北京 a", (_fonts.SERIF, _fonts.SANS, "Han"))
    assert _fonts.fitting("กรุง 北") == ("กรุง 北", (_fonts.SANS, "Han", "Thai"))
    _fonts.fitting.cache_clear()


def test_a_font_that_was_installed_since_matplotlib_looked_is_found(tmp_path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "fresh.ttf"
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "beijing"])
    builder.setupCharacterMap({ord("北"): "beijing"})
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0)), pen.lineTo((0, 700)), pen.lineTo((500, 700)), pen.closePath()
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "beijing": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "beijing": (500, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Fresh Han", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(path), str(tmp_path / "broken.ttf")])
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    for known in (_fonts._others, _fonts._letters, _fonts.fitting):
        known.cache_clear()
    assert "Fresh Han" in _fonts.fitting("北")[1]
    for known in (_fonts._others, _fonts._letters, _fonts.fitting):
        known.cache_clear()


@pytest.mark.skipif(
    not any("CJK" in name for name in font_manager.get_font_names()), reason="Debian's fonts-noto are not installed"
)
def test_debians_fonts_draw_the_scripts_of_most_people():
    for text in ("北京市 東京 서울", "दिल्ली", "กรุงเทพมหานคร", "বাংলা தமிழ் తెలుగు", "አዲስ አበባ"):
        assert _fonts.drawable(text)


@pytest.mark.parametrize("label", ["北京市 القاهرة", "दिल्ली", "กรุงเทพ", "$a_b$ \x1b[31m", "القاهرة الكبرى"])
def test_the_picture_draws_any_name_without_a_warning(result, label, tmp_path):
    preview = from_data(result, longest_px=300)
    found = report.summary(result).to_dict()
    found["city"]["label"] = found["city"]["name"] = label
    found["attributions"] = [label]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _poster.poster(result, found, preview, tmp_path / "map.png", photo=photo_rgb(preview))
    with Image.open(tmp_path / "map.png") as picture:
        assert np.asarray(picture.convert("L"))[:150].min() < 100  # a title is there


def test_warnings_stand_above_the_maps_and_the_picture_grows_by_their_lines(result, tmp_path):
    preview = from_data(result, longest_px=300)
    sizes = []
    for count in (0, 2, 40):
        found = report.summary(result).to_dict()
        found["warnings"] = [{"code": "few-dates", "text": f"doubt number {n}"} for n in range(count)]
        lines = _poster._warnings(found, ENGLISH)
        assert len(lines) == min(count, _poster.MOST_LINES)
        _poster.poster(result, found, preview, tmp_path / "map.png", photo=photo_rgb(preview))
        with Image.open(tmp_path / "map.png") as picture:
            sizes.append(picture.size[1])
    assert sizes[0] < sizes[1] < sizes[2]
    assert lines[-1].strip() == "… → report.html"


def test_a_place_without_limits_is_not_called_by_the_citys_name(make, tmp_path):
    result = make(60, 70)
    city = dataclasses.replace(result.plan.city, kind="image footprint")
    shown = dataclasses.replace(result, plan=dataclasses.replace(result.plan, city=city))
    assert (
        _poster.question(report.summary(shown).to_dict(), ENGLISH)
        == "How green is the area of the image (not the limits of Testborough)?"
    )


def test_everyday_letters_are_in_the_font_that_draws_them_and_need_no_second_one():
    there = [chr(code) for code in range(0x20, 0x3000)]
    for family, serif in ((_fonts.SERIF, True), (_fonts.SANS, False)):
        everyday = {letter for letter in there if _fonts.is_everyday(letter, serif=serif)}
        assert len(everyday) > 300
        assert everyday <= _fonts._letters(family)
    for text in ("Αθήνα", "القاهرة", "e\N{COMBINING ACUTE ACCENT}", "soft\N{SOFT HYPHEN}hyphen", "北"):
        assert not _fonts.is_everyday(text)
    for text in ("Łódź – 59 %", "Québec : “vert” ≥ 5 €", "ÅĞŞİØßñ", "⚠ one date"):
        assert _fonts.is_everyday(text)
    assert not _fonts.is_everyday("⚠ one date", serif=True)


def test_everyday_letters_are_as_wide_and_dark_as_those_of_freetype(monkeypatch: pytest.MonkeyPatch):
    drawn = []
    for everyday in (True, False):
        if not everyday:
            monkeypatch.setattr(_fonts, "everyday", lambda *_, **__: None)
        sheet = Sheet(600, 80, dpi=130, paper="white")
        end = sheet.write(20, 50, "Łódź: 59 % green, AVAL", size=20, color="black")
        drawn.append((end, (255 - np.asarray(sheet.image.convert("L")).astype(float)).sum()))
    assert drawn[0] == pytest.approx(drawn[1], rel=0.02)


def test_a_report_in_everyday_letters_loads_no_matplotlib():
    code = (
        "import sys; from howgreen.report._sheet import Sheet; from howgreen.report import _fonts\n"
        "sheet = Sheet(300, 200, dpi=72, paper='white'); sheet.write(5, 50, 'Zürich ⚠', size=20, color='black')\n"
        "assert _fonts.drawable('Łódź'); assert sheet.wrap('one two', 30, size=20) == ['one', 'two']\n"
        "assert 'matplotlib' not in sys.modules\n"
        "sheet.write(5, 90, 'Київ', size=20, color='black'); assert 'matplotlib' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
