"""One city's journey, on one page: a name becomes a plan, a plan becomes a green ratio with the map that proves it.

:func:`plan` looks everything up without reading reflectance; :func:`run` is one line per stage; :func:`city` does both.
:func:`write` (:mod:`howgreen.pipeline.result`) makes the report folder.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen import imagery, landcover, measure
from howgreen.core import notebook, types
from howgreen.core.errors import ImageError, PlanError
from howgreen.core.threads import pool
from howgreen.core.types import Period, Progress, Season
from howgreen.core.warnings import warn
from howgreen.net.network import Network
from howgreen.pipeline import _doubts, locks, planning, workdir
from howgreen.pipeline._checkpoint import block_px, kept
from howgreen.pipeline._doubts import gather
from howgreen.pipeline._provenance import provenance
from howgreen.pipeline.inputs import Catalogs, Store
from howgreen.pipeline.plan_json import Plan
from howgreen.pipeline.result import CityResult, write

if TYPE_CHECKING:
    from datetime import date

    from howgreen.pipeline.inputs import Area

__all__ = ["CityResult", "Plan", "city", "plan", "read_plan", "run", "write"]


def plan(
    place: Area | None = None,
    *,
    images: Store | Catalogs | None = None,
    period: Season | Period | str | int | date | None = None,
    sensor: str = "sentinel-2",
    model: str | Path | None = None,
    network: Network | None = None,
    progress: Progress | None = None,
    store: str | Path | None = None,
) -> Plan:
    """Look up everything the answer depends on; of the images, only coarse cloud masks are read.

    Parameters
    ----------
    place
        A name, an OSM id (``R120965``), coordinates (``"45.76, 4.84"``), a shape, the Path of a boundary file, or a
        City (see :func:`howgreen.place_from_name` and its like).
    images
        A :class:`Store`, or :class:`Catalogs`. None for the user's own store (or the embedded sample when Sampleton is
        asked for) where it shows the place, else the open catalogues.
    period
        ``"2024-05/2024-09"``; a year by itself is its growing season; ``Season("peak", 2024)`` for its greenest months
        as measured; None for the newest growing season that has images.
    sensor
        Key of :data:`howgreen.core.sensors.SENSORS`.
    model
        Name of a shipped or added model, or path of an ONNX file; None for the best one that the images' bands allow.
    network
        How to reach services; ``Network(offline=True)`` for none.
    progress
        Called with ``(stage, steps done, steps in all)``.
    store
        Folder of a store: short for ``images=Store(folder)``.

    Raises
    ------
    HowgreenError
        One line: what, where, and what to do.
    """
    choice = planning.Choice(sensor=sensor, model=model, period=period)
    progress = progress or notebook.bars()
    city, images, network = planning.look_up(place, images, store=store, network=network, progress=progress)
    with imagery.shared_files():
        made = planning.make(city, images, choice, network=network, progress=progress, then=lambda plan: plan)
    warn(*made.warnings)
    return made


def run(plan: types.Plan, *, work: str | Path | None = None, progress: Progress | None = None) -> CityResult:
    """Carry out a plan; the same plan gives the same answer.

    A scene whose pixels contradict its metadata, or cannot be decoded, is left out with a warning if other scenes
    remain.

    Parameters
    ----------
    work
        Folder for finished blocks; an interrupted run resumes from them. None for the user's cache.
    """
    if not isinstance(plan, types.Plan):
        raise PlanError(f"run() takes a plan: howgreen.run(howgreen.plan(...)), or Plan.load(file); not {plan!r}")
    told, progress = plan.warnings, progress or notebook.bars()
    with imagery.shared_files():
        while True:
            try:
                result = _run(plan, work, progress)
                break
            except ImageError as error:
                changed = planning.without(plan, error)
                workdir.forget(plan)
                plan = changed
    warn(*(caution for caution in result.warnings if caution not in told))
    return result


def _run(plan: types.Plan, work: str | Path | None, progress: Progress | None) -> CityResult:
    import rasterio

    model = landcover.for_plan(landcover.planned_model(plan.model, sha256=plan.model_sha256), plan)
    workdir.check_files(plan)
    folder = workdir.work_folder(plan, work)
    locks.hold(folder)
    # GDAL's cache would take 5 % of memory for the blocks of open files, and a composite reads each block only once.
    with rasterio.Env(GDAL_CACHEMAX=64_000_000):
        with pool(2) as aside:
            checked = aside.submit(provenance, plan)  # while libraries load and blocks are made
            scaled = imagery.composite_scaled(
                plan.scenes,
                radar=plan.radar,
                grid=plan.grid,
                bands=plan.bands,
                block_px=block_px(plan),
                aside=aside,
            )
            composite, covered = kept(plan, scaled, model, folder / "pixels", _stopped_by(checked, progress))
            record = checked.result()
        zones = measure.green(covered, plan.city, n_clear=composite.data["n_clear"], progress=progress)
    cautions = gather(
        plan, composite.warnings, covered.warnings, _doubts.of_answer(zones[0].stats, model.card, record, plan.city)
    )
    return CityResult(
        plan=plan,
        composite=composite,
        landcover=covered,
        stats=zones[0].stats,
        zones=measure.to_frame(zones),
        card=model.card,
        provenance=record,
        warnings=cautions,
    )


def _stopped_by(checked: Future[Any], progress: Progress | None) -> Progress:
    """Report progress until a parallel check fails: a contradictory scene ends the run at the next block."""

    def tell(stage: str, done: int, total: int) -> None:
        if checked.done():
            checked.result()
        if progress is not None:
            progress(stage, done, total)

    return tell


def city(
    place: Area | None = None,
    *,
    images: Store | Catalogs | None = None,
    period: Season | Period | str | int | date | None = None,
    sensor: str = "sentinel-2",
    model: str | Path | None = None,
    network: Network | None = None,
    progress: Progress | None = None,
    store: str | Path | None = None,
) -> CityResult:
    """Answer how green a city is: :func:`plan`, then :func:`run`; the parameters are those of :func:`plan`.

    If one catalogue's images turn out to be unreadable, the next catalogue is planned with and read.
    """
    choice = planning.Choice(sensor=sensor, model=model, period=period)
    progress = progress or notebook.bars()
    found, images, network = planning.look_up(place, images, store=store, network=network, progress=progress)
    return answer(found, images, choice, network=network, progress=progress)


def answer(
    place: types.City,
    images: Store | Catalogs | None,
    choice: planning.Choice,
    *,
    network: Network,
    check: Callable[[Plan], object] | None = None,
    progress: Progress | None = None,
) -> CityResult:
    """Plan and run for a place already found; ``check`` inspects each plan before it runs, and raises to stop."""

    def carried_out(made: Plan) -> CityResult:
        warn(*made.warnings)
        if check is not None:
            check(made)
        return run(made, progress=progress)

    with imagery.shared_files():
        return planning.make(place, images, choice, network=network, progress=progress, then=carried_out)


def read_plan(path: str | Path) -> Plan:
    """Read a plan saved as JSON: :meth:`Plan.load`."""
    return Plan.load(path)
