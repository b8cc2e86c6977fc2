"""The one table of servers for places, images and other maps, and overrides from a user's file.

The file is TOML or JSON; an unknown key is an error, because a misspelt address would be ignored silently.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from howgreen.core.errors import NetworkError
from howgreen.core.reflectance import Habit
from howgreen.core.text import truncate

MAX_BYTES = 64 * 2**10
KNOWN_COLLECTIONS = MappingProxyType(
    {
        "sentinel-2": ("sentinel-2-l2a", "sentinel-2-c1-l2a", "sentinel-s2-l2a-cogs"),
        "landsat": ("landsat-c2-l2", "landsat-c2l2-sr"),
        "sentinel-1": ("sentinel-1-rtc",),
    }
)
"""Collection names of known catalogues; a server outside the table is asked which of them it has."""
_HTTP = re.compile(r"^https?://([^/?#\s]+)[^\s]*$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """One STAC API."""

    name: str
    """Key: ``earth-search``; the URL's host for a catalogue outside the table."""
    label: str
    """Display name."""
    url: str
    """URL of the landing page."""
    collections: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Collections by sensor, the preferred one first. A missing sensor has none that is publicly readable. If all are
    missing, the server is asked which it has."""
    habit: Habit = "unknown"
    """Radiometric habit of its Sentinel-2 L2A pixels."""
    signer: str = ""
    """Signer of its hrefs at read time: a key of :data:`howgreen.net.sas_tokens.SIGNERS`; empty for none."""


CATALOGS: Mapping[str, Catalog] = MappingProxyType(
    {
        one.name: one
        for one in (
            # Sentinel-2 only: its Landsat and Sentinel-1 are in requester-pays buckets that need an account. (Its
            # Sentinel-1 is ground range, not terrain-corrected.)
            Catalog(
                name="earth-search",
                label="Earth Search",
                url="https://earth-search.aws.element84.com/v1",
                collections=MappingProxyType({"sentinel-2": ("sentinel-2-l2a", "sentinel-2-c1-l2a")}),
                habit="flagged",
            ),
            Catalog(
                name="planetary-computer",
                label="Planetary Computer",
                url="https://planetarycomputer.microsoft.com/api/stac/v1",
                # It requires a subscription key to issue tokens for Sentinel-1.
                collections=MappingProxyType(
                    {
                        "sentinel-2": ("sentinel-2-l2a",),
                        "landsat": ("landsat-c2-l2",),
                        "sentinel-1": ("sentinel-1-rtc",),
                    }
                ),
                habit="as delivered",
                signer="planetary-computer",
            ),
            # For users with an account there; see imagery/read/earthengine.py.
            Catalog(
                name="earth-engine",
                label="Google Earth Engine",
                url="https://earthengine.googleapis.com",
                collections=MappingProxyType(
                    {
                        "sentinel-2": ("COPERNICUS/S2_SR_HARMONIZED",),
                        "landsat": tuple(
                            f"LANDSAT/{one}/C02/T1_L2" for one in ("LC09", "LC08", "LE07", "LT05", "LT04")
                        ),
                    }
                ),
                signer="earth-engine",
            ),
            # Its files need an account (s3://eodata): searches work, and its scenes then count as unreadable.
            Catalog(
                name="copernicus",
                label="Copernicus Data Space",
                url="https://stac.dataspace.copernicus.eu/v1",
                collections=MappingProxyType({"sentinel-2": ("sentinel-2-l2a",)}),
                habit="as delivered",
            ),
        )
    }
)
"""By name, in query order."""
DEFAULT_CATALOGS = ("earth-search", "planetary-computer")
"""Catalogues that need no account."""
WITHOUT_MASK_FILES = frozenset(
    {
        "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com",
        "sentinel-cogs.s3.us-west-2.amazonaws.com",
        "esa-worldcover.s3.eu-central-1.amazonaws.com",
        "landsatlook.usgs.gov",
        "sentinel2l2a01.blob.core.windows.net",
        "landsateuwest.blob.core.windows.net",
        "sentinel1euwestrtc.blob.core.windows.net",
        "zipper.dataspace.copernicus.eu",
    }
)
"""Hosts of catalogue files without GDAL mask files (``FILE.tif.msk``) beside them: requests for one are skipped."""


SAS_TOKENS = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
"""Issues short-lived tokens for the storage containers of the Planetary Computer."""


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Addresses of all services. Replace them to use your own servers."""

    nominatim: str = "https://nominatim.openstreetmap.org"
    """Base URL of ``/search`` and ``/lookup`` (Nominatim 4)."""
    overpass: tuple[str, ...] = (
        "https://overpass-api.de/api/interpreter",
        "https://overpass.private.coffee/api/interpreter",
        "https://maps.mail.ru/osm/tools/overpass/api/interpreter",
    )
    """Servers with the same data, in query order."""
    ign: str = "https://data.geopf.fr/wfs/ows"
    """WFS 2.0 of the Géoplateforme, France."""
    worldcover: str = "https://esa-worldcover.s3.eu-central-1.amazonaws.com/v200/2021/map"
    """Folder of WorldCover's 2021 tiles, version 200."""
    corine: str = "https://image.discomap.eea.europa.eu/arcgis/rest/services/Corine/CLC2018_WM/MapServer/0"
    """A polygon layer of an ArcGIS server, with an attribute ``Code_18``; queried at ``/query``."""
    catalogs: Mapping[str, Catalog] = field(default_factory=lambda: CATALOGS)
    """STAC catalogues by name."""

    def __post_init__(self) -> None:
        """Refuse invalid addresses with a NetworkError that names them."""
        addresses = (self.nominatim, *self.overpass, self.ign, self.worldcover, self.corine)
        wrong = [url for url in addresses if not is_address(url)]
        if wrong:
            raise NetworkError(f"endpoint {truncate(str(wrong[0]))}: not an address; write https://host/path")
        if not self.overpass:
            raise NetworkError("endpoints: overpass is an empty list; give one address or more")

    def catalog(self, given: str) -> Catalog:
        """Return the catalogue for a user's input.

        Parameters
        ----------
        given
            A name in the table, any STAC API's URL, or ``name=URL`` for a mirror that behaves like the one of that
            name.

        Raises
        ------
        NetworkError
            When it is none of these.
        """
        there = self.catalogs.values()
        name, _, url = given.partition("=") if not _HTTP.match(given) else ("", "", given)
        wanted = name.strip().lower()
        known = next((one for one in there if one.name == wanted or (not name and _same(one.url, url))), None)
        if known and not url:
            return known
        host = _HTTP.match(url)
        if not host or (name and not known):
            names = ", ".join(one.name for one in there)
            raise NetworkError(f"catalogue {given!r} is unknown: use one of {names}, or a STAC API's URL (https://...)")
        bare = host[1].rpartition("@")[2]
        return replace(known, url=url.rstrip("/")) if known else Catalog(name=bare, label=bare, url=url.rstrip("/"))


