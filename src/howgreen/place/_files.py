"""Make a ``City`` from a boundary file, a frame, or a shape typed as WKT or GeoJSON."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import shapely

from howgreen.core.errors import AmbiguousPlaceError, AreaError, PlaceNotFoundError
from howgreen.core.geometry import geodesic_area_m2
from howgreen.core.text import closest, is_called
from howgreen.core.words import area, plain
from howgreen.place._attributes import rows_called
from howgreen.place._shapes import clean, from_shape, join_notes, same_ground
from howgreen.place.vectors import Areas, Feature, TableOptions, read_file, read_frame, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import geopandas as gpd
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import City

_MOST_LISTED = 20
_MOST_COMPARED = 20_000
"""Most names compared for similarity, which takes seconds for more."""
_COPIES_DIFFER = 0.05
"""Areas of one name in several layers are finer and coarser copies of one if their ground differs by less than this
share."""
_LICENCES = ("licence", "license", "attribution", "boundarylicense", "copyright")


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Origin of areas, as named in errors and in the city."""

    what: str
    stem: str
    id: str | None = None


def from_file(
    path: str | Path,
    *,
    name: str | None = None,
    pick: int | str | None = None,
    options: TableOptions | None = None,
) -> City:
    """Read a city's limits from a vector file.

    Of several areas, take the one called ``name``; if none or more than one is, raise an error that lists them.

    Parameters
    ----------
    path
        GeoJSON, GeoPackage, Shapefile, KML, ..., also zipped; any CRS.
    name
        Requested name of the city; the area's own name, or the file's, if left out.
    pick
        Which of several areas: number (from 1) or name, or ``"all"`` to merge them.
    options
        How to read its attributes.

    Raises
    ------
    AreaError
        When the file holds no usable area, or its CRS is missing or wrong.
    AmbiguousPlaceError
        When several areas fit; the message lists them.
    PlaceNotFoundError
        When ``pick`` matches none of them.

    """
    path = Path(path)
    areas = read_file(path, replace(options or TableOptions(), name=name))
    source = _Source(what=str(path), stem=_stem(path), id=f"file:{path.name}")
    return _city(areas, source, name=name, pick=pick)


def from_text(text: str, *, name: str | None = None, pick: int | str | None = None) -> City:
    """Read a city from a WKT or GeoJSON text, EPSG:4326 (lon, lat).

    Parameters
    ----------
    text
        A polygon, a Feature, or a FeatureCollection as drawing tools export it; at most 2,000,000 characters.
    name, pick
        As in :func:`from_file`.

    Raises
    ------
    AreaError
        When the text is not a usable area.
    AmbiguousPlaceError
        When several areas fit; the message lists them.
    PlaceNotFoundError
        When ``pick`` matches none of them.

    """
    return _city(read_text(text), _Source(what="the shape", stem="drawn shape"), name=name, pick=pick)


def from_frame(
    frame: gpd.GeoDataFrame | gpd.GeoSeries,
    *,
    name: str | None = None,
    pick: int | str | None = None,
    options: TableOptions | None = None,
) -> City:
    """Take the areas of a GeoDataFrame or GeoSeries, in its own CRS, as those of a file.

    Raises
    ------
    AreaError, AmbiguousPlaceError, PlaceNotFoundError
        As :func:`from_file`.

    """
    source = _Source(what="the frame", stem="drawn shape")
    return _city(read_frame(frame, options), source, name=name, pick=pick)


def _stem(path: Path) -> str:
    """Return the file's name without format suffixes."""
    return path.name.removesuffix(".gz").partition(".")[0] or path.stem


def _city(areas: Areas, source: _Source, *, name: str | None, pick: int | str | None) -> City:
    features, unplaced = _usable(areas.features)
    chosen, unchecked = _chosen(features, name=name, pick=pick, what=source.what)
    label = chosen[0].name if len(chosen) == 1 else None
    part = f"#{chosen[0].number}" if len(chosen) == 1 < len(areas.features) else ""
    geometry, together = _together(chosen, what=source.what)
    city = from_shape(
        geometry,
        name=name or label or source.stem,
        label=label or name or source.stem,
        id=source.id and source.id + part,
        kind="boundary file" if source.id else "drawn shape",
        licence=_licence(chosen),
        note=join_notes(together, unplaced, unchecked),
    )
    return replace(city, warnings=(*areas.warnings, *city.warnings))


def _licence(features: Sequence[Feature]) -> str:
    """Return the licence that the file itself declares for all features."""
    given = {value for one in features for column, value in one.attributes.items() if column.lower() in _LICENCES}
    return given.pop() if len(given) == 1 else ""


def _usable(features: Sequence[Feature]) -> tuple[list[Feature], str]:
    """Drop features that cannot be placed on Earth if others can, with a note on those left out."""
    usable = [feature for feature in features if not feature.fault]
    if not usable or len(usable) == len(features):
        return list(features), ""
    left = sorted({feature.layer for feature in features if feature.fault})
    count = len(features) - len(usable)
    return (
        usable,
        f"{count} areas of {', '.join(left) or 'the file'} are left out: they have no usable CRS or coordinates",
    )


