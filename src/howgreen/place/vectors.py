"""Reading areas from any vector file or text: features with names and EPSG:4326 polygons."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyogrio
import pyproj
import shapely
from pyogrio.errors import CRSError, DataLayerError, DataSourceError

from howgreen.core.errors import AreaError
from howgreen.core.geometry import BBox
from howgreen.core.text import brief, fold, spellings
from howgreen.place.shapes import check_degrees

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

MAX_TEXT = 2_000_000
"""Longest shape that may be typed or pasted, in characters; a file has no such limit."""

_NAME_COLUMN = re.compile(
    r"^(name|nom|nome|nombre|naam|namn|navn|nimi|label|title|city|town|place|gemeinde|commune|comune|comuna|municipio"
    r"|municipality|district|bezirk|stadtteil|ortsteil|quartier|quartiere|barrio|gen)([_: ].*)?$|[_: ]name$",
    re.IGNORECASE,
)
_WKT = re.compile(
    r"^\s*(?:SRID\s*=\s*(\d+)\s*;)?\s*((?:MULTI)?(?:POINT|LINESTRING|POLYGON|CURVE|SURFACE)|CURVEPOLYGON"
    r"|GEOMETRYCOLLECTION|CIRCULARSTRING|COMPOUNDCURVE|TRIANGLE|LINEARRING)\b.*[(E]",
    re.IGNORECASE | re.DOTALL,
)
_GREATEST_EDGE_M = 1000.0
_MOST_VERTICES = 10_000
_UNREADABLE = (
    DataSourceError,
    DataLayerError,
    CRSError,
    UnicodeDecodeError,
    ValueError,
    shapely.errors.GEOSException,
)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One area of a file."""

    number: int
    """Position among the areas of the file, from 1."""
    name: str | None
    """Its most name-like attribute."""
    attributes: Mapping[str, str]
    """All its textual attributes."""
    geometry: BaseGeometry
    """EPSG:4326, as read: not yet cleaned."""

    def called(self, name: str) -> bool:
        """Whether one of its name-like attributes holds this name."""
        named = (value for key, value in self.attributes.items() if _NAME_COLUMN.search(key))
        return any(fold(name) in spellings(value) for value in named)


def is_shape_text(text: str) -> bool:
    """Whether a text is meant as WKT or GeoJSON, and not as a path."""
    return text.lstrip().startswith(("{", "[")) or _WKT.match(text) is not None


def read_file(path: Path) -> list[Feature]:
    """The areas of any vector file that GDAL reads, in EPSG:4326.

    Raises
    ------
    AreaError
        When the file is missing or broken, holds no area, or its CRS is missing or wrong.

    """
    if not _exists(path):
        raise AreaError(f"{brief(str(path), most=200)}: no such file; give a boundary file, WKT or GeoJSON")
    if path.name.lower().endswith((".osm.pbf", ".pbf", ".osm")):
        raise AreaError(
            f"{path}: an OpenStreetMap extract is no boundary file; give it as --osm, with the place's name"
        )
    return _features(path, what=str(path))


def read_around(path: Path, box: BBox, *, margin_deg: float) -> list[BaseGeometry]:
    """The geometries of a vector file that meet a box of degrees and its margin, in EPSG:4326; no others are read.

    Raises
    ------
    AreaError
        When the file is missing or broken, or its CRS is missing or wrong.

    """
    if not _exists(path):
        raise AreaError(f"{brief(str(path), most=200)}: no such file; give polygons of land, or coastlines")
    west, south, east, north = box
    wide = (west - margin_deg, south - margin_deg, east + margin_deg, north + margin_deg)
    try:
        names = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        tables = [pyogrio.read_dataframe(path, layer=name, columns=[], bbox=_there(path, name, wide)) for name in names]
    except (*_UNREADABLE, pyproj.exceptions.ProjError) as error:
        raise AreaError(
            f"{path}: cannot be read ({(str(error).splitlines() or [''])[0]}); give a vector file"
        ) from error
    moved = [in_degrees(table[~(table.geometry.isna() | table.is_empty)], what=str(path)) for table in tables]
    frame = shapely.box(*wide)
    return [shape for table in moved for shape in shapely.make_valid(table.geometry.values) if shape.intersects(frame)]


