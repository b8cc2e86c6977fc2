"""Read areas from any vector file, frame or text: features with names and EPSG:4326 polygons."""

from __future__ import annotations

import json
import logging
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyogrio
import pyproj
import shapely
from pyogrio.errors import CRSError, DataLayerError, DataSourceError, FieldError

from howgreen.core.errors import AreaError, HowgreenError, MissingExtraError
from howgreen.core.geometry import BBox, repaired, transformer
from howgreen.core.text import one_line, truncate, truncate_list
from howgreen.core.vector_files import FORMATS, MAX_TEXT_BYTES, VectorFile, vector_files
from howgreen.core.warnings import Caution
from howgreen.place._attributes import name_column
from howgreen.place._encodings import shapefile_encoding, unmangled, utf8_copy
from howgreen.place._shapes import check_degrees
from howgreen.place._tables import is_table, read_table

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

MAX_TEXT = 2_000_000
"""Longest shape that may be typed or pasted, in characters; files have no such limit."""

_WKT = re.compile(
    r"^\s*(?:SRID\s*=\s*(\d+)\s*;)?\s*((?:MULTI)?(?:POINT|LINESTRING|POLYGON|CURVE|SURFACE)|CURVEPOLYGON"
    r"|GEOMETRYCOLLECTION|CIRCULARSTRING|COMPOUNDCURVE|TRIANGLE|LINEARRING)\b.*[(E]",
    re.IGNORECASE | re.DOTALL,
)
MOST_FEATURES = 1_000_000
"""Most features of a file, or layer, that is read as a whole."""
MOST_PARQUET_BYTES = 2**30
"""Most bytes of all columns of a GeoParquet file, uncompressed."""
_PARQUET_ROWS = 256
_MOST_LAYERS = 200
_END_BYTES = 2**14
_GREATEST_EDGE_M = 1000.0
_MOST_VERTICES = 10_000
_NO_CRS = "has no CRS; save it with one (a Shapefile's .prj beside it), or as GeoJSON in lon, lat"
_UNREADABLE = (
    DataSourceError,
    DataLayerError,
    FieldError,
    CRSError,
    UnicodeDecodeError,
    ValueError,
    RecursionError,
    MemoryError,
    OSError,
    shapely.errors.GEOSException,
)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """How to read the attributes of a file, if not obvious."""

    name_column: str | None = None
    """The column that holds the names."""
    encoding: str | None = None
    """Character encoding: ``cp1252``."""
    name: str | None = None
    """A name that the file is expected to hold; the encoding that yields it is right."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One area of a file."""

    number: int
    """Position among the areas of the file, from 1."""
    name: str | None
    """Its most name-like attribute."""
    attributes: Mapping[str, str]
    """Its strings and integers."""
    geometry: BaseGeometry
    """EPSG:4326, not yet cleaned; in its own coordinates if there is a fault."""
    layer: str = ""
    fault: str = ""
    """Why it cannot be placed on Earth; empty if it can."""

    def shape(self) -> BaseGeometry:
        """Return the geometry, or raise AreaError with the fault."""
        if self.fault:
            raise AreaError(self.fault)
        return self.geometry


