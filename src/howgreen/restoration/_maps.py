"""The two maps prescribed for Article 8, as published: 10 m, EPSG:3035, one byte per pixel.

Codes and their meaning: "Methodological support for Article 8" (DG ENV and EEA, version 2.0, July 2026, not binding),
and the products' own manuals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from rasterio.windows import Window

from howgreen.core.cog import pack, plain_raster
from howgreen.core.errors import ImageError
from howgreen.core.geometry import polygonal
from howgreen.core.grid import inside

if TYPE_CHECKING:
    import numpy.typing as npt
    from shapely import Polygon
    from shapely.geometry.base import BaseGeometry

LAEA = "EPSG:3035"
"""Lambert azimuthal equal-area projection for Europe: all pixels have the same area."""
PIXEL_M = 10.0
WINDOW_PX = 2048
"""Side of the windows read."""
MOST_PIXELS = 400_000_000
"""Most pixels of a cut-out: 200 x 200 km."""


@dataclass(frozen=True, kw_only=True)
class MapKind:
    """Meaning of a map's values."""

    key: str
    label: str
    codes: frozenset[int]
    """Codes that a pixel may hold."""
    worth: Mapping[int, float]
    """For each code: the share of its pixel that counts, 0-1."""
    sea: frozenset[int]
    """Codes of the sea, which is not part of the area."""
    unknown: frozenset[int]
    """Codes of unclassified pixels."""
    steps: int
    """Value written for a fully counted pixel in a cut-out."""
    nodata: int
    """Value written for the rest."""


CLCPLUS = MapKind(
    key="clcplus",
    label="CLCplus Backbone",
    codes=frozenset({*range(1, 12), 253, 254, 255}),
    # Trees 2, 3, 4; low woody 5 (vineyards and hops too); permanent herbs 6; lichens and mosses 8; water 10. Not green: sealed 1,
    # periodically herbaceous 7 (arable), sparse 9, snow 11.
    worth=MappingProxyType(dict.fromkeys((2, 3, 4, 5, 6, 8, 10), 1.0)),
    sea=frozenset({253}),
    unknown=frozenset({254, 255}),
    steps=1,
    nodata=0,
)
TREE_COVER = MapKind(
    key="tree-cover",
    label="High Resolution Layer Tree Cover Density",
    codes=frozenset({*range(101), 254, 255}),
    worth=MappingProxyType({percent: percent / 100 for percent in range(1, 101)}),
    sea=frozenset(),
    unknown=frozenset({254, 255}),
    steps=100,
    nodata=255,
)


@dataclass(frozen=True, kw_only=True)
class CoverMap:
    """Adjacent files of one map, checked."""

    kind: MapKind
    files: tuple[str, ...]

    def areas_m2(self, shape: BaseGeometry) -> dict[int, float]:
        """Measure how much of a shape (EPSG:3035) each code covers; ground outside all files has no code.

        Pixels cut by the outline count by their part inside (exactextract).

        Raises
        ------
        ImageError
            A code is not one of the map's, or files overlap.
        """
        found: dict[int, float] = {}
        for file in self.files:
            for code, area in _areas(file, shape).items():
                found[code] = found.get(code, 0.0) + area
        strange = sorted(set(found) - self.kind.codes)
        if strange:
            raise ImageError(
                f"{self.files[0]}: holds {strange[0]}, which is no code of {self.kind.label}; give the file as it is published"
            )
        if sum(found.values()) > shape.area * (1 + 1e-6) + 1:
            raise ImageError(f"{self.kind.label}: its files show some ground twice; give each tile once")
        return found

    def without_sea(self, shape: BaseGeometry) -> BaseGeometry:
        """Remove the sea's pixels from a shape (EPSG:3035)."""
        import shapely
        from rasterio.features import shapes

        sea = []
        for file in self.files:
            for codes, box in _windows(file, shape):
                marked = np.isin(codes, list(self.kind.sea)).astype(np.uint8)
                west, south, east, north = box.bounds
                height, width = codes.shape
                place = Affine((east - west) / width, 0, west, 0, (south - north) / height, north)
                sea += [shapely.geometry.shape(one) for one, _ in shapes(marked, mask=marked > 0, transform=place)]
        return polygonal(shapely.difference(shape, shapely.union_all(sea)))


