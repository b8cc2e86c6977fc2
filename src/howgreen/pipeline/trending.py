"""Several years of one place with the same limits, months and model: joined across satellites, with a slope.

The slope comes with the smallest one that could have been detected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from howgreen import __version__, report, trend
from howgreen.core import words
from howgreen.core.bandpass import BANDPASSES
from howgreen.core.errors import NoImageError, PlanError
from howgreen.core.period import Period, Season
from howgreen.core.sensors import LANDSAT, SENTINEL2
from howgreen.core.trends import Trend, YearAnswer
from howgreen.core.warnings import Caution, warn
from howgreen.net.network import Network
from howgreen.pipeline import city as journey
from howgreen.pipeline import plan_json, planning, workdir
from howgreen.pipeline._doubts import of_limits

if TYPE_CHECKING:
    from howgreen.core.types import City, GreenStats, Plan, Progress, Scene
    from howgreen.pipeline.inputs import Catalogs, Store
    from howgreen.pipeline.result import CityResult
    from howgreen.report import TrendSummary

FIRST_SENTINEL2 = 2017
"""First year with a whole growing season of Sentinel-2 surface reflectance."""
MOST_YEARS = 60


@dataclass(frozen=True, kw_only=True)
class Family:
    """Satellites with similar bands."""

    sensor: str
    platforms: tuple[str, ...]
    """Satellites of the sensor; empty for all."""
    first: int
    last: int
    """Years in which they took images."""


FAMILIES: Mapping[str, Family] = {
    "landsat-4-7": Family(
        sensor=LANDSAT.name, platforms=("landsat-4", "landsat-5", "landsat-7"), first=1982, last=2023
    ),
    "landsat-8-9": Family(sensor=LANDSAT.name, platforms=("landsat-8", "landsat-9"), first=2013, last=9999),
    "sentinel-2": Family(sensor=SENTINEL2.name, platforms=(), first=2015, last=9999),
}
"""Oldest first; the newest one with answers sets the level."""


@dataclass(frozen=True, kw_only=True)
class TrendOptions:
    """Options of a trend over years."""

    years: tuple[int, ...]
    sensors: tuple[str, ...] = ()
    """Keys of SENSORS; empty for Sentinel-2 if it covers all years, else Landsat."""
    model: str | Path | None = None
    """None for the best that the first year with images allows; the same in all years."""
    bandpass: str = ""
    """Key of :data:`howgreen.core.bandpass.BANDPASSES`; empty for no published coefficients."""
    months: tuple[int, int] | None = None
    """First and last month, the same in each year; None for the calendar growing season. A span from the second half of
    one year into the first half of the next counts for the year it ends in."""

    def __post_init__(self) -> None:
        if len(self.years) < 2:
            raise PlanError("a trend takes two years at least: --years 2017:2026")
        if len(self.years) > MOST_YEARS:
            raise PlanError(f"{len(self.years)} years: ask for {MOST_YEARS} at most")
        strange = [one for one in self.sensors if one not in {family.sensor for family in FAMILIES.values()}]
        if strange:
            raise PlanError(f"sensor {strange[0]!r} has no trend: use sentinel-2 or landsat")

    def families(self) -> tuple[str, ...]:
        """List the satellite families to query, oldest first."""
        sensors = self.sensors or ((SENTINEL2.name,) if min(self.years) >= FIRST_SENTINEL2 else (LANDSAT.name,))
        return tuple(name for name, family in FAMILIES.items() if family.sensor in sensors)

    def period(self, year: int) -> Season | Period:
        """Return the days of a year that images may come from."""
        return period_of(year, self.months)


def period_of(year: int, months: tuple[int, int] | None) -> Season | Period:
    """Return the days of a year between two months, or its calendar growing season."""
    if months is None:
        return Season("calendar", year)
    first, last = months
    return Period.parse(f"{year - (first > last)}-{first:02d}/{year}-{last:02d}")


def series_of(scenes: Iterable[Scene]) -> str:
    """Name the satellite families of some scenes: a key of FAMILIES; several joined by ``+``, others by sensor."""
    found = set()
    for scene in scenes:
        alike = (
            name
            for name, one in FAMILIES.items()
            if one.sensor == scene.sensor and (not one.platforms or scene.platform in one.platforms)
        )
        found.add(next(alike, scene.sensor))
    return "+".join(sorted(found))


def over_years(
    city: City,
    images: Store | Catalogs | None,
    options: TrendOptions,
    *,
    out: str | Path | report.Destination,
    network: Network | None = None,
    check: Callable[[], object] | None = None,
    progress: Progress | None = None,
) -> TrendSummary:
    """Answer each year, join the satellites, fit the line and write the folder that shows it.

    Parameters
    ----------
    city
        Its limits are those of every year.
    images
        Image source; None as for :func:`howgreen.pipeline.city.plan`.
    out
        A new folder, an empty one, or one that howgreen made (it is replaced); a URL of fsspec; or a report that gets a
        section.
    check
        Called after all is computed and before anything is written; raises to stop.

    Raises
    ------
    HowgreenError
        Fewer than two years have clear images; or as :func:`howgreen.pipeline.city.city`, except for a lack of images.
    """
    answers: list[YearAnswer] = []
    gaps: list[tuple[int, str, str]] = []
    plans: dict[str, Plan] = {}
    for name in options.families():
        family = FAMILIES[name]
        for year in sorted(set(options.years)):
            if not family.first <= year <= family.last:
                continue
            try:
                result = _answer(city, images, options, (year, family), network=network or Network(), progress=progress)
            except NoImageError as error:
                gaps.append((year, name, str(error)))
                continue
            options = replace(options, model=options.model or result.plan.model)
            plans[f"plan_{year}_{name}.json"] = result.plan
            if result.stats.green_ratio is None:
                gaps.append((year, name, "no land was seen clearly"))
            else:
                answers.append(_year(result.stats, result, year, name))
    found = _trend(city, answers, options, gaps)
    cautions = tuple(_doubts(found, gaps, city))
    warn(*cautions)
    if check is not None:
        check()
    coefficients = BANDPASSES[options.bandpass].title if options.bandpass else ""
    summary = _figures(found, plans, gaps, cautions, coefficients)
    with report.opened(report.Destination.of(out), "trend", progress=progress) as desk:
        for file, plan in plans.items():
            plan_json.save(plan, desk.folder / file)
        return report.write_trend(summary, desk)


def _answer(
    city: City,
    images: Store | Catalogs | None,
    options: TrendOptions,
    which: tuple[int, Family],
    *,
    network: Network,
    progress: Progress | None,
) -> CityResult:
    import warnings

    from howgreen.core.warnings import HowgreenWarning

    year, family = which
    choice = planning.Choice(
        sensor=family.sensor,
        model=options.model,
        period=options.period(year),
        platforms=family.platforms,
        bandpass=options.bandpass,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HowgreenWarning)  # warned once for all years, by code
        result = journey.answer(city, images, choice, network=network, progress=progress)
    workdir.forget(result.plan)
    return result


def _year(stats: GreenStats, result: CityResult, year: int, series: str) -> YearAnswer:
    ratio, span = stats.green_ratio or 0.0, stats.interval
    return YearAnswer(
        year=year,
        series=series,
        ratio=ratio,
        low=span.low if span else ratio,
        high=span.high if span else ratio,
        model_low=span.model_low if span else ratio,
        model_high=span.model_high if span else ratio,
        unseen_low=span.unseen_low if span else ratio,
        unseen_high=span.unseen_high if span else ratio,
        observed_ratio=stats.observed_ratio or 0.0,
        days=tuple(sorted({scene.time.date() for scene in result.plan.scenes})),
        cautions=tuple(dict.fromkeys(caution.code for caution in result.warnings)),
    )


def _trend(city: City, answers: list[YearAnswer], options: TrendOptions, gaps: list[tuple[int, str, str]]) -> Trend:
    try:
        return trend.trend_of(answers, options.families())
    except ValueError as error:
        why = f"; {gaps[0][0]}: {gaps[0][2]}" if gaps else ""
        raise NoImageError(
            f"{city.label}: {len(answers)} of {len(options.years)} years have clear images, {error}{why}"
        ) from error


LEAST_SEEN = 0.9
"""Years with less of the land seen may differ from others because of the unseen part."""
FEWEST_DATES = 3


def _doubts(found: Trend, gaps: list[tuple[int, str, str]], city: City) -> Iterator[Caution]:
    """Yield what may cause a slope, or hide one."""
    yield from of_limits(city)
    answers = [point.answer for point in found.points]
    little = [str(a.year) for a in answers if a.observed_ratio < LEAST_SEEN]
    if little:
        yield Caution(
            "low-share-seen",
            f"in {', '.join(little)} less than {LEAST_SEEN:.0%} of the land was seen, which alone may explain a difference",
        )
    few = [str(a.year) for a in answers if len(a.days) < FEWEST_DATES]
    if few:
        yield Caution(
            "few-dates",
            f"{', '.join(few)}: fewer than {FEWEST_DATES} dates, so that one mown or dry day may make the year; ask for more --months",
        )
    for name, shared in found.unjoined.items():
        yield Caution(
            "mixed-satellites",
            f"{name} is left out: it shares {words.plain(words.count(shared, 'year'))} with the next satellites, of "
            f"{trend.FEWEST_SHARED} that are needed to join them",
        )
    missing = sorted({year for year, _, _ in gaps} - {a.year for a in answers})
    if missing:
        yield Caution("image-left-out", f"no clear image in {', '.join(map(str, missing))}: a gap in the series")


def _figures(
    found: Trend,
    plans: Mapping[str, Plan],
    gaps: list[tuple[int, str, str]],
    cautions: tuple[Caution, ...],
    coefficients: str,
) -> TrendSummary:
    first = next(iter(plans.values()))
    last = found.points[-1].answer
    plan = plans.get(f"plan_{last.year}_{last.series}.json", first)
    return report.trend_summary(
        found, plan, version=__version__, gaps=gaps, warnings=cautions, coefficients=coefficients
    )
