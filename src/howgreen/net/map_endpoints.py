"""Where the other maps are: a user can name other addresses in the table of :mod:`howgreen.net.endpoints`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from howgreen.core.errors import NetworkError
from howgreen.net.endpoints import MAPS, is_address, read_table

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Addresses of other maps."""

    worldcover: str = "https://esa-worldcover.s3.eu-central-1.amazonaws.com/v200/2021/map"
    """Folder of the tiles of 2021, version 200."""
    corine: str = "https://image.discomap.eea.europa.eu/arcgis/rest/services/Corine/CLC2018_WM/MapServer/0"
    """One layer of polygons of an ArcGIS server, with an attribute ``Code_18``; ``/query`` lies below it."""


def read_endpoints(path: Path) -> Endpoints:
    """The table with the entries of a file in place of its own.

    Raises
    ------
    NetworkError
        When the file cannot be read, or an entry is no address.
    """
    given = {key: value for key, value in read_table(path).items() if key in MAPS}
    wrong = [key for key, value in given.items() if not is_address(value)]
    if wrong:
        raise NetworkError(f"{path}: {wrong[0]} is no address; write {wrong[0]} = 'https://host/path'")
    return Endpoints(**given)
