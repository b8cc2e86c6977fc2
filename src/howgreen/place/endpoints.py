"""Where the services are: one table, which a user can replace."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from howgreen.errors import NetworkError
from howgreen.place.names import brief


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Addresses of the services that know places. Give other ones to use your own servers."""

    nominatim: str = "https://nominatim.openstreetmap.org"
    """Below it lie ``/search`` and ``/lookup`` (Nominatim 4)."""
    overpass: tuple[str, ...] = (
        "https://overpass-api.de/api/interpreter",
        "https://overpass.private.coffee/api/interpreter",
        "https://maps.mail.ru/osm/tools/overpass/api/interpreter",
    )
    """Servers with the same data, in the order in which they are asked."""
    ign: str = "https://data.geopf.fr/wfs/ows"
    """WFS 2.0 of the Géoplateforme, France."""

    def __post_init__(self) -> None:
        addresses = (self.nominatim, *self.overpass, self.ign)
        wrong = [
            url for url in addresses if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname
        ]
        if wrong:
            raise NetworkError(f"endpoint {brief(wrong[0])}: not an address; write https://host/path")
        if not self.overpass:
            raise NetworkError("endpoints: overpass is an empty list; give one address or more")


def read_endpoints(path: Path) -> Endpoints:
    """The table with the entries of a TOML or JSON file in place of its own.

    Raises
    ------
    NetworkError
        When the file cannot be read, or holds other keys or values than the table.

    """
    try:
        text = path.read_text(encoding="utf-8")
        given = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise NetworkError(
            f"{path}: no table of endpoints ({error}); write TOML such as nominatim = 'https://…'"
        ) from error
    return Endpoints(**_checked(given, path=path))


def _checked(given: Any, *, path: Path) -> dict[str, Any]:
    known = [field.name for field in fields(Endpoints)]
    if not isinstance(given, dict) or not set(given) <= set(known):
        raise NetworkError(f"{path}: endpoints are {', '.join(known)}; nothing else is taken")
    values: dict[str, Any] = {}
    for key, value in given.items():
        listed = [value] if isinstance(value, str) else value
        if not (isinstance(listed, list) and all(isinstance(url, str) for url in listed)):
            raise NetworkError(f"{path}: {key} is no address; write '{key} = \"https://…\"'")
        if key != "overpass" and len(listed) != 1:
            raise NetworkError(f"{path}: {key} takes one address")
        values[key] = tuple(listed) if key == "overpass" else listed[0]
    return values
