"""Image sources: a store on disk, or the open catalogues in turn.

A source named by the user is used exclusively. Otherwise a store that shows the place comes first; failing that, the
catalogues of :data:`howgreen.net.endpoints.CATALOGS` that need no account are queried in turn: the next one is used if
one does not respond, has nothing, or serves files that cannot be read. Notes list what was passed over.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from howgreen import imagery
from howgreen import store as stores
from howgreen.core.errors import HowgreenError, NetworkError, NoClearImageError, NoImageError, PeriodError
from howgreen.core.period import Season, SeasonKind
from howgreen.core.types import City, Period, Progress, Scene
from howgreen.core.warnings import Caution
from howgreen.net.endpoints import DEFAULT_CATALOGS, Catalog
from howgreen.net.network import Network

_LOG = logging.getLogger(__name__)

_A_YEAR = re.compile(r"^\d{4}$")
SEASONS = 3
"""Number of growing seasons tried in catalogues, newest first, if no period is given."""
SEASON_UNDER_WAY = timedelta(days=60)
"""A season younger than this has too few images."""


@dataclass(frozen=True, kw_only=True)
class ImageSource:
    """A store or a catalogue, in one period."""

    period: Period
    root: Path | None = None
    """Folder of a store; None for a catalogue."""
    catalog: Catalog | None = None
    """A catalogue; None for a store."""
    network: Network | None = None
    """How to reach a catalogue."""

    @property
    def source(self) -> str:
        """Source as stored in a plan: the store's folder or the catalogue's URL."""
        return str(self.root) if self.catalog is None else self.catalog.url

    @property
    def label(self) -> str:
        """Name for people."""
        return f"store {self.root}" if self.catalog is None else self.catalog.label

    def scenes(self, city: City, *, sensor: str, progress: Progress | None = None) -> Found:
        """Find the source's scenes of the city, with their coverage.

        Raises
        ------
        NetworkError, NoImageError, ImageError
            As :func:`howgreen.imagery.find` and :func:`howgreen.imagery.search`.
        """
        if self.catalog is not None:
            found = imagery.search(
                city, self.period, catalog=self.catalog, sensor=sensor, network=self.network, progress=progress
            )
            scenes, lost = imagery.look_each(found.scenes, city=city, progress=progress)
            return Found(scenes=scenes, notes=found.notes, warnings=(*found.warnings, *left_out(lost)))
        if self.root is None:
            raise ValueError("a place to look for images is a store or a catalogue")
        return Found(scenes=imagery.find(city, self.period, root=self.root, sensor=sensor))


@dataclass(frozen=True, kw_only=True)
class Found:
    """The scenes that a source has of a city."""

    scenes: Sequence[Scene]
    """With coverage, clearest first."""
    notes: tuple[str, ...] = ()
    """Expected omissions."""
    warnings: tuple[Caution, ...] = ()
    """Omissions that may matter."""


def left_out(lost: Mapping[str, HowgreenError]) -> tuple[Caution, ...]:
    """Say which scenes were left out, and why."""
    return tuple(Caution("image-left-out", f"image {name} was left out: {error}") for name, error in lost.items())


def asked_period(
    period: Period | str | None, city: City, kind: SeasonKind = "calendar"
) -> tuple[Period | None, tuple[str, ...]]:
    """Resolve the period that a user means, with notes.

    A year by itself means its growing season: a median over twelve months would include winter and answer another
    question. Two days, two months or a month are taken literally. A :class:`Period` is taken as it is. With the other
    kinds of season a year is the whole year, in the south the twelve months around its growing season.

    Raises
    ------
    PeriodError
        The period cannot be read.
    """
    if not isinstance(period, str):
        return period, ()
    whole = Period.parse(period)
    if not _A_YEAR.match(period.strip()):
        if kind == "year":
            raise PeriodError(
                f"period {period}: season 'year' takes a year, as 2024; leave the season out for just these days"
            )
        return whole, ()
    latitude, year = city.boundary.representative_point().y, period.strip()
    if kind != "calendar":
        around = Period.green_year(latitude, whole.start.year)
        return around, () if around == whole else (
            f"{year} means the twelve months around its growing season here, {around}",
        )
    season = Period.growing_season(latitude, whole.start.year)
    if season == whole:  # in the tropics
        return whole, ()
    return season, (f"{year} means its growing season here, {season}; for all of the year ask for {year}-01/{year}-12",)


def image_sources(
    city: City,
    *,
    root: Path | None,
    named: bool,
    catalogs: Sequence[Catalog],
    period: Period | Season | None,
    sensor: str,
    network: Network | None = None,
    today: date | None = None,
) -> Iterator[ImageSource]:
    """Yield the sources to try, in order, until one has what a plan needs.

    Parameters
    ----------
    city
        The place to find images of.
    root
        A store, or None.
    named
        Whether the store was named by the user: then only it is used.
    catalogs
        To query, in order; empty for none.
    period
        See :func:`asked_period`; None for the newest growing season, a kind of season for the newest of that kind:
        among those with images in a store, or the last SEASONS in catalogues.
    today
        For tests; the UTC date if None.

    """
    kind: SeasonKind = period.kind if isinstance(period, Season) else "calendar"
    period = None if isinstance(period, Season) else period
    days = _days(city, root, sensor) if root else []
    if root and (named or not catalogs or any(period is None or day in period for day in days)):
        yield ImageSource(period=period or _of_kind(_stored_season(city, days, kind), city, kind), root=root)
        if named:
            return
    newest = newest_seasons(city, today=today or datetime.now(UTC).date())
    seasons = [period] if period else [_of_kind(season, city, kind) for season in newest]
    yield from (ImageSource(period=season, catalog=one, network=network) for season in seasons for one in catalogs)


class Failures:
    """Why each source failed until one works: reported to the user either way."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._met: list[tuple[ImageSource, HowgreenError]] = []

    @contextmanager
    def recorded(self, source: ImageSource) -> Iterator[None]:
        """Record an error of a source and continue; a store named by the user raises its own."""
        try:
            yield
        except (NetworkError, NoImageError) as error:
            _LOG.info("%s: %s", source.label, error)
            self._met.append((source, error))

    def of_servers(self) -> Failures:
        """Keep only which servers did not respond: that holds for any sensor."""
        kept = Failures(self._label)
        kept._met = [(met, error) for met, error in self._met if isinstance(error, NetworkError)]
        return kept

    def rules_out(self, source: ImageSource) -> bool:
        """Tell whether trying a source is pointless: its server is silent, or the same images showed no ground."""
        return any(
            (isinstance(error, NetworkError) and met.catalog is not None and met.catalog == source.catalog)
            or (isinstance(error, NoClearImageError) and met.period == source.period and met.catalog is not None)
            for met, error in self._met
        )

    def notes(self) -> tuple[str, ...]:
        """List the sources passed over, for the plan."""
        return tuple(f"passed over {met.label}: {error}" for met, error in self._met)

    def error(self) -> HowgreenError:
        """Return the one-line error if all failed; of several, the one that says most about the images comes first."""
        if not self._met:
            return NoImageError(
                f"{self._label}: there is no store of images yet; make one with `howgreen store add FILE`, or leave "
                "--offline out"
            )
        first, *others = sorted((error for _, error in self._met), key=_tells_most)
        if not others:
            return first
        silent = sorted(
            {met.label for met, error in self._met if isinstance(error, NetworkError) and error is not first}
        )
        also = f" (also tried: {', '.join(silent)}, without an answer)" if silent else ""
        return type(first)(f"{first}{also}")


