"""Items of public catalogues as scenes: their band keys, outlines, radiometry and doubles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from howgreen.core.geometry import area_from, polygonal
from howgreen.core.reflectance import baseline, radiometry
from howgreen.core.sensors import Sensor, common_name
from howgreen.core.stac import scene as stored_scene
from howgreen.core.stac import sensor_of
from howgreen.core.types import Scene
from howgreen.net.catalog_endpoints import Endpoint

SAME_GROUND = 0.9
"""Doubles share this much of their joint outline; the halves of a split strip do not."""

_HTTP = re.compile(r"^https?://", re.IGNORECASE)
_RESOLUTION = re.compile(r"^(.+)_(\d+)m$")
_LANDSAT = re.compile(r"^(L[A-Z]\d\d)_L2S[PR]_(\d{6})_(\d{8})_(\d{8})_\d\d_(T1|T2|RT)")
_TIERS = {"RT": 0, "T2": 1, "T1": 2}


def scene(native: Mapping[str, Any], *, endpoint: Endpoint, sensor: Sensor) -> Scene | None:
    """The scene that an item of a catalogue describes.

    None when it is of another sensor or level, or when none of its bands can be read over HTTP.

    Raises
    ------
    ValueError, KeyError, TypeError, StoreError
        When it is no proper item.
    """
    if sensor_of(native) is not sensor or not _surface_reflectance(native):
        return None
    plain = {**native, "assets": _readable(native, sensor), "geometry": shapely.geometry.mapping(_outline(native))}
    found = stored_scene(plain, resolve=str)
    if found is None:
        return None
    assets = tuple(replace(asset, signer=endpoint.signer) for asset in found.assets)
    found = replace(found, assets=assets, native=native)
    if "howgreen:sensor" in native["properties"]:  # a store of ours, served: its numbers are decided already
        return replace(found, radiometry="as the store that serves it states")
    if sensor.is_radar:
        return replace(found, radiometry=_backscatter(found))
    numbers = radiometry(native, sensor, habit=endpoint.habit)
    return replace(found, scale=numbers.scale, offset=numbers.offset, nodata=numbers.nodata, radiometry=numbers.why)


def _backscatter(one: Scene) -> str:
    """What a radar scene holds, and from where it looked, in words."""
    orbit = one.native["properties"].get("sat:orbit_state")
    return f"gamma nought, {'linear power' if one.power else 'dB'}" + (f", {orbit} pass" if orbit else "")


def _surface_reflectance(native: Mapping[str, Any]) -> bool:
    properties = native["properties"]
    product = str(properties.get("s2:product_type") or properties.get("product:type") or "")
    return "l1c" not in f"{native.get('collection')}".lower() and not product.upper().endswith("1C")


def _readable(native: Mapping[str, Any], sensor: Sensor) -> dict[str, Any]:
    """Assets with an HTTP href, ``B04_10m`` under ``B04`` when that is the band's own resolution."""
    base = next((link.get("href") for link in native.get("links") or [] if link.get("rel") == "self"), None) or ""
    own = {band.name: band.resolution_m for band in sensor.bands} | {"scl": 20}
    kept: dict[str, Any] = {}
    for key, entry in native["assets"].items():
        href = urljoin(base, entry["href"])
        split = _RESOLUTION.match(key)
        if not _HTTP.match(href) or (split and own.get(common_name(split[1], sensor) or "") != int(split[2])):
            continue
        kept[split[1] if split else key] = {**entry, "href": href}
    return kept


def unreadable(native: Mapping[str, Any]) -> bool:
    """Whether an item's files lie where HTTP does not reach (``s3://`` with an account)."""
    hrefs = [
        str(entry.get("href"))
        for entry in (native.get("assets") or {}).values()
        if "data" in entry.get("roles", ["data"])
    ]
    return bool(hrefs) and not any(_HTTP.match(href) or ":" not in href for href in hrefs)


def _outline(native: Mapping[str, Any]) -> Polygon | MultiPolygon:
    """Footprint in -180..180, split at the antimeridian; one that goes round the wrong way is turned."""
    outline = area_from(native["geometry"])
    parts = getattr(outline, "geoms", [outline])
    mended = [piece for part in parts for piece in _mended(part)]
    return polygonal(shapely.union_all(mended))


def _mended(part: Polygon) -> list[BaseGeometry]:
    west, _, east, _ = part.bounds
    if east - west > 180:  # no scene is so wide: written with -179 and 179 in one ring
        part = shapely.transform(part, lambda xy: np.where([[True, False]] & (xy < 0), xy + 360, xy))
        west, _, east, _ = part.bounds
    if west >= -180 and east <= 180:
        return [part]
    pieces = [(part.intersection(box(low, -90, low + 360, 90)), low + 180) for low in (-540, -180, 180)]
    return [shapely.affinity.translate(piece, -shift) for piece, shift in pieces if not piece.is_empty]


def undoubled(scenes: Iterable[Scene], *, collections: Iterable[str] = ()) -> list[Scene]:
    """Scenes without doubles: of those of one tile, datatake and outline the newest baseline stays, then the newest
    made, then the collection that comes first in ``collections``. Keeps their order.
    """
    order = {name: number for number, name in enumerate(collections)}
    scenes = list(scenes)
    kept: dict[tuple[str, ...], list[Scene]] = {}
    for one in sorted(scenes, key=lambda s: (_newness(s), -order.get(_collection(s), len(order)), s.id), reverse=True):
        group = kept.setdefault(_key(one), [])
        if not any(_same_ground(one, other) for other in group):
            group.append(one)
    stay = {id(one) for group in kept.values() for one in group}
    return [one for one in scenes if id(one) in stay]


def _collection(one: Scene) -> str:
    return str(one.native.get("collection"))


def _same_ground(one: Scene, other: Scene) -> bool:
    joint = one.footprint.union(other.footprint).area
    return bool(one.footprint.intersection(other.footprint).area >= SAME_GROUND * joint)


def _key(one: Scene) -> tuple[str, ...]:
    """What doubles have in common: tile, datatake and strip without their baselines; path, row and day."""
    properties = one.native["properties"]
    if landsat := _LANDSAT.match(one.id):
        return landsat[1], landsat[2], landsat[3]
    if one.sensor != "sentinel-2" or not (tile := _tile(one)):
        return (one.id,)
    strip = re.search(r"_S(\d{8}T\d{6})", str(properties.get("s2:datastrip_id") or ""))
    datatake = str(properties.get("s2:datatake_id") or f"{one.time:%Y%m%dT%H%M}")
    return tile, re.sub(r"_N\d\d\.\d\d$", "", datatake), strip[1] if strip else ""


def _tile(one: Scene) -> str:
    properties = one.native["properties"]
    code = str(properties.get("s2:mgrs_tile") or properties.get("grid:code") or "").removeprefix("MGRS-")
    found = re.search(r"_T?(\d{2}[C-X][A-Z]{2})_", f"_{one.id}_")
    return (code or (found[1] if found else "")).lstrip("0")


def _newness(one: Scene) -> tuple[Any, ...]:
    if landsat := _LANDSAT.match(one.id):
        return (_TIERS[landsat[5]], int(landsat[4])), "", 0
    properties = one.native["properties"]
    sequence = re.search(r"_(\d+)_L2A$", one.id)
    made = str(properties.get("s2:generation_time") or "")[:19]
    return baseline(one.native) or (0, 0), made, int(sequence[1]) if sequence else 0
