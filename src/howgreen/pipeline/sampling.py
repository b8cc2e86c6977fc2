"""From a finished run to a folder with a sample: what to look at, and pictures to look at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from howgreen.core import cog
from howgreen.core.errors import EstimateError, OutputError
from howgreen.core.files import write_atomic
from howgreen.core.geometry import project
from howgreen.core.types import UNSEEN
from howgreen.estimate.design import expect_answers, looks_needed
from howgreen.estimate.estimators import Estimate
from howgreen.estimate.sample import Design, Frame, FrameDistrict, Sample, draw, load, save, save_for_others
from howgreen.measure.coverage import covered_share
from howgreen.pipeline import plan_json
from howgreen.report.figures import DesignEstimate, EstimateFigures

if TYPE_CHECKING:
    from pathlib import Path

    from howgreen.core.types import Plan, Result

USUAL_RMSE = 0.2
"""Of a pixel, where the model's card has no figure."""
PICTURES = (("photo.tif", "the season's picture, 10 m"), ("infrared.tif", "the same in infrared: plants are red"))
"""Files of a sample's folder that a reader sees, and what they are called."""
PLAN = "plan.json"
"""In a sample's folder: what made the map; it can be run again."""
ESTIMATE = "estimate.json"
OTHERS = "other-programs"
"""Folder in a sample's: the same places for other programs."""
LARGEST_ESTIMATE_BYTES = 50_000_000
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
        save_for_others(drawn, folder / OTHERS)
        write_atomic(folder / PLAN, plan_json.to_json(result.plan))
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
        plan_sha256=sha256_of(plan),
        grid=plan.grid,
        shape=shape,
        cover=covered_share(shape, plan.grid.shape, plan.grid.affine).astype(np.float32),
        green=np.where(unseen, np.nan, np.where(water, 0, fraction)).astype(np.float32),
        land=land,
        map_rmse=USUAL_RMSE if reference is None else reference.rmse,
        districts=tuple(
            FrameDistrict(
                name=name, shape=one, cover=covered_share(one, plan.grid.shape, plan.grid.affine).astype(np.float32)
            )
            for name, one in districts
            if one.area
        ),
    )


def sha256_of(plan: Plan) -> str:
    """Hash a plan: a sample belongs to the map that it makes."""
    return hashlib.sha256(plan_json.to_json(plan).encode()).hexdigest()


def estimate_of(folder: Path, plan: Plan) -> EstimateFigures:
    """Read the estimate of a sample's folder for the report of the plan that it was drawn by.

    Raises
    ------
    EstimateError
        No estimate there yet, of another sample, or of another map than the plan makes.
    """
    drawn = load(folder / "sample.json")
    if drawn.plan_sha256 != sha256_of(plan):
        raise EstimateError(
            f"{folder}: was drawn by another map than this one (place, images, model or version differ); "
            f"use the plan that it was drawn by, with --plan {folder / PLAN}"
        )
    found = _read_estimate(folder / ESTIMATE)
    if found.sample.sha256 != drawn.sha256:
        raise EstimateError(f"{folder / ESTIMATE}: is of another sample; run `howgreen estimate {folder}` again")
    days = sorted(one[:10] for one in found.looks if one)
    return EstimateFigures(
        **_interval(found.headline),
        counted=found.counted,
        looked=found.looked,
        drawn=len(drawn.units),
        readers=len(found.readers),
        first_look=days[0] if days else "",
        last_look=days[-1] if days else "",
        images=tuple(found.images),
        design=drawn.design,
        seed=drawn.seed,
        dots=drawn.dots,
        strata_bounds=drawn.bounds,
        strata_weights=drawn.weights,
        frame_green=drawn.frame_green,
        frame_land=drawn.frame_land,
        sample_sha256=drawn.sha256,
        without_map=DesignEstimate(**_interval(found.plain)),
        two_phase=None if found.two_phase is None else DesignEstimate(**_interval(found.two_phase)),
        kappa=None if found.agreement is None else found.agreement.kappa,
    )


class _Kept(msgspec.Struct, frozen=True):
    """What a report takes of ``estimate.json``."""

    sample: _KeptSample
    headline: Estimate
    plain: Estimate
    counted: Literal["vegetation", "vegetation-without-cropland", "canopy"]
    two_phase: Estimate | None
    agreement: _KeptAgreement | None
    looked: int
    readers: tuple[str, ...]
    looks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


class _KeptSample(msgspec.Struct, frozen=True):
    sha256: str


class _KeptAgreement(msgspec.Struct, frozen=True):
    kappa: float | None


def _read_estimate(file: Path) -> _Kept:
    try:
        if file.stat().st_size > LARGEST_ESTIMATE_BYTES:
            raise EstimateError(f"{file}: is larger than any estimate; run `howgreen estimate {file.parent}` again")
        return msgspec.json.decode(file.read_bytes(), type=_Kept)
    except OSError as error:
        raise EstimateError(
            f"{file}: cannot be read ({error.strerror}); run `howgreen estimate {file.parent}` first"
        ) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise EstimateError(f"{file}: is no estimate ({error}); run `howgreen estimate {file.parent}` again") from error


def _interval(one: Estimate) -> dict[str, Any]:
    """Give the parts that a report shows; a ratio that the map's help put beyond 0-1 stands at its end."""
    return {
        "ratio": min(max(one.ratio, 0.0), 1.0), "low": one.low, "high": one.high, "level": one.level, "se": one.se, "df": one.df,
        "method": one.method,
    }  # fmt: skip
