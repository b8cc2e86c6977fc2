"""Means and their standard errors where neighbours err together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from howgreen.training.spectra import Array


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
