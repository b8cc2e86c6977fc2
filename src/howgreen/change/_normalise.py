"""Normalise one image to the radiometry of another by invariant pixels.

Invariant pixels are found by iteratively re-weighted multivariate alteration detection (IR-MAD, Nielsen 2007, IEEE
Trans. Image Processing 16: 463): canonical correlation finds the most correlated pairs of band combinations; the sum of
squared, standardised differences is chi-squared where nothing changed; its probability is the weight in the next
iteration. The lines are orthogonal regressions over the pixels most probably unchanged (Canty & Nielsen 2008, Remote
Sens. Environ. 112: 1025).

It is preferred to a regression on all pixels, which is biased by changed ones, and to manually picked dark and bright
targets, which nobody is there to pick; and it does not depend on the gains and offsets it is to find. It removes
whatever differs uniformly between the two images: haze, sun, and also a seasonal change that all vegetation shares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from howgreen.core.change import Normalisation

Floats = NDArray[np.float64]

UNCHANGED = 0.5
"""Probability of no change from which a pixel is invariant. For whole scenes 95 % leaves enough pixels; for a city's
sample, too few."""
LEAST_INVARIANT = 100
"""Fewest pixels to fit a line."""
LEAST_CORRELATION = 0.8
"""Least correlation of a band over the invariant pixels: below it they do not lie on a line."""
MOST_ROUNDS, SETTLED = 50, 1e-4
GAINS = (0.5, 2.0)
"""Gains outside this range are not radiometric."""


def normalise(before: Floats, after: Floats, *, bands: Sequence[str]) -> Normalisation:
    """Find gains and offsets that normalise ``after`` to ``before``.

    Parameters
    ----------
    before, after
        (n, band) reflectance of the same pixels.
    bands
        Their names.

    Returns
    -------
    Normalisation
        ``applied`` is False, gains are 1 and offsets 0, if too few pixels are invariant.
    """
    count = len(before)
    weight = no_change(before, after) if count > LEAST_INVARIANT else np.zeros(count)
    chosen = weight > UNCHANGED
    lines = (
        [_line(after[chosen, band], before[chosen, band]) for band in range(len(bands))]
        if chosen.sum() >= LEAST_INVARIANT
        else []
    )
    fit = bool(lines) and all(line is not None for line in lines)
    found = [line for line in lines if line is not None] if fit else [(1.0, 0.0)] * len(bands)
    return Normalisation(
        bands=tuple(bands),
        gains=tuple(gain for gain, _ in found),
        offsets=tuple(offset for _, offset in found),
        invariant=int(chosen.sum()),
        tried=count,
        applied=fit,
    )


def no_change(before: Floats, after: Floats) -> Floats:
    """Compute the probability (n,) of no change by IR-MAD; zeros if the bands have no variance to compare."""
    from scipy import linalg, stats

    bands = before.shape[1]
    both = np.concatenate([before, after], axis=1)
    weight, last = np.ones(len(both)), np.zeros(bands)
    for _ in range(MOST_ROUNDS):
        mean = np.average(both, axis=0, weights=weight)
        centred = both - mean
        covariance = (centred * weight[:, None]).T @ centred / weight.sum()
        one, two, cross = covariance[:bands, :bands], covariance[bands:, bands:], covariance[:bands, bands:]
        try:
            values, a = linalg.eigh(cross @ linalg.solve(two, cross.T, assume_a="pos"), one)
        except (linalg.LinAlgError, ValueError):
            return np.zeros(len(both))
        correlation = np.sqrt(np.clip(values, 0, 1 - 1e-9))
        b = linalg.solve(two, cross.T @ a, assume_a="pos")
        b /= np.sqrt(np.maximum(np.einsum("ij,ik,kj->j", b, two, b), 1e-30))
        variates = centred[:, :bands] @ a - centred[:, bands:] @ b
        chi2 = np.sum(variates**2 / np.maximum(2 * (1 - correlation), 1e-12), axis=1)
        weight = stats.chi2.sf(chi2, bands)
        if weight.sum() < LEAST_INVARIANT / 2:
            return np.zeros(len(both))
        if np.max(np.abs(correlation - last)) < SETTLED:
            break
        last = correlation
    return np.asarray(weight)


def _line(x: Floats, y: Floats) -> tuple[float, float] | None:
    """Gain and offset of the orthogonal regression of y on x; None if the points do not lie on a line."""
    (xx, xy), (_, yy) = np.cov(x, y)
    if min(xx, yy) <= 0 or xy / np.sqrt(xx * yy) < LEAST_CORRELATION:
        return None
    gain = (yy - xx + np.sqrt((yy - xx) ** 2 + 4 * xy**2)) / (2 * xy)
    if not GAINS[0] <= gain <= GAINS[1]:
        return None
    return float(gain), float(y.mean() - gain * x.mean())
