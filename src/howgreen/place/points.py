"""Coordinates become a circle."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
import pyproj
from shapely import Polygon

from howgreen.core.errors import AreaError
from howgreen.place.shapes import from_shape

if TYPE_CHECKING:
    from howgreen.core.types import City

DEFAULT_RADIUS_M = 2000.0
"""Radius of the circle when none is asked for."""

_NUMBER = r"[+\-−]?\d+(?:\.\d+)?"
_COORDINATES = re.compile(
    rf"^\s*(?:geo:)?\s*([NSEWnsew])?\s*({_NUMBER})\s*°?\s*([NSEWnsew])?(?:\s*[,;]\s*|\s+)"
    rf"([NSEWnsew])?\s*({_NUMBER})\s*°?\s*([NSEWnsew])?\s*$"
)
_VERTICES = 360
_GEOD = pyproj.Geod(ellps="WGS84")


def from_point(lat: float, lon: float, *, radius_m: float | None = None, name: str | None = None) -> City:
    """A circle on the ground: all points whose geodesic distance to the centre is the radius.

    Parameters
    ----------
    lat, lon
        Degrees, WGS 84. Latitude first, as people write coordinates.
    radius_m
        Metres on the ellipsoid; 2,000 when left out, which the city's note then says.
    name
        As it was asked for.

    Raises
    ------
    AreaError
        When the position or the radius cannot be.

    """
    _check_position(lat, lon)
    radius = DEFAULT_RADIUS_M if radius_m is None else radius_m
    if not (math.isfinite(radius) and radius > 0):
        raise AreaError(f"radius {radius:g} m: give a number of metres above 0")
    lon = (lon + 180) % 360 - 180 if lon != 180 else lon
    label = f"{_degrees(abs(lat))}° {'N' if lat >= 0 else 'S'}, {_degrees(abs(lon))}° {'E' if lon >= 0 else 'W'}"
    default = " (the default radius)" if radius_m is None else ""
    return from_shape(
        _circle(lat, lon, radius, what=label),
        name=name or label,
        label=f"{radius / 1000:g} km around {label}",
        id=f"point:{_degrees(lat)},{_degrees(lon)},{radius:g}",
        kind="circle",
        note=f"a circle of {radius / 1000:g} km{default} around {label}, not the limits of a city",
    )


def parse_coordinates(query: str) -> tuple[float, float] | None:
    """Latitude and longitude of ``45.76, 4.84``, ``45.76N 4.84E``, ``4.84E, 45.76N``; None for other texts.

    Raises
    ------
    AreaError
        When the text is two numbers that are no position on Earth.

    """
    match = _COORDINATES.match(query)
    if not match:
        return None
    first, second = (_signed(query, *match.groups()[i : i + 3]) for i in (0, 3))
    if first[1] == "lon" or second[1] == "lat":
        first, second = second, first
    if (first[1], second[1]) not in {("lat", "lon"), ("lat", ""), ("", "lon"), ("", "")}:
        raise AreaError(f"{query!r}: two latitudes or two longitudes; write lat, lon such as 45.76, 4.84")
    _check_position(first[0], second[0])
    return first[0], second[0]


def _signed(query: str, before: str | None, number: str, after: str | None) -> tuple[float, str]:
    """Degrees, and which axis its letter names."""
    if before and after:
        raise AreaError(f"{query!r}: two letters at one number; write lat, lon such as 45.76N 4.84E")
    letter = (before or after or "").upper()
    value = float(number.replace("−", "-"))
    if letter and number[0] in "+-−":
        raise AreaError(f"{query!r}: a sign and a letter at one number; write 45.76S or -45.76")
    return (-value if letter in {"S", "W"} else value), {"N": "lat", "S": "lat", "E": "lon", "W": "lon"}.get(letter, "")


def _check_position(lat: float, lon: float) -> None:
    if math.isfinite(lat) and math.isfinite(lon) and abs(lat) <= 90 and abs(lon) <= 360:
        return
    swapped = f"; did you mean {lon:g}, {lat:g}?" if abs(lon) <= 90 < abs(lat) <= 180 else ""
    raise AreaError(f"coordinates {lat:g}, {lon:g}: write lat (-90 to 90), then lon (-180 to 180){swapped}")


def _degrees(value: float) -> str:
    return f"{round(value, 6) + 0.0:.10g}"


def _circle(lat: float, lon: float, radius_m: float, *, what: str) -> Polygon:
    if radius_m > 2e6:
        raise AreaError(f"radius {radius_m / 1000:,.0f} km around {what}: larger than any city; give a smaller one")
    azimuths = np.linspace(0, 360, _VERTICES, endpoint=False)
    start = np.ones(_VERTICES)
    # A polygon inside the circle is a little smaller than it: the vertices move out until the areas agree.
    step = 2 * math.pi / _VERTICES
    reach = radius_m * math.sqrt(step / math.sin(step))
    lons, lats, _ = _GEOD.fwd(lon * start, lat * start, azimuths, reach * start)
    return Polygon(np.column_stack([lons, lats]))
