"""How often a trend test cries wolf on short yearly series without any trend: the table of ``docs/trend.md``.

``python benchmarks/trend_alarms.py`` prints it, from 1,000 seeded series a cell (a minute). White noise, and years that resemble the
one before (first-order autoregression, 0.6). The variants are those that are in use: the plain test of Mann and Kendall, its
variance corrected by Hamed and Rao (1998) and by Yue and Wang (2004), and trend-free pre-whitening (Yue et al. 2002).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from howgreen.trend import fit, mann_kendall, theil_sen

Series = NDArray[np.float64]
SERIES, SEED, LEVEL = 1000, 20260, 0.05
LENGTHS = (8, 12, 30)


def plain(values: Series) -> bool:
    """Test by Mann and Kendall."""
    return mann_kendall(values).p < LEVEL


def _corrected(values: Series, factor: float) -> bool:
    found = mann_kendall(values)
    if factor <= 0:
        return found.s != 0  # a variance of nothing: the correction has no answer, and programs that go on say "trend"
    variance = found.variance * factor
    z = 0.0 if found.s == 0 else (found.s - math.copysign(1, found.s)) / math.sqrt(variance)
    return float(2 * norm.sf(abs(z))) < LEVEL


def _detrended(values: Series) -> Series:
    years = np.arange(len(values), dtype=float)
    return values - theil_sen(years, values).slope * years


def _autocorrelation(values: Series) -> Series:
    """By lag from 0."""
    around = values - values.mean()
    total = float((around**2).sum())
    return np.array([float((around[: len(values) - lag] * around[lag:]).sum()) / total for lag in range(len(values))])


def hamed_rao(values: Series) -> bool:
    """Correct the variance by the autocorrelations of the ranks that are significant."""
    n = len(values)
    found = _autocorrelation(rankdata(_detrended(values)))
    bound = norm.ppf(1 - LEVEL / 2) / math.sqrt(n)
    lags = [lag for lag in range(1, n) if abs(found[lag]) > bound]
    total = sum((n - lag) * (n - lag - 1) * (n - lag - 2) * found[lag] for lag in lags)
    return _corrected(values, 1 + 2 / (n * (n - 1) * (n - 2)) * total)


def yue_wang(values: Series) -> bool:
    """Correct the variance by all autocorrelations of what is left of the trend."""
    n = len(values)
    found = _autocorrelation(_detrended(values))
    return _corrected(values, 1 + 2 * sum((1 - lag / n) * found[lag] for lag in range(1, n)))


def pre_whitened(values: Series) -> bool:
    """Take the trend out, then the likeness of neighbours, put the trend back, and test."""
    years = np.arange(len(values), dtype=float)
    slope = theil_sen(years, values).slope
    left = values - slope * years
    likeness = _autocorrelation(left)[1]
    return plain(left[1:] - likeness * left[:-1] + slope * years[1:])


def ours(values: Series) -> bool:
    """Say what ``howgreen trend`` says."""
    return fit(range(len(values)), values.tolist()).verdict.endswith("green")


TESTS: dict[str, Callable[[Series], bool]] = {
    "Mann–Kendall": plain,
    "Hamed–Rao": hamed_rao,
    "Yue–Wang": yue_wang,
    "pre-whitened (TFPW)": pre_whitened,
    "`howgreen trend`": ours,
}


def series(n: int, likeness: float, random: np.random.Generator) -> Series:
    """Draw a series without a trend whose years resemble the one before."""
    noise = random.normal(0, 1, n + 50)
    values = np.zeros(n + 50)
    for year in range(1, n + 50):
        values[year] = likeness * values[year - 1] + noise[year]
    return values[50:]


def table(count: int = SERIES) -> str:
    """Count false alarms, in percent, and lay them out as Markdown."""
    head = [f"{name}, {n} years" for name in ("independent", "alike (0.6)") for n in LENGTHS]
    rows = [["test", *head], ["---", *["---:"] * len(head)]]
    alarms = {name: [] for name in TESTS}
    for likeness in (0.0, 0.6):
        for n in LENGTHS:
            random = np.random.default_rng([SEED, n, int(10 * likeness)])
            drawn = [series(n, likeness, random) for _ in range(count)]
            for name, test in TESTS.items():
                alarms[name].append(f"{100 * sum(map(test, drawn)) / count:.0f}")
    rows += [[name, *cells] for name, cells in alarms.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    print(table())
