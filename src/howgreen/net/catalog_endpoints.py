"""The catalogues that are known by name, and what each does to its pixels: the one table, which any URL overrides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from howgreen.core.errors import NetworkError
from howgreen.core.reflectance import Habit
from howgreen.net.endpoints import CATALOGS, is_address, read_table


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One STAC API."""

    name: str
    """Key: ``earth-search``; the URL's host for one that is not in the table."""
    label: str
    """For people."""
    url: str
    """Of the landing page."""
    collections: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """By sensor, the preferred one first. A sensor that is missing: none there that anyone may read. All missing:
    the server is asked which it has."""
    habit: Habit = "unknown"
    """Of its Sentinel-2 L2A pixels."""
    signer: str = ""
    """Who signs its hrefs when they are read: a key of :data:`howgreen.net.sas_tokens.SIGNERS`, or nobody."""


KNOWN_COLLECTIONS = MappingProxyType(
    {
        "sentinel-2": ("sentinel-2-l2a", "sentinel-2-c1-l2a", "sentinel-s2-l2a-cogs"),
        "landsat": ("landsat-c2-l2", "landsat-c2l2-sr"),
        "sentinel-1": ("sentinel-1-rtc",),
    }
)
"""Names that catalogues use; a server that is not in the table is asked which of them it has."""

ENDPOINTS = (
    # Its Landsat and its Sentinel-1 lie in buckets where the reader pays, with an account; so only Sentinel-2. (Its
    # Sentinel-1 is ground range, which no terrain correction has put on the map.)
    Endpoint(
        name="earth-search",
        label="Earth Search",
        url="https://earth-search.aws.element84.com/v1",
        collections=MappingProxyType({"sentinel-2": ("sentinel-2-l2a", "sentinel-2-c1-l2a")}),
        habit="flagged",
    ),
    Endpoint(
        name="planetary-computer",
        label="Planetary Computer",
        url="https://planetarycomputer.microsoft.com/api/stac/v1",
        # It asks for a subscription key before it hands out tokens for Sentinel-1.
        collections=MappingProxyType(
            {"sentinel-2": ("sentinel-2-l2a",), "landsat": ("landsat-c2-l2",), "sentinel-1": ("sentinel-1-rtc",)}
        ),
        habit="as delivered",
        signer="planetary-computer",
    ),
    # For those who have an account there; see imagery/earthengine.py.
    Endpoint(
        name="earth-engine",
        label="Google Earth Engine",
        url="https://earthengine.googleapis.com",
        collections=MappingProxyType(
            {
                "sentinel-2": ("COPERNICUS/S2_SR_HARMONIZED",),
                "landsat": tuple(f"LANDSAT/{one}/C02/T1_L2" for one in ("LC09", "LC08", "LE07", "LT05", "LT04")),
            }
        ),
        signer="earth-engine",
    ),
    # Its files need an account (s3://eodata): it answers searches, and its scenes are then counted as unreadable.
    Endpoint(
        name="copernicus",
        label="Copernicus Data Space",
        url="https://stac.dataspace.copernicus.eu/v1",
        collections=MappingProxyType({"sentinel-2": ("sentinel-2-l2a",)}),
        habit="as delivered",
    ),
)
"""In the order in which they are asked."""

BY_NAME: Mapping[str, Endpoint] = MappingProxyType({one.name: one for one in ENDPOINTS})
DEFAULT = ("earth-search", "planetary-computer")
"""Those that need no account."""

_HTTP = re.compile(r"^https?://([^/?#\s]+)[^\s]*$", re.IGNORECASE)


def endpoint(given: str, *, table: Mapping[str, Endpoint] | None = None) -> Endpoint:
    """The catalogue that a user means.

    Parameters
    ----------
    given
        A name of the table, any STAC API's URL, or ``name=URL`` for a mirror that behaves like the one of that name.
    table
        By name; None for :data:`ENDPOINTS`.

    Raises
    ------
    NetworkError
        When it is none of these.
    """
    there = list((BY_NAME if table is None else table).values())
    name, _, url = given.partition("=") if not _HTTP.match(given) else ("", "", given)
    known = next((one for one in there if one.name == name.strip().lower() or (not name and _same(one.url, url))), None)
    if known and not url:
        return known
    host = _HTTP.match(url)
    if not host or (name and not known):
        names = ", ".join(one.name for one in there)
        raise NetworkError(f"catalogue {given!r} is unknown: use one of {names}, or a STAC API's URL (https://...)")
    bare = host[1].rpartition("@")[2]
    return replace(known, url=url.rstrip("/")) if known else Endpoint(name=bare, label=bare, url=url.rstrip("/"))


def read_catalogs(path: Path) -> Mapping[str, Endpoint]:
    """The table with the ``[catalogs]`` of a file: an address under a known name is a mirror of that one, any other
    name a catalogue of its own. See :mod:`howgreen.net.endpoints`.

    Raises
    ------
    NetworkError
        When the file cannot be read, or an entry is no address.
    """
    given = read_table(path).get(CATALOGS, {})
    if not isinstance(given, dict) or not all(is_address(url) for url in given.values()):
        raise NetworkError(f"{path}: [{CATALOGS}] holds lines such as earth-search = 'https://...', nothing else")
    table = dict(BY_NAME)
    for name, url in given.items():
        known = table.get(name.lower(), Endpoint(name=name.lower(), label=name, url=""))
        table[name.lower()] = replace(known, url=url.rstrip("/"))
    return MappingProxyType(table)


def _same(url: str, other: str) -> bool:
    return url.rstrip("/").casefold() == other.rstrip("/").casefold()
