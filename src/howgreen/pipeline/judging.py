"""Judge the map of a report or a finished run by a user's labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely

from howgreen.core.errors import LabelError, OutputError
from howgreen.core.geometry import project
from howgreen.core.known_types import known
from howgreen.core.labels import CLASS_NAMES, burn, classes_of, read_shapes
from howgreen.core.models import water_codes
from howgreen.core.types import UNSEEN
from howgreen.estimate.judge import Judgement, Places, judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    import geopandas as gpd
    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Result

_REPORT = ("summary.json", "green_fraction.tif", "landcover.tif", "districts.gpkg")


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """A map to judge."""

    title: str
    grid: GeoBox
    green: npt.NDArray[np.float32]
    """(y, x) green share; NaN where unseen."""
    water: npt.NDArray[np.bool_]
    limits: BaseGeometry
    """On the grid's CRS."""


@dataclass(frozen=True, kw_only=True)
class LabelFile:
    """A user's labels."""

    path: Path
    column: str = "class"
    classes: Mapping[str, str] | None = None
    """Class for each value of the column: ``{"1": "water"}``."""
    share_column: str | None = None
    """Column with the green share of each shape, 0-1."""
    probability: bool = False
    """Whether the labels are points drawn at random in the place with equal probability."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A judgement, and the labels used for it."""

    title: str
    shapes: int
    """Number of labels it rests on."""
    found: Judgement
    notes: tuple[str, ...]


def is_report(folder: Path) -> bool:
    """Tell whether a folder is a report with its maps."""
    return all((folder / name).is_file() for name in _REPORT)


def map_of_report(folder: Path) -> Mapped:
    """Read the map of a report folder.

    Raises
    ------
    OutputError
        Its files cannot be read, or were made by another version.
    """
    import geopandas as gpd
    import msgspec
    import rasterio
    from odc.geo.geobox import GeoBox
    from rasterio.errors import RasterioError

    from howgreen.report import Summary

    try:
        summary = msgspec.json.decode((folder / "summary.json").read_bytes(), type=known(Summary))
        with rasterio.open(folder / "green_fraction.tif") as file:
            green, grid = file.read(1), GeoBox(file.shape, file.transform, str(file.crs))
        with rasterio.open(folder / "landcover.tif") as file:
            label = file.read(1)
        city = gpd.read_file(folder / "districts.gpkg", layer=0, rows=1).geometry.iloc[0]
    except (OSError, RasterioError, msgspec.DecodeError, ValueError) as error:
        raise OutputError(f"{folder}: is no report of this version ({str(error)[:120]}); make it again") from error
    water = np.isin(label, water_codes(summary.model.classes))
    green = np.where(water, 0, green)  # water has no green share, but it was seen
    return Mapped(
        title=f"{summary.city.label}, model {summary.model.name}",
        grid=grid,
        green=np.where(label == UNSEEN, np.nan, green).astype(np.float32),
        water=water,
        limits=project(city, str(grid.crs)),
    )


def map_of(result: Result) -> Mapped:
    """Take the map of a finished run."""
    data, grid = result.landcover.data, result.plan.grid
    label = np.asarray(data["label"].values)
    codes = result.landcover.water_codes
    return Mapped(
        title=f"{result.plan.city.label}, model {result.card.name}",
        grid=grid,
        green=np.where(label == UNSEEN, np.nan, np.asarray(data["green_fraction"].values)).astype(np.float32),
        water=np.isin(label, codes),
        limits=project(result.plan.city.boundary, str(grid.crs)),
    )


def read(labels: LabelFile) -> tuple[gpd.GeoDataFrame, list[int], npt.NDArray[np.float64] | None]:
    """Read the labels' shapes, the positions of their classes, and their shares of green where a column is named.

    Raises
    ------
    LabelError
        The file, its classes or its shares are invalid.
    """
    frame = read_shapes(labels.path, labels.column)
    names = classes_of(frame, labels.path, labels.column, labels.classes or {})
    shares = _shares(frame, labels) if labels.share_column else None
    return frame, [CLASS_NAMES.index(name) for name in names], shares


