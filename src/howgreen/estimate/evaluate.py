"""From a sample and its answers to all results: the ratio, readers, districts, kinds, and the map's own errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from howgreen.core.errors import EstimateError
from howgreen.core.types import HALF_GREEN
from howgreen.estimate._accuracy import Accuracy, StratifiedClasses, assess
from howgreen.estimate.answers import (
    COUNTED,
    GREEN_KINDS,
    KINDS,
    LAND_KINDS,
    LETTERS,
    Agreement,
    Answer,
    Readings,
    agreement,
    in_order,
)
from howgreen.estimate.design import looks_in_all
from howgreen.estimate.estimators import (
    FEWEST,
    Corrected,
    Estimate,
    Gold,
    Looks,
    MapShares,
    ReadDots,
    estimate_by_regression,
    estimate_corrected,
    estimate_domain,
    estimate_ratio,
    estimate_two_phase,
    variance_of,
)
from howgreen.estimate.intervals import LEVEL
from howgreen.estimate.sample import Sample

Floats = npt.NDArray[np.float64]

SHOWN_FROM = 20
SHOWN_FROM_STRATIFIED = 30
FEWEST_SHOWN_IN_STRATUM = 5
RESIZED_FROM = 30
"""Looks from which the sample size is recomputed from the spread of the answers."""
WIDTHS = (5, 3, 2)
"""Half-widths, in points, for which that size is computed."""
READER_ERRORS = (0.02, 0.05, 0.10)
"""Error rates of a reader, either way, in the sensitivity table."""
FEWEST_DISTRICTS = 3
"""Districts with their own estimate needed to estimate the spread between districts."""


@dataclass(frozen=True, kw_only=True)
class DistrictEstimate:
    """The green ratio of a district."""

    name: str
    looks: int
    ratio: float
    low: float | None
    """None if no interval can be given."""
    high: float | None
    from_map: bool
    """True if too few looks fell into it: the ratio is then the map's, the interval the spread between districts."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The ratio with all "cannot tell" dots bare, or all green."""

    unknown_share: float
    """Their share of all dots."""
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ReaderError:
    """The ratio if readers erred at this rate either way."""

    error: float
    ratio: float


@dataclass(frozen=True, kw_only=True)
class MapErrors:
    """Errors of the map at the interpreted units."""

    rmse: float
    """Of a unit's green share, including the answers' own scatter."""
    rmse_low: float
    rmse_high: float
    bias: Estimate | None
    """Map - answer, over the frame; its ``ratio`` is the bias."""
    slope: float
    """Weighted slope of answers on map: above 1 if the map is compressed towards the middle."""
    slope_low: float
    slope_high: float
    classes: Accuracy | None
    """Green (at least half), not green and water; None if a stratum has too few looks."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All results of a sample and its answers."""

    counted: str
    """Definition of green: a key of :data:`howgreen.estimate.answers.COUNTED`."""
    headline: Estimate
    """Ratio of the land; model-assisted, as the sample was designed for, if all vegetation is counted."""
    plain: Estimate
    """Ratio without the map."""
    by_regression: Estimate | None
    """Ratio by regression on the map, for comparison with the headline; None if the map does not show what is counted,
    or is constant."""
    of_total: Estimate
    """Ratio of the whole area inside the limits, including water; without the map."""
    definitions: Mapping[str, Estimate]
    """Ratios of the land by definition of green, including the headline."""
    two_phase: Estimate | None
    """Ratio free of the readers' errors, if enough answers were agreed on."""
    corrected: Corrected | None
    """Ratio corrected by the reader's error rates, if enough dots were agreed on one by one."""
    agreement: Agreement | None
    bounds: Bounds | None
    """None if every dot was identified."""
    reader_errors: tuple[ReaderError, ...]
    districts: tuple[DistrictEstimate, ...]
    cover: Mapping[str, Estimate]
    """Share of the whole area by kind."""
    map_errors: MapErrors
    looked: int
    """Number of units with an answer."""
    skipped: tuple[int, ...]
    """Units without an answer before others that have one: looking was not in order."""
    untold: tuple[int, ...]
    """Units without any identified dot: they are left out."""
    readers: tuple[str, ...]
    systematic: bool
    """A systematic sample's interval is conservative: see :func:`howgreen.estimate.frame.systematic_effect`."""
    looks_in_all: Mapping[int, int]
    """Total looks that would bring the headline's interval to each half-width in points; empty before
    :data:`RESIZED_FROM` looks."""


