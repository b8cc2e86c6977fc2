"""The sampling frame: the limits with the map inside them, and points in it, at random or on a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt
import shapely

from howgreen.core.errors import EstimateError

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

_BATCH = 20_000
_MOST_BATCHES = 2_000


class ChangeFrame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Frame for interpretation of two dates: ground in strata of mapped change."""

    strata: tuple[str, ...]
    """Their names; the map's loss is called ``lost``, its gain ``gained``."""
    area_m2: float
    """Area of the frame: the land seen on both dates."""
    before: str
    """Days of the images, for people."""
    after: str
    small_m2: dict[str, float] = {}
    """Mapped loss or gain with too few pixels for a stratum, which joins the stratum beside change."""


@dataclass(frozen=True, kw_only=True)
class FrameDistrict:
    """A part of the frame with its own results."""

    name: str
    shape: BaseGeometry
    """In the frame's CRS."""
    cover: npt.NDArray[np.float32]
    """(y, x) share of each pixel inside it."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Sampling frame: the limits, and the map inside them."""

    place: str
    place_id: str
    plan_sha256: str
    """Hash of the plan that made the map: the sample belongs to it."""
    grid: GeoBox
    shape: BaseGeometry
    """The limits in the grid's CRS."""
    cover: npt.NDArray[np.float32]
    """(y, x) share of each pixel inside the limits."""
    green: npt.NDArray[np.float32]
    """(y, x) mapped green share of the pixel; 0 on mapped water; NaN where unseen."""
    land: npt.NDArray[np.float32]
    """(y, x) mapped land share: 1, or 0 on water; NaN where unseen."""
    map_rmse: float
    """The model's pixel error on reference data, for the sample size."""
    districts: tuple[FrameDistrict, ...] = ()
    change: ChangeFrame | None = None
    strata: npt.NDArray[np.intp] | None = None
    """(y, x) stratum number for ``change``, if set."""
    howgreen: str = ""
    """Version that made the frame."""


def known_shares(frame: Frame) -> dict[str, Floats]:
    """Fill unseen ground with the mean of the rest: the map's guess there, which the looks correct."""
    filled = {}
    for name, values in (("green", frame.green), ("land", frame.land)):
        observed = np.isfinite(values)
        area = np.where(observed, frame.cover, 0).astype(float)
        mean = float((area * np.nan_to_num(values)).sum() / area.sum()) if area.sum() > 0 else float(name == "land")
        filled[name] = np.where(observed, values, mean).astype(float)
    return filled


def random_points(
    frame: Frame, counts: Ints, strata_of: Callable[[Ints, Floats], Ints], rng: np.random.Generator
) -> Floats:
    """Draw uniform points in the limits until every stratum has its number; points of full strata are discarded."""
    west, south, east, north = frame.shape.bounds
    shapely.prepare(frame.shape)
    missing, kept = counts.copy(), []
    for _ in range(_MOST_BATCHES):
        points = rng.uniform((west, south), (east, north), (_BATCH, 2))
        points = points[shapely.contains_xy(frame.shape, points[:, 0], points[:, 1])]
        stratum = strata_of(pixels_under(frame, points), points)
        for one in np.flatnonzero(missing):
            taken = points[stratum == one][: missing[one]]
            missing[one] -= len(taken)
            kept.append(taken)
        if not missing.any():
            return np.concatenate(kept)
    raise EstimateError(
        f"{frame.place}: a stratum is too small to draw {int(missing.max())} more places in; ask for fewer looks"
    )


STARTS, MOST_STARTED = 400, 400_000
"""Number of grids that sample the map, and the most points in all of them together."""


def systematic_effect(frame: Frame, looks: int, rng: np.random.Generator) -> float:
    """Estimate the variance of a systematic sample relative to a simple one, from the map; at least 1.

    No variance estimate from one grid is unbiased, and the grid's own points cannot reveal that it coincides with a
    pattern of the town (Särndal et al. 1992, 3.4). The map is known everywhere: it is sampled by many grids like this
    one, and their ratios are compared (after Opsomer, Francisco-Fernández & Li 2012,
    doi:10.1111/j.1467-9469.2011.00773.x, who use a model of the town).
    """
    known = known_shares(frame)
    area = frame.cover.astype(float)
    total_green, total_land = (float((area * known[name]).sum()) for name in ("green", "land"))
    if not total_land > 0:
        return 1.0
    ratio, whole = total_green / total_land, float(area.sum())
    spread = float((area * (known["green"] - ratio * known["land"]) ** 2).sum()) / whole
    if not spread > 0:
        return 1.0
    misses, counts = [], []
    for _ in range(max(min(STARTS, MOST_STARTED // looks), 2)):
        rows = pixels_under(frame, grid_points(frame, looks, rng))
        green, land = known["green"][*rows.T], known["land"][*rows.T]
        if land.sum() > 0:
            misses.append(green.sum() / land.sum() - ratio)
            counts.append(len(rows))
    simple = spread / (total_land / whole) ** 2 / float(np.mean(counts))
    return max(float(np.mean(np.square(misses))) / simple, 1.0)


def grid_points(frame: Frame, looks: int, rng: np.random.Generator) -> Floats:
    """Make a square grid with a random start over the limits, with a spacing that gives about ``looks`` points."""
    west, south, east, north = frame.shape.bounds
    step = float(np.sqrt(frame.shape.area / looks))
    x, y = np.arange(west - step * rng.random(), east, step), np.arange(south - step * rng.random(), north, step)
    points = np.stack([axis.ravel() for axis in np.meshgrid(x, y)], axis=1)
    return points[shapely.contains_xy(frame.shape, points[:, 0], points[:, 1])]


def pixels_under(frame: Frame, points: Floats) -> Ints:
    """Return row and column under each point, (n, 2)."""
    columns, rows = ~frame.grid.affine @ (points[:, 0], points[:, 1])
    height, width = frame.grid.shape
    return np.stack([np.clip(np.floor(rows), 0, height - 1), np.clip(np.floor(columns), 0, width - 1)], axis=1).astype(
        np.intp
    )