@dataclass(frozen=True, kw_only=True)
class Areas:
    """The areas of a file."""

    features: tuple[Feature, ...]
    note: str = ""
    warnings: tuple[Caution, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """One table of a file, in its own CRS."""

    name: str
    table: gpd.GeoDataFrame
    assumed_crs: str = ""
    """CRS assumed because the format has none."""
    warnings: tuple[Caution, ...] = ()


def is_shape_text(text: str) -> bool:
    """Tell whether a text is WKT or GeoJSON, rather than a path."""
    return text.lstrip().startswith(("{", "[")) or _WKT.match(text) is not None


def read_file(path: Path, options: TableOptions | None = None) -> Areas:
    """Read the areas of a vector file, in EPSG:4326.

    A feature that cannot be placed is kept with its fault, which matters only if it is selected.

    Raises
    ------
    AreaError
        When the file is missing or broken, or holds no area.

    """
    if not _exists(path):
        raise AreaError(f"{truncate(str(path), most=200)}: no such file; give a boundary file, WKT or GeoJSON")
    if path.name.lower().endswith((".osm.pbf", ".pbf", ".osm")):
        raise AreaError(
            f"{path}: an OpenStreetMap extract is no boundary file; give it as --osm, with the place's name"
        )
    options = options or TableOptions()
    if is_table(path):
        layers = [_table(path, options)]
    else:
        with _read(path, what=str(path)) as files:
            layers = [layer for file in files for layer in _layers(file, options)]
    return _areas(layers, options, what=str(path))


def _table(path: Path, options: TableOptions) -> _Layer:
    """Read the outlines of a text file as a layer; in degrees unless stated otherwise."""
    with _one_line(str(path)), tempfile.TemporaryDirectory(prefix="howgreen-") as scratch:
        if (size := path.stat().st_size) > MAX_TEXT_BYTES:
            raise ValueError(
                f"{size / 2**20:,.0f} MB of text, at most {MAX_TEXT_BYTES // 2**20}; save it as a GeoPackage"
            )
        copy, cautions = utf8_copy(path, Path(scratch), given=options.encoding, name=options.name)
        return _Layer(name="", table=read_table(copy), assumed_crs="EPSG:4326", warnings=cautions)


def read_frame(frame: gpd.GeoDataFrame | gpd.GeoSeries, options: TableOptions | None = None) -> Areas:
    """Read the areas of a frame in memory, transformed to EPSG:4326.

    Raises
    ------
    AreaError
        When it holds no area.

    """
    table = frame if isinstance(frame, gpd.GeoDataFrame) else gpd.GeoDataFrame(geometry=frame)
    return _areas([_Layer(name="", table=table)], options or TableOptions(), what="the frame")


def read_text(text: str) -> Areas:
    """Read the areas of a WKT or GeoJSON text; EPSG:4326 (lon, lat) unless the text itself names another CRS.

    Raises
    ------
    AreaError
        When the text is unreadable, too long, or holds no area.

    """
    if len(text) > MAX_TEXT:
        raise AreaError(
            f"shape of {len(text):,} characters: more than {MAX_TEXT:,}; save it as a file and give its path"
        )
    if text.lstrip().startswith(("{", "[")):
        return _geojson(text)
    return Areas(features=(Feature(number=1, name=None, attributes={}, geometry=_wkt(text)),))


@dataclass(frozen=True, kw_only=True)
class Around:
    """Features of a file around a place."""

    shapes: tuple[BaseGeometry, ...]
    """EPSG:4326."""
    layers: tuple[str, ...]
    """Names of its layers."""
    values: frozenset[str]
    """String values of the features read: they may reveal what the file holds."""


def read_around(path: Path, box: BBox, *, margin_deg: float, most: int | None = None) -> Around:
    """Read only the features of a vector file that intersect a box in degrees plus its margin, in EPSG:4326.

    Parameters
    ----------
    path
        Any vector file.
    box
        West, south, east, north.
    margin_deg
        Margin around the box, in degrees.
    most
        Most features to read of each layer; None for all.

    Raises
    ------
    AreaError
        When the file is missing or broken, or its CRS is missing or wrong.

    """
    if not _exists(path):
        raise AreaError(f"{truncate(str(path), most=200)}: no such file; give polygons of land, or coastlines")
    west, south, east, north = box
    wide = (west - margin_deg, south - margin_deg, east + margin_deg, north + margin_deg)
    with _read(path, what=str(path)) as files:
        layers = [layer for file in files for layer in _layers(file, TableOptions(), box=wide, most=most)]
    frame = shapely.box(*wide)
    shapes: list[BaseGeometry] = []
    values: set[str] = set()
    for layer in layers:
        table = layer.table[~(layer.table.geometry.isna() | layer.table.is_empty)]
        moved = in_degrees(table if table.crs else table.set_crs(layer.assumed_crs or None), what=str(path))
        valid = (shape if shape.is_valid else repaired(shape) for shape in moved.geometry)
        shapes += [shape for shape in valid if shape.intersects(frame)]
        values.update(value for row in _rows(moved) for value in row.values())
    return Around(shapes=tuple(shapes), layers=tuple(layer.name for layer in layers), values=frozenset(values))


@contextmanager
def _read(path: Path, *, what: str) -> Iterator[list[VectorFile]]:
    """Open a file, and turn what its readers say into one line."""
    with _one_line(what), vector_files(path) as files:
        yield files


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Reduce the messages of a file's readers to one line."""
    with warnings.catch_warnings(record=True) as messages:  # GDAL's remarks are for the log, not for the terminal
        warnings.simplefilter("always")
        try:
            yield
        except HowgreenError:
            raise
        except PermissionError as error:
            raise AreaError(
                f"{what}: cannot be read ({error.strerror}); change its permissions, or name another file"
            ) from error
        except _UNREADABLE as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].split("; It might help")[0].rstrip(".")
            raise AreaError(f"{what}: cannot be read as a boundary ({one_line(reason)}); give {FORMATS}") from error
    for message in messages or ():
        _LOG.info("%s: %s", what, message.message)


