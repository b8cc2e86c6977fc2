"""One city, one task: it plans, runs, writes its own folders whole or not at all, and hands back a small row a year.

A run that was interrupted and started again plans each city anew and keeps the reports of plans that are the same to the letter.
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
"""Of one city, where a network or a disk failed; any other error is the same the next time."""
_MALLOC = {-8: 1, -3: 32 * 2**20, -1: 64 * 2**20}
"""M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's malloc.h: one heap, and the highest thresholds that glibc sets by itself."""
_DETAIL = 0.0002
"""Degrees by which outlines in the tables may be off: 20 m."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is asked of every city."""

    images: Store | Catalogs | None = None
    osm: Path | None = None
    """OpenStreetMap extract in which names are looked up."""
    period: Period | Season | str | None = None
    """Not looked at where years are asked for."""
    years: tuple[int, ...] = ()
    """Each is answered, with the same limits and the same model."""
    months: tuple[int, int] | None = None
    """First and last month of each year; None for the growing season by the calendar."""
    sensor: str = "sentinel-2"
    model: str | None = None
    network: Network | None = None
    by: Literal["vegetation", "osm-green"] = "vegetation"
    """What is ranked: what satellites saw, or what OpenStreetMap's mappers drew as green."""
    language: str = "en"
    """Of each city's report."""

    @property
    def spans(self) -> tuple[tuple[int | None, Period | Season | str | None], ...]:
        """List the years with their days; one without a year where one period is asked for."""
        if not self.years:
            return ((None, self.period),)
        from howgreen.pipeline.trending import period_of

        return tuple((year, period_of(year, self.months)) for year in self.years)


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Who does the work."""

    count: int = 2
    """Threads of this process, each with a city; on a cluster, the least number of cities that it is given at once."""
    scheduler: str | None = None
    """Address of a Dask cluster, ``tcp://…``: its workers take a city each, and write to the folder, which all of them must see."""


def rank(
    entries: Sequence[Entry],
    ask: Ask,
    out: Path,
    *,
    workers: Workers | None = None,
    progress: Progress,
    run: Callable[[Entry, Ask, Path], tuple[Row, ...]] | None = None,
) -> list[Row]:
    """Answer every city, as many at once as there are workers; the rows in the order of the list, by year.

    An error costs its own city and no other: the row says it.

    Parameters
    ----------
    run
        What is done for a city; None for :func:`one_city`.
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
    """Do a task for every city; the results in the order of the list.

    Parameters
    ----------
    failed
        What stands for a city whose task raised, or whose worker died: told the reason.
    """
    results = dict[str, T]()
    with warnings.catch_warnings():
        # They stand in each city's report, and their codes in the table.
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
    """What takes tasks, and how many it should have at a time."""

    name: str
    executor: Executor
    width: Callable[[], int]
    """Cities that are worked on at once, now: a cluster may grow."""
    share: int
    """Threads that each of them may keep busy."""

    def as_completed(
        self, task: Callable[[Entry, Ask, Path], T], entries: Sequence[Entry], ask: Ask, out: Path
    ) -> Iterator[tuple[Entry, Future[T]]]:
        """Yield cities as they end; no more wait than are worked on, so that a stop is soon and memory flat."""
        left, running = iter(entries), dict[Future[T], Entry]()

        def start() -> None:
            for entry in islice(left, max(2 * self.width() - len(running), 0)):
                running[self.executor.submit(_within, self.share, task, entry, ask, out)] = entry

        start()
        try:
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    if future.cancelled():  # by no one here: a scheduler that is lost takes all of them with it
                        raise _gone(self.name)
                    yield running.pop(future), future
                start()
        finally:
            for future in running:
                future.cancel()


def _within(share: int, task: Callable[[Entry, Ask, Path], T], entry: Entry, ask: Ask, out: Path) -> T:
    """Do a city's task on its share of the processor; what it warns of stands in its report, and its codes in the table."""
    warnings.simplefilter("ignore", HowgreenWarning)  # on a cluster, of a process elsewhere
    with at_most(share):
        return task(entry, ask, out)


