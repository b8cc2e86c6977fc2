"""From a finished run to a sample folder: the places to interpret, and the pictures to do it on."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from howgreen import __version__, report
from howgreen.core import cog
from howgreen.core.change import NOT_COMPARED
from howgreen.core.errors import EstimateError, OutputError
from howgreen.core.files import write_atomic
from howgreen.core.geometry import project
from howgreen.core.known_types import known
from howgreen.core.text import truncate_list
from howgreen.core.types import HALF_GREEN, UNSEEN
from howgreen.core.warnings import Caution, warn
from howgreen.core.words import days, plain
from howgreen.estimate.design import expect_answers, looks_needed
from howgreen.estimate.drawing import BESIDE, draw, fewest_by_district, without_looks_of_their_own
from howgreen.estimate.frame import ChangeFrame, Frame, FrameDistrict
from howgreen.estimate.sample import Design, Sample, save, save_for_others
from howgreen.measure.coverage import covered_share
from howgreen.pipeline import plan_json
from howgreen.report.change_figures import ChangeSide, ChangeSummary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Result

USUAL_RMSE = 0.2
"""Per pixel, if the model's card has no figure."""
PICTURES = (("photo.tif", "the season's picture, 10 m"), ("infrared.tif", "the same in infrared: plants are red"))
"""Picture files of a sample folder, with their captions."""
CHANGE_LOOKS = 200
"""Number of looks if none is given."""
BESIDE_PX = 3
"""Ground within this distance of mapped change is a stratum of its own."""
FEWEST_PIXELS = 10
"""Smallest stratum, in pixels; smaller mapped change lies in the stratum beside change, any other is left out of the
frame."""
PLAN = "plan.json"
"""In a sample folder: the plan that made the map; it can be run again."""
OTHERS = "other-programs"
"""Subfolder with the same places for other programs."""
_BANDS = {"photo.tif": ("red", "green", "blue"), "infrared.tif": ("nir", "red", "green")}
_DARK_PERCENT, _BRIGHT_PERCENT = 1, 99


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """How to draw a sample."""

    looks: int | None
    """None for as many as the half-width requires."""
    half_width: float
    """Of the 95 % interval, 0-1."""
    dots: int
    design: Design
    by_district: bool
    seed: int


def check_out(folder: Path) -> None:
    """Check that a sample may be written to this folder.

    Raises
    ------
    OutputError
        It holds a sample already: a second one would overwrite its answers.
    """
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(f"{folder}: is not empty; choose another --out, so that no answers are lost")


def sample(result: Result, options: SampleOptions, folder: Path) -> Sample:
    """Draw a sample of a finished run's place and write its folder.

    Raises
    ------
    EstimateError
        No sample is possible for this place or these numbers.
    OutputError
        The folder cannot be written.
    """
    check_out(folder)
    frame = frame_of(result)
    looks = options.looks or needed(frame, options)
    if options.by_district and options.looks is None:
        looks = max(looks, fewest_by_district(frame))
    drawn = draw(
        frame, looks=looks, seed=options.seed, dots=options.dots, design=options.design, by_district=options.by_district
    )
    if shared := without_looks_of_their_own(frame):
        names = truncate_list(shared, most=4)
        warn(
            Caution("districts-doubtful", f"districts that lie partly in others get no estimate of their own: {names}")
        )
    try:
        save(drawn, folder)
        save_for_others(drawn, folder / OTHERS)
        write_atomic(folder / PLAN, plan_json.to_json(result.plan))
        for name, bands in _BANDS.items():
            if set(bands) <= set(result.composite.bands):
                write_pictures([result], bands, [folder / name])
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror}); choose another --out or make room"
        ) from error
    return drawn


def needed(frame: Frame, options: SampleOptions) -> int:
    """Compute how many looks the requested half-width needs, from the map and its error on reference data."""
    observed = np.isfinite(frame.green) & (frame.cover > 0)
    share, area = frame.green[observed].astype(float), frame.cover[observed].astype(float)
    if not area.sum() > 0:  # nothing is known: assume a share of one half
        share, area = np.array([0.5]), np.ones(1)
    return looks_needed(
        options.half_width, expect_answers(share, area, dots=options.dots, map_rmse=frame.map_rmse), assisted=True
    )


def write_pictures(results: Sequence[Result], bands: tuple[str, ...], paths: Sequence[Path]) -> None:
    """Write three bands of composites on one grid as 8-bit colours, with one common stretch; 0 where unseen."""
    shown = [result.composite.data["reflectance"].sel(band=list(bands)).values for result in results]
    ends = []
    for number in range(len(bands)):
        seen = np.concatenate([values[number][np.isfinite(values[number])] for values in shown])
        ends.append(np.percentile(seen, (_DARK_PERCENT, _BRIGHT_PERCENT)) if seen.size else (0.0, 1.0))
    for result, values, path in zip(results, shown, paths, strict=True):
        unpacked = path.with_suffix(".plain.tif")
        try:
            with cog.plain_raster(unpacked, result.plan.grid, dtype="uint8", nodata=0, bands=3) as target:
                for number, (band, (dark, bright)) in enumerate(zip(values, ends, strict=True), start=1):
                    light = 1 + 254 * np.clip((band - dark) / max(bright - dark, 1e-6), 0, 1) ** 0.8
                    target.write(np.nan_to_num(light, nan=0).astype(np.uint8), number)
            cog.pack(unpacked, path, {"overview_resampling": "AVERAGE"})
        finally:
            unpacked.unlink(missing_ok=True)


