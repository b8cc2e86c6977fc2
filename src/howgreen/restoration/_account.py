"""Areas of green space and of tree cover against their baseline, and the consequences under Article 8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from howgreen.restoration._zones import zones_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from shapely.geometry.base import BaseGeometry

    from howgreen.core.types import Progress
    from howgreen.restoration._maps import CoverMap
    from howgreen.restoration._zones import Clusters

Verdict = Literal["yes", "no", "too close to tell", "not told"]
GREEN_ENOUGH, CANOPY_ENOUGH = 0.45, 0.10
"""Article 8(1): a state may exclude urban ecosystem areas whose centres and clusters exceed these shares."""
MARGIN = 0.02
"""Within this share of the area around a threshold, nothing is decided. No official margin exists; this one is ours."""
CHANGE_MARGIN = 0.005
"""Changes smaller than this share of the baseline decide nothing; the choice is ours too."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One local administrative unit (LAU)."""

    id: str
    name: str
    country: str
    """Two letters; empty if not in the file."""
    degurba: int | None
    """Degree of urbanisation: 1 city, 2 town or suburb, 3 rural; None if unknown."""
    shape: BaseGeometry
    """EPSG:3035."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Areas of one map inside one area, or in many together; m2."""

    area_m2: float
    """Inside the limits, without the sea."""
    covered_m2: float
    """Area of green space, or of tree cover."""
    unknown_m2: float
    """Area that the map leaves unclassified."""

    @property
    def share(self) -> float | None:
        """Covered / classified ground; None if there is none."""
        known = self.area_m2 - self.unknown_m2
        return self.covered_m2 / known if known > 0 else None

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest share: all unknown ground bare, or all of it covered."""
        if self.area_m2 <= 0:
            return 0.0, 1.0
        return self.covered_m2 / self.area_m2, min((self.covered_m2 + self.unknown_m2) / self.area_m2, 1.0)

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            area_m2=self.area_m2 + other.area_m2,
            covered_m2=self.covered_m2 + other.covered_m2,
            unknown_m2=self.unknown_m2 + other.unknown_m2,
        )


NOTHING = Sums(area_m2=0.0, covered_m2=0.0, unknown_m2=0.0)


@dataclass(frozen=True, kw_only=True)
class Cover:
    """Green space and tree cover of one area, today and at the baseline."""

    green: Sums
    canopy: Sums | None
    green_before: Sums | None
    canopy_before: Sums | None


@dataclass(frozen=True, kw_only=True)
class UnitAccount:
    """Figures of one commune."""

    unit: Unit
    areas: Mapping[str, Cover]
    """By the keys of :data:`howgreen.restoration._zones.AREAS`."""
    exempt: Verdict
    """Whether it may be excluded under Article 8(1)."""


@dataclass(frozen=True, kw_only=True)
class Total:
    """A country's sum, for one delineation of the areas."""

    country: str
    area: str
    units: int
    left_out: int
    """How many of them were excluded from the sum because they may be."""
    cover: Cover
    no_loss_of_green: Verdict
    no_loss_of_canopy: Verdict


@dataclass(frozen=True, kw_only=True)
class Account:
    """All figures of a run."""

    units: tuple[UnitAccount, ...]
    totals: tuple[Total, ...]
    """For each country and delineation: all communes, then without those that may be excluded."""


@dataclass(frozen=True, kw_only=True)
class Maps:
    """The maps of today and of the baseline."""

    green: CoverMap
    canopy: CoverMap | None = None
    green_before: CoverMap | None = None
    canopy_before: CoverMap | None = None


def account(
    units: Sequence[Unit],
    maps: Maps,
    clusters: Clusters | None = None,
    *,
    margin: float = MARGIN,
    change_margin: float = CHANGE_MARGIN,
    progress: Progress | None = None,
) -> Account:
    """Account for all communes and sum them by country.

    Parameters
    ----------
    margin
        Share of an area by which a threshold must be exceeded to count as exceeded.
    change_margin
        Share of the baseline by which an area must change to count as changed.
    progress
        Called with ``("communes", done, in all)``.
    """
    found = []
    for done, unit in enumerate(units):
        if progress is not None:
            progress("communes", done, len(units))
        zones = zones_of(unit.shape, clusters)
        areas = {key: _cover(shape, maps) for key, shape in zones.items()}
        exempt = may_be_left_out(areas.get("urban"), margin=margin)
        found.append(UnitAccount(unit=unit, areas=MappingProxyType(areas), exempt=exempt))
    if progress is not None:
        progress("communes", len(units), len(units))
    return Account(units=tuple(found), totals=tuple(_totals(found, change_margin)))


