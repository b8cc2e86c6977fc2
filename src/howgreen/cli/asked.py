"""A command's options, converted to the pipeline's values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from howgreen.cli.options import is_typed, refuse_beside_plan
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
    """Options that select a place; the fields are those of :data:`howgreen.cli.options.place_options`."""

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
    """A report whose place to use."""

    def network(self) -> Network:
        """Return the network settings."""
        return network_of(self.endpoints, offline=self.offline)

    def city(self, network: Network, *, progress: Progress | None = None) -> City:
        """Look up the place."""
        from click import UsageError

        from howgreen import place
        from howgreen.pipeline import image_sources

        if self.report is not None:
            return self._of_report(self.report)
        if self.query is None and self.area is None:
            raise UsageError(
                "give a place: a name, an id, or coordinates such as 45.76, 4.84; or the file of its limits: --area FILE"
            )
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
    """Ask whether the sample city was meant, if a name similar to its own is not found."""
    try:
        yield
    except (PlaceNotFoundError, NetworkError) as error:
        if query and closest(query, [SAMPLE]) and SAMPLE not in str(error):
            raise type(error)(f"{error}; did you mean {SAMPLE}, the sample city?") from error
        raise


@dataclass(frozen=True, kw_only=True)
class AskedPlan(AskedPlace):
    """Options that select place, images and model; adds those of :data:`howgreen.cli.options.plan_options`."""

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
        """Return the image source."""
        return images_of(self.store, self.catalogs)

    def answer(self, check: Callable[[Plan], object], *, progress: Progress | None = None) -> CityResult:
        """Look up the place, plan and run; ``check`` inspects each plan before it runs."""
        from howgreen.pipeline import city as pipeline
        from howgreen.pipeline import planning

        images, network = self.images(), self.network()
        choice = planning.Choice(sensor=self.sensor, model=self.model, period=self.asked_period())
        planning.catalogs_of(images, network)  # report typing errors before querying any service
        where = self.city(network, progress=progress)
        return pipeline.answer(where, images, choice, network=network, check=check, progress=progress)

    def plan(self, *, progress: Progress | None = None) -> Plan:
        """Look up the place and plan."""
        from howgreen.pipeline import city as pipeline
        from howgreen.pipeline import planning

        images, network = self.images(), self.network()
        planning.Choice(sensor=self.sensor, model=self.model, period=self.asked_period())
        planning.catalogs_of(images, network)  # report typing errors before querying any service
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
    """Return the image source; if catalogues are given, a store only supplies places."""
    from howgreen.pipeline.inputs import Catalogs, Store

    if catalogs:
        return Catalogs(catalogs)
    return Store(store) if store else None


def plan_of(
    plan_file: Path | None, asked: dict[str, Any], *, beside: Collection[str] = (), progress: Progress | None = None
) -> Plan:
    """Read a saved plan, or make one from ``asked``.

    Parameters
    ----------
    beside
        Options that a saved plan does not determine, so that they may be given with it; ``store`` is always one: where it lies now.
    """
    if plan_file is None:
        return AskedPlan(**asked).plan(progress=progress)
    from howgreen.core.warnings import warn
    from howgreen.pipeline.plan_json import Plan

    refuse_beside_plan(name for name in asked if name not in {*beside, "store"})
    planned = Plan.load(plan_file, store=asked["store"] if is_typed("store") else None)
    warn(*planned.warnings)
    return planned


def network_of(endpoints: Path | None, *, offline: bool) -> Network:
    """Return the network settings, with a file of addresses if given."""
    from howgreen.net.endpoints import read_endpoints
    from howgreen.net.network import Network

    return Network(endpoints=read_endpoints(endpoints), offline=offline)
