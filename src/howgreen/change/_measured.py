"""Green lost, gained and kept: where the difference of two green fractions exceeds their standard errors.

A pixel's change is accepted if it exceeds ``z`` standard errors of the difference, sqrt(u1^2 + u2^2), and
:data:`LEAST`; connected pixels of one kind below the mapping unit are not change. Standard errors are those of single
pixels: the error of a whole date, above all its season, is common to all of them, is reported as the median difference,
and is not subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from howgreen.change._ground import Answer, check, pixel_m2, slabs, uncertainty
from howgreen.core.change import NOT_COMPARED, Change, ChangeClass, Patch, Threshold
from howgreen.core.errors import PlanError
from howgreen.core.types import City
from howgreen.core.warnings import Caution

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

Z = 1.96
"""Standard errors: one in twenty unchanged pixels passes, before the mapping unit."""
LEAST = 0.2
"""Green fraction: smaller changes can come from mixed pixels and misregistration."""
MAPPING_UNIT_M2 = 1000.0
"""Ten pixels of Sentinel-2: a smaller patch is more often a shadow or a shift than a change."""
STEADY, LOST, GAINED = 1, 2, 3
_LOOK = {
    STEADY: ("no clear change", "#e6e0d0"),
    LOST: ("green lost", "#b2182b"),
    GAINED: ("green gained", "#1b7837"),
}
SAID = tuple(name for name, _ in _LOOK.values())
"""Names of the classes."""
MOST_PATCHES = 20
"""Patches listed of each kind."""
SHIFTED = 0.05
"""Median difference from which the report says that the dates differ as a whole."""


def measured(before: Answer, after: Answer, city: City, *, mapping_unit_m2: float = MAPPING_UNIT_M2) -> Change:
    """Map green lost, gained and kept.

    Parameters
    ----------
    before, after
        On one grid, from one model with standard errors.
    mapping_unit_m2
        Smaller patches are not change.

    Raises
    ------
    PlanError
        Different grids, no standard errors, or no ground observed by both.
    """
    check(before, after)
    grid, size = before.landcover.grid, pixel_m2(city, before.landcover.grid)
    delta = np.full(tuple(grid.shape), np.nan, np.float32)
    kinds = np.full(tuple(grid.shape), NOT_COMPARED, np.uint8)
    kept_px, sums = 0.0, np.zeros(2)
    for slab in slabs(before, after, city):
        rows = slice(slab.top, slab.top + slab.compared.shape[0])
        errors = [uncertainty(one, rows) for one in (before, after)]
        if errors[0] is None or errors[1] is None:
            lacking = (before if errors[0] is None else after).landcover.card.name
            raise PlanError(
                f"model {lacking}: tells no standard error of its pixels, so no change can be told from noise; use another "
                "--model, or --method pca-kmeans"
            )
        there = slab.compared
        change = np.where(there, slab.green[1] - slab.green[0], np.nan)
        limit = np.maximum(LEAST, Z * np.hypot(errors[0], errors[1]))
        delta[rows] = change
        kinds[rows] = np.where(
            ~there, NOT_COMPARED, np.where(change < -limit, LOST, np.where(change > limit, GAINED, STEADY))
        )
        kept_px += float(np.minimum(*slab.green)[there].sum(dtype=float))
        sums += [float(green[there].sum(dtype=float)) for green in slab.green]
    compared = int((kinds != NOT_COMPARED).sum())
    if not compared:
        raise PlanError(f"{city.label}: no land was seen by both")
    patches, sieved_px = _patches(kinds, delta, grid=grid, city=city, size=size, least_px=mapping_unit_m2 / size)
    shift = float(np.nanmedian(delta))
    green = sums / compared
    return Change(
        method="measured",
        codes=kinds,
        grid=grid,
        classes=_classes(kinds, before, after, city, size),
        compared_m2=compared * size,
        green_before=float(green[0]),
        green_after=float(green[1]),
        patches=tuple(patches),
        threshold=Threshold(
            z=Z,
            least=LEAST,
            shift=shift,
            mapping_unit_m2=mapping_unit_m2,
            sieved_m2=float(sieved_px * size),
            lost_m2=float(-delta[kinds == LOST].sum(dtype=float) * size),
            gained_m2=float(delta[kinds == GAINED].sum(dtype=float) * size),
            kept_m2=kept_px * size,
        ),
        warnings=tuple(_doubts(shift)),
    )


def _doubts(shift: float) -> Iterator[Caution]:
    if abs(shift) >= SHIFTED:
        yield Caution(
            "change-of-season",
            f"the median change of all pixels is {f'{100 * shift:+.0f}'.replace('-', '−')} points: the two periods differ as a whole, by season, "
            "weather or light, and some of what is called lost or gained may be that; compare periods of the same season",
        )


def _patches(
    kinds: NDArray[np.uint8],
    delta: NDArray[np.float32],
    *,
    grid: GeoBox,
    city: City,
    size: float,
    least_px: float,
) -> tuple[list[Patch], int]:
    """Sieve ``kinds`` in place; return the largest patches of each kind by green area, and the number of pixels sieved."""
    from scipy import ndimage

    found, sieved = [], 0
    for kind, word in ((LOST, "lost"), (GAINED, "gained")):
        labels, number = ndimage.label(kinds == kind, structure=np.ones((3, 3), int))
        pixels = np.bincount(labels.ravel(), minlength=number + 1)
        small = pixels < least_px
        small[0] = False
        sieved += int(pixels[small].sum())
        kinds[small[labels]] = STEADY
        green = np.bincount(labels.ravel(), weights=np.nan_to_num(np.abs(delta)).ravel(), minlength=number + 1)
        green[small] = 0
        green[0] = 0
        largest = np.argsort(-green, kind="stable")[:MOST_PATCHES]
        boxes = ndimage.find_objects(labels)
        found += [
            _patch(
                word,
                labels,
                boxes[label - 1],
                int(label),
                grid,
                city,
                (float(pixels[label] * size), float(green[label] * size)),
            )
            for label in largest
            if green[label] > 0
        ]
    return found, sieved


def _patch(
    kind: str,
    labels: NDArray[np.int_],
    box: tuple[slice, slice],
    label: int,
    grid: GeoBox,
    city: City,
    areas: tuple[float, float],
) -> Patch:
    import shapely

    from howgreen.core.geometry import transformer

    rows, columns = np.nonzero(labels[box] == label)
    # The pixel nearest to the centroid: the centroid itself may lie outside.
    near = np.hypot(rows - rows.mean(), columns - columns.mean()).argmin()
    x, y = grid.affine * (columns[near] + box[1].start + 0.5, rows[near] + box[0].start + 0.5)
    lon, lat = transformer(str(grid.crs), "EPSG:4326").transform(x, y)
    point = shapely.Point(lon, lat)
    district = next((one.name for one in city.districts if one.boundary.contains(point)), "")
    return Patch(kind=kind, area_m2=areas[0], green_m2=areas[1], lon=float(lon), lat=float(lat), district=district)


def _classes(
    kinds: NDArray[np.uint8], before: Answer, after: Answer, city: City, size: float
) -> tuple[ChangeClass, ...]:
    count, sums = np.zeros(4), np.zeros((2, 4))
    for slab in slabs(before, after, city):
        here = kinds[slab.top : slab.top + slab.compared.shape[0]][slab.compared]
        count += np.bincount(here, minlength=4)
        for number, green in enumerate(slab.green):
            sums[number] += np.bincount(here, weights=green[slab.compared], minlength=4)
    return tuple(
        ChangeClass(
            code=code,
            name=name,
            colour=colour,
            area_m2=float(count[code] * size),
            green_before=_mean(sums[0], count, code),
            green_after=_mean(sums[1], count, code),
        )
        for code, (name, colour) in _LOOK.items()
    )


def _mean(sums: NDArray[np.float64], count: NDArray[np.float64], code: int) -> float | None:
    return float(sums[code] / count[code]) if count[code] else None
