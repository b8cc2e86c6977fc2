"""STAC items, collections and catalogues as plain JSON values, and the scenes parsed from them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from howgreen.core.acquisitions import SAME_ACQUISITION
from howgreen.core.errors import StoreError
from howgreen.core.geometry import area_from
from howgreen.core.reflectance import Habit, baseline, number, radiometry
from howgreen.core.sensors import LANDSAT, SENSORS, SENTINEL1, Sensor, common_name
from howgreen.core.types import Asset, Encoding, Scene
from howgreen.core.warnings import CODES, Caution

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt
    from odc.geo.geobox import GeoBox
    from shapely import MultiPolygon, Polygon

    from howgreen.core.cog import Written

STAC_VERSION = "1.1.0"
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
EXTENSIONS = [
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
]
SHA256_MULTIHASH = "1220"
"""Multihash prefix of a hexadecimal sha256: its code and its length, 32 bytes."""
DECIBEL, POWER = "dB", "1"
"""Units of radar bands, as in the raster extension's ``unit``; linear power if none is stated."""

# Names known to STAC's eo extension; ours beyond these are left out of it.
_EO_NAMES = {"blue", "green", "red", "rededge", "nir", "nir08", "swir16", "swir22"}


@dataclass(frozen=True, kw_only=True)
class Header:
    """Everything known of a scene but its pixels."""

    id: str
    sensor: Sensor
    time: datetime
    scale: float
    offset: float
    nodata: float | None
    """Scale, offset and nodata of reflective bands without ``encodings`` of their own."""
    cloud_cover_pct: float | None = None
    baseline: str | None = None
    platform: str | None = None
    unit: str = ""
    """Of radar bands once scaled: :data:`DECIBEL` or :data:`POWER`; empty for reflectance."""
    synthetic: bool = False
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Further properties: origin of the pixels, and how that was decided."""
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    """Encodings of bands that have their own."""
    warnings: tuple[Caution, ...] = ()
    """Doubts stored with the scene."""

    def encoding(self, band: str) -> Encoding:
        """Return the encoding of a band's numbers as reflectance."""
        common = Encoding(scale=self.scale, offset=self.offset, nodata=self.nodata)
        return self.encodings.get(band, common)