def evaluate(sample: Sample, answers: Sequence[Answer], *, count: str = "vegetation") -> Evaluation:
    """Compute all estimates.

    Parameters
    ----------
    count
        Definition of green: a key of :data:`howgreen.estimate.answers.COUNTED`. The map shows only all vegetation: for
        other definitions only its strata help.

    Raises
    ------
    EstimateError
        Too few answers, or a stratum without them.
    """
    readings = in_order(answers)
    told = {unit: one for unit, one in readings.first.items() if one.known}
    rows = _Rows(sample, told, COUNTED[count])
    looks, assist = rows.looks(), rows.map_shares() if count == "vegetation" else None
    everything = np.ones(len(rows.answers))
    headline = estimate_ratio(looks, assist)
    last = max(readings.first, default=0)
    return Evaluation(
        counted=count,
        headline=headline,
        of_total=estimate_ratio(rows.looks(land=everything)),
        definitions={name: _definition(_Rows(sample, told, kinds)) for name, kinds in COUNTED.items()},
        plain=estimate_ratio(looks),
        by_regression=_by_regression(looks, assist),
        two_phase=_two_phase(rows, readings, looks, assist),
        corrected=_corrected(rows, readings, headline),
        agreement=agreement(readings),
        bounds=_bounds(rows, readings, assist),
        reader_errors=tuple(
            ReaderError(error=e, ratio=min(max((headline.ratio - e) / (1 - 2 * e), 0.0), 1.0)) for e in READER_ERRORS
        ),
        districts=_districts(rows, looks, assist),
        cover=_cover(rows),
        map_errors=_map_errors(_Rows(sample, told)),
        looked=len(readings.first),
        skipped=tuple(unit for unit in range(1, last) if unit not in readings.first),
        untold=tuple(sorted(set(readings.first) - set(told))),
        readers=readings.readers,
        systematic=sample.design == "systematic",
        looks_in_all=_resized(headline),
    )


def _by_regression(looks: Looks, assist: MapShares | None) -> Estimate | None:
    """Estimate by regression, if the map shows what is counted and is not constant."""
    if assist is None or not np.ptp(assist.green) > 0:
        return None
    return estimate_by_regression(looks, assist)


def _resized(headline: Estimate) -> dict[int, int]:
    """Recompute the sample size from the readings; a width that would take too many looks is left out."""
    if headline.n < RESIZED_FROM or not headline.se > 0:
        return {}
    found = {}
    for points in WIDTHS:
        with suppress(EstimateError):
            found[points] = looks_in_all(points / 100, headline.n, headline.se)
    return found


def share_of_area(sample: Sample, answers: Sequence[Answer], kinds: Sequence[str]) -> Estimate:
    """Estimate the share of some kinds (of :data:`howgreen.estimate.answers.KINDS`) in the whole area, including water.

    Raises
    ------
    EstimateError
        As :func:`evaluate`.
    """
    rows = _Rows(sample, {unit: one for unit, one in in_order(answers).first.items() if one.known})
    return estimate_ratio(rows.looks(green=rows.share(kinds), land=np.ones(len(rows.answers))))


def may_show(sample: Sample, answers: Sequence[Answer]) -> bool:
    """Tell whether an interval may be shown to a reader during interpretation, who may then stop.

    Stopping at a target width keeps the interval valid from the 20th look on, the 30th with strata, and not while a
    stratum has fewer than five looks or all answers are equal (simulated, 800 runs per cell; earlier, a lucky run of
    equal answers stops at once).
    """
    told = {one.unit: one for one in answers if one.known}
    if len(told) < (SHOWN_FROM_STRATIFIED if len(sample.weights) > 1 else SHOWN_FROM):
        return False
    counts = np.bincount([sample.units[unit - 1].stratum for unit in told], minlength=len(sample.weights))
    shares = {one.share(GREEN_KINDS) for one in told.values()}
    return bool(counts.min() >= (FEWEST_SHOWN_IN_STRATUM if len(sample.weights) > 1 else 1)) and len(shares) > 1


