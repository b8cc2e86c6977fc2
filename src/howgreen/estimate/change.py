"""From interpretations of two dates to the area lost and gained, with an interval.

The strata come from a map of the change, the truth from people. Areas are stratified means of the shares of a unit's
dots; their standard errors are those of Olofsson et al. 2014 (doi:10.1016/j.rse.2014.02.015, equations 9 to 11), where
each unit has one class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import EstimateError
from howgreen.estimate._accuracy import Figure, StratifiedClasses, assess
from howgreen.estimate.answers import CHANGED_KINDS, Agreement, Answer, agreement, in_order
from howgreen.estimate.evaluate import finite
from howgreen.estimate.frame import ChangeFrame
from howgreen.estimate.intervals import LEVEL
from howgreen.estimate.sample import Sample

Floats = npt.NDArray[np.float64]

KINDS = ("lost", "gained", "kept", "neither")
FEWEST_IN_STRATUM = 5


@dataclass(frozen=True, kw_only=True)
class AreaEstimate:
    """An area with its interval."""

    area_m2: float
    low_m2: float
    high_m2: float
    se_m2: float
    df: float


@dataclass(frozen=True, kw_only=True)
class ChangeEvaluation:
    """All results of a sample of change and its answers."""

    areas: Mapping[str, AreaEstimate]
    """By kind, and ``net``: gained - lost."""
    mapped_m2: Mapping[str, float]
    """Area mapped as the kind."""
    users: Mapping[str, Figure]
    """User's accuracy: of what is mapped as lost or gained, the correct share (a unit's class is that of most of its
    dots)."""
    producers: Mapping[str, Figure]
    """Producer's accuracy: of what is lost or gained, the share mapped as such."""
    unseen_m2: float
    """Upper bound, at the same level, on further change in strata where the map has none and nobody found any."""
    looked: int
    readers: tuple[str, ...]
    skipped: tuple[int, ...]
    agreement: Agreement | None
    level: float
    unknown_share: float
    """Share of all dots that are unknown; they are left out, as if they resembled the rest."""
    bounds_m2: Mapping[str, tuple[float, float]]
    """Areas lost and gained if no unknown dot were changed, and if all were, each with its interval; empty if every dot
    was identified."""


def evaluate_change(sample: Sample, answers: Sequence[Answer]) -> ChangeEvaluation:
    """Estimate the areas of change.

    Raises
    ------
    EstimateError
        The sample is of one date, or a stratum has too few answers.
    """
    change = of_change(sample)
    readings = in_order(answers)
    told = [one for _, one in sorted(readings.first.items()) if one.known]
    stratum = np.array([sample.units[one.unit - 1].stratum for one in told], np.intp)
    _check(stratum, change)
    shares = {kind: np.array([one.share((kind,)) for one in told]) for kind in KINDS}
    values = {**shares, "net": shares["gained"] - shares["lost"]}
    accuracy = assess(_classes(sample, stratum, shares))
    names, weights = change.strata, np.array(sample.weights)
    last = max(one.unit for one in told)
    return ChangeEvaluation(
        areas={kind: _area(value, stratum, sample) for kind, value in values.items()},
        mapped_m2={
            kind: float(weights[names.index(kind)] * change.area_m2)
            if kind in names
            else change.small_m2.get(kind, 0.0)
            for kind in CHANGED_KINDS
        },
        users={kind: accuracy.users[kind] for kind in CHANGED_KINDS if kind in accuracy.users},
        producers={kind: accuracy.producers[kind] for kind in CHANGED_KINDS if kind in accuracy.producers},
        unseen_m2=_unseen(shares, stratum, sample),
        looked=len(told),
        readers=readings.readers,
        skipped=tuple(n for n in range(1, last) if n not in readings.first),
        agreement=agreement(readings, CHANGED_KINDS),
        level=LEVEL,
        **_untold(sample, [one for _, one in sorted(readings.first.items())]),
    )


def _untold(sample: Sample, looks: Sequence[Answer]) -> dict[str, Any]:
    """Bound the areas for the unknown dots."""
    unknown = np.array([one.share(("unknown",), unknown_as=0.0) for one in looks])
    if not unknown.any():
        return {"unknown_share": 0.0, "bounds_m2": {}}
    stratum = np.array([sample.units[one.unit - 1].stratum for one in looks], np.intp)
    bounds = {}
    for kind in CHANGED_KINDS:
        found = np.array([one.share((kind,), unknown_as=0.0) for one in looks])
        least, most = (_area(values, stratum, sample) for values in (found, found + unknown))
        bounds[kind] = (least.low_m2, most.high_m2)
    return {"unknown_share": float(unknown.mean()), "bounds_m2": bounds}