def utc(moment: datetime) -> datetime:
    """Convert a time to UTC; a time without a zone is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def stamp(moment: datetime) -> str:
    """Format as RFC 3339 in UTC, as STAC requires."""
    return utc(moment).isoformat().replace("+00:00", "Z")


def item(header: Header, *, footprint: Polygon | MultiPolygon, assets: Mapping[str, Any]) -> dict[str, Any]:
    """Return a STAC item; its links are relative to ``ROOT/<collection>/<id>/``."""
    import shapely

    geometry = shapely.geometry.mapping(footprint)
    properties: dict[str, Any] = {
        "datetime": stamp(header.time),
        "constellation": header.sensor.name,
        "howgreen:sensor": header.sensor.name,
        "howgreen:clear_source": header.sensor.mask if header.sensor.mask in assets else "none",
        **header.origin,
    }
    if header.platform:
        properties["platform"] = header.platform
    if header.cloud_cover_pct is not None:
        properties["eo:cloud_cover"] = header.cloud_cover_pct
    if header.baseline:
        properties["s2:processing_baseline"] = header.baseline
    if header.sensor.is_radar:
        properties["sar:polarizations"] = [band.upper() for band in assets]
    if header.warnings:
        properties["howgreen:warnings"] = [{"code": one.code, "text": one.text} for one in header.warnings]
    if header.synthetic:
        properties["howgreen:synthetic"] = True
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": EXTENSIONS,
        "id": header.id,
        "collection": header.sensor.collection,
        "bbox": list(footprint.bounds),
        "geometry": geometry,
        "properties": properties,
        "links": [
            {"rel": "root", "href": "../../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../collection.json", "type": "application/json"},
            {"rel": "collection", "href": "../collection.json", "type": "application/json"},
        ],
        "assets": dict(assets),
    }


def asset(header: Header, band: str, *, href: str, written: Written, grid: GeoBox) -> dict[str, Any]:
    """Return the STAC asset of one COG."""
    nodata = "nan" if written.nodata is not None and written.nodata != written.nodata else written.nodata
    is_mask = band == header.sensor.mask
    raster: dict[str, Any] = {"data_type": written.data_type, "spatial_resolution": abs(grid.affine.a)}
    if nodata is not None:
        raster["nodata"] = nodata
    if not is_mask:
        own = header.encoding(band)
        raster |= {"scale": own.scale, "offset": own.offset} | ({"unit": header.unit} if header.unit else {})
    entry: dict[str, Any] = {
        "href": href,
        "type": COG_TYPE,
        "title": f"{header.sensor.label} {band}",
        "roles": ["data", "cloud"] if is_mask else ["data"] if header.sensor.is_radar else ["data", "reflectance"],
        "bands": [{"name": band, "data_type": written.data_type} | ({} if nodata is None else {"nodata": nodata})],
        "raster:bands": [raster],
        "proj:shape": list(grid.shape),
        "proj:transform": [float(value) for value in grid.affine[:6]],
        "file:size": written.size_bytes,
        "file:checksum": SHA256_MULTIHASH + written.sha256,
    }
    if not is_mask and not header.sensor.is_radar:
        entry["eo:bands"] = [{"name": band} | ({"common_name": band} if band in _EO_NAMES else {})]
    return entry | _projection(grid)


def _projection(grid: GeoBox) -> dict[str, Any]:
    code = grid.crs.to_epsg() if grid.crs else None
    if code:
        return {"proj:code": f"EPSG:{code}"}
    return {"proj:code": None, "proj:wkt2": grid.crs.to_wkt()} if grid.crs else {"proj:code": None}


def sensor_of(native: Mapping[str, Any]) -> Sensor | None:
    """Identify an item's sensor, by property, constellation, platform, collection or id."""
    properties = native.get("properties") or {}
    named = SENSORS.get(str(properties.get("howgreen:sensor", "")))
    if named:
        return named
    platform = str(properties.get("platform") or "").lower()
    words = " ".join(str(properties.get(key) or "") for key in ("constellation", "platform")).lower()
    words += f" {native.get('collection') or ''} ".lower()
    if "sentinel-2" in words or "sentinel-s2" in words or platform.startswith("s2"):
        return SENSORS["sentinel-2"]
    # Ground-range products (GRD) are neither geocoded nor calibrated: only terrain-corrected ones count.
    if "sentinel-1-rtc" in words or ("sentinel-1" in words and properties.get("sar:product_type") == "RTC"):
        return SENTINEL1
    return LANDSAT if "landsat" in words else None


