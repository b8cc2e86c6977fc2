"""Dry run of a ranking: dates, bytes and areas of every city, and the approximate run time, before any download."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from howgreen.batch._cities import Entry, folder_of
from howgreen.batch._ranking import CityYear
from howgreen.batch._run import Ask, Workers, each, earlier, find, planned, tried
from howgreen.core import words
from howgreen.core.text import one_line
from howgreen.core.threads import cores
from howgreen.core.types import Progress

if TYPE_CHECKING:
    from howgreen.core.types import City

CITY_S, PIXEL_S, PIXEL_DATE_S = 0.4, 0.5e-6, 0.2e-6
"""Seconds on one core: per city, per pixel, and per pixel and date. Measured on Sampleton and cut-outs of it."""
MOST_LINES = 40


@dataclass(frozen=True, kw_only=True)
class Planned(CityYear):
    """The plan for a city in one year."""

    state: Literal["to do", "answered", "cannot"] = "to do"
    """``answered``: a report of this same plan exists. ``cannot``: see ``error``."""
    area_m2: float | None = None
    """Area inside the limits."""
    n_images: int = 0
    source: str = ""
    bytes: int = 0
    """Estimated bytes to download, or to read from disk; none if answered."""
    from_web: bool = False
    pixels: int = 0
    """Pixels of the city's grid."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """Totals of a run."""

    cities: int
    answers: int
    """Answers to compute: cities times years."""
    to_do: int
    answered: int
    cannot: int
    area_m2: float
    """Area still to process."""
    n_dates: int
    bytes: int
    bytes_from_web: int
    planning_s: float
    """Time just spent on planning; a run plans again."""
    fetching_s: float
    """Download time at COMMON_MBIT_S."""
    working_s: float
    """Processing time on all cores in use, by CITY_S, PIXEL_S and PIXEL_DATE_S."""

    @property
    def seconds(self) -> float:
        """Approximate run time."""
        return self.planning_s + self.fetching_s + self.working_s


def plan(
    entries: Sequence[Entry], ask: Ask, out: Path, *, workers: Workers | None = None, progress: Progress
) -> tuple[list[Planned], Outlook]:
    """Plan every city as a run would, without reading reflectance; return the plans and their totals."""
    workers, start = workers or Workers(), time.monotonic()
    done = each(entries, ask, out, task=plan_city, failed=_failed, workers=workers, progress=progress)
    rows = [row for rows in done for row in rows]
    return rows, outlook(rows, planning_s=time.monotonic() - start, cores=_cores(workers))


def _cores(workers: Workers) -> int:
    """Count the cores that a run would use; on this computer, no more than it has."""
    return workers.count if workers.scheduler else min(workers.count, cores())


def _failed(entry: Entry, ask: Ask, error: str) -> tuple[Planned, ...]:
    return tuple(
        Planned(key=entry.key, name=entry.name, year=year, state="cannot", error=error) for year, _ in ask.spans
    )


def plan_city(entry: Entry, ask: Ask, out: Path) -> tuple[Planned, ...]:
    """Plan one city in each year, and check whether an answer exists."""
    place = tried(lambda: find(entry, ask))
    if isinstance(place, str):
        return _failed(entry, ask, place)
    if ask.by == "osm-green":
        return (_of_map(entry, ask, place),)
    rows = []
    for year, period in ask.spans:
        asked = replace(ask, period=period)
        row = tried(lambda asked=asked, year=year: _planned(entry, asked, place, out, year))  # type: ignore[misc]
        if isinstance(row, str):
            row = Planned(key=entry.key, name=entry.name, year=year, state="cannot", error=row)
        rows.append(row)
        ask = replace(ask, model=ask.model or row.model or None)
    return tuple(rows)


def _planned(entry: Entry, ask: Ask, place: City, out: Path, year: int | None) -> Planned:
    from howgreen.pipeline.plan_json import bytes_to_read, sha256_of

    made = planned(ask, place)
    done = earlier(made, folder_of(entry.key, out, year), ask.language) is not None
    days = sorted({f"{scene.time:%Y-%m-%d}" for scene in made.scenes})
    height, width = made.grid.shape
    return Planned(
        key=entry.key,
        name=entry.name,
        year=year,
        label=made.city.label,
        state="answered" if done else "to do",
        area_m2=made.city.area_m2,
        n_images=len(made.scenes) + len(made.radar),
        n_dates=len(days),
        first_date=days[0] if days else "",
        last_date=days[-1] if days else "",
        source=made.source,
        bytes=0 if done else bytes_to_read(made),
        from_web="://" in made.source,
        pixels=height * width,
        model=made.model,
        plan_sha256=sha256_of(made),
    )