_ADDRESSES = ("nominatim", "overpass", "ign", "worldcover", "corine")
_KEYS = (*_ADDRESSES, "catalogs")


def read_endpoints(path: Path | None) -> Endpoints:
    """Return the table with a file's entries replacing its own; the plain table without a file.

    In ``[catalogs]``, an address under a known name is a mirror of that catalogue; any other name adds a catalogue.

    Raises
    ------
    NetworkError
        When the file cannot be read, is too large, or has keys or values that the table does not allow.
    """
    if path is None:
        return Endpoints()
    given = _read_table(path)
    addresses = {key: _address(key, value, path=path) for key, value in given.items() if key != "catalogs"}
    return Endpoints(**addresses, catalogs=_catalogs(given.get("catalogs", {}), path=path))


def _read_table(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode("utf-8")  # a truncated file no longer parses
        given = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise NetworkError(
            f"{path}: no table of endpoints ({error}); write TOML such as nominatim = 'https://…'"
        ) from error
    if not isinstance(given, dict) or not set(given) <= set(_KEYS):
        raise NetworkError(f"{path}: endpoints are {', '.join(_KEYS)}; nothing else is taken")
    return given


def _address(key: str, value: Any, *, path: Path) -> Any:
    listed = [value] if isinstance(value, str) else value
    if not (isinstance(listed, list) and all(is_address(url) for url in listed)):
        raise NetworkError(f"{path}: {key} is no address; write {key} = 'https://host/path'")
    if key != "overpass" and len(listed) != 1:
        raise NetworkError(f"{path}: {key} takes one address")
    return tuple(listed) if key == "overpass" else listed[0]


def _catalogs(given: Any, *, path: Path) -> Mapping[str, Catalog]:
    if not isinstance(given, dict) or not all(is_address(url) for url in given.values()):
        raise NetworkError(f"{path}: [catalogs] holds lines such as earth-search = 'https://...', nothing else")
    table = dict(CATALOGS)
    for name, url in given.items():
        known = table.get(name.lower(), Catalog(name=name.lower(), label=name, url=""))
        table[name.lower()] = replace(known, url=url.rstrip("/"))
    return MappingProxyType(table)


def is_address(url: object) -> bool:
    """Tell whether a value is a web address: ``https://host/path``."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return False
    return parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)


def _same(url: str, other: str) -> bool:
    return url.rstrip("/").casefold() == other.rstrip("/").casefold()
