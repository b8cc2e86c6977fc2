"""Means and their standard errors for spatially clustered errors."""

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
    """NaN with a single cluster."""
    n: int
    clusters: int


def clustered_mean(values: Array, cluster: npt.NDArray[np.int_] | None = None) -> Mean:
    """Average values (n,), with the clustered standard error of the mean.

    This is the sandwich estimator for a mean (Liang & Zeger 1986, Biometrika 73: 13) with the factor G / (G - 1) for G
    clusters. Without clusters every value is its own.
    """
    label = np.arange(len(values)) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    mean, groups = float(np.mean(values)), int(label.max()) + 1
    moved = np.bincount(label, weights=values - mean)
    error = float(np.sqrt(groups / (groups - 1) * np.sum(moved**2)) / len(values)) if groups > 1 else float("nan")
    return Mean(mean=mean, standard_error=error, n=len(values), clusters=groups)


def jackknifed_mean(values: Array, members: npt.NDArray[np.int_]) -> Mean:
    """Average values (n,), each made from several clusters (n, k), with a delete-one-cluster standard error.

    A mixture of two pixels depends on the polygons of both; the delete-one jackknife (Efron & Stein 1981, Ann. Statist.
    9: 586) needs no model of that.
    """
    known, label = np.unique(members, return_inverse=True)
    # A value that contains a cluster twice is left out once.
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
    """Estimate the standard error of any figure of values (n,) by resampling their clusters, with fixed draws.

    Of G clusters, G - 1 are drawn with replacement, which makes the variance of a mean unbiased without a factor (Rao &
    Wu 1988, J. Am. Statist. Assoc. 83: 231). Values made from clusters of several kinds, a plant over a roof, are
    weighted by the product of the numbers of draws (the pigeonhole bootstrap, Owen 2007, Ann. Appl. Statist. 1: 386),
    which is conservative. For a largest value it is rough.

    Parameters
    ----------
    statistic
        From weights (n,) to the figure; draws with a non-finite figure are left out.
    members
        (n,) cluster of each value, or (n, k): a column for each kind of cluster.

    Returns
    -------
    float
        NaN if a kind has a single cluster.
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
