"""One city, one task: it plans, runs, writes its own folder whole or not at all, and hands back a small row.

A run that was interrupted and started again plans each city anew and keeps the reports of plans that are the same to the letter.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.batch.cities import Entry
from howgreen.batch.ranking import Row
from howgreen.core.errors import HowgreenError, MissingExtraError, NetworkError
from howgreen.core.text import one_line
from howgreen.core.types import Progress
from howgreen.core.warnings import HowgreenWarning

if TYPE_CHECKING:
    from howgreen.core.period import Season
    from howgreen.core.types import City
    from howgreen.net.network import Network
    from howgreen.pipeline.inputs import Catalogs, Store
    from howgreen.report import Summary

TRIES = 3
"""Of one city, where a network or a disk failed; any other error is the same the next time."""
WAIT_S = 20.0
"""For a scheduler to answer."""
FOLDER = "cities"
_DETAIL = 0.0002
"""Degrees by which outlines on the page may be off: 20 m."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is asked of every city."""

    images: Store | Catalogs | None = None
    osm: Path | None = None
    """OpenStreetMap extract in which names are looked up."""
    period: Season | str | None = None
    sensor: str = "sentinel-2"
    model: str | None = None
    network: Network | None = None


def rank(
    entries: Sequence[Entry],
    ask: Ask,
    out: Path,
    *,
    workers: int = 2,
    scheduler: str | None = None,
    progress: Progress,
    run: Callable[[Entry, Ask, Path], Row] | None = None,
) -> list[Row]:
    """Answer every city, as many at once as there are workers; the rows in the order of the list.

    An error costs its own city and no other: the row says it.

    Parameters
    ----------
    workers
        Threads of this process, each with a city; not used with a scheduler.
    scheduler
        Address of a Dask cluster, ``tcp://…``: its workers take a city each, and write to ``out``, which all of them must see.
    run
        What is done for a city; None for :func:`one_city`.
    """
    task, rows = run or one_city, dict[str, Row]()
    with warnings.catch_warnings():
        # They stand in each city's report, and their codes in the table.
        warnings.simplefilter("ignore", HowgreenWarning)
        with _pool(workers, scheduler) as (pool, most):
            for row in _as_completed(pool, task, entries, ask, out, most):
                rows[row.key] = row
                progress("cities", len(rows), len(entries))
    return [rows[entry.key] for entry in entries]


@contextmanager
def _pool(workers: int, scheduler: str | None) -> Iterator[tuple[Executor, int]]:
    """Make threads of this process, or take a Dask cluster; also how many cities it works on at once.

    Raises
    ------
    MissingExtraError
        The package distributed is not installed.
    NetworkError
        No scheduler answers at the address.
    """
    if scheduler is None:
        with ThreadPoolExecutor(workers) as pool:
            yield pool, workers
        return
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError("a Dask cluster (distributed)", "cluster") from error
    try:
        # It says of few of its functions what they give.
        client: Any = distributed.Client(scheduler, timeout=WAIT_S)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise NetworkError(
            f"scheduler {scheduler}: does not answer ({one_line(str(error))[:120]}); check its address"
        ) from error
    with client:
        # A city that kills its worker would kill the next one too.
        yield client.get_executor(pure=False, retries=0), max(len(client.scheduler_info(n_workers=-1)["workers"]), 1)


def _as_completed(
    pool: Executor,
    task: Callable[[Entry, Ask, Path], Row],
    entries: Sequence[Entry],
    ask: Ask,
    out: Path,
    workers: int,
) -> Iterator[Row]:
    """Yield rows as cities end; no more wait than there are workers, so that a stop is soon and memory flat."""
    left, running = iter(entries), dict[Future[Row], Entry]()

    def start(count: int) -> None:
        for entry in islice(left, count):
            running[pool.submit(task, entry, ask, out)] = entry

    start(2 * workers)
    try:
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                entry = running.pop(future)
                yield _row(future, entry)
            start(len(done))
    finally:
        for future in running:
            future.cancel()


def _row(future: Future[Row], entry: Entry) -> Row:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 (whatever befalls a city, the others go on)
        return Row(key=entry.key, name=entry.name, error=one_line(f"{type(error).__name__}: {error}"))


def one_city(entry: Entry, ask: Ask, out: Path) -> Row:
    """Answer one city; what a network or a disk refuses is tried again."""
    for left in reversed(range(TRIES)):
        try:
            return _answered(entry, ask, out / FOLDER / entry.key)
        except (NetworkError, OSError) as error:
            if not left:
                return Row(key=entry.key, name=entry.name, error=one_line(str(error)))
        except HowgreenError as error:
            return Row(key=entry.key, name=entry.name, error=one_line(str(error)))
    raise AssertionError("every try ends above")


def _answered(entry: Entry, ask: Ask, folder: Path) -> Row:
    """Plan, and run where no report of the same plan is there."""
    from howgreen.pipeline import city as one
    from howgreen.pipeline import inputs, plan_json, reruns, workdir
    from howgreen.pipeline.inputs import Store

    store = ask.images if isinstance(ask.images, Store) else None
    where = entry.place
    if isinstance(where, str):
        where = inputs.place_from_name(where, store=store, osm=ask.osm, network=ask.network)
    planned = one.plan(
        where, images=ask.images, period=ask.period, sensor=ask.sensor, model=ask.model, network=ask.network
    )
    summary = reruns.earlier(planned, folder)
    if summary is None:
        result = one.run(planned)
        summary = one.write(result, folder)
        workdir.forget(planned)
    digest = hashlib.sha256(plan_json.to_json(planned).encode()).hexdigest()
    return row_of(entry, summary, planned.city, digest)


def row_of(entry: Entry, summary: Summary, city: City, digest: str) -> Row:
    """Take from a city's figures what a ranking needs."""
    dates = sorted(str(scene.date) for scene in summary.scenes)
    interval = summary.interval
    return Row(
        key=entry.key,
        name=entry.name,
        label=summary.city.label,
        green_ratio=summary.green_ratio,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        level=None if interval is None else interval.level,
        observed_ratio=summary.observed_ratio,
        land_area_m2=summary.land_area_m2,
        first_date=dates[0] if dates else "",
        last_date=dates[-1] if dates else "",
        n_dates=len(set(dates)),
        sensor=summary.sensor,
        model=summary.model.name,
        plan_sha256=digest,
        warnings=tuple(dict.fromkeys(one.code for one in summary.warnings)),
        error="" if summary.green_ratio is not None else "no land was seen clearly",
        wkt=city.boundary.simplify(_DETAIL).wkt,
    )
