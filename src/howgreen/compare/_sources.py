"""Resample other maps to the city's grid, block by block: from images (local or remote) and from polygons."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from howgreen.compare._legends import UNKNOWN, Legend, on_kinds, other_map
from howgreen.core.errors import ImageError, NetworkError
from howgreen.core.geometry import boxes, transformer
from howgreen.core.grid import inside

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox
    from shapely import MultiPolygon, Polygon
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.agreement import Cropland, MapInfo

TILE_DEG = 3
"""Side of WorldCover's tiles, in degrees."""
_SOUTH, _NORTH = -60, 84

Kinds = np.ndarray[Any, Any]
"""uint8 (y, x): :data:`howgreen.compare._legends.GREEN` and its kin."""
Block = Callable[["GeoBox"], Kinds]
"""Returns the kinds on the pixels of one block of the city's grid."""


class Reader(Protocol):
    """Opens images: :func:`howgreen.imagery.read.opener.opened` in the program, a fake in tests."""

    def __call__(self, href: str, /) -> AbstractContextManager[Any]:
        """Open a rasterio dataset from a path or URL; ImageError or NetworkError if it cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Map:
    """Another map of the city, not yet read."""

    info: MapInfo
    open: Callable[[], AbstractContextManager[Block]]
    """Files stay open while the context lasts."""


def raster_map(info: MapInfo, legend: Legend, *, hrefs: Sequence[str], read: Reader, cropland: Cropland) -> Map:
    """Make a map from a classified image, or from several tiles of one.

    Each of our pixels takes the class of the map's pixel that holds its centre. The first tile with data there decides.

    Parameters
    ----------
    hrefs
        Paths or URLs in any CRS. One band of codes; or, with nine bands or more, Dynamic World's probabilities.
    read
        Opens them.

    Raises
    ------
    ImageError
        On reading: the file is not such a map. NetworkError from ``read`` passes through.
    """
    kinds = legend.kinds(cropland)

    @contextmanager
    def opened() -> Iterator[Block]:
        with ExitStack() as stack:
            files = [_File(href=href, dataset=dataset) for href, dataset in _files(hrefs, read, stack)]

            def block(place: GeoBox) -> Kinds:
                merged: Kinds = np.full(place.shape, UNKNOWN, np.uint8)
                for file in files:
                    if (merged != UNKNOWN).all():
                        break
                    here = _codes(file, place, legend=legend, kinds=kinds)
                    merged = np.where(merged == UNKNOWN, here, merged)
                return merged

            yield block
            for file in files:
                file.check(legend)

    return Map(info=info, open=opened)


@dataclass(frozen=True, kw_only=True)
class _File:
    """An open file of a map, and the codes found in it."""

    href: str
    dataset: Any
    codes: set[int] = field(default_factory=set)
    """All codes read from it."""

    @property
    def pixel_m(self) -> float:
        """Approximate width of its pixels: a degree is 111 km."""
        return float(abs(self.dataset.transform.a) * (111_000 if self.dataset.crs.is_geographic else 1))

    def check(self, legend: Legend) -> None:
        """Refuse (ImageError) a file that is more likely another map."""
        name = self.href.partition("?")[0].replace("\\", "/").rpartition("/")[2]
        other = other_map(legend, self.codes, pixel_m=self.pixel_m, file_name=name)
        if other:
            listed = ", ".join(map(str, sorted(self.codes)[:12]))
            raise ImageError(
                f"{self.href}: is rather {other} than {legend.label} (codes {listed}; pixels of {self.pixel_m:.0f} m); "
                f"give it as what it is, or {legend.label}'s own file"
            )


def vector_map(
    info: MapInfo,
    legend: Legend,
    *,
    shapes: Sequence[BaseGeometry],
    codes: Sequence[int],
    rest: int | None,
    cropland: Cropland,
) -> Map:
    """Make a map from polygons: each of our pixels takes the class of the last polygon that holds its centre.

    The centre decides, not half of the cover: summed over many pixels it is unbiased for any shape.

    Parameters
    ----------
    shapes
        In the CRS of the city's grid.
    codes
        Legend codes, one per shape.
    rest
        Code of ground outside all shapes; None if unknown.
    """
    kinds = legend.kinds(cropland)
    values = [kinds[code] for code in codes]
    beyond = UNKNOWN if rest is None else kinds[rest]

    @contextmanager
    def opened() -> Iterator[Block]:
        from shapely import STRtree

        tree = STRtree(list(shapes))
        yield lambda place: _burnt(tree, shapes, values, place, beyond)

    return Map(info=info, open=opened)


def _files(hrefs: Sequence[str], read: Reader, stack: ExitStack) -> list[tuple[str, Any]]:
    """Open all tiles. One of several tiles missing on its server is open sea, which is not mapped."""
    opened: list[tuple[str, Any]] = []
    missing: NetworkError | None = None
    for href in hrefs:
        try:
            opened.append((href, stack.enter_context(read(href))))
        except NetworkError as error:
            if "(HTTP 404)" not in str(error):
                raise
            missing = error
    if missing and not opened:
        raise missing
    return opened


def _burnt(tree: Any, shapes: Sequence[BaseGeometry], values: Sequence[int], place: GeoBox, beyond: int) -> Kinds:
    from shapely import box

    kinds_here: Kinds = np.full(place.shape, beyond, np.uint8)
    for n in sorted(int(n) for n in tree.query(box(*place.boundingbox.bbox))):
        kinds_here[inside(shapes[n], place)] = values[n]
    return kinds_here


def _codes(file: _File, place: GeoBox, *, legend: Legend, kinds: Mapping[int, int]) -> Kinds:
    href, dataset = file.href, file.dataset
    values = _probable(dataset, place) if dataset.count >= 9 else _sampled(dataset, place, [1])[0]
    known = ~np.ma.getmaskarray(values)
    plain = np.where(known, np.ma.getdata(values).astype(np.float64), -1)
    if not np.array_equal(plain, np.rint(plain)):
        raise ImageError(f"{href}: holds fractions, not the classes of {legend.label}; give the file of its classes")
    codes_as_kinds, codes = on_kinds(plain, {-1: UNKNOWN, **kinds})
    file.codes.update(codes - {-1})
    strange = file.codes - kinds.keys()
    if strange:
        listed = ", ".join(str(code) for code in sorted(strange)[:5])
        raise ImageError(
            f"{href}: holds the classes {listed}, which {legend.label} does not have; give a file of that map"
        )
    return codes_as_kinds


def _probable(file: Any, place: GeoBox) -> Any:
    """Return the index of the most likely of the first nine bands, or the band called ``label``."""
    names = [str(name).lower() for name in file.descriptions]
    if "label" in names:
        return _sampled(file, place, [names.index("label") + 1])[0]
    shares = _sampled(file, place, list(range(1, 10)))
    top = np.ma.filled(shares.astype(np.float64), 0.0)
    return np.ma.masked_array(top.argmax(axis=0), mask=top.max(axis=0) <= 0)


def _sampled(file: Any, place: GeoBox, bands: list[int]) -> Any:
    """Return masked (band, y, x): the pixels of a file that hold the centres of ours.

    Positions are projected exactly: a GDAL warp interpolates them between the corners of a block, and the same pixel
    would then depend on how the city is cut into blocks.
    """
    from rasterio.windows import Window

    rows, columns = _positions(file, place)
    in_file = (rows >= 0) & (rows < file.height) & (columns >= 0) & (columns < file.width)
    if not in_file.any():
        return np.ma.masked_array(np.zeros((len(bands), *place.shape), file.dtypes[0]), mask=True)
    top, left = int(rows[in_file].min()), int(columns[in_file].min())
    height, width = int(rows[in_file].max()) - top + 1, int(columns[in_file].max()) - left + 1
    values = file.read(bands, window=Window(left, top, width, height), masked=True)
    at = np.where(in_file, rows - top, 0), np.where(in_file, columns - left, 0)
    sampled = np.ma.masked_array(values[:, at[0], at[1]])
    sampled[:, ~in_file] = np.ma.masked
    return np.ma.masked_invalid(sampled, copy=False) if sampled.dtype.kind == "f" else sampled


def _positions(file: Any, place: GeoBox) -> tuple[Any, Any]:
    """Return row and column (int64; also beyond the file) of a file's pixels that hold the centres of ours."""
    t, (height, width) = place.transform, place.shape
    x, y = np.meshgrid(t.c + t.a * (np.arange(width) + 0.5), t.f + t.e * (np.arange(height) + 0.5))
    if file.crs != place.crs:
        x, y = transformer(str(place.crs), file.crs.to_wkt()).transform(x, y)
    back = ~file.transform
    columns, rows = back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f
    return _whole(rows), _whole(columns)


