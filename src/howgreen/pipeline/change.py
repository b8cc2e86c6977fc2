"""Two answers for one place, and the change between them.

Both periods are planned and run as `city` does, with one model on one grid; :mod:`howgreen.change` compares, and
:mod:`howgreen.report` makes the folder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from howgreen import change as stage
from howgreen import report
from howgreen import store as stores
from howgreen.change import Answer
from howgreen.core import cog
from howgreen.core.change import Change
from howgreen.core.errors import PlanError
from howgreen.core.period import Period, Season
from howgreen.core.types import UNSEEN
from howgreen.core.warnings import Caution, warn
from howgreen.pipeline import city as cities
from howgreen.pipeline import image_sources, planning
from howgreen.pipeline.estimates import check_same_change, doubts_of_change, estimate_of_change
from howgreen.pipeline.inputs import Catalogs, Store
from howgreen.pipeline.result import CityResult
from howgreen.pipeline.sampling import write_pictures
from howgreen.store import Options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from howgreen.core.types import City, Progress, Scene
    from howgreen.net.network import Network
    from howgreen.report.change_figures import ChangeSummary

Method = Literal["measured", "pca-kmeans"]
METHODS: tuple[Method, ...] = ("measured", "pca-kmeans")


@dataclass(frozen=True, kw_only=True)
class ChangeOptions:
    """Which change to find, and how."""

    method: Method = "measured"
    clusters: int | None = None
    """For ``pca-kmeans``; None for the number with the best silhouette."""
    mapping_unit_m2: float = 1000.0
    """For ``measured``: smaller patches are not change."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise PlanError(f"method {self.method!r} is unknown: use one of {', '.join(METHODS)}")
        if self.clusters is not None and not 2 <= self.clusters <= stage.MOST_CLUSTERS:
            raise PlanError(f"{self.clusters} clusters: from 2 to {stage.MOST_CLUSTERS} can be told apart")
        if self.mapping_unit_m2 < 0:
            raise PlanError(f"a mapping unit of {self.mapping_unit_m2:g} m2: it is 0 or more")


def answers(
    place: City,
    periods: tuple[Season | Period | str, Season | Period | str],
    images: Store | Catalogs | None,
    choice: planning.Choice,
    *,
    network: Network,
    progress: Progress | None = None,
) -> tuple[CityResult, CityResult]:
    """Answer for both periods with one model.

    Parameters
    ----------
    choice
        Sensor and model; its period is ignored.

    Raises
    ------
    HowgreenError
        As :func:`howgreen.pipeline.city.plan` and ``run``.
    """
    first, second = map(_first_day, periods)
    if first is not None and second is not None and first > second:
        raise PlanError(
            f"{periods[0]} is later than {periods[1]}: what was lost would be called gained; name the earlier period with --from, the later one "
            "with --to"
        )
    if place.synthetic:
        make_earlier_sample(place, images, progress=progress)
    before = cities.answer(place, images, replace(choice, period=periods[0]), network=network, progress=progress)
    # One model for both: the difference between two models is not change.
    alike = replace(choice, model=choice.model or before.plan.model, sensor=before.plan.sensor)
    after = cities.answer(place, images, replace(alike, period=periods[1]), network=network, progress=progress)
    if {scene.id for scene in before.plan.scenes} == {scene.id for scene in after.plan.scenes}:
        raise PlanError(
            f"{place.label}: both periods have the same images ({before.plan.period} and {after.plan.period}): name two that differ"
        )
    return before, after


def _first_day(asked: Season | Period | str | int | date | None) -> date | None:
    """Return the first day of a period; None if it names no day."""
    given = asked.period if isinstance(asked, Season) else asked
    if given is None:
        return None
    return (given if isinstance(given, Period) else Period.parse(planning.period_text(given))).start


def make_earlier_sample(place: City, images: Store | Catalogs | None, *, progress: Progress | None = None) -> None:
    """Simulate the sample city's earlier year, if the place is the sample."""
    from howgreen import sample

    root = (
        None if isinstance(images, Catalogs) else image_sources.find_store(place.name, images.path if images else None)
    )
    if root is not None:
        sample.ensure_earlier(root, progress=progress)


