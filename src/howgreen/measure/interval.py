"""How sure a ratio is: the model's error on reference data, and more where a zone is small."""

from __future__ import annotations

import math
from itertools import pairwise

from howgreen.core.types import ZONE_SCORES_M2, Interval, ModelCard


def interval(ratio: float | None, card: ModelCard, *, area_m2: float) -> Interval | None:
    """Give the interval of a zone's green ratio; None without a ratio, or where no reference judged the model.

    Parameters
    ----------
    ratio
        0-1.
    area_m2
        Land of the zone that was seen.
    """
    error, half_width = card.reference_error, half_width_of(card, area_m2=area_m2)
    if ratio is None or error is None or half_width is None:
        return None
    method = f"model error on reference data, carried to the city: {error.method}"
    if half_width > error.half_width:
        method += "; wider, because the zone is small, by what zones of its size needed in simulated cities"
    return Interval(
        low=max(ratio - half_width, 0.0), high=min(ratio + half_width, 1.0), level=error.level, method=method
    )


def half_width_of(card: ModelCard, *, area_m2: float) -> float | None:
    """Half of the interval: that of the reference, or the wider one that zones of this size need, where the card knows.

    Between the sizes that the card knows it is interpolated over the logarithm of the area; smaller zones get the width of
    the smallest, which is too little for zones of a few pixels.
    """
    if card.reference_error is None:
        return None
    known = sorted((area, card.scores[name]) for name, area in ZONE_SCORES_M2.items() if name in card.scores)
    return max([card.reference_error.half_width, *([_between(known, area_m2)] if known else [])])


def _between(known: list[tuple[float, float]], area_m2: float) -> float:
    if area_m2 <= known[0][0]:
        return known[0][1]
    for (small, wide), (large, narrow) in pairwise(known):
        if area_m2 <= large:
            share = math.log(area_m2 / small) / math.log(large / small)
            return wide + share * (narrow - wide)
    return known[-1][1]
