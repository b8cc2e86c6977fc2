"""CORINE Land Cover polygons: from a downloaded vector file of any format, or the EEA's ArcGIS server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely

from howgreen.compare._legends import CORINE
from howgreen.compare._sources import Map, vector_map
from howgreen.core.errors import HowgreenError, ImageError, NetworkError
from howgreen.core.geometry import boxes
from howgreen.core.vector_files import vector_files
from howgreen.net.http import parse_json

if TYPE_CHECKING:
    import geopandas as gpd
    from odc.geo.geobox import GeoBox
    from shapely import MultiPolygon, Polygon

    from howgreen.core.agreement import Cropland, MapInfo

Ask = Callable[[str, Mapping[str, str]], bytes]
"""Requests a URL with parameters; NetworkError without a usable response."""

PAGE = 1000
MOST_POLYGONS = 200_000
"""Limit per city; a file or response with more is refused. All of Europe has 2.4 million."""
_CODE = re.compile(r"^(?:code_?(\d\d)|clc_?(\d\d)?_?code|clc_?(\d\d))$", re.IGNORECASE)


def corine_file(info: MapInfo, path: Path, *, grid: GeoBox, cropland: Cropland) -> Map:
    """Read a CORINE map from a GeoPackage, FileGDB, shapefile or GeoJSON, restricted to the city's surroundings.

    Parameters
    ----------
    grid
        The city's grid.

    Raises
    ------
    ImageError
        When it cannot be read, has no attribute such as ``Code_18``, no CRS, or codes unknown to CORINE.
    """
    import pyogrio
    from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FeatureError

    try:
        with vector_files(path) as (file, *_):  # with an explicit format: no file can refer to others, or to a server
            source = file.gdal_path
            layer, column = _layer(source, path)
            described = pyogrio.read_info(source, layer=layer)
            if not described["crs"]:
                raise ImageError(f"{path}: has no coordinate system; assign one (ogr2ogr -a_srs) and give it again")
            bounds = _bounds(grid, described["crs"])
            frame = pyogrio.read_dataframe(
                source, layer=layer, columns=[column], bbox=bounds, max_features=MOST_POLYGONS + 1
            )
    except HowgreenError:
        raise
    except (DataSourceError, DataLayerError, FeatureError, CRSError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ImageError(
            f"{path}: cannot be read as a map ({reason}); give CORINE as GeoTIFF, GeoPackage or FileGDB"
        ) from error
    year = next((part for part in _CODE.match(column).groups() if part), "")  # type: ignore[union-attr]
    named = replace(info, label=f"{info.label} {_century(year)}".strip())
    return _on_grid(named, frame, column, grid=grid, cropland=cropland, where=str(path))


def corine_service(
    info: MapInfo, area: Polygon | MultiPolygon, *, url: str, ask: Ask, grid: GeoBox, cropland: Cropland
) -> Map:
    """Fetch a CORINE map from a layer of an ArcGIS server, page by page.

    Parameters
    ----------
    area
        EPSG:4326; its bounding boxes are queried.
    url
        URL of the layer: ``https://host/arcgis/rest/services/.../MapServer/0``.

    Raises
    ------
    NetworkError
        When it does not respond, or not with polygons, or with more than MOST_POLYGONS.
    """
    import geopandas as gpd
    import pandas as pd

    pages = [page for box in boxes(area) for page in _pages(box, url=url, ask=ask)]
    features = [feature for page in pages for feature in page]
    if not features:
        raise NetworkError(f"{url}: has no CORINE polygon here; it covers Europe only: leave corine out")
    frame = gpd.GeoDataFrame.from_features(features, crs="EPSG:4326")
    column = next((str(name) for name in frame.columns if _CODE.match(str(name))), None)
    if column is None:
        raise NetworkError(
            f"{url}: its polygons have no attribute such as Code_18; name another layer with --endpoints"
        )
    if len(features) > len(set(map(json.dumps, features))):
        frame = gpd.GeoDataFrame(pd.DataFrame(frame).drop_duplicates(subset=["geometry", column]), crs="EPSG:4326")
    year = next((part for part in _CODE.match(column).groups() if part), "")  # type: ignore[union-attr]
    named = replace(info, label=f"{info.label} {_century(year)}".strip())
    return _on_grid(named, frame, column, grid=grid, cropland=cropland, where=url)


def usable(body: bytes) -> bool:
    """Tell whether a response of an ArcGIS server holds polygons.

    Raises
    ------
    ValueError
        With the reason, if it is not such a response: these servers send errors with HTTP 200.
    """
    parsed = parse_json(body)
    if isinstance(parsed, dict) and isinstance(parsed.get("error"), dict):
        raise ValueError(f"the server refuses ({str(parsed['error'].get('message'))[:80]})")  # noqa: TRY004 (the value is wrong, not the caller)
    if not (isinstance(parsed, dict) and isinstance(parsed.get("features"), list)):
        raise ValueError("an answer without polygons")  # noqa: TRY004 (the value is wrong, not the caller)
    return bool(parsed["features"])


def _pages(box: tuple[float, float, float, float], *, url: str, ask: Ask) -> Iterator[list[dict[str, Any]]]:
    start, before = 0, None
    while True:
        parsed = json.loads(ask(f"{url.rstrip('/')}/query", _question(box, start)))
        page = [_as_geojson(one, parsed, url=url) for one in parsed["features"] if isinstance(one, dict)]
        if page and page == before:
            raise NetworkError(f"{url}: hands out every page alike, whatever it is asked for; give --corine FILE")
        yield page
        start, before = start + len(page), page
        # The position of this flag differs between server versions; both are read.
        more = parsed.get("exceededTransferLimit") or (parsed.get("properties") or {}).get("exceededTransferLimit")
        if not page or not (more or len(page) == PAGE):  # a full page may not be the last
            return
        if start > MOST_POLYGONS:
            raise NetworkError(
                f"{url}: more than {MOST_POLYGONS:,} polygons; ask for a smaller place, or give --corine FILE"
            )


def _as_geojson(feature: Mapping[str, Any], answer: Mapping[str, Any], *, url: str) -> dict[str, Any]:
    """Convert a feature in Esri's JSON, which older servers return whatever format is requested, to GeoJSON."""
    if "attributes" not in feature:
        return dict(feature)
    wkid = (answer.get("spatialReference") or {}).get("wkid", 4326)
    if wkid != 4326:
        raise NetworkError(f"{url}: answers in coordinate system {wkid}, not 4326 as asked; give --corine FILE")
    try:
        rings = [shapely.Polygon(ring) for ring in (feature.get("geometry") or {}).get("rings", ())]
    except (TypeError, ValueError) as error:
        raise NetworkError(f"{url}: polygons that cannot be read; give --corine FILE") from error
    # Ring orientation marks holes, but servers differ in it: ground inside an odd number of rings is inside.
    inside: Any = shapely.MultiPolygon()
    for ring in rings:
        inside = inside.symmetric_difference(shapely.make_valid(ring))
    return {"type": "Feature", "properties": feature["attributes"], "geometry": shapely.geometry.mapping(inside)}


