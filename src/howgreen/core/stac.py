"""STAC items, collections and catalogues as plain JSON values, and scenes out of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import StoreError
from howgreen.core.geometry import area_from
from howgreen.core.sensors import LANDSAT, S2_OFFSET_04, SENSORS, SENTINEL1, Sensor, common_name
from howgreen.core.types import Asset, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
"""What goes before the hexadecimal sha256: its code and its length, 32 bytes."""
DECIBEL, POWER = "dB", "1"
"""Units of radar bands, as the raster extension's ``unit`` states them; linear power where nothing is stated."""

# STAC's eo extension knows these names; the others are ours and go without.
_EO_NAMES = {"blue", "green", "red", "rededge", "nir", "nir08", "swir16", "swir22"}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is known of a scene besides its pixels."""

    id: str
    sensor: Sensor
    time: datetime
    scale: float
    offset: float
    nodata: float | None
    cloud_cover_pct: float | None = None
    baseline: str | None = None
    platform: str | None = None
    unit: str = ""
    """Of radar bands once scaled: :data:`DECIBEL` or :data:`POWER`; empty for reflectance."""
    synthetic: bool = False
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Further properties: where the pixels come from, and how that was decided."""


def utc(moment: datetime) -> datetime:
    """The same moment in UTC; a time without a zone is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, as STAC wants it."""
    return utc(moment).isoformat().replace("+00:00", "Z")


def item(header: Header, *, footprint: Polygon | MultiPolygon, assets: Mapping[str, Any]) -> dict[str, Any]:
    """A STAC item; its links are relative to ``ROOT/<collection>/<id>/``."""
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
    """The STAC asset of one COG."""
    nodata = "nan" if written.nodata is not None and written.nodata != written.nodata else written.nodata
    is_mask = band == header.sensor.mask
    raster: dict[str, Any] = {"data_type": written.data_type, "spatial_resolution": abs(grid.affine.a)}
    if nodata is not None:
        raster["nodata"] = nodata
    if not is_mask:
        raster |= {"scale": header.scale, "offset": header.offset} | ({"unit": header.unit} if header.unit else {})
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
    """Which of our sensors an item is from, by property, constellation, platform, collection or id."""
    properties = native.get("properties") or {}
    named = SENSORS.get(str(properties.get("howgreen:sensor", "")))
    if named:
        return named
    platform = str(properties.get("platform") or "").lower()
    words = " ".join(str(properties.get(key) or "") for key in ("constellation", "platform")).lower()
    words += f" {native.get('collection') or ''} ".lower()
    if "sentinel-2" in words or "sentinel-s2" in words or platform.startswith("s2"):
        return SENSORS["sentinel-2"]
    # Ground-range products (GRD) lie where no map does, and are not calibrated: only terrain-corrected ones count.
    if "sentinel-1-rtc" in words or ("sentinel-1" in words and properties.get("sar:product_type") == "RTC"):
        return SENTINEL1
    return LANDSAT if "landsat" in words else None


