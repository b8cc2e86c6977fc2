"""The trend of a place as files a person opens: the page, the table, the figures. It decides nothing."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from howgreen.core import words
from howgreen.core.sensors import SENSORS
from howgreen.report import _summary
from howgreen.report._folder import SUMMARY
from howgreen.report._templates import policy, templates, text_of
from howgreen.report.figures import CityFigures, Document, Part, PeriodFigures, Ratio, WarningFigures

if TYPE_CHECKING:
    from datetime import date

    from howgreen.core.trends import Trend, YearAnswer
    from howgreen.core.types import Plan
    from howgreen.core.warnings import Caution

PAGE, TABLE = "trend.html", "trend.csv"
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 890, 380, 56, 160, 20, 40
"""Of the chart, in units of its view box."""
LEAST_SPAN = 0.1
"""Range of ratios that the chart shows at least: one that fills its height with noise misleads."""


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
    tau: Annotated[float, Meta(ge=-1, le=1)]


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
        """Say the slope with its interval, the verdict, and what could have been seen, in two sentences."""
        change = f"{_points(self.slope)} points a year"
        if self.slope_low is not None and self.slope_high is not None:
            ends = f"{_points(self.slope_low)} to {_points(self.slope_high)}"
            change += f" ({words.percent(self.level)} interval {ends})"
        hidden = (
            ""
            if self.detectable is None
            else f"; smaller than ±{100 * self.detectable:.2f} points a year could not have been seen"
        )
        return words.plain(f"{self.years[0].year} to {self.years[-1].year}: {self.verdict}. {change}{hidden}")


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
        Of :func:`howgreen.trend.trend_of`.
    plan
        Of its last year: the place, the period and who asks to be named.
    gaps
        Year, satellites and reason.
    coefficients
        Published regressions that were applied to the reflectance, by their title; empty for none.
    """
    fit = found.fit
    half = None if math.isnan(fit.noise) else _t(len(found.points) - 2) * fit.noise
    return TrendSummary(
        format="howgreen-trend/1",
        howgreen=version,
        synthetic=plan.city.synthetic or any(scene.synthetic for scene in plan.scenes),
        city=msgspec.convert(_summary.city_values(plan.city), CityFigures),
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


def _t(df: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, df)) if df > 0 else math.nan


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
    named = [plan.city.licence, plan.city.land_source]
    sentinel = sorted({one.year for one in answers if one.series == "sentinel-2"})
    if plan.city.synthetic or any(scene.synthetic for scene in plan.scenes):
        named.append("Simulated images and limits: no real place, no satellite data")
    else:
        if sentinel:
            named.append(f"Contains modified Copernicus Sentinel data {sentinel[0]}-{sentinel[-1]}")
        if any(one.series.startswith("landsat") for one in answers):
            named.append("Landsat imagery courtesy of the U.S. Geological Survey")
    return tuple(text for text in named if text)


def write_trend(found: TrendSummary, folder: Path) -> TrendSummary:
    """Write page, table and figures into a folder; the plans that lie there are listed too."""
    plans = {path.name: "what the answer of this year was decided by" for path in sorted(folder.glob("plan_*.json"))}
    texts = {PAGE: "the page to read; opens without a network", TABLE: "the years as a table"}
    found = msgspec.structs.replace(found, files=texts | plans | {SUMMARY: "this file"})
    _table(folder / TABLE, found)
    (folder / PAGE).write_text(_page(found), encoding="utf-8")
    (folder / SUMMARY).write_text(found.to_json(), encoding="utf-8")
    return found


def _table(path: Path, found: TrendSummary) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["in_series", *YearFigures.__struct_fields__])
        writer.writeheader()
        for in_series, rows in ((True, found.years), (False, found.left_out)):
            for row in rows:
                cells = {key: getattr(row, key) for key in row.__struct_fields__}
                lists = {key: " ".join(cells[key]) for key in ("dates", "warnings")}
                writer.writerow({"in_series": str(in_series).lower(), **cells, **lists})


def _page(found: TrendSummary) -> str:
    environment = templates({"percent": words.percent, "points": _points, "span": _span})
    labels = {"landsat-4-7": "Landsat 4–7", "landsat-8-9": "Landsat 8–9", "sentinel-2": SENSORS["sentinel-2"].label}
    text: str = environment.get_template("trend.html").render(
        s=found,
        gaps=_missing(found),
        chart=_chart(found),
        labels=labels,
        style=text_of("report.css"),
        policy=policy(""),
        days=_days,
        words=words,
    )
    return text


def _missing(found: TrendSummary) -> list[tuple[int, str]]:
    """List the years of which nothing is in the series, with the reason of the newest satellites, cut to its first sentence."""
    there = {one.year for one in found.years}
    return sorted({gap.year: gap.why.partition(";")[0] for gap in found.gaps if gap.year not in there}.items())


def _span(pair: tuple[float, float]) -> str:
    return words.span(*pair)


def _days(dates: Sequence[str]) -> str:
    from datetime import date as day

    found: list[date] = [day.fromisoformat(one) for one in dates]
    return words.days(found)


def _chart(found: TrendSummary) -> dict[str, Any]:
    """Lay the series out: points with what sets years apart, the line, and its grid, in units of the view box."""
    half = found.years[0].year_to_year or 0.0
    values = [one.joined_ratio for one in found.years]
    low, high = min(values) - half, max(values) + half
    middle, reach = (low + high) / 2, max(high - low, LEAST_SPAN) / 2
    low, high = max(0.0, math.floor(20 * (middle - reach)) / 20), min(1.0, math.ceil(20 * (middle + reach)) / 20)
    first, last = found.years[0].year, found.years[-1].year

    def x(year: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (year - first) / max(last - first, 1), 1)

    def y(value: float) -> float:
        return round(
            _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (min(max(value, low), high) - low) / (high - low), 1
        )

    step = 0.05 if high - low <= 0.4 else 0.1
    every = max(1, math.ceil((last - first + 1) / 12))
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
            {"y": y(n * step), "text": words.percent(n * step)}
            for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
        ],
        "years": [{"x": x(year), "text": year} for year in range(first, last + 1, every)],
        "common": {"top": y(common.model_high), "end": y(common.model_low), "x": _WIDTH - _RIGHT + 34},
    }
