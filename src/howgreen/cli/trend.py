"""``trend``: several years of one place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.cli.asked import AskedPlan
from howgreen.cli.options import destination, json_option, new_folder, place_options, section_options, trend_options
from howgreen.cli.progress import bars
from howgreen.cli.root import examples, howgreen
from howgreen.cli.say import say_answer
from howgreen.cli.warnings import refuse_if_strict
from howgreen.core import words
from howgreen.core.text import one_line

if TYPE_CHECKING:
    from howgreen.report import TrendSummary


@howgreen.command(
    "trend",
    epilog=examples(
        'howgreen trend "Lyon, France" --years 2017:2026',
        "howgreen trend Detroit --years 1985:2026 --sensor landsat --sensor sentinel-2",
        "howgreen trend --report lyon --years 2017:2026",
        "howgreen trend Athens --years 2017:2026 --months 3:5",
    ),
)
@place_options
@trend_options
@section_options
@json_option
def trend_command(
    years: tuple[int, ...],
    sensors: tuple[str, ...],
    months: tuple[int, int] | None,
    coefficients: str | None,
    model: str | None,
    report: Path | None,
    out: str | Path | None,
    overwrite: bool,
    language: str,
    pdf: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Compare years, and say how small a trend would show.

    Answers each year with the same limits, months and model, joins satellites by the years that both saw of this place, and gives the
    change per year with its interval, the smallest change that could have been seen, and whether it can be told from noise.
    With --report it is of that report's place and becomes a section of its page.
    """
    from howgreen.pipeline import planning, trending

    wanted = AskedPlan(**asked, report=report)
    question = trending.TrendOptions(
        years=years, sensors=sensors, model=model, months=months, bandpass=coefficients or ""
    )
    images, network = wanted.images(), wanted.network()
    planning.catalogs_of(images, network)  # report typing errors before querying any service
    target = destination(out, report, language, pdf=pdf, overwrite=overwrite)
    with bars() as progress:
        city = wanted.city(network, progress=progress)
        target = target if report or out else replace(target, out=new_folder(city))
        found = trending.over_years(
            city, images, question, out=target, network=network, check=refuse_if_strict, progress=progress
        )
    say_answer(found, _lines(found), target, "trend", as_json=as_json)


def _lines(found: TrendSummary) -> list[str]:
    lines = [f"{one_line(found.city.label)}, {found.in_words()}"]
    for one in found.years:
        apart = "" if one.year_to_year is None else f", year to year ±{100 * one.year_to_year:.1f} points"
        joined = f", joined {100 * one.joined_ratio:.1f}%" if found.joins else ""
        lines.append(
            f"  {one.year}  {100 * one.green_ratio:5.1f}% green{joined} (interval {one.interval_low:.0%}-{one.interval_high:.0%}, of it shared by all "
            f"years {one.model_low:.0%}-{one.model_high:.0%}{apart}); {one.observed_ratio:.0%} seen, {words.plain(words.count(len(one.dates), 'date'))}, {one.satellites}"
        )
    lines += [
        f"{one.older} moved by {100 * one.shift:+.1f} points (standard error {100 * one.se:.1f}) to the level of {one.newer}, by {len(one.years)} years"
        for one in found.joins
    ]
    return lines
