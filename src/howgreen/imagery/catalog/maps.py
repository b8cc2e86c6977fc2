"""Finished maps of other people, through the same door as images: only images, bounded waits, no token in any error."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from howgreen.core.errors import NetworkError
from howgreen.core.geometry import boxes
from howgreen.core.types import Asset
from howgreen.imagery.read.opener import opened
from howgreen.net import http
from howgreen.net.catalog_endpoints import Endpoint
from howgreen.net.sas_tokens import PlanetaryComputer

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon

MOST_TILES = 200


def map_reader() -> Callable[[str], AbstractContextManager[Any]]:
    """What opens a map: an absolute path or web address in, a rasterio dataset out. ImageError or NetworkError when it
    cannot be read. Addresses of Planetary Computer's storage are signed as they are opened.
    """

    @contextmanager
    def read(href: str) -> Iterator[Any]:
        hosted = (urlsplit(href).hostname or "").endswith(PlanetaryComputer.domain)
        with opened(Asset(band="1", href=href, signer="planetary-computer" if hosted else "")) as image:
            yield image.dataset

    return read


def find_tiles(
    area: Polygon | MultiPolygon, *, endpoint: Endpoint, collection: str, asset: str, version: str = ""
) -> tuple[str, ...]:
    """Addresses, unsigned, of the tiles of a finished map that a STAC API lists over an area.

    Parameters
    ----------
    area
        EPSG:4326.
    collection, asset
        Where the map is: ``esa-worldcover``, ``map``.
    version
        Where not empty, only tiles whose id holds it: a collection may hold several years.

    Raises
    ------
    NetworkError
        When the server does not answer, or has no such tile here.
    """
    import pystac_client

    def asked() -> list[dict[str, Any]]:
        with warnings.catch_warnings():  # what a server does not conform to is checked by what it answers
            warnings.simplefilter("ignore")
            client = pystac_client.Client.open(endpoint.url, stac_io=http.stac_io())
            found = [client.search(collections=[collection], bbox=box, max_items=MOST_TILES) for box in boxes(area)]
            return [item for search in found for page in search.pages_as_dicts() for item in page["features"]]

    cure = "try again later, or give a file"
    with http.told(endpoint.url, cure=cure):
        wanted = [i for i in http.whole(asked) if i["collection"] == collection and version in str(i["id"])]
        hrefs = sorted({str(item["assets"][asset]["href"]) for item in wanted if asset in item["assets"]})
    if not hrefs:
        raise NetworkError(f"{endpoint.label}: has no tile of {collection} here; {cure}")
    return tuple(hrefs)
