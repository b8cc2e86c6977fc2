"""Vector files from any source, opened with an explicit format.

GDAL detects formats by content, whatever the name: a ``.geojson`` that contains a VRT or a WFS document makes it
contact servers and read other files. So the first bytes are checked here, only self-contained formats are opened, and
archives are unpacked within bounds before anything reads them.
"""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

MAX_TEXT_BYTES = 256 * 2**20
"""Largest JSON or XML file: its reader needs several times that in memory. Other formats are read in parts."""
MAX_UNPACKED_BYTES = 2 * 2**30
"""Most bytes an archive may unpack to, in total."""
MAX_MEMBERS = 5000
"""Most files unpacked from one archive, or examined in one folder."""
FORMATS = "GeoJSON, GeoPackage, Shapefile, KML, GML, FlatGeobuf, TopoJSON, GeoParquet, .poly, one of these zipped, or a CSV with WKT"
"""Readable formats, as named in errors."""

_HEAD_BYTES = 2**16
_CHUNK_BYTES = 2**20
# Strings that make GDAL follow an address or another file's name, anywhere in what GDAL reads.
_POINTERS = re.compile(
    rb"<(?:ogr\w*datasource|ogrvrt|ogrwfs|gdal|vrt|wcs_|wms|wmts|ogcapi)|gdal_streamed_alg|<!entity", re.IGNORECASE
)
_GEOMETRIES = "(?:Multi)?(?:Point|LineString|Polygon)|GeometryCollection"
_TYPE = re.compile(rb'"type"\s*:\s*"(FeatureCollection|Feature|' + _GEOMETRIES.encode() + rb')"')
_TOPOLOGY = re.compile(rb'"type"\s*:\s*"Topology"')
_ESRI = re.compile(rb'"geometryType"\s*:\s*"esriGeometry|"rings"\s*:\s*\[')
_COMPUTED = re.compile(r"\bgenerated\s+always\b|\bas\s*\(|^\s*create\s+virtual\b", re.IGNORECASE)
"""Matches a generated column, computed on every read, in a table's definition."""
_XML_ROOT = re.compile(rb"^(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*>)*<(?:[\w.-]+:)?([\w.-]+)", re.DOTALL)
_MAGIC = (
    (b"SQLite format 3\0", "GeoPackage"),
    (b"\x00\x00\x27\x0a", "Shapefile"),
    (b"fgb\x03", "FlatGeobuf"),
    (b"PAR1", "GeoParquet"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
)
_PICTURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x89PNG", b"\xff\xd8\xff")
"""First bytes of TIFF, BigTIFF, PNG and JPEG."""
_TEXTS = frozenset({"GeoJSON", "GeoJSONSeq", "ESRIJSON", "TopoJSON", "JSON records", "KML", "GML", "poly", "MapInfo"})
_PREFIXED = frozenset({"GeoJSON", "GeoJSONSeq", "ESRIJSON", "TopoJSON"})
"""Formats whose GDAL driver can be given as a path prefix."""
_OPTIONS = {"GML": {"DOWNLOAD_SCHEMA": "NO", "WRITE_GFS": "NO"}}
# Preference among copies of one layer in an archive: the most reliable names and CRS first.
_SUFFIXES = (".gpkg", ".gdb", ".fgb", ".shp", ".geojson", ".json", ".parquet", ".geoparquet", ".kml", ".gml", ".topojson",
             ".tab", ".mif", ".poly")  # fmt: skip
_TEXT_SUFFIXES = frozenset({".geojson", ".json", ".topojson", ".kml", ".gml", ".tab", ".mif", ".poly"})
_BESIDE = frozenset({".shx", ".dbf", ".prj", ".cpg", ".qpj", ".cst", ".dat", ".map", ".id", ".ind", ".mid", ".xsd"})


@dataclass(frozen=True, kw_only=True)
class VectorFile:
    """A file of known format, to be opened by that format's reader."""

    file: Path
    """Path on this disk; unpacked if it came from an archive."""
    format: str
    """``GeoJSON``, ``GeoPackage``, ``Shapefile``, ``FlatGeobuf``, ``KML``, ``GML``, ``TopoJSON``, ``ESRIJSON``,
    ``GeoJSONSeq``, ``FileGDB``, ``MapInfo`` for GDAL; ``GeoParquet``, ``poly`` and ``JSON records`` for other
    readers."""
    scratch: Path
    """A folder for copies, which exists as long as the file is open."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of GDAL's driver."""

    @property
    def gdal_path(self) -> str:
        """The path for GDAL, prefixed with the driver if GDAL supports that."""
        return f"{self.format}:{self.file}" if self.format in _PREFIXED else str(self.file)

    @property
    def by_gdal(self) -> bool:
        """Whether GDAL reads this format."""
        return self.format not in {"GeoParquet", "poly", "JSON records"}


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@contextmanager
def vector_files(path: Path) -> Iterator[list[VectorFile]]:
    """Open a vector file, an archive or a folder: every part in the best format there.

    Raises
    ------
    ValueError
        With a short reason: it is none of :data:`FORMATS`, refers to other files or servers, or is too large.
    OSError
        It cannot be read.

    """
    with tempfile.TemporaryDirectory(prefix="howgreen-") as scratch:
        yield _opened(path, Path(scratch))


def _opened(path: Path, scratch: Path) -> list[VectorFile]:
    if path.is_dir():
        return [_known(path, "FileGDB", scratch)] if path.suffix.lower() == ".gdb" else _of_folder(path, scratch)
    kind = sniff(path)
    if kind == "zip":
        left = _unpack(path, scratch, left=MAX_UNPACKED_BYTES)
        archives = [] if _holds_vectors(scratch) else sorted(scratch.rglob("*.zip"))[:MAX_MEMBERS]
        for number, archive in enumerate(archives):  # a zip in a zip, as packed by some portals
            left = _unpack(archive, scratch / f"{number}", left=left)
        return _of_folder(scratch, scratch)
    if kind == "gzip":
        inner = scratch / (path.stem if path.suffix.lower() in {".gz", ".gzip"} else path.name)
        with gzip.open(path) as packed:
            _copy(packed, inner, most=_most(inner.name))
        return _opened_once(inner, scratch)
    return [_known(path, kind, scratch)]


def _opened_once(path: Path, scratch: Path) -> list[VectorFile]:
    kind = sniff(path)
    if kind in {"zip", "gzip"}:
        raise ValueError("an archive in an archive; unpack it first")
    return [_known(path, kind, scratch)]


def _known(path: Path, kind: str, scratch: Path) -> VectorFile:
    size = path.stat().st_size
    if kind in _TEXTS and size > MAX_TEXT_BYTES:
        raise ValueError(
            f"{size / 2**20:,.0f} MB of {kind}, at most {MAX_TEXT_BYTES // 2**20}; save it as a GeoPackage"
        )
    if kind == "Shapefile":
        _check_shapefile(path, size)
    if kind == "GeoJSONSeq":
        _check_sequence(path)
    if kind == "GeoPackage":
        _check_geopackage(path)
    return VectorFile(file=path, format=kind, scratch=scratch, options=_OPTIONS.get(kind, {}))


def _check_shapefile(path: Path, size: int) -> None:
    """Refuse an incomplete one: GDAL silently ignores missing parts."""
    with path.open("rb") as file:
        stated = 2 * int.from_bytes(file.read(28)[24:], "big")
    if size < stated:
        raise ValueError(f"cut short: {size:,} of {stated:,} bytes are there; copy or fetch it again")
    if path.suffix.lower() == ".shp" and not any(path.with_suffix(end).exists() for end in (".shx", ".SHX")):
        raise ValueError(f"{path.with_suffix('.shx').name} is missing; copy the .shp, .shx, .dbf and .prj together")


def _check_geopackage(path: Path) -> None:
    """Refuse computed content: the query of a view, or of a generated column, can run forever or exhaust memory."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as file:
            made = file.execute("SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
            layers = {row[0].lower() for row in file.execute("SELECT table_name FROM gpkg_geometry_columns")}
    except (sqlite3.Error, AttributeError, UnicodeError):
        return  # the format's own reader reports the fault
    for kind, name, sql in made:
        computed = kind == "view" or _COMPUTED.search(sql or "")
        if str(name).lower() in layers and computed:
            raise ValueError(f"its layer {name} is computed by a query, which is not run; save it as a plain table")


def _check_sequence(path: Path) -> None:
    """Refuse a sequence with an incomplete feature: GDAL drops it, or uses a truncated outline."""
    text = path.read_bytes()
    parts = text.split(b"\x1e") if text.lstrip().startswith(b"\x1e") else text.splitlines()
    for number, part in enumerate(filter(bytes.strip, parts), 1):
        try:
            json.loads(part)
        except ValueError as error:
            raise ValueError(
                f"feature {number} is cut short or broken: {error}; copy or fetch the file again"
            ) from error


def _of_folder(folder: Path, scratch: Path) -> list[VectorFile]:
    """Find the parts of the best format in a folder; hidden and Finder's files are ignored."""
    listed: dict[str, list[Path]] = {}
    for count, file in enumerate(sorted(folder.rglob("*"))):
        if count >= MAX_MEMBERS:
            raise ValueError(f"more than {MAX_MEMBERS:,} files; give the one that is meant")
        parts = file.relative_to(folder).parts
        inside_gdb = any(part.lower().endswith(".gdb") for part in parts[:-1])
        if not inside_gdb and not any(part.startswith((".", "__MACOSX")) for part in parts):
            listed.setdefault(file.suffix.lower(), []).append(file)
    for suffix in _SUFFIXES:
        found = [one for file in listed.get(suffix, []) if (one := _of_member(file, scratch))]
        if found:
            return found
    names = sorted(file.name for files in listed.values() for file in files if file.is_file())
    raise ValueError(f"no vector file in it ({', '.join(names[:4]) or 'it is empty'})")


def _of_member(file: Path, scratch: Path) -> VectorFile | None:
    if file.is_dir():
        return _known(file, "FileGDB", scratch) if file.suffix.lower() == ".gdb" else None
    try:
        kind = sniff(file)
    except ValueError:  # a metadata .json beside the data
        return None
    return None if kind in {"zip", "gzip"} else _known(file, kind, scratch)


def sniff(path: Path) -> str:
    """Identify the format of a file from its first bytes.

    Raises
    ------
    ValueError
        It is not a self-contained format.

    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # as some shells write a program's output
        head = head[: len(head) // 2 * 2].decode("utf-16", errors="replace").encode()
        if not head.lstrip().startswith((b"{", b"[")):
            raise ValueError("UTF-16 text; save it as UTF-8")
    if _POINTERS.search(head) or head.startswith(_PICTURES):
        raise ValueError(
            "it is a picture or a raster, which has no outlines"
            if head.startswith(_PICTURES)
            else "it points to other files or servers, which is not followed"
        )
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"\0" in text[:64]:
        raise ValueError("no text, and no format that is known by its first bytes")
    if text[:1] in {b"{", b"[", b"\x1e"}:
        return _json_kind(text, _tail(path))
    if text[:1] == b"<":
        return _xml_kind(text)
    if path.suffix.lower() == ".poly" and re.search(rb"^END\s*$", head[-4096:] + _tail(path), re.MULTILINE):
        return "poly"
    if path.suffix.lower() in {".tab", ".mif"} and re.match(rb"!table|version", text, re.IGNORECASE):
        if re.search(rb"isseamless|create\s+view|\bopen\s+table", head, re.IGNORECASE):
            raise ValueError("it points to other files or servers, which is not followed")
        return "MapInfo"
    raise ValueError("a format that is not known")


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 4096, 0))
        return file.read()


def _json_kind(text: bytes, tail: bytes) -> str:
    if text[:1] == b"\x1e" or re.match(rb'\{[^\n]*"type"\s*:\s*"Feature"[^\n]*\}\r?\n\{', text):
        return "GeoJSONSeq"
    if text[:1] == b"[":
        return "JSON records"
    if _TOPOLOGY.search(text) or _TOPOLOGY.search(tail):  # whose objects may precede its own type
        return "TopoJSON"
    found = _TYPE.search(text)
    if _ESRI.search(text) and not (found and found[1] != b"Point"):
        return "ESRIJSON"
    if found is None:
        raise ValueError("JSON, but no GeoJSON or TopoJSON")
    return "GeoJSON"


def _xml_kind(text: bytes) -> str:
    root = _XML_ROOT.match(text)
    name = root[1].decode(errors="replace") if root else ""
    if name == "kml":
        return "KML"
    if name in {"osm", "osmChange"}:
        raise ValueError("an OpenStreetMap extract is no vector file of this kind")
    if name.lower() == "html":
        raise ValueError("a web page instead of data")
    if b"opengis.net/gml" in text:
        return "GML"
    raise ValueError(f"XML, but neither KML nor GML ({name or 'cut short'})")


def _holds_vectors(folder: Path) -> bool:
    return any(file.suffix.lower() in _SUFFIXES for file in folder.rglob("*"))


def _unpack(path: Path, into: Path, *, left: int) -> int:
    """Unpack members that can belong to a vector file, bounded by the actual output; return the rest of the bound."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir() and _of_interest(info.filename)]
            if len(members) > MAX_MEMBERS:
                raise ValueError(f"more than {MAX_MEMBERS:,} files in it; give the one that is meant")
            for info in members:
                target = into.joinpath(*PurePosixPath(info.filename.replace("\\", "/")).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as packed:
                    left -= _copy(packed, target, most=min(left, _most(target.name)))
    except (RuntimeError, NotImplementedError) as error:  # a password, or a compression method unknown to Python
        raise ValueError(f"an archive that cannot be unpacked ({error}); unpack it first") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"an archive that is broken ({error})") from error
    return left


def _of_interest(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or any(part.startswith((".", "__MACOSX", "/")) or ":" in part for part in parts):
        return False  # hidden, Finder's, or a path out of the folder
    suffix = PurePosixPath(parts[-1]).suffix.lower()
    return (
        suffix in _SUFFIXES
        or suffix in _BESIDE
        or suffix == ".zip"
        or any(part.lower().endswith(".gdb") for part in parts[:-1])
    )


def _most(name: str) -> int:
    """Return the most bytes that a member of this name may have."""
    return MAX_TEXT_BYTES if PurePosixPath(name).suffix.lower() in _TEXT_SUFFIXES else MAX_UNPACKED_BYTES


def _copy(packed: _Readable, target: Path, *, most: int) -> int:
    """Unpack one member; return the number of bytes."""
    size = 0
    try:
        with target.open("wb") as file:
            while chunk := packed.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > most:
                    raise ValueError(f"it unpacks to more than {most / 2**20:,.0f} MB")
                file.write(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"an archive that is broken ({error})") from error
    return size
