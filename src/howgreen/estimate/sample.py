"""A probability sample of places to look at, frozen in a file before anybody looks.

The frame is the area inside the limits. A unit is the pixel under a point that is drawn uniformly in the polygon, so that its chance is
proportional to its area inside; pixels that the limits cut need no weights. Water is in the frame: it is an answer. Ground that no
image showed is a stratum of its own, for there the map knows nothing. The order of looking is random across the strata, so that
looking may stop early. Seed, strata, estimator, order, chances and a checksum are fixed in three files that say the same: ``sample.json``
for the estimate, ``units.gpkg`` and ``units.csv`` for statisticians (:mod:`howgreen.estimate._units`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import shapely

from howgreen.core.errors import EstimateError
from howgreen.core.files import write_atomic
from howgreen.core.geometry import transformer
from howgreen.estimate._units import write_units
from howgreen.estimate.design import FLOOR, Strata, allocate, expected_spread, stratify
from howgreen.estimate.frame import (
    ChangeFrame,
    Floats,
    Frame,
    Ints,
    grid_points,
    known_shares,
    pixels_under,
    random_points,
    systematic_effect,
)

if TYPE_CHECKING:
    import geopandas as gpd
    from affine import Affine
    from shapely.geometry.base import BaseGeometry

Design = Literal["stratified", "simple", "systematic"]

FORMAT = "howgreen sample 1"
FEWEST, MOST = 20, 5000
DOTS = (1, 9, 25)
"""Dots in a unit: one, three by three, five by five."""
TWICE = 5
"""One unit in so many is read by a second person."""
DISTRICT_FLOOR = 10
"""Looks that a district needs for an estimate of its own."""
EVERYTHING, UNSEEN_GROUND = "everything inside the limits", "shown by no image"
"""Strata in words."""
BESIDE = "beside"
"""Stratum of ground next to mapped change: most of what a map misses lies there."""
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


@dataclass(frozen=True, kw_only=True)
class _Dealt:
    """Strata of a frame, and how many looks each gets."""

    of: Callable[[Ints, Floats], Ints]
    """From pixels (n, 2) and points (n, 2) to the stratum of each."""
    weights: Floats
    counts: Ints
    names: tuple[str, ...]
    bounds: tuple[float, ...] = ()


def draw(
    frame: Frame,
    *,
    looks: int,
    seed: int,
    dots: int = 9,
    design: Design = "stratified",
    by_district: bool = False,
) -> Sample:
    """Draw a sample.

    Parameters
    ----------
    looks
        How many places, from 20 to 5,000.
    seed
        The same seed gives the same sample.
    dots
        1, 9 or 25 in each unit: with nine, a quarter of the looks does what one dot needs.
    design
        ``stratified`` by the mapped green share; ``simple``; or ``systematic``, a grid with a random start.
    by_district
        Give each district at least ten looks: its strata are then its own, one each.

    Raises
    ------
    EstimateError
        A number out of bounds, no district, or too few looks for them.
    """
    if not FEWEST <= looks <= MOST:
        raise EstimateError(f"{looks} looks: give {FEWEST} to {MOST:,}")
    if dots not in DOTS:
        raise EstimateError(f"{dots} dots: give {', '.join(map(str, DOTS))}")
    if not frame.shape.area > 0:
        raise EstimateError(f"{frame.place}: its limits hold no area; draw the sample on another place")
    rng = np.random.default_rng(seed)
    known = known_shares(frame)
    dealt = _deal(frame, known, looks=looks, design=design, by_district=by_district)
    points = (
        grid_points(frame, looks, rng) if design == "systematic" else random_points(frame, dealt.counts, dealt.of, rng)
    )
    points = points[rng.permutation(len(points))]
    pixels = pixels_under(frame, points)
    stratum = dealt.of(pixels, points)
    inclusion = _inclusion(frame, pixels, stratum, dealt, by_district=by_district, systematic=design == "systematic")
    count = len(points)
    twice = np.zeros(count, bool)
    twice[rng.choice(count, -(-count // TWICE), replace=False)] = True
    lon, lat = transformer(str(frame.grid.crs), "EPSG:4326").transform(points[:, 0], points[:, 1])
    names = _names(frame, points)
    asked = _asked(frame, pixels, points, dots)
    green, land = known["green"][*pixels.T], known["land"][*pixels.T]
    units = tuple(
        Unit(
            unit=i + 1, row=int(pixels[i, 0]), column=int(pixels[i, 1]), lon=round(float(lon[i]), 7), lat=round(float(lat[i]), 7),
            stratum=int(stratum[i]), district=names[i], asked=asked[i], twice=bool(twice[i]), map_green=round(float(green[i]), 6),
            map_land=round(float(land[i]), 6), inclusion=float(f"{inclusion[i]:.9g}"),
        )
        for i in range(count)
    )  # fmt: skip
    area = frame.cover.astype(float)
    whole = area.sum()
    districts = tuple(
        DistrictFrame(
            name=one.name,
            share=float(one.cover.sum() / whole),
            map_green=float((one.cover * known["green"]).sum() / whole),
            map_land=float((one.cover * known["land"]).sum() / whole),
        )
        for one in frame.districts
    )
    sample = Sample(
        format=FORMAT, place=frame.place, place_id=frame.place_id, plan_sha256=frame.plan_sha256, crs=str(frame.grid.crs),
        transform=tuple(frame.grid.affine)[:6],
        design="stratified" if by_district or frame.change is not None else design, seed=seed, dots=dots,
        bounds=dealt.bounds, weights=tuple(float(w) for w in dealt.weights), frame_green=float((area * known["green"]).sum() / whole),
        frame_land=float((area * known["land"]).sum() / whole),
        estimator="ratio of totals, difference estimator by the map" if frame.change is None else "stratified mean of indicators",
        units=units, districts=districts, change=frame.change, strata=dealt.names, howgreen=frame.howgreen,
        systematic_effect=round(systematic_effect(frame, looks, rng), 4) if design == "systematic" else 0.0,
    )  # fmt: skip
    return msgspec.structs.replace(sample, sha256=_digest(sample))


def _deal(frame: Frame, known: dict[str, Floats], *, looks: int, design: Design, by_district: bool) -> _Dealt:
    """Choose the strata, and how many looks each gets."""
    if frame.change is not None and frame.strata is not None:
        return _change_strata(frame, frame.strata, frame.change.strata, looks)
    if by_district:
        return _district_strata(frame, looks)
    if design == "stratified":
        return _green_strata(frame, known, looks)
    return _Dealt(
        of=lambda rows, _: np.zeros(len(rows), np.intp),
        weights=np.ones(1),
        counts=np.array([looks]),
        names=(EVERYTHING,),
    )


def _inclusion(
    frame: Frame, pixels: Ints, stratum: Ints, dealt: _Dealt, *, by_district: bool, systematic: bool
) -> Floats:
    """Give the probability that each drawn pixel is in the sample.

    A point falls on a pixel with the pixel's part of the stratum's area, and points are drawn independently of each other: 1 - (1 - part)^n.
    On a systematic grid, whose step is wider than a pixel, no pixel gets two points: n x part.
    """
    area = frame.cover[*pixels.T].astype(float)
    if by_district:
        parts = np.array([one.cover[*pixels.T] for one in frame.districts], float)
        parts = np.vstack([parts, np.maximum(area - parts.sum(axis=0), 0)])
        here = parts[stratum, np.arange(len(stratum))]
        area = np.where(here > 0, here, area)  # a sliver in no district is counted to the last
    part = np.minimum(area / (dealt.weights[stratum] * float(frame.cover.sum(dtype=float))), 1)
    drawn = dealt.counts[stratum]
    return np.asarray(np.minimum(drawn * part, 1) if systematic else 1 - (1 - part) ** drawn)


def _green_strata(frame: Frame, known: dict[str, Floats], looks: int) -> _Dealt:
    """Strata of mapped green share, and the unseen ground behind them.

    Unseen ground that would get less than one look by its area lies in the stratum of the mean share, which stands for it: as a stratum of its own it
    would take a floor's looks from the rest.
    """
    unseen = ~np.isfinite(frame.green)
    if float(frame.cover[unseen].sum()) * looks < float(frame.cover.sum()):
        unseen = np.zeros_like(unseen)
    area = np.where(unseen, 0, frame.cover).astype(float)
    share = known["green"]
    strata = stratify(share[area > 0], area[area > 0], looks=looks) if area.sum() > 0 else Strata(bounds=())
    code = np.where(unseen, len(strata), strata.of(share))
    totals = np.bincount(code.ravel(), weights=frame.cover.astype(float).ravel(), minlength=len(strata) + 1)
    kept = np.flatnonzero(totals > 0)
    position = np.full(len(totals), -1)
    position[kept] = np.arange(len(kept))
    spread = np.array([
        float(expected_spread(share[(code == one) & (frame.cover > 0)]).mean()) if one < len(strata) else 0.5 for one in kept
    ])  # fmt: skip
    weights = totals[kept] / totals.sum()
    return _Dealt(
        of=lambda pixels, _: position[code[*pixels.T]],
        weights=weights,
        counts=allocate(weights, spread, looks=looks, floor=min(FLOOR, looks // len(weights))),
        names=tuple(_of_green(strata.bounds, int(one)) for one in kept),
        bounds=strata.bounds,
    )


def _of_green(bounds: tuple[float, ...], number: int) -> str:
    """Say what a stratum of mapped green share holds; the one behind all is unseen ground."""
    if number > len(bounds):
        return UNSEEN_GROUND
    if not bounds:
        return EVERYTHING
    if number == 0:
        return f"mapped green below {bounds[0]:g}"
    if number == len(bounds):
        return f"mapped green from {bounds[-1]:g}"
    return f"mapped green from {bounds[number - 1]:g} to below {bounds[number]:g}"


def _change_strata(frame: Frame, code: npt.NDArray[np.intp], names: tuple[str, ...], looks: int) -> _Dealt:
    """Deal a third of the looks evenly, so that rare change is looked at, a sixth to the ground beside it, the rest by area.

    After Olofsson et al. 2014, section 5.1. What a map misses lies beside what it finds, in few of many pixels: with a fair deal of looks
    there, intervals hold the truth as often as they say (simulated on the sample city: 95 to 96 % instead of 87, and a fifth narrower).
    """
    number, more = len(names), looks // 6 if BESIDE in names else 0
    totals = np.bincount(code[frame.cover > 0], weights=frame.cover[frame.cover > 0].astype(float), minlength=number)
    weights = totals / totals.sum()
    counts = allocate(weights, np.ones(number), looks=looks - more, floor=max(FLOOR, looks // (3 * number)))
    if more:
        counts[names.index(BESIDE)] += more
    return _Dealt(of=lambda pixels, _: code[*pixels.T], weights=weights, counts=counts, names=names)


def _district_strata(frame: Frame, looks: int) -> _Dealt:
    """One stratum a district, and one for what lies in none of them."""
    weights, has_rest = _district_weights(frame)
    names = [one.name for one in frame.districts]

    def stratum_of(_: Ints, points: Floats) -> Ints:
        found = np.array([names.index(name) if name else len(names) for name in _names(frame, points)], np.intp)
        return np.minimum(found, len(names) if has_rest else len(names) - 1)

    return _Dealt(
        of=stratum_of,
        weights=weights,
        counts=allocate(weights, np.ones(len(weights)), looks=looks, floor=DISTRICT_FLOOR),
        names=tuple([*names, "in no district"][: len(weights)]),
    )


def fewest_by_district(frame: Frame) -> int:
    """Count the looks that a sample by districts needs at least.

    Raises
    ------
    EstimateError
        There are no districts, or they overlap.
    """
    return DISTRICT_FLOOR * len(_district_weights(frame)[0])


def _district_weights(frame: Frame) -> tuple[Floats, bool]:
    """Share the frame's area among the districts, and what lies in none of them if there is any."""
    if not frame.districts:
        raise EstimateError(
            f"{frame.place}: has no districts; give them with --districts FILE, or say --no-by-district"
        )
    shares = np.array([one.cover.sum() for one in frame.districts], float)
    rest = float(frame.cover.sum()) - shares.sum()
    if rest < -1e-3 * frame.cover.sum():
        raise EstimateError(f"{frame.place}: its districts overlap, so they are no strata; say --no-by-district")
    has_rest = rest > 1e-3 * frame.cover.sum()
    weights = np.append(shares, rest) if has_rest else shares
    return weights / weights.sum(), has_rest


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


def _asked(frame: Frame, pixels: Ints, points: Floats, dots: int) -> list[str]:
    """Tell which dots lie inside the limits; where none does, the one nearest to the drawn point is asked."""
    found = []
    for (row, column), point in zip(pixels, points, strict=True):
        at = dot_positions(frame.grid.affine, int(row), int(column), dots, (float(point[0]), float(point[1])))
        inside = shapely.contains_xy(frame.shape, at[:, 0], at[:, 1])
        if not inside.any():
            inside[int(np.hypot(*(at - point).T).argmin())] = True
        found.append("".join("1" if one else "0" for one in inside))
    return found


def _names(frame: Frame, points: Floats) -> list[str]:
    """Name the district that holds each point; the first of several."""
    names = np.full(len(points), "", dtype=object)
    for one in reversed(frame.districts):
        names[shapely.contains_xy(one.shape, points[:, 0], points[:, 1])] = one.name
    return names.tolist()


def _digest(sample: Sample) -> str:
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
    if sample.sha256 != _digest(sample):
        raise EstimateError(
            f"{file}: was altered since it was drawn (its checksum does not fit), so its chances are not known; take the file as it was"
        )
    return sample