def _layers(
    file: VectorFile, options: TableOptions, *, box: BBox | None = None, most: int | None = None
) -> list[_Layer]:
    """Read every table of a file with geometries; with a box in degrees, only features that intersect it."""
    if file.format in _READERS:
        return [_READERS[file.format](file.file)]
    encoding: str | None = None
    cautions: tuple[Caution, ...] = ()
    if file.format == "Shapefile":
        encoding, cautions = shapefile_encoding(file.file, given=options.encoding, name=options.name)
    elif file.format in {"GeoJSON", "GeoJSONSeq", "ESRIJSON", "TopoJSON"}:
        copy, cautions = utf8_copy(file.file, file.scratch, given=options.encoding, name=options.name)
        cautions += _only_a_part(file.file)
        file = replace(file, file=copy)
    layers = []
    for name in _layer_names(file):
        info = pyogrio.read_info(file.gdal_path, layer=name, **file.options)
        if (
            box is None and most is None and info["features"] > MOST_FEATURES
        ):  # memory is allocated for all features before any is read
            raise ValueError(_too_many(info["features"]))
        table = pyogrio.read_dataframe(
            file.gdal_path, layer=name, bbox=_box_there(info["crs"], box), encoding=encoding,
            datetime_as_string=True, on_invalid="fix", max_features=most, **file.options,
        )  # fmt: skip
        if isinstance(table, gpd.GeoDataFrame):
            assumed = "EPSG:4326" if file.format == "TopoJSON" else ""
            layers.append(_Layer(name=str(name), table=table, assumed_crs=assumed, warnings=cautions))
    return layers


def _only_a_part(path: Path) -> tuple[Caution, ...]:
    """Warn if a saved server response says that it is incomplete."""
    with path.open("rb") as file:
        ends = file.read(_END_BYTES)
        file.seek(max(path.stat().st_size - _END_BYTES, 0))
        ends += file.read()
    matched, returned = (re.search(rb'"number' + key + rb'"\s*:\s*(\d+)', ends) for key in (b"Matched", b"Returned"))
    fewer = matched is not None and returned is not None and int(returned[1]) < int(matched[1])
    if not fewer and not re.search(rb'"exceededTransferLimit"\s*:\s*true', ends):
        return ()
    text = f"{path.name}: the server that wrote it gave only a part of its areas; fetch all pages"
    return (Caution("limits-doubtful", text),)