def _together(features: Sequence[Feature], *, what: str) -> tuple[BaseGeometry, str]:
    """Merge all features into one shape, and describe the repairs."""
    if len(features) == 1:
        return features[0].shape(), ""
    # Clean first, so that parts on both sides of the antimeridian end up in the same turn.
    cleaned = [clean(feature.shape(), what=f"{what}, area {feature.number}").boundary for feature in features]
    polygons = [polygon for area in cleaned for polygon in getattr(area, "geoms", [area])]
    return shapely.union_all(polygons), f"{len(features)} areas of {what} taken together"


def _chosen(
    features: Sequence[Feature], *, name: str | None, pick: int | str | None, what: str
) -> tuple[list[Feature], str]:
    """Select the intended features, with a note on anything unchecked."""
    called, unchecked = _called(features, name) if name else ([], "")
    listed = called or list(features)
    if pick == "all":
        return listed, unchecked
    if pick is not None and len(features) > 1:
        return [_picked(listed, features, pick=pick, what=what)], unchecked
    if len(listed) == 1:
        return listed, unchecked
    once = _once(listed) if called else listed
    if len(once) == 1:
        layers = ", ".join(dict.fromkeys(feature.layer for feature in listed))
        return once, join_notes(unchecked, f"the same area lies in several layers ({layers}); the finest is taken")
    several = f" called {name!r}" if called else ""
    none = f", none of them called {name!r}{_near(name, features)}" if name and not called else ""
    raise AmbiguousPlaceError(
        f"{what} holds {len(listed)} areas{several}{none}; take one with --pick N, or all with --pick all:\n"
        + _listing(listed)
    )


def _near(name: str, features: Sequence[Feature]) -> str:
    """Suggest similar names, if a full list would not show them."""
    if not _MOST_LISTED < len(features) <= _MOST_COMPARED:
        return ""
    near = closest(name, [one.name for one in features if one.name])
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def _called(features: Sequence[Feature], name: str) -> tuple[list[Feature], str]:
    """Find the features with a name, labelled by the matching value.

    Words after a comma narrow the choice as far as other columns allow.
    """
    rows, names = [one.attributes for one in features], [one.name for one in features]
    hits, (head, _, rest) = rows_called(rows, names, name), name.partition(",")
    if hits or not rest:
        return _labelled(features, hits), ""
    hits = rows_called(rows, names, head.strip())
    around = [part.strip() for part in rest.split(",") if part.strip()]
    within = {i: label for i, label in hits.items() if all(_mentions(rows[i], part) for part in around)}
    unchecked = f"not checked whether it lies in {rest.strip()!r}: the file does not say" if hits and not within else ""
    return _labelled(features, within or hits), unchecked


def _mentions(row: Mapping[str, str], name: str) -> bool:
    return any(is_called(value, name) for value in row.values())


def _labelled(features: Sequence[Feature], hits: dict[int, str]) -> list[Feature]:
    """Return the matching rows; a single one is named by the column that matched."""
    if len(hits) == 1:
        return [replace(features[i], name=label) for i, label in hits.items()]
    return [features[i] for i in hits]


def _once(features: Sequence[Feature]) -> list[Feature]:
    """Keep one of several areas on the same ground, such as generalised copies: the one with most vertices."""
    if len({one.layer for one in features}) < len(features):
        return list(features)
    finest = sorted(features, key=lambda one: -shapely.get_num_coordinates(one.geometry))
    shapes = [clean(one.shape(), what=one.name or "area").boundary for one in finest]
    alike = all(same_ground(shapes[0], other, within=_COPIES_DIFFER) for other in shapes[1:])
    return finest[:1] if alike else list(features)


def _picked(listed: Sequence[Feature], features: Sequence[Feature], *, pick: int | str, what: str) -> Feature:
    text = str(pick).strip()
    if text.isdecimal():
        if 1 <= int(text) <= len(listed):
            return listed[int(text) - 1]
    else:
        called, _ = _called(features, text)
        if len(called) == 1:
            return called[0]
    raise PlaceNotFoundError(
        f"{what}: no single area {pick!r}; pick one of 1 to {len(listed)}, or all:\n{_listing(listed)}"
    )


def _listing(features: Sequence[Feature]) -> str:
    several = len({feature.layer for feature in features}) > 1
    lines = [
        f"  {number}. {feature.name or 'without a name'}, {_size(feature)}{f', layer {feature.layer}' * several}"
        for number, feature in enumerate(features[:_MOST_LISTED], start=1)
    ]
    rest = len(features) - _MOST_LISTED
    return "\n".join(lines + ([f"  … and {rest} more"] if rest > 0 else []))


def _size(feature: Feature) -> str:
    try:
        boundary = clean(feature.shape(), what="area").boundary
    except AreaError:
        return "broken"
    return plain(area(geodesic_area_m2(boundary)))
