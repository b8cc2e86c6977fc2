"""What a reader of a result must know of the model behind it."""

from __future__ import annotations

from howgreen.core.types import ModelCard, is_water

SAME_RESOLUTION = 1.25
"""Pixel sizes that differ by a smaller factor count as the same."""


def cautions(card: ModelCard, *, resolution_m: float) -> tuple[str, ...]:
    """Sentences for the report on images of pixels of ``resolution_m`` metres; empty when the model fits them."""
    found = []
    larger = max(card.resolution_m, resolution_m) / min(card.resolution_m, resolution_m)
    if larger >= SAME_RESOLUTION:
        found.append(
            f"model {card.name} was made for pixels of {card.resolution_m:g} m and is used on {resolution_m:g} m, on which "
            "it was not scored"
        )
    if not any(is_water(cls) for cls in card.classes):
        found.append(f"model {card.name} has no class water: rivers and lakes count as land")
    return tuple(found)