def _tells_most(error: HowgreenError) -> int:
    return next(n for n, kind in enumerate((NoClearImageError, NoImageError, HowgreenError)) if isinstance(error, kind))


def newest_seasons(city: City, *, today: date) -> list[Period]:
    """List the last growing seasons of a city that are over or well under way, newest first."""
    latitude = city.boundary.representative_point().y
    seasons = (Period.growing_season(latitude, year) for year in range(today.year + 1, today.year - SEASONS - 2, -1))
    return [season for season in seasons if season.start + SEASON_UNDER_WAY <= today][:SEASONS]


def _of_kind(season: Period, city: City, kind: SeasonKind) -> Period:
    """Return a growing season, or the year around it if asked for."""
    latitude = city.boundary.representative_point().y
    return season if kind == "calendar" else Period.green_year(latitude, season.end.year)


def _days(city: City, root: Path, sensor: str) -> list[date]:
    """List the days of a store's images of the city."""
    return [
        scene.time.date()
        for scene in stores.scenes(root)
        if scene.sensor == sensor and scene.footprint.intersects(city.boundary)
    ]


def _stored_season(city: City, days: Sequence[date], kind: SeasonKind = "calendar") -> Period:
    """Return the newest growing season of the city with (for other kinds, surrounded by) any image in a store."""
    latitude = city.boundary.representative_point().y
    years = sorted({day.year for day in days} | {day.year + 1 for day in days}, reverse=True)
    seasons = [Period.growing_season(latitude, year) for year in years]
    newest = max(days, default=datetime.now(UTC).date())
    return next(
        (season for season in seasons if any(day in _of_kind(season, city, kind) for day in days)),
        Period.growing_season(latitude, newest.year),
    )


def catalogs_to_ask(given: Sequence[str], *, network: Network) -> tuple[Catalog, ...]:
    """Return the catalogues to query: those named, else those that need no account; none if the network is off.

    Raises
    ------
    NetworkError
        A name is not in the table, or catalogues are named while offline.
    """
    if network.offline and given:
        raise NetworkError(f"--catalog {given[0]} needs the network: leave --offline out, or use a --store")
    if network.offline:
        return ()
    return tuple(network.endpoints.catalog(name) for name in given or DEFAULT_CATALOGS)


def find_store(query: str | None, store: str | Path | None, *, progress: Progress | None = None) -> Path | None:
    """Find the image store to use.

    The one named, else the user's own where it knows the place, else the sample's when Sampleton is asked for, else the
    user's own if there is one.
    """
    if store is not None:
        return Path(store).absolute()
    own = default_store()
    has_own = (own / "catalog.json").exists()
    if has_own and query and stores.place(own, query):
        return own
    if query and query.strip().casefold() == "sampleton":
        from howgreen import sample

        return sample.ensure(cache_folder(), progress=progress)
    return own if has_own else None


def default_store() -> Path:
    """Return the folder of the user's own store."""
    import platformdirs

    return Path(platformdirs.user_data_dir("howgreen")) / "store"


def cache_folder() -> Path:
    """Return the folder of everything that can be rebuilt: the sample city and the blocks of unfinished runs."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("howgreen"))
