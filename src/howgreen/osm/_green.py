"""Areas mapped as green in OpenStreetMap within a city."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from howgreen.core.errors import AreaError
from howgreen.core.geometry import Area, exchanged, geodesic_area_m2, polygonal
from howgreen.core.text import truncate_list
from howgreen.core.warnings import Caution, warn
from howgreen.osm.extract import LICENCE, OsmAreas, Tags, extract_bounds, read_areas
from howgreen.osm.order import OsmId

if TYPE_CHECKING:
    from howgreen.core.types import City, Progress

Group = Literal["tree", "grass", "crop", "other"]


@dataclass(frozen=True, kw_only=True)
class GreenTag:
    """One OpenStreetMap tag that maps ground as vegetated."""

    key: str
    value: str
    group: Group
    """``tree``: closed canopy; ``grass``: low and mown or grazed; ``crop``: tilled or planted for harvest, bare for
    part of the year; ``other``: shrub, wetland, or a mix that the tag does not distinguish."""
    surfaces: tuple[str, ...] = ()
    """If not empty, the tag counts only with one of these ``surface`` values."""


def _tag(key: str, value: str, group: Group, *surfaces: str) -> GreenTag:
    return GreenTag(key=key, value=value, group=group, surfaces=surfaces)


GREEN_TAGS: tuple[GreenTag, ...] = (
    # Land cover comes first: for an area with several tags, the vegetation takes precedence over the use.
    _tag("natural", "wood", "tree"),
    _tag("landuse", "forest", "tree"),
    _tag("natural", "grassland", "grass"),
    _tag("natural", "scrub", "other"),
    _tag("natural", "shrubbery", "other"),
    _tag("natural", "heath", "other"),
    _tag("natural", "fell", "grass"),
    _tag("natural", "wetland", "other"),  # reed and bog, except the kinds in _BARE_WETLANDS
    _tag("landuse", "grass", "grass"),
    _tag("landuse", "meadow", "grass"),
    _tag("landuse", "village_green", "grass"),
    _tag("landuse", "flowerbed", "other"),
    _tag("landuse", "orchard", "crop"),
    _tag("landuse", "vineyard", "crop"),
    _tag("landuse", "farmland", "crop"),
    _tag("landuse", "plant_nursery", "crop"),
    _tag("landuse", "allotments", "crop"),
    # Uses whose ground is mostly, not wholly, green: they contain paths, graves and play areas.
    _tag("landuse", "recreation_ground", "grass"),
    _tag("landuse", "cemetery", "other"),
    _tag("amenity", "grave_yard", "other"),
    _tag("leisure", "park", "other"),
    _tag("leisure", "garden", "other"),
    _tag("leisure", "dog_park", "grass"),
    _tag("leisure", "common", "grass"),
    _tag("leisure", "golf_course", "grass"),
    # Most pitches are tartan, sand, clay or plastic, and many do not say: only those tagged as grass count.
    _tag("leisure", "pitch", "grass", "grass"),
    # A designation, not a land cover: includes rock and open water in a reserve. Filter by ``tag`` if that matters.
    _tag("leisure", "nature_reserve", "other"),
)
"""OpenStreetMap areas that count as green, with their group; the first match decides. Deliberately excluded:
``landuse=residential`` (gardens are not mapped separately), ``boundary=protected_area`` and ``national_park`` (they
contain whole villages), ``landuse=greenfield`` (building land), ``landuse=farmyard``, and single trees and tree rows
(they have no area)."""

PUBLIC_TAGS = frozenset(
    {"leisure=park", "leisure=common", "leisure=garden", "leisure=nature_reserve", "leisure=dog_park", "landuse=village_green",
     "landuse=recreation_ground", "landuse=forest", "natural=wood"}
)  # fmt: skip
"""Green areas usually open to the public, unless ``access`` says otherwise."""
_CLOSED = ("private", "no", "customers", "permit", "residents", "members")
_BARE_WETLANDS = ("tidalflat", "mud", "saltern")
_LEAST_HELD = 0.9
"""Least share of a city that an extract must cover; less than 1, because limits reach a little beyond a tightly clipped
coast."""
_COLUMNS = ("osm_id", "name", "tag", "group", "access", "area_m2")


def green_areas(city: City, *, osm: str | Path, progress: Progress | None = None) -> gpd.GeoDataFrame:
    """Read the green polygons of an OpenStreetMap extract, clipped to the city.

    They may overlap (grass in a park): :func:`green_area_m2` counts such ground once.

    Parameters
    ----------
    city
        City whose limits clip the polygons.
    osm
        An extract that covers the city.
    progress
        Called with ``("osm green", steps done, 2)``.

    Returns
    -------
    GeoDataFrame
        EPSG:4326; columns ``osm_id`` (``W123``), ``name`` (or None), ``tag`` (``natural=wood``), ``group`` (``tree``,
        ``grass``, ``crop``, ``other``), ``access`` (its tag, or None), ``area_m2`` (ellipsoidal, inside the city),
        ``geometry`` (Polygon or MultiPolygon); sorted by ``osm_id``; ``attrs["licence"]`` is the attribution,
        ``attrs["warnings"]`` lists what is doubtful. Empty where nothing is mapped.

    Raises
    ------
    AreaError
        When the file is missing, truncated or not OpenStreetMap data, or its header names another part of the world.

    """
    tell = progress or (lambda _stage, _done, _total: None)
    tell("osm green", 0, 2)
    _check_reach(Path(osm), city)
    found = _within_bounds(read_green(Path(osm)), Path(osm))
    tell("osm green", 1, 2)
    frame = areas_within(found, city)
    if frame.empty and extract_bounds(Path(osm)) is None:
        text = (
            f"{osm}: maps no green in {city.label}, and does not say which ground it holds; see that it holds the place"
        )
        frame.attrs["warnings"] = [Caution("osm-cut", text)]
    tell("osm green", 2, 2)
    warn(*frame.attrs["warnings"])
    return frame


def _within_bounds(found: OsmAreas, path: Path) -> OsmAreas:
    """Clip incomplete areas to the extract's own edge."""
    bounds = extract_bounds(path)
    if bounds is None or not found.partial:
        return found
    frame = shapely.box(*bounds)
    return replace(found, partial={key: shapely.intersection(shape, frame) for key, shape in found.partial.items()})


