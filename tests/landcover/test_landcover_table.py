from __future__ import annotations

import csv

import numpy as np
import pytest

from howgreen.core.errors import MissingBandsError, OutputError, TableError
from howgreen.landcover import _table, load_model, predict_table


def _write(path, text: str):
    path.write_text(text, encoding="utf-8")
    return path


def _rows(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_columns_in_any_order_and_case_and_others_untouched(pixel_model, tmp_path):
    given = _write(tmp_path / "t.csv", 'id,b08,Note,RED\n007,0.80,"a, ""b""",0.1\nx,0.250,NA,0.2\n')
    predict_table(given, model=pixel_model, out=tmp_path / "o.csv")
    first, second = _rows(tmp_path / "o.csv")
    assert (first["id"], first["Note"], first["b08"]) == ("007", 'a, "b"', "0.80")
    assert (second["Note"], second["label"], first["label"]) == ("NA", "not green", "green")
    assert float(first["green_fraction"]) == pytest.approx(0.8)
    assert float(second["probability_not_green"]) == pytest.approx(0.75)
    assert list(first) == [
        "id",
        "b08",
        "Note",
        "RED",
        "label",
        "green_fraction",
        "probability_not_green",
        "probability_green",
    ]


@pytest.mark.parametrize(
    "names", [("B02", "B03", "B04", "B08"), ("blue", "GREEN", "Red", "nir"), ("b2", "B3", "b04", "B8")]
)
def test_a_shipped_model_answers_as_on_an_image(tmp_path, names):
    shipped = load_model("mixture-4")
    pixels = np.random.default_rng(0).uniform(0, 0.6, (4, 50)).astype(np.float32)
    order = [2, 0, 3, 1]
    lines = [",".join(names[i] for i in order), *(",".join(repr(float(row[i])) for i in order) for row in pixels.T)]
    predict_table(_write(tmp_path / "t.csv", "\n".join(lines)), model=shipped, out=tmp_path / "o.csv")
    probability, fraction, uncertainty = shipped.run(pixels[None, :, :, None])
    got = _rows(tmp_path / "o.csv")
    np.testing.assert_allclose([float(row["green_fraction"]) for row in got], fraction[0, 0, :, 0], atol=1e-6)
    assert uncertainty is not None
    np.testing.assert_allclose([float(row["green_uncertainty"]) for row in got], uncertainty[0, 0, :, 0], atol=1e-6)
    np.testing.assert_allclose([float(row["probability_built"]) for row in got], probability[0, 1, :, 0], atol=1e-6)
    assert [row["label"] for row in got] == [
        shipped.card.classes[k].name for k in probability[0, :, :, 0].argmax(axis=0)
    ]


def test_the_header_stays_as_it_was_written(pixel_model, tmp_path):
    given = _write(tmp_path / "t.csv", "\ufeffid,id,red,nir\n1,2,0.1,0.9\n")
    predict_table(given, model=pixel_model, out=tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_text().startswith("id,id,red,nir,label,")


def test_a_row_with_an_empty_band_gets_empty_answers(pixel_model, tmp_path):
    given = _write(tmp_path / "t.csv", "red,nir\n0.1,\nnan,0.5\n0.1,0.6\n")
    predict_table(given, model=pixel_model, out=tmp_path / "o.csv")
    rows = _rows(tmp_path / "o.csv")
    assert [row["green_fraction"] != "" for row in rows] == [False, False, True]
    assert [row["label"] for row in rows] == ["", "", "green"]
    assert [row["probability_green"] for row in rows[:2]] == ["", ""]


def test_big_tables_go_through_in_pieces(pixel_model, tmp_path, monkeypatch):
    monkeypatch.setattr(_table, "_ROWS", 7)
    values = np.random.default_rng(1).random(40).round(4)
    given = _write(tmp_path / "t.csv", "red,nir\n" + "".join(f"0.1,{value}\n" for value in values))
    predict_table(given, model=pixel_model, out=tmp_path / "o.csv")
    np.testing.assert_allclose([float(row["green_fraction"]) for row in _rows(tmp_path / "o.csv")], values, atol=1e-6)


@pytest.mark.parametrize(("scale", "said"), [(100, 100), (1000, 1000), (10_000, 10_000)])
def test_another_scale_than_reflectance_is_refused_with_the_cure(pixel_model, tmp_path, scale, said):
    values = np.random.default_rng(2).uniform(0.05, 0.6, (200, 2)) * scale
    given = _write(tmp_path / "t.csv", "red,nir\n" + "".join(f"{a},{b}\n" for a, b in values))
    with pytest.raises(TableError, match=rf"divide them by their scale \(here probably {said}\)"):
        predict_table(given, model=pixel_model, out=tmp_path / "o.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a comma-separated table"),
        ("red,nir\n", "no rows"),
        ("red;nir\n0.1;0.2\n", "not parted by commas"),
        ("red,nir\n0.1,0.2\n0.1,high\n", "row 3, column nir: 'high'"),
        ("red,nir\n0.1,-9999\n", "row 2, column nir: '-9999'"),
        ("red,nir,B08\n0.1,0.2,0.3\n", "nir and B08 are both nir"),
        (
            "red,nir,green_fraction,howgreen_label\n0.1,0.2,0.3,a\n",
            "already has howgreen_label, .* give another --prefix",
        ),
        ("red,nir,label,B8\n0.1,0.2,0.3,0.4\n", "both nir"),
        ("red,nir\n0.1,0.2\n0.1,0.2,0.3,0.4\n", "not a comma-separated table"),
        # One field more than the header in every row: nothing may be shifted to the next column.
        ("red,nir\nx,0.1,0.2\ny,0.1,0.2\n", "not a comma-separated table"),
        ("red,nir\n0.1,0.2,\n0.1,0.2,\n", "not a comma-separated table"),
        ("red,red,nir\n0.1,0.5,0.2\n", "red and red are both red"),
    ],
)
def test_a_table_that_cannot_be_used_says_why_and_leaves_nothing(pixel_model, tmp_path, text, said):
    given = _write(tmp_path / "t.csv", text)
    with pytest.raises(TableError, match=said) as caught:
        predict_table(given, model=pixel_model, out=tmp_path / "o.csv")
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(("given", "prefix", "said"), [(None, "howgreen_", 1), ("x_", "x_", 0)])
def test_a_table_that_has_such_columns_keeps_them_and_the_new_ones_get_a_prefix(
    pixel_model, tmp_path, given, prefix, said
):
    file = _write(tmp_path / "t.csv", "red,nir,label,green\n0.1,0.2,oak,yes\n")
    notes = predict_table(file, model=pixel_model, out=tmp_path / "o.csv", prefix=given)
    assert len([note for note in notes if "it already has label" in note]) == said
    header, row = (tmp_path / "o.csv").read_text().splitlines()
    assert header.startswith(f"red,nir,label,green,{prefix}label,{prefix}green_fraction,{prefix}probability_")
    assert row.startswith("0.1,0.2,oak,yes,")


