"""``city``, ``plan``, ``where``, ``osm-green``: questions about one place."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from howgreen.cli.asked import AskedPlace, AskedPlan, network_of
from howgreen.cli.options import (
    FILE,
    FOLDER,
    contact_option,
    endpoints_option,
    folder_names,
    is_typed,
    json_option,
    language_option,
    new_folder,
    offline_option,
    out_option,
    overwrite_option,
    pdf_option,
    place_options,
    plan_options,
    refuse_beside_plan,
)
from howgreen.cli.progress import bars, tell_first
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say, say_json
from howgreen.cli.settings import quiet
from howgreen.cli.warnings import refuse_if_strict
from howgreen.core import words
from howgreen.core.text import one_line

if TYPE_CHECKING:
    from howgreen.core.types import City, Plan, Progress
    from howgreen.report import Summary


@howgreen.command(
    "city",
    epilog=examples(
        "howgreen city Sampleton",
        'howgreen city "Lyon, France" --period 2024',
        'howgreen city "45.76, 4.84" --radius 1500',
    ),
)
@place_options
@plan_options
@click.option(
    "--plan",
    "plan_file",
    type=FILE,
    help="Run this saved plan instead of making a new one; --store says where its images lie now.",
)
@click.option(
    "--estimate",
    "sample_folder",
    type=FOLDER,
    help="Lead the report with the estimate of this sample's folder; without NAME and --plan, by the plan in it.",
)
@click.option(
    "--population",
    type=FILE,
    help="GeoTIFF of people per cell, such as WorldPop's or GHS-POP's: also says how green it is where they live.",
)
@language_option
@pdf_option
@out_option
@overwrite_option
@json_option
def city_command(
    plan_file: Path | None,
    sample_folder: Path | None,
    population: Path | None,
    language: str,
    pdf: bool,
    out: str | Path | None,
    overwrite: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Answer how green a place is, and write the report.

    NAME is a city's name, an OpenStreetMap id (R120965) or coordinates ("45.76, 4.84"). Leave it out with --area.
    """
    with bars() as progress:
        options = _ReportOptions(
            sample_folder=sample_folder, population=population, language=language, pdf=pdf, out=out, overwrite=overwrite
        )
        try:
            summary, folder = _answer(plan_file, options, asked, progress)
            again = ""
        except _Answered as before:
            summary, folder = before.summary, before.folder
            again = " (made before, by the same plan from the same images; `--out FOLDER --overwrite` makes it anew)"
    from howgreen import report

    if as_json:
        say_json(summary.to_dict())
    else:
        notes = [] if quiet() else [f"note: {one_line(note)}" for note in summary.notes]
        say("\n".join([*_headline(summary), *notes]))
        say(f"report: {report.address_of(folder, 'report.html')}{again}")


@dataclass(frozen=True, kw_only=True)
class _ReportOptions:
    """Options for the answer, beyond the plan."""

    sample_folder: Path | None
    population: Path | None
    language: str
    pdf: bool
    out: str | Path | None
    overwrite: bool

    def check(self, planned: Plan) -> None:
        """Check a plan before it runs: refuse one that must fail, and stop if its answer exists."""
        from howgreen import report
        from howgreen.pipeline import plan_json

        refuse_if_strict()
        if self.pdf:
            report.check_pdf()
        if self.sample_folder is not None:
            from howgreen.pipeline import estimates

            estimates.estimate_of(self.sample_folder, planned)  # report a mismatch before the work
        if self.population is not None:
            from howgreen.pipeline.population import read_people

            read_people(self.population, planned.city)
        if self.sample_folder is None and self.population is None and not self.overwrite:
            _stop_if_answered(planned, self.out, self.language, pdf=self.pdf)
        folder = self.out or new_folder(planned.city)
        report.check_target(folder, needs_bytes=report.needed_bytes(planned), overwrite=self.overwrite)
        report.load_ahead(self.language)
        tell_first(plan_json.reading(planned))