def scene(
    native: Mapping[str, Any], *, resolve: Callable[[str], str], habit: Habit | None = None, signer: str = ""
) -> Scene | None:
    """Parse a STAC item; None if its sensor is unknown or it has no known band.

    Parameters
    ----------
    native
        A STAC item, 1.0 or 1.1, ours or another catalogue's.
    resolve
        Turns an asset's href into an absolute one, or raises StoreError.
    habit
        How its catalogue treats Sentinel-2's offset; None for an item of a local store.
    signer
        Token provider for its hrefs; see :class:`howgreen.core.types.Asset`.

    Raises
    ------
    StoreError
        The item lacks a time or an outline.

    """
    sensor = sensor_of(native)
    if sensor is None:
        return None
    entries = band_assets(native, sensor)
    if not set(entries) & set(sensor.band_names):
        return None
    properties = native["properties"]
    numbers = radiometry(native, sensor, habit=habit or "unknown", entries=entries)
    power = sensor.is_radar and _unit(entries) != DECIBEL
    try:
        time, outline = _time(properties), area_from(native["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"item {native.get('id')}: no usable datetime or geometry; add the image again") from error
    if when := sensor.impossible_day(time.date()):
        raise StoreError(
            f"item {native.get('id')}: {sensor.label} of {time:%Y-%m-%d}: {when}; add the image again with its day"
        )
    return Scene(
        id=str(native["id"]),
        sensor=sensor.name,
        time=time,
        footprint=outline,
        assets=tuple(
            replace(_asset(band, entry, resolve), signer=signer, encoding=numbers.bands.get(band))
            for band, entry in entries.items()
        ),
        scale=numbers.scale,
        offset=numbers.offset,
        nodata=numbers.nodata,
        cloud_cover_pct=number(properties.get("eo:cloud_cover")),
        platform=str(properties.get("platform") or "").lower().replace("_", "-"),
        power=power,
        synthetic=properties.get("howgreen:synthetic") is True,
        radiometry=_why(properties, numbers.why, served=habit is not None, power=power if sensor.is_radar else None),
        warnings=_warnings(properties),
        native=native,
    )


def _warnings(properties: Mapping[str, Any]) -> tuple[Caution, ...]:
    """Read the doubts that our stores keep with a scene."""
    listed = properties.get("howgreen:warnings")
    return tuple(
        Caution(one["code"], str(one.get("text")))
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict) and one.get("code") in CODES
    )


def _why(properties: Mapping[str, Any], why: str, *, served: bool, power: bool | None) -> str:
    """Say why the numbers are interpreted this way, for the record; ``power`` is None unless the scene is radar."""
    if "howgreen:sensor" in properties:
        return "as the store that serves it states" if served else str(properties.get("howgreen:radiometry") or "")
    if power is None or not served:
        return why
    orbit = properties.get("sat:orbit_state")
    return f"gamma nought, {'linear power' if power else 'dB'}" + (f", {orbit} pass" if orbit else "")


def band_assets(native: Mapping[str, Any], sensor: Sensor) -> dict[str, Mapping[str, Any]]:
    """Return assets by common band name, in the sensor's order, mask last; the key precedes the description."""
    satellite = f"{(native.get('properties') or {}).get('platform') or ''} {native.get('id')}"
    found: dict[str, Mapping[str, Any]] = {}
    by_description: dict[str, Mapping[str, Any]] = {}
    for key, entry in (native.get("assets") or {}).items():
        if not isinstance(entry, dict) or not isinstance(entry.get("href"), str):
            continue
        if name := common_name(key.upper().removesuffix(".TIF"), sensor, satellite=satellite):
            found.setdefault(name, entry)
        elif described := _described(entry, sensor):
            by_description.setdefault(described, entry)
    merged = by_description | found
    return {name: merged[name] for name in (*sensor.band_names, sensor.mask) if name in merged}


def _unit(entries: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the unit that the first band states; None if there is none."""
    first = next(iter(entries.values()))
    bands = (first.get("raster:bands") or []) + (first.get("bands") or [])
    return next((str(band["unit"]) for band in (*bands, first) if isinstance(band, dict) and "unit" in band), None)


def _described(entry: Mapping[str, Any], sensor: Sensor) -> str | None:
    """Identify the band of an asset from the description of its only band, for full-resolution GeoTIFFs only."""
    bands = entry.get("eo:bands") or entry.get("bands") or []
    if (
        len(bands) != 1
        or not isinstance(bands[0], dict)
        or "tiff" not in str(entry.get("type", "tiff"))
        or "data" not in entry.get("roles", ["data"])
    ):
        return None
    words = (bands[0].get(key) for key in ("common_name", "eo:common_name", "name"))
    return next((name for word in words if word and (name := common_name(str(word), sensor))), None)


def _asset(band: str, entry: Mapping[str, Any], resolve: Callable[[str], str]) -> Asset:
    checksum = str(entry.get("file:checksum") or "").lower()
    size = entry.get("file:size")
    return Asset(
        band=band,
        href=resolve(entry["href"]),
        size_bytes=size if isinstance(size, int) else None,
        sha256=checksum[4:] if checksum.startswith(SHA256_MULTIHASH) else None,
    )


def _time(properties: Mapping[str, Any]) -> datetime:
    text = properties.get("datetime") or properties["start_datetime"]
    return utc(datetime.fromisoformat(text))


def collection(sensor: Sensor) -> dict[str, Any]:
    """Return an empty collection; extent and links are filled in as items are added."""
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": sensor.collection,
        "title": sensor.label,
        "description": f"{sensor.label} scenes as one cloud-optimised GeoTIFF a band.",
        "license": "other",
        "extent": {"spatial": {"bbox": []}, "temporal": {"interval": []}},
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
        ],
    }


def catalog() -> dict[str, Any]:
    """Return an empty store."""
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "howgreen-store",
        "title": "howgreen store",
        "description": "Satellite scenes and places kept by howgreen. Places are GeoJSON files in places/.",
        "links": [{"rel": "root", "href": "./catalog.json", "type": "application/json"}],
    }


def widened(extent: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a collection's extent enlarged by one item."""
    boxes = [*((extent.get("spatial") or {}).get("bbox") or [])[:1], entry["bbox"]]
    times = [t for pair in ((extent.get("temporal") or {}).get("interval") or [])[:1] for t in pair if t]
    times = sorted([*times, entry["properties"]["datetime"]])
    box = [f(box[i] for box in boxes) for i, f in enumerate((min, min, max, max))]
    return {"spatial": {"bbox": [box]}, "temporal": {"interval": [[times[0], times[-1]]]}}


SAME_GROUND = 0.9
"""Duplicates share this much of their joint outline, and of their coverage; the halves of a split strip do not."""
_LANDSAT_ID = re.compile(r"^(L[A-Z]\d\d)_L2S[PR]_(\d{6})_(\d{8})_(\d{8})_\d\d_(T1|T2|RT)")
_TIERS = {"RT": 0, "T2": 1, "T1": 2}


def deduplicate(
    scenes: Sequence[Scene],
    *,
    collections: Iterable[str] = (),
    covered: Sequence[npt.NDArray[np.bool_]] | None = None,
) -> list[int]:
    """Find the scenes that are not duplicates: each group keeps the newest of those with the most bands.

    Parameters
    ----------
    scenes
        In any order.
    collections
        Preferred ones first: the tie-break between scenes of one baseline and processing time.
    covered
        For each scene, the pixels of the place that it covers, if known. Then scenes of one sensor and pass that show
        the same ground are duplicates, whatever their names; else only those of one tile, datatake and strip (path, row
        and day), as the halves of a split strip share the outline of their tile.

    Returns
    -------
    list of int
        Indices of those kept, ascending.
    """
    order = {name: place for place, name in enumerate(collections)}
    identities = [] if covered is not None else [_identity(one) for one in scenes]

    def preference(i: int) -> tuple[Any, ...]:
        return (
            len(set(scenes[i].bands)),
            _newness(scenes[i]),
            -order.get(str(scenes[i].native.get("collection")), len(order)),
            scenes[i].id,
        )

    def double(i: int, j: int) -> bool:
        one, other = scenes[i], scenes[j]
        if covered is None:
            return identities[i] == identities[j] and _same_outline(one, other)
        close = one.sensor == other.sensor and abs(one.time - other.time) <= SAME_ACQUISITION
        return close and _same_outline(one, other) and _same_cover(covered[i], covered[j])

    chosen: list[int] = []
    for i in sorted(range(len(scenes)), key=preference, reverse=True):
        if not any(double(i, j) for j in chosen):
            chosen.append(i)
    return sorted(chosen)


def _same_outline(one: Scene, other: Scene) -> bool:
    joint = one.footprint.union(other.footprint).area
    return bool(one.footprint.intersection(other.footprint).area >= SAME_GROUND * joint)


def _same_cover(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> bool:
    return bool((one & other).sum() >= SAME_GROUND * (one | other).sum())


def _identity(one: Scene) -> tuple[str, ...]:
    """Return the key that duplicates share: tile, datatake and strip without their baselines; path, row and day."""
    properties = one.native["properties"]
    if landsat := _LANDSAT_ID.match(one.id):
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
    if landsat := _LANDSAT_ID.match(one.id):
        return (_TIERS[landsat[5]], int(landsat[4])), "", 0
    properties = one.native.get("properties") or {}
    sequence = re.search(r"_(\d+)_L2A$", one.id)
    made = str(properties.get("s2:generation_time") or "")[:19]
    return baseline(one.native) or (0, 0), made, int(sequence[1]) if sequence else 0
