"""``rank``: many cities, ranked with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from howgreen.cli.asked import images_of, network_of
from howgreen.cli.options import (
    FILE,
    FOLDER,
    SENSORS,
    catalog_option,
    check_period,
    contact_option,
    endpoints_option,
    json_option,
    language_option,
    offline_option,
    read_months,
    read_years,
)
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json
from howgreen.core.text import one_line
from howgreen.core.words import plain

if TYPE_CHECKING:
    from howgreen.batch import Ask


@howgreen.command(
    "rank",
    epilog=examples(
        "howgreen rank cities.csv --period 2024",
        "howgreen rank municipalities.gpkg --years 2019:2024 --plan",
        "howgreen rank country.osm.pbf --level 8 --by osm-green",
    ),
)
@click.argument("cities", type=FILE, metavar="LIST")
@click.option("--out", type=FOLDER, default=Path("ranking"), show_default=True, help="Folder of the ranking.")
@click.option("--plan", "only_plan", is_flag=True, help="Show dates, bytes and time of every city, and fetch no image.")
@click.option("--name-column", help="Column of the list that holds the names.")
@click.option(
    "--level", type=click.IntRange(1, 15), help="Of an extract as LIST: administrative level of the areas, such as 8."
)
@click.option(
    "--store", type=FOLDER, envvar="HOWGREEN_STORE", help="Folder with a store of images (default: your own store)."
)
@click.option("--osm", type=FILE, help="Look names up in this OpenStreetMap extract (.osm.pbf).")
@catalog_option
@click.option("--period", callback=check_period, help="The same for all cities: YYYY, YYYY-MM, or two joined by '/'.")
@click.option("--years", callback=read_years, help="Several years of each city instead: 2019:2024, or 2018,2024.")
@click.option(
    "--months",
    callback=read_months,
    help="Months of each of the --years: 4:6 (default: the growing season by the calendar).",
)
@click.option("--year", type=int, help="Of the --years, the one whose order the page shows (default: the last).")
@click.option(
    "--by",
    type=click.Choice(("vegetation", "osm-green")),
    default="vegetation",
    show_default=True,
    help="Rank what satellites saw, or what OpenStreetMap's mappers drew as green.",
)
@click.option(
    "--sensor", type=click.Choice(SENSORS), default="sentinel-2", show_default=True, help="Satellite or radar."
)
@click.option("--model", help="Name of a model or an ONNX file, for all cities.")
@click.option("--workers", type=click.IntRange(1, 1024), default=2, show_default=True, help="Cities at once.")
@click.option("--scheduler", help="Address of a Dask cluster (tcp://…) that does the work instead (extra [cluster]).")
@language_option
@endpoints_option
@contact_option
@offline_option
@json_option
def rank_command(
    cities: Path,
    out: Path,
    only_plan: bool,
    name_column: str | None,
    level: int | None,
    year: int | None,
    workers: int,
    scheduler: str | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Rank many cities, with ties called ties.

    LIST is a CSV with a column name (and place, where another text is looked up), a vector file with the limits, or an OpenStreetMap
    extract with --level. Every city gets a report of its own in OUT. Run again, it does what is missing.
    """
    from howgreen import batch

    ask = _ask(cities, asked)
    if year is not None and year not in ask.years:
        raise click.UsageError(f"--year {year} is none of the --years")
    entries = batch.read_list(cities, name_column=name_column, level=level)
    force = batch.Workers(count=workers, scheduler=scheduler)
    if scheduler and not only_plan:
        _tell_of_profiles(scheduler)
    with bars() as progress:
        if only_plan:
            planned, total = batch.plan(entries, ask, out, workers=force, progress=progress)
        else:
            rows = batch.rank(entries, ask, out, workers=force, progress=progress)
    if only_plan:
        say_json(batch.to_values(planned, total)) if as_json else say(batch.describe(planned, total))
        return
    files = batch.write_ranking(rows, out, year=year, language=ask.language)
    if as_json:
        say_json(batch.table(rows)[0])
    else:
        for row in rows:
            if row.error:
                when = "" if row.year is None else f" {row.year}"
                say(f"warning: {one_line(row.name)}{when}: {row.error}", err=True)
        found = batch.ranking_of(rows, year=year)
        for text in batch.unlike(found):
            say(f"warning: {plain(one_line(text))}", err=True)
        say(plain(" ".join(batch.verdict(found))))
        say("files: " + ", ".join(str(file) for file in files))
    if all(row.green_ratio is None for row in rows):
        raise click.exceptions.Exit(1)


def _tell_of_profiles(scheduler: str) -> None:
    """Warn if a cluster's workers grow with every city, and name the cure."""
    from howgreen.pipeline.cluster import keeps_profiles

    if keeps_profiles(scheduler):
        say(
            f"note: {scheduler}: the workers keep what Dask's profiler sees, about half a MiB a city; for many cities start them with "
            "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False",
            err=True,
        )


def _ask(cities: Path, asked: dict[str, Any]) -> Ask:
    """Build the settings for every city from the options."""
    from howgreen import batch

    if asked["years"] and asked["period"]:
        raise click.UsageError("--years and --period are both given: leave one out")
    if asked["months"] and not asked["years"]:
        raise click.UsageError("--months goes with --years; else name the months in --period")
    if asked["by"] == "osm-green" and (asked["years"] or asked["period"]):
        raise click.UsageError("--by osm-green ranks the map as it is: leave --years and --period out")
    return batch.Ask(
        images=images_of(asked["store"], asked["catalogs"]),
        osm=asked["osm"] or (cities if batch.is_extract(cities) else None),
        network=network_of(asked["endpoints"], offline=asked["offline"]),
        **{name: asked[name] for name in ("period", "years", "months", "sensor", "model", "by", "language")},
    )