def _question(box: tuple[float, float, float, float], start: int) -> dict[str, str]:
    return {
        "where": "1=1", "geometry": ",".join(f"{edge:.6f}" for edge in box), "geometryType": "esriGeometryEnvelope",
        "inSR": "4326", "outSR": "4326", "spatialRel": "esriSpatialRelIntersects", "outFields": "*",
        "returnGeometry": "true", "orderByFields": "OBJECTID", "resultOffset": str(start), "resultRecordCount": str(PAGE),
        "f": "geojson",
    }  # fmt: skip


def _layer(source: str, path: Path) -> tuple[str, str]:
    """Find the first layer with an attribute of codes, and that attribute."""
    import pyogrio

    others = []
    for name, _ in pyogrio.list_layers(source):
        fields = [str(field) for field in pyogrio.read_info(source, layer=name)["fields"]]
        column = next((field for field in fields if _CODE.match(field)), None)
        if column:
            return str(name), column
        others += fields
    raise ImageError(
        f"{path}: no attribute such as Code_18 ({', '.join(others[:6]) or 'it has none'}); give CORINE's own file"
    )


def _bounds(grid: GeoBox, crs: str) -> tuple[float, float, float, float]:
    from rasterio.warp import transform_bounds

    bounds: tuple[float, float, float, float] = transform_bounds(
        str(grid.crs), crs, *grid.boundingbox.bbox, densify_pts=21
    )
    return bounds


def _on_grid(
    info: MapInfo, frame: gpd.GeoDataFrame, column: str, *, grid: GeoBox, cropland: Cropland, where: str
) -> Map:
    if len(frame) > MOST_POLYGONS:
        raise ImageError(f"{where}: more than {MOST_POLYGONS:,} polygons around the city; ask for a smaller place")
    known = {str(item.code): item.code for item in CORINE.classes}
    texts = [_text(value) for value in frame[column]]
    strange = sorted({text for text in texts if text not in known})
    if strange:
        raise ImageError(
            f"{where}: holds the classes {', '.join(strange[:5])}, which CORINE does not have; give its own file"
        )
    moved = frame.geometry.to_crs(str(grid.crs))
    good = [shape is not None and not shape.is_empty for shape in moved]
    return vector_map(
        info,
        CORINE,
        shapes=[shape for shape, keep in zip(moved, good, strict=True) if keep],
        codes=[known[text] for text, keep in zip(texts, good, strict=True) if keep],
        rest=None,
        cropland=cropland,
    )


def _text(value: Any) -> str:
    """Return ``311`` for "311", 311 or 311.0."""
    text = str(value).strip()
    return text.removesuffix(".0")


def _century(year: str) -> str:
    return f"{19 if int(year) >= 85 else 20}{year}" if year else ""