def find(before: CityResult, after: CityResult, options: ChangeOptions) -> Change:
    """Compare two answers."""
    one, other = (Answer(composite=each.composite, landcover=each.landcover) for each in (before, after))
    if options.method == "pca-kmeans":
        found = stage.clusters(one, other, before.plan.city, number=options.clusters)
    else:
        found = stage.measured(one, other, before.plan.city, mapping_unit_m2=options.mapping_unit_m2)
    return replace(found, warnings=(*_doubts(before, after), *stage.misplaced(one, other), *found.warnings))


def _doubts(before: CityResult, after: CityResult) -> Iterator[Caution]:
    """Yield doubts about both answers, each once, and then those about one of them."""
    yield from (one for one in before.warnings if one in after.warnings)
    for word, each, other in (("before", before, after), ("after", after, before)):
        yield from (Caution(one.code, f"{word}: {one.text}") for one in each.warnings if one not in other.warnings)


def write(
    before: CityResult,
    after: CityResult,
    found: Change,
    *,
    out: str | Path | report.Destination,
    sample_folder: Path | None = None,
    progress: Progress | None = None,
) -> ChangeSummary:
    """Write the folder that shows a change, or a section of a report; return its figures.

    Parameters
    ----------
    sample_folder
        Folder of an interpreted sample of this same change: its estimate leads.

    Raises
    ------
    EstimateError
        It holds no estimate, or one of another change.
    """
    told = [one for one in found.warnings if one.code.startswith("change-")]
    estimate = None
    if sample_folder is not None:
        estimate, untold = estimate_of_change(sample_folder), tuple(doubts_of_change(sample_folder))
        found = replace(found, warnings=(*found.warnings, *untold))
        told += untold
    warn(*told)
    with report.opened(report.Destination.of(out), "change", progress=progress) as desk:
        _write_dates((before, after), desk.folder)
        summary = report.write_change(before, after, found, desk, estimate=estimate)
        if sample_folder is not None:
            check_same_change(sample_folder, desk.folder)
        return summary


def _write_dates(both: tuple[CityResult, CityResult], folder: Path) -> None:
    """Write the green share and picture of each date, from which a sample of the change is drawn and interpreted."""
    for result, name in zip(both, report.GREEN, strict=True):
        data = result.landcover.data
        label, share = np.asarray(data["label"].values), np.asarray(data["green_fraction"].values, np.float32)
        bare = (label == UNSEEN) | np.isin(label, result.landcover.water_codes) | ~np.isfinite(share)
        percent = np.where(bare, 255, np.rint(100 * np.nan_to_num(share))).astype(np.uint8)
        cog.write(folder / name, percent, grid=result.plan.grid, band=name.removesuffix(".tif"), nodata=255)
    if all({"red", "green", "blue"} <= set(result.composite.bands) for result in both):
        write_pictures(both, ("red", "green", "blue"), [folder / name for name in report.PHOTOS])


def pair_in_store(
    files: tuple[Path, Path],
    *,
    root: Path,
    days: tuple[date | None, date | None],
    boundary: City | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> tuple[City, tuple[Period, Period]]:
    """Put two image files into a new store, and return the place they show and their days.

    Parameters
    ----------
    files
        As for ``howgreen store add``, before and after.
    root
        An empty folder.
    days
        Needed if the files do not say them.
    boundary
        Limits; None for the footprint of the first image.

    Raises
    ------
    ImageError, PlanError
        A file that cannot be read, or two images of one day.
    """
    given = options or Options()
    name = boundary.name if boundary is not None else f"{files[0].stem} and {files[1].stem}"
    found: list[Scene | None] = []
    for file, day in zip(files, days, strict=True):
        known = {scene.id for scene in stores.scenes(root)} if found else set[str]()
        stores.add(
            [file],
            root=root,
            city=name,
            boundary=boundary,
            options=replace(given, date=day or given.date),
            progress=progress,
        )
        found.append(next((scene for scene in stores.scenes(root) if scene.id not in known), None))
    first, second = found
    if first is None or second is None or first.time.date() >= second.time.date():
        raise PlanError(
            f"{files[0].name} and {files[1].name}: two images of two days are needed, the older first; say the days with "
            "--from YYYY-MM-DD --to YYYY-MM-DD"
        )
    periods = tuple(Period(start=one.time.date(), end=one.time.date()) for one in (first, second))
    city = stores.place(root, name)
    if city is None:
        raise PlanError(f"{files[0].name}: shows no place")
    return city, (periods[0], periods[1])