def to_json(sample: Sample, found: Evaluation) -> dict[str, Any]:
    """Return everything as plain values, with the design that a statistician needs to reproduce it."""
    record: dict[str, Any] = {
        "format": "howgreen estimate 1",
        "place": sample.place,
        "sample": {
            "sha256": sample.sha256, "design": sample.design, "seed": sample.seed, "dots": sample.dots, "strata_bounds": sample.bounds,
            "strata_weights": sample.weights, "drawn": len(sample.units), "frame_green": sample.frame_green,
            "frame_land": sample.frame_land, "estimator": sample.estimator,
        },
    }  # fmt: skip
    plain: dict[str, Any] = msgspec.to_builtins(found, enc_hook=dict)
    classes = found.map_errors.classes
    if classes is not None:  # pairs are not valid JSON keys
        matrix = [{"mapped": a, "true": b, "share": share} for (a, b), share in classes.matrix.items()]
        plain["map_errors"]["classes"]["matrix"] = matrix
    told: dict[str, Any] = finite({**record, **plain})
    return told


def finite(value: Any) -> Any:
    """Replace NaN and infinity, which JSON lacks, by null."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, list | tuple) else value


class _Rows:
    """Answered units as arrays, in the order of looking."""

    def __init__(self, sample: Sample, told: Mapping[int, Answer], green_kinds: Sequence[str] = GREEN_KINDS) -> None:
        self.sample = sample
        self.green_kinds = green_kinds
        self.answers = [told[unit] for unit in sorted(told)]
        self.units = [sample.units[one.unit - 1] for one in self.answers]
        self.position = {one.unit: i for i, one in enumerate(self.answers)}

    def share(self, kinds: Sequence[str], *, unknown_as: float | None = None) -> Floats:
        return np.array([one.share(kinds, unknown_as=unknown_as) for one in self.answers], float)

    def stratum(self) -> npt.NDArray[np.intp]:
        return np.array([unit.stratum for unit in self.units], np.intp)

    def looks(self, *, green: Floats | None = None, land: Floats | None = None) -> Looks:
        if not self.answers:
            raise EstimateError("nobody has looked at a place of this sample yet; do so with `howgreen label` first")
        return Looks(
            green=self.share(self.green_kinds) if green is None else green,
            land=self.share(LAND_KINDS) if land is None else land,
            stratum=self.stratum(),
            weight=np.array(self.sample.weights),
            effect=max(self.sample.systematic_effect, 1.0),
        )

    def map_shares(self) -> MapShares:
        return MapShares(
            green=np.array([unit.map_green for unit in self.units]),
            land=np.array([unit.map_land for unit in self.units]),
            frame_green=self.sample.frame_green,
            frame_land=self.sample.frame_land,
        )


def _definition(rows: _Rows) -> Estimate:
    """Estimate by one definition of green, assisted by the map if it shows just that."""
    assist = rows.map_shares() if rows.green_kinds == GREEN_KINDS else None
    return estimate_ratio(rows.looks(), assist)


def _agreed(rows: _Rows, readings: Readings) -> dict[int, tuple[Answer, float]] | None:
    """Return each agreed answer, and how many units read twice it represents; None if there are too few."""
    twice = [unit for unit in readings.second if unit in rows.position]
    found = agreement(readings)
    gold = {unit: one for unit, one in readings.gold.items() if unit in twice and one.known}
    if found is None or len(gold) < FEWEST:
        return None
    apart = set(found.disagreements)
    if not apart <= set(gold):
        return None  # an unsettled disagreement must not be left out: that is where the reader erred
    alike, again = [u for u in twice if u not in apart], [u for u in gold if u not in apart]
    if not again:
        return None
    return {unit: (one, 1.0 if unit in apart else len(alike) / len(again)) for unit, one in gold.items()}


def _two_phase(rows: _Rows, readings: Readings, looks: Looks, assist: MapShares | None) -> Estimate | None:
    """Estimate from the agreed answers, if there are enough."""
    gold = _agreed(rows, readings)
    if gold is None:
        return None
    return estimate_two_phase(
        looks,
        Gold(
            position=np.array([rows.position[unit] for unit in gold], np.intp),
            green=np.array([one.share(rows.green_kinds) for one, _ in gold.values()]),
            land=np.array([one.share(LAND_KINDS) for one, _ in gold.values()]),
            weight=np.array([weight for _, weight in gold.values()]),
        ),
        assist,
    )


def _corrected(rows: _Rows, readings: Readings, observed: Estimate) -> Corrected | None:
    """Compare the first reader's dots with the agreed ones, dot by dot, if both are known one by one."""
    green = {letter for letter, kind in LETTERS.items() if kind in rows.green_kinds}
    land = {letter for letter, kind in LETTERS.items() if kind in LAND_KINDS}
    stratum = rows.stratum()
    found = []
    for unit, (gold, stands_for) in (_agreed(rows, readings) or {}).items():
        read = readings.first[unit]
        if not gold.pattern or len(read.pattern) != len(gold.pattern):
            continue
        pairs = [(r in green, g in green) for r, g in zip(read.pattern, gold.pattern, strict=True) if {r, g} <= land]
        bare, bare_as_green, greens, green_as_bare = (
            sum(pair in kind for pair in pairs)
            for kind in (
                ((False, False), (True, False)),
                ((True, False),),
                ((True, True), (False, True)),
                ((False, True),),
            )
        )
        here = int(stratum[rows.position[unit]])
        weight = stands_for * rows.sample.weights[here] / int((stratum == here).sum())
        found.append((bare, bare_as_green, greens, green_as_bare, weight))
    if not found:
        return None
    columns = np.array(found, float).T
    names = ("bare", "bare_as_green", "green", "green_as_bare", "weight")
    return estimate_corrected(observed, ReadDots(**dict(zip(names, columns, strict=True))))