def _layer_names(file: VectorFile) -> list[str]:
    """List the layers that hold geometries."""
    if file.options:  # list_layers cannot pass them on
        count, names = pyogrio.read_info(file.gdal_path, layer=0, **file.options), []
        for number in range(_MOST_LAYERS):
            try:
                info = pyogrio.read_info(file.gdal_path, layer=number, **file.options) if number else count
            except DataLayerError:
                break
            names += [info["layer_name"]] if info["geometry_type"] else []
        return names
    return [name for name, kind in pyogrio.list_layers(file.gdal_path) if kind is not None]


def _box_there(crs: str | None, box: BBox | None) -> BBox | None:
    """Transform a box in degrees to a layer's own CRS."""
    if box is None or crs is None:
        return box
    west, south, east, north = transformer("EPSG:4326", crs).transform_bounds(*box)
    return west, south, east, north


def _parquet(path: Path) -> _Layer:
    try:
        import pyarrow  # noqa: F401 (geopandas needs it, and its own message would not say which extra brings it)
    except ImportError as error:
        raise MissingExtraError("Reading GeoParquet", "parquet") from error
    _check_parquet(path)
    return _Layer(name="", table=gpd.read_parquet(path))


def _check_parquet(path: Path) -> None:
    """Refuse with ValueError a file that would exhaust memory: equal values and zeros compress to a ten-thousandth."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        if (rows := file.metadata.num_rows) > MOST_FEATURES:
            raise ValueError(_too_many(rows))
        sizes = (file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups))
        left = MOST_PARQUET_BYTES - sum(sizes)
        if left >= 0:  # a value stored once per page may repeat a thousand times
            left = MOST_PARQUET_BYTES
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
                left -= batch.nbytes
                if left < 0:
                    break
    if left < 0:
        raise ValueError(f"it unpacks to more than {MOST_PARQUET_BYTES / 2**20:,.0f} MB; give the areas that are meant")


def _too_many(count: int) -> str:
    return f"{count:,} features, at most {MOST_FEATURES:,}; give a file of the areas that are meant"


def _poly(path: Path) -> _Layer:
    """Read a polygon file of Osmosis and osmium: a name, then rings; a name starting with ! marks a hole."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    name, *rest = [line for line in lines if line]
    areas: list[shapely.Polygon] = []
    holes: list[shapely.Polygon] = []
    title = ""
    ring: list[list[float]] = []
    for line in rest:
        if line.upper() == "END":
            if title:
                (holes if title.startswith("!") else areas).append(shapely.Polygon(ring))
            title, ring = "", []
        elif not title:
            title = line
        else:
            ring.append([float(number) for number in line.split()[:2]])
    shape = shapely.difference(shapely.union_all(areas), shapely.union_all(holes))
    table = gpd.GeoDataFrame({"name": [name]}, geometry=[shape], crs="EPSG:4326")
    return _Layer(name="", table=table)


def _records(path: Path) -> _Layer:
    """Read a JSON list: a saved Nominatim response, or features without a collection around them."""
    listed = json.loads(path.read_bytes())
    rows, shapes = [], []
    for record in listed if isinstance(listed, list) else []:
        geometry = record.get("geojson") or record.get("geometry") if isinstance(record, dict) else None
        if not isinstance(geometry, dict):
            continue
        shapes.append(shapely.geometry.shape(geometry))
        properties = record.get("properties") if isinstance(record.get("properties"), dict) else record
        rows.append({key: value for key, value in properties.items() if isinstance(value, str | int)})
    if not rows:
        if any(isinstance(record, dict) and "osm_id" in record for record in listed):
            raise ValueError("places without their limits; ask Nominatim with polygon_geojson=1")
        raise ValueError("a list in JSON without places")
    return _Layer(name="", table=gpd.GeoDataFrame(rows, geometry=shapes, crs="EPSG:4326"))


def _has_places(listed: list[Any]) -> bool:
    return any(isinstance(record, dict) and {"geojson", "geometry"} & set(record) for record in listed)


_READERS: Mapping[str, Callable[[Path], _Layer]] = {"GeoParquet": _parquet, "poly": _poly, "JSON records": _records}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for the system, or a folder without read permission
        return False


