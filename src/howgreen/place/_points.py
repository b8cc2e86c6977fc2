"""Make a circle around coordinates."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
import pyproj
from shapely import Polygon

from howgreen.core.errors import AreaError
from howgreen.place._shapes import from_shape

if TYPE_CHECKING:
    from howgreen.core.types import City

DEFAULT_RADIUS_M = 2000.0
"""Default radius of the circle."""

_WORDS = {
    "n": "N", "north": "N", "nord": "N", "norte": "N",
    "s": "S", "south": "S", "süd": "S", "sued": "S", "sud": "S", "sur": "S",
    "e": "E", "east": "E", "est": "E", "este": "E", "ost": "E", "leste": "E",
    "w": "W", "west": "W", "ouest": "W", "oeste": "W", "ovest": "W",
    "o": "O",
    "lat": "lat", "latitude": "lat", "lon": "lon", "lng": "lon", "long": "lon", "longitude": "lon",
}  # fmt: skip
_AXES = {"N": "lat", "S": "lat", "E": "lon", "W": "lon", "lat": "lat", "lon": "lon"}
_WORD = "(?:" + "|".join(sorted(_WORDS, key=len, reverse=True)) + r")(?![^\W\d_])"
# Degrees with marked minutes and seconds, or, if both numbers have letters, separated only by blanks.
_MARKED = (
    r"(?P<d{i}>[+\-−]?{n})\s*(?:[°º˚]|deg)?"
    r"(?:\s*(?P<m{i}>{n})\s*(?:['′’‘´](?!['′’])|min))?"
    r"(?:\s*(?P<s{i}>{n})\s*(?:[\"″”“]|''|′′|’’|sec))?"
)
_BLANKS = r"(?P<d{i}>\d+)[\s:°]+(?P<m{i}>{n})(?:[\s:′']+(?P<s{i}>{n}))?"
_COORDINATE = r"(?:(?P<b{i}>{w})\s*[:=]?\s*)?{body}(?(b{i})|(?:\s*(?P<a{i}>{w}))?)"
_TWICE = re.compile(
    rf"(?:[\d.,;°\s+\-−]|{_WORD})*{_WORD}\s*[\d.,]+\s*°?\s*{_WORD}(?:[\d.,;°\s+\-−]|{_WORD})*", re.IGNORECASE
)
_LONGEST = 100
_WRITTEN = {code + 0xFEE0: code for code in range(0x21, 0x7F)} | str.maketrans("٫،、", ".,,")
"""Full-width digits and signs, and Arabic and Chinese commas, mapped to those of the patterns."""
_COMMA_PAIR = re.compile(r"[+\-−]?\d+(?:,\d+)+")


def _pattern(body: str, *, decimal: str, between: str) -> re.Pattern[str]:
    number = rf"\d+(?:{decimal}\d+)?"
    one, two = (
        _COORDINATE.replace("{body}", body).replace("{i}", i).replace("{w}", _WORD).replace("{n}", number) for i in "12"
    )
    return re.compile(rf"\s*{one}(?:{between}){two}\s*", re.IGNORECASE)


_POINTS, _COMMAS = r"\s*[,;/|]\s*|\s+", r"\s*[;/|]\s*|\s*,\s+|\s+"
_PATTERNS = (
    _pattern(_MARKED, decimal=r"\.", between=_POINTS),
    _pattern(_MARKED, decimal=",", between=_COMMAS),
    _pattern(_BLANKS, decimal=r"\.", between=_POINTS),
)
_VERTICES = 360
_GEOD = pyproj.Geod(ellps="WGS84")


def from_point(lat: float, lon: float, *, radius_m: float | None = None, name: str | None = None) -> City:
    """Draw a circle on the ground: all points whose geodesic distance to the centre is the radius.

    Parameters
    ----------
    lat, lon
        Degrees, WGS 84. Latitude first, as people write coordinates.
    radius_m
        Metres on the ellipsoid; 2,000 when left out, which the city's note then mentions.
    name
        Requested name.

    Raises
    ------
    AreaError
        When the position or the radius is impossible.

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


