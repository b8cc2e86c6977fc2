"""Model cards as strict JSON: a missing key is an error, never a default."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from howgreen.core.errors import ModelError
from howgreen.core.types import ModelCard, ModelClass, ReferenceScore, is_water

METADATA_KEY = "howgreen"
"""Where an ONNX file's metadata holds its card."""

LONGEST_NAME, LONGEST_TEXT = 64, 20_000

Reader = Callable[[Any], Any]


def card_to_json(card: ModelCard) -> str:
    """Write a card as JSON, keys sorted: the same card always gives the same text."""
    return json.dumps(dataclasses.asdict(card), sort_keys=True, ensure_ascii=False, allow_nan=False)


def card_from_json(text: str, *, source: str) -> ModelCard:
    """Read the card that ``text`` holds; ``source`` is the file that errors name.

    Raises
    ------
    ModelError
        Not JSON, a key missing or unknown, a value of the wrong type or out of range.
    """
    try:
        values = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ModelError(f"model {source}: its card is not JSON ({error}); export the model anew") from error
    try:
        card: ModelCard = _object(ModelCard, _CARD)(values)
    except _CardError as fault:
        raise ModelError(f"model {source}: card: {fault}; correct the card and export the model anew") from fault
    return card


class _CardError(Exception):
    """What is wrong inside a card and at which key, without the file's name."""

    def __init__(self, what: str, *path: str) -> None:
        super().__init__(f"{_shown('.'.join(path))} {what}" if path else what)
        self.what, self.path = what, path


def _shown(value: Any) -> str:
    """Show a value in an error: one line, however long it is and whatever is in it."""
    text = repr(value)
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."


def _listed_keys(keys: Sequence[str]) -> str:
    return ", ".join(_shown(key) for key in keys[:20])


def _plain(wanted: type, word: str) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise _CardError(f"is {_shown(value)}, not {word}")
        return value

    return read


_any_text, _whole, _truth = _plain(str, "text"), _plain(int, "a whole number"), _plain(bool, "true or false")


def _text(value: Any) -> str:
    """Text for people: what would steer a terminal is no text, and a book is no card."""
    text = str(_any_text(value))
    if len(text) > LONGEST_TEXT or any(not (sign.isprintable() or sign in "\n\t") for sign in text):
        raise _CardError(f"is not plain text of at most {LONGEST_TEXT} characters")
    return text


def _name(value: Any) -> str:
    """Text on one line: it stands in tables, legends and file tags."""
    name = str(_any_text(value))
    if not (0 < len(name) <= LONGEST_NAME and name.isprintable() and name.strip() == name):
        raise _CardError(f"is {_shown(name)}, not a name of 1 to {LONGEST_NAME} characters on one line")
    return name


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _CardError(f"is {_shown(value)}, not a finite number")
    return float(value)


def _at_least(low: int) -> Reader:
    def read(value: Any) -> int:
        if _whole(value) < low:
            raise _CardError(f"is {_shown(value)}, less than {low}")
        return int(value)

    return read


def _positive(value: Any) -> float:
    if not _number(value) > 0:
        raise _CardError(f"is {_shown(value)}, not greater than 0")
    return float(value)


def _colour(value: Any) -> str:
    if not re.fullmatch(r"#[0-9a-f]{6}", _text(value), re.IGNORECASE):
        raise _CardError(f"is {_shown(value)}, not a colour like #1b6b2f")
    return str(value)


def _listed(item: Reader) -> Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            raise _CardError(f"is {_shown(value)}, not a list with something in it")
        return tuple(_at(str(place), item, part) for place, part in enumerate(value))

    return read


def _bands(value: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = _listed(_name)(value)
    if len(set(names)) < len(names):
        raise _CardError(f"names a band twice: {_shown(names)}")
    return names


def _classes(value: Any) -> tuple[ModelClass, ...]:
    classes: tuple[ModelClass, ...] = _listed(_object(ModelClass, _CLASS))(value)
    if [cls.code for cls in classes] != list(range(len(classes))) or len(classes) > 255:
        raise _CardError("has codes that do not count 0, 1, 2, ... (at most 254), as the probability axis does")
    # A column or a flag has no spaces: names that differ by them alone would be one.
    if len({cls.name.replace(" ", "_").casefold() for cls in classes}) < len(classes):
        raise _CardError("names a class twice")
    if any(is_water(cls) and cls.green for cls in classes):
        raise _CardError("has water that is green; water is not land, so it is neither green nor grey")
    return classes


def _figures(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise _CardError(f"is {_shown(value)}, not named figures")
    return {_name(name): _at(name, _number, figure) for name, figure in value.items()}


def _reference(value: Any) -> ReferenceScore | None:
    if value is None:
        return None
    score: ReferenceScore = _object(ReferenceScore, _SCORE)(value)
    return score


def _at(name: str, read: Reader, value: Any) -> Any:
    try:
        return read(value)
    except _CardError as fault:
        raise _CardError(fault.what, name, *fault.path) from fault


def _object(kind: type, readers: Mapping[str, Reader]) -> Reader:
    """Reader of a JSON object with exactly these keys."""

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _CardError(f"is {_shown(value)}, not an object")
        missing, unknown = sorted(readers.keys() - value.keys()), sorted(value.keys() - readers.keys())
        if missing:
            raise _CardError(f"lacks {_listed_keys(missing)}")
        if unknown:
            raise _CardError(f"has unknown {_listed_keys(unknown)}")
        return kind(**{key: _at(key, readers[key], value[key]) for key in readers})

    return read


_CLASS: dict[str, Reader] = {"code": _at_least(0), "name": _name, "green": _truth, "colour": _colour}
_SCORE: dict[str, Reader] = {
    "source": _text, "n": _at_least(2), "rmse": _number, "mae": _number, "bias": _number, "r2": _number,
    "half_width": _positive, "level": _positive, "method": _text,
}  # fmt: skip
_CARD: dict[str, Reader] = {
    "name": _name, "version": _name, "description": _text, "bands": _bands, "resolution_m": _positive,
    "normalisation": _text, "tile_px": _at_least(1), "halo_px": _at_least(0), "stride_px": _at_least(1),
    "classes": _classes, "scores": _figures, "reference_error": _reference, "training_data": _text, "licence": _text,
}  # fmt: skip
