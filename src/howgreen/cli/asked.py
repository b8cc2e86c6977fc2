"""What the options of a command say, as the values that the pipeline takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.cli.options import refuse_beside_plan
from howgreen.core.errors import NetworkError, PlaceNotFoundError
from howgreen.core.text import closest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from howgreen.core.period import Season, SeasonKind
    from howgreen.core.types import City, Progress
    from howgreen.net.network import Network
    from howgreen.pipeline.inputs import Catalogs, Store
    from howgreen.pipeline.plan_json import Plan
    from howgreen.pipeline.result import CityResult


SAMPLE = "Sampleton"


@dataclass(frozen=True, kw_only=True)
class AskedPlace:
    """Which place; the fields are those of :data:`howgreen.cli.options.place_options`."""

    query: str | None
    store: Path | None = None
    osm: Path | None = None
    area: str | None = None
    radius_m: float | None = None
    pick: int | str | None = None
    name_column: str | None = None
    encoding: str | None = None
    endpoints: Path | None = None
    offline: bool = False
    districts: Path | None = None
    district_levels: tuple[int, ...] = ()
    land: Path | None = None
    report: Path | None = None
    """A report whose place it is."""

    def network(self) -> Network:
        """Return how services are asked."""
        return network_of(self.endpoints, offline=self.offline)

    def city(self, network: Network, *, progress: Progress | None = None) -> City:
        """Find the place."""
        from howgreen import place
        from howgreen.pipeline import image_sources

        if self.report is not None:
            return self._of_report(self.report)
        root = image_sources.find_store(self.query, self.store, progress=progress)
        with _sample_meant(self.query):
            return place.find(
                self.query,
                stores=[root] if root else [],
                osm=self.osm,
                area=self.area,
                radius_m=self.radius_m,
                pick=self.pick,
                network=network,
                files=place.PlaceFiles(
                    districts=self.districts,
                    land=self.land,
                    district_levels=self.district_levels,
                    name_column=self.name_column,
                    encoding=self.encoding,
                ),
            )

    def _of_report(self, folder: Path) -> City:
        from click import UsageError

        from howgreen.pipeline.plan_json import Plan

        beside = {"NAME": self.query, "--area": self.area, "--radius": self.radius_m, "--districts": self.districts,
                  "--land": self.land, "--pick": self.pick}  # fmt: skip
        given = [name for name, value in beside.items() if value is not None]
        if given:
            raise UsageError(f"--report says which place: leave {', '.join(given)} out")
        return Plan.load(folder / "plan.json").city


@contextmanager
def _sample_meant(query: str | None) -> Iterator[None]:
    """Ask whether the sample city was meant, where a name that looks like its name is not found."""
    try:
        yield
    except (PlaceNotFoundError, NetworkError) as error:
        if query and closest(query, [SAMPLE]) and SAMPLE not in str(error):
            raise type(error)(f"{error}; did you mean {SAMPLE}, the sample city?") from error
        raise


@dataclass(frozen=True, kw_only=True)
class AskedPlan(AskedPlace):
    """Which place, from which images, by which model: those of :data:`howgreen.cli.options.plan_options` as well."""

    catalogs: tuple[str, ...] = ()
    period: str | None = None
    season: SeasonKind = "calendar"
    sensor: str = "sentinel-2"
    model: str | None = None

    def asked_period(self) -> Season:
        """Return the period with its season."""
        from howgreen.core.period import Season

        return Season(self.season, self.period)

    def images(self) -> Store | Catalogs | None:
        """Return where the images come from."""
        return images_of(self.store, self.catalogs)

    def answer(self, check: Callable[[Plan], object], *, progress: Progress | None = None) -> CityResult:
        """Find the place, plan and run; ``check`` looks at each plan before it is run."""
        from howgreen.pipeline import city as pipeline
        from howgreen.pipeline import planning

        images, network = self.images(), self.network()
        choice = planning.Choice(sensor=self.sensor, model=self.model, period=self.asked_period())
        planning.catalogs_of(images, network)  # what is misspelt is told before any service is asked
        where = self.city(network, progress=progress)
        return pipeline.answer(where, images, choice, network=network, check=check, progress=progress)

    def plan(self, *, progress: Progress | None = None) -> Plan:
        """Find the place and plan."""
        from howgreen.pipeline import city as pipeline
        from howgreen.pipeline import planning

        images, network = self.images(), self.network()
        planning.Choice(sensor=self.sensor, model=self.model, period=self.asked_period())
        planning.catalogs_of(images, network)  # what is misspelt is told before any service is asked
        return pipeline.plan(
            self.city(network, progress=progress),
            images=images,
            period=self.asked_period(),
            sensor=self.sensor,
            model=self.model,
            network=network,
            progress=progress,
        )


def images_of(store: Path | None, catalogs: tuple[str, ...]) -> Store | Catalogs | None:
    """Return where images come from; beside catalogues, a store only knows places."""
    from howgreen.pipeline.inputs import Catalogs, Store

    if catalogs:
        return Catalogs(catalogs)
    return Store(store) if store else None


def plan_of(
    plan_file: Path | None, asked: dict[str, Any], *, beside: Collection[str] = (), progress: Progress | None = None
) -> Plan:
    """Read a saved plan, or make one as ``asked``.

    Parameters
    ----------
    beside
        Options that a saved plan does not decide, so that they may be given with it.
    """
    if plan_file is None:
        return AskedPlan(**asked).plan(progress=progress)
    from howgreen.core.warnings import warn
    from howgreen.pipeline.plan_json import Plan

    refuse_beside_plan(name for name in asked if name not in beside)
    planned = Plan.load(plan_file)
    warn(*planned.warnings)
    return planned


def network_of(endpoints: Path | None, *, offline: bool) -> Network:
    """Return how services are asked, by a file of addresses if there is one."""
    from howgreen.net.endpoints import read_endpoints
    from howgreen.net.network import Network

    return Network(endpoints=read_endpoints(endpoints), offline=offline)
