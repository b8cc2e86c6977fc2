"""One city per task: plan, run, write its folders atomically, and return one small row per year.

A restarted run plans each city again, and keeps the reports whose plans are identical.
"""

from __future__ import annotations

import ctypes
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from howgreen.batch._cities import Entry, folder_of
from howgreen.batch._ranking import Row
from howgreen.core.errors import HowgreenError, NetworkError
from howgreen.core.text import one_line
from howgreen.core.threads import at_most, cores
from howgreen.core.types import Progress
from howgreen.core.warnings import HowgreenWarning

if TYPE_CHECKING:
    from howgreen.core.period import Period, Season
    from howgreen.core.types import City, Plan
    from howgreen.pipeline.inputs import Catalogs, Network, Store
    from howgreen.report import Summary

T = TypeVar("T")

TRIES = 3
"""Tries per city after a network or disk failure; any other error would recur."""
_MALLOC = {-8: 1, -3: 32 * 2**20, -1: 64 * 2**20}
"""M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's malloc.h: one heap, and the highest thresholds glibc
sets by itself."""
_DETAIL = 0.0002
"""Tolerance of outlines in the tables, in degrees: 20 m."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Settings applied to every city."""

    images: Store | Catalogs | None = None
    osm: Path | None = None
    """OpenStreetMap extract for name look-ups."""
    period: Period | Season | str | None = None
    """Ignored if years are given."""
    years: tuple[int, ...] = ()
    """Years to answer, with the same limits and the same model."""
    months: tuple[int, int] | None = None
    """First and last month of each year; None for the calendar's growing season."""
    sensor: str = "sentinel-2"
    model: str | None = None
    network: Network | None = None
    by: Literal["vegetation", "osm-green"] = "vegetation"
    """Ranking criterion: vegetation seen by satellites, or green areas mapped in OpenStreetMap."""
    language: str = "en"
    """Language of each city's report."""

    @property
    def spans(self) -> tuple[tuple[int | None, Period | Season | str | None], ...]:
        """List the years with their periods; a single entry without a year if one period is given."""
        if not self.years:
            return ((None, self.period),)
        from howgreen.pipeline.trending import period_of

        return tuple((year, period_of(year, self.months)) for year in self.years)


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Parallelism of a run."""

    count: int = 2
    """Threads of this process, each with one city; on a cluster, the least number of cities submitted at once."""
    scheduler: str | None = None
    """Address of a Dask cluster, ``tcp://…``: its workers take one city each, and write to the folder, which all of
    them must see."""


def rank(
    entries: Sequence[Entry],
    ask: Ask,
    out: Path,
    *,
    workers: Workers | None = None,
    progress: Progress,
    run: Callable[[Entry, Ask, Path], tuple[Row, ...]] | None = None,
) -> list[Row]:
    """Answer every city, as many at once as there are workers; return the rows in list order, by year.

    An error affects only its own city, whose row reports it.

    Parameters
    ----------
    run
        Task for each city; None for :func:`one_city`.
    """
    task = run or one_city
    done = each(entries, ask, out, task=task, failed=failed_rows, workers=workers or Workers(), progress=progress)
    return [row for rows in done for row in rows]


def each(
    entries: Sequence[Entry],
    ask: Ask,
    out: Path,
    *,
    task: Callable[[Entry, Ask, Path], T],
    failed: Callable[[Entry, Ask, str], T],
    workers: Workers,
    progress: Progress,
) -> list[T]:
    """Run a task for every city; return the results in list order.

    Parameters
    ----------
    failed
        Makes the result for a city whose task raised, or whose worker died; called with the reason.
    """
    results = dict[str, T]()
    with warnings.catch_warnings():
        # They are in each city's report, and their codes in the table.
        warnings.simplefilter("ignore", HowgreenWarning)
        with _pool(workers) as pool:
            for entry, future in pool.as_completed(task, entries, ask, out):
                results[entry.key] = _result(future, lambda why, entry=entry: failed(entry, ask, why))  # type: ignore[misc]
                progress("cities", len(results), len(entries))
    return [results[entry.key] for entry in entries]


def _result(future: Future[T], failed: Callable[[str], T]) -> T:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 (whatever befalls a city, the others go on)
        return failed(one_line(f"{type(error).__name__}: {error}"))


@dataclass(frozen=True, kw_only=True)
class _Pool(Generic[T]):
    """An executor, and how many tasks to keep submitted."""

    name: str
    executor: Executor
    width: Callable[[], int]
    """Cities processed at once, as of now: a cluster may grow."""
    share: int
    """Threads that each city may use."""

    def as_completed(
        self, task: Callable[[Entry, Ask, Path], T], entries: Sequence[Entry], ask: Ask, out: Path
    ) -> Iterator[tuple[Entry, Future[T]]]:
        """Yield cities as they finish; no more are queued than running, for prompt stops and flat memory."""
        left, running = iter(entries), dict[Future[T], Entry]()

        def start() -> None:
            for entry in islice(left, max(2 * self.width() - len(running), 0)):
                running[self.executor.submit(_within, self.share, task, entry, ask, out)] = entry

        start()
        try:
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    if future.cancelled():  # not by us: a lost scheduler cancels all its tasks
                        raise _gone(self.name)
                    yield running.pop(future), future
                start()
        finally:
            for future in running:
                future.cancel()


def _within(share: int, task: Callable[[Entry, Ask, Path], T], entry: Entry, ask: Ask, out: Path) -> T:
    """Run a city's task on its share of the processor; its warnings are in its report, their codes in the table."""
    warnings.simplefilter("ignore", HowgreenWarning)  # on a cluster, in another process
    with at_most(share):
        return task(entry, ask, out)


