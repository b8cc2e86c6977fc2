"""Means and their standard errors where neighbours err together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howgreen.training.spectra import Array

_SEED, _DRAWS = 15, 500


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean with its standard error."""

    mean: float
    standard_error: float
    """NaN where there is a single cluster."""
    n: int
    clusters: int


def clustered_mean(values: Array, cluster: npt.NDArray[np.int_] | None = None) -> Mean:
    """Average values (n,) and give the error of that average, with all values of a cluster moving together.

    The sandwich estimator for a mean (Liang & Zeger 1986, Biometrika 73: 13) with the factor G / (G - 1) for G clusters. Without
    clusters every value is one of its own.
    """
    label = np.arange(len(values)) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    mean, groups = float(np.mean(values)), int(label.max()) + 1
    moved = np.bincount(label, weights=values - mean)
    error = float(np.sqrt(groups / (groups - 1) * np.sum(moved**2)) / len(values)) if groups > 1 else float("nan")
    return Mean(mean=mean, standard_error=error, n=len(values), clusters=groups)


def jackknifed_mean(values: Array, members: npt.NDArray[np.int_]) -> Mean:
    """Average values (n,), each made of several clusters (n, k), and give its error by leaving one cluster out after the other.

    A mixture of two pixels moves with the polygons of both; the delete-one jackknife (Efron & Stein 1981, Ann. Statist. 9: 586)
    asks nothing about how.
    """
    known, label = np.unique(members, return_inverse=True)
    # A value that holds a cluster twice is left out once.
    label = np.sort(label.reshape(members.shape), axis=1)
    first = np.diff(label, axis=1, prepend=-1) > 0
    spread = np.broadcast_to(values[:, None], label.shape)
    total = np.bincount(label[first], weights=spread[first], minlength=len(known))
    count = np.bincount(label[first], minlength=len(known))
    left = len(values) - count
    without = (values.sum() - total)[left > 0] / left[left > 0]
    groups = len(without)
    error = (
        float(np.sqrt((groups - 1) / groups * np.sum((without - without.mean()) ** 2))) if groups > 1 else float("nan")
    )
    return Mean(mean=float(np.mean(values)), standard_error=error, n=len(values), clusters=len(known))


def bootstrapped_error(statistic: Callable[[Array], float], members: npt.NDArray[np.int_]) -> float:
    """Give the standard error of any figure of values (n,) by drawing their clusters anew, always the same draws.

    Of G clusters, G - 1 are drawn with replacement, which makes the variance of a mean right without a factor (Rao & Wu 1988, J. Am.
    Statist. Assoc. 83: 231). Values made of clusters of several kinds, a plant over a roof, weigh by the product of how often each was
    drawn (the pigeonhole bootstrap, Owen 2007, Ann. Appl. Statist. 1: 386), which errs on the wide side. That of a largest value is rough.

    Parameters
    ----------
    statistic
        From weights (n,) to the figure; draws whose figure is not finite are left out.
    members
        (n,) cluster of each value, or (n, k): a column for each kind of cluster.

    Returns
    -------
    float
        NaN where a kind has a single cluster.
    """
    columns = members.reshape(len(members), -1).T
    labels = [np.unique(column, return_inverse=True)[1] for column in columns]
    counts = [int(label.max()) + 1 for label in labels]
    if min(counts) < 2:
        return float("nan")
    rng, figures = np.random.default_rng(_SEED), []
    for _ in range(_DRAWS):
        drawn = [rng.multinomial(count - 1, np.full(count, 1 / count)) for count in counts]
        weights = np.prod([times[label] for times, label in zip(drawn, labels, strict=True)], axis=0).astype(float)
        if weights.any() and np.isfinite(figure := statistic(weights)):
            figures.append(figure)
    return float(np.std(figures, ddof=1))
