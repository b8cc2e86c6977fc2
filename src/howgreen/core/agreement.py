"""The values of a comparison: how another map of the same city agrees with ours. Frozen, each field with its unit.

Every pixel of the city's grid counts once, in the zone that holds its centre. Only land mapped by both is compared;
there every pixel is green or not: ours if at least half of it is, theirs by its class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cropland = Literal["green", "not-green", "left-out"]
"""How cropland in another map is treated: ours counts what grows on the day, which a land-use map does not know."""
CROPLAND: tuple[Cropland, ...] = ("green", "not-green", "left-out")

NEITHER, BOTH, ONLY_OURS, ONLY_THEIRS, NOT_COMPARED = 0, 1, 2, 3, 255
"""Pixel values of an agreement map."""


@dataclass(frozen=True, kw_only=True)
class MapInfo:
    """Description of another map, for people."""

    key: str
    """``worldcover``; names its files."""
    label: str
    """``ESA WorldCover 2021 v200``."""
    source: str
    """File or address it was read from, without any token."""
    detail: str
    """Its resolution, as text: ``10 m pixels``."""
    licence: str
    """Required attribution."""
    note: str = ""
    """Caveat to read before using the figures."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One zone. Areas are pixels of the grid times their planar area; ratios are 0-1, None where there is no ground."""

    name: str
    id: str
    kind: Literal["city", "district"]
    observed_m2: float
    """Land observed by us."""
    both_m2: float
    """Green in both."""
    only_ours_m2: float
    only_theirs_m2: float
    neither_m2: float
    our_green_m2: float
    """Sum of our green fraction x area over the land mapped by both."""
    water_only_ours_m2: float
    """Water to us, land to them: not compared."""
    water_only_theirs_m2: float
    """Land observed by us, water to them: not compared."""

    @property
    def compared_m2(self) -> float:
        """Land mapped by both."""
        return self.both_m2 + self.only_ours_m2 + self.only_theirs_m2 + self.neither_m2

    @property
    def compared_ratio(self) -> float | None:
        """Compared land / land observed by us."""
        return _ratio(self.compared_m2, self.observed_m2)

    @property
    def our_ratio(self) -> float | None:
        """Our green ratio (sum of fractions) on the compared land."""
        return _ratio(self.our_green_m2, self.compared_m2)

    @property
    def our_pixel_ratio(self) -> float | None:
        """Share of the compared land in pixels that are at least half green in our map."""
        return _ratio(self.both_m2 + self.only_ours_m2, self.compared_m2)

    @property
    def their_ratio(self) -> float | None:
        """Their green share of the compared land."""
        return _ratio(self.both_m2 + self.only_theirs_m2, self.compared_m2)

    @property
    def difference(self) -> float | None:
        """``our_ratio`` - ``their_ratio``: positive if our map has more green."""
        ours, theirs = self.our_ratio, self.their_ratio
        return None if ours is None or theirs is None else ours - theirs

    @property
    def overall_agreement(self) -> float | None:
        """Share of the compared land on which both maps agree. Not an accuracy: neither map is the truth."""
        return _ratio(self.both_m2 + self.neither_m2, self.compared_m2)

    @property
    def kappa(self) -> float | None:
        """Agreement beyond chance (Cohen 1960); None if chance alone explains all of it."""
        agreed, ours, theirs = self.overall_agreement, self.our_pixel_ratio, self.their_ratio
        if agreed is None or ours is None or theirs is None:
            return None
        by_chance = ours * theirs + (1 - ours) * (1 - theirs)
        return None if by_chance >= 1 else (agreed - by_chance) / (1 - by_chance)

    @property
    def f1(self) -> float | None:
        """F1 of green: twice the shared green over the sum of both maps' green (Dice 1945); None if neither has any."""
        return _ratio(2 * self.both_m2, 2 * self.both_m2 + self.only_ours_m2 + self.only_theirs_m2)


FIGURES = (
    "observed_m2",
    "compared_m2",
    "compared_ratio",
    "our_ratio",
    "our_pixel_ratio",
    "their_ratio",
    "difference",
    "overall_agreement",
    "kappa",
    "f1",
    "both_m2",
    "only_ours_m2",
    "only_theirs_m2",
    "neither_m2",
    "water_only_ours_m2",
    "water_only_theirs_m2",
)
"""Keys of an agreement in a summary; all are attributes of :class:`Agreement`."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Another map compared with ours."""

    info: MapInfo
    zones: tuple[Agreement, ...]
    """The city first, then its districts in order."""


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