def _whole(positions: Any) -> Any:
    """Convert positions to pixel numbers; -1 if not projectable, as on the far side of the Earth."""
    finite = np.nan_to_num(positions, nan=-1.0, posinf=-1.0, neginf=-1.0)
    return np.floor(np.clip(finite, -1, 2**40)).astype(np.int64)


def tile_names(area: Polygon | MultiPolygon) -> tuple[str, ...]:
    """Name the tiles an EPSG:4326 area touches: ``N45E003`` covers 45-48 N, 3-6 E. None exist beyond 60 S and 84 N.

    Source: WorldCover Product User Manual v2.0 (ESA, 2022), section on tiling.
    """
    names = set()
    for west, south, east, north in boxes(area):
        for lat in _lower_edges(max(south, _SOUTH), min(north, _NORTH), last=_NORTH):
            names |= {_tile_name(lon, lat) for lon in _lower_edges(west, east, last=180)}
    return tuple(sorted(names))


def tile_urls(area: Polygon | MultiPolygon, *, root: str) -> tuple[str, ...]:
    """Return the URLs of the tiles that an area touches, under the folder ``root``."""
    return tuple(f"{root.rstrip('/')}/ESA_WorldCover_10m_2021_v200_{name}_Map.tif" for name in tile_names(area))


def _lower_edges(low: float, high: float, *, last: int) -> range:
    """Return the lower edges of the tiles between two coordinates; an upper edge belongs to the next tile, if any."""
    first = math.floor(low / TILE_DEG) * TILE_DEG
    end = math.floor(high / TILE_DEG) * TILE_DEG
    return range(min(first, last - TILE_DEG), min(end, last - TILE_DEG) + 1, TILE_DEG) if low <= high else range(0)


def _tile_name(lon: int, lat: int) -> str:
    return f"{'N' if lat >= 0 else 'S'}{abs(lat):02d}{'E' if lon >= 0 else 'W'}{abs(lon):03d}"