def of_change(sample: Sample) -> ChangeFrame:
    """Return the frame of a sample of two dates; EstimateError for a sample of one date."""
    if sample.change is None:
        raise EstimateError("the sample is of one date: draw one of two with `howgreen sample --change`")
    return sample.change


def _check(stratum: npt.NDArray[np.intp], change: ChangeFrame) -> None:
    for number, name in enumerate(change.strata):
        found = int((stratum == number).sum())
        if found < FEWEST_IN_STRATUM:
            raise EstimateError(
                f"stratum {name!r}: has {found} looks, and each needs {FEWEST_IN_STRATUM}; look at more places, in the file's order"
            )


def _area(values: Floats, stratum: npt.NDArray[np.intp], sample: Sample) -> AreaEstimate:
    """Estimate one area: a stratified mean, with Student's interval by Satterthwaite's degrees of freedom.

    If most of a stratum is of the kind, the variance of its answers is at least that with half a look different: twenty
    nearly equal looks understate it, and no interval may have width 0.
    """
    from scipy import special

    change = of_change(sample)
    mean, parts, counts = 0.0, [], []
    for number, weight in enumerate(sample.weights):
        of = values[stratum == number]
        spread, other = float(of.var(ddof=1)), 0.5 / (len(of) + 1)
        if abs(of.mean()) >= 0.5:
            spread = max(spread, other * (1 - other))
        mean += weight * float(of.mean())
        parts.append(weight**2 * spread / len(of))
        counts.append(len(of))
    variance = float(sum(parts))
    freedom = sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
    df = float(np.clip(variance**2 / freedom, 1, sum(counts) - len(counts))) if freedom > 0 else float(sum(counts))
    half = float(special.stdtrit(df, (1 + LEVEL) / 2)) * variance**0.5
    least = -1.0 if (values < 0).any() else 0.0
    area = change.area_m2
    return AreaEstimate(
        area_m2=mean * area, low_m2=max(mean - half, least) * area, high_m2=min(mean + half, 1.0) * area,
        se_m2=variance**0.5 * area, df=df,
    )  # fmt: skip


def _unseen(shares: Mapping[str, Floats], stratum: npt.NDArray[np.intp], sample: Sample) -> float:
    """Bound the change nobody found where the map has none: of n looks without any, at most 1 - (1 - LEVEL)^(1/n)."""
    change = of_change(sample)
    found = shares["lost"] + shares["gained"]
    share = 0.0
    for number, name in enumerate(change.strata):
        here = found[stratum == number]
        if name not in CHANGED_KINDS and not here.any():
            share += sample.weights[number] * (1 - (1 - LEVEL) ** (1 / len(here)))
    return share * change.area_m2


def _classes(sample: Sample, stratum: npt.NDArray[np.intp], shares: Mapping[str, Floats]) -> StratifiedClasses:
    """Classify each unit as lost, gained or unchanged: by the map, and by most of its dots."""
    strata = of_change(sample).strata
    names = np.array(strata)[stratum]
    true = np.where(shares["lost"] >= 0.5, "lost", np.where(shares["gained"] >= 0.5, "gained", "unchanged"))
    return StratifiedClasses(
        stratum=names,
        mapped=np.where(np.isin(names, CHANGED_KINDS), names, "unchanged"),
        true=true,
        units=dict(zip(strata, sample.weights, strict=True)),
    )


def change_to_json(sample: Sample, found: ChangeEvaluation) -> dict[str, Any]:
    """Return everything as plain values, with the design."""
    plain, change = asdict(found), of_change(sample)
    told: dict[str, Any] = finite({
        "format": "howgreen change estimate 1",
        "place": sample.place,
        "sample": {
            "sha256": sample.sha256, "seed": sample.seed, "dots": sample.dots, "strata": change.strata,
            "strata_weights": sample.weights, "drawn": len(sample.units), "area_m2": change.area_m2,
            "before": change.before, "after": change.after, "estimator": sample.estimator,
        },
        **plain,
    })  # fmt: skip
    return told
