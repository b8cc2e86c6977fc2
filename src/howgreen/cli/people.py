"""``people``: people and the green space around them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from howgreen.cli.asked import AskedPlan, plan_of
from howgreen.cli.options import (
    FILE,
    destination,
    json_option,
    new_folder,
    place_options,
    plan_options,
    section_options,
)
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say_answer
from howgreen.cli.warnings import refuse_if_strict

if TYPE_CHECKING:
    from howgreen.report import PeopleSummary


@howgreen.command(
    "people",
    epilog=examples(
        'howgreen people "Lyon, France" --population GHS_POP_E2025_GLOBE_R2023A_54009_100_V1_0_R5_C19.zip --osm rhone.osm.pbf',
        "howgreen people --report lyon --population GHS_POP_E2025_GLOBE_R2023A_54009_100_V1_0_R5_C19.zip",
        "howgreen people Vienna --population census.gpkg --population-column people --population-year 2021",
    ),
)
@place_options
@plan_options
@click.option("--plan", "plan_file", type=FILE, help="Run this saved plan instead of making a new one.")
@click.option(
    "--population", required=True, help="Counts of people: GeoTIFF (or zip, or address), or areas with a column."
)
@click.option("--population-column", help="Column with the people of each area.")
@click.option(
    "--population-year", type=click.IntRange(1900, 2100), help="Year of the population, where its name does not say it."
)
@click.option("--walk", is_flag=True, help="Also measure along ways to public green spaces; needs --osm.")
@section_options
@json_option
def people_command(
    plan_file: Path | None,
    population: str,
    population_column: str | None,
    population_year: int | None,
    walk: bool,
    report: Path | None,
    out: str | Path | None,
    overwrite: bool,
    language: str,
    pdf: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Show how much green people live near.

    Answers as `city` does, and weights the green around people (100, 300 and 500 m) by a population: GHS-POP, WorldPop, or the areas of
    a census. With --report it answers by the plan of that report and becomes a section of its page. With --osm also: public green spaces, and how much of the green OpenStreetMap maps.
    """
    from howgreen.pipeline import city as pipeline
    from howgreen.pipeline import workdir
    from howgreen.pipeline.people import PeopleOptions, check_given, people_near_green

    options = PeopleOptions(
        population=population, column=population_column, year=population_year, osm=asked["osm"], walk=walk,
        network=AskedPlan(**asked).network(),
    )  # fmt: skip
    check_given(options)
    if report is not None and plan_file is not None:
        raise click.UsageError("--report has a plan of its own: leave --plan out")
    target = destination(out, report, language, pdf=pdf, overwrite=overwrite)
    plan_file = report / "plan.json" if report is not None else plan_file
    with bars() as progress:
        planned = plan_of(plan_file, asked, beside=("osm", "offline", "endpoints"), progress=progress)
        refuse_if_strict()
        if report is None and out is None:
            target = replace(target, out=Path(f"{new_folder(planned.city)}-people"))
            target.check(overwrite=overwrite)
        result = pipeline.run(planned, progress=progress)
        refuse_if_strict()
        found = people_near_green(result, options, out=target, progress=progress, check=refuse_if_strict)
        workdir.forget(planned)
    say_answer(found, _lines(found), target, "people", as_json=as_json)


def _lines(found: PeopleSummary) -> list[str]:
    from howgreen.core import words

    whole = found.zones[0]
    public = (
        ""
        if whole.near_public is None
        else f", {words.percent(whole.near_public)} within 300 m of a public green space"
    )
    return [
        f"{found.city.label}: {words.percent(whole.near_patch)} of the people live within 300 m of a vegetated patch of half a hectare{public}",
        f"around the average person {words.percent(whole.around[1].mean_share)} of the land within 300 m is green",
        f"the population holds {found.population.people:,.0f} people in these limits; used: {found.population.used:,.0f}",
    ]
