"""``nrr``: urban green space and tree cover as defined by the EU's Nature Restoration Regulation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from howgreen.cli.options import (
    FILE,
    FOLDER,
    destination,
    json_option,
    language_option,
    overwrite_option,
    pdf_option,
    report_option,
)
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say_answer
from howgreen.cli.warnings import refuse_if_strict, strict_option

if TYPE_CHECKING:
    from howgreen.report import RestorationSummary

_MOST_LISTED = 12


@howgreen.command(
    "nrr",
    epilog=examples(
        "howgreen nrr --communes LAU_RG_01M_2024.gpkg --clcplus clcplus_2023.tif --tree-cover tcd_2024.tif --clusters urban_2021.tif",
        "howgreen nrr Bonn --communes lau.gpkg --clcplus today.tif --report bonn",
        "howgreen nrr Bonn --communes lau.gpkg --clcplus today.tif --clcplus-before baseline.tif --strict",
    ),
)
@click.argument("names", nargs=-1)
@click.option("--communes", type=FILE, required=True, help="Local administrative units (GISCO LAU), any vector file.")
@click.option(
    "--clcplus", multiple=True, required=True, help="CLCplus Backbone, 10 m: file or s3:// address; may be repeated."
)
@click.option("--tree-cover", multiple=True, help="Tree Cover Density, 10 m, in the same way.")
@click.option("--clcplus-before", multiple=True, help="CLCplus Backbone of the baseline.")
@click.option("--tree-cover-before", multiple=True, help="Tree Cover Density of the baseline.")
@click.option("--clusters", multiple=True, help="Urban centres and urban clusters, 1 km rasters; may be repeated.")
@click.option("--degurba", type=FILE, help="CSV with the degree of urbanisation (DEGURBA) of each commune.")
@click.option("--sample", "samples", type=FOLDER, multiple=True, help="Folder of a sample that people looked at.")
@click.option("--name-column", help="Column that holds the names of the communes.")
@click.option("--margin", type=click.FloatRange(0, 20), default=2.0, show_default=True,
              help="Points around a threshold in which nothing is decided.")  # fmt: skip
@click.option("--change-margin", type=click.FloatRange(0, 20), default=0.5, show_default=True,
              help="Change, in percent of the baseline, below which nothing is decided.")  # fmt: skip
@strict_option
@report_option
@click.option("--out", type=FOLDER, default=Path("nrr"), show_default=True, help="Folder to write.")
@overwrite_option
@language_option
@pdf_option
@json_option
def nrr_command(
    names: tuple[str, ...],
    communes: Path,
    clcplus: tuple[str, ...],
    tree_cover: tuple[str, ...],
    clcplus_before: tuple[str, ...],
    tree_cover_before: tuple[str, ...],
    clusters: tuple[str, ...],
    degurba: Path | None,
    samples: tuple[Path, ...],
    name_column: str | None,
    margin: float,
    change_margin: float,
    report: Path | None,
    out: Path,
    overwrite: bool,
    language: str,
    pdf: bool,
    as_json: bool,
) -> None:
    """Count green space and tree cover as EU law does.

    For each commune: the area of urban green space and of tree cover in the whole commune, in its urban centres and clusters, and
    within 1 km of them; what changed since the baseline; and whether it may be left out. NAMES choose communes by name or id. These are
    the official definitions, not howgreen's green ratio. With --report it becomes a section of that report's page.
    """
    from howgreen.pipeline import restoration

    target = destination(None if report else out, report, language, pdf=pdf, overwrite=overwrite)
    options = restoration.RestorationOptions(
        communes=communes,
        clcplus=clcplus,
        tree_cover=tree_cover,
        clcplus_before=clcplus_before,
        tree_cover_before=tree_cover_before,
        clusters=clusters,
        degurba=degurba,
        only=names,
        samples=samples,
        name_column=name_column,
        margins=(margin / 100, change_margin / 100),
    )
    with bars() as progress:
        found = restoration.account(options, out=target, progress=progress, check=refuse_if_strict)
    say_answer(found, _lines(found), target, "nrr", as_json=as_json)


def _lines(found: RestorationSummary) -> list[str]:
    from howgreen.core import words

    lines = []
    for one in found.communes[:_MOST_LISTED]:
        cover = one.areas["commune"]
        trees = "" if cover.canopy is None else f", tree cover {words.percent(cover.canopy.share)}"
        lines.append(
            f"{one.name}: urban green space {words.area(cover.green.covered_m2)} ({words.percent(cover.green.share)}){trees}; "
            f"may be left out: {one.may_be_left_out}"
        )
    if len(found.communes) > _MOST_LISTED:
        lines.append(f"... and {len(found.communes) - _MOST_LISTED} more in the files")
    lines += [
        f"{total.country or 'all'}, {words.count(total.units, 'commune')}: {words.area(total.cover.green.covered_m2)} of green space; no net loss of "
        f"green space: {total.no_loss_of_green}, of tree cover: {total.no_loss_of_canopy}"
        for total in found.totals
        if total.area == "commune" and not total.left_out
    ]
    return lines