def test_a_later_fault_leaves_the_old_answer_alone(pixel_model, tmp_path, monkeypatch):
    monkeypatch.setattr(_table, "_ROWS", 2)
    old = _write(tmp_path / "o.csv", "old")
    given = _write(tmp_path / "t.csv", "red,nir\n0.1,0.2\n0.1,0.2\n0.1,oops\n")
    with pytest.raises(TableError, match="row 4"):
        predict_table(given, model=pixel_model, out=old)
    assert old.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.csv", "t.csv"]


def test_missing_bands_missing_files_and_unwritable_places(pixel_model, box_model, tmp_path):
    given = _write(tmp_path / "t.csv", "red,note\n0.1,x\n")
    with pytest.raises(MissingBandsError, match=r"lack nir.*there: red"):
        predict_table(given, model=pixel_model, out=tmp_path / "o.csv")
    with pytest.raises(TableError, match="no\\.csv"):
        predict_table(tmp_path / "no.csv", model=pixel_model, out=tmp_path / "o.csv")
    with pytest.raises(OutputError, match=r"nowhere.*another --out"):
        predict_table(given, model=pixel_model, out=tmp_path / "nowhere" / "o.csv")
    with pytest.raises(TableError, match="neighbouring pixels"):
        predict_table(given, model=box_model, out=tmp_path / "o.csv")
    binary = tmp_path / "b.csv"
    binary.write_bytes(b"red,nir\n\xff\xfe,0.1\n")
    with pytest.raises(TableError, match="UTF-8"):
        predict_table(binary, model=pixel_model, out=tmp_path / "o.csv")


def test_a_table_may_replace_itself(pixel_model, tmp_path):
    given = _write(tmp_path / "t.csv", "red,nir\n0.1,0.9\n")
    predict_table(given, model=pixel_model, out=given)
    assert _rows(given)[0]["label"] == "green"


def test_a_table_without_bands_is_told_by_its_columns(tmp_path):
    given = _write(tmp_path / "t.csv", "name,green_ratio\nOld Town,0.4\n")
    with pytest.raises(
        TableError, match=r"no column has the name of a band \(columns: name, green_ratio\); call them blue"
    ):
        _table.table_bands(given)
