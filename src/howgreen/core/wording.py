"""Error messages in the reader's terms: options for a shell, arguments for Python.

Messages are written with command-line options (``--pick N``), because most cures are one. Read in Python, they name the
argument instead (``pick=N``); text in backticks is a command, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

_SPECIAL = (
    ("--area FILE", "the Path of a boundary file"),
    ("--area", "a boundary file's Path or a shape"),
    ("--districts FILE", "with_districts(place, file)"),
    ("--districts", "with_districts(place, file)"),
    ("--land", "with_land(place, file)"),
    ("use another --catalog", "use another catalogue: images=Catalogs(name)"),
    ("--catalog", "Catalogs(name)"),
    ("--radius", "place_from_point(lat, lon, radius_m=...)"),
    ("leave --offline out", "leave Network(offline=True) out"),
    ("--offline", "Network(offline=True)"),
    ("--endpoints", "Network(endpoints=...)"),
    ("an --osm extract", "an extract (osm=file)"),
)
_KNOWN = "landsat|sentinel-[12]|earth-engine|earth-search|planetary-computer|dB|power|table|nchw|nhwc|labels|fraction|probability|peak|all"
_OPTION = re.compile(
    r"--(?P<name>[a-z][a-z0-9-]*)(?:[ ](?:(?P<days>\d{4}[:/-]\d[\d:/-]*)|(?P<number>-?\d[\d.e-]*)(?![\w:/])"
    rf"|(?P<word>{_KNOWN})\b|(?P<shown>[A-Z][A-Z0-9.a-z_-]*\b)))?"
)
_CATALOGUE = re.compile(r"--catalog (earth-\w+|planetary-computer|https?://\S+|\S+(?= needs))")
_COMMAND = re.compile(r"`[^`]*`|\bhowgreen (?:city|layers|models|plan|sample|store) [^;]*")

_readers = ["python"]


@contextmanager
def for_a_shell() -> Iterator[None]:
    """Show errors in command-line terms until the end of the block."""
    _readers.append("shell")
    try:
        yield
    finally:
        _readers.pop()


def as_read(text: str) -> str:
    """Return a message in the terms of its current reader."""
    return text if _readers[-1] == "shell" or "--" not in text else in_python(text)


def in_python(text: str) -> str:
    """Replace option names in a message by argument names."""
    parts, end = [], 0
    for command in _COMMAND.finditer(text):
        parts += [_arguments(text[end : command.start()]), command[0]]
        end = command.end()
    return "".join([*parts, _arguments(text[end:])])


def _arguments(text: str) -> str:
    text = _CATALOGUE.sub(r"Catalogs('\1')", text)
    for option, words in _SPECIAL:
        text = re.sub(rf"{re.escape(option)}(?![\w-])", words, text)
    return _OPTION.sub(_argument, text)


def _argument(found: re.Match[str]) -> str:
    name = found["name"].replace("-", "_")
    if found["number"] is not None or found["shown"] is not None:
        return f"{name}={found['number'] or found['shown']}"
    value = found["word"] or found["days"]
    return name if value is None else f"{name}={value!r}"