def judge_by(mapped: Mapped, labels: LabelFile) -> Judged:
    """Compare a map with labels inside the limits; a polygon counts by its pixels, a point by the pixel under it.

    Raises
    ------
    LabelError
        The file, its classes or its shares are invalid; no label lies where the map shows ground; or polygons are
        declared a probability sample.
    """
    frame, codes, shares = read(labels)
    shapes = list(frame.to_crs(str(mapped.grid.crs)).geometry)
    points = all(shape.geom_type == "Point" for shape in shapes)
    if labels.probability and not points:
        raise LabelError(
            f"labels {labels.path}: --probability is for points drawn at random, and these are areas; leave it out, or give points"
        )
    if labels.probability and (twice := len(shapes) - len({(shape.x, shape.y) for shape in shapes})):
        raise LabelError(
            f"labels {labels.path}: {twice} points stand where another one stands, and none drawn at random would: they make intervals too "
            "narrow; give each place once"
        )
    shapely.prepare(mapped.limits)
    inside = [bool(mapped.limits.intersects(shape)) for shape in shapes]
    if not any(inside):
        raise LabelError(
            f"labels {labels.path}: none lies inside the limits of {mapped.title}; check their places and CRS"
        )
    if points:  # two sample points may fall into one pixel: both count
        owner = np.flatnonzero(inside)
        x, y = np.array([(shapes[i].x, shapes[i].y) for i in owner]).T
        columns, rows = (np.floor(axis).astype(int) for axis in ~mapped.grid.affine @ (x, y))
        height, width = mapped.grid.shape
        on_map = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        rows, columns, owner = rows[on_map], columns[on_map], owner[on_map]
    else:
        cut = [
            shape.intersection(mapped.limits) if here else shapely.Polygon()
            for shape, here in zip(shapes, inside, strict=True)
        ]
        claimed = burn(cut, codes, mapped.grid)
        rows, columns, owner = claimed.rows, claimed.columns, claimed.shape
    green = mapped.green[rows, columns].astype(float)
    seen = np.isfinite(green)
    owner, water = owner[seen], mapped.water[rows, columns][seen]
    found = judge(
        Places(
            label=np.array(codes, np.intp)[owner],
            mapped_green=green[seen],
            mapped_water=water,
            share=None if shares is None else shares[owner],
        ),
        probability=labels.probability,
    )
    used = len(np.unique(owner))
    return Judged(
        title=mapped.title, shapes=used, found=found, notes=tuple(_notes(len(shapes), sum(inside), used, unseen=int((~seen).sum())))
    )  # fmt: skip


def _notes(given: int, inside: int, used: int, *, unseen: int) -> Iterator[str]:
    if inside < given:
        yield f"{given - inside} of {given} labels lie outside the limits and are left out"
    if unseen:
        yield f"{unseen} labelled places were not seen by any image and are left out"
    if used + unseen < inside:  # a point is either unseen or used; an area may have pixels of both kinds
        yield f"{inside - used} labels hold no seen pixel's centre of their own: too small, unseen, or claimed by another class"


def _shares(frame: gpd.GeoDataFrame, labels: LabelFile) -> npt.NDArray[np.float64]:
    import pandas as pd

    name = labels.share_column
    if name not in frame:
        there = ", ".join(str(one) for one in frame if one != "geometry")
        raise LabelError(
            f"labels {labels.path}: no column {name!r} (there: {there}); name the one that holds the green share"
        )
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(float)
    if not ((values >= 0) & (values <= 1)).all():
        raise LabelError(
            f"labels {labels.path}: column {name!r} holds what is no share of 0-1; divide percent by 100, and leave shapes without one out"
        )
    return np.asarray(values, float)
