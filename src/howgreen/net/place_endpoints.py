"""Where the services are: one table, which a user can replace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from howgreen.core.errors import NetworkError
from howgreen.core.text import brief
from howgreen.net.endpoints import PLACES, is_address, read_table


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
        wrong = [url for url in addresses if not is_address(url)]
        if wrong:
            raise NetworkError(f"endpoint {brief(wrong[0])}: not an address; write https://host/path")
        if not self.overpass:
            raise NetworkError("endpoints: overpass is an empty list; give one address or more")


def read_endpoints(path: Path) -> Endpoints:
    """The table with the entries of a TOML or JSON file in place of its own; see :mod:`howgreen.net.endpoints`.

    Raises
    ------
    NetworkError
        When the file cannot be read, or holds other keys or values than the table.

    """
    given = {key: value for key, value in read_table(path).items() if key in PLACES}
    return Endpoints(**{key: _address(key, value, path=path) for key, value in given.items()})


def _address(key: str, value: Any, *, path: Path) -> Any:
    listed = [value] if isinstance(value, str) else value
    if not (isinstance(listed, list) and all(isinstance(url, str) for url in listed)):
        raise NetworkError(f"{path}: {key} is no address; write '{key} = \"https://…\"'")
    if key != "overpass" and len(listed) != 1:
        raise NetworkError(f"{path}: {key} takes one address")
    return tuple(listed) if key == "overpass" else listed[0]
