"""A probability sample of places to interpret, frozen in a file before anybody looks.

The frame is the area inside the limits. Water is in the frame: it is a possible answer. Unseen ground is a stratum of
its own, as the map knows nothing there. :mod:`howgreen.estimate.drawing` draws. Seed, strata, estimator, order,
probabilities and a checksum are fixed in three consistent files: ``sample.json`` for the estimate, ``units.gpkg`` and
``units.csv`` for statisticians (:mod:`howgreen.estimate._units`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import shapely

from howgreen.core.errors import EstimateError
from howgreen.core.files import write_atomic
from howgreen.core.geometry import transformer
from howgreen.core.known_types import known
from howgreen.estimate._units import write_units
from howgreen.estimate.frame import ChangeFrame, Floats, Ints

if TYPE_CHECKING:
    import geopandas as gpd
    from affine import Affine
    from shapely.geometry.base import BaseGeometry

Design = Literal["stratified", "simple", "systematic"]

FORMAT = "howgreen sample 1"
LARGEST_FILE_BYTES = 50_000_000


class Unit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place to interpret."""

    unit: int
    """Its number, from 1: the order of looking."""
    row: int
    column: int
    lon: float
    lat: float
    """The drawn point, EPSG:4326."""
    stratum: int
    """From 0."""
    district: str
    """District that contains the drawn point; empty for none."""
    asked: str
    """For each dot, row by row from the north-west, 1 if it lies inside the limits and is asked for, else 0."""
    twice: bool
    """Whether a second person reads it."""
    map_green: float
    map_land: float
    inclusion: float = 0.0
    """Probability that this pixel is in the sample: its part of the stratum's area, times the number of draws in the
    stratum. 0 in samples drawn before this field existed."""


class DistrictFrame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The map's values for a whole district, per area of the city's frame."""

    name: str
    share: float
    """Of the frame's area."""
    map_green: float
    """Mean over the city's frame of mapped green inside the district."""
    map_land: float


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A drawn sample with everything an estimate needs; fixed before anybody looks."""

    format: str
    place: str
    place_id: str
    plan_sha256: str
    crs: str
    transform: tuple[float, float, float, float, float, float]
    design: Design
    seed: int
    dots: int
    bounds: tuple[float, ...]
    """Bounds of the strata of mapped green share."""
    weights: tuple[float, ...]
    """Share of the frame's area in each stratum; the last is unseen ground, if there is any."""
    frame_green: float
    """Mean of the mapped green share over the frame; unseen ground counts with the mean of the rest."""
    frame_land: float
    estimator: str
    units: tuple[Unit, ...]
    districts: tuple[DistrictFrame, ...]
    change: ChangeFrame | None = None
    """Set for interpretation of two dates; None for one."""
    strata: tuple[str, ...] = ()
    """Description of each stratum; empty in samples drawn before this field existed."""
    howgreen: str = ""
    """Version that drew it; likewise."""
    systematic_effect: float = 0.0
    """For a systematic sample: see :func:`howgreen.estimate.frame.systematic_effect`. 0 for any other, and for those
    drawn before this field existed."""
    sha256: str = ""
    """Checksum of everything above."""

    @property
    def key(self) -> str:
        """The checksum's first letters, which answers carry, so that those of another sample are recognised."""
        return self.sha256[:12]

    @property
    def drawn(self) -> Ints:
        """(stratum,) number of units drawn in each."""
        return np.bincount([one.stratum for one in self.units], minlength=len(self.weights))


def dot_positions(affine: Affine, row: int, column: int, dots: int, point: tuple[float, float]) -> Floats:
    """Place the dots of a unit in a grid over its pixel, row by row from the north-west; a single one on the point.

    Returns
    -------
    float (dot, 2)
        x and y in the sample's CRS.
    """
    if dots == 1:
        return np.array([point])
    side = round(dots**0.5)
    steps = (np.arange(side) + 0.5) / side
    y, x = np.meshgrid(steps, steps, indexing="ij")
    return np.stack(affine @ (column + x.ravel(), row + y.ravel()), axis=1)


