"""``change``: the change between two periods, or two images."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from howgreen.cli.asked import AskedPlan
from howgreen.cli.options import (
    FOLDER,
    check_period,
    destination,
    is_typed,
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
from howgreen.core.text import one_line

if TYPE_CHECKING:
    from howgreen.core.period import Period
    from howgreen.core.types import City, Season
    from howgreen.pipeline.inputs import Catalogs, Store

_METHODS = ("measured", "pca-kmeans")
_HECTARE = 10_000


@howgreen.command(
    "change",
    epilog=examples(
        'howgreen change "Lyon, France" --from 2018 --to 2026',
        'howgreen change "Lyon, France" --from 2018 --to 2026 --method pca-kmeans',
        "howgreen change --report lyon --from 2018 --to 2026",
        "howgreen change --report lyon --from 2018 --to 2026 --estimate lyon-change-sample",
        "howgreen change --images before.tif after.tif --bands blue,green,red,nir --method pca-kmeans",
    ),
)
@place_options
@plan_options
@click.option("--from", "before", callback=check_period, help="The first period, as --period of `city`.")
@click.option("--to", "after", callback=check_period, help="The second one.")
@click.option(
    "--images", nargs=2, type=click.Path(path_type=Path, exists=True), help="Two image files instead of NAME."
)
@click.option("--bands", help="Of --images: names of the bands in the order of the file.")
@click.option("--scale", type=float, help="Of --images: reflectance = digital number x scale + offset.")
@click.option("--offset", type=float, help="See --scale.")
@click.option("--nodata", type=float, help="Of --images: digital number that means no data.")
@click.option(
    "--method", type=click.Choice(_METHODS), default="measured", show_default=True,
    help="Loss and gain beyond the pixels' standard errors, or clusters found without labels.",
)  # fmt: skip
@click.option(
    "--clusters", type=click.IntRange(2, 12), help="Number of clusters (default: that of the best silhouette)."
)
@click.option(
    "--mapping-unit",
    type=click.FloatRange(0),
    default=0.1,
    show_default=True,
    help="Smallest patch that counts, in ha.",
)
@click.option(
    "--estimate",
    "sample_folder",
    type=FOLDER,
    help="Lead with the estimate of this folder: a sample of this very change (`howgreen sample --change`) that people looked at.",
)
@section_options
@json_option
def change_command(
    images: tuple[Path, Path] | None,
    method: Any,
    clusters: int | None,
    mapping_unit: float,
    sample_folder: Path | None,
    report: Path | None,
    out: str | Path | None,
    overwrite: bool,
    language: str,
    pdf: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Show what changed between two periods or images.

    Both periods are mapped by one model on one grid. `measured` maps green that was lost, gained and kept, where the
    difference is more than noise; `pca-kmeans` divides the ground by how it changed, without labels. With --report it is of that
    report's place and becomes a section of its page.
    """
    from howgreen.pipeline import change as pipeline
    from howgreen.pipeline import planning, workdir

    options = pipeline.ChangeOptions(method=method, clusters=clusters, mapping_unit_m2=mapping_unit * _HECTARE)
    if asked["period"] is not None:
        raise click.UsageError("--period is one period: say --from and --to")
    if sample_folder is not None:
        from howgreen.pipeline.estimates import estimate_of_change

        estimate_of_change(sample_folder)  # report a missing estimate before the work
    spoken = {name: asked.pop(name) for name in ("before", "after", "bands", "scale", "offset", "nodata")}
    target = destination(out, report, language, pdf=pdf, overwrite=overwrite)
    with bars() as progress, TemporaryDirectory(prefix="howgreen-") as scratch:
        plan = AskedPlan(**asked, report=report)
        city, periods, source = _asked(plan, images, spoken, Path(scratch), progress)
        target = target if report or out else replace(target, out=new_folder(city))
        choice = planning.Choice(sensor=plan.sensor if images is None else _sensor_of(source), model=plan.model)
        before, after = pipeline.answers(city, periods, source, choice, network=plan.network(), progress=progress)
        found = pipeline.find(before, after, options)
        refuse_if_strict()
        summary = pipeline.write(before, after, found, out=target, sample_folder=sample_folder, progress=progress)
        for one in (before, after):
            workdir.forget(one.plan)
    say_answer(summary, _lines(summary.to_dict()), target, "change", as_json=as_json)


def _asked(
    plan: AskedPlan, images: tuple[Path, Path] | None, spoken: dict[str, Any], scratch: Path, progress: Any
) -> tuple[City, tuple[Period | Season, Period | Season], Store | Catalogs | None]:
    """Return the place, its two periods, and the source of their images."""
    from howgreen.core.types import Season
    from howgreen.pipeline import change as pipeline
    from howgreen.pipeline.inputs import Store
    from howgreen.store import Options

    if images is None:
        if spoken["before"] is None or spoken["after"] is None:
            raise click.UsageError("name both periods: --from 2018 --to 2026 (or two files with --images)")
        of_files = [name for name in ("bands", "scale", "offset", "nodata") if spoken[name] is not None]
        if of_files:
            raise click.UsageError(f"--{of_files[0]} is of --images: leave it out")
        seasons = Season(plan.season, spoken["before"]), Season(plan.season, spoken["after"])
        return plan.city(plan.network(), progress=progress), seasons, plan.images()
    if plan.query is not None or plan.catalogs or plan.store is not None:
        raise click.UsageError("--images brings its own images: leave NAME, --store and --catalog out")
    bands = spoken["bands"]
    options = Options(
        bands=None if bands is None else bands.split(","), scale=spoken["scale"], offset=spoken["offset"],
        nodata=spoken["nodata"], sensor=plan.sensor if is_typed("sensor") else None,
    )  # fmt: skip
    city, periods = pipeline.pair_in_store(
        images,
        root=scratch / "store",
        days=(_day(spoken["before"]), _day(spoken["after"])),
        boundary=plan.city(plan.network(), progress=progress) if plan.area or plan.report else None,
        options=options,
        progress=progress,
    )
    return city, periods, Store(scratch / "store")


def _sensor_of(source: Any) -> str:
    from howgreen import store as stores

    return next(iter(stores.scenes(source.path))).sensor


def _day(given: str | None) -> date | None:
    """Return the intended day, if --from and --to refer to image files."""
    try:
        return None if given is None else datetime.strptime(given, "%Y-%m-%d").date()  # noqa: DTZ007 (a day has no hour)
    except ValueError:
        raise click.UsageError(f"{given}: with --images, --from and --to are days, as 2024-06-30") from None


def _lines(found: dict[str, Any]) -> list[str]:
    """Summarise the change: a sentence, then a line per class."""
    from howgreen.core import words
    from howgreen.report import change_in_words

    lines = [f"{one_line(found['city']['label'])}: {change_in_words(found)}"]
    for one in found["classes"]:
        moved = "" if one["green_change"] is None else f", green {words.plain(words.points(one['green_change']))}"
        lines.append(f"  {one['name']}: {words.plain(words.area(one['area_m2']))}{moved}")
    worst = next((one for one in found["patches"] if one["kind"] == "lost"), None)
    if worst:
        lines.append(
            f"  largest loss: {words.plain(words.area(worst['green_m2']))} at {worst['lat']:.5f}, {worst['lon']:.5f}"
        )
    return [*lines, *(f"note: {one_line(note)}" for note in found["notes"])]