def _answer(
    plan_file: Path | None, options: _ReportOptions, asked: dict[str, Any], progress: Progress
) -> tuple[Summary, str | Path]:
    """Run a saved or a new plan, and write the report; return its figures and its folder."""
    from howgreen.core.warnings import warn
    from howgreen.pipeline import city as pipeline
    from howgreen.pipeline import workdir

    folder = options.sample_folder
    if folder is not None:
        from howgreen.pipeline import estimates

        if plan_file is None and not (asked["query"] or asked["area"]):
            plan_file = folder / estimates.PLAN
    if plan_file is not None:
        refuse_beside_plan(name for name in asked if name not in ("store", "offline"))
        planned = pipeline.Plan.load(plan_file, store=asked["store"] if is_typed("store") else None)
        if asked["offline"] and "://" in planned.source:
            raise click.UsageError("the images of this plan lie on the web: leave --offline out")
        warn(*planned.warnings)
        options.check(planned)
        result = pipeline.run(planned, progress=progress)
    else:
        result = AskedPlan(**asked).answer(options.check, progress=progress)
    refuse_if_strict()
    out = options.out or new_folder(result.plan.city)
    estimate = populated = None
    if folder is not None:
        result, estimate = estimates.with_estimate(result, folder)
    if options.population is not None:
        from howgreen.pipeline.population import with_population

        result, populated = with_population(result, options.population)
    refuse_if_strict()
    summary = pipeline.write(
        result,
        out,
        estimate=estimate,
        populated=populated,
        language=options.language,
        pdf=options.pdf,
        progress=progress,
    )
    workdir.forget(result.plan)
    return summary, out


class _Answered(Exception):  # noqa: N818 (it is no error)
    """Stops a run before its work: an answer to the same plan exists."""

    def __init__(self, summary: Summary, folder: Path) -> None:
        super().__init__(str(folder))
        self.summary, self.folder = summary, folder


def _stop_if_answered(planned: Plan, out: str | Path | None, language: str, *, pdf: bool) -> None:
    """Raise _Answered if the folder ``out``, or one with the city's name, holds the answer to this plan in this language."""
    from howgreen.core.warnings import Caution, warn
    from howgreen.pipeline import reruns

    if isinstance(out, str):
        return  # remote storage is not read again
    named = takewhile(Path.exists, folder_names(planned.city)) if out is None else [out]
    for folder in named:
        summary = reruns.earlier(planned, folder)
        if summary is not None and summary.language == language and (not pdf or "report.pdf" in summary.files):
            warn(*(Caution(code=one.code, text=one.text) for one in summary.warnings))
            refuse_if_strict()
            raise _Answered(summary, folder)


@howgreen.command(
    "plan",
    epilog=examples('howgreen plan "Lyon, France" --period 2024 --out plan.json', "howgreen city --plan plan.json"),
)
@place_options
@plan_options
@click.option("--out", type=FILE, help="Save the plan as JSON; `howgreen city --plan FILE` runs it.")
@click.option(
    "--html", type=FILE, help="Write a page that shows every date, its clear share, and whether it is taken and why."
)
@language_option
@json_option
def plan_command(
    out: Path | None,
    html: Path | None,
    language: str,
    as_json: bool,
    **asked: Any,
) -> None:
    """Show what `city` would do: images, dates, bytes.

    Lists the images with their dates and their clear share of the city, and how many bytes a run would read. Only coarse
    cloud masks are looked at.
    """
    from howgreen.pipeline import plan_json

    with bars() as progress:
        planned = AskedPlan(**asked).plan(progress=progress)
    if out is not None:
        planned.save(out)
    if html is not None:
        _write_page(planned, html, language)
    if as_json:
        say_json(json.loads(plan_json.to_json(planned)))
    else:
        say(planned.describe())
    refuse_if_strict()


def _write_page(plan: Plan, path: Path, language: str) -> None:
    """Write the page that shows the dates a plan chose from."""
    from howgreen import report
    from howgreen.core.errors import OutputError
    from howgreen.core.files import write_atomic
    from howgreen.pipeline.candidates import candidates
    from howgreen.pipeline.plan_json import describe

    text = report.candidates_page(
        candidates(plan, far=True),
        title=f"Plan for {plan.city.label}",
        lines=describe(plan).splitlines(),
        language=report.language(language),
    )
    try:
        write_atomic(path, text.encode())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another --html") from error


@howgreen.command("where", epilog=examples("howgreen where Springfield", "howgreen city Springfield --pick 2"))
@click.argument("name")
@click.option(
    "--store", type=FOLDER, envvar="HOWGREEN_STORE", help="Folder of stored images (default: your own store)."
)
@click.option("--osm", type=FILE, help="Look the name up in this OpenStreetMap extract (.osm.pbf).")
@endpoints_option
@contact_option
@offline_option
@json_option
def where_command(
    name: str,
    store: Path | None,
    osm: Path | None,
    endpoints: Path | None,
    offline: bool,
    as_json: bool,
) -> None:
    """List the places that a name may mean.

    Each has its number and id for --pick, its kind, administrative level, area, population and country.
    """
    from howgreen import place
    from howgreen.pipeline import inputs
    from howgreen.pipeline.inputs import Store

    known = Store(store) if store else None
    found = inputs.where(name, store=known, osm=osm, network=network_of(endpoints, offline=offline))
    if as_json:
        say_json([_place(number, city) for number, city in enumerate(found, 1)])
        return
    for number, city in enumerate(found, 1):
        say(f"{number:3d}  {one_line(f'{city.label}: {place.described(city)}')}")


