"""The contract that every network must satisfy, expressed in its inputs and outputs alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import ModelError
from howgreen.core.models import ModelCard
from howgreen.core.sensors import SENSORS, VARIATION_OF

if TYPE_CHECKING:
    import onnxruntime

INPUT = "reflectance"
OUTPUTS = ("probability", "green_fraction")
UNCERTAINTY = "green_uncertainty"
"""Optional output of a network: the standard error of the green fraction, per pixel."""
MOST_OVERLAPS = 4
"""Most tiles that may cover one pixel, along each axis."""
LARGEST_TILE_BYTES = 2**30
"""Size of one tile, bands and predictions together."""


def check(session: onnxruntime.InferenceSession, card: ModelCard, *, source: str) -> None:
    """Raise ModelError with all the ways in which a network and its card break the contract."""
    faults = [*_faults_of_input(session, card), *_faults_of_outputs(session, card), *_faults_of_card(card)]
    if faults:
        raise ModelError(f"model {source}: breaks the contract: {'; '.join(faults)}")


def _faults_of_input(session: onnxruntime.InferenceSession, card: ModelCard) -> Iterator[str]:
    inputs = session.get_inputs()
    if [node.name for node in inputs] != [INPUT]:
        yield f"inputs {[node.name for node in inputs]}, not [{INPUT!r}]"
    else:
        yield from _faults_of(inputs[0], channels=len(card.bands), what="bands", tile_px=card.tile_px)


def _faults_of_outputs(session: onnxruntime.InferenceSession, card: ModelCard) -> Iterator[str]:
    outputs = {node.name: node for node in session.get_outputs()}
    for name, channels, what in ((OUTPUTS[0], len(card.classes), "classes"), (OUTPUTS[1], 1, "green fraction")):
        if name in outputs:
            yield from _faults_of(outputs[name], channels=channels, what=what, tile_px=card.tile_px)
        else:
            yield f"no output {name!r}"
    if UNCERTAINTY in outputs:
        yield from _faults_of(outputs[UNCERTAINTY], channels=1, what="uncertainty", tile_px=card.tile_px)


def _faults_of(node: Any, *, channels: int, what: str, tile_px: int) -> Iterator[str]:
    if node.type != "tensor(float)":
        yield f"{node.name} is {node.type}, not tensor(float)"
    if len(node.shape) not in (0, 4):
        yield f"{node.name} has {len(node.shape)} dimensions, not 4 (N, C, H, W)"
        return
    count, depth, *size = node.shape or (None,) * 4
    if isinstance(depth, int) and depth != channels:
        yield f"{node.name} has {depth} channels where the card has {channels} ({what})"
    if isinstance(count, int) and count != 1:
        yield f"{node.name} is for {count} tiles at once, not 1 or any number"
    if any(isinstance(side, int) and side != tile_px for side in size):
        yield f"{node.name} is fixed at {size[0]} x {size[1]} pixels where the card has tile_px {tile_px}"


def _faults_of_card(card: ModelCard) -> Iterator[str]:
    if card.tile_px < card.stride_px + 2 * card.halo_px:
        yield f"tile_px {card.tile_px} is less than stride_px {card.stride_px} + 2 * halo_px {card.halo_px}"
    elif card.tile_px - 2 * card.halo_px > MOST_OVERLAPS * card.stride_px:
        yield (f"stride_px {card.stride_px} is less than a quarter of tile_px {card.tile_px} - 2 * halo_px {card.halo_px}: each pixel "
               f"would be run more than {MOST_OVERLAPS**2} times")  # fmt: skip
    tile_bytes = 4 * (len(card.bands) + len(card.classes) + 2) * card.tile_px**2
    if tile_bytes > LARGEST_TILE_BYTES:
        yield f"one tile of tile_px {card.tile_px} takes {tile_bytes / 2**30:.1f} GiB, more than 1"
    known = list(dict.fromkeys((*(name for sensor in SENSORS.values() for name in sensor.band_names), *VARIATION_OF)))
    unknown = [band for band in card.bands if band not in known]
    if unknown:
        yield f"no image has bands {', '.join(unknown)} (there are {', '.join(known)})"