@contextmanager
def _pool(workers: Workers) -> Iterator[_Pool[Any]]:
    """Make threads of this process, or take a Dask cluster.

    Raises
    ------
    MissingExtraError
        The package distributed is not installed.
    NetworkError
        No scheduler answers at the address.
    """
    if workers.scheduler is None:
        with ThreadPoolExecutor(workers.count) as pool:
            share = max(cores() // workers.count, 1)
            yield _Pool(name="threads", executor=pool, width=lambda: workers.count, share=share)
        return
    from howgreen.pipeline.cluster import cluster

    with cluster(workers.scheduler) as client:
        # A city that kills its worker would kill the next one too.
        executor = client.get_executor(pure=False, retries=0)
        yield _Pool(
            name=f"scheduler {workers.scheduler}",
            executor=executor,
            width=lambda: max(_threads(client, workers.scheduler), workers.count),
            share=1,  # a worker's other threads, and other workers of its machine, have cities of their own
        )


def _threads(client: Any, scheduler: str | None) -> int:
    """Count the threads that a cluster has now."""
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise _gone(f"scheduler {scheduler}") from error


def _gone(name: str) -> NetworkError:
    return NetworkError(f"{name}: is gone; the cities that were answered are kept, run again for the others")


def failed_rows(entry: Entry, ask: Ask, error: str) -> tuple[Row, ...]:
    """Return what stands for a city without an answer, in each of its years."""
    return tuple(Row(key=entry.key, name=entry.name, year=year, counted=ask.by, error=error) for year, _ in ask.spans)


@cache
def _share_one_heap() -> None:
    """Let all threads of this process take their memory from one heap, which gives back what is much only.

    Every city starts threads anew, and glibc gives threads heaps of their own, which it keeps: a process grew by a third of a MiB with
    each city, and does not with one heap. A heap that gives back each array has each page of the next one cleared again: on a cluster,
    a city spent a quarter of its processor time on that. Other systems' allocators know no such settings.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for setting, value in _MALLOC.items():
            libc.mallopt(setting, value)


def one_city(entry: Entry, ask: Ask, out: Path) -> tuple[Row, ...]:
    """Answer one city in each year; what a network or a disk refuses is tried again."""
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
        ask = replace(ask, model=ask.model or row.model or None)  # what two models differ by is no change
    return tuple(rows)


def tried(work: Callable[[], T]) -> T | str:
    """Do a piece of work, again where a network or a disk refused; what is wrong where it cannot be done."""
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
    """Look a city's limits up, where the list does not hold them; the sample city's earlier year is made where it is asked for."""
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
    """Plan one city in the period that is asked for."""
    from howgreen.pipeline import city as one

    return one.plan(
        place, images=ask.images, period=ask.period, sensor=ask.sensor, model=ask.model, network=ask.network
    )


def earlier(plan: Plan, folder: Path, language: str) -> Summary | None:
    """Return the figures of an earlier report of this very plan in this language."""
    from howgreen.pipeline import reruns

    summary = reruns.earlier(plan, folder)
    return summary if summary is not None and summary.language == language else None


def _answered(entry: Entry, ask: Ask, place: City, out: Path, year: int | None) -> Row:
    """Plan, and run where no report of the same plan is there."""
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
    """Take from a city's figures what a ranking needs."""
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
    """Say why there is no ratio; nothing where there is one."""
    if summary.green_ratio is not None:
        return ""
    return "all of it that was seen is water" if summary.observed_ratio is None else "no land was seen clearly"


def _mapped(entry: Entry, ask: Ask, place: City, folder: Path) -> Row:
    """Write what OpenStreetMap maps as green; it has no plan, and is done anew each time."""
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
