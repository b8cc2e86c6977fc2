"""People and green space: an answer, a population and, optionally, OpenStreetMap's green areas, written as a folder."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from howgreen import __version__, osm, people, report
from howgreen.core.errors import ImageError, LabelError
from howgreen.core.files import atomic_path
from howgreen.core.geometry import densify, polygonal, project, transformer
from howgreen.core.grid import inside
from howgreen.core.labels import read_shapes
from howgreen.core.types import UNSEEN
from howgreen.core.warnings import Caution, warn
from howgreen.measure.coverage import covered_share
from howgreen.measure.populated import populated
from howgreen.net.download import download
from howgreen.net.network import Network
from howgreen.pipeline.image_sources import cache_folder
from howgreen.pipeline.population import doubts, epoch_of, of_density, read_people

if TYPE_CHECKING:
    import numpy.typing as npt
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import City, Progress, Result
    from howgreen.report import PeopleSummary

AROUND_DEG = 0.01
"""Margin around the limits within which ways are loaded, in degrees."""
MOST_OVERLAP = 0.01
"""Share of the limits by which census areas may overlap: borders of two sources differ a little."""
MOST_BYTES = 4 * 2**30
"""Limit on an unpacked population file: a country of WorldPop."""

_Fit = tuple[float, float | None]
"""Share of the limits covered by a population, and the single value of all its inhabited cells, if there is one."""


@dataclass(frozen=True, kw_only=True)
class PeopleOptions:
    """The population, and a map of green areas."""

    population: str | Path
    """GeoTIFF of counts (or a zip with one), its web address, or areas with a column of counts."""
    column: str | None = None
    """Column of the number of people in each area."""
    year: int | None = None
    """Year of the population, if not in the file's name."""
    osm: Path | None = None
    """OpenStreetMap extract, for public green spaces and mapped green."""
    walk: bool = False
    """Also measure distances along ways; needs ``osm``."""
    network: Network = field(default_factory=Network)


def people_near_green(
    result: Result,
    given: PeopleOptions,
    *,
    out: str | Path | report.Destination,
    check: Callable[[], object] | None = None,
    progress: Progress | None = None,
) -> PeopleSummary:
    """Compute how many people live near how much green and write the folder that shows it.

    Parameters
    ----------
    result
        Of :func:`howgreen.pipeline.city.run`.
    out
        A new folder, an empty one, or one that howgreen made (it is replaced); a URL of fsspec; or a report that gets a
        section.
    check
        Called after all warnings and before anything is written; raises to stop.

    Raises
    ------
    HowgreenError
        One line: what, where, and what to do.
    """
    check_given(given)
    city, ground = result.plan.city, _ground(result)
    with _local(given, progress) as file:
        cells, source, year, lived_in, fit = _cells(file, given, result)
    if cells.people.sum() <= 0:
        raise ImageError(f"{source}: counts nobody in {city.label}; give the population of this place")
    mapped = None if given.osm is None else osm.green_areas(city, osm=given.osm, progress=progress)
    around, rasters = _surroundings(ground, cells, result, mapped, given)
    zones = [people.figures(zone, around) for zone in cells.zones]
    cautions = tuple(_doubts(city, zones[0], source, year, fit, named=given.column or source))
    warn(*cautions)
    if check is not None:
        check()
    found = {
        "format": "howgreen-people/1",
        "howgreen": __version__,
        "synthetic": city.synthetic,
        "city": {"name": city.name, "label": city.label, "id": city.id},
        "population": {
            "source": source, "year": year, "people": zones[0].people, "used": zones[0].used, "cells": len(cells.people),
            "crs": _crs_name(cells.crs),
        },
        "green_ratio": result.stats.green_ratio,
        "populated_green_ratio": lived_in,
        "model": result.card.name,
        "dates": sorted({scene.time.date().isoformat() for scene in result.plan.scenes}),
        "zones": [asdict(zone) for zone in zones],
        "mapped": None if mapped is None else _mapped(ground, result, mapped),
        "warnings": [{"code": one.code, "text": one.text} for one in (*result.warnings, *cautions)],
        "attributions": [*dict.fromkeys((*report.summary(result).attributions, *([] if mapped is None else [mapped.attrs["licence"]])))],
        "files": {},
    }  # fmt: skip
    with report.opened(report.Destination.of(out), "people", progress=progress) as desk:
        return report.write_people(found, result, cells.shapes, cells.crs, _cell_table(cells, around), rasters, desk)


