"""Published maps, opened under the same rules as images: only images, bounded waits, no token in any error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from howgreen.core.errors import NetworkError
from howgreen.core.geometry import boxes
from howgreen.core.types import Asset
from howgreen.imagery.read.opener import opened
from howgreen.net.endpoints import Catalog
from howgreen.net.sas_tokens import PlanetaryComputer
from howgreen.net.stac_api import StacApi

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon

MOST_TILES = 200


def map_reader() -> Callable[[str], AbstractContextManager[Any]]:
    """Return an opener of maps: an absolute path or web address in, a rasterio dataset out.

    Addresses in Planetary Computer's storage are signed on opening. ImageError or NetworkError if a map cannot be read.
    """

    @contextmanager
    def read(href: str) -> Iterator[Any]:
        hosted = (urlsplit(href).hostname or "").endswith(PlanetaryComputer.domain)
        with opened(Asset(band="1", href=href, signer="planetary-computer" if hosted else "")) as image:
            yield image.dataset

    return read


def find_tiles(
    area: Polygon | MultiPolygon, *, catalog: Catalog, collection: str, asset: str, version: str = ""
) -> tuple[str, ...]:
    """List the unsigned addresses of a published map's tiles over an area, from a STAC API.

    Parameters
    ----------
    area
        EPSG:4326.
    collection, asset
        Location of the map: ``esa-worldcover``, ``map``.
    version
        If not empty, only tiles with it in their id: a collection may hold several years.

    Raises
    ------
    NetworkError
        The server does not respond, or has no such tile here.
    """
    cure = "try again later, or give a file"
    api = StacApi(catalog.url, cure=cure)
    hrefs: set[str] = set()
    for box in boxes(area):
        for item in api.search([collection], bbox=box, most=MOST_TILES):
            entry = (item.get("assets") or {}).get(asset) or {}
            if (
                item.get("collection") == collection
                and version in str(item.get("id"))
                and isinstance(entry.get("href"), str)
            ):
                hrefs.add(entry["href"])
    if not hrefs:
        raise NetworkError(f"{catalog.label}: has no tile of {collection} here; {cure}")
    return tuple(sorted(hrefs))
