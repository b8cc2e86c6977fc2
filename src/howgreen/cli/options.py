"""Options shared by several commands; their names are those of the functions' parameters."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from howgreen.cli.warnings import strict_option

if TYPE_CHECKING:
    from howgreen.core.types import City
    from howgreen.report import Destination

    _OfDays = click.ParamType[date]
    _OfLengths = click.ParamType[float]
else:
    _OfDays = _OfLengths = click.ParamType  # before click 8.4, it is not generic

SENSORS = ("sentinel-2", "landsat", "sentinel-1")
F = TypeVar("F", bound=Callable[..., Any])


class _Path(click.Path):
    """A path type with a plain message if a folder is given for a file, or a file for a folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; refuse the other kind."""
        if not self.file_okay and Path(value).is_file():
            self.fail(f"{value} is a file; name a folder", param, ctx)
        if not self.dir_okay and Path(value).is_dir():
            self.fail(f"{value} is a folder; name a file", param, ctx)
        return super().convert(value, param, ctx)


class _Day(_OfDays):
    """A day, written as ``2023-07-01``."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the day."""
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value.strip(), "%Y-%m-%d").date()  # noqa: DTZ007 (a day has no zone)
        except ValueError:
            self.fail(f"{value!r} is not a day; write it as YYYY-MM-DD, such as 2023-07-01", param, ctx)


class _Metres(_OfLengths):
    """A length in metres: ``1500``, ``1500m`` or ``1.5km``."""

    name = "METRES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the length in metres."""
        if isinstance(value, int | float):
            return float(value)
        found = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)\s*(m|km)?", value.strip(), re.IGNORECASE)
        if not found:
            self.fail(f"{value!r} is not a length; write it in metres, such as 1500, or as 1.5km", param, ctx)
        return float(found[1]) * (1000 if (found[2] or "").lower() == "km" else 1)


FILE = _Path(path_type=Path, dir_okay=False)
FOLDER = _Path(path_type=Path, file_okay=False)
DAY = _Day()


def _target(_: click.Context, parameter: click.Parameter, given: str | None) -> str | Path | None:
    """Return a URL as typed, else a Path."""
    return given if given is None or "://" in given else Path(FOLDER.convert(given, parameter, _))


out_option = click.option(
    "--out",
    metavar="FOLDER|URL",
    callback=_target,
    help="Folder to write, or a URL such as s3://bucket/folder (default: a new folder with the place's name).",
)


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace an earlier answer in --out.")
language_option = click.option(
    "--language",
    type=click.Choice(["en", "de", "es", "fr"]),
    default="en",
    show_default=True,
    help="Language of the page and its pictures.",
)
pdf_option = click.option("--pdf", is_flag=True, help="Write the page as PDF too (extra `[pdf]`).")
report_option = click.option(
    "--report",
    type=FOLDER,
    help="Add the answer as a section to this report of `howgreen city`, instead of a folder of its own; the place is the report's.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON, and nothing else.")


def options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Combine several options into one decorator, in reading order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def is_typed(name: str) -> bool:
    """Tell whether an option was typed, rather than set by a file, the environment or its default."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def refuse_beside_plan(asked: Iterable[str]) -> None:
    """Refuse options beside a plan, which determines everything: they would be ignored silently."""
    context = click.get_current_context()
    called = {
        param.name: param.make_metavar(context).strip("[]")
        if isinstance(param, click.Argument)
        else max(param.opts, key=len)
        for param in context.command.params
    }
    given = [called[name] for name in asked if is_typed(name) and context.params[name] is not None]
    if given:
        which = "--report has a plan that" if context.params.get("report") else "--plan"
        raise click.UsageError(f"{which} decides everything: leave {', '.join(sorted(given))} out, or make a new plan")


def destination(
    out: str | Path | None, report: Path | None, language: str, *, pdf: bool, overwrite: bool
) -> Destination:
    """Return an answer's destination, after checking that it is writable; without ``out`` it is still to be named."""
    from howgreen import report as reports

    if report is not None:
        beside = [name for name in ("out", "overwrite", "language") if is_typed(name)]
        if beside:
            raise click.UsageError(
                f"--report says where the answer goes and in which language: leave --{beside[0]} out"
            )
    made = (
        reports.Destination(out=out, language=language, pdf=pdf)
        if report is None
        else reports.Destination.for_report(report, pdf=pdf)
    )
    made.check(overwrite=overwrite)
    return made


def _number_or_id(_: click.Context, __: click.Parameter, given: str | None) -> int | str | None:
    return int(given) if given is not None and given.isdecimal() else given


CONTACT = "HOWGREEN_CONTACT"


def _keep_contact(_: click.Context, __: click.Parameter, given: str | None) -> None:
    """Keep the contact address for this process: every request names it, including those for tokens and files."""
    if given:
        os.environ[CONTACT] = given