def _cover(shape: BaseGeometry, maps: Maps) -> Cover:
    green, sea = sums_of(maps.green, shape)
    before, sea_before = (None, 0.0) if maps.green_before is None else sums_of(maps.green_before, shape)
    dry = dry_before = maps.green.without_sea(shape) if sea > 0 else shape
    if maps.green_before is not None:
        dry_before = maps.green_before.without_sea(shape) if sea_before > 0 else shape
    return Cover(
        green=green,
        canopy=None if maps.canopy is None else sums_of(maps.canopy, dry)[0],
        green_before=before,
        canopy_before=None if maps.canopy_before is None else sums_of(maps.canopy_before, dry_before)[0],
    )


def sums_of(of: CoverMap, shape: BaseGeometry) -> tuple[Sums, float]:
    """Sum one map inside one shape (EPSG:3035); also return the area of the sea in m2.

    Tree Cover Density knows no sea: where it lies by the other map is cut off the shape beforehand, for this one calls
    it 0 % or unknown.
    """
    if shape.is_empty:
        return NOTHING, 0.0
    areas = of.areas_m2(shape)
    shown = sum(areas.values())
    own_sea = sum(area for code, area in areas.items() if code in of.kind.sea)
    unknown = sum(area for code, area in areas.items() if code in of.kind.unknown) + max(shape.area - shown, 0.0)
    whole = max(shape.area, shown) - own_sea
    covered = sum(area * of.kind.worth.get(code, 0.0) for code, area in areas.items())
    # Pixels add up to the shape within rounding: less than a millionth is not unknown ground.
    unknown = unknown if unknown > 1e-6 * max(whole, 1.0) else 0.0
    return Sums(area_m2=whole, covered_m2=covered, unknown_m2=unknown), own_sea


def may_be_left_out(urban: Cover | None, *, margin: float = MARGIN) -> Verdict:
    """Tell whether Article 8(1) lets a state exclude an area.

    Both shares of its centres and clusters have to exceed the thresholds.
    """
    if urban is None or urban.canopy is None or urban.green.area_m2 <= 0:
        return "not told"
    each = [
        _above(urban.green.bounds, GREEN_ENOUGH, margin),
        _above(urban.canopy.bounds, CANOPY_ENOUGH, margin),
    ]
    if "no" in each:
        return "no"
    return "yes" if each == ["yes", "yes"] else "too close to tell"


def _above(bounds: tuple[float, float], threshold: float, margin: float) -> Verdict:
    low, high = bounds
    if low > threshold + margin:
        return "yes"
    return "no" if high <= threshold - margin else "too close to tell"


def no_loss(today: Sums | None, before: Sums | None, *, margin: float = CHANGE_MARGIN) -> Verdict:
    """Tell whether an area is no smaller than at the baseline; unknown ground may be covered or not on both dates."""
    if today is None or before is None:
        return "not told"
    change = today.covered_m2 - before.covered_m2
    least, most = change - before.unknown_m2, change + today.unknown_m2
    slack = margin * before.covered_m2
    if least >= slack or (least >= 0 and margin == 0):
        return "yes"
    return "no" if most < -slack else "too close to tell"


def _totals(found: Sequence[UnitAccount], margin: float) -> list[Total]:
    totals = []
    for country in sorted({one.unit.country for one in found}):
        here = [one for one in found if one.unit.country == country]
        for area in here[0].areas:
            kept = [one for one in here if one.exempt != "yes"]
            rounds = [here] if len(kept) in {0, len(here)} else [here, kept]
            totals += [_total(country, area, some, left_out=len(here) - len(some), margin=margin) for some in rounds]
    return totals


def _total(country: str, area: str, some: Sequence[UnitAccount], *, left_out: int, margin: float) -> Total:
    covers = [one.areas[area] for one in some]
    cover = Cover(
        green=_sum(covers, lambda one: one.green) or NOTHING,
        canopy=_sum(covers, lambda one: one.canopy),
        green_before=_sum(covers, lambda one: one.green_before),
        canopy_before=_sum(covers, lambda one: one.canopy_before),
    )
    return Total(
        country=country,
        area=area,
        units=len(some),
        left_out=left_out,
        cover=cover,
        no_loss_of_green=no_loss(cover.green, cover.green_before, margin=margin),
        no_loss_of_canopy=no_loss(cover.canopy, cover.canopy_before, margin=margin),
    )


def _sum(covers: Sequence[Cover], which: Callable[[Cover], Sums | None]) -> Sums | None:
    parts = [one for cover in covers if (one := which(cover)) is not None]
    return sum(parts[1:], parts[0]) if parts else None