def _geojson(text: str) -> Areas:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AreaError(
            f"shape {truncate(text, most=40)}: not GeoJSON ({error}); check its brackets and quotes"
        ) from error
    if not (isinstance(parsed, dict) and "type" in parsed) and not (isinstance(parsed, list) and _has_places(parsed)):
        raise AreaError(
            f"shape {truncate(text, most=40)}: GeoJSON without a type; give a Polygon, Feature or FeatureCollection"
        )
    with tempfile.TemporaryDirectory(prefix="howgreen-") as folder:
        path = Path(folder, "shape.geojson")
        path.write_text(text, encoding="utf-8")
        with _read(path, what="the GeoJSON shape") as files:
            layers = [layer for file in files for layer in _layers(file, TableOptions())]
    return _areas(layers, TableOptions(), what="the GeoJSON shape")


def _wkt(text: str) -> BaseGeometry:
    match = _WKT.match(text)
    if match and match[1] not in {None, "4326"}:
        raise AreaError(f"shape {truncate(text, most=40)}: SRID {match[1]} is not taken; write lon lat in EPSG:4326")
    try:
        with np.errstate(invalid="ignore"):  # NaN coordinates are refused later, with our own message
            shape = shapely.from_wkt(text.split(";", 1)[-1], on_invalid="fix")
    except (shapely.errors.GEOSException, NotImplementedError) as error:
        reason = str(error).splitlines()[0].removeprefix("ParseException: ")
        raise AreaError(
            f"shape {truncate(text, most=40)}: not WKT ({reason}); write POLYGON((lon lat, lon lat, …))"
        ) from error
    if shape is None:
        raise AreaError(
            f"shape {truncate(text, most=40)}: not WKT (a ring of too few points); write POLYGON((lon lat, lon lat, …))"
        )
    return shape


def _areas(layers: Sequence[_Layer], options: TableOptions, *, what: str) -> Areas:
    """Collect the areas of some layers, each with its name and its fault."""
    features: list[Feature] = []
    kinds: set[str] = set()
    columns: set[str] = set()
    for layer in layers:
        table = layer.table
        table = table if table.active_geometry_name == "geometry" else table.rename_geometry("geometry")
        table = table[~(table.geometry.isna() | table.is_empty)]
        kinds.update(str(kind) for kind in table.geom_type)
        table = table[table.geom_type.isin(["Polygon", "MultiPolygon", "GeometryCollection"])]
        table = table.set_crs(layer.assumed_crs) if table.crs is None and layer.assumed_crs else table
        columns.update(map(str, table.columns))
        features += _features(table, options, layer=layer.name, first=len(features) + 1, what=what)
    if not features:
        instead = f"only {', '.join(sorted(kinds))}" if kinds else "no features"
        raise AreaError(f"{what}: holds no area, {instead}; give a file with a Polygon or MultiPolygon")
    if options.name_column and options.name_column.lower() not in {column.lower() for column in columns}:
        raise AreaError(
            f"{what}: has no column {options.name_column!r}; there are {truncate_list(sorted(columns - {'geometry'}))}"
        )
    cautions = tuple(dict.fromkeys(caution for layer in layers for caution in (*layer.warnings, *_doubts(layer, what))))
    return Areas(features=tuple(features), warnings=cautions)


def _doubts(layer: _Layer, what: str) -> list[Caution]:
    """Warn if a layer's CRS leaves its position ambiguous: a datum that only names its ellipsoid."""
    datum = layer.table.crs.datum if layer.table.crs is not None else None
    if datum is None or "unknown" not in datum.name.lower() or layer.table.crs.is_engineering:
        return []
    return [
        Caution("crs-assumed", f"{what}: its CRS names no datum; taken for WGS 84, which may be off by 100 m or more")
    ]


