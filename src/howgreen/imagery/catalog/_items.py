"""Items of public catalogues as scenes: band keys and outlines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from howgreen.core.geometry import area_from, check_crossings, polygonal
from howgreen.core.sensors import Sensor, common_name
from howgreen.core.stac import band_assets, sensor_of
from howgreen.core.stac import scene as parsed
from howgreen.core.types import Scene
from howgreen.net.endpoints import Catalog
from howgreen.net.http import is_private

_HTTP = re.compile(r"^https?://", re.IGNORECASE)
_RESOLUTION = re.compile(r"^(.+)_(\d+)m$")


def scene(native: Mapping[str, Any], *, catalog: Catalog, sensor: Sensor) -> Scene | None:
    """Convert an item of a catalogue to a scene.

    None if it is of another sensor or level, or has no band readable over HTTP.

    Raises
    ------
    ValueError, KeyError, TypeError, StoreError
        It is not a valid item.
    """
    if sensor_of(native) is not sensor or not _surface_reflectance(native):
        return None
    plain = {
        **native,
        "assets": _readable(native, sensor, near=is_private(catalog.url)),
        "geometry": shapely.geometry.mapping(_outline(native)),
    }
    found = parsed(plain, resolve=str, habit=catalog.habit, signer=catalog.signer)
    return None if found is None else replace(found, native=native)


def _surface_reflectance(native: Mapping[str, Any]) -> bool:
    properties = native["properties"]
    product = str(properties.get("s2:product_type") or properties.get("product:type") or "")
    return "l1c" not in f"{native.get('collection')}".lower() and not product.upper().endswith("1C")


def _readable(native: Mapping[str, Any], sensor: Sensor, *, near: bool) -> dict[str, Any]:
    """Assets with an HTTP href, ``B04_10m`` as ``B04`` if that is the band's native resolution.

    Addresses of this computer and its local network count only if the catalogue itself is there (``near``).
    """
    base = next((link.get("href") for link in native.get("links") or [] if link.get("rel") == "self"), None) or ""
    own = {band.name: band.resolution_m for band in sensor.bands} | {"scl": 20}
    kept: dict[str, Any] = {}
    for key, entry in native["assets"].items():
        href = _public_href(entry, base)
        split = _RESOLUTION.match(key)
        if (
            href is None
            or (is_private(href) and not near)
            or (split and own.get(common_name(split[1], sensor) or "") != int(split[2]))
        ):
            continue
        kept[split[1] if split else key] = {**entry, "href": href}
    return kept


def _public_href(entry: Mapping[str, Any], base: str) -> str | None:
    """Publicly readable address of an asset: its own or, by the alternate-assets extension, another one.

    An address with an authentication scheme (``auth:refs``) needs an account.
    """
    alternates = entry.get("alternate")
    others = alternates.values() if isinstance(alternates, dict) else ()
    places = (entry, *(one for one in others if isinstance(one, dict)))
    hrefs = (urljoin(base, str(one["href"])) for one in places if one.get("href") and not one.get("auth:refs"))
    return next((href for href in hrefs if _HTTP.match(href)), None)


def needs_account(native: Mapping[str, Any], *, sensor: Sensor) -> bool:
    """Tell whether an item has bands of a sensor, but none that is publicly readable.

    Their files are out of reach of HTTP (``s3://``) or behind a sign-in; a web address of a preview, or of the whole
    product as an archive, does not help.
    """
    if sensor_of(native) is not sensor or not _surface_reflectance(native):
        return False
    split = ((_RESOLUTION.match(key), key) for key in native["assets"])
    bare = {(found[1] if found else key): native["assets"][key] for found, key in split}
    there = band_assets({**native, "assets": bare}, sensor).values()
    elsewhere = any(":" in str(entry["href"]) for entry in there)
    return elsewhere and not band_assets({**native, "assets": _readable(native, sensor, near=True)}, sensor)


def _outline(native: Mapping[str, Any]) -> Polygon | MultiPolygon:
    """Footprint in -180..180, split at the antimeridian; one with the wrong winding is reversed."""
    outline = _area(native.get("geometry"), native.get("bbox"))
    parts = getattr(outline, "geoms", [outline])
    for part in parts:
        if not part.is_valid:
            check_crossings(part)
    mended = [piece for part in parts for piece in _mended(part)]
    return polygonal(shapely.union_all(mended))


def _area(geometry: Any, bbox: Any) -> Polygon | MultiPolygon:
    """Area of a footprint: of a GeometryCollection its areas; without a geometry, the item's bbox."""
    if geometry is None:
        if not (isinstance(bbox, list) and len(bbox) in {4, 6} and all(isinstance(edge, int | float) for edge in bbox)):
            raise ValueError("neither a geometry nor a bbox")
        west, south, east, north = bbox if len(bbox) == 4 else (bbox[0], bbox[1], bbox[3], bbox[4])
        outline: Polygon = box(west, south, east + 360 if east < west else east, north)
        return outline
    if isinstance(geometry, dict) and geometry.get("type") == "GeometryCollection":
        areas = polygonal(shapely.geometry.shape(geometry))
        if areas.is_empty:
            raise ValueError("a GeometryCollection without an area")
        return areas
    return area_from(geometry)


def _mended(part: Polygon) -> list[BaseGeometry]:
    west, _, east, _ = part.bounds
    if east - west > 180:  # no scene is so wide: written with -179 and 179 in one ring
        part = shapely.transform(part, lambda xy: np.where([[True, False]] & (xy < 0), xy + 360, xy))
        west, _, east, _ = part.bounds
    if west >= -180 and east <= 180:
        return [part]
    pieces = [(part.intersection(box(low, -90, low + 360, 90)), low + 180) for low in (-540, -180, 180)]
    return [shapely.affinity.translate(piece, -shift) for piece, shift in pieces if not piece.is_empty]
