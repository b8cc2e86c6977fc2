"""From a finished run to a sample folder: the places to interpret, and the pictures to do it on."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec
import numpy as np

from howgreen import __version__, report
from howgreen.core import cog
from howgreen.core.change import NOT_COMPARED
from howgreen.core.errors import EstimateError, OutputError
from howgreen.core.files import write_atomic
from howgreen.core.geometry import project
from howgreen.core.types import HALF_GREEN, UNSEEN
from howgreen.core.warnings import Caution, warn
from howgreen.core.words import days, plain
from howgreen.estimate.change import of_change
from howgreen.estimate.design import expect_answers, looks_needed
from howgreen.estimate.drawing import BESIDE, draw, fewest_by_district
from howgreen.estimate.estimators import Estimate
from howgreen.estimate.frame import ChangeFrame, Frame, FrameDistrict
from howgreen.estimate.sample import Design, Sample, load, save, save_for_others
from howgreen.measure.coverage import covered_share
from howgreen.pipeline import plan_json
from howgreen.report.change_figures import ChangeEstimateFigures, ChangeSide, ChangeSummary, SampledAreas, ShareFigure
from howgreen.report.figures import DesignEstimate, EstimateFigures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Plan, Result
    from howgreen.pipeline.result import CityResult

USUAL_RMSE = 0.2
"""Per pixel, if the model's card has no figure."""
PICTURES = (("photo.tif", "the season's picture, 10 m"), ("infrared.tif", "the same in infrared: plants are red"))
"""Picture files of a sample folder, with their captions."""
CHANGE_LOOKS = 200
"""Number of looks if none is given."""
BESIDE_PX = 3
"""Ground within this distance of mapped change is a stratum of its own."""
FEWEST_PIXELS = 10
"""Smallest stratum, in pixels; a smaller one is left out of the frame."""
PLAN = "plan.json"
"""In a sample folder: the plan that made the map; it can be run again."""
ESTIMATE = "estimate.json"
OTHERS = "other-programs"
"""Subfolder with the same places for other programs."""
K = TypeVar("K", bound="_Kept | _KeptChange")
LARGEST_ESTIMATE_BYTES = 50_000_000
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

    The strata are green loss, green gain, ground next to either (where most omissions lie), ground green on both dates, and the
    rest.
    """
    from scipy.ndimage import binary_dilation

    summary = _change_in(folder)
    codes, grid = _raster(folder / "change.tif")
    green = np.mean([_raster(folder / name)[0].astype(np.float32) for name in report.GREEN], axis=0) / 100
    named = {one.name: one.code for one in summary.classes}
    lost, gained = (codes == named["green lost"], codes == named["green gained"])
    compared = codes != NOT_COMPARED
    beside = binary_dilation(lost | gained, iterations=BESIDE_PX) & compared & ~lost & ~gained
    parts = {"lost": lost, "gained": gained, BESIDE: beside}
    rest = compared & ~lost & ~gained & ~beside
    parts |= {"kept": rest & (green >= HALF_GREEN), "neither": rest & (green < HALF_GREEN)}
    parts = {name: part for name, part in parts.items() if part.sum() >= FEWEST_PIXELS}
    whole = np.any(list(parts.values()), axis=0)
    strata = np.select(list(parts.values()), range(len(parts)), default=0).astype(np.intp)
    return Frame(
        place=summary.city.label,
        place_id=summary.city.id,
        plan_sha256=_map_sha256(folder),
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
        ),
        strata=strata,
        howgreen=__version__,
    )


def _change_in(folder: Path) -> ChangeSummary:
    """Read the figures of a change, from its own folder or a section of a report."""
    for name in ("change.json", "summary.json"):
        try:
            found = msgspec.json.decode((folder / name).read_bytes(), type=ChangeSummary)
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


def estimate_of(folder: Path, plan: Plan) -> EstimateFigures:
    """Read the estimate in a sample folder, for the report of the plan it was drawn from.

    Raises
    ------
    EstimateError
        There is no estimate yet, or it is of another sample or another plan's map.
    """
    drawn = load(folder / "sample.json")
    if drawn.plan_sha256 != plan_json.sha256_of(plan):
        raise EstimateError(
            f"{folder}: was drawn by another map than this one (place, images, model or version differ); "
            f"use the plan that it was drawn by, with --plan {folder / PLAN}"
        )
    found = _read_of(drawn, folder, _Kept)
    return EstimateFigures(
        **_interval(found.headline),
        **_rests_on(drawn, found),
        counted=found.counted,
        design=drawn.design,
        strata_bounds=drawn.bounds,
        frame_green=drawn.frame_green,
        frame_land=drawn.frame_land,
        without_map=DesignEstimate(**_interval(found.plain)),
        two_phase=None if found.two_phase is None else DesignEstimate(**_interval(found.two_phase)),
    )


LEAST_WIDER = 0.01
"""By which the bounds of what could not be told are wider than the interval, before a reader of the report is told."""


def with_estimate(result: CityResult, folder: Path) -> tuple[CityResult, EstimateFigures]:
    """Take the estimate of a sample folder for the report; doubts about its looks join the result's warnings."""
    figures = estimate_of(folder, result.plan)
    told = tuple(_doubts(_read(folder / ESTIMATE, _Kept)))
    warn(*told)
    return replace(result, warnings=(*result.warnings, *told)), figures