def _there(path: Path, layer: str, box: BBox) -> BBox:
    """A box of degrees in a layer's own CRS."""
    crs = pyogrio.read_info(path, layer=layer)["crs"]
    if crs is None:
        raise AreaError(f"{path}: has no CRS; save it with one, or as GeoJSON in lon, lat")
    west, south, east, north = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform_bounds(*box)
    return west, south, east, north


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for the system, or a folder that may not be looked into
        return False


def read_text(text: str) -> list[Feature]:
    """The areas of a WKT or GeoJSON text; EPSG:4326 (lon, lat) unless the text itself names another CRS.

    Raises
    ------
    AreaError
        When the text cannot be read, is too long, or holds no area.

    """
    if len(text) > MAX_TEXT:
        raise AreaError(
            f"shape of {len(text):,} characters: more than {MAX_TEXT:,}; save it as a file and give its path"
        )
    if text.lstrip().startswith(("{", "[")):
        return _geojson(text)
    return [Feature(number=1, name=None, attributes={}, geometry=_wkt(text))]


def _geojson(text: str) -> list[Feature]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AreaError(
            f"shape {brief(text, most=40)}: not GeoJSON ({error}); check its brackets and quotes"
        ) from error
    if not isinstance(parsed, dict) or "type" not in parsed:
        raise AreaError(
            f"shape {brief(text, most=40)}: GeoJSON without a type; give a Polygon, Feature or FeatureCollection"
        )
    return _features(BytesIO(text.encode()), what="the GeoJSON shape")


def _wkt(text: str) -> BaseGeometry:
    match = _WKT.match(text)
    if match and match[1] not in {None, "4326"}:
        raise AreaError(f"shape {brief(text, most=40)}: SRID {match[1]} is not taken; write lon lat in EPSG:4326")
    try:
        with np.errstate(invalid="ignore"):  # NaN among the numbers is refused later, in our own words
            shape = shapely.from_wkt(text.split(";", 1)[-1], on_invalid="fix")
    except (shapely.errors.GEOSException, NotImplementedError) as error:
        reason = str(error).splitlines()[0].removeprefix("ParseException: ")
        raise AreaError(
            f"shape {brief(text, most=40)}: not WKT ({reason}); write POLYGON((lon lat, lon lat, …))"
        ) from error
    if shape is None:
        raise AreaError(
            f"shape {brief(text, most=40)}: not WKT (a ring of too few points); write POLYGON((lon lat, lon lat, …))"
        )
    return shape


def read_frame(frame: gpd.GeoDataFrame | gpd.GeoSeries) -> list[Feature]:
    """Take the areas of a frame in memory, moved to EPSG:4326.

    Raises
    ------
    AreaError
        When it holds no area, or its CRS is missing.

    """
    table = frame if isinstance(frame, gpd.GeoDataFrame) else gpd.GeoDataFrame(geometry=frame)
    return _of_frames([table], what="the frame")


def _features(source: Path | BytesIO, *, what: str) -> list[Feature]:
    return _of_frames(_frames(source, what=what), what=what)


def _of_frames(frames: Sequence[gpd.GeoDataFrame], *, what: str) -> list[Feature]:
    features: list[Feature] = []
    kinds: set[str] = set()
    for table in frames:
        frame = table if table.active_geometry_name == "geometry" else table.rename_geometry("geometry")
        held = frame[~(frame.geometry.isna() | frame.is_empty)]
        kinds.update(str(kind) for kind in held.geom_type)
        areas = held[held.geom_type.isin(["Polygon", "MultiPolygon", "GeometryCollection"])]
        for row in in_degrees(areas, what=what).itertuples(index=False):
            features.append(_feature(row, number=len(features) + 1))
    if not features:
        instead = f"only {', '.join(sorted(kinds))}" if kinds else "no features"
        raise AreaError(f"{what}: holds no area, {instead}; give a file with a Polygon or MultiPolygon")
    return features


