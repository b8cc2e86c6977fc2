"""Zones on the ground: their shape on the grid and their area on the ellipsoid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely

from howgreen.core.errors import AreaError

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import City, Population

DENSIFY_DEG = 0.005
"""Longest piece of an edge that is projected as a straight line, in degrees: within 2 cm of the true edge."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """One zone, ready to be measured."""

    name: str
    id: str
    kind: Literal["city", "district"]
    boundary: Polygon | MultiPolygon
    """EPSG:4326, as it was given."""
    population: Population | None
    shape: BaseGeometry
    """Of its land (all of it where no sea is known), on the grid's CRS; may be empty."""
    area_m2: float
    """Of the boundary; ellipsoidal (WGS 84)."""
    land_m2: float
    """Of its land, ellipsoidal."""

    @property
    def scale(self) -> float:
        """Ellipsoidal over planar area: what turns sums of pixels on the grid into square metres on the ground."""
        return self.land_m2 / self.shape.area if self.shape.area else 1.0


def grounds(city: City, crs: str) -> tuple[Ground, ...]:
    """The city and its districts on a grid's CRS, the city first.

    Raises
    ------
    AreaError
        A boundary is empty or has no area on the grid.
    """
    first = _ground(city.label, city.id, "city", city.boundary, city.land, city.population, crs)
    others = [_ground(d.name, d.id, "district", d.boundary, city.land, d.population, crs) for d in city.districts]
    return first, *others


def _ground(
    name: str,
    identity: str,
    kind: Literal["city", "district"],
    boundary: Polygon | MultiPolygon,
    land: Polygon | MultiPolygon | None,
    population: Population | None,
    crs: str,
) -> Ground:
    from howgreen.core.geometry import polygonal

    # Edges are straight in longitude and latitude, as GeoJSON has it; on the grid and on the ellipsoid they bend.
    dense = shapely.segmentize(boundary, DENSIFY_DEG)
    shape = _projected(dense, crs)
    area_m2 = land_m2 = geodesic_area_m2(dense)
    if not (area_m2 > 0 and np.isfinite(shape.area) and shape.area > 0):
        raise AreaError(f"{kind} {name!r} ({identity}): its boundary has no area on {crs}; give a polygon that has one")
    if land is not None:
        ashore = polygonal(shapely.intersection(dense, shapely.segmentize(land, DENSIFY_DEG)))
        shape, land_m2 = _projected(ashore, crs), geodesic_area_m2(ashore)
    return Ground(
        name=name, id=identity, kind=kind, boundary=boundary, population=population, shape=shape, area_m2=area_m2,
        land_m2=land_m2,
    )  # fmt: skip


def geodesic_area_m2(polygon: BaseGeometry) -> float:
    """Area of an EPSG:4326 polygon on the WGS 84 ellipsoid, in square metres (Karney 2013, by PROJ)."""
    from pyproj import Geod

    # Rings must run anticlockwise for PROJ's sign; orient_polygons also turns the holes the other way.
    return abs(float(Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(polygon))[0]))


def _projected(polygon: BaseGeometry, crs: str) -> BaseGeometry:
    from pyproj import Transformer

    transform = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform

    def project(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.column_stack(transform(points[:, 0], points[:, 1]))

    shape: BaseGeometry = shapely.transform(polygon, project)
    # A boundary split at the antimeridian closes up again on the grid: its halves then share an edge.
    return shape if shape.is_valid else shapely.make_valid(shape, method="structure")
