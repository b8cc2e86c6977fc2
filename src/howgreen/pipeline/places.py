"""Places by name, looked for in the user's own store and the sample as well as in OpenStreetMap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from howgreen import place as stage
from howgreen.core.errors import AreaError, PlaceNotFoundError
from howgreen.core.types import City
from howgreen.net.network import Network
from howgreen.pipeline import image_sources
from howgreen.place.vectors import is_shape_text

if TYPE_CHECKING:
    import geopandas as gpd
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Progress
    from howgreen.pipeline.images import Store

    Area: TypeAlias = "City | str | Path | BaseGeometry | gpd.GeoDataFrame | gpd.GeoSeries | Mapping[str, Any]"


_FILES = frozenset({".geojson", ".json", ".gpkg", ".shp", ".kml", ".gml", ".fgb", ".zip", ".parquet", ".topojson"})
"""Endings of boundary files, which no place's name has."""


def place_from_name(
    query: str,
    *,
    pick: int | str | None = None,
    store: Store | None = None,
    osm: str | Path | None = None,
    network: Network | None = None,
    district_levels: Sequence[int] = (),
    progress: Progress | None = None,
) -> City:
    """Look a name, an id or coordinates up, and return the one place that is meant, with its districts and its land.

    Parameters
    ----------
    query
        A name (``Lyon, France``), an id (``R120965``) or coordinates (``45.76, 4.84``: lat, lon).
    pick
        Which of several matches: its number in the list of :func:`where` (from 1) or its id.
    store
        A store whose places are known by name; None for the user's own, and for Sampleton the sample.
    osm
        A local OpenStreetMap extract.
    network
        How services are asked; None for the usual ones, ``Network(offline=True)`` for none.
    district_levels
        OpenStreetMap's administrative levels whose areas are the districts; none for the next below the place's.
    progress
        Told of the sample city while it is simulated, at its first use.

    Raises
    ------
    PlaceNotFoundError, AmbiguousPlaceError, AreaError, NetworkError
        One line: what, where, and what to do.
    """
    root = image_sources.find_store(query, store.path if store else None, progress=progress)
    files = stage.PlaceFiles(district_levels=tuple(district_levels))
    return stage.find(
        query, stores=[root] if root else [], osm=osm, pick=pick, network=network or Network(), files=files
    )


def where(
    query: str, *, store: Store | None = None, osm: str | Path | None = None, network: Network | None = None
) -> list[City]:
    """List the places that a name may mean, in the order in which ``pick`` counts them.

    The parameters are those of :func:`place_from_name`.
    """
    root = image_sources.find_store(query, store.path if store else None)
    return stage.candidates(query, stores=[root] if root else [], osm=osm, network=network or Network())


def to_city(
    place: Area | None, *, store: Store | None = None, network: Network | None = None, progress: Progress | None = None
) -> City:
    """Return the place that a user hands over, whatever it is.

    A City is taken as it is. Text is a name, an id, coordinates, WKT or GeoJSON; a Path is a file of limits; a shape, a GeoJSON
    mapping, a GeoDataFrame or a GeoSeries are limits.
    """
    if isinstance(place, City):
        return place
    if place is None:
        raise PlaceNotFoundError("no place given: write a name, an id, or coordinates such as 45.76, 4.84")
    if isinstance(place, Path):
        return stage.place_from_file(place)
    if isinstance(place, str) and not is_shape_text(place):
        if Path(place).suffix.lower() in _FILES:
            raise AreaError(f"{place!r} is the name of a file: hand it over as Path({place!r})")
        return place_from_name(place, store=store, network=network, progress=progress)
    return stage.place_from_geometry(place)
