"""Model cards as strict JSON: a missing key is an error, never a default."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from howgreen.core.errors import ModelError
from howgreen.core.known_types import known
from howgreen.core.models import ModelCard, is_water
from howgreen.core.text import one_line

METADATA_KEY = "howgreen"
"""Key of the card in an ONNX file's metadata."""

LONGEST_NAME, LONGEST_TEXT = 64, 20_000
_LONGEST_FAULT = 200

Name = Annotated[
    str,
    Meta(min_length=1, max_length=LONGEST_NAME, description="On one line: it stands in tables, legends and file tags."),
]
Text = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Positive = Annotated[float, Meta(gt=0)]


class _Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object with exactly these keys, whose text is harmless to a terminal and whose names have no blanks around."""

    def __post_init__(self) -> None:
        for key in self.__struct_fields__:
            value = getattr(self, key)
            for text in value if isinstance(value, tuple) else (value, *value) if isinstance(value, dict) else (value,):
                _check_text(key, text, name=key in ("name", "version", "bands", "scores"))


def _check_text(key: str, text: object, *, name: bool) -> None:
    if not isinstance(text, str):
        return
    if any(not (sign.isprintable() or (sign in "\n\t" and not name)) for sign in text):
        raise ValueError(f"'{key}' holds what is no plain text")
    if name and not (0 < len(text) <= LONGEST_NAME and text.strip() == text):
        raise ValueError(f"'{key}' holds {text[:LONGEST_NAME]!r}, not a name of 1 to {LONGEST_NAME} characters")


class ClassOnCard(_Strict, frozen=True, kw_only=True):
    """One land-cover class of a model."""

    code: Annotated[
        int, Meta(ge=0, le=254, description="Value in the label raster; its place on the probability axis.")
    ]
    name: Name
    green: Annotated[bool, Meta(description="Whether the class counts as vegetation.")]
    colour: Annotated[str, Meta(pattern="^#[0-9a-fA-F]{6}$")]


class PlaceOnCard(_Strict, frozen=True, kw_only=True):
    """How far off a model was, on average, in one place that taught it nothing."""

    place: Annotated[Text, Meta(description="Its name, and what is known there.")]
    error: Annotated[float, Meta(description="Mean of (predicted - reference) green fraction.")]
    standard_error: Annotated[float, Meta(ge=0, description="Pixels of one polygon, block or site move together.")]
    n: Annotated[int, Meta(ge=1, description="Pixels.")]
    clusters: Annotated[int, Meta(ge=1)]


class ReferenceOnCard(_Strict, frozen=True, kw_only=True):
    """How a model erred on reference data it never saw, in units of green fraction."""

    source: Annotated[Text, Meta(description="Which data, with year and place.")]
    n: Annotated[int, Meta(ge=2)]
    rmse: float
    mae: float
    bias: Annotated[float, Meta(description="Mean of (predicted - reference).")]
    r2: float
    half_width: Annotated[
        Positive, Meta(description="Half of the interval of a new place's mean green fraction at `level`.")
    ]
    level: Positive
    method: Annotated[Text, Meta(description="How half_width follows from the errors, in a sentence.")]
    places: Annotated[tuple[PlaceOnCard, ...], Meta(description="What half_width rests on, if on several.")] = ()
    tau: Annotated[float, Meta(ge=0, description="Standard deviation of the mean error between places.")] = 0.0


class ImageOnCard(_Strict, frozen=True, kw_only=True):
    """An image that taught a model of one place."""

    sensor: Name
    day: Annotated[str, Meta(pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="ISO date; empty where nobody said it.")]
    bounds: Annotated[
        tuple[float, float, float, float], Meta(description="West, south, east, north in degrees (EPSG:4326).")
    ]


class Card(_Strict, frozen=True, kw_only=True):
    """What a model says about itself, inside its ONNX file (metadata key `howgreen`).

    Every key is needed, but for `learned_from`, and `places` and `tau` of its reference error.
    """

    name: Name
    version: Name
    description: Text
    bands: Annotated[
        tuple[Name, ...], Meta(min_length=1, description="Common names in the order of the input's channel axis.")
    ]
    resolution_m: Annotated[Positive, Meta(description="Pixel size it was made for.")]
    normalisation: Annotated[
        Text, Meta(description="What the graph itself does to reflectance before the first layer.")
    ]
    tile_px: Annotated[int, Meta(ge=1, description="Largest square that one call takes.")]
    halo_px: Annotated[int, Meta(ge=0, description="Pixels around a tile that influence it; 0 for a pixel model.")]
    stride_px: Annotated[int, Meta(ge=1, description="Tiles start at multiples of this.")]
    classes: Annotated[tuple[ClassOnCard, ...], Meta(min_length=1, max_length=255)]
    scores: Annotated[dict[str, float], Meta(description="Named figures of its evaluation.")]
    reference_error: Annotated[
        ReferenceOnCard | None, Meta(description="null where no reference was at hand: reports then show no interval.")
    ]
    training_data: Text
    licence: Text
    learned_from: Annotated[
        tuple[ImageOnCard, ...],
        Meta(
            description="Images of the one place that it was made for; far from them in place, season or sensor there is a warning."
        ),
    ] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.bands)) < len(self.bands):
            raise ValueError("'bands' names a band twice")
        if [one.code for one in self.classes] != list(range(len(self.classes))):
            raise ValueError("'classes' have codes that do not count 0, 1, 2, ..., as the probability axis does")
        # A column or a flag has no spaces: names that differ only in spaces would collide.
        if len({one.name.replace(" ", "_").casefold() for one in self.classes}) < len(self.classes):
            raise ValueError("'classes' names a class twice")


def card_to_json(card: ModelCard) -> str:
    """Write a card as JSON, keys sorted: the same card always gives the same text."""
    told = dataclasses.asdict(card)
    if not card.learned_from:  # so that cards without it stay as earlier versions wrote and read them
        del told["learned_from"]
    return json.dumps(told, sort_keys=True, ensure_ascii=False, allow_nan=False)


def card_from_json(text: str, *, source: str) -> ModelCard:
    """Read the card in ``text``; errors name the file ``source``.

    Raises
    ------
    ModelError
        Not JSON, a key missing or unknown, a value of the wrong type or out of range.
    """
    try:
        card = msgspec.convert(msgspec.to_builtins(msgspec.json.decode(text, type=known(Card))), known(ModelCard))
    except msgspec.ValidationError as fault:
        raise ModelError(
            f"model {source}: card: {_fault(fault)}; correct the card and export the model anew"
        ) from fault
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ModelError(
            f"model {source}: its card is not JSON, whose numbers are finite ({_fault(error)}); export the model anew"
        ) from error
    if any(is_water(one) and one.green for one in card.classes):
        raise ModelError(
            f"model {source}: card: 'classes' has water that is green; water is not land, so it is neither green nor grey; "
            "correct the card and export the model anew"
        )
    return card


def _fault(fault: Exception) -> str:
    """State a fault on one line, location first: ``'classes[...]' lacks 'colour'``, whatever its length or content."""
    text = one_line(str(fault))
    text, _, path = text.partition(" - at `$")
    where = path.rstrip("`").lstrip(".")
    text = re.sub("^Object missing required field `(.*)`$", r"lacks '\1'", text)
    text = re.sub("^Object contains unknown field `(.*)`$", r"has unknown '\1'", text)
    text = re.sub("^Expected ", "expects ", text)
    text = f"'{where}' {text}" if where else text
    return text if len(text) <= _LONGEST_FAULT else f"{text[:_LONGEST_FAULT]}..."
