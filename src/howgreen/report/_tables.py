"""Tables: ``districts.csv`` for programs and ``districts.xlsx`` for people, and the one writer of CSV files."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from howgreen.report._details import detail
from howgreen.report._quote import citation, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from howgreen.report._language import Language

CSV, XLSX = "districts.csv", "districts.xlsx"
FIGURES = ("green_ratio", "interval_low", "interval_high", "observed_ratio", "land_area_m2", "observed_area_m2", "green_area_m2",
           "green_m2_per_inhabitant", "population", "clear_dates_mean", "seen_once_ratio")  # fmt: skip
"""Columns of the CSV after name, id and kind; ratios 0-1, areas in square metres."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the city, then its districts; absent figures are None."""
    city = {
        **found,
        "name": found["city"]["label"],
        "id": found["city"]["id"],
        "population": found["city"]["population"],
    }
    return [_row(city, "city"), *(_row(district, "district") for district in found["districts"])]


def _row(zone: Mapping[str, Any], kind: str) -> dict[str, Any]:
    interval, people = zone["interval"] or {}, zone["population"]
    values = {
        **zone,
        "interval_low": interval.get("low"),
        "interval_high": interval.get("high"),
        "population": people["count"] if people else None,
    }
    return {"name": zone["name"], "id": zone["id"], "kind": kind, **{name: values[name] for name in FIGURES}}


def write_csv(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows with the same keys as UTF-8 with commas and decimal points; absent figures are empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(list(found[0]))
        for row in found:
            table.writerow([_harmless(value) if isinstance(value, str) else value for value in row.values()])


def _harmless(text: str) -> str:
    """Keep an untrusted name from running as a formula when the table is opened."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def write_xlsx(found: Mapping[str, Any], path: Path, language: Language) -> None:
    """Write one sheet with the figures and one that explains them."""
    import xlsxwriter

    _ = language.gettext
    # Texts stay texts: no formulas, no links.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    with xlsxwriter.Workbook(str(path), options) as book:
        head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1})
        percent, whole, fine = (book.add_format({"num_format": code}) for code in ("0%", "#,##0", "#,##0.0"))
        text = book.add_format({"text_wrap": True, "valign": "top"})
        columns = (
            (_("District"), "name", None, 1.0),
            (_("Green"), "green_ratio", percent, 1.0),
            (_("Interval from"), "interval_low", percent, 1.0),
            (_("Interval to"), "interval_high", percent, 1.0),
            (_("Land that was seen"), "observed_ratio", percent, 1.0),
            (_("Land, hectares"), "land_area_m2", fine, 1e-4),
            (_("Green area seen, hectares"), "green_area_m2", fine, 1e-4),
            (_("Inhabitants"), "population", whole, 1.0),
            (_("Green per inhabitant, m²"), "green_m2_per_inhabitant", whole, 1.0),
        )
        sheet = book.add_worksheet(_("Districts")[:31])
        if language.rtl:
            sheet.right_to_left()
        sheet.set_column(0, 0, 30)
        sheet.set_column(1, len(columns) - 1, 14)
        sheet.freeze_panes(1, 1)
        for column, (title, *_rest) in enumerate(columns):
            sheet.write_string(0, column, title, head)
        for number, row in enumerate(rows(found), 1):
            for column, (_title, name, form, factor) in enumerate(columns):
                value = row[name]
                if isinstance(value, str):
                    sheet.write_string(number, column, value)
                elif value is not None:
                    sheet.write_number(number, column, value * factor, form)
        about = book.add_worksheet(_("About")[:31])
        about.set_column(0, 0, 110)
        notes = [
            sentence(found, language),
            _("m² each: green per inhabitant. It counts fields, forests and private gardens, not only parks."),
            *(detail(one["text"], language) or one["text"] for one in found["warnings"]),
            citation(found, language),
        ]
        for number, note in enumerate(notes):
            about.write_string(number, 0, note, text)