def _place(number: int, city: City) -> dict[str, Any]:
    """Return what distinguishes a place from others, as JSON values."""
    keys = ("label", "id", "kind", "admin_level", "country", "area_m2")
    people = city.population
    return {"number": number, **{key: getattr(city, key) for key in keys}, "population": people and asdict(people)}


@howgreen.command("osm-green", epilog=examples("howgreen osm-green Vaduz --osm liechtenstein.osm.pbf"))
@place_options
@out_option
@overwrite_option
@json_option
def osm_green_command(
    out: str | Path | None,
    overwrite: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Write what OpenStreetMap maps as green.

    Writes polygons (GeoPackage) and a 0/1 GeoTIFF, from --osm FILE or from Overpass.
    """
    from howgreen import pipeline, report

    wanted = AskedPlace(**asked)
    network = wanted.network()
    with bars() as progress:
        city = wanted.city(network, progress=progress)
        folder = out or new_folder(city)
        report.check_target(folder, overwrite=overwrite)
        found = pipeline.osm_green(city, osm=wanted.osm, network=network, out=folder, progress=progress)
    if as_json:
        say_json(found.summary)
        return
    say(
        f"{one_line(city.label)}: OpenStreetMap maps {found.share:.1%} of it as green ({len(found.areas)} areas).\n"
        f"That is what people drew, not what a satellite saw.\nfiles: {report.address_of(found.folder, 'osm_green.gpkg')}"
    )


def _headline(summary: Summary) -> list[str]:
    """Format the answer in two lines: ratio, interval, share observed, and dates."""
    label = one_line(words.subject(summary.city.label, summary.city.kind))
    lead = summary.estimate
    if lead is not None:
        return [
            (
                f"{label} is {lead.ratio:.0%} {words.counted(lead.counted)} ± {words.half_width(lead.low, lead.high)} points ({lead.level:.0%} interval "
                f"{lead.low:.0%}-{lead.high:.0%}): {lead.in_words()}"
            ),
            (
                f"the map alone{'' if lead.counted == 'vegetation' else ', of all vegetation'}: {_alone(summary)}; model "
                f"{summary.model.name}"
            ),
            *_denominators(summary),
        ]
    if summary.observed_ratio is None:
        return [
            f"{label}: all of it that was seen is water, so there is no ratio; if that cannot be, try another --model"
        ]
    if summary.green_ratio is None:
        return [f"{label}: no land was seen clearly, so there is no ratio"]
    dates = [scene.date for scene in summary.scenes]
    used = dates[0] if len(dates) == 1 else f"{len(dates)} dates, {min(dates)} to {max(dates)}"
    return [
        f"{label} is {_alone(summary)}",
        *_dry(summary),
        f"{summary.observed_ratio:.0%} of its land was seen; {used}; model {summary.model.name}",
        *_denominators(summary),
    ]


def _dry(summary: Summary) -> list[str]:
    """Report dry vegetation in addition to green, if there is much of it."""
    dry = words.told_dry(summary.dry_ratio)
    return (
        []
        if dry is None
        else [
            f"roughly {dry:.0%} more is dry vegetation (straw, litter, dead or dormant grass), which is not green; it is easily taken for soil"
        ]
    )


def _denominators(summary: Summary) -> list[str]:
    """List the areas over which the same mapped green is another share: total, land, observed, populated."""
    over = summary.denominators
    if over is None or over.observed is None or over.land is None or over.total is None:
        return []
    line = f"mapped green over the land that was seen {over.observed:.1%}, over all land {over.land:.1%}, over all inside the limits {over.total:.1%}"
    where = over.populated
    if where is None or where.green_ratio is None or where.mean_green is None:
        return [line]
    return [
        line,
        (
            f"where people live ({where.people:,} of them in {where.cells:,} cells of {one_line(where.source)}): {where.green_ratio:.1%} of that "
            f"land, and {where.mean_green:.1%} in the cell of the average person"
        ),
    ]


def _alone(summary: Summary) -> str:
    """Report the map's own ratio, with the model's interval."""
    if summary.green_ratio is None:
        return "no land was seen clearly"
    interval = summary.interval
    span = (
        "no interval: the model has no reference error"
        if interval is None
        else f"{interval.level:.0%} interval {interval.low:.0%}-{interval.high:.0%}"
    )
    return f"{summary.green_ratio:.0%} green ({span})"
