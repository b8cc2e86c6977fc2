"""The command line: words in, words out. Everything it does is one call of the pipeline or of a stage."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from howgreen import __version__
from howgreen.bars import bars
from howgreen.errors import HowgreenError

if TYPE_CHECKING:
    from howgreen.types import City

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in reading order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _refuse_beside_plan(asked: Iterable[str]) -> None:
    """A plan decides everything: what is asked beside it would be passed over in silence."""
    context, typed = click.get_current_context(), click.core.ParameterSource.COMMANDLINE
    given = [name for name in asked if context.get_parameter_source(name) is typed and context.params[name] is not None]
    if given:
        raise click.UsageError(f"--plan decides everything: leave {', '.join(sorted(given))} out, or make a new plan")


def _number_or_id(_: click.Context, __: click.Parameter, given: str | None) -> int | str | None:
    return int(given) if given is not None and given.isdecimal() else given


_offline_option = click.option("--offline", is_flag=True, help="Ask no service: only what is on this computer.")
# The names of these options are those of `pipeline.plan`, which takes them as they are.
_place_options = _options(
    click.argument("query", metavar="[NAME]", required=False),
    click.option("--store", type=FOLDER, help="Folder of stored images (default: your own store)."),
    click.option("--osm", type=FILE, help="Local OpenStreetMap extract (.osm.pbf) to look the name up in."),
    click.option("--area", help="Boundary: a file in any vector format, or WKT / GeoJSON text (lon lat)."),
    click.option("--radius", "radius_m", type=float, help="Metres around coordinates."),
    click.option("--pick", callback=_number_or_id, help="Which of several matches: its number or id."),
    _offline_option,
)
_plan_options = _options(
    click.option("--districts", type=FILE, help="File of district boundaries."),
    click.option("--period", help="YYYY, YYYY-MM or two of them joined by '/' (default: newest growing season)."),
    click.option("--sensor", default="sentinel-2", show_default=True, help="sentinel-2 or landsat."),
    click.option("--model", help="Name of a shipped model (see `howgreen models list`) or an ONNX file."),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="howgreen")
def howgreen() -> None:
    """How green is my city?

    Finds a city's limits, picks clear satellite images, maps the vegetation in every pixel, and answers with the
    green ratio, how sure it is, and the map that proves it.

    Try: howgreen city Sampleton
    """


@howgreen.command("city")
@_place_options
@_plan_options
@click.option("--plan", "plan_file", type=FILE, help="Run a saved plan.json instead of making a new plan.")
@click.option("--out", type=FOLDER, help="Folder to write (default: a new one named after the city).")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON to standard output, nothing else.")
def city_command(
    plan_file: Path | None,
    out: Path | None,
    as_json: bool,  # noqa: FBT001 (a flag of the command line)
    **asked: Any,
) -> None:
    """Answer how green NAME is, and write the report.

    NAME is a city's name, an OSM id (R120965) or coordinates ("45.76, 4.84"); it may be left out with --area.
    """
    from howgreen import pipeline, report

    with bars() as progress:
        planned = pipeline.read_plan(plan_file) if plan_file else pipeline.plan(**asked, progress=progress)
        if plan_file is not None:
            _refuse_beside_plan(asked)
        folder = out or _new_folder(planned.city)
        report.check_out(folder, needs_bytes=report.needed_bytes(planned))
        result = pipeline.run(planned, progress=progress)
        summary = pipeline.write(result, folder, progress=progress)
        pipeline.forget(planned)
    if as_json:
        click.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        click.echo(_headline(summary))
        click.echo(f"report: {folder / 'report.html'}")


@howgreen.command("plan")
@_place_options
@_plan_options
@click.option("--out", type=FILE, help="Keep the plan as JSON; `howgreen city --plan FILE` runs it.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan_command(
    out: Path | None,
    as_json: bool,  # noqa: FBT001 (a flag of the command line)
    **asked: Any,
) -> None:
    """Show what `city` would do: scenes, dates, clear cover, bytes. Reads no reflectance."""
    from howgreen import pipeline, plans

    with bars() as progress:
        planned = pipeline.plan(**asked, progress=progress)
    if out is not None:
        plans.save(planned, out)
    click.echo(plans.to_json(planned) if as_json else plans.describe(planned))


@howgreen.command("where")
@click.argument("name")
@click.option("--store", type=FOLDER, help="Folder of stored images (default: your own store).")
@click.option("--osm", type=FILE, help="Local OpenStreetMap extract (.osm.pbf).")
@click.option("--endpoints", type=FILE, help="TOML or JSON file with other addresses of the services.")
@_offline_option
def where_command(
    name: str,
    store: Path | None,
    osm: Path | None,
    endpoints: Path | None,
    offline: bool,  # noqa: FBT001 (a flag of the command line)
) -> None:
    """List the places that NAME may mean: number, kind, level, area, population, id, country."""
    from howgreen import pipeline, place

    root = pipeline.find_store(name, store)
    table = place.read_endpoints(endpoints) if endpoints else place.Endpoints()
    online = place.Online(endpoints=table, offline=offline)
    for number, found in enumerate(place.candidates(name, stores=[root] if root else [], osm=osm, online=online), 1):
        click.echo(f"{number:3d}  {found.label}: {place.described(found)}")


@howgreen.command("osm-green")
@_place_options
@click.option("--out", type=FOLDER, help="Folder to write (default: a new one named after the place).")
def osm_green_command(
    query: str | None,
    store: Path | None,
    osm: Path | None,
    out: Path | None,
    offline: bool,  # noqa: FBT001 (a flag of the command line)
    **asked: Any,
) -> None:
    """Write the green areas that OpenStreetMap knows, as polygons (GeoPackage) and as a 0/1 GeoTIFF."""
    from howgreen import pipeline, place

    if osm is None:
        raise click.UsageError("osm-green needs a local extract: --osm FILE.osm.pbf")
    root = pipeline.find_store(query, store) if store else None
    online = place.Online(offline=offline)
    city = place.find(query, stores=[root] if root else [], osm=osm, online=online, **asked)
    found = pipeline.osm_green(city, osm=osm, out=out or _new_folder(city))
    click.echo(
        f"{city.label}: OpenStreetMap maps {found.share:.1%} of it as green ({len(found.areas)} areas).\n"
        f"That is what people drew, not what a satellite saw.\nfiles: {found.folder}"
    )


@howgreen.command("predict-table")
@click.argument("table", type=FILE)
@click.option("--out", type=FILE, required=True, help="CSV to write.")
@click.option("--model", help="Name of a shipped model or an ONNX file (default: the best that the columns allow).")
def predict_table_command(table: Path, out: Path, model: str | None) -> None:
    """Run a model on rows of reflectance (0-1): adds class probabilities and green_fraction.

    Columns are named B02...B12 or blue...swir22, in any order; other columns are carried through.
    """
    from howgreen import landcover

    chosen = landcover.load_model(model or landcover.default_model(landcover.table_bands(table)))
    landcover.predict_table(table, model=chosen, out=out)
    click.echo(f"{out}: written with model {chosen.card.name}")


@howgreen.group("models")
def models_group() -> None:
    """The models that tell green from the rest."""


@models_group.command("list")
def models_list() -> None:
    """Names, bands, error on reference data."""
    from howgreen import landcover

    for model in landcover.models():
        card = model.card
        error = card.reference_error
        scored = "no reference" if error is None else f"RMSE {error.rmse:.3f}, bias {error.bias:+.3f} on {error.source}"
        click.echo(f"{card.name:12s} {card.version:6s} {len(card.bands):2d} bands: {', '.join(card.bands)}")
        click.echo(f"{'':12s} {card.description}\n{'':12s} {scored}\n{'':12s} sha256 {model.sha256}")


@howgreen.group("store")
def store_group() -> None:
    """Keep images on disk as a plain STAC catalogue of COGs."""


@store_group.command("add")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--store", type=FOLDER, help="Folder of the store (default: your own).")
@click.option("--city", required=True, help="The city that the images show.")
@click.option("--area", help="Its limits: a vector file, or WKT / GeoJSON text (default: the image's footprint).")
@click.option("--bands", help="Names of the bands in their order: red,green,blue,nir,scl.")
@click.option("--scale", type=float, help="Reflectance = DN x scale + offset.")
@click.option("--offset", type=float, help="See --scale.")
@click.option("--nodata", type=int, help="DN that means no data.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Day of the image, where its files do not say.")
@click.option("--sensor", help="sentinel-2 or landsat, where the files do not say.")
@click.option("--replace", is_flag=True, help="Replace a scene that the store already has.")
def store_add(
    files: tuple[Path, ...],
    store: Path | None,
    city: str,
    area: str | None,
    bands: str | None,
    scale: float | None,
    offset: float | None,
    nodata: int | None,
    day: datetime | None,
    sensor: str | None,
    replace: bool,  # noqa: FBT001 (a flag of the command line)
) -> None:
    """Add images: multi-band GeoTIFFs, a Sentinel-2 L2A SAFE folder, a Landsat Collection 2 Level-2 folder."""
    from howgreen import pipeline, place
    from howgreen import store as stores

    root = store or pipeline.default_store()
    boundary = None if area is None else place.find(city, area=area)
    with bars() as progress:
        added = stores.add(
            files,
            root=root,
            city=city,
            boundary=boundary,
            bands=None if bands is None else [band.strip() for band in bands.split(",")],
            scale=scale,
            offset=offset,
            nodata=nodata,
            date=None if day is None else day.date(),
            sensor=sensor,
            replace=replace,
            progress=progress,
        )
    for item in added:
        click.echo(f"{root}: {item}")


@store_group.command("list")
@click.option("--store", type=FOLDER, help="Folder of the store (default: your own).")
def store_list(store: Path | None) -> None:
    """What a store holds."""
    from howgreen import pipeline
    from howgreen import store as stores

    for row in stores.listing(store or pipeline.default_store()):
        size = "" if row.size_bytes is None else f"  {row.size_bytes / 2**20:.1f} MiB"
        click.echo(f"{row.time:%Y-%m-%d}  {row.sensor}  {', '.join(row.places) or '-'}  {row.id}{size}")
        click.echo(f"            {', '.join(row.bands)}{'  (synthetic)' if row.synthetic else ''}")


@store_group.command("verify")
@click.option("--store", type=FOLDER, help="Folder of the store (default: your own).")
def store_verify(store: Path | None) -> None:
    """Check every file's checksum; exit 1 when one is missing, truncated or altered."""
    from howgreen import pipeline
    from howgreen import store as stores

    root = store or pipeline.default_store()
    with bars() as progress:
        faults = stores.verify(root, progress=progress)
    for fault in faults:
        click.echo(f"{fault.path}: {fault.what}; {fault.cure}", err=True)
    if faults:
        raise click.exceptions.Exit(1)
    click.echo(f"{root}: every file is as it was added")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: every error that a user can meet is one line and a non-zero exit code."""
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else its shell wants it to be deaf to Ctrl-C
        signal.signal(signal.SIGINT, _stop)
    # Image libraries print their own complaints beside raising them; ours is the one line that counts.
    os.environ.setdefault("CPL_LOG", os.devnull)
    try:
        sys.exit(howgreen.main(_southern(arguments), prog_name="howgreen", standalone_mode=False) or 0)
    except click.exceptions.Exit as finished:
        sys.exit(finished.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort, ImportError, SystemError) as error:
        # A compiled library whose loading a signal broke off calls that a failure of its own.
        if isinstance(error, ImportError | SystemError) and not _stops:
            raise
        _fail("stopped; nothing half-written is left, and the same command goes on from here", 130)
    except HowgreenError as error:
        _fail(str(error), 1)
    except MemoryError:
        _fail("not enough memory: close other programs, or ask for a smaller area", 1)
    except OSError as error:
        if error.errno is None:
            raise
        _fail(_file_error(error), 1)


def _southern(arguments: Sequence[str] | None) -> list[str]:
    """The arguments, with coordinates of the southern hemisphere ("-18.14, 178.44") kept from looking like options."""
    given = sys.argv[1:] if arguments is None else arguments
    return [f" {argument}" if re.match(r"-\d[\d.]*\s*[,; ]", argument) else argument for argument in given]


_stops: list[int] = []  # signals that asked this process to stop


def _stop(number: int, _: object) -> None:
    _stops.append(number)
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> None:
    click.echo(f"howgreen: {message}", err=True)
    sys.exit(code)


def _file_error(error: OSError) -> str:
    where = error.filename or "the disk"
    cures = {
        errno.ENOSPC: "free some space and run the same command again; it goes on where it stopped",
        errno.EACCES: "choose a folder that you may write to (--out, --store)",
        errno.ENOENT: "check the path",
    }
    return f"{where}: {error.strerror or error}; {cures.get(error.errno or 0, 'check the path and the disk')}"


def _new_folder(city: City) -> Path:
    """A folder in the current one, named after the city, that does not exist yet."""
    from howgreen.store import slug

    base = slug(city.name)
    names = [base, *(f"{base}-{number}" for number in range(2, 1000))]
    return next(Path(name) for name in names if not Path(name).exists())


def _headline(summary: dict[str, Any]) -> str:
    """The answer in two lines: ratio, interval, how much was seen, on which dates."""
    label = summary["city"]["label"]
    if summary["green_ratio"] is None:
        return f"{label}: no land was seen clearly, so there is no ratio"
    interval = summary["interval"]
    span = (
        "no interval: the model has no reference error"
        if interval is None
        else f"{interval['level']:.0%} interval {interval['low']:.0%}-{interval['high']:.0%}"
    )
    dates = [scene["date"] for scene in summary["scenes"]]
    used = dates[0] if len(dates) == 1 else f"{len(dates)} dates, {min(dates)} to {max(dates)}"
    return (
        f"{label} is {summary['green_ratio']:.0%} green ({span})\n"
        f"{summary['observed_ratio']:.0%} of its land was seen; {used}; model {summary['model']['name']}"
    )


if __name__ == "__main__":
    main()
