"""The card of a cloud detector, stored inside its ONNX file."""

from __future__ import annotations

from msgspec import Struct

METADATA_KEY = "howgreen"
OUTPUT = "probability"
CELL_M = 40
"""Cell size of the detector: smaller than any cloud that matters, larger than most roofs."""
AROUND_PX = 11
"""Side of the square of cells around one whose darkest value serves as a feature."""


class CloudClass(Struct, frozen=True, kw_only=True):
    """One thing that a cell may show."""

    code: int
    """Its place on the probability axis."""
    name: str
    colour: str


class CloudCard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a detector is, as the cards of land-cover models are."""

    name: str
    version: str
    description: str
    bands: tuple[str, ...]
    """Common names in the order of the input's channel axis."""
    floors: tuple[str, ...]
    """Those of which the darkest around counts as well."""
    resolution_m: float
    halo_px: int
    normalisation: str
    classes: tuple[CloudClass, ...]
    scores: dict[str, float]
    training_data: str
    licence: str
