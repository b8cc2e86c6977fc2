"""From a sample folder with its estimate to the figures that lead a report, with doubts about the looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from howgreen.core import words
from howgreen.core.errors import EstimateError
from howgreen.core.known_types import known
from howgreen.core.warnings import Caution, warn
from howgreen.estimate.answers import CHANGED_KINDS
from howgreen.estimate.change import of_change
from howgreen.estimate.estimators import Estimate
from howgreen.estimate.sample import Sample, load
from howgreen.pipeline import plan_json
from howgreen.pipeline.sampling import PLAN as PLAN  # noqa: PLC0414 (the folder of an estimate is that of its sample)
from howgreen.pipeline.sampling import map_sha256
from howgreen.report.change_figures import ChangeEstimateFigures, SampledAreas, ShareFigure
from howgreen.report.figures import DesignEstimate, EstimateFigures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from howgreen.core.types import Plan
    from howgreen.pipeline.result import CityResult

ESTIMATE = "estimate.json"
LARGEST_ESTIMATE_BYTES = 50_000_000


def estimate_of(folder: Path, plan: Plan) -> EstimateFigures:
    """Read the estimate in a sample folder, for the report of the plan it was drawn from.

    Raises
    ------
    EstimateError
        There is no estimate yet, or it is of another sample or another plan's map.
    """
    drawn = load(folder / "sample.json")
    if drawn.plan_sha256 != plan_json.sha256_of(plan):
        raise EstimateError(
            f"{folder}: was drawn by another map than this one (place, images, model or version differ); "
            f"use the plan that it was drawn by, with --plan {folder / PLAN}"
        )
    found = _read_of(drawn, folder, _KeptRatio)
    return EstimateFigures(
        **_interval(found.headline),
        **_rests_on(drawn, found),
        counted=found.counted,
        design=drawn.design,
        strata_bounds=drawn.bounds,
        frame_green=drawn.frame_green,
        frame_land=drawn.frame_land,
        without_map=DesignEstimate(**_interval(found.plain)),
        two_phase=None if found.two_phase is None else DesignEstimate(**_interval(found.two_phase)),
    )


LEAST_WIDER = 0.01
"""Least amount by which the bounds for unknown dots must exceed the interval before a warning is given."""


def with_estimate(result: CityResult, folder: Path) -> tuple[CityResult, EstimateFigures]:
    """Read the estimate of a sample folder for the report; doubts about its looks join the result's warnings."""
    figures = estimate_of(folder, result.plan)
    kept = _read(folder / ESTIMATE, _KeptRatio)
    told = (*_passed_over(kept), *_untold(kept))
    warn(*told)
    return replace(result, warnings=(*result.warnings, *told)), figures


def _passed_over(found: _Kept) -> Iterator[Caution]:
    """Warn of places that were skipped."""
    last = found.looked + len(found.skipped)
    if len(found.skipped) == 1:
        yield Caution(
            "looks-incomplete",
            f"1 of the first {last:,} places was passed over: what is hard to see is not there by chance; look at it with `howgreen label`",
        )
    elif found.skipped:
        yield Caution(
            "looks-incomplete",
            f"{len(found.skipped):,} of the first {last:,} places were passed over: what is hard to see is not there by chance; look at them "
            "with `howgreen label`",
        )


def _untold(found: _KeptRatio) -> Iterator[Caution]:
    """Warn of dots that could not be identified."""
    bounds, lead = found.bounds, found.headline
    if bounds is not None and bounds.high - bounds.low > lead.high - lead.low + LEAST_WIDER:
        yield Caution(
            "looks-incomplete",
            f"{100 * bounds.unknown_share:.0f} % of the dots could not be told, and are taken to be as the others are: were they all bare, or "
            f"all green, the green ratio could lie between {100 * bounds.low:.0f} and {100 * bounds.high:.0f} %",
        )


LEAST_UNTOLD = 0.01
"""Share of unidentified dots of a change from which a warning is given."""


def doubts_of_change(folder: Path) -> Iterator[Caution]:
    """Warn of unidentified dots in a sample of change."""
    found = _read(folder / ESTIMATE, _KeptChange)
    if found.unknown_share >= LEAST_UNTOLD:
        (lost, most_lost), (gained, most_gained) = (
            map(words.signed_area, found.bounds_m2[kind]) for kind in CHANGED_KINDS
        )
        yield Caution(
            "looks-incomplete",
            words.plain(
                f"{100 * found.unknown_share:.0f} % of the dots could not be told, and are taken to be as the others are: with them, green lost "
                f"could be from {lost} to {most_lost}, and gained from {gained} to {most_gained}"
            ),
        )