def digest_of(sample: Sample) -> str:
    """Hash everything but the hash itself; fields that older samples lack are left out if empty."""
    plain = msgspec.to_builtins(msgspec.structs.replace(sample, sha256=""))
    for name in ("change", "strata", "howgreen", "systematic_effect"):
        if not plain[name]:
            del plain[name]
    if "change" in plain and not plain["change"]["small_m2"]:
        del plain["change"]["small_m2"]
    for unit in plain["units"]:
        if not unit["inclusion"]:
            del unit["inclusion"]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def save(sample: Sample, folder: Path) -> None:
    """Write the sample: ``sample.json`` for the estimate, ``units.gpkg`` and ``units.csv`` for statisticians.

    The latter two hold the whole design, including the strata, and so reveal a little of the map: people interpret with
    the page, or with the files of :func:`save_for_others`, which do not.

    Raises
    ------
    OSError
        The disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_units(sample, squares_of(sample), folder)
    write_atomic(folder / "sample.json", msgspec.json.format(msgspec.json.encode(sample), indent=1))


def save_for_others(sample: Sample, folder: Path) -> None:
    """Write the places for other programs: Google Earth (KML), Collect Earth Online (two CSV), AcATaMa (a point layer).

    None of them reveals the map, or the stratum of a place. Collect Earth Online requires LON, LAT, PLOTID (and
    SAMPLEID), in this order, followed by anything else; its plots are the squares, its samples the dots.

    Raises
    ------
    OSError
        The disk refuses.
    """
    import geopandas as gpd

    folder.mkdir(parents=True, exist_ok=True)
    places = squares_of(sample)
    squares = [
        f"<Placemark><name>{unit.unit}</name><description>{escape(sample.place)}, sample {sample.key}</description><styleUrl>#square</styleUrl>"
        f"<Polygon><tessellate>1</tessellate><outerBoundaryIs><LinearRing><coordinates>{_ring(square)}</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon></Placemark>"
        for unit, square in zip(sample.units, places, strict=True)
    ]
    style = '<Style id="square"><LineStyle><color>ff00ffff</color><width>2</width></LineStyle><PolyStyle><fill>0</fill></PolyStyle></Style>'
    write_atomic(
        folder / "google-earth.kml",
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        f"<name>{escape(sample.place)}</name>{style}\n" + "\n".join(squares) + "\n</Document></kml>\n",
    )
    plots, dots = ["LON,LAT,PLOTID,SAMPLE"], ["LON,LAT,PLOTID,SAMPLEID"]
    for unit, square in zip(sample.units, places, strict=True):
        middle = square.centroid if sample.dots > 1 else shapely.Point(unit.lon, unit.lat)
        plots.append(f"{middle.x:.7f},{middle.y:.7f},{unit.unit},{sample.key}")
        dots += [f"{x:.7f},{y:.7f},{unit.unit},{number}" for number, (x, y) in dots_of(sample, unit)]
    write_atomic(folder / "collect-earth-online-plots.csv", "\n".join(plots) + "\n")
    write_atomic(folder / "collect-earth-online-samples.csv", "\n".join(dots) + "\n")
    points = gpd.GeoDataFrame(
        {"id": [one.unit for one in sample.units], "sample": sample.key},
        geometry=gpd.points_from_xy([u.lon for u in sample.units], [u.lat for u in sample.units]),
        crs="EPSG:4326",
    )
    points.to_crs(sample.crs).to_file(folder / "acatama-points.gpkg", layer="points", driver="GPKG")


def _ring(square: BaseGeometry) -> str:
    return " ".join(f"{x:.7f},{y:.7f}" for x, y in shapely.get_coordinates(square))


def dots_of(sample: Sample, unit: Unit) -> Iterator[tuple[int, tuple[float, float]]]:
    """Yield number and position (longitude, latitude) of each dot of a unit that is asked for."""
    from affine import Affine

    here = transformer("EPSG:4326", sample.crs).transform(unit.lon, unit.lat)
    at = dot_positions(Affine(*sample.transform), unit.row, unit.column, sample.dots, here)
    lon, lat = transformer(sample.crs, "EPSG:4326").transform(at[:, 0], at[:, 1])
    for number, asked in enumerate(unit.asked):
        if asked == "1":
            yield number + 1, (float(lon[number]), float(lat[number]))


def squares_of(sample: Sample) -> gpd.GeoSeries:
    """Outline the pixel of each unit (EPSG:4326)."""
    import geopandas as gpd
    from affine import Affine

    affine = Affine(*sample.transform)
    squares = [
        shapely.Polygon([affine @ (u.column + dx, u.row + dy) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))])
        for u in sample.units
    ]
    return gpd.GeoSeries(squares, crs=sample.crs).to_crs("EPSG:4326")


def load(file: Path) -> Sample:
    """Read a sample and check that nothing in it was altered.

    Raises
    ------
    EstimateError
        It is not a sample, or its checksum does not match.
    """
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise EstimateError(f"{file}: is larger than any sample; give the sample.json that `howgreen sample` wrote")
        sample = msgspec.json.decode(file.read_bytes(), type=known(Sample))
    except OSError as error:
        raise EstimateError(f"{file}: cannot be read ({error.strerror}); draw one with `howgreen sample`") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise EstimateError(
            f"{file}: is no sample ({error}); give the sample.json that `howgreen sample` wrote"
        ) from error
    if sample.format != FORMAT:
        raise EstimateError(f"{file}: is of another layout ({sample.format[:40]!r}); this version reads {FORMAT!r}")
    if sample.sha256 != digest_of(sample):
        raise EstimateError(
            f"{file}: was altered since it was drawn (its checksum does not fit), so its chances are not known; take the file as it was"
        )
    return sample
