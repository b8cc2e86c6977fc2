"""Calibration of a model's predicted standard errors, against mixtures with known shares.

Pure pixels of a real city are mixed by us: their spectra are real and their shares exact; only the physical mixing of
light between neighbours is missing. Real pixels train nothing here but one number, the factor on all standard errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from howgreen.training.evaluate import Z_95, Reference
from howgreen.training.spectra import Array

LEVEL = 0.95
NONE = -1
"""No class: nothing is excluded from a mixture."""
_PIXELS = 20_000
_SEED = 5

Tell = Callable[[Array], tuple[Array, Array]]
"""From reflectance (n, band), bands in the model's order, to green fraction (n,) and its standard error (n,)."""


def cities_of(references: Sequence[Reference]) -> dict[str, Reference]:
    """Group pure pixels by city."""
    found = {}
    for reference in references:
        group = np.array(reference.group)
        for city in sorted(set(reference.group)):
            found[city] = reference.only(group == city)
    return found


def real_mixtures(city: Reference, *, count: int = _PIXELS) -> Reference:
    """Mix two or three pure pixels of one city, with all classes equally often, including water."""
    return traced_mixtures(city, count=count)[0]


def traced_mixtures(
    city: Reference, *, without: int = NONE, count: int = _PIXELS
) -> tuple[Reference, npt.NDArray[np.int_]]:
    """Mix pure pixels of one city, excluding a class ``without``; return each mixture's polygons (n, 3) too."""
    codes = np.array([], int) if city.code is None else city.code
    picked, weight = blends(codes, without=without, count=count, rng=np.random.default_rng(_SEED))
    mixed = Reference(reflectance=np.einsum("np,npb->nb", weight, city.reflectance[picked]), bands=city.bands,
                      green=(weight * city.green[picked]).sum(axis=1), group=(city.group[0],) * count)  # fmt: skip
    polygon = np.arange(len(codes)) if city.cluster is None else city.cluster
    # A third pixel with zero share counts as the first one's polygon.
    return mixed, np.where(weight > 0, polygon[picked], polygon[picked[:, :1]])


def blends(
    codes: npt.NDArray[np.int_], *, without: int, count: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int_], Array]:
    """Draw indices of three pixels (count, 3) and their shares in each mixture; mostly the third has none."""
    classes = [np.flatnonzero(codes == code) for code in np.unique(codes) if code != without]
    which = rng.integers(0, len(classes), (count, 3))
    picked = np.array([[rng.choice(classes[number]) for number in row] for row in which])
    weight = rng.dirichlet((0.7, 0.7, 0.35), count)
    weight[rng.random(count) < 0.6, 2] = 0
    return picked, np.asarray(weight / weight.sum(axis=1, keepdims=True))


def factor(missed: Array, told: Array) -> float:
    """Find the factor on standard errors that puts 95 % of the errors within 1.96 of them."""
    return float(np.quantile(np.abs(missed) / told, LEVEL) / Z_95)


def held(missed: Array, told: Array) -> float:
    """Share of errors within 1.96 standard errors."""
    return float(np.mean(np.abs(missed) <= Z_95 * told))


def judged(tell: Tell, bands: Sequence[str], references: Sequence[Reference]) -> tuple[float, dict[str, float]]:
    """Return the factor required by all real cities together, and figures for a card.

    They state how many mixtures of each city are covered with the factor from the other cities
    (``uncertainty_<city>_held``, nominally 95 %).
    """
    pairs = {}
    for city, pure in cities_of(references).items():
        mixed = real_mixtures(pure)
        green, told = tell(mixed.columns(bands))
        pairs[city] = (green - mixed.green, told)
    figures = {}
    for city, (missed, told) in pairs.items():
        others = [pair for name, pair in pairs.items() if name != city]
        asked = factor(*(np.concatenate(part) for part in zip(*others, strict=True)))
        figures[f"uncertainty_{city.lower()}_held"] = held(missed, asked * told)
    together = factor(*(np.concatenate(part) for part in zip(*pairs.values(), strict=True)))
    return together, {"uncertainty_factor": together, **figures}
