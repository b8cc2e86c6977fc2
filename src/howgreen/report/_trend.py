"""The trend of a place as files for people: page, table, figures. Reporting makes no decisions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from howgreen.core import words
from howgreen.core.known_types import known
from howgreen.core.sensors import SENSORS
from howgreen.report import _plates, _summary
from howgreen.report._sections import Section
from howgreen.report._tables import write_csv
from howgreen.report.figures import CityFigures, Document, Part, PeriodFigures, Ratio, Signed, WarningFigures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from howgreen.core.trends import Trend, YearAnswer
    from howgreen.core.types import Plan
    from howgreen.core.warnings import Caution
    from howgreen.report._language import Language
    from howgreen.report._sections import Desk

TOPIC = "trend"
TABLE, PICTURE, PRINT = "trend.csv", "trend.png", "trend.svg"
FILES = {
    PICTURE: "the years and their line: a picture that stands alone",
    PRINT: "the same picture for print",
    TABLE: "the years as a table",
}
OF_A_YEAR = "what the answer of this year was decided by"
LABELS = {"landsat-4-7": "Landsat 4–7", "landsat-8-9": "Landsat 8–9", "sentinel-2": SENSORS["sentinel-2"].label}
COLOURS = {"sentinel-2": "#1f6b45", "landsat-8-9": "#b5651d", "landsat-4-7": "#7b5ea7"}
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 890, 380, 56, 200, 20, 40
"""Chart layout, in units of its view box."""
LEAST_SPAN = 0.1
"""Least range of ratios in the chart: a range filled by noise misleads."""

TOO_FEW = "too few years to tell"
"""The verdict beside which no slope is told: it would be quoted."""


class YearFigures(Part, frozen=True, kw_only=True):
    """One year of the series."""

    year: int
    satellites: Annotated[str, Meta(description="sentinel-2, landsat-8-9 or landsat-4-7.")]
    green_ratio: Annotated[Ratio, Meta(description="As these satellites show it.")]
    joined_ratio: Annotated[
        float, Meta(description="At the level of the newest satellites: what the line goes through.")
    ]
    interval_low: Annotated[Ratio, Meta(description="Of green_ratio: the model's error and unseen land.")]
    interval_high: Ratio
    model_low: Annotated[Ratio, Meta(description="By the model's error alone, which all years share.")]
    model_high: Ratio
    unseen_low: Annotated[Ratio, Meta(description="Were the model exact, and unseen land bare.")]
    unseen_high: Annotated[Ratio, Meta(description="The same, unseen land green.")]
    year_to_year: Annotated[
        float | None,
        Meta(
            description="Half-width of what sets this year apart from the line, by the scatter of all years; null of two."
        ),
    ]
    observed_ratio: Ratio
    dates: tuple[str, ...]
    warnings: Annotated[tuple[str, ...], Meta(description="Codes.")]


class JoinFigures(Part, frozen=True, kw_only=True):
    """How older satellites were brought to the level of newer ones, by the years that both saw of this place."""

    older: str
    newer: str
    years: tuple[int, ...]
    shift: Annotated[float, Meta(description="Added to the older.")]
    se: Annotated[float, Meta(ge=0, description="Its standard error.")]


class GapFigures(Part, frozen=True, kw_only=True):
    """A year without an answer."""

    year: int
    satellites: str
    why: str


class MannKendallFigures(Part, frozen=True, kw_only=True):
    """A description, no test: on short series whose years resemble their neighbours no variant keeps its level."""

    s: int
    variance: float
    z: float
    p: Ratio
    tau: Signed


class TrendSummary(Document, frozen=True, kw_only=True):
    """Figures of `howgreen trend`: one place over several years, the same limits, months and model in each. Ratios 0-1."""

    format: Literal["howgreen-trend/1"]
    howgreen: Annotated[str, Meta(description="Version of the program.")]
    synthetic: bool
    city: CityFigures
    period: Annotated[PeriodFigures, Meta(description="Of the last year; that of the others is the same months.")]
    model: str
    years: tuple[YearFigures, ...]
    left_out: Annotated[tuple[YearFigures, ...], Meta(description="Answers that are no part of the series.")]
    gaps: tuple[GapFigures, ...]
    coefficients: Annotated[str, Meta(description="Published regressions applied to the reflectance; empty for none.")]
    joins: tuple[JoinFigures, ...]
    slope: Annotated[
        float, Meta(description="Ratio a year: median of the slopes between all pairs of years (Theil, Sen).")
    ]
    slope_low: Annotated[float | None, Meta(description="Ends of its interval; null of fewer than five years.")]
    slope_high: float | None
    intercept: Annotated[float, Meta(description="Of the line, in year 0.")]
    level: Annotated[float, Meta(description="Confidence level of the slope's interval, as 0.95.")]
    noise: Annotated[
        float | None, Meta(description="Standard deviation of the years around the line; null of two years.")
    ]
    detectable: Annotated[
        float | None,
        Meta(description="The smallest change a year, up or down, that could have been told from this noise."),
    ]
    verdict: Literal["more green", "less green", "no change that can be told from noise", "too few years to tell"]
    mann_kendall: MannKendallFigures
    warnings: tuple[WarningFigures, ...]
    files: dict[str, str]
    attributions: tuple[str, ...]

    def in_words(self) -> str:
        """State the slope with its interval, the verdict, and the detectable slope, in two sentences."""
        change = f"{_points(self.slope)} points a year"
        if self.slope_low is not None and self.slope_high is not None:
            ends = f"{_points(self.slope_low)} to {_points(self.slope_high)}"
            change += f" ({words.percent(self.level)} interval {ends})"
        hidden = (
            ""
            if self.detectable is None
            else f"; smaller than ±{100 * self.detectable:.2f} points a year could not have been seen"
        )
        head = f"{self.years[0].year} to {self.years[-1].year}: {self.verdict}"
        if self.verdict == TOO_FEW:
            return head
        return words.plain(f"{head}. {change}{hidden}")


def _points(change: float) -> str:
    return f"{100 * change:+.2f}".replace("-", "−")


def trend_summary(
    found: Trend,
    plan: Plan,
    *,
    version: str,
    gaps: Sequence[tuple[int, str, str]],
    warnings: Sequence[Caution],
    coefficients: str = "",
) -> TrendSummary:
    """Gather the figures of a trend.

    Parameters
    ----------
    found
        From :func:`howgreen.trend.trend_of`.
    plan
        Plan of its last year: place, period and attributions.
    gaps
        Year, satellites and reason.
    coefficients
        Published regressions applied to the reflectance, by title; empty for none.
    """
    fit = found.fit
    half = _known(fit.year_half_width)
    return TrendSummary(
        format="howgreen-trend/1",
        howgreen=version,
        synthetic=_summary.is_synthetic(plan),
        city=msgspec.convert(_summary.city_values(plan.city), known(CityFigures)),
        period=PeriodFigures(start=plan.period.start, end=plan.period.end, months=plan.period.months),
        model=plan.model,
        years=tuple(_year(point.answer, point.value, half) for point in found.points),
        left_out=tuple(_year(one, one.ratio, None) for one in found.left_out),
        gaps=tuple(GapFigures(year=year, satellites=name, why=why) for year, name, why in gaps),
        coefficients=coefficients,
        joins=tuple(JoinFigures(**asdict(one)) for one in found.joins),
        slope=fit.slope.slope,
        slope_low=_known(fit.slope.low),
        slope_high=_known(fit.slope.high),
        intercept=fit.slope.intercept,
        level=0.95,
        noise=_known(fit.noise),
        detectable=_known(fit.detectable),
        verdict=fit.verdict,
        mann_kendall=MannKendallFigures(**asdict(fit.mann_kendall)),
        warnings=tuple(WarningFigures(code=one.code, text=one.text) for one in warnings),
        files={},
        attributions=_credits(plan, [point.answer for point in found.points]),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _year(one: YearAnswer, value: float, half: float | None) -> YearFigures:
    return YearFigures(
        year=one.year,
        satellites=one.series,
        green_ratio=one.ratio,
        joined_ratio=value,
        interval_low=one.low,
        interval_high=one.high,
        model_low=one.model_low,
        model_high=one.model_high,
        unseen_low=one.unseen_low,
        unseen_high=one.unseen_high,
        year_to_year=half,
        observed_ratio=one.observed_ratio,
        dates=tuple(day.isoformat() for day in one.days),
        warnings=one.cautions,
    )


def _credits(plan: Plan, answers: Sequence[YearAnswer]) -> tuple[str, ...]:
    sentinel = sorted({one.year for one in answers if one.series == "sentinel-2"})
    years = f"{sentinel[0]}-{sentinel[-1]}" if sentinel else ""
    landsat = any(one.series.startswith("landsat") for one in answers)
    return tuple(_summary.credits_of(plan, sentinel=years, landsat=landsat))


def write_trend(found: TrendSummary, desk: Desk) -> TrendSummary:
    """Write page, pictures, table and figures; existing plans in the folder are listed too."""
    language = desk.language
    write_csv(_rows(found), desk.folder / TABLE)
    around = _around(found, language)
    _plates.write_plates(desk.folder, TOPIC, around, _drawn(found, language), language)
    section = Section(
        topic=TOPIC,
        title=around.title,
        when=_span(found),
        synthetic=found.synthetic,
        credits=found.attributions,
        picture=PICTURE,
        values={
            "t": found,
            "verdict": _verdict(found, language),
            "gaps": _missing(found),
            "chart": _chart(found),
            "labels": LABELS,
            "colours": COLOURS,
            "days": lambda dates: language.days([date.fromisoformat(one) for one in dates]),
        },
    )
    plans = {path.name: OF_A_YEAR for path in sorted(desk.folder.glob("plan_*.json"))}
    return desk.finish(section, found, FILES | plans)


def _rows(found: TrendSummary) -> list[dict[str, Any]]:
    rows = []
    for in_series, years in ((True, found.years), (False, found.left_out)):
        for one in years:
            cells = {key: getattr(one, key) for key in one.__struct_fields__}
            lists = {key: " ".join(cells[key]) for key in ("dates", "warnings")}
            rows.append({"in_series": str(in_series).lower(), **cells, **lists})
    return rows


def _span(found: TrendSummary) -> str:
    return f"{found.years[0].year}–{found.years[-1].year}"


def _verdict(found: TrendSummary, language: Language) -> str:
    """Return the verdict as the beginning of a sentence."""
    text = language.gettext(found.verdict)
    return text[0].upper() + text[1:]


def _around(found: TrendSummary, language: Language) -> _plates.Around:
    _ = language.gettext
    change = _("The green ratio changed by %(slope)s points a year.") % {"slope": language.signed(found.slope)}
    if found.slope_low is not None and found.slope_high is not None:
        change = _("The green ratio changed by %(slope)s points a year (%(level)s interval %(low)s to %(high)s).") % {
            "slope": language.signed(found.slope),
            "level": language.percent(found.level),
            "low": language.signed(found.slope_low),
            "high": language.signed(found.slope_high),
        }
    if found.verdict == TOO_FEW:
        change = ""
    seen = ""
    if found.detectable is not None:
        least = language.decimals(100 * found.detectable, 2)
        seen = _("Smaller than ±%(least)s points a year could not have been seen.") % {"least": least}
    satellites = ", ".join(LABELS[name] for name in dict.fromkeys(one.satellites for one in found.years))
    model = _("Model: %(model)s") % {"model": found.model}
    return _plates.Around(
        title=_("Is %(place)s becoming greener?") % {"place": found.city.label},
        answer=" ".join(text for text in (f"{_verdict(found, language)}.", change, seen) if text),
        facts=" · ".join((_span(found), satellites, model)),
        codes=tuple(one.code for one in found.warnings),
        credits=found.attributions,
        synthetic=found.synthetic,
    )


def _drawn(found: TrendSummary, language: Language) -> _plates.Draw:
    """Draw the years with their year-to-year scatter, the line, and the model's error common to all."""
    _ = language.gettext
    low, high = _range(found)

    def draw(figure: Figure, box: _plates.Box, ink: _plates.Ink) -> None:
        left, bottom, width, height = box
        axes = _plates.plain_axes(figure, (left + 0.04, bottom + 0.06, width - 0.22, height - 0.09), ink)
        years = [one.year for one in found.years]
        told = found.verdict in ("more green", "less green")
        line = [100 * (found.intercept + found.slope * year) for year in (years[0], years[-1])]
        axes.plot((years[0], years[-1]), line, color="#5b7f6b", lw=1.8, ls="-" if told else (0, (5, 4)))
        for name in dict.fromkeys(one.satellites for one in found.years):
            some = [one for one in found.years if one.satellites == name]
            axes.errorbar(
                [one.year for one in some],
                [100 * one.joined_ratio for one in some],
                yerr=[100 * (one.year_to_year or 0.0) for one in some],
                fmt="o",
                color=COLOURS[name],
                label=LABELS[name],
                ms=6,
                elinewidth=1.4,
                alpha=0.9,
            )
        axes.set_ylim(100 * low, 100 * high)
        axes.set_xticks(_year_ticks(years[0], years[-1]))
        axes.yaxis.set_major_formatter(lambda value, _place: language.percent(value / 100))
        axes.grid(axis="y", color=ink.quiet, alpha=0.2, lw=0.8)
        axes.legend(loc="best", fontsize=9, frameon=False, labelcolor=ink.ink)
        last = found.years[-1]
        beside = _plates.plain_axes(figure, (left + width - 0.15, bottom + 0.06, 0.15, height - 0.09), ink, map_=True)
        ends = [min(max(100 * end, 100 * low), 100 * high) for end in (last.model_low, last.model_high)]
        beside.plot((0.1, 0.1), ends, color=ink.quiet, lw=1.8)
        beside.set(xlim=(0, 1), ylim=(100 * low, 100 * high))
        text = _("the model’s error,") + "\n" + _("shared by all")
        beside.text(0.18, sum(ends) / 2, text, size=9, color=ink.quiet, va="center")

    return draw


