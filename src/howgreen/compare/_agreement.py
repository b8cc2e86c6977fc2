"""Count the agreement of two maps, block by block: every pixel once, in the zone that holds its centre."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import shapely

from howgreen.compare._legends import GREEN, UNKNOWN, WATER
from howgreen.core.agreement import NOT_COMPARED, Agreement
from howgreen.core.errors import ImageError
from howgreen.core.geometry import project
from howgreen.core.grid import chunk_sizes, inside, windows
from howgreen.core.types import HALF_GREEN, UNSEEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely.geometry.base import BaseGeometry

    from howgreen.compare._sources import Map
    from howgreen.core.grid import Window
    from howgreen.core.types import City, LandCover, Progress

Array = np.ndarray[Any, Any]


class Keep(Protocol):
    """Receives the finished blocks of an agreement map."""

    def __call__(self, row: int, column: int, categories: Array, /) -> None:
        """Receive uint8 (y, x) codes as :data:`howgreen.core.agreement.BOTH`, with the upper left pixel at row and column."""


def agree(
    landcover: LandCover, city: City, other: Map, *, keep: Keep | None = None, progress: Progress | None = None
) -> tuple[Agreement, ...]:
    """Count how another map agrees with ours, in the city and in each district.

    Parameters
    ----------
    landcover
        Ours: ``label`` and ``green_fraction`` (lazy or not) on the city's grid.
    other
        The other map; opened once.
    keep
        Receives the agreement map, block by block.
    progress
        Called with ``("compare <key>", blocks done, blocks in all)``.

    Returns
    -------
    tuple of Agreement
        The city first, then its districts in their order.

    Raises
    ------
    ImageError
        When the two have no land in common; also errors of the other map's files as they are read.
    """
    shapes = _zones(city, str(landcover.grid.crs))
    sums = np.zeros((len(shapes), 8))
    label = landcover.data["label"].transpose("y", "x")
    blocks = windows(*(label.chunks or map(chunk_sizes, label.shape))).values()
    with other.open() as block:
        for done, window in enumerate(blocks, start=1):
            frame = landcover.grid[window.slices]
            within = [inside(shape, frame) for shape in shapes]
            if within[0].any():
                categories = _counted(landcover, window, block(frame), within, sums)
                if keep:
                    keep(window.top, window.left, categories)
            if progress:
                progress(f"compare {other.info.key}", done, len(blocks))
    pixel_m2 = abs(landcover.grid.transform.determinant)
    zones = _agreements(city, sums * pixel_m2)
    if zones[0].compared_m2 == 0:
        raise ImageError(
            f"{other.info.source}: shows no land that we saw in {city.label}; give the part of {other.info.label} that holds it"
        )
    return zones


def _counted(landcover: LandCover, window: Window, kinds: Array, within: Sequence[Array], sums: Array) -> Array:
    """Add one block to the sums (zone, figure); return its agreement map."""
    rows, columns = window.slices
    part = landcover.data[["label", "green_fraction"]].isel(y=rows, x=columns).compute()
    label, fraction = (part[name].transpose("y", "x").values for name in ("label", "green_fraction"))
    water = np.isin(label, landcover.water_codes)
    land = (label != UNSEEN) & ~water & ~np.isnan(fraction)
    common = land & (kinds != UNKNOWN) & (kinds != WATER)
    ours, theirs = fraction >= HALF_GREEN, kinds == GREEN
    # Only pixels known to both maps get one of the four categories.
    categories = np.where(common, ours * np.uint8(2) + theirs, NOT_COMPARED)
    shown = _SHOWN[np.minimum(categories, 4)]
    apart = (land & (kinds == WATER)).astype(np.uint8) + 2 * (water & (kinds != WATER) & (kinds != UNKNOWN))
    for zone, here in zip(sums, within, strict=True):
        zone[:4] += np.bincount(categories[common & here], minlength=4)[:4]
        zone[4] += np.nansum(fraction[common & here], dtype=np.float64)
        zone[5] += np.count_nonzero(land & here)
        zone[6:8] += np.bincount(apart[here], minlength=3)[1:3]
    return np.where(within[0], shown, np.uint8(NOT_COMPARED))


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
    """List the land of the city and of its districts, on the grid's CRS."""
    shapes = []
    for boundary in (city.boundary, *(district.boundary for district in city.districts)):
        shape = boundary if city.land is None else shapely.intersection(boundary, city.land)
        shapes.append(project(shape, crs))
    return shapes