def _of_map(entry: Entry, ask: Ask, place: City) -> Planned:
    """Describe the map's source, as it has no plan: an extract is read in full, Overpass does not announce its response size."""
    size = ask.osm.stat().st_size if ask.osm is not None else 0
    return Planned(
        key=entry.key,
        name=entry.name,
        label=place.label,
        area_m2=place.area_m2,
        source=str(ask.osm or "Overpass"),
        bytes=size,
        from_web=ask.osm is None,
    )


def outlook(rows: Sequence[Planned], *, planning_s: float, cores: int) -> Outlook:
    """Sum up the remaining work."""
    from howgreen.pipeline.plan_json import COMMON_MBIT_S

    to_do = [row for row in rows if row.state == "to do"]
    web = sum(row.bytes for row in to_do if row.from_web)
    work = sum(CITY_S + row.pixels * (PIXEL_S + PIXEL_DATE_S * row.n_dates) for row in to_do)
    return Outlook(
        cities=len({row.key for row in rows}),
        answers=len(rows),
        to_do=len(to_do),
        answered=sum(row.state == "answered" for row in rows),
        cannot=sum(row.state == "cannot" for row in rows),
        area_m2=sum(row.area_m2 or 0.0 for row in to_do),
        n_dates=sum(row.n_dates for row in to_do),
        bytes=sum(row.bytes for row in to_do),
        bytes_from_web=web,
        planning_s=planning_s,
        fetching_s=web * 8 / (COMMON_MBIT_S * 1e6),
        working_s=work / cores,
    )


def to_values(rows: Sequence[Planned], total: Outlook) -> dict[str, Any]:
    """Return a plan as JSON values."""
    return {"cities": [asdict(row) for row in rows], "total": {**asdict(total), "seconds": total.seconds}}


def describe(rows: Sequence[Planned], total: Outlook) -> str:
    """Format a plan as a table for a terminal, of at most MOST_LINES lines, with its totals."""
    from howgreen.pipeline.plan_json import COMMON_MBIT_S

    shown = rows[:MOST_LINES]
    names = [one_line(row.name)[:30] + (f" {row.year}" if row.year is not None else "") for row in shown]
    wide = max(map(len, [*names, "city"]))
    lines = [f"{'city':{wide}s}  {'km²':>8s}  {'dates':>5s}  {'first':10s}  {'last':10s}  {'MiB':>8s}  state"]
    for name, row in zip(names, shown, strict=True):
        area = "" if row.area_m2 is None else f"{row.area_m2 / 1e6:.1f}"
        size = f"{row.bytes / 2**20:.1f}" if row.state == "to do" else ""
        days = f"{row.n_dates or '':>5}  {row.first_date:10s}  {row.last_date:10s}"
        state = f"cannot: {one_line(row.error)[:120]}" if row.state == "cannot" else row.state
        lines.append(f"{name:{wide}s}  {area:>8s}  {days}  {size:>8s}  {state}")
    if len(rows) > len(shown):
        lines.append(f"… and {len(rows) - len(shown):,} more (all of them with --json)")
    many = f" of {words.plain(words.count(total.cities, 'city')).replace('citys', 'cities')}"
    lines.append(
        f"{total.to_do:,} to do, {total.answered:,} answered before, {total.cannot:,} that cannot be"
        f"{many}: {total.area_m2 / 1e6:,.1f} km², {total.bytes / 2**20:,.0f} MiB to read, {total.bytes_from_web / 2**20:,.0f} of them from the web"
    )
    lines.append(
        f"about {_duration(total.seconds)}: planning {_duration(total.planning_s)}, fetching {_duration(total.fetching_s)} at {COMMON_MBIT_S} Mbit/s, "
        f"working {_duration(total.working_s)}. Nothing has been fetched but what planning needs."
    )
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    """Format a duration: ``40 s``, ``12 min``, ``3.2 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