def check_period(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """Refuse an unreadable period, as a typing error, before any look-up."""
    from howgreen.core.errors import PeriodError
    from howgreen.core.period import Period

    if given is not None:
        try:
            Period.parse(given)
        except PeriodError as error:
            raise click.BadParameter(str(error)) from error
    return given


offline_option = click.option("--offline", is_flag=True, help="Use only what is on this computer, and ask no service.")
endpoints_option = click.option(
    "--endpoints", type=FILE, help="TOML or JSON file with other addresses for the services."
)
contact_option = click.option(
    "--contact",
    envvar=CONTACT,
    expose_value=False,
    callback=_keep_contact,
    help=f"Your e-mail address, sent to the services that are asked (or set {CONTACT}).",
)
# Options of commands whose answer is a page of its own, or a section of a report.
section_options = options(report_option, out_option, overwrite_option, language_option, pdf_option)
# The names of these options are the fields of `asked.AskedPlan`, which takes them unchanged.
place_options = options(
    click.argument("query", metavar="[NAME]", required=False),
    click.option(
        "--store", type=FOLDER, envvar="HOWGREEN_STORE", help="Folder with a store of images (default: your own store)."
    ),
    click.option("--osm", type=FILE, help="Look the name up in this OpenStreetMap extract (.osm.pbf)."),
    click.option("--area", help="Boundary: a vector file, or WKT or GeoJSON text (longitude, latitude)."),
    click.option("--radius", "radius_m", type=_Metres(), help="Radius around coordinates: in metres, or as 1.5km."),
    click.option("--pick", callback=_number_or_id, help="Take this one of several matches: its number or id."),
    click.option("--name-column", help="Column of the boundary and district files that holds the names."),
    click.option("--encoding", help="Encoding of the names in those files, such as cp1252 or cp932."),
    endpoints_option,
    contact_option,
    offline_option,
)
catalog_option = click.option(
    "--catalog",
    "catalogs",
    multiple=True,
    help="Take images from this open catalogue: earth-search, planetary-computer or the URL of a STAC API. May be "
    "repeated: if one does not answer, the next is asked (default: your store if it shows the place, otherwise both).",
)
land_option = click.option(
    "--land", type=FILE, help="Vector file with land polygons or coastlines, which cut the sea off the boundary."
)
plan_options = options(
    catalog_option,
    click.option("--districts", type=FILE, help="Vector file with the districts."),
    click.option(
        "--district-level",
        "district_levels",
        type=click.IntRange(1, 15),
        multiple=True,
        help="Take the areas of this administrative level of OpenStreetMap as districts; may be repeated (default: the next "
        "level below the place's).",
    ),
    land_option,
    click.option(
        "--period",
        callback=check_period,
        help="YYYY-MM, or two joined by '/'. A year by itself is its growing season (default: the newest).",
    ),
    click.option(
        "--season",
        type=click.Choice(("calendar", "peak", "year")),
        default="calendar",
        show_default=True,
        help="What a year is: its growing season by the calendar; its greenest months, measured in coarse overviews; all of it.",
    ),
    click.option(
        "--sensor", type=click.Choice(SENSORS), default="sentinel-2", show_default=True, help="Satellite or radar."
    ),
    click.option("--model", help="Name of a model (see `howgreen models list`) or an ONNX file."),
    strict_option,
)


def read_years(_: click.Context, __: click.Parameter, given: str | None) -> tuple[int, ...]:
    """Parse ``2017:2026``, ``1985,1995`` or a mix of both; empty if nothing is given."""
    if given is None:
        return ()
    found: list[int] = []
    for part in given.split(","):
        match = re.fullmatch(r"\s*(\d{4})(?:\s*[:/–-]\s*(\d{4}))?\s*", part)
        if not match or (match[2] and int(match[2]) < int(match[1])):
            raise click.BadParameter(f"{given!r}: write 2017:2026, or 1985,1995,2005")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(sorted(set(found)))


def read_months(_: click.Context, __: click.Parameter, given: str | None) -> tuple[int, int] | None:
    """Parse ``4:6``; ``11:3`` ends in the given year."""
    if given is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,2})(?:\s*:\s*(\d{1,2}))?\s*", given)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not (1 <= first <= 12 and 1 <= last <= 12):
        raise click.BadParameter(f"{given!r}: write 4:6 for April to June, or 11:3")
    return first, last


trend_options = options(
    click.option("--years", callback=read_years, required=True, help="Years: 2017:2026, or 1985,1995,2005."),
    click.option(
        "--months",
        callback=read_months,
        help="Months of each year, the same in all: 4:6; 11:3 ends in the year (default: the growing season by the calendar).",
    ),
    click.option(
        "--sensor",
        "sensors",
        type=click.Choice(SENSORS[:2]),
        multiple=True,
        help="May be repeated: satellites are joined by the years that both saw (default: sentinel-2 from 2017 on, else landsat).",
    ),
    click.option(
        "--coefficients",
        type=click.Choice(("nasa-hls", "roy-2016")),
        default=None,
        help="Bring reflectance to Landsat 8's by published regressions first: Sentinel-2's by NASA's, Landsat 4-7's by Roy et al. 2016 "
        "(default: none).",
    ),
    click.option(
        "--model", help="Name of a model or an ONNX file, for all years (default: by the first year's images)."
    ),
    catalog_option,
    land_option,
    strict_option,
)


def new_folder(city: City) -> Path:
    """Name a new folder in the current one after the city."""
    return next(folder for folder in folder_names(city) if not folder.exists())


def folder_names(city: City) -> Iterator[Path]:
    """Yield folder names after the city, in its own script if it has no other name: ``lyon``, ``lyon-2``, ..."""
    from howgreen.core.text import slug

    letters = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", city.name)).strip("-_")[:60]
    base = (
        slug(city.name) if any(letter.isascii() and letter.isalnum() for letter in letters) or not letters else letters
    )
    yield Path(base)
    for number in count(2):
        yield Path(f"{base}-{number}")
