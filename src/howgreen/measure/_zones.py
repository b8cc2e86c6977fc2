"""Zones: their shape on the grid, their area on the ellipsoid, and the table of their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from howgreen.core.errors import AreaError
from howgreen.core.geometry import densify, geodesic_area_m2, polygonal, project
from howgreen.core.types import FIGURES, INTERVAL_ENDS, District

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    from shapely import MultiPolygon, Polygon
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import City, Population, Zone


@dataclass(frozen=True, kw_only=True)
class ZoneShape:
    """One zone, ready to measure."""

    name: str
    id: str
    kind: Literal["city", "district"]
    boundary: Polygon | MultiPolygon
    """EPSG:4326, as given."""
    population: Population | None
    level: int | None
    """OSM admin_level if known."""
    shape: BaseGeometry
    """Shape of its land (all of it if no sea is known), in the grid's CRS; may be empty."""
    area_m2: float
    """Ellipsoidal (WGS 84) area of the boundary."""
    land_m2: float
    """Ellipsoidal area of its land."""

    @property
    def scale(self) -> float:
        """Ratio of ellipsoidal to planar area: converts pixel sums on the grid to square metres on the ground."""
        return self.land_m2 / self.shape.area if self.shape.area else 1.0


def zone_shapes(city: City, crs: str) -> tuple[ZoneShape, ...]:
    """Project the city and its districts to a grid's CRS, the city first.

    Raises
    ------
    AreaError
        A boundary is empty or has no area on the grid.
    """
    whole = District(
        name=city.label, id=city.id, boundary=city.boundary, population=city.population, level=city.admin_level
    )
    return _zone_shape(whole, "city", city.land, crs), *(
        _zone_shape(one, "district", city.land, crs) for one in city.districts
    )


def _zone_shape(
    part: District, kind: Literal["city", "district"], land: Polygon | MultiPolygon | None, crs: str
) -> ZoneShape:
    boundary = part.boundary
    dense = densify(boundary)
    shape = project(boundary, crs)
    area_m2 = land_m2 = geodesic_area_m2(dense)
    if not (area_m2 > 0 and np.isfinite(shape.area) and shape.area > 0):
        raise AreaError(
            f"{kind} {part.name!r} ({part.id}): its boundary has no area on {crs}; give a polygon that has one"
        )
    if land is not None:
        ashore = polygonal(shapely.intersection(dense, densify(land)))
        shape, land_m2 = project(ashore, crs), geodesic_area_m2(ashore)
    return ZoneShape(
        name=part.name, id=part.id, kind=kind, boundary=boundary, population=part.population, level=part.level, shape=shape,
        area_m2=area_m2, land_m2=land_m2,
    )  # fmt: skip


def to_frame(zones: Sequence[Zone]) -> gpd.GeoDataFrame:
    """Make a table of zones in EPSG:4326, one row each in the given order.

    Columns ``name``, ``id``, ``kind``, ``level`` (empty where there is none), :data:`FIGURES`, ``interval_<end>`` for
    each of :data:`INTERVAL_ENDS`, ``geometry``; figures are float64, NaN if a zone has none.
    """
    import geopandas as gpd
    import pandas as pd
    from shapely import MultiPolygon

    columns: dict[str, object] = {key: [getattr(zone, key) for zone in zones] for key in ("name", "id", "kind")}
    columns["level"] = pd.array([zone.level for zone in zones], dtype="Int32")
    columns |= {key: np.array([getattr(z.stats, key) for z in zones], dtype=float) for key in FIGURES}
    for end in INTERVAL_ENDS:
        values = [getattr(z.stats.interval, end) if z.stats.interval else None for z in zones]
        columns[f"interval_{end}"] = np.array(values, dtype=float)
    # A single geometry type throughout: formats such as GeoPackage allow one per layer.
    shapes = [z.boundary if isinstance(z.boundary, MultiPolygon) else MultiPolygon([z.boundary]) for z in zones]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326")
