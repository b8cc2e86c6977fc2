"""A probability sample of places to look at, frozen in a file before anybody looks.

The frame is the area inside the limits. Water is in the frame: it is an answer. Ground that no image showed is a stratum of its own, for
there the map knows nothing. :mod:`howgreen.estimate.drawing` draws. Seed, strata, estimator, order, chances and a checksum are fixed in
three files that say the same: ``sample.json`` for the estimate, ``units.gpkg`` and ``units.csv`` for statisticians
(:mod:`howgreen.estimate._units`).
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
    """One place to look at."""

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
    """That holds the drawn point; empty for none."""
    asked: str
    """For each dot, row by row from the north-west, 1 where it lies inside the limits and is asked, else 0."""
    twice: bool
    """Whether a second person reads it."""
    map_green: float
    map_land: float
    inclusion: float = 0.0
    """Probability that this pixel is in the sample: its part of the stratum's area, so many times as the stratum was drawn from. 0 in samples
    that were drawn before it was kept."""


class DistrictFrame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the map says of a whole district, per area of the city's frame."""

    name: str
    share: float
    """Of the frame's area."""
    map_green: float
    """Mean over the city's frame of mapped green inside the district."""
    map_land: float


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A drawn sample with all that an estimate needs; fixed before anybody looks."""

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
    """Of the strata of mapped green share."""
    weights: tuple[float, ...]
    """Share of the frame's area in each stratum; the last is the ground that no image showed, where there is any."""
    frame_green: float
    """Mean of the mapped green share over the frame; where no image showed the ground, the mean of the rest."""
    frame_land: float
    estimator: str
    units: tuple[Unit, ...]
    districts: tuple[DistrictFrame, ...]
    change: ChangeFrame | None = None
    """Where people look at two dates; None for one."""
    strata: tuple[str, ...] = ()
    """What each stratum holds, in words; empty in samples that were drawn before it was kept."""
    howgreen: str = ""
    """Version that drew it; likewise."""
    systematic_effect: float = 0.0
    """Of a systematic sample: see :func:`howgreen.estimate.frame.systematic_effect`. 0 for any other, and for those that were drawn before it was kept."""
    sha256: str = ""
    """Of everything above."""

    @property
    def key(self) -> str:
        """The first letters of the checksum: what answers bear, so that those of another sample are told."""
        return self.sha256[:12]

    @property
    def drawn(self) -> Ints:
        """(stratum,) units that were drawn in each."""
        return np.bincount([one.stratum for one in self.units], minlength=len(self.weights))


def dot_positions(affine: Affine, row: int, column: int, dots: int, point: tuple[float, float]) -> Floats:
    """Place the dots of a unit: a regular grid over its pixel, row by row from the north-west; a single dot is the drawn point itself.

    Returns
    -------
    float (dot, 2)
        x and y on the sample's CRS.
    """
    if dots == 1:
        return np.array([point])
    side = round(dots**0.5)
    steps = (np.arange(side) + 0.5) / side
    y, x = np.meshgrid(steps, steps, indexing="ij")
    return np.stack(affine @ (column + x.ravel(), row + y.ravel()), axis=1)


def digest_of(sample: Sample) -> str:
    """Hash everything but the hash itself; what older samples do not have is left out where it is empty."""
    plain = msgspec.to_builtins(msgspec.structs.replace(sample, sha256=""))
    for name in ("change", "strata", "howgreen", "systematic_effect"):
        if not plain[name]:
            del plain[name]
    for unit in plain["units"]:
        if not unit["inclusion"]:
            del unit["inclusion"]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def save(sample: Sample, folder: Path) -> None:
    """Write the sample: ``sample.json`` for the estimate, ``units.gpkg`` and ``units.csv`` for statisticians.

    The latter two hold the whole design, the strata among it, and so tell a little of what the map thinks: people look with the page, or with
    the files of :func:`save_for_others`, which do not.

    Raises
    ------
    OSError
        When the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_units(sample, squares_of(sample), folder)
    write_atomic(folder / "sample.json", msgspec.json.format(msgspec.json.encode(sample), indent=1))


def save_for_others(sample: Sample, folder: Path) -> None:
    """Write the places for other programs: Google Earth (KML), Collect Earth Online (two CSV) and AcATaMa (a point layer).

    None of them says what the map thinks, or which stratum a place lies in. Collect Earth Online wants LON, LAT, PLOTID (and SAMPLEID), in
    this order, with anything else behind them; its plots are the squares, its samples the dots.

    Raises
    ------
    OSError
        When the disk refuses.
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
    """Yield number and position (longitude, latitude) of each dot of a unit that is asked."""
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
        Not a sample, or one whose checksum does not fit.
    """
    try:
        if file.stat().st_size > LARGEST_FILE_BYTES:
            raise EstimateError(f"{file}: is larger than any sample; give the sample.json that `howgreen sample` wrote")
        sample = msgspec.json.decode(file.read_bytes(), type=Sample)
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
