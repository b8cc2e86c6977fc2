"""Zones as the table that a result carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from howgreen.core.types import FIGURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd

    from howgreen.core.types import Zone


def to_frame(zones: Sequence[Zone]) -> gpd.GeoDataFrame:
    """Zones as a table in EPSG:4326, one row each in the order given.

    Columns ``name``, ``id``, ``kind``, :data:`FIGURES`, ``interval_low``, ``interval_high``, ``geometry``;
    figures are float64 with NaN where a zone has none.
    """
    import geopandas as gpd
    import numpy as np
    from shapely import MultiPolygon

    columns: dict[str, object] = {key: [getattr(zone, key) for zone in zones] for key in ("name", "id", "kind")}
    columns |= {key: np.array([getattr(z.stats, key) for z in zones], dtype=float) for key in FIGURES}
    for end in ("low", "high"):
        values = [getattr(z.stats.interval, end) if z.stats.interval else None for z in zones]
        columns[f"interval_{end}"] = np.array(values, dtype=float)
    # One kind of geometry throughout: files such as GeoPackage keep one kind a layer.
    shapes = [z.boundary if isinstance(z.boundary, MultiPolygon) else MultiPolygon([z.boundary]) for z in zones]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326")