def sample_of_change(found: Path, options: SampleOptions, folder: Path) -> Sample:
    """Draw a sample of the change in a ``howgreen change`` folder, and write its folder.

    Raises
    ------
    EstimateError
        The folder shows no measured change, or lacks files that a sample needs.
    OutputError
        The sample's folder cannot be written.
    """
    check_out(folder)
    frame = frame_of_change(found)
    looks = options.looks or CHANGE_LOOKS
    drawn = draw(frame, looks=looks, seed=options.seed, dots=options.dots)
    try:
        save(drawn, folder)
        save_for_others(drawn, folder / OTHERS)
        for name in report.PHOTOS:
            if (found / name).exists():
                shutil.copyfile(found / name, folder / name)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror}); choose another --out or make room"
        ) from error
    return drawn


def frame_of_change(folder: Path) -> Frame:
    """Make the sampling frame of a change: land seen on both dates, stratified by the map.

    The strata are green loss, green gain, ground next to either (where most omissions lie), ground green on both dates,
    and the rest.
    """
    from scipy.ndimage import binary_dilation

    summary = _change_in(folder)
    codes, grid = _raster(folder / "change.tif")
    green = np.mean([_raster(folder / name)[0].astype(np.float32) for name in report.GREEN], axis=0) / 100
    named = {one.name: one.code for one in summary.classes}
    lost, gained = (codes == named["green lost"], codes == named["green gained"])
    compared = codes != NOT_COMPARED
    beside = binary_dilation(lost | gained, iterations=BESIDE_PX) & compared & ~lost & ~gained
    parts = {"lost": lost, "gained": gained}
    small = {name: part for name, part in parts.items() if 0 < part.sum() < FEWEST_PIXELS}
    parts[BESIDE] = np.any([beside, *small.values()], axis=0)
    rest = compared & ~lost & ~gained & ~beside
    parts |= {"kept": rest & (green >= HALF_GREEN), "neither": rest & (green < HALF_GREEN)}
    parts = {name: part for name, part in parts.items() if part.sum() >= FEWEST_PIXELS and name not in small}
    whole = np.any(list(parts.values()), axis=0)
    strata = np.select(list(parts.values()), range(len(parts)), default=0).astype(np.intp)
    return Frame(
        place=summary.city.label,
        place_id=summary.city.id,
        plan_sha256=map_sha256(folder),
        grid=grid,
        shape=_outline(whole, grid),
        cover=whole.astype(np.float32),
        green=np.where(whole, green, 0).astype(np.float32),
        land=whole.astype(np.float32),
        map_rmse=USUAL_RMSE,
        change=ChangeFrame(
            strata=tuple(parts),
            area_m2=float(summary.compared_m2 * whole.sum() / compared.sum()),
            before=_days(summary.before),
            after=_days(summary.after),
            small_m2={name: float(summary.compared_m2 * part.sum() / compared.sum()) for name, part in small.items()},
        ),
        strata=strata,
        howgreen=__version__,
    )


def _change_in(folder: Path) -> ChangeSummary:
    """Read the figures of a change, from its own folder or a section of a report."""
    for name in ("change.json", "summary.json"):
        try:
            found = msgspec.json.decode((folder / name).read_bytes(), type=known(ChangeSummary))
        except (OSError, msgspec.MsgspecError):
            continue
        if found.threshold is None:
            raise EstimateError(
                f"{folder}: its change was found by {found.method}; draw the sample of one by `measured`"
            )
        lacking = [one for one in ("change.tif", *report.GREEN) if not (folder / one).exists()]
        if lacking:
            raise EstimateError(f"{folder}: lacks {lacking[0]}; make it anew with `howgreen change`")
        return found
    raise EstimateError(f"{folder}: is no folder that `howgreen change` wrote")


def _raster(path: Path) -> tuple[npt.NDArray[Any], GeoBox]:
    import rasterio
    from odc.geo.geobox import GeoBox
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(path.resolve(), driver="GTiff") as file:
            return file.read(1), GeoBox(file.shape, file.transform, str(file.crs))
    except (RasterioError, OSError) as error:
        raise EstimateError(f"{path}: cannot be read ({error}); make it anew with `howgreen change`") from error


def _outline(inside: npt.NDArray[np.bool_], grid: GeoBox) -> BaseGeometry:
    """Trace the outline of pixels, in the grid's CRS."""
    import shapely.geometry
    from rasterio.features import shapes

    found = shapes(inside.astype(np.uint8), mask=inside, transform=grid.affine)
    return shapely.union_all([shapely.geometry.shape(part) for part, _ in found])


def _days(side: ChangeSide) -> str:
    return plain(days([scene.date for scene in side.scenes]))


def frame_of(result: Result) -> Frame:
    """Make the sampling frame of a finished run's place: its limits without the known sea, and its map."""
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
        plan_sha256=plan_json.sha256_of(plan),
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
        howgreen=__version__,
    )


def map_sha256(folder: Path) -> str:
    """Hash the map of a change, to which its sample belongs."""
    return hashlib.sha256((folder / "change.tif").read_bytes()).hexdigest()
