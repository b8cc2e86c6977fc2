"""From a sample and its answers to everything that can be said: the ratio, its readers, its districts, its kinds, and the map's own errors."""

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
    LEVEL,
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
from howgreen.estimate.sample import Sample

Floats = npt.NDArray[np.float64]

SHOWN_FROM = 20
SHOWN_FROM_STRATIFIED = 30
FEWEST_SHOWN_IN_STRATUM = 5
RESIZED_FROM = 30
"""Looks from which the spread of the answers sizes the sample anew."""
WIDTHS = (5, 3, 2)
"""Half-widths in points that a sample is sized for then."""
READER_ERRORS = (0.02, 0.05, 0.10)
"""Errors of a reader, either way, for the table of what they would do."""
FEWEST_DISTRICTS = 3
"""Districts with an estimate of their own, from which the spread between districts can be told."""


@dataclass(frozen=True, kw_only=True)
class DistrictEstimate:
    """The green ratio of a district."""

    name: str
    looks: int
    ratio: float
    low: float | None
    """None where no interval can be given."""
    high: float | None
    from_map: bool
    """True where too few looks fell into it: the ratio is the map's, the interval the spread between districts."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What the ratio could be if all dots that nobody could tell were bare, or all green."""

    unknown_share: float
    """Of all dots."""
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ReaderError:
    """What the ratio would be if readers erred this often either way."""

    error: float
    ratio: float


@dataclass(frozen=True, kw_only=True)
class MapErrors:
    """How the map does at the looked-at units."""

    rmse: float
    """Of the green share of a unit, the answers' own scatter included."""
    rmse_low: float
    rmse_high: float
    bias: Estimate | None
    """Map less answer, over the frame; its ``ratio`` is the bias."""
    slope: float
    """Of answers on map, weighted: above 1 where the map pulls towards the middle."""
    slope_low: float
    slope_high: float
    classes: Accuracy | None
    """Green (at least half), not green and water; None where a stratum has too few looks."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All that a sample and its answers say."""

    counted: str
    """What counts as green: a key of :data:`howgreen.estimate.answers.COUNTED`."""
    headline: Estimate
    """Of the land; assisted by the map, as the sample was designed for, where all vegetation is counted."""
    plain: Estimate
    """Without the map."""
    by_regression: Estimate | None
    """By regression on the map, to lay beside the headline; None where the map does not show what is counted, or says the same everywhere."""
    of_total: Estimate
    """Of everything inside the limits, water included; without the map."""
    definitions: Mapping[str, Estimate]
    """Of the land, by what can be counted: the headline among them."""
    two_phase: Estimate | None
    """Free of the readers' errors, where enough answers were agreed on."""
    corrected: Corrected | None
    """By the reader's error rates, where enough dots were agreed on one by one."""
    agreement: Agreement | None
    bounds: Bounds | None
    """None where every dot was told."""
    reader_errors: tuple[ReaderError, ...]
    districts: tuple[DistrictEstimate, ...]
    cover: Mapping[str, Estimate]
    """Share of the whole area by kind."""
    map_errors: MapErrors
    looked: int
    """Units with an answer."""
    skipped: tuple[int, ...]
    """Units without one that come before others that have: looking was not in order."""
    untold: tuple[int, ...]
    """Units of which nobody could tell a single dot: they are left out."""
    readers: tuple[str, ...]
    systematic: bool
    """A systematic sample's interval is conservative: see :func:`howgreen.estimate.frame.systematic_effect`."""
    looks_in_all: Mapping[int, int]
    """By half-width in points: looks in all that would bring the headline's interval to it; empty before :data:`RESIZED_FROM` looks."""