def open_map(files: Sequence[str | Path], kind: MapKind) -> CoverMap:
    """Check that files belong to the stated map.

    Parameters
    ----------
    files
        Paths or ``s3://`` addresses of adjacent GeoTIFFs.

    Raises
    ------
    ImageError
        A file is missing, has another projection or pixel size, or values of another map.
    """
    from rasterio.errors import RasterioError

    names = [str(file) for file in files]
    for name in names:
        _refuse_services(name, kind)
        try:
            with _opened(name) as file:
                _check(file, name, kind)
        except RasterioError as error:
            raise ImageError(
                f"{name}: cannot be read as {kind.label} ({str(error).splitlines()[0][:160]}); give the GeoTIFF as it is published"
            ) from error
    return CoverMap(kind=kind, files=tuple(names))


@contextmanager
def _opened(name: str) -> Iterator[Any]:
    """Open a file, or an object in S3 storage with the keys from the environment (AWS_...); folders are not listed."""
    import rasterio

    with (
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_HTTP_TIMEOUT="60", GDAL_HTTP_MAX_RETRY="3"),
        rasterio.open(name) as file,
    ):
        yield file


def _refuse_services(name: str, kind: MapKind) -> None:
    if name.startswith("s3://"):
        return
    if "://" in name or name.startswith("/vsi"):
        raise ImageError(
            f"{name}: {kind.label} is counted from its files alone, for a picture of a map service has no numbers; "
            "download it (free login at land.copernicus.eu or dataspace.copernicus.eu), or give its s3:// address"
        )
    if not Path(name).exists():
        raise ImageError(f"{name}: no such file; check the path")


def _check(file: Any, name: str, kind: MapKind) -> None:
    from pyproj import CRS

    there = None if file.crs is None else CRS.from_user_input(file.crs)
    if there is None or not there.equals(CRS.from_user_input(LAEA), ignore_axis_order=True):
        called = "no CRS" if there is None else there.name
        raise ImageError(
            f"{name}: lies in {called}, and areas must be counted in {LAEA}; give the file as it is published, not a warped copy"
        )
    step = file.transform
    if (step.b, step.d) != (0, 0) or abs(step.a - PIXEL_M) > 1e-6 or abs(step.e + PIXEL_M) > 1e-6:
        raise ImageError(
            f"{name}: has pixels of {abs(step.a):g} x {abs(step.e):g} m; give the map's {PIXEL_M:g} m file"
        )
    if file.count != 1 or file.dtypes[0] != "uint8":
        raise ImageError(f"{name}: {file.count} band(s) of {file.dtypes[0]}; {kind.label} has one band of bytes")
    high, wide = min(file.height, WINDOW_PX), min(file.width, WINDOW_PX)
    middle = Window((file.width - wide) // 2, (file.height - high) // 2, wide, high)
    codes = set(np.unique(file.read(1, window=middle, masked=False)).tolist())
    strange = sorted(codes - kind.codes)
    if strange:
        raise ImageError(
            f"{name}: holds {strange[0]}, which is no code of {kind.label}; give the file as it is published"
        )
    if kind is TREE_COVER and codes <= CLCPLUS.codes and len(codes - kind.unknown) > 1 and 0 not in codes:
        raise ImageError(
            f"{name}: holds the codes of {CLCPLUS.label}, not percent of tree cover; exchange the two files"
        )


def _areas(name: str, shape: BaseGeometry) -> dict[int, float]:
    """Measure the area of each code in one file, whatever its declared no data, window by window."""
    counts = np.zeros(256)
    for codes, box in _windows(name, shape):
        counts += _counts(codes, box, shape)
    return {code: float(cells) * PIXEL_M**2 for code, cells in enumerate(counts) if cells > 0}


def _windows(name: str, shape: BaseGeometry) -> Iterator[tuple[npt.NDArray[np.uint8], Polygon]]:
    """Read the parts of a file that a shape touches, each with the extent of its pixels."""
    import shapely
    from rasterio.errors import RasterioError

    try:
        with _opened(name) as file:
            for row in range(0, file.height, WINDOW_PX):
                for column in range(0, file.width, WINDOW_PX):
                    window = Window(column, row, min(WINDOW_PX, file.width - column), min(WINDOW_PX, file.height - row))
                    box = shapely.box(*file.window_bounds(window))
                    if shapely.intersects(shape, box):
                        yield file.read(1, window=window, masked=False), box
    except RasterioError as error:
        raise ImageError(f"{name}: cannot be read ({str(error).splitlines()[0][:160]}); fetch it again") from error


def _counts(codes: npt.NDArray[np.uint8], box: Polygon, shape: BaseGeometry) -> npt.NDArray[np.float64]:
    """Count the pixels of each code inside a shape, cut ones by their part inside; ``box`` is their extent."""
    import shapely
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    part = polygonal(shapely.intersection(shape, box))
    if part.area >= box.area * (1 - 1e-12):
        return np.bincount(codes.ravel(), minlength=256).astype(float)
    if part.is_empty:
        return np.zeros(256)
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(part)}
    found = exact_extract(NumPyRasterSource(codes, *box.bounds), feature, ["unique", "frac", "count"])[0]["properties"]
    counts = np.zeros(256)
    counts[np.asarray(found["unique"], int)] = np.asarray(found["frac"]) * found["count"]
    return counts