def _bounds(known: _Rows, readings: Readings, assist: MapShares | None) -> Bounds | None:
    """Compute the ratio with all unknown dots bare, and with all of them green."""
    rows = _Rows(known.sample, readings.first, known.green_kinds)
    unknown = rows.share(("unknown",), unknown_as=0.0)
    if not unknown.any():
        return None
    land = rows.share((*LAND_KINDS, "unknown"), unknown_as=0.0)
    ends = [
        estimate_ratio(rows.looks(green=rows.share(kinds, unknown_as=0.0), land=land), assist and rows.map_shares())
        for kinds in (rows.green_kinds, (*rows.green_kinds, "unknown"))
    ]
    return Bounds(unknown_share=float(unknown.mean()), low=ends[0].low, high=ends[1].high)


def _districts(rows: _Rows, looks: Looks, assist: MapShares | None) -> tuple[DistrictEstimate, ...]:
    """Estimate each district; one with few looks from the map, or not at all if the map lacks what is counted."""
    names = np.array([unit.district for unit in rows.units])
    direct: dict[str, Estimate] = {}
    for one in rows.sample.districts:
        inside = names == one.name
        if inside.sum() >= FEWEST:
            part = assist and replace(assist, frame_green=one.map_green, frame_land=one.map_land)
            direct[one.name] = estimate_domain(looks, inside, part)
    spread = _between(rows.sample, direct) if assist else None
    found = []
    for one in rows.sample.districts:
        if assist is None and one.name not in direct:
            continue
        mapped = one.map_green / one.map_land if one.map_land > 0 else float("nan")
        own = direct.get(one.name)
        ratio = own.ratio if own else mapped
        low, high = (
            (own.low, own.high)
            if own
            else (None, None)
            if spread is None
            else (max(mapped - spread, 0.0), min(mapped + spread, 1.0))
        )
        found.append(
            DistrictEstimate(
                name=one.name,
                looks=int((names == one.name).sum()),
                ratio=ratio,
                low=low,
                high=high,
                from_map=own is None,
            )
        )
    return tuple(found)


