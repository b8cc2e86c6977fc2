"""The public ways to make a place, each a thin wrapper around one worker.

Look-up by name is :func:`howgreen.place_from_name`, which also knows the user's store and the sample.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import AreaError

if TYPE_CHECKING:
    import geopandas as gpd
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import City


def place_from_point(lat: float, lon: float, *, radius_m: float | None = None, name: str | None = None) -> City:
    """Draw a circle on the ground around a position.

    Parameters
    ----------
    lat, lon
        Degrees, WGS 84; latitude first.
    radius_m
        Metres on the ellipsoid; 2,000 when left out.
    name
        Name of the place; its coordinates if left out.

    Raises
    ------
    AreaError
        When the position or the radius is impossible, or it lies in the open sea but on land with the two swapped.

    """
    from howgreen.place._points import point_on_land

    return point_on_land(lat, lon, radius_m=radius_m, name=name)


def place_from_geometry(
    geometry: BaseGeometry | gpd.GeoDataFrame | gpd.GeoSeries | Mapping[str, Any] | str,
    *,
    name: str | None = None,
    pick: int | str | None = None,
    name_column: str | None = None,
) -> City:
    """Take a shape as the limits of a place.

    Parameters
    ----------
    geometry
        A shapely geometry, a GeoJSON mapping, WKT or GeoJSON text in EPSG:4326 (lon, lat), or a GeoDataFrame or
        GeoSeries in its own CRS.
    name
        Name of the place; selects the row of this name in a frame.
    pick
        Which of several areas: number (from 1) or name, or ``"all"`` to merge them.
    name_column
        The column of a frame that holds the names, if not obvious.

    Raises
    ------
    AreaError
        When it is no usable area.
    AmbiguousPlaceError
        When several areas fit; the message lists them.
    PlaceNotFoundError
        When ``pick`` matches none of them.

    """
    from shapely.geometry.base import BaseGeometry

    from howgreen.place._files import from_frame, from_text
    from howgreen.place._shapes import from_shape
    from howgreen.place.vectors import TableOptions

    if isinstance(geometry, BaseGeometry):
        return from_shape(geometry, name=name or "drawn shape")
    if isinstance(geometry, Mapping):
        return from_text(json.dumps(geometry), name=name, pick=pick)
    if isinstance(geometry, str):
        return from_text(geometry, name=name, pick=pick)
    if hasattr(geometry, "to_crs"):
        return from_frame(geometry, name=name, pick=pick, options=TableOptions(name_column=name_column))
    kind = type(geometry).__name__
    raise AreaError(f"{'an' if kind[0] in 'aeiAEI' else 'a'} {kind} is no geometry; {_meant(geometry)}")


def _meant(given: object) -> str:
    """Guess what a value that is not a place was meant as, and say how to write it."""
    if isinstance(given, tuple | list) and given and all(isinstance(one, int | float) for one in given):
        if len(given) == 2:
            return f'coordinates are text: "{given[0]}, {given[1]}" (lat, lon)'
        if len(given) == 4:
            return f"a box is shapely.box{tuple(given)} (west, south, east, north)"
    if isinstance(given, tuple | list):
        return "one place at a time: call it for each of them"
    if isinstance(given, int):
        return f'an OpenStreetMap id is text: "R{given}"'
    if hasattr(given, "geometry"):
        return "give its .geometry"
    return "give shapely, a GeoDataFrame, GeoJSON or WKT"


def place_from_file(
    path: str | Path,
    *,
    name: str | None = None,
    pick: int | str | None = None,
    name_column: str | None = None,
    encoding: str | None = None,
) -> City:
    """Read the limits of a place from a vector file: GeoJSON, GeoPackage, Shapefile, KML, TopoJSON, GeoParquet, ...

    Parameters
    ----------
    path
        Any CRS; also zipped.
    name
        Which of its areas, and the name of the place; the area's own name, or the file's, if left out.
    pick
        Which of several areas: number (from 1) or name, or ``"all"`` to merge them.
    name_column
        The column that holds the names, if not obvious.
    encoding
        Character encoding of an old file, such as ``cp1252``, if the file does not declare it.

    Raises
    ------
    AreaError
        When the file holds no usable area, or its CRS is missing or wrong.
    AmbiguousPlaceError
        When several areas fit; the message lists them.
    PlaceNotFoundError
        When ``pick`` matches none of them.

    """
    from howgreen.place._lookup import PlaceFiles, find

    files = PlaceFiles(name_column=name_column, encoding=encoding)
    return find(name, area=Path(path), pick=pick, files=files)


def with_districts(
    place: City,
    districts: str | Path | gpd.GeoDataFrame,
    *,
    name_column: str | None = None,
    encoding: str | None = None,
) -> City:
    """Return the place with a file's or frame's areas as its districts, clipped to it; they replace its current ones.

    Parameters
    ----------
    place
        Place of these districts.
    districts
        A vector file, or a GeoDataFrame with a CRS. Areas with less than 1 % inside are left out.
    name_column, encoding
        As in :func:`place_from_file`.

    Raises
    ------
    AreaError
        When the file is unusable, or none of its areas lies in the place.

    """
    from howgreen.place._districts import from_districts_file, from_districts_frame
    from howgreen.place.vectors import TableOptions

    options = TableOptions(name_column=name_column, encoding=encoding)
    if isinstance(districts, str | Path):
        return from_districts_file(place, Path(districts), options)
    return from_districts_frame(place, districts, options)


def with_land(place: City, path: str | Path) -> City:
    """Return the place without its sea, by a file with polygons of land, or coastlines (land on their left).

    Raises
    ------
    AreaError
        When the file cannot be read, or shows no land inside the limits.

    """
    from howgreen.place._coast import with_land_file

    return with_land_file(replace(place, land=None), Path(path))
