"""What is handed on: tables for programs and people, a picture to share, and no path of its maker's computer."""

from __future__ import annotations

import csv
import dataclasses
import re
import zipfile
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from howgreen import report
from howgreen.core.warnings import CODES, Caution
from howgreen.report import _tables, private
from howgreen.report._language import ENGLISH
from howgreen.report._share import share

EVIL = "=HYPERLINK(0)"
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture(scope="module")
def found(make):
    return report.summary(make(60, 70, names=(EVIL, *"bcdef"))).to_dict()


def test_csv_has_the_figures_of_the_summary(found, tmp_path):
    _tables.write_csv(_tables.rows(found), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["city", *["district"] * 6]
    assert float(rows[0]["green_ratio"]) == found["green_ratio"]
    for row, district in zip(rows[1:], found["districts"], strict=True):
        assert float(row["green_ratio"]) == district["green_ratio"]
        assert float(row["interval_high"]) == district["interval"]["high"]
        assert int(row["population"]) == district["population"]["count"]
    assert rows[1]["name"] == f"'{EVIL}"  # no spreadsheet runs it


def test_xlsx_has_them_too_and_no_formulas(found, tmp_path):
    _tables.write_xlsx(found, tmp_path / "t.xlsx", ENGLISH)
    with zipfile.ZipFile(tmp_path / "t.xlsx") as book:
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
        texts = ["".join(item.itertext()) for item in ET.fromstring(book.read("xl/sharedStrings.xml"))]
    assert not list(sheet.iter(f"{SHEET}f"))
    rows = [list(row) for row in sheet.iter(f"{SHEET}row")]
    assert len(rows) == 8
    assert texts[int(rows[2][0].findtext(f"{SHEET}v"))] == EVIL
    assert float(rows[1][1].findtext(f"{SHEET}v")) == pytest.approx(found["green_ratio"])
    assert float(rows[1][5].findtext(f"{SHEET}v")) == pytest.approx(found["land_area_m2"] / 1e4)
    assert any("covered by vegetation" in text for text in texts)


def test_absent_figures_are_empty(make, tmp_path):
    bare = report.summary(make(60, 70, error=False)).to_dict()
    _tables.write_csv(_tables.rows(bare), tmp_path / "t.csv")
    assert ",," in (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()[1]
    _tables.write_xlsx(bare, tmp_path / "t.xlsx", ENGLISH)


@pytest.mark.parametrize("doubts", [0, 1, 6])
def test_the_picture_to_share(make, tmp_path, monkeypatch, doubts):
    from howgreen.report._pictures import from_data
    from howgreen.report._sheet import Sheet

    result = make(60, 70)
    found = report.summary(result).to_dict()
    found["warnings"] = [{"code": code, "text": "…"} for code in list(CODES)[:doubts]]
    written = []
    write = Sheet.write
    monkeypatch.setattr(
        Sheet, "write", lambda self, x, y, text, **style: (written.append(text), write(self, x, y, text, **style))[1]
    )
    share(result, found, from_data(result), tmp_path / "share.png")
    with Image.open(tmp_path / "share.png") as picture:
        assert picture.size == (1200, 630)
    text = " ".join(written)
    low, high = found["interval"]["low"], found["interval"]["high"]
    assert f"between {100 * low:.0f} and {100 * high:.0f}% (95% interval)" in text
    assert ("⚠" in text) == bool(doubts)
    if doubts == 6:
        assert re.search(r"⚠ [2-6] doubts, see the report", text)


HOME = "/home/anna maria"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{HOME}/green/store", "store"),
        (f"image {HOME}/green/store/a/b.tif has no mask", "image store/a/b.tif has no mask"),
        (f"{HOME}/other.gpkg: read as EPSG:4326", "anna maria/other.gpkg: read as EPSG:4326"),
        ("/srv/maps/x.tif (no CRS)", "x.tif (no CRS)"),
        (r"C:\Users\anna\x.tif: no CRS", "x.tif: no CRS"),
        ("file:///srv/maps/x.tif", "x.tif"),
        ("https://example.org/a/b.tif stays", "https://example.org/a/b.tif stays"),
        ("2024/05 and and/or stay, 60 km²/h too", "2024/05 and and/or stay, 60 km²/h too"),
        ("s3://bucket/key", "s3://bucket/key"),
    ],
)
def test_paths_of_this_computer_become_names(text, shown):
    assert private.without_paths({"a": [text]}, [f"{HOME}/green/store", HOME])["a"] == [shown]


def test_no_file_that_is_read_names_a_path(make, tmp_path):
    result = make(60, 70)
    source = "/srv/private folder/store"
    plan = dataclasses.replace(result.plan, source=source, notes=(f"{source}/x.tif was read",))
    doubt = Caution("no-cloud-mask", f"{source}/y.tif: all its pixels count as clear")
    result = dataclasses.replace(result, plan=plan, warnings=(doubt,), provenance={"file": f"{source}/z.json"})
    report.write(result, tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        if path.suffix in (".html", ".json", ".csv", ".qml"):
            text = path.read_text(encoding="utf-8")
            assert "private folder" not in text, path
            assert str(tmp_path) not in text, path
    with zipfile.ZipFile(tmp_path / "out" / "districts.xlsx") as book:
        assert not any(b"private folder" in book.read(name) for name in book.namelist())