def check_given(given: PeopleOptions) -> None:
    """Refuse missing files before any long work.

    Raises
    ------
    ImageError
        With the path.
    """
    if given.walk and given.osm is None:
        raise ImageError("distances on foot need the ways of an OpenStreetMap extract: give it with --osm")
    for path in (given.population, given.osm):
        if path is not None and "://" not in str(path) and not Path(path).exists():
            raise ImageError(f"{path}: no such file; check the path")


def _ground(result: Result) -> people.Ground:
    """Return the green share of all land seen, including beyond the limits."""
    data, grid = result.landcover.data, result.plan.grid
    label = np.asarray(data["label"].transpose("y", "x").values)
    green = np.asarray(data["green_fraction"].transpose("y", "x").values, np.float32)
    land = (label != UNSEEN) & ~np.isin(label, result.landcover.water_codes)
    limits = project(result.plan.city.boundary, str(grid.crs))
    return people.Ground(
        green=np.where(land, green, np.float32(np.nan)), inside=inside(limits, grid), pixel_m=abs(grid.affine.a)
    )


@contextmanager
def _local(given: PeopleOptions, progress: Progress | None) -> Iterator[Path]:
    """Yield the population as a local file: downloaded once and cached, unpacked while it is read."""
    text = str(given.population)
    path = _fetched(text, given.network, progress) if "://" in text else Path(text)
    if path.suffix.lower() != ".zip" or given.column is not None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="howgreen-") as folder:
        yield _unpacked(path, Path(folder))


def _fetched(url: str, network: Network, progress: Progress | None) -> Path:
    name = url.partition("?")[0].rpartition("/")[2] or "population.tif"
    kept = cache_folder() / "population" / hashlib.sha256(url.encode()).hexdigest()[:16] / name
    if kept.exists():
        return kept
    if network.offline:
        raise ImageError(f"{name}: may not be fetched (offline); give a file on this computer")
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(kept) as part:
        download(url, to=part, most_bytes=MOST_BYTES, progress=progress)
    return kept


def _unpacked(path: Path, folder: Path) -> Path:
    """Extract the one GeoTIFF from a zip, the form of GHS-POP tiles."""
    try:
        with zipfile.ZipFile(path) as archive:
            inner = [one for one in archive.infolist() if one.filename.lower().endswith((".tif", ".tiff"))]
            if len(inner) != 1:
                raise ImageError(f"{path.name}: holds {len(inner)} GeoTIFFs; unpack the one that is meant")
            if inner[0].file_size > MOST_BYTES:
                raise ImageError(f"{path.name}: unpacks to {inner[0].file_size / 2**30:.0f} GB; cut it to your country")
            target = folder / Path(inner[0].filename).name
            with archive.open(inner[0]) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 2**20)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise ImageError(f"{path.name}: cannot be unpacked ({error}); fetch it again") from error
    return target