def _frames(source: Path | BytesIO, *, what: str) -> list[gpd.GeoDataFrame]:
    """Every layer with geometries, in the file's CRS."""
    try:
        with warnings.catch_warnings(record=True) as murmurs:  # GDAL's remarks are for the log, not for the terminal
            warnings.simplefilter("always")
            frames = _layers(source)
    except _UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].split("; It might help")[0].rstrip(".")
        raise AreaError(
            f"{what}: cannot be read as a boundary ({reason}); give GeoJSON, GeoPackage, Shapefile or KML"
        ) from error
    for murmur in murmurs:
        _LOG.info("%s: %s", what, murmur.message)
    return frames


def _layers(source: Path | BytesIO) -> list[gpd.GeoDataFrame]:
    names = [str(name) for name, kind in pyogrio.list_layers(source) if kind is not None]
    # Bytes get another layer name at each opening; GeoJSON has only one anyway.
    wanted = names if isinstance(source, Path) else [None] * bool(names)
    tables = [pyogrio.read_dataframe(source, layer=name, datetime_as_string=True, on_invalid="fix") for name in wanted]
    return [table for table in tables if isinstance(table, gpd.GeoDataFrame)]


def in_degrees(frame: gpd.GeoDataFrame, *, what: str) -> gpd.GeoDataFrame:
    """The same features in EPSG:4326, x = longitude."""
    if frame.empty:
        return frame
    crs = frame.crs
    if crs is None or "undefined" in crs.name.lower() or "unknown" in crs.name.lower():
        raise AreaError(
            f"{what}: has no CRS; save it with one (a Shapefile's .prj beside it), or as GeoJSON in lon, lat"
        )
    if crs.is_geographic:
        for geometry in frame.geometry:
            check_degrees(geometry, what=what)
    if crs.to_authority() in {("EPSG", "4326"), ("OGC", "CRS84")}:
        return frame
    try:
        # A straight line on a projected plane is bent on the globe: long edges get vertices before they are moved.
        moved = _dense(frame).to_crs("EPSG:4326")
    except pyproj.exceptions.ProjError as error:
        raise AreaError(
            f"{what}: its CRS {crs.name!r} cannot be turned into degrees ({error}); save it in EPSG:4326"
        ) from error
    for geometry in moved.geometry:
        if not shapely.is_empty(geometry):
            _check_moved(geometry, crs=crs, what=what)
    return moved


def _dense(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    if not frame.crs.is_projected:
        return frame
    per_unit_m = frame.crs.axis_info[0].unit_conversion_factor or 1.0
    west, south, east, north = frame.total_bounds
    longest = max(_GREATEST_EDGE_M / per_unit_m, (east - west + north - south) / _MOST_VERTICES)
    return frame.set_geometry(frame.geometry.segmentize(longest))


def _check_moved(geometry: BaseGeometry, *, crs: pyproj.CRS, what: str) -> None:
    if not shapely.is_empty(geometry) and all(abs(bound) < 541 for bound in geometry.bounds):
        return
    raise AreaError(
        f"{what}: its coordinates lie outside its CRS {crs.name!r}; the CRS is wrong: save it with the right one"
    )


def _feature(row: Any, *, number: int) -> Feature:
    values = row._asdict()
    geometry = values.pop("geometry")
    attributes = {str(key): value.strip() for key, value in values.items() if isinstance(value, str) and value.strip()}
    return Feature(number=number, name=_name(attributes), attributes=attributes, geometry=geometry)


def _name(attributes: Mapping[str, str]) -> str | None:
    """The value of the most name-like column: ``name`` itself first, then in the file's order."""
    exact = [value for key, value in attributes.items() if key.lower() == "name"]
    alike = [value for key, value in attributes.items() if _NAME_COLUMN.search(key)]
    return next(iter(exact + alike), None)