def cut_out(of: CoverMap, shape: BaseGeometry, path: Path) -> None:
    """Write a cut-out of a map inside a shape (EPSG:3035) as a COG.

    Green space is 1, tree cover is in percent, all else is no data.

    Pixels cut by the outline are included whole.

    Raises
    ------
    ImageError
        The shape is so large that the file would hold more than :data:`MOST_PIXELS`, or a file cannot be read.
    """
    from odc.geo.geobox import GeoBox
    from rasterio.errors import RasterioError

    west, south, east, north = (
        math.floor(v / PIXEL_M) for v in shape.bounds[:2] + tuple(v + PIXEL_M for v in shape.bounds[2:])
    )
    rows, columns = north - south, east - west
    if rows * columns > MOST_PIXELS:
        raise ImageError(
            f"{path.name}: {columns:,} x {rows:,} pixels are too many for one file; ask for fewer communes"
        )
    frame = GeoBox((rows, columns), Affine(PIXEL_M, 0, west * PIXEL_M, 0, -PIXEL_M, north * PIXEL_M), LAEA)
    table = np.full(256, of.kind.nodata, np.uint8)
    for code, worth in of.kind.worth.items():
        table[code] = round(worth * of.kind.steps)
    if of.kind.steps > 1:
        table[0] = 0
    plain = path.with_suffix(".plain.tif")
    try:
        with plain_raster(plain, frame, dtype="uint8", nodata=of.kind.nodata, compress="DEFLATE") as target:
            for name in of.files:
                with _opened(name) as file:
                    _copy(file, target, table, shape)
            target.set_band_description(1, of.kind.key)
        pack(plain, path, {"overview_resampling": "NEAREST"})
    except RasterioError as error:
        raise ImageError(f"{path.name}: cannot be cut out ({str(error).splitlines()[0][:160]})") from error
    finally:
        plain.unlink(missing_ok=True)


def _copy(file: Any, target: Any, table: npt.NDArray[np.uint8], shape: BaseGeometry) -> None:
    """Copy a file's pixels inside a shape to the target, window by window of the target."""
    import shapely
    from odc.geo.geobox import GeoBox
    from rasterio.windows import Window, from_bounds

    for row in range(0, target.height, WINDOW_PX):
        for column in range(0, target.width, WINDOW_PX):
            here = Window(column, row, min(WINDOW_PX, target.width - column), min(WINDOW_PX, target.height - row))
            bounds = target.window_bounds(here)
            both = shapely.intersection(shapely.box(*bounds), shapely.box(*file.bounds))
            if both.area == 0 or not shapely.intersects(shape, both):
                continue
            there = from_bounds(*both.bounds, transform=file.transform).round_offsets().round_lengths()
            put = from_bounds(*both.bounds, transform=target.transform).round_offsets().round_lengths()
            frame = GeoBox((int(put.height), int(put.width)), target.window_transform(put), LAEA)
            values = table[file.read(1, window=there, masked=False)]
            empty = np.uint8(target.nodata)  # files are adjacent: nothing else writes here
            target.write(np.where(inside(shape, frame, in_part=True), values, empty), 1, window=put)
