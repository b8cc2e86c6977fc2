"""A boundary file, or a shape typed as WKT or GeoJSON, becomes a ``City``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import shapely

from howgreen.core.errors import AmbiguousPlaceError, AreaError, PlaceNotFoundError
from howgreen.core.geometry import geodesic_area_m2
from howgreen.core.text import fold, spellings
from howgreen.place.shapes import clean, from_shape
from howgreen.place.vectors import Feature, read_file, read_frame, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import City

_MOST_LISTED = 20


def from_file(path: str | Path, *, name: str | None = None, pick: int | str | None = None) -> City:
    """The city whose limits a vector file holds.

    Any format and CRS that GDAL reads. Of several areas, the one called ``name`` is taken; where none or more
    than one is, they are listed.

    Parameters
    ----------
    path
        GeoJSON, GeoPackage, Shapefile (also zipped), KML, ...
    name
        As the city was asked for; the area's own name, or the file's, if left out.
    pick
        Which of several areas: number (from 1) or name, or ``"all"`` to take them together.

    Raises
    ------
    AreaError
        When the file holds no usable area, or its CRS is missing or wrong.
    AmbiguousPlaceError
        When several areas fit; the message lists them.
    PlaceNotFoundError
        When ``pick`` is none of them.

    """
    path = Path(path)
    features = read_file(path)
    return _city(features, name=name, pick=pick, what=str(path), source=f"file:{path.name}", stem=path.stem)


def from_text(text: str, *, name: str | None = None, pick: int | str | None = None) -> City:
    """The city drawn by a WKT or GeoJSON text, EPSG:4326 (lon, lat).

    Parameters
    ----------
    text
        A polygon, a Feature, or the FeatureCollection that drawing tools export; at most 2,000,000 characters.
    name, pick
        As in :func:`from_file`.

    Raises
    ------
    AreaError
        When the text is no usable area.
    AmbiguousPlaceError
        When several areas fit; the message lists them.
    PlaceNotFoundError
        When ``pick`` is none of them.

    """
    return _city(read_text(text), name=name, pick=pick, what="the shape", source=None, stem="drawn shape")


def from_frame(
    frame: gpd.GeoDataFrame | gpd.GeoSeries, *, name: str | None = None, pick: int | str | None = None
) -> City:
    """Take the areas of a GeoDataFrame or GeoSeries, in its own CRS, as a file's.

    Raises
    ------
    AreaError, AmbiguousPlaceError, PlaceNotFoundError
        As :func:`from_file`.

    """
    return _city(read_frame(frame), name=name, pick=pick, what="the frame", source=None, stem="drawn shape")


def _city(
    features: Sequence[Feature], *, name: str | None, pick: int | str | None, what: str, source: str | None, stem: str
) -> City:
    chosen = _chosen(features, name=name, pick=pick, what=what)
    label = chosen[0].name if len(chosen) == 1 else None
    part = f"#{chosen[0].number}" if len(chosen) == 1 < len(features) else ""
    geometry, note = _together(chosen, what=what)
    return from_shape(
        geometry,
        name=name or label or stem,
        label=label or name or stem,
        id=source and source + part,
        kind="boundary file" if source else "drawn shape",
        note=note,
    )


def _together(features: Sequence[Feature], *, what: str) -> tuple[BaseGeometry, str]:
    """One shape of all features, and what was done to them."""
    if len(features) == 1:
        return features[0].geometry, ""
    # Cleaned first, so that parts on both sides of the antimeridian come together in the same turn.
    cleaned = [clean(feature.geometry, what=f"{what}, area {feature.number}")[0] for feature in features]
    polygons = [polygon for area in cleaned for polygon in getattr(area, "geoms", [area])]
    return shapely.union_all(polygons), f"{len(features)} areas of {what} taken together"


def _chosen(features: Sequence[Feature], *, name: str | None, pick: int | str | None, what: str) -> list[Feature]:
    called = _called(features, name) if name else []
    listed = called or list(features)
    if pick == "all":
        return listed
    if pick is not None and len(features) > 1:
        return [_picked(listed, features, pick=pick, what=what)]
    if len(listed) == 1:
        return listed
    asked = f" called {name!r}" if called else ""
    none = f", none of them called {name!r}" if name and not called else ""
    raise AmbiguousPlaceError(
        f"{what} holds {len(listed)} areas{asked}{none}; take one with --pick N, or all with --pick all:\n"
        + _listing(listed)
    )


def _called(features: Sequence[Feature], name: str) -> list[Feature]:
    """Those with the name; their own names decide before other columns (province, name in another language)."""
    own = [feature for feature in features if fold(name) in spellings(feature.name or "")]
    return own or [feature for feature in features if feature.called(name)]


def _picked(listed: Sequence[Feature], features: Sequence[Feature], *, pick: int | str, what: str) -> Feature:
    text = str(pick).strip()
    if text.isdecimal():
        if 1 <= int(text) <= len(listed):
            return listed[int(text) - 1]
    else:
        called = _called(features, text)
        if len(called) == 1:
            return called[0]
    raise PlaceNotFoundError(
        f"{what}: no single area {pick!r}; pick one of 1 to {len(listed)}, or all:\n{_listing(listed)}"
    )


def _listing(features: Sequence[Feature]) -> str:
    lines = [
        f"  {number}. {feature.name or 'without a name'}, {_area_km2(feature)}"
        for number, feature in enumerate(features[:_MOST_LISTED], start=1)
    ]
    rest = len(features) - _MOST_LISTED
    return "\n".join(lines + ([f"  … and {rest} more"] if rest > 0 else []))


def _area_km2(feature: Feature) -> str:
    try:
        boundary, _ = clean(feature.geometry, what="area")
    except AreaError:
        return "broken"
    return f"{geodesic_area_m2(boundary) / 1e6:.2f} km²"
