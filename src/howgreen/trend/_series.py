"""Join the years of several satellites into one series, by the years in which both observed the same place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from howgreen.core.trends import Join, Point, Trend, YearAnswer
from howgreen.trend._statistics import fit

FEWEST_SHARED = 3
"""Years two satellites must share to be joined: the shift between them and its error are estimated from these alone."""


def join(older: Sequence[YearAnswer], newer: Sequence[YearAnswer]) -> Join | None:
    """Estimate the shift between two satellite families from shared years; None if fewer than FEWEST_SHARED."""
    first, second = ({one.year: one for one in answers} for answers in (older, newer))
    years = sorted(first.keys() & second.keys())
    if len(years) < FEWEST_SHARED:
        return None
    steps = np.array([second[year].ratio - first[year].ratio for year in years])
    return Join(
        older=older[0].series, newer=newer[0].series, years=tuple(years), shift=float(steps.mean()),
        se=float(steps.std(ddof=1) / math.sqrt(len(steps))),
    )  # fmt: skip


def trend_of(answers: Sequence[YearAnswer], order: Sequence[str]) -> Trend:
    """Join the answers of several satellite families and fit a line.

    Parameters
    ----------
    answers
        In any order; if two families cover a year, the newer one counts.
    order
        The families, oldest first. The newest sets the level; a family that shares too few years with the next is
        dropped, and so are those before it.

    Raises
    ------
    ValueError
        Fewer than two years are left.
    """
    by_series = {name: sorted((a for a in answers if a.series == name), key=lambda a: a.year) for name in order}
    there = [name for name in order if by_series[name]]
    shifts: dict[str, tuple[float, tuple[Join, ...]]] = {}
    unjoined: dict[str, int] = {}
    if there:
        shifts[there[-1]] = (0.0, ())
    for older, newer in zip(there[-2::-1], there[:0:-1], strict=True):
        found = join(by_series[older], by_series[newer])
        if newer not in shifts or found is None:
            unjoined[older] = len({a.year for a in by_series[older]} & {a.year for a in by_series[newer]})
            continue
        total, joins = shifts[newer]
        shifts[older] = (total + found.shift, (*joins, found))
    points: dict[int, Point] = {}
    for name in there:  # a newer family replaces the year
        if name in shifts:
            points |= {a.year: Point(answer=a, value=a.ratio + shifts[name][0]) for a in by_series[name]}
    ordered = [points[year] for year in sorted(points)]
    if len(ordered) < 2:
        raise ValueError("a trend takes two years at least")
    joins = tuple(dict.fromkeys(one for _, chain in shifts.values() for one in chain))
    steps = [(one.se, np.array([one in shifts[point.answer.series][1] for point in ordered])) for one in joins]
    used = {id(point.answer) for point in ordered}
    return Trend(
        points=tuple(ordered),
        joins=joins,
        fit=fit([p.answer.year for p in ordered], [p.value for p in ordered], step_se=steps),
        left_out=tuple(a for a in answers if id(a) not in used),
        unjoined=unjoined,
    )