def _doubts(found: _Kept) -> Iterator[Caution]:
    """Tell of places that were passed over, and of dots that nobody could tell."""
    last = found.looked + len(found.skipped)
    if len(found.skipped) == 1:
        yield Caution(
            "looks-incomplete",
            f"1 of the first {last:,} places was passed over: what is hard to see is not there by chance; look at it with `howgreen label`",
        )
    elif found.skipped:
        yield Caution(
            "looks-incomplete",
            f"{len(found.skipped):,} of the first {last:,} places were passed over: what is hard to see is not there by chance; look at them "
            "with `howgreen label`",
        )
    bounds, lead = found.bounds, found.headline
    if bounds is not None and bounds.high - bounds.low > lead.high - lead.low + LEAST_WIDER:
        yield Caution(
            "looks-incomplete",
            f"{100 * bounds.unknown_share:.0f} % of the dots could not be told, and are taken to be as the others are: were they all bare, or "
            f"all green, the green ratio could lie between {100 * bounds.low:.0f} and {100 * bounds.high:.0f} %",
        )


def estimate_of_change(folder: Path) -> ChangeEstimateFigures:
    """Read the estimate of a sample of change, for the page of that change.

    Raises
    ------
    EstimateError
        There is no estimate yet, or it is of another sample or of one date.
    """
    drawn = load(folder / "sample.json")
    change = of_change(drawn)
    found = _read_of(drawn, folder, _KeptChange)
    return ChangeEstimateFigures(
        **_rests_on(drawn, found),
        areas=found.areas,
        mapped_m2=found.mapped_m2,
        users=_shares(found.users),
        producers=_shares(found.producers),
        unseen_m2=found.unseen_m2,
        level=found.level,
        skipped=len(found.skipped),
        strata=change.strata,
        area_m2=change.area_m2,
    )


def _rests_on(drawn: Sample, found: _Kept | _KeptChange) -> dict[str, Any]:
    """Gather the basis of an estimate of either kind: places, interpreters, days, images."""
    days = sorted(day.isoformat() for one in found.looks if (day := _day(one)) is not None)
    return {
        "looked": found.looked,
        "drawn": len(drawn.units),
        "readers": len(found.readers),
        "first_look": days[0] if days else "",
        "last_look": days[-1] if days else "",
        "images": found.images,
        "seed": drawn.seed,
        "dots": drawn.dots,
        "strata_weights": drawn.weights,
        "sample_sha256": drawn.sha256,
        "kappa": None if found.agreement is None else found.agreement.kappa,
    }


def _day(time: str) -> date | None:
    """Read the day of a look; None where a spreadsheet has written it in a way of its own, of which there are many."""
    try:
        return date.fromisoformat(time[:10])
    except ValueError:
        return None


def check_same_change(folder: Path, shown: Path) -> None:
    """Check that a sample was drawn from the change in a folder; EstimateError otherwise."""
    if load(folder / "sample.json").plan_sha256 != _map_sha256(shown):
        raise EstimateError(
            f"{folder}: was drawn from another change than this one (place, periods, images, model or mapping unit differ); "
            "ask for the change that it was drawn from, or draw a sample of this one"
        )


def _map_sha256(folder: Path) -> str:
    """Hash the map of a change, to which its sample belongs."""
    return hashlib.sha256((folder / "change.tif").read_bytes()).hexdigest()


class _Kept(msgspec.Struct, frozen=True):
    """The parts of ``estimate.json`` that a report uses."""

    sample: _KeptSample
    headline: Estimate
    plain: Estimate
    counted: Literal["vegetation", "vegetation-without-cropland", "canopy"]
    two_phase: Estimate | None
    agreement: _KeptAgreement | None
    looked: int
    skipped: tuple[int, ...]
    bounds: _KeptBounds | None
    readers: tuple[str, ...]
    looks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


class _KeptBounds(msgspec.Struct, frozen=True):
    unknown_share: float
    low: float
    high: float


class _KeptShare(msgspec.Struct, frozen=True):
    value: float | None
    se: float | None


def _shares(kept: dict[str, _KeptShare]) -> dict[str, ShareFigure]:
    return {name: ShareFigure(value=one.value, se=one.se) for name, one in kept.items()}


class _KeptChange(msgspec.Struct, frozen=True):
    """The parts of a change's ``estimate.json`` that a report uses."""

    sample: _KeptSample
    areas: SampledAreas
    mapped_m2: dict[str, float]
    users: dict[str, _KeptShare]
    producers: dict[str, _KeptShare]
    unseen_m2: float
    level: float
    agreement: _KeptAgreement | None
    looked: int
    skipped: tuple[int, ...]
    readers: tuple[str, ...]
    looks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


class _KeptSample(msgspec.Struct, frozen=True):
    sha256: str


class _KeptAgreement(msgspec.Struct, frozen=True):
    kappa: float | None


def _read_of(drawn: Sample, folder: Path, kind: type[K]) -> K:
    """Read a sample's estimate; EstimateError if there is none yet, or it is of another sample."""
    found = _read(folder / ESTIMATE, kind)
    if found.sample.sha256 != drawn.sha256:
        raise EstimateError(f"{folder / ESTIMATE}: is of another sample; run `howgreen estimate {folder}` again")
    return found


def _read(file: Path, kind: type[K]) -> K:
    try:
        if file.stat().st_size > LARGEST_ESTIMATE_BYTES:
            raise EstimateError(f"{file}: is larger than any estimate; run `howgreen estimate {file.parent}` again")
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except OSError as error:
        raise EstimateError(
            f"{file}: cannot be read ({error.strerror}); run `howgreen estimate {file.parent}` first"
        ) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise EstimateError(f"{file}: is no estimate ({error}); run `howgreen estimate {file.parent}` again") from error


def _interval(one: Estimate) -> dict[str, Any]:
    """Return the parts that a report shows; a ratio that the regression put beyond 0-1 is clipped."""
    return {
        "ratio": min(max(one.ratio, 0.0), 1.0), "low": one.low, "high": one.high, "level": one.level, "se": one.se, "df": one.df,
        "method": one.method,
    }  # fmt: skip