def _check_reach(path: Path, city: City) -> None:
    """Check that the extract covers the city: ground beyond it would count as not green."""
    bounds = extract_bounds(path)
    if bounds is None:
        return
    ground = city.land or city.boundary
    frame = shapely.box(*bounds)
    held = ground.intersection(frame).area / ground.area
    if held == 0 and exchanged(ground).intersects(frame):
        raise AreaError(f"{path}: lies where {city.label} has its latitude and longitude exchanged; write lon, lat")
    if held < _LEAST_HELD:
        raise AreaError(f"{path}: holds {held:.0%} of {city.label}; give an extract that holds all of it")


def read_green(path: Path) -> OsmAreas:
    """Read the areas of an OpenStreetMap file that count as green; areas cut by its edge as far as they go.

    Raises
    ------
    AreaError
        As :func:`green_areas`.

    """
    pairs = [(tag.key, tag.value) for tag in GREEN_TAGS]
    return read_areas(path, tags=pairs, matches=lambda _, tags: classify(tags) is not None, partial=True)


def areas_within(found: OsmAreas, city: City) -> gpd.GeoDataFrame:
    """Clip green areas to a city; the result is that of :func:`green_areas`."""
    inside = _inside(found, city)
    frame = _frame(found, inside)
    cut = [found.tags[key].get("name") or str(key) for key in inside if key in found.partial]
    told = f"{truncate_list(cut, most=4)}: green areas cut where the OpenStreetMap extract ends count as far as they go"
    frame.attrs["warnings"] = [Caution("osm-cut", f"{told}; give a larger extract")] if cut else []
    return frame


def classify(tags: Tags) -> GreenTag | None:
    """Return the first entry of :data:`GREEN_TAGS` that matches an object's tags, or None."""
    return next((tag for tag in GREEN_TAGS if _fits(tag, tags)), None)


def is_public(areas: gpd.GeoDataFrame) -> pd.Series[bool]:
    """Say which green areas are open to the public according to OpenStreetMap: by use, unless closed by ``access``.

    A garden counts only if ``access`` opens it: most are private.
    """
    access = areas["access"].fillna("")
    garden = areas["tag"].eq("leisure=garden")
    opened = access.isin(["yes", "permissive", "public"])
    public: pd.Series[bool] = areas["tag"].isin(PUBLIC_TAGS) & ~access.isin(_CLOSED) & (~garden | opened)
    return public


def green_area_m2(areas: gpd.GeoDataFrame) -> float:
    """Sum the ground covered by the areas, in m2 on the ellipsoid; overlaps count once.

    Parameters
    ----------
    areas
        As returned by :func:`green_areas`, EPSG:4326.

    """
    return geodesic_area_m2(polygonal(shapely.union_all(areas.geometry.to_numpy()))) if len(areas) else 0.0


def green_share(areas: gpd.GeoDataFrame, city: City) -> float:
    """Return the share of the city (0-1) covered by the areas: mapped, not observed, green, over all ground with water."""
    return min(green_area_m2(areas) / city.area_m2, 1.0)


def _fits(tag: GreenTag, tags: Tags) -> bool:
    if tags.get(tag.key) != tag.value:
        return False
    if tag.value == "wetland" and tags.get("wetland") in _BARE_WETLANDS:
        return False
    return not tag.surfaces or tags.get("surface") in tag.surfaces


def _inside(found: OsmAreas, city: City) -> dict[OsmId, Area]:
    """Clip the shapes to the city, dropping empty ones."""
    shapely.prepare(city.boundary)
    known = {**found.partial, **found.shapes}
    keys = list(known)
    shapes = np.array([known[key] for key in keys], dtype=object)
    touching = np.flatnonzero(shapely.intersects(shapes, city.boundary))
    whole = shapely.contains_properly(city.boundary, shapes)
    parts = {keys[i]: shapes[i] if whole[i] else shapely.intersection(shapes[i], city.boundary) for i in touching}
    cut = {key: polygonal(part) for key, part in parts.items()}
    return {key: part for key, part in sorted(cut.items()) if not part.is_empty}


def _frame(found: OsmAreas, shapes: dict[OsmId, Area]) -> gpd.GeoDataFrame:
    rows = []
    for key, shape in shapes.items():
        tag = classify(found.tags[key])
        if tag is not None:
            name = found.tags[key].get("name")
            access = found.tags[key].get("access")
            rows.append((str(key), name, f"{tag.key}={tag.value}", tag.group, access, geodesic_area_m2(shape)))
    # dtype object, so that a missing name stays None: pandas would make it NaN.
    table = pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object).astype({"area_m2": float})
    frame = gpd.GeoDataFrame(table, geometry=list(shapes.values()), crs="EPSG:4326")
    frame.attrs["licence"] = LICENCE
    return frame
