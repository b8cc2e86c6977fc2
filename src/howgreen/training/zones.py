"""Interval width of small zones, from simulated cities that neither train nor judge anything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from howgreen.core.models import ZONE_SCORES_M2
from howgreen.core.sensors import SENTINEL2, Sensor
from howgreen.training.contest.classes import GREEN, WATER
from howgreen.training.contest.judge import zone_errors
from howgreen.training.contest.samples import Place
from howgreen.training.contest.scenes import judging_town
from howgreen.training.evaluate import Predict
from howgreen.training.spectra import Array

LEVEL = 0.95
_SEED = 7000


def towns(count: int, *, extent_m: int, sensor: Sensor = SENTINEL2) -> list[Place]:
    """Simulate cities from the sample city's own materials, with other seeds than the contest's."""
    return [judging_town(_SEED + number, extent_m=extent_m, sensor=sensor.name) for number in range(count)]


def half_widths(
    green: Predict,
    water: Callable[[Array], npt.NDArray[np.bool_]],
    bands: Sequence[str],
    *,
    cities: Sequence[Place],
    pixel_m: float = 10,
) -> dict[str, float]:
    """Compute the scores of :data:`howgreen.core.models.ZONE_SCORES_M2`: the 95 % quantile of zone errors by size.

    A whole city's error is the place's part of an interval, and comes from real places; it is subtracted here.

    Parameters
    ----------
    green, water
        Green share, and whether it is classified as water, of reflectance (n, band).
    cities
        With truth for every pixel; a size that fits into none is left out.
    """
    found = {}
    for name, area_m2 in ZONE_SCORES_M2.items():
        side = round(np.sqrt(area_m2) / pixel_m)
        misses = [miss for city in cities for miss in _of_city(side, green, water, city.with_bands(bands))]
        if misses:
            found[name] = float(np.quantile(np.abs(misses), LEVEL)) / 100
    return found


def ratio_errors(
    green: Predict,
    water: Callable[[Array], npt.NDArray[np.bool_]],
    bands: Sequence[str],
    *,
    cities: Sequence[Place],
    name: str = "simulated_cities",
) -> dict[str, float]:
    """Compute the scores of a card: error of the ratio of whole simulated cities, root mean square and worst (0-1)."""
    misses = []
    for city in cities:
        rows, shares = city.with_bands(bands).rows()
        land = ~water(rows.astype(float))
        true = shares[:, GREEN].sum(dtype=float) / (1 - shares[:, WATER]).sum(dtype=float)
        misses.append(float(green(rows.astype(float))[land].sum() / max(land.sum(), 1) - true))
    return {
        f"{name}_ratio_rms": float(np.sqrt(np.mean(np.square(misses)))),
        f"{name}_ratio_worst": float(np.max(np.abs(misses))),
    }


def _of_city(side: int, green: Predict, water: Callable[[Array], npt.NDArray[np.bool_]], city: Place) -> list[float]:
    shape = city.shares.shape[1:]
    rows = city.reflectance.reshape(len(city.bands), -1).T.astype(float)
    said, land = green(rows).reshape(shape), ~water(rows).reshape(shape)
    true = city.green.sum(dtype=float) / max(city.land.sum(dtype=float), 1e-9)
    own = 100 * (said[land].sum() / max(land.sum(), 1) - true)
    return [miss - own for miss in zone_errors(side, said, city.green, city.shares[WATER], land)]
