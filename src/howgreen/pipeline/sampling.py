"""From a finished run to a folder with a sample: what to look at, and pictures to look at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from howgreen.core import cog
from howgreen.core.errors import OutputError
from howgreen.core.geometry import project
from howgreen.core.grid import Window
from howgreen.core.types import UNSEEN
from howgreen.estimate.design import expect_answers, looks_needed
from howgreen.estimate.sample import Design, Frame, FrameDistrict, Sample, draw, save
from howgreen.measure.coverage import coverage_windows
from howgreen.pipeline import plan_json

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Result

USUAL_RMSE = 0.2
"""Of a pixel, where the model's card has no figure."""
PICTURES = (("photo.tif", "the season's picture, 10 m"), ("infrared.tif", "the same in infrared: plants are red"))
"""Files of a sample's folder that a reader sees, and what they are called."""
_BANDS = {"photo.tif": ("red", "green", "blue"), "infrared.tif": ("nir", "red", "green")}
_DARK_PERCENT, _BRIGHT_PERCENT = 1, 99


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a sample is to be drawn."""

    looks: int | None
    """None for as many as the half-width needs."""
    half_width: float
    """Of the 95 % interval, 0-1."""
    dots: int
    design: Design
    by_district: bool
    seed: int


def check_out(folder: Path) -> None:
    """Check that a sample may be written here.

    Raises
    ------
    OutputError
        A sample is there already: drawing another one over it would spoil its answers.
    """
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(f"{folder}: is not empty; choose another --out, so that no answers are lost")


def sample(result: Result, wanted: Wanted, folder: Path) -> Sample:
    """Draw a sample of a finished run's place and write its folder.

    Raises
    ------
    EstimateError
        The place or the numbers allow no sample.
    OutputError
        The folder cannot be written.
    """
    check_out(folder)
    frame = frame_of(result)
    looks = wanted.looks or needed(frame, wanted)
    drawn = draw(
        frame, looks=looks, seed=wanted.seed, dots=wanted.dots, design=wanted.design, by_district=wanted.by_district
    )
    try:
        save(drawn, folder)
        for name, bands in _BANDS.items():
            if set(bands) <= set(result.composite.bands):
                _picture(result, bands, folder / name)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror}); choose another --out or make room"
        ) from error
    return drawn


def needed(frame: Frame, wanted: Wanted) -> int:
    """Count the looks that the wanted half-width needs, from the map and its error on reference data."""
    observed = np.isfinite(frame.green) & (frame.cover > 0)
    share, area = frame.green[observed].astype(float), frame.cover[observed].astype(float)
    if not area.sum() > 0:  # nothing is known: as for an even coin
        share, area = np.array([0.5]), np.ones(1)
    return looks_needed(
        wanted.half_width, expect_answers(share, area, dots=wanted.dots, map_rmse=frame.map_rmse), assisted=True
    )


def _picture(result: Result, bands: tuple[str, ...], path: Path) -> None:
    """Write three bands of the composite as 8-bit colours, stretched alike over the whole city; 0 where nothing was seen."""
    values = result.composite.data["reflectance"].sel(band=list(bands)).values
    plain = path.with_suffix(".plain.tif")
    try:
        with cog.plain_raster(plain, result.plan.grid, dtype="uint8", nodata=0, bands=3) as target:
            for number, band in enumerate(values, start=1):
                seen = band[np.isfinite(band)]
                dark, bright = np.percentile(seen, (_DARK_PERCENT, _BRIGHT_PERCENT)) if seen.size else (0.0, 1.0)
                shown = 1 + 254 * np.clip((band - dark) / max(bright - dark, 1e-6), 0, 1) ** 0.8
                target.write(np.nan_to_num(shown, nan=0).astype(np.uint8), number)
        cog.pack(plain, path, overview_resampling="AVERAGE")
    finally:
        plain.unlink(missing_ok=True)


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