def _cells(
    file: Path, given: PeopleOptions, result: Result
) -> tuple[people.Cells, str, int | None, float | None, _Fit]:
    """Return the cells, their source and year, the green share of inhabited cells, and how they fit the place."""
    grid, city = result.plan.grid, result.plan.city
    places = {(city.name, city.id): city.boundary} | {(one.name, one.id): one.boundary for one in city.districts}
    if given.column is not None:
        shapes, counts = _areas(file, given.column, str(grid.crs))
        zones = {key: project(shape, str(grid.crs)) for key, shape in places.items()}
        covered = _covered(shapes, next(iter(zones.values())), file)
        return people.cells_of_areas(shapes, counts, zones, grid), file.name, given.year, None, (covered, None)
    found = read_people(file, city)
    shape = found.count.shape
    covers = {
        key: covered_share(polygonal(project(limits, found.crs)), shape, found.transform)
        for key, limits in places.items()
    }
    cells = people.cells_of_grid(found.count, GeoBox(shape, found.transform, found.crs), covers, grid)
    year = given.year or epoch_of(found.source)
    return cells, found.source, year, populated(result.landcover, city, found).green_ratio, (found.covered, found.alike)


def _covered(shapes: Sequence[BaseGeometry], limits: BaseGeometry, file: Path) -> float:
    """Return the share of the limits covered by census areas; LabelError if these overlap."""
    shapely.prepare(limits)
    touching = np.array(shapes, object)[shapely.intersects(np.array(shapes, object), limits)]
    parts = shapely.intersection(touching, limits)
    share = float(shapely.union_all(parts).area / limits.area)
    twice = float(shapely.area(parts).sum() / limits.area) - share
    if twice > MOST_OVERLAP:
        raise LabelError(
            f"{file}: its areas lie on each other (by {100 * twice:.0f} % of the limits), and people would count twice; give the areas of one "
            "level, each once"
        )
    return share


def _areas(file: Path, column: str, crs: str) -> tuple[list[BaseGeometry], npt.NDArray[np.float64]]:
    frame = read_shapes(file, column)
    try:
        counts = frame[column].astype(float).to_numpy()
    except (TypeError, ValueError) as error:
        raise LabelError(
            f"{file}: column {column!r} holds no numbers; name the one with the people of each area"
        ) from error
    if (counts < 0).any() or np.isinf(counts).any():
        raise LabelError(
            f"{file}: column {column!r} holds numbers below 0, or without end; name the one with the people of each area"
        )
    degrees = frame.to_crs("EPSG:4326").geometry
    shapes = [polygonal(project(densify(shape), crs)) for shape in degrees]
    kept = [i for i, shape in enumerate(shapes) if shape.area > 0]
    if not kept:
        raise LabelError(f"{file}: holds no areas; give polygons with the people of each")
    known = [i for i in kept if np.isfinite(counts[i])]  # where nobody was counted, nobody is known to live
    return [shapes[i] for i in known], counts[known]


def _crs_name(crs: str) -> str:
    """Return a CRS's registered name, ``ESRI:54009``; one without a registry entry is left to the file."""
    from pyproj import CRS

    authority = CRS.from_user_input(crs).to_authority()
    return ":".join(authority) if authority else "see the file"


def _surroundings(
    ground: people.Ground, cells: people.Cells, result: Result, mapped: Any, given: PeopleOptions
) -> tuple[people.Surroundings, Mapping[str, Any]]:
    home = ground.inside & ground.seen
    green, share, rasters = {}, {}, {}
    for metres in people.AROUND_M:
        found = people.around(ground, metres)
        green[metres], share[metres] = cells.mean(found.green_m2, home), cells.mean(found.share, home)
        if metres == people.NEAR_M:
            rasters["green_around_300m.tif"] = np.where(home, found.share, np.float32(np.nan))
    far = people.distance_m(people.patches(ground, people.MIN_PATCH_M2), ground.pixel_m)
    rasters["patch_distance.tif"] = np.where(home, far, np.float32(np.nan))
    public = walk = None
    if mapped is not None:
        spaces = _large(mapped[osm.is_public(mapped)], result)
        public = (
            people.distance_m(inside(spaces, result.plan.grid), ground.pixel_m)
            if spaces
            else np.full(far.shape, np.inf)
        )
        if given.walk:
            walk = _on_foot(cells, spaces, result, Path(given.osm or ""))
    return people.Surroundings(
        green_m2=green,
        share=share,
        near_patch=cells.mean((far <= people.NEAR_M).astype(float), home),
        near_public=None if public is None else cells.mean((public <= people.NEAR_M).astype(float), home),
        green_ratio=cells.mean(ground.green, home),
        walk_m=walk,
    ), rasters


