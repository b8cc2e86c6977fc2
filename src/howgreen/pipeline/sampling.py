"""From a finished run to the frame of a sample."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from howgreen.core.geometry import project
from howgreen.core.grid import Window
from howgreen.core.types import UNSEEN
from howgreen.estimate.sample import Frame, FrameDistrict
from howgreen.measure.coverage import coverage_windows
from howgreen.pipeline import plan_json

if TYPE_CHECKING:
    import numpy.typing as npt
    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Result

USUAL_RMSE = 0.2
"""Of a pixel, where the model's card has no figure."""


def frame_of(result: Result) -> Frame:
    """Make the frame to sample a finished run's place from: its limits, less the known sea, and its map."""
    plan, data = result.plan, result.landcover.data
    label, fraction = np.asarray(data["label"].values), np.asarray(data["green_fraction"].values, np.float32)
    unseen = (label == UNSEEN) | ~np.isfinite(fraction)
    water = np.isin(label, result.landcover.water_codes)
    land = np.where(unseen, np.nan, np.where(water, 0, 1)).astype(np.float32)
    city, crs = plan.city, str(plan.grid.crs)
    ground = city.land if city.land is not None else city.boundary
    shape = project(ground, crs)
    districts = [(one.name, project(one.boundary, crs).intersection(shape)) for one in city.districts]
    reference = result.card.reference_error
    return Frame(
        place=city.label,
        place_id=city.id,
        plan_sha256=hashlib.sha256(plan_json.to_json(plan).encode()).hexdigest(),
        grid=plan.grid,
        shape=shape,
        cover=_cover(shape, plan.grid),
        green=np.where(unseen, np.nan, np.where(water, 0, fraction)).astype(np.float32),
        land=land,
        map_rmse=USUAL_RMSE if reference is None else reference.rmse,
        districts=tuple(
            FrameDistrict(name=name, shape=one, cover=_cover(one, plan.grid)) for name, one in districts if one.area
        ),
    )


def _cover(shape: BaseGeometry, grid: GeoBox) -> npt.NDArray[np.float32]:
    """(y, x) share of each pixel inside a shape, exactly."""
    covered = np.zeros(grid.shape, np.float32)
    whole = Window(top=0, bottom=grid.shape[0], left=0, right=grid.shape[1])
    for part in coverage_windows(shape, whole, grid.affine):
        view = covered[part.window.slices]
        if part.pixels is None:
            view[...] = 1
        else:
            rows, columns = np.unravel_index(part.pixels, part.window.shape)
            view[rows, columns] = np.asarray(part.share)
    return covered
