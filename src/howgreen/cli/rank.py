"""``rank``: many cities, ranked with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from howgreen.cli.asked import network_of
from howgreen.cli.options import (
    FILE,
    FOLDER,
    SENSORS,
    catalog_option,
    check_period,
    contact_option,
    endpoints_option,
    json_option,
    offline_option,
)
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json

if TYPE_CHECKING:
    from howgreen.pipeline.inputs import Catalogs, Store


@howgreen.command(
    "rank", epilog=examples("howgreen rank cities.csv --period 2024", "howgreen rank municipalities.gpkg --store shelf")
)
@click.argument("cities", type=FILE, metavar="LIST")
@click.option("--out", type=FOLDER, default=Path("ranking"), show_default=True, help="Folder of the ranking.")
@click.option("--name-column", help="Column of the list that holds the names.")
@click.option(
    "--store", type=FOLDER, envvar="HOWGREEN_STORE", help="Folder with a store of images (default: your own store)."
)
@click.option("--osm", type=FILE, help="Look names up in this OpenStreetMap extract (.osm.pbf).")
@catalog_option
@click.option("--period", callback=check_period, help="The same for all cities: YYYY, YYYY-MM, or two joined by '/'.")
@click.option(
    "--sensor", type=click.Choice(SENSORS), default="sentinel-2", show_default=True, help="Satellite or radar."
)
@click.option("--model", help="Name of a model or an ONNX file, for all cities.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Cities at once.")
@click.option("--scheduler", help="Address of a Dask cluster (tcp://…) that does the work instead (extra [cluster]).")
@endpoints_option
@contact_option
@offline_option
@json_option
def rank_command(
    cities: Path,
    out: Path,
    name_column: str | None,
    store: Path | None,
    osm: Path | None,
    catalogs: tuple[str, ...],
    period: str | None,
    sensor: str,
    model: str | None,
    workers: int,
    scheduler: str | None,
    endpoints: Path | None,
    offline: bool,  # noqa: FBT001 (a flag of the command line)
    as_json: bool,  # noqa: FBT001
) -> None:
    """Rank many cities, with ties called ties.

    LIST is a CSV with a column name (and place, where another text is looked up), or a vector file with the limits. Every city
    gets a report of its own in OUT/cities. Run again, it does what is missing.
    """
    from dataclasses import asdict

    from howgreen import batch

    entries = batch.read_list(cities, name_column=name_column)
    ask = batch.Ask(
        images=_images(store, catalogs),
        osm=osm,
        period=period,
        sensor=sensor,
        model=model,
        network=network_of(endpoints, offline=offline),
    )
    with bars() as progress:
        rows = batch.rank(entries, ask, out, workers=workers, scheduler=scheduler, progress=progress)
    files = batch.write_ranking(rows, out)
    order = batch.ranked(rows)
    if as_json:
        say_json(
            [{**asdict(one.row), "rank": one.rank, "rank_best": one.best, "rank_worst": one.worst} for one in order]
        )
        return
    for row in rows:
        if row.error:
            say(f"warning: {row.name}: {row.error}", err=True)
    say(batch.verdict(order, [row for row in rows if row.green_ratio is None]))
    say("files: " + ", ".join(str(file) for file in files))
    if not order:
        raise click.exceptions.Exit(1)


def _images(store: Path | None, catalogs: tuple[str, ...]) -> Store | Catalogs | None:
    from howgreen.pipeline.inputs import Catalogs, Store

    if catalogs:
        return Catalogs(catalogs)
    return Store(store) if store else None