def estimate_of_change(folder: Path) -> ChangeEstimateFigures:
    """Read the estimate of a sample of change, for the page of that change.

    Raises
    ------
    EstimateError
        There is no estimate yet, or it is of another sample or of one date.
    """
    drawn = load(folder / "sample.json")
    change = of_change(drawn)
    found = _read_of(drawn, folder, _KeptChange)
    return ChangeEstimateFigures(
        **_rests_on(drawn, found),
        areas=found.areas,
        mapped_m2=found.mapped_m2,
        users=_shares(found.users),
        producers=_shares(found.producers),
        unseen_m2=found.unseen_m2,
        level=found.level,
        skipped=len(found.skipped),
        strata=change.strata,
        area_m2=change.area_m2,
    )


def _rests_on(drawn: Sample, found: _Kept) -> dict[str, Any]:
    """Gather the basis of an estimate of either kind: places, interpreters, days, images."""
    days = sorted(day.isoformat() for one in found.looks if (day := _day(one)) is not None)
    return {
        "looked": found.looked,
        "drawn": len(drawn.units),
        "readers": len(found.readers),
        "first_look": days[0] if days else "",
        "last_look": days[-1] if days else "",
        "images": found.images,
        "seed": drawn.seed,
        "dots": drawn.dots,
        "strata_weights": drawn.weights,
        "sample_sha256": drawn.sha256,
        "kappa": None if found.agreement is None else found.agreement.kappa,
    }


def _day(time: str) -> date | None:
    """Parse the day of a look; None if a spreadsheet reformatted it, for which there are many ways."""
    try:
        return date.fromisoformat(time[:10])
    except ValueError:
        return None


def check_same_change(folder: Path, shown: Path) -> None:
    """Check that a sample was drawn from the change in a folder; EstimateError otherwise."""
    if load(folder / "sample.json").plan_sha256 != map_sha256(shown):
        raise EstimateError(
            f"{folder}: was drawn from another change than this one (place, periods, images, model or mapping unit differ); "
            "ask for the change that it was drawn from, or draw a sample of this one"
        )


class _KeptSample(msgspec.Struct, frozen=True):
    sha256: str


class _KeptAgreement(msgspec.Struct, frozen=True):
    kappa: float | None


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of ``estimate.json`` that a report uses, of either kind."""

    sample: _KeptSample
    agreement: _KeptAgreement | None
    looked: int
    skipped: tuple[int, ...]
    readers: tuple[str, ...]
    looks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


class _KeptBounds(msgspec.Struct, frozen=True):
    unknown_share: float
    low: float
    high: float


class _KeptRatio(_Kept, frozen=True, kw_only=True):
    headline: Estimate
    plain: Estimate
    counted: Literal["vegetation", "vegetation-without-cropland", "canopy"]
    two_phase: Estimate | None
    bounds: _KeptBounds | None


class _KeptShare(msgspec.Struct, frozen=True):
    value: float | None
    se: float | None


def _shares(kept: dict[str, _KeptShare]) -> dict[str, ShareFigure]:
    return {name: ShareFigure(value=one.value, se=one.se) for name, one in kept.items()}


class _KeptChange(_Kept, frozen=True, kw_only=True):
    areas: SampledAreas
    mapped_m2: dict[str, float]
    users: dict[str, _KeptShare]
    producers: dict[str, _KeptShare]
    unseen_m2: float
    level: float
    unknown_share: float = 0.0
    bounds_m2: dict[str, tuple[float, float]] = {}


K = TypeVar("K", bound=_Kept)


def _read_of(drawn: Sample, folder: Path, kind: type[K]) -> K:
    """Read a sample's estimate; EstimateError if there is none yet, or it is of another sample."""
    found = _read(folder / ESTIMATE, kind)
    if found.sample.sha256 != drawn.sha256:
        raise EstimateError(f"{folder / ESTIMATE}: is of another sample; run `howgreen estimate {folder}` again")
    return found


def _read(file: Path, kind: type[K]) -> K:
    try:
        if file.stat().st_size > LARGEST_ESTIMATE_BYTES:
            raise EstimateError(f"{file}: is larger than any estimate; run `howgreen estimate {file.parent}` again")
        return msgspec.json.decode(file.read_bytes(), type=known(kind))
    except OSError as error:
        raise EstimateError(
            f"{file}: cannot be read ({error.strerror}); run `howgreen estimate {file.parent}` first"
        ) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise EstimateError(f"{file}: is no estimate ({error}); run `howgreen estimate {file.parent}` again") from error


def _interval(one: Estimate) -> dict[str, Any]:
    """Return the parts that a report shows; a ratio that the regression put beyond 0-1 is clipped."""
    return {
        "ratio": min(max(one.ratio, 0.0), 1.0), "low": one.low, "high": one.high, "level": one.level, "se": one.se, "df": one.df,
        "method": one.method,
    }  # fmt: skip