def evaluate(sample: Sample, answers: Sequence[Answer], *, count: str = "vegetation") -> Evaluation:
    """Estimate all there is to estimate.

    Parameters
    ----------
    count
        What counts as green: a key of :data:`howgreen.estimate.answers.COUNTED`. The map knows all vegetation only: where less is
        counted, it helps by its strata alone.

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
    """Estimate by regression, where the map shows what is counted and does not say the same of all places."""
    if assist is None or not np.ptp(assist.green) > 0:
        return None
    return estimate_by_regression(looks, assist)


def _resized(headline: Estimate) -> dict[int, int]:
    """Size the sample anew by what was read; a width that would take too many looks is left out."""
    if headline.n < RESIZED_FROM or not headline.se > 0:
        return {}
    found = {}
    for points in WIDTHS:
        with suppress(EstimateError):
            found[points] = looks_in_all(points / 100, headline.n, headline.se)
    return found


def share_of_area(sample: Sample, answers: Sequence[Answer], kinds: Sequence[str]) -> Estimate:
    """Estimate the share of the whole area, water in it, that is of some kinds (of :data:`howgreen.estimate.answers.KINDS`).

    Raises
    ------
    EstimateError
        As :func:`evaluate`.
    """
    rows = _Rows(sample, {unit: one for unit, one in in_order(answers).first.items() if one.known})
    return estimate_ratio(rows.looks(green=rows.share(kinds), land=np.ones(len(rows.answers))))


def may_show(sample: Sample, answers: Sequence[Answer]) -> bool:
    """Whether an interval may be shown to a person who is still looking, who may then stop.

    Stopping at a wanted width keeps the interval true from the 20th look on, the 30th with strata, and not while a stratum has fewer
    than five looks or all answers are alike (simulated, 800 runs a cell; earlier, a lucky run of equal answers stops at once).
    """
    told = {one.unit: one for one in answers if one.known}
    if len(told) < (SHOWN_FROM_STRATIFIED if len(sample.weights) > 1 else SHOWN_FROM):
        return False
    counts = np.bincount([sample.units[unit - 1].stratum for unit in told], minlength=len(sample.weights))
    shares = {one.share(GREEN_KINDS) for one in told.values()}
    return bool(counts.min() >= (FEWEST_SHOWN_IN_STRATUM if len(sample.weights) > 1 else 1)) and len(shares) > 1


def to_json(sample: Sample, found: Evaluation) -> dict[str, Any]:
    """Give everything as plain values, with the design that a statistician needs to do it again."""
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
    if classes is not None:  # pairs are no keys of JSON
        matrix = [{"mapped": a, "true": b, "share": share} for (a, b), share in classes.matrix.items()]
        plain["map_errors"]["classes"]["matrix"] = matrix
    finite: dict[str, Any] = _finite({**record, **plain})
    return finite


def _finite(value: Any) -> Any:
    """NaN and infinity are no JSON: null stands for them."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


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
            raise EstimateError("answers: none that tells a dot; look at places with `howgreen label` first")
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
    """Estimate by one definition of green, helped by the map where it maps just that."""
    assist = rows.map_shares() if rows.green_kinds == GREEN_KINDS else None
    return estimate_ratio(rows.looks(), assist)


def _agreed(rows: _Rows, readings: Readings) -> dict[int, tuple[Answer, float]] | None:
    """Give each agreed answer, and how many of the units that were read twice it stands for; None where they are too few to tell."""
    twice = [unit for unit in readings.second if unit in rows.position]
    found = agreement(readings)
    gold = {unit: one for unit, one in readings.gold.items() if unit in twice and one.known}
    if found is None or len(gold) < FEWEST:
        return None
    apart = set(found.disagreements)
    if not apart <= set(gold):
        return None  # a disagreement that was not settled cannot be left out: it is where the reader erred
    alike, again = [u for u in twice if u not in apart], [u for u in gold if u not in apart]
    if not again:
        return None
    return {unit: (one, 1.0 if unit in apart else len(alike) / len(again)) for unit, one in gold.items()}


def _two_phase(rows: _Rows, readings: Readings, looks: Looks, assist: MapShares | None) -> Estimate | None:
    """Estimate with the agreed answers, where there are enough."""
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
    """Compare the first reader's dots with the agreed ones, dot by dot, where both were told one by one."""
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
    """Give the ratio with all unknown dots bare, and with all of them green."""
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
    """Estimate each district; one with few looks by the map, and not at all where the map does not know what is counted."""
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
    """Half-width for a district nobody looked at: the spread of (estimate - map) between those that were looked at.

    The map's mean miss counts, and the estimates' own variance is taken off (DerSimonian & Laird 1986, by moments).
    """
    from scipy import stats

    if len(direct) < FEWEST_DISTRICTS:
        return None
    known = {one.name: one.map_green / one.map_land for one in sample.districts if one.map_land > 0}
    misses = np.array([one.ratio - known[name] for name, one in direct.items() if name in known])
    noise = np.array([one.se**2 for name, one in direct.items() if name in known])
    square = max(float((misses**2).mean() - noise.mean()), 0.0)
    floor = float((misses**2).mean()) / 4  # the noise is itself only estimated
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
    """Compare the map, which shows all vegetation, with the looks."""
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
    """Estimate the slope of answers on map over the frame, by weighted least squares with a linearised variance (Särndal et al. 1992, 5.10).

    NaN where the map says the same everywhere.
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
    """Estimate the mean of map - answer; shifted into 0-1 and back, for it may be below 0."""
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