def point_on_land(lat: float, lon: float, *, radius_m: float | None = None, name: str | None = None) -> City:
    """Draw a circle as :func:`from_point` does, around a centre written by a person.

    Raises
    ------
    AreaError
        As there, or when it lies in the open sea but on land with latitude and longitude swapped.

    """
    from howgreen.place._land import check_order

    city = from_point(lat, lon, radius_m=radius_m, name=name)
    check_order(city, what="it lies", cure="write lat first, then lon")
    return city


def parse_coordinates(query: str) -> tuple[float, float] | None:
    """Parse latitude and longitude as people write them; None for other texts.

    ``45.76, 4.84``, ``4.84E, 45.76N``, ``(45.76, 4.84)``, ``45,76 4,84``, ``48°51'24"N 2°21'07"E``.

    Raises
    ------
    AreaError
        When the text is two numbers that are not a position on Earth, or could be one number or two.

    """
    text = re.sub(r"^\s*geo:|[;?][uz]=.*$", "", query.translate(_WRITTEN)).strip().strip("()[]").strip()
    if len(text) > _LONGEST:
        return None
    if _COMMA_PAIR.fullmatch(text):
        raise AreaError(
            f"{query!r}: a decimal comma, or two numbers? write lat, lon with a blank between, such as 45.76, 4.84"
        )
    match = next((found for pattern in _PATTERNS if (found := pattern.fullmatch(text))), None)
    if match is None and _TWICE.fullmatch(text):
        raise AreaError(f"{query!r}: two letters at one number; write lat, lon such as 45.76N 4.84E")
    if match is None or (match.re is _PATTERNS[2] and not all(_letter(match, i) for i in "12")):
        return None
    first, second = (_degree(query, match, i) for i in "12")
    if first[1] == "lon" or second[1] == "lat":
        first, second = second, first
    if (first[1], second[1]) not in {("lat", "lon"), ("lat", ""), ("", "lon"), ("", "")}:
        raise AreaError(f"{query!r}: two latitudes or two longitudes; write lat, lon such as 45.76, 4.84")
    _check_position(first[0], second[0])
    return first[0], second[0]


def _letter(match: re.Match[str], i: str) -> str:
    """Return the letter of a number: N, S, E, W, O, lat, lon, or none."""
    return _WORDS.get((match[f"b{i}"] or match[f"a{i}"] or "").lower(), "")


def _degree(query: str, match: re.Match[str], i: str) -> tuple[float, str]:
    """Return degrees, and the axis named by the letter."""
    letter = _letter(match, i)
    if letter == "O":
        raise AreaError(f"{query!r}: O is west in French, Spanish and Italian, and east in German; write E or W")
    parts = [(match[f"{part}{i}"] or "0").replace("−", "-").replace(",", ".") for part in "dms"]
    whole, minutes, seconds = map(float, parts)
    divided = match[f"m{i}"] or match[f"s{i}"]
    if minutes >= 60 or seconds >= 60 or (divided and not whole.is_integer()):
        raise AreaError(f"{query!r}: minutes and seconds go from 0 to 59; write 48°51'24\"N 2°21'07\"E")
    if letter in {"N", "S", "E", "W"} and parts[0][0] in "+-":
        raise AreaError(f"{query!r}: a sign and a letter at one number; write 45.76S or -45.76")
    size = abs(whole) + minutes / 60 + seconds / 3600 if divided else abs(whole)
    negative = letter in {"S", "W"} or parts[0].startswith("-")
    return (-size if negative else size), _AXES.get(letter, "")


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
    # A polygon inscribed in the circle is slightly smaller: move the vertices out until the areas agree.
    step = 2 * math.pi / _VERTICES
    reach = radius_m * math.sqrt(step / math.sin(step))
    lons, lats, _ = _GEOD.fwd(lon * start, lat * start, azimuths, reach * start)
    return Polygon(np.column_stack([lons, lats]))
