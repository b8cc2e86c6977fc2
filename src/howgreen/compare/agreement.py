"""How two maps agree, block by block: every pixel once, in the zone that holds its centre."""

from __future__ import annotations

from itertools import accumulate, product
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import shapely

from howgreen.compare.legends import GREEN, UNKNOWN, WATER
from howgreen.core.agreement import NOT_COMPARED, Agreement
from howgreen.core.errors import ImageError
from howgreen.core.types import UNSEEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

    from howgreen.compare.sources import Map
    from howgreen.core.types import City, LandCover, Progress

BLOCK_PX = 1024
HALF = 0.5
_EDGE_DEG = 0.005

Array = np.ndarray[Any, Any]


class Keep(Protocol):
    """Takes the finished blocks of an agreement map."""

    def __call__(self, row: int, column: int, categories: Array, /) -> None:
        """uint8 (y, x) of :data:`howgreen.core.agreement.BOTH` and its kin, its upper left pixel at row and column."""


def agree(
    landcover: LandCover, city: City, other: Map, *, keep: Keep | None = None, progress: Progress | None = None
) -> tuple[Agreement, ...]:
    """Count how another map agrees with ours, in the city and in each district.

    Parameters
    ----------
    landcover
        Ours: ``label`` and ``green_fraction`` (lazy or not) on the city's grid.
    other
        Theirs; opened once.
    keep
        Takes the agreement map, block by block.
    progress
        Told ``("compare <key>", blocks done, blocks in all)``.

    Returns
    -------
    tuple of Agreement
        The city first, then its districts in their order.

    Raises
    ------
    ImageError
        When the two have no land in common; and what the other map's files raise as they are read.
    """
    shapes = _zones(city, str(landcover.grid.crs))
    sums = np.zeros((len(shapes), 8))
    windows = list(_windows(landcover))
    with other.open() as block:
        for done, (rows, columns) in enumerate(windows, start=1):
            place = _part(landcover.grid, rows, columns)
            inside = [_inside(shape, place) for shape in shapes]
            if inside[0].any():
                categories = _counted(landcover, rows, columns, block(place), inside, sums)
                if keep:
                    keep(rows.start, columns.start, categories)
            if progress:
                progress(f"compare {other.info.key}", done, len(windows))
    pixel_m2 = abs(landcover.grid.transform.determinant)
    zones = _agreements(city, sums * pixel_m2)
    if zones[0].compared_m2 == 0:
        raise ImageError(
            f"{other.info.source}: shows no land that we saw in {city.label}; give the part of {other.info.label} that holds it"
        )
    return zones


def _counted(
    landcover: LandCover, rows: slice, columns: slice, kinds: Array, inside: Sequence[Array], sums: Array
) -> Array:
    """Add one block to the sums (zone, figure); its agreement map."""
    part = landcover.data[["label", "green_fraction"]].isel(y=rows, x=columns).compute()
    label, fraction = (part[name].transpose("y", "x").values for name in ("label", "green_fraction"))
    water = np.isin(label, landcover.water_codes)
    land = (label != UNSEEN) & ~water & ~np.isnan(fraction)
    common = land & (kinds != UNKNOWN) & (kinds != WATER)
    ours, theirs = fraction >= HALF, kinds == GREEN
    # Only what both know gets one of the four categories.
    categories = np.where(common, ours * np.uint8(2) + theirs, NOT_COMPARED)
    shown = _SHOWN[np.minimum(categories, 4)]
    apart = (land & (kinds == WATER)).astype(np.uint8) + 2 * (water & (kinds != WATER) & (kinds != UNKNOWN))
    for zone, here in zip(sums, inside, strict=True):
        zone[:4] += np.bincount(categories[common & here], minlength=4)[:4]
        zone[4] += np.nansum(fraction[common & here], dtype=np.float64)
        zone[5] += np.count_nonzero(land & here)
        zone[6:8] += np.bincount(apart[here], minlength=3)[1:3]
    return np.where(inside[0], shown, np.uint8(NOT_COMPARED))


# Counted as 2 x ours + theirs; shown as NEITHER 0, BOTH 1, ONLY_OURS 2, ONLY_THEIRS 3.
_SHOWN = np.array([0, 3, 2, 1, NOT_COMPARED], np.uint8)


def _agreements(city: City, sums_m2: Array) -> tuple[Agreement, ...]:
    first = _agreement(city.label, city.id, "city", sums_m2[0])
    others = zip(city.districts, sums_m2[1:], strict=True)
    return first, *(_agreement(district.name, district.id, "district", row) for district, row in others)


def _agreement(name: str, identity: str, kind: Literal["city", "district"], row: Array) -> Agreement:
    neither, theirs, ours, both, green, observed, their_water, our_water = map(float, row)
    return Agreement(
        name=name, id=identity, kind=kind, observed_m2=observed, both_m2=both, only_ours_m2=ours,
        only_theirs_m2=theirs, neither_m2=neither, our_green_m2=green, water_only_ours_m2=our_water,
        water_only_theirs_m2=their_water,
    )  # fmt: skip


def _zones(city: City, crs: str) -> list[BaseGeometry]:
    """The land of the city and of its districts, on the grid's CRS."""
    found = []
    for boundary in (city.boundary, *(district.boundary for district in city.districts)):
        shape = boundary if city.land is None else shapely.intersection(boundary, city.land)
        found.append(_projected(shapely.segmentize(shape, _EDGE_DEG), crs))
    return found


def _projected(shape: BaseGeometry, crs: str) -> BaseGeometry:
    from pyproj import Transformer

    move = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform
    moved: BaseGeometry = shapely.transform(shape, lambda p: np.column_stack(move(p[:, 0], p[:, 1])))
    return moved if moved.is_valid else shapely.make_valid(moved, method="structure")


def _part(grid: GeoBox, rows: slice, columns: slice) -> GeoBox:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    t = grid.transform
    corner = Affine(t.a, 0, t.c + t.a * columns.start, 0, t.e, t.f + t.e * rows.start)
    return GeoBox((rows.stop - rows.start, columns.stop - columns.start), corner, grid.crs)


def _inside(shape: BaseGeometry, place: GeoBox) -> Array:
    """Bool (y, x): whether a pixel's centre lies in the shape."""
    from rasterio.features import rasterize

    cut = shapely.clip_by_rect(shape, *place.boundingbox.buffered(100, 100).bbox)
    if cut.is_empty:
        return np.zeros(place.shape, bool)
    found: Array = rasterize([cut], out_shape=place.shape, transform=place.transform, dtype="uint8")
    return found.astype(bool)


def _windows(landcover: LandCover) -> Iterator[tuple[slice, slice]]:
    """Blocks of our map as it is chunked; of a plain one, BLOCK_PX a side."""
    chunks = landcover.data["label"].transpose("y", "x").chunks or tuple(
        tuple(min(BLOCK_PX, size - start) for start in range(0, size, BLOCK_PX)) for size in landcover.grid.shape
    )
    rows, columns = (list(zip(accumulate(sizes, initial=0), sizes, strict=False)) for sizes in chunks)
    for (row, height), (column, width) in product(rows, columns):
        yield slice(row, row + height), slice(column, column + width)
