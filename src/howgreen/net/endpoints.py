"""The one table of other servers: a TOML or JSON file in which a user writes the addresses that are to be asked instead.

Each stage takes its own keys; what nobody knows is an error, for a misspelt address would be passed over in silence.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from howgreen.core.errors import NetworkError

PLACES = ("nominatim", "overpass", "ign")
"""Keys that the place stage takes."""
CATALOGS = "catalogs"
"""Table of STAC catalogues by name."""
MAPS = ("worldcover", "corine")
"""Keys that the comparison takes."""
KEYS = (*PLACES, CATALOGS, *MAPS)
MAX_BYTES = 64 * 2**10


def read_table(path: Path) -> dict[str, Any]:
    """What a file of endpoints holds, its keys checked.

    Raises
    ------
    NetworkError
        It cannot be read, is too large, or has keys that nobody takes.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode("utf-8")  # what is cut off there is no table any more
        given = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise NetworkError(
            f"{path}: no table of endpoints ({error}); write TOML such as nominatim = 'https://…'"
        ) from error
    if not isinstance(given, dict) or not set(given) <= set(KEYS):
        raise NetworkError(f"{path}: endpoints are {', '.join(KEYS)}; nothing else is taken")
    return given


def is_address(url: object) -> bool:
    """Whether it is a web address: ``https://host/path``."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return False
    return parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)
