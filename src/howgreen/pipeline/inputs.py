"""User input: a place in any of its forms, and the source of a plan's images.

Places are looked for in the user's own store and the sample as well as in OpenStreetMap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from howgreen import place as stage
from howgreen.core.errors import AreaError, PlaceNotFoundError, StoreError
from howgreen.core.types import City
from howgreen.net.network import Network
from howgreen.pipeline import image_sources

if TYPE_CHECKING:
    import geopandas as gpd
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Progress
    from howgreen.store import Options

    Area: TypeAlias = "City | str | Path | BaseGeometry | gpd.GeoDataFrame | gpd.GeoSeries | Mapping[str, Any]"


__all__ = ["Area", "Catalogs", "Network", "Store", "place_from_name", "to_city", "where"]

_FILES = frozenset({".geojson", ".json", ".gpkg", ".shp", ".kml", ".gml", ".fgb", ".zip", ".parquet", ".topojson"})
"""File extensions of boundaries, which no place name has."""


@dataclass(frozen=True)
class Store:
    """Use only the images of a local store: ``Store("shelf")``; see ``howgreen store add``."""

    root: str | Path
    """Its folder."""

    def __post_init__(self) -> None:
        """Refuse a file: images have to be added to a store first."""
        if self.path.is_file():
            raise StoreError(
                f"{self.root}: is a file, not a store; put it into one first: howgreen store add {self.root} --city NAME"
            )

    def add(
        self,
        *files: str | Path,
        city: str | None = None,
        area: Area | None = None,
        options: Options | None = None,
        replace: bool = False,
        progress: Progress | None = None,
    ) -> list[str]:
        """Add images to the store, creating it if need be; return the images' ids.

        Parameters
        ----------
        files
            GeoTIFFs with one or several bands, Sentinel-2 L2A ``.SAFE`` folders, Landsat Collection 2 Level-2 folders.
        city
            The city they show.
        area
            Its boundary, as for :func:`howgreen.plan`; None for the images' footprint.
        options
            Facts missing from the files: ``Options(bands=["red", "green", "blue", "nir"], scale=1e-4)``, of
            :mod:`howgreen.store`.
        replace
            Replace images that exist already.

        Raises
        ------
        StoreError, ImageError
            One line: what, where, and what to do.
        """
        if not files or city is None:
            names = ", ".join(repr(str(file)) for file in files) or "'image.tif'"
            raise StoreError(
                f"say which file, and which city it shows: Store({str(self.root)!r}).add({names}, city='NAME')"
            )
        from howgreen import store as stores

        boundary = None if area is None else to_city(area)
        paths = [Path(file).expanduser() for file in files]
        return stores.add(
            paths, root=self.path, city=city, boundary=boundary, options=options, replace=replace, progress=progress
        )

    @property
    def path(self) -> Path:
        """The folder, absolute."""
        return Path(self.root).expanduser().absolute()


@dataclass(frozen=True)
class Catalogs:
    """Use images of open catalogues, queried in this order: ``Catalogs("earth-search")``.

    The next catalogue is used if one does not respond or has no images.
    """

    names: str | Sequence[str] = ()
    """One or several of: ``earth-search``, ``planetary-computer``, a STAC API's URL, ``name=URL`` for a mirror. None:
    those that need no account."""

    @property
    def listed(self) -> tuple[str, ...]:
        """The names, as a tuple in any case."""
        return (self.names,) if isinstance(self.names, str) else tuple(self.names)


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
    """Look up a name, an id or coordinates, and return the one matching place with its districts and land.

    Parameters
    ----------
    query
        A name (``Lyon, France``), an id (``R120965``) or coordinates (``45.76, 4.84``: lat, lon).
    pick
        Which of several matches: its number in the list of :func:`where` (from 1) or its id.
    store
        A store to look for places in; None for the user's own (for Sampleton, the sample's).
    osm
        A local OpenStreetMap extract.
    network
        How to reach services; None for the defaults, ``Network(offline=True)`` for none.
    district_levels
        OpenStreetMap administrative levels of the districts; empty for the level below the place's.
    progress
        Called while the sample city is simulated, at its first use.

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
    """List the places that a name may mean, numbered as ``pick`` expects.

    The parameters are those of :func:`place_from_name`.
    """
    root = image_sources.find_store(query, store.path if store else None)
    return stage.candidates(query, stores=[root] if root else [], osm=osm, network=network or Network())


def to_city(
    place: Area | None, *, store: Store | None = None, network: Network | None = None, progress: Progress | None = None
) -> City:
    """Return the City for anything a user may pass as a place.

    A City is returned as it is. Text is a name, an id, coordinates, WKT or GeoJSON; a Path is a boundary file; a shape,
    a GeoJSON mapping, a GeoDataFrame or a GeoSeries is a boundary.
    """
    if isinstance(place, City):
        return place
    if place is None:
        raise PlaceNotFoundError("no place given: write a name, an id, or coordinates such as 45.76, 4.84")
    if isinstance(place, Path):
        return stage.place_from_file(place)
    from howgreen.place.vectors import is_shape_text

    if isinstance(place, str) and not is_shape_text(place):
        if Path(place).suffix.lower() in _FILES:
            raise AreaError(f"{place!r} is the name of a file: hand it over as Path({place!r})")
        return place_from_name(place, store=store, network=network, progress=progress)
    return stage.place_from_geometry(place)
