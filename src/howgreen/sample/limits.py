"""The limits of the sample city and its six districts, which partition it exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from rasterio.features import shapes
from scipy import ndimage
from shapely import MultiPolygon, Polygon
from shapely.affinity import affine_transform

from howgreen.core.geometry import geodesic_area_m2, transformer
from howgreen.core.types import City, District, Population
from howgreen.sample.layout import CRS, EXCLAVE, EXCLAVE_RADIUS, LEFT_M, RIVER_Y, TOP_M, Doubles, Land
from howgreen.sample.texture import fractal_noise

AREA_M2 = 60e6
"""Area of the limits of the full city."""
SAMPLE_ID = "sample:sampleton"
LABEL = "Sampleton (synthetic)"
NOTE = (
    "Sampleton is synthetic: a simulated city with simulated images, placed in the open Atlantic. "
    "Nothing measured on it says how accurate howgreen is on a real city."
)

_CELLS = 300
_APART = 10
"""Keeps rasterio from warning of an identity transform, a warning that it cannot silence across threads."""
# name, seed point in units of u, side of the river (-1 north, 1 south, 0 both), fictitious population
_DISTRICTS: tuple[tuple[str, float, float, int, int], ...] = (
    ("Old Town", 2450, 4150, -1, 46_200),
    ("Northshore", 2500, 2000, -1, 38_900),
    ("Hillcrest", 5100, 2500, -1, 52_300),
    ("Southbank", 2700, 6600, 1, 57_800),
    ("Millfields", 5600, 5900, 1, 34_100),
    ("Eastwood", 7300, 4300, 0, 11_700),
)


def _cells(land: Land) -> tuple[Doubles, Doubles, npt.NDArray[np.float32]]:
    middles = (np.arange(_CELLS) + 0.5) * land.extent_m / _CELLS / land.u
    y, x = np.meshgrid(middles, middles, indexing="ij")
    rng = np.random.default_rng([land.seed, 61])
    return x, y, fractal_noise(rng, (_CELLS, _CELLS), wavelength_px=60, octaves=4)


def _main_part(x: Doubles, y: Doubles, noise: npt.NDArray[np.float32], cells: int) -> npt.NDArray[np.bool_]:
    """Select the ``cells`` cells nearest to the centre, by a rounded and uneven measure, in one piece."""
    reach = (np.abs(x - 4230) / 3650) ** 2.8 + (np.abs(y - 4480) / 3950) ** 2.8
    cost = reach * (1 + 0.10 * noise)
    cost[np.hypot(x - EXCLAVE[0], y - EXCLAVE[1]) < EXCLAVE_RADIUS + 330] = np.inf
    cost[(x > 8700) | (y > 8760) | (y < 240) | (x < 240)] = np.inf
    inside: npt.NDArray[np.bool_] = cost <= np.partition(cost.ravel(), cells)[cells]
    inside = ndimage.binary_opening(inside, iterations=2)
    parts, _ = ndimage.label(inside)
    largest = np.argmax(np.bincount(parts.ravel())[1:]) + 1
    return np.asarray(ndimage.binary_fill_holes(parts == largest), bool)


def _labels(land: Land) -> npt.NDArray[np.uint8]:
    """Return the district number 1-6 by cell; 0 outside the limits."""
    x, y, noise = _cells(land)
    exclave = np.hypot((x - EXCLAVE[0]) / 1.08, y - EXCLAVE[1]) < EXCLAVE_RADIUS * (1 + 0.08 * noise)
    exclave &= (x < 8880) & (y < 8880)
    cell_area = (land.extent_m / _CELLS) ** 2
    wanted = int(AREA_M2 * land.u**2 / cell_area - exclave.sum())
    main = _main_part(x, y, noise, wanted)
    river = RIVER_Y + land.river(x * land.u) / land.u
    rng = np.random.default_rng([land.seed, 62])
    far = []
    for _, px, py, side, _ in _DISTRICTS:
        wobble = fractal_noise(rng, (_CELLS, _CELLS), wavelength_px=35, octaves=3)
        other_bank = np.where(side * (y - river) < 0, 4000.0, 0.0) if side else 0.0
        far.append(np.hypot(x - px, y - py) * (0.75 if px == 2450 else 1.0) * (1 + 0.05 * wobble) + other_bank)
    nearest = np.argmin(np.stack(far), 0) + 1
    nearest = ndimage.median_filter(nearest, 7)
    labels = np.where(main, nearest, 0)
    labels[exclave] = 5
    return labels.astype(np.uint8)


def _polygon(geometry: Mapping[str, Any]) -> Polygon:
    rings = geometry["coordinates"]
    return Polygon(rings[0], rings[1:])


def _outlines(land: Land) -> list[Polygon | MultiPolygon]:
    """Return district outlines in UTM metres; neighbours share their vertices."""
    labels = _labels(land)
    groups: dict[int, list[Polygon]] = {number: [] for number in range(1, len(_DISTRICTS) + 1)}
    for geometry, number in shapes(labels, mask=labels > 0, transform=Affine.translation(_APART, _APART)):
        # A vertex at every lattice point: where three districts meet, all three must have it.
        groups[int(number)].append(shapely.segmentize(_polygon(geometry), 1.0))
    coverage = [shapely.set_precision(MultiPolygon(parts), 1.0, mode="pointwise") for parts in groups.values()]
    cell = land.extent_m / _CELLS
    # Deliberately off the 10 m lattice: limits on pixel edges hide rounding errors.
    matrix = [cell, 0, 0, -cell, LEFT_M + 4.3 - _APART * cell, TOP_M - 3.7 + _APART * cell]
    simple = shapely.coverage_simplify(np.array(coverage), 2.2)
    return [affine_transform(part, matrix) for part in simple]


def _projected(geometry: Polygon | MultiPolygon, source: str, target: str) -> Polygon | MultiPolygon:
    project = transformer(source, target)

    def moved(points: Doubles) -> Doubles:
        return np.stack(project.transform(points[:, 0], points[:, 1]), 1)

    return shapely.transform(geometry, moved)


def _lonlat(geometry: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    return _projected(geometry, CRS, "EPSG:4326")


def to_utm(geometry: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    """Project a lon/lat geometry to the sample's UTM metres."""
    return _projected(geometry, "EPSG:4326", CRS)


def _joined(outlines: list[Polygon | MultiPolygon]) -> Polygon | MultiPolygon:
    """Merge all districts into one shape, lon/lat."""
    whole = shapely.coverage_union_all(outlines)
    if not isinstance(whole, Polygon | MultiPolygon):
        raise TypeError(f"the limits came out as a {whole.geom_type}")
    return _lonlat(whole)


def make_city(land: Land) -> City:
    """Make the city with its districts. Its population is fictitious, and labelled so."""
    outlines = _outlines(land)
    districts = tuple(
        District(
            name=name,
            id=f"{SAMPLE_ID}/{name.lower().replace(' ', '-')}",
            boundary=_lonlat(outline),
            population=_invented(people),
        )
        for (name, _, _, _, people), outline in zip(_DISTRICTS, outlines, strict=True)
    )
    boundary = _joined(outlines)
    return City(
        name="Sampleton",
        label=LABEL,
        id=SAMPLE_ID,
        boundary=boundary,
        crs=CRS,
        area_m2=geodesic_area_m2(boundary),
        kind="city",
        districts=districts,
        population=_invented(sum(people for *_, people in _DISTRICTS)),
        licence="howgreen sample data, CC0",
        synthetic=True,
        note=NOTE,
    )


def _invented(people: int) -> Population:
    return Population(count=people, year=2024, source="invented")