def _year_ticks(first: int, last: int) -> range:
    return range(first, last + 1, max(1, math.ceil((last - first + 1) / 12)))


def _range(found: TrendSummary) -> tuple[float, float]:
    """Range of ratios in the chart: those of the years with their scatter, in steps of a twentieth."""
    half = found.years[0].year_to_year or 0.0
    values = [one.joined_ratio for one in found.years]
    low, high = min(values) - half, max(values) + half
    middle, reach = (low + high) / 2, max(high - low, LEAST_SPAN) / 2
    return max(0.0, math.floor(20 * (middle - reach)) / 20), min(1.0, math.ceil(20 * (middle + reach)) / 20)


def _missing(found: TrendSummary) -> list[tuple[int, str]]:
    """List the years missing from the series, with the newest satellites' reason, cut to its first sentence."""
    there = {one.year for one in found.years}
    return sorted({gap.year: gap.why.partition(";")[0] for gap in found.gaps if gap.year not in there}.items())


def _chart(found: TrendSummary) -> dict[str, Any]:
    """Lay out the series: points with year-to-year scatter, the line, and the grid, in units of the view box."""
    half = found.years[0].year_to_year or 0.0
    low, high = _range(found)
    first, last = found.years[0].year, found.years[-1].year

    def x(year: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (year - first) / max(last - first, 1), 1)

    def y(value: float) -> float:
        return round(
            _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (min(max(value, low), high) - low) / (high - low), 1
        )

    step = 0.05 if high - low <= 0.4 else 0.1
    common = found.years[-1]
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": _WIDTH - _RIGHT,
        "bottom": _HEIGHT - _BOTTOM,
        "points": [
            {
                "x": x(one.year),
                "y": y(one.joined_ratio),
                "top": y(one.joined_ratio + half),
                "end": y(one.joined_ratio - half),
                "one": one,
            }
            for one in found.years
        ],
        "line": [(x(year), y(found.intercept + found.slope * year)) for year in (first, last)],
        "ticks": [
            {"y": y(n * step), "value": n * step}
            for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
        ],
        "years": [{"x": x(year), "text": year} for year in _year_ticks(first, last)],
        "common": {"top": y(common.model_high), "end": y(common.model_low), "x": _WIDTH - _RIGHT + 34},
    }