@contextmanager
def _pool(workers: Workers) -> Iterator[_Pool[Any]]:
    """Start threads in this process, or connect to a Dask cluster.

    Raises
    ------
    MissingExtraError
        The package distributed is not installed.
    NetworkError
        No scheduler responds at the address.
    """
    if workers.scheduler is None:
        with ThreadPoolExecutor(workers.count) as pool:
            share = max(cores() // workers.count, 1)
            yield _Pool(name="threads", executor=pool, width=lambda: workers.count, share=share)
        return
    from howgreen.pipeline.cluster import cluster

    with cluster(workers.scheduler) as client:
        # A city that kills its worker would also kill the next one.
        executor = client.get_executor(pure=False, retries=0)
        yield _Pool(
            name=f"scheduler {workers.scheduler}",
            executor=executor,
            width=lambda: max(_threads(client, workers.scheduler), workers.count),
            share=1,  # a worker's other threads, and the machine's other workers, have their own cities
        )


def _threads(client: Any, scheduler: str | None) -> int:
    """Count a cluster's current threads."""
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise _gone(f"scheduler {scheduler}") from error


def _gone(name: str) -> NetworkError:
    return NetworkError(f"{name}: is gone; the cities that were answered are kept, run again for the others")


def failed_rows(entry: Entry, ask: Ask, error: str) -> tuple[Row, ...]:
    """Return the rows of a city without an answer, one per year."""
    return tuple(Row(key=entry.key, name=entry.name, year=year, counted=ask.by, error=error) for year, _ in ask.spans)


@cache
def _share_one_heap() -> None:
    """Make all threads of this process allocate from one heap, which returns only large blocks.

    Every city starts new threads, and glibc gives threads their own heaps and keeps them: the process grew by a third
    of a MiB per city, which one heap avoids. A heap that returns every array has each page of the next one zeroed
    again: on a cluster, that cost a city a quarter of its processor time. Allocators of other systems have no such
    settings.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for setting, value in _MALLOC.items():
            libc.mallopt(setting, value)


def one_city(entry: Entry, ask: Ask, out: Path) -> tuple[Row, ...]:
    """Answer one city in each year, retrying after network or disk failures."""
    _share_one_heap()
    place = tried(lambda: find(entry, ask))
    if isinstance(place, str):
        return failed_rows(entry, ask, place)
    if ask.by == "osm-green":
        row = tried(lambda: _mapped(entry, ask, place, folder_of(entry.key, out)))
        return failed_rows(entry, ask, row) if isinstance(row, str) else (row,)
    rows = []
    for year, period in ask.spans:
        asked = replace(ask, period=period)
        row = tried(lambda asked=asked, year=year: _answered(entry, asked, place, out, year))  # type: ignore[misc]
        if isinstance(row, str):
            row = Row(key=entry.key, name=entry.name, year=year, error=row)
        rows.append(row)
        ask = replace(ask, model=ask.model or row.model or None)  # the difference between two models is not change
    return tuple(rows)


def tried(work: Callable[[], T]) -> T | str:
    """Run a function, retrying after network or disk failures; return the error's text if it fails for good."""
    for left in reversed(range(TRIES)):
        try:
            return work()
        except (NetworkError, OSError) as error:
            if not left:
                return one_line(str(error))
        except HowgreenError as error:
            return one_line(str(error))
    raise AssertionError("every try ends above")


def find(entry: Entry, ask: Ask) -> City:
    """Look up a city's limits if the list lacks them; simulate the sample city's earlier year if requested."""
    from howgreen.pipeline import inputs

    if not isinstance(entry.place, str):
        return entry.place
    store = ask.images if isinstance(ask.images, inputs.Store) else None
    place = inputs.place_from_name(entry.place, store=store, osm=ask.osm, network=ask.network)
    if place.synthetic and ask.years:
        from howgreen.pipeline.change import make_earlier_sample

        make_earlier_sample(place, ask.images)
    return place


def planned(ask: Ask, place: City) -> Plan:
    """Plan one city for the requested period."""
    from howgreen.pipeline import city as one

    return one.plan(
        place, images=ask.images, period=ask.period, sensor=ask.sensor, model=ask.model, network=ask.network
    )


def earlier(plan: Plan, folder: Path, language: str) -> Summary | None:
    """Return the figures of an earlier report of this same plan in this language."""
    from howgreen.pipeline import reruns

    summary = reruns.earlier(plan, folder)
    return summary if summary is not None and summary.language == language else None


def _answered(entry: Entry, ask: Ask, place: City, out: Path, year: int | None) -> Row:
    """Plan, and run unless a report of the same plan exists."""
    from howgreen.pipeline import city as one
    from howgreen.pipeline import workdir

    plan, folder = planned(ask, place), folder_of(entry.key, out, year)
    summary = earlier(plan, folder, ask.language)
    if summary is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        result = one.run(plan)
        summary = one.write(result, folder, language=ask.language)
        workdir.forget(plan)
    return replace(row_of(entry, summary, plan), year=year)


_OF_INTERVAL = ("low", "high", "model_low", "model_high", "level")


def row_of(entry: Entry, summary: Summary, plan: Plan) -> Row:
    """Extract from a city's figures what a ranking needs."""
    from howgreen.pipeline.plan_json import sha256_of
    from howgreen.pipeline.trending import series_of

    dates = sorted(str(scene.date) for scene in summary.scenes)
    interval = summary.interval
    return Row(
        key=entry.key,
        name=entry.name,
        label=summary.city.label,
        green_ratio=summary.green_ratio,
        **({} if interval is None else {end: getattr(interval, end) for end in _OF_INTERVAL}),
        observed_ratio=summary.observed_ratio,
        land_area_m2=summary.land_area_m2,
        first_date=dates[0] if dates else "",
        last_date=dates[-1] if dates else "",
        n_dates=len(set(dates)),
        sensor=summary.sensor,
        series=series_of(plan.scenes),
        model=summary.model.name,
        plan_sha256=sha256_of(plan),
        warnings=tuple(dict.fromkeys(one.code for one in summary.warnings)),
        error=_why(summary),
        credits=tuple(summary.attributions),
        wkt=plan.city.boundary.simplify(_DETAIL).wkt,
    )


def _why(summary: Summary) -> str:
    """Say why there is no ratio; empty if there is one."""
    if summary.green_ratio is not None:
        return ""
    return "all of it that was seen is water" if summary.observed_ratio is None else "no land was seen clearly"


def _mapped(entry: Entry, ask: Ask, place: City, folder: Path) -> Row:
    """Write the green areas mapped in OpenStreetMap; there is no plan, so this is repeated each time."""
    from howgreen.osm.extract import extract_date
    from howgreen.pipeline.osm_green import osm_green

    folder.parent.mkdir(parents=True, exist_ok=True)
    found = osm_green(place, out=folder, osm=ask.osm, network=ask.network)
    day = extract_date(ask.osm) if ask.osm is not None else ""
    return Row(
        key=entry.key,
        name=entry.name,
        label=found.city.label,
        first_date=day,
        last_date=day,
        counted="osm-green",
        green_ratio=found.share,
        sensor="openstreetmap",
        credits=tuple(found.summary["attributions"]),
        wkt=found.city.boundary.simplify(_DETAIL).wkt,
    )
