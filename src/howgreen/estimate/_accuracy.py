"""Accuracy of a map from a stratified sample: areas, user's and producer's accuracy, each with its standard error.

Strata may be the map's classes (Olofsson et al. 2014, doi:10.1016/j.rse.2014.02.015) or anything else (Stehman 2014,
doi:10.1080/01431161.2014.930207): one ratio estimator of indicators serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import EstimateError
from howgreen.estimate.intervals import LEVEL, wilson

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure, its standard error and its 95 % interval; NaN if the sample has no case for it."""

    value: float
    se: float
    low: float = float("nan")
    """Wilson's interval at an effective sample size: its width is never 0, even if all looks at a class were right."""
    high: float = float("nan")


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Accuracy of a categorical map."""

    overall: Figure
    area: Mapping[str, Figure]
    """True share of the class in the frame."""
    users: Mapping[str, Figure]
    """User's accuracy: the correct share of what is mapped as the class."""
    producers: Mapping[str, Figure]
    """Producer's accuracy: the share of the true class that is mapped as such."""
    matrix: Mapping[tuple[str, str], float]
    """Share of the frame by (mapped, true) class."""


@dataclass(frozen=True, kw_only=True)
class StratifiedClasses:
    """Mapped and true class of each unit of a stratified random sample."""

    stratum: npt.NDArray[np.str_]
    """(n,) stratum of each unit."""
    mapped: npt.NDArray[np.str_]
    true: npt.NDArray[np.str_]
    units: Mapping[str, float]
    """Number of units (or area) in each stratum."""
    finite: bool = False
    """Whether ``units`` are counts small enough for a finite population correction."""


def assess(sample: StratifiedClasses) -> Accuracy:
    """Estimate areas and accuracies.

    Raises
    ------
    EstimateError
        A stratum has fewer than two looks, or unknown size.
    """
    strata = sorted(set(sample.stratum.tolist()))
    unknown = [name for name in strata if name not in sample.units]
    poor = [name for name in sample.units if int((sample.stratum == name).sum()) < 2]
    if unknown or poor:
        what = (
            f"stratum {unknown[0]}: its size is not known"
            if unknown
            else f"stratum {poor[0]}: has fewer than two looks"
        )
        raise EstimateError(f"{what}; an accuracy needs both")
    classes = sorted({*sample.mapped.tolist(), *sample.true.tolist()})
    right = (sample.mapped == sample.true).astype(float)
    everything = np.ones(len(right))
    area, users, producers, matrix = {}, {}, {}, {}
    for name in classes:
        is_true, is_mapped = (sample.true == name).astype(float), (sample.mapped == name).astype(float)
        area[name] = _ratio(is_true, everything, sample)
        users[name] = _ratio(is_true * is_mapped, is_mapped, sample)
        producers[name] = _ratio(is_true * is_mapped, is_true, sample)
        for other in classes:
            matrix[name, other] = _ratio(is_mapped * (sample.true == other), everything, sample).value
    return Accuracy(
        overall=_ratio(right, everything, sample), area=area, users=users, producers=producers, matrix=matrix
    )


def _ratio(numerator: Floats, denominator: Floats, sample: StratifiedClasses) -> Figure:
    """Estimate a ratio of two totals by Stehman's equations 27 and 28."""
    sizes = np.array(list(sample.units.values()), float)
    rows = [np.flatnonzero(sample.stratum == name) for name in sample.units]
    total_numerator = sum(size * numerator[row].mean() for size, row in zip(sizes, rows, strict=True))
    total_denominator = sum(size * denominator[row].mean() for size, row in zip(sizes, rows, strict=True))
    if total_denominator == 0:
        return Figure(value=float("nan"), se=float("nan"))
    ratio = total_numerator / total_denominator
    variance = 0.0
    for size, row in zip(sizes, rows, strict=True):
        left = 1 - len(row) / size if sample.finite else 1.0
        variance += size**2 * left * (numerator[row] - ratio * denominator[row]).var(ddof=1) / len(row)
    value, se = float(ratio), float(np.sqrt(variance) / total_denominator)
    low, high = _interval(value, se, int((denominator > 0).sum()))
    return Figure(value=value, se=se, low=low, high=high)


def _interval(value: float, se: float, looks: int) -> tuple[float, float]:
    """Compute Wilson's interval with Student's quantile, at the effective number of trials.

    If nothing varied, that is the number of looks.
    """
    from scipy import special

    varied = se > 0 and 0 < value < 1
    effective = max(value * (1 - value) / se**2, 1.0) if varied else float(looks)
    return wilson(value, effective, quantile=float(special.stdtrit(max(looks - 1, 1), (1 + LEVEL) / 2)))
