"""The report folder: written beside its destination, then moved there whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from howgreen.core.threads import pool
from howgreen.core.ticks import Ticks
from howgreen.report._checksums import CHECKSUMS, write_checksums
from howgreen.report._delivery import new_target
from howgreen.report._folder import SUMMARY
from howgreen.report._language import language as language_of
from howgreen.report._pdf import REPORT_PDF, TEXT, check_pdf, write_pdf
from howgreen.report._qgis import PROJECT, TABLES, write_styles, write_tables
from howgreen.report._rasters import blocks, drawn, files_of
from howgreen.report._sections import Kept, check_sections, kept, sections_there
from howgreen.report._summary import values
from howgreen.report._tables import CSV, XLSX, rows, write_csv, write_xlsx
from howgreen.report.figures import EstimateFigures, PopulatedFigures, Summary
from howgreen.report.private import roots_of, without_paths

if TYPE_CHECKING:
    from howgreen.core.types import Plan, Progress, Result
    from howgreen.report._language import Language
    from howgreen.report._pictures import Array, Preview

OTHERS = {
    "report.html": "the page to read; opens without a network",
    REPORT_PDF: TEXT,
    "map.png": "the maps as one picture",
    "share.png": "the answer as a picture to share, with its interval and doubts",
    CSV: "figures of the city and its districts, for programs: ratios 0-1, areas in square metres",
    XLSX: "the same, for Excel and LibreOffice",
    TABLES: "limits and figures, in layers: city, and where there are any districts, and land without the sea",
    PROJECT: "all maps in their colours, for QGIS; beside each raster lies its style (.qml)",
    "plan.json": "what the answer was decided by; can be run again",
    SUMMARY: "this file",
    CHECKSUMS: "checksums of all files, for `sha256sum --check`",
}
CACHE_BYTES = 64_000_000
STEPS_AFTER = 5
"""Progress steps after the maps are drawn: page, pictures, tables, and packing the maps."""
PRIVATE = ("source", "notes", "warnings", "provenance")
"""Fields of a summary that may hold a local path."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """Format of a report."""

    language: str = "en"
    """Language of the page, the pictures and the table for people: a key of
    :data:`howgreen.report._language.LANGUAGES`."""
    pdf: bool = False
    """Write the page as PDF too."""


def write(
    result: Result,
    out: str | Path,
    *,
    truth: Mapping[str, Any] | None = None,
    estimate: EstimateFigures | None = None,
    populated: PopulatedFigures | None = None,
    plan_json: str | None = None,
    form: Form | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Write everything about a result into a folder; all of it or nothing.

    Parameters
    ----------
    out
        A new folder, an empty one, or an earlier report's (it is replaced, and its sections that remain valid are
        kept); or the same in remote storage, as a URL of fsspec.
    truth
        For simulated cities: ``green_ratio`` (0-1) and, if known, ``districts`` (name to ratio).
    estimate
        Estimate from an interpreted sample and the map: it leads the report.
    populated
        Green of inhabited ground, if a population raster was given.
    plan_json
        Text of ``plan.json``; no such file without it.
    form
        Language, and whether to write a PDF too; None for English and no PDF.

    Returns
    -------
    Summary
        What ``summary.json`` holds; see ``summary.schema.json``.

    Raises
    ------
    OutputError
        The folder holds foreign files, is not writable, or got a section meanwhile.
    """
    import rasterio

    from howgreen.report._pictures import from_files, photo_rgb
    from howgreen.report._poster import poster
    from howgreen.report._share import share

    form = form or Form()
    spoken = language_of(form.language)
    if form.pdf:
        check_pdf()
    tick = Ticks("report", blocks(result) + STEPS_AFTER if progress else 0, progress)
    there = sections_there(out)
    check = partial(check_sections, out, there)
    room = new_target(out, needs_bytes=needed_bytes(result.plan), check=check, progress=progress)
    # GDAL's own cache would grow with the city, up to 5 % of memory; nearly every byte is used once.
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), room as folder:
        with drawn(result, folder, tell=tick) as maps:
            found = values(result)
            found["language"] = form.language
            roots = roots_of(result.plan)
            found |= {key: without_paths(found[key], roots) for key in PRIVATE}
            found["clear_looks"] = maps.clear.figures()
            found["truth"] = _truth(truth, found)
            found["estimate"] = None if estimate is None else msgspec.to_builtins(estimate)
            found["denominators"]["populated"] = None if populated is None else msgspec.to_builtins(populated)
            absent = {"plan.json" if not plan_json else "", REPORT_PDF if not form.pdf else ""}
            found["files"] = {name: text for name, text in (files_of(result) | OTHERS).items() if name not in absent}
            earlier = kept(out, found, plan_json)
            found["files"] |= earlier.files
            found["sections"] = dict(earlier.sections)
            earlier.link(folder)
            # GDAL packs, zlib compresses the page's pictures, and Python does most of the rest.
            with pool(3) as aside:
                packing = [aside.submit(pack) for pack in maps.packs]
                preview = from_files(result, maps.paths)
                photo = photo_rgb(preview)
                write_styles(result, preview, folder)
                page = aside.submit(_page, result, found, preview, photo, folder, spoken, earlier)
                poster(result, found, preview, folder / "map.png", photo=photo, language=spoken)
                share(result, found, preview, folder / "share.png", language=spoken)
                tick()
                _tables(result, found, folder, plan_json, spoken)
                tick()
                for other in (page, *packing):
                    other.result()
                    tick()
        write_checksums(folder)
    return Summary.from_dict(found)


def _page(
    result: Result,
    found: Mapping[str, Any],
    preview: Preview,
    photo: Array,
    folder: Path,
    language: Language,
    earlier: Kept,
) -> None:
    from howgreen.report._page import page

    html = earlier.into(page(result, found, preview, photo=photo, language=language))
    (folder / "report.html").write_text(html, encoding="utf-8")
    if REPORT_PDF in found["files"]:
        write_pdf(html, folder / REPORT_PDF)


def needed_bytes(plan: Plan) -> int:
    """Estimate the disk space needed for writing a report: its maps, before and after compression, and the rest."""
    height, width = plan.grid.shape
    return int(height * width * (2 * len(plan.bands) + 7) * 2.1) + 8 * 2**20


def _truth(truth: Mapping[str, Any] | None, found: Mapping[str, Any]) -> dict[str, Any] | None:
    if truth is None:
        return None
    estimate, true = found["green_ratio"], float(truth["green_ratio"])
    districts = {str(name): float(value) for name, value in dict(truth.get("districts") or {}).items()}
    return {"green_ratio": true, "error": None if estimate is None else estimate - true, "districts": districts}


def _tables(result: Result, found: Mapping[str, Any], folder: Path, plan_json: str | None, language: Language) -> None:
    write_tables(result, folder)
    write_csv(rows(found), folder / CSV)
    write_xlsx(found, folder / XLSX, language)
    if plan_json:
        (folder / "plan.json").write_text(plan_json, encoding="utf-8")
    (folder / SUMMARY).write_text(Summary.from_dict(found).to_json(), encoding="utf-8")
