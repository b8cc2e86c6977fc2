"""The interval of a green ratio: the model's error in a new place, more for small zones, and unseen land."""

from __future__ import annotations

import math
from itertools import pairwise

from howgreen.core.models import ZONE_SCORES_M2, ModelCard
from howgreen.core.types import Interval

SMALL = 1.05
"""A zone counts as small if its size widens the interval by more than this."""


def interval(
    ratio: float | None, card: ModelCard, *, area_m2: float, observed_ratio: float | None = 1.0
) -> Interval | None:
    """Return the interval of a zone's green share; None without a ratio, or if the model has no reference error.

    Parameters
    ----------
    ratio
        Green share of the land seen, 0-1.
    area_m2
        Land of the zone that was seen, in square metres.
    observed_ratio
        Share of the zone's land that was seen, 0-1. Unseen land may be anything from bare to green.
    """
    error, half_width = card.reference_error, half_width_of(card, area_m2=area_m2)
    if ratio is None or error is None or half_width is None or observed_ratio is None:
        return None
    unseen = 1 - observed_ratio
    model_low, model_high = max(ratio - half_width, 0.0), min(ratio + half_width, 1.0)
    return Interval(
        low=observed_ratio * model_low,
        high=observed_ratio * model_high + unseen,
        model_low=model_low,
        model_high=model_high,
        unseen_low=observed_ratio * ratio,
        unseen_high=observed_ratio * ratio + unseen,
        level=error.level,
        method=_method(error.method, wider=half_width > SMALL * error.half_width, unseen=unseen),
    )


def _method(error: str, *, wider: bool, unseen: float) -> str:
    parts = [f"model: {error}"]
    if wider:
        parts.append("the zone is small: what zones of its size needed in simulated cities is added in squares")
    if round(unseen, 3) > 0:
        parts.append(f"unseen: {unseen:.1%} of the land was not seen, and is taken to be anything from bare to green")
    return "; ".join(parts)


def half_width_of(card: ModelCard, *, area_m2: float) -> float | None:
    """Return half of the model's part of the interval: errors of a place and of a zone of this size, sqrt(a^2 + b^2).

    Between the zone sizes on the card, the zone's part is interpolated over the logarithm of the area; smaller zones
    get that of the smallest, which is too little for zones of a few pixels; beyond the largest it shrinks with the
    square root of the area, as independent errors do.
    """
    if card.reference_error is None:
        return None
    known = sorted((area, card.scores[name]) for name, area in ZONE_SCORES_M2.items() if name in card.scores)
    return math.hypot(card.reference_error.half_width, _between(known, area_m2) if known else 0.0)


def _between(known: list[tuple[float, float]], area_m2: float) -> float:
    if area_m2 <= known[0][0]:
        return known[0][1]
    for (small, wide), (large, narrow) in pairwise(known):
        if area_m2 <= large:
            share = math.log(area_m2 / small) / math.log(large / small)
            return wide + share * (narrow - wide)
    return known[-1][1] * math.sqrt(known[-1][0] / area_m2)