def scene(native: Mapping[str, Any], *, resolve: Callable[[str], str]) -> Scene | None:
    """The scene that an item describes; None when it is not from a sensor we know or shows no band we know.

    Parameters
    ----------
    native
        A STAC item, 1.0 or 1.1, ours or another catalogue's.
    resolve
        Turns an asset's href into an absolute one, or raises StoreError.

    Raises
    ------
    StoreError
        When the item lacks a time or an outline.

    """
    sensor = sensor_of(native)
    if sensor is None:
        return None
    entries = band_assets(native, sensor)
    if not set(entries) & set(sensor.band_names):
        return None
    properties = native["properties"]
    scale, offset, nodata = _numbers(native, entries, sensor)
    try:
        time, outline = _time(properties), area_from(native["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"item {native.get('id')}: no usable datetime or geometry; add the image again") from error
    return Scene(
        id=str(native["id"]),
        sensor=sensor.name,
        time=time,
        footprint=outline,
        assets=tuple(_asset(band, entry, resolve) for band, entry in entries.items()),
        scale=scale,
        offset=offset,
        nodata=nodata,
        cloud_cover_pct=_number(properties.get("eo:cloud_cover")),
        platform=str(properties.get("platform") or "").lower().replace("_", "-"),
        power=sensor.is_radar and _unit(entries) != DECIBEL,
        synthetic=properties.get("howgreen:synthetic") is True,
        radiometry=str(properties.get("howgreen:radiometry") or ""),
        native=native,
    )


def band_assets(native: Mapping[str, Any], sensor: Sensor) -> dict[str, Mapping[str, Any]]:
    """Assets by common band name, in the sensor's order with the mask last; the key decides before the description."""
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
    """Unit that the first band states; None without any."""
    first = next(iter(entries.values()))
    bands = (first.get("raster:bands") or []) + (first.get("bands") or [])
    return next((str(band["unit"]) for band in (*bands, first) if isinstance(band, dict) and "unit" in band), None)


def _described(entry: Mapping[str, Any], sensor: Sensor) -> str | None:
    """Band of an asset by what it says of its only band, for full-resolution GeoTIFFs only."""
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


def _numbers(
    native: Mapping[str, Any], entries: Mapping[str, Mapping[str, Any]], sensor: Sensor
) -> tuple[float, float, int | None]:
    """Scale, offset and nodata: as the first reflective band says, else as its baseline has them."""
    properties = native["properties"]
    first = next(entry for band, entry in entries.items() if band != sensor.mask)
    said = next(iter(first.get("raster:bands") or first.get("bands") or []), {}) | {
        key: first[key] for key in ("scale", "offset", "nodata", "raster:scale", "raster:offset") if key in first
    }
    scale = _number(said.get("raster:scale", said.get("scale")))
    offset = _number(said.get("raster:offset", said.get("offset")))
    if properties.get("earthsearch:boa_offset_applied") is True:
        offset = 0.0  # the pixels are shifted already, whatever the band's own entry says
    if offset is None:
        offset = S2_OFFSET_04 if _new_baseline(properties) else sensor.offset
    return scale or sensor.scale, offset, _nodata(said, sensor)


def _new_baseline(properties: Mapping[str, Any]) -> bool:
    """Whether Sentinel-2's baseline is 04.00 or newer, and so carries the offset."""
    return (_number(properties.get("s2:processing_baseline")) or 0.0) >= 4


def _nodata(said: Mapping[str, Any], sensor: Sensor) -> int | None:
    if "nodata" not in said:
        # Ours always say so when there is one; others leave out what their sensor's handbook tells.
        return None if "data_type" in said and "scale" in said else sensor.nodata
    value = _number(said["nodata"])
    return int(value) if value is not None and value.is_integer() else None


def _number(value: object) -> float | None:
    """A finite number out of JSON, or None."""
    try:
        number = float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < float("inf") else None


def _time(properties: Mapping[str, Any]) -> datetime:
    text = properties.get("datetime") or properties["start_datetime"]
    return utc(datetime.fromisoformat(text))


def collection(sensor: Sensor) -> dict[str, Any]:
    """An empty collection; extent and links are filled in as items come."""
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
    """An empty store."""
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "howgreen-store",
        "title": "howgreen store",
        "description": "Satellite scenes and places kept by howgreen. Places are GeoJSON files in places/.",
        "links": [{"rel": "root", "href": "./catalog.json", "type": "application/json"}],
    }


def widened(extent: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """A collection's extent with one more item in it."""
    boxes = [*((extent.get("spatial") or {}).get("bbox") or [])[:1], entry["bbox"]]
    times = [t for pair in ((extent.get("temporal") or {}).get("interval") or [])[:1] for t in pair if t]
    times = sorted([*times, entry["properties"]["datetime"]])
    box = [f(box[i] for box in boxes) for i, f in enumerate((min, min, max, max))]
    return {"spatial": {"bbox": [box]}, "temporal": {"interval": [[times[0], times[-1]]]}}