def _on_foot(
    cells: people.Cells, spaces: Sequence[BaseGeometry], result: Result, extract: Path
) -> npt.NDArray[np.float64]:
    """Measure the distance along mapped ways from each cell's centre."""
    crs = str(result.plan.grid.crs)
    middles = shapely.get_coordinates(shapely.centroid(np.array(cells.shapes, object)))
    homes = np.column_stack(transformer(cells.crs, crs).transform(*middles.T))
    west, south, east, north = result.plan.city.boundary.bounds
    box = shapely.box(west - AROUND_DEG, south - AROUND_DEG, east + AROUND_DEG, north + AROUND_DEG)
    ways = [way for way in osm.read_ways(extract) if way.intersects(box)]
    if not ways:
        raise ImageError(f"{extract}: maps no way in {result.plan.city.label}; give an extract with streets and paths")
    return people.walking_m(homes, [project(way, crs) for way in ways], spaces)


def _large(areas: Any, result: Result) -> list[BaseGeometry]:
    """Merge touching green areas, and keep those of at least half a hectare."""
    crs = str(result.plan.grid.crs)
    whole = shapely.union_all([project(shape, crs) for shape in areas.geometry])
    return [part for part in getattr(whole, "geoms", [whole]) if part.area >= people.MIN_PATCH_M2]


def _mapped(ground: people.Ground, result: Result, mapped: Any) -> list[dict[str, Any]]:
    grid, city = result.plan.grid, result.plan.city
    crs = str(grid.crs)
    drawn = (
        inside([project(shape, crs) for shape in mapped.geometry], grid) if len(mapped) else np.zeros(grid.shape, bool)
    )
    zones = [(city.name, city.id, ground.inside)]
    zones += [(one.name, one.id, inside(project(one.boundary, crs), grid)) for one in city.districts]
    found = []
    for name, identity, zone in zones:
        areas = people.mapped_and_seen(ground, drawn, zone)
        green = areas["mapped_green_m2"] + areas["unmapped_green_m2"]
        found.append(
            {
                "name": name,
                "id": identity,
                **areas,
                "completeness": areas["mapped_green_m2"] / green if green > 0 else None,
            }
        )
    return found


def _doubts(
    city: City, whole: people.PeopleFigures, source: str, year: int | None, fit: _Fit, *, named: str
) -> Iterator[Caution]:
    covered, alike = fit
    yield from doubts(source, whole.people, city, covered=covered, alike=alike)
    yield from of_density(named)
    if year is None:
        yield Caution(
            "population-doubtful", f"{source}: does not say of which year it is; give it with --population-year"
        )
    if whole.used < 0.99 * whole.people:
        yield Caution(
            "low-share-seen",
            f"around {whole.people - whole.used:,.0f} of {whole.people:,.0f} people no land was seen: they are in no figure",
        )


def _cell_table(cells: people.Cells, around: people.Surroundings) -> dict[str, npt.NDArray[np.float64]]:
    near = people.AROUND_M[1]
    table = {
        "people": cells.people,
        "green_ratio": around.green_ratio,
        **{f"green_share_{metres}m": around.share[metres] for metres in people.AROUND_M},
        f"green_m2_{near}m": around.green_m2[near],
        "near_patch": around.near_patch,
    }
    if around.near_public is not None:
        table["near_public"] = around.near_public
    if around.walk_m is not None:
        table["walk_m"] = np.where(np.isfinite(around.walk_m), around.walk_m, np.nan)
    return table