def _features(
    table: gpd.GeoDataFrame, options: TableOptions, *, layer: str, first: int, what: str
) -> Iterator[Feature]:
    rows = _rows(table)
    named = name_column(rows, given=options.name_column)
    for number, (row, (shape, fault)) in enumerate(zip(rows, _placed(table, what=what), strict=True), start=first):
        name = row.get(named) if named else None
        yield Feature(number=number, name=name, attributes=row, geometry=shape, layer=layer, fault=fault)


def _rows(table: gpd.GeoDataFrame) -> list[dict[str, str]]:
    """Collect the strings and integers of each row."""
    names = [column for column in table.columns if column != "geometry"]
    columns = {str(name): [_as_text(value) for value in table[name].tolist()] for name in names}
    whole = {name: values for name, values in columns.items() if "." not in values}
    return [{name: values[i] for name, values in whole.items() if values[i]} for i in range(len(table))]


def _as_text(value: Any) -> str:
    """Format a string or integer as text; empty for missing values, and ``.`` for numbers that measure."""
    if isinstance(value, dict):  # Overture Maps writes names in all languages this way
        value = value.get("primary")
    if isinstance(value, str):
        return one_line(unmangled(value))
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and np.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else "."
    return ""


def _placed(table: gpd.GeoDataFrame, *, what: str) -> list[tuple[BaseGeometry, str]]:
    """Transform each row's geometry to EPSG:4326, or keep it with the reason why it cannot be placed."""
    try:
        moved = _moved(table, what=what)
    except AreaError as error:
        return [(shape, str(error)) for shape in table.geometry]
    crs = table.crs
    faults = [_fault(old, new, crs=crs, what=what) for old, new in zip(table.geometry, moved.geometry, strict=True)]
    return list(zip(moved.geometry, faults, strict=True))


def in_degrees(frame: gpd.GeoDataFrame, *, what: str) -> gpd.GeoDataFrame:
    """Transform all features of a frame to EPSG:4326, x = longitude.

    Raises
    ------
    AreaError
        When its CRS is missing, or one of its features cannot be transformed.

    """
    if frame.empty:
        return frame
    moved = _moved(frame, what=what)
    for old, new in zip(frame.geometry, moved.geometry, strict=True):
        if fault := _fault(old, new, crs=frame.crs, what=what):
            raise AreaError(fault)
    return moved


def _moved(frame: gpd.GeoDataFrame, *, what: str) -> gpd.GeoDataFrame:
    crs = frame.crs
    # CRS names prove little: a .prj called "unknown" can be complete; GeoPackage's two undefined ones are not.
    if crs is None or crs.is_engineering or crs.name.lower().startswith("undefined"):
        raise AreaError(f"{what}: {_NO_CRS}")
    if frame.empty or crs.to_authority() in {("EPSG", "4326"), ("OGC", "CRS84")}:
        return frame
    try:
        # A straight line on a projected plane is curved on the globe: densify long edges before the transformation.
        return _dense(frame).to_crs("EPSG:4326")
    except pyproj.exceptions.ProjError as error:
        raise AreaError(
            f"{what}: its CRS {crs.name!r} cannot be turned into degrees ({error}); save it in EPSG:4326"
        ) from error


def _fault(old: BaseGeometry, new: BaseGeometry, *, crs: pyproj.CRS, what: str) -> str:
    """Say why a geometry cannot lie at its coordinates; empty if it can."""
    try:
        if crs.is_geographic:
            check_degrees(old, what=what)
    except AreaError as error:
        return str(error)
    if new.is_empty or all(abs(bound) < 541 for bound in new.bounds):
        return ""
    return f"{what}: its coordinates lie outside its CRS {crs.name!r}; the CRS is wrong: save it with the right one"


def _dense(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    if not frame.crs.is_projected:
        return frame
    per_unit_m = frame.crs.axis_info[0].unit_conversion_factor or 1.0
    west, south, east, north = frame.total_bounds
    longest = max(_GREATEST_EDGE_M / per_unit_m, (east - west + north - south) / _MOST_VERTICES)
    return frame.set_geometry(frame.geometry.segmentize(longest))