def _between(sample: Sample, direct: Mapping[str, Estimate]) -> float | None:
    """Half-width for a district without looks: the spread of (estimate - map) between the districts with looks.

    The map's mean error is included, and the estimates' own variance subtracted (DerSimonian & Laird 1986, by moments).
    """
    from scipy import stats

    if len(direct) < FEWEST_DISTRICTS:
        return None
    known = {one.name: one.map_green / one.map_land for one in sample.districts if one.map_land > 0}
    misses = np.array([one.ratio - known[name] for name, one in direct.items() if name in known])
    noise = np.array([one.se**2 for name, one in direct.items() if name in known])
    square = max(float((misses**2).mean() - noise.mean()), 0.0)
    floor = float((misses**2).mean()) / 4  # the noise is only an estimate itself
    return float(stats.t.ppf((1 + LEVEL) / 2, len(misses) - 1) * np.sqrt(max(square, floor)))


def _cover(rows: _Rows) -> dict[str, Estimate]:
    """Estimate each kind's share of the whole area."""
    everything = np.ones(len(rows.answers))
    return {
        kind: estimate_ratio(rows.looks(green=rows.share((kind,)), land=everything))
        for kind in KINDS
        if kind != "unknown" and rows.share((kind,)).any()
    }


def _map_errors(rows: _Rows) -> MapErrors:
    """Compare the map, which shows all vegetation, with the answers."""
    looks = rows.looks()
    mapped = np.array([unit.map_green for unit in rows.units])
    miss = mapped - looks.green
    squares = estimate_ratio(replace(looks, green=miss**2, land=np.ones(len(miss))))
    slope = slope_of(looks, mapped)
    return MapErrors(
        rmse=float(np.sqrt(squares.ratio)),
        rmse_low=float(np.sqrt(squares.low)),
        rmse_high=float(np.sqrt(squares.high)),
        bias=_bias(looks, miss),
        slope=slope.ratio,
        slope_low=slope.low,
        slope_high=slope.high,
        classes=_classes(rows, looks),
    )


def slope_of(looks: Looks, mapped: Floats) -> Estimate:
    """Estimate the slope of answers on map over the frame, by weighted least squares with a linearised variance.

    Source: Särndal et al. 1992, 5.10. NaN if the map is constant.
    """
    from scipy import special

    weight = (looks.weight / looks.counts)[looks.stratum]
    centred = mapped - float((weight * mapped).sum())
    spread = float((weight * centred**2).sum())
    if spread <= 0:
        nothing = float("nan")
        return Estimate(
            ratio=nothing, se=nothing, df=1, low=nothing, high=nothing, level=LEVEL, n=len(mapped), method="none"
        )
    slope = float((weight * centred * looks.green).sum()) / spread
    left = looks.green - float((weight * looks.green).sum()) - slope * centred
    variance, df = variance_of(centred * left / spread, looks)
    half = float(special.stdtrit(df, (1 + LEVEL) / 2)) * float(np.sqrt(variance))
    return Estimate(
        ratio=slope, se=float(np.sqrt(variance)), df=df, low=slope - half, high=slope + half, level=LEVEL, n=len(mapped),
        method="weighted least squares",
    )  # fmt: skip


def _bias(looks: Looks, miss: Floats) -> Estimate | None:
    """Estimate the mean of map - answer; shifted into 0-1 and back, as it may be negative."""
    halved = (miss + 1) / 2
    shifted = Looks(green=halved, land=np.ones(len(miss)), stratum=looks.stratum, weight=looks.weight)
    found = estimate_ratio(shifted)
    return Estimate(
        ratio=2 * found.ratio - 1, se=2 * found.se, df=found.df, low=2 * found.low - 1, high=2 * found.high - 1, level=found.level,
        n=found.n, method=found.method,
    )  # fmt: skip


def _classes(rows: _Rows, looks: Looks) -> Accuracy | None:
    def named(green: Floats, land: Floats) -> npt.NDArray[np.str_]:
        return np.where(
            land < 0.5, "water", np.where(green >= HALF_GREEN * np.maximum(land, 1e-9), "green", "not green")
        )

    assist = rows.map_shares()
    if looks.counts.min() < 2:
        return None
    return assess(
        StratifiedClasses(
            stratum=looks.stratum.astype(str),
            mapped=named(assist.green, assist.land),
            true=named(looks.green, looks.land),
            units={str(code): float(weight) for code, weight in enumerate(looks.weight)},
        )
    )
