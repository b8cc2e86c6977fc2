"""Which classes of other maps count as green, as water, as fields: the one table, with its reasons.

Ours calls green what plants cover, seen from above in the growing season. A class counts as green when its definition
asks for plants on at least half of the ground. Fields are a kind of their own (:data:`howgreen.core.agreement.CROPLAND`):
green when something grows on them, and no map of land use knows the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from howgreen.core.agreement import Cropland

Kind = Literal["green", "not green", "crop", "water", "no data"]

NOT_GREEN, GREEN, WATER, UNKNOWN = 0, 1, 2, 255
"""Pixels of another map once it lies on the grid (uint8)."""


@dataclass(frozen=True, kw_only=True)
class LegendClass:
    """One class of another map."""

    code: int
    name: str
    kind: Kind
    why: str = ""
    """Where the kind is not plain from the name."""


@dataclass(frozen=True, kw_only=True)
class Legend:
    """All classes of another map, and what it asks its readers to know."""

    key: str
    label: str
    detail: str
    licence: str
    note: str
    classes: tuple[LegendClass, ...]
    aliases: Mapping[int, int]
    """Other codes under which files hold the same classes."""

    def kinds(self, cropland: Cropland) -> dict[int, int]:
        """Say what each code of a file becomes on the grid."""
        fields = {"green": GREEN, "not-green": NOT_GREEN, "left-out": UNKNOWN}[cropland]
        become = {"green": GREEN, "not green": NOT_GREEN, "water": WATER, "no data": UNKNOWN, "crop": fields}
        own = {item.code: become[item.kind] for item in self.classes}
        return own | {alias: own[code] for alias, code in self.aliases.items()}


def on_kinds(values: np.ndarray[Any, Any], kinds: Mapping[int, int]) -> tuple[np.ndarray[Any, Any], set[int]]:
    """Codes (y, x) as uint8 kinds, and the codes that the legend does not define (they become UNKNOWN)."""
    codes, where = np.unique(values, return_inverse=True)
    strange = {int(code) for code in codes if int(code) not in kinds}
    table = np.array([kinds.get(int(code), UNKNOWN) for code in codes], dtype=np.uint8)
    return table[where].reshape(values.shape), strange


def _classes(rows: str) -> tuple[LegendClass, ...]:
    """Lines of ``code | name | kind | why``."""
    classes = []
    for row in rows.strip().splitlines():
        code, name, kind, why = (part.strip() for part in row.split("|"))
        classes.append(LegendClass(code=int(code), name=name, kind=kind, why=why))  # type: ignore[arg-type]
    return tuple(classes)


WORLDCOVER = Legend(
    key="worldcover",
    label="ESA WorldCover 2021 v200",
    detail="10 m pixels, one class each, of 2021",
    licence="© ESA WorldCover project 2021 / Contains modified Copernicus Sentinel data (2021), CC BY 4.0",
    note="A class is what covers most of a pixel over the year: trees in a street are lost, and so is the street under trees.",
    aliases=MappingProxyType({}),
    classes=_classes("""
         0 | no data                  | no data   |
        10 | tree cover               | green     |
        20 | shrubland                | green     |
        30 | grassland                | green     |
        40 | cropland                 | crop      | sown and harvested within the year: green on some days only
        50 | built-up                 | not green | gardens between houses are counted as built by it
        60 | bare / sparse vegetation | not green | at most 10 % plants
        70 | snow and ice             | not green |
        80 | permanent water bodies   | water     |
        90 | herbaceous wetland       | green     |
        95 | mangroves                | green     |
       100 | moss and lichen          | green     | plants in our sense too: they are seen as such in the red edge
    """),
)

DYNAMIC_WORLD = Legend(
    key="dynamic-world",
    label="Dynamic World V1",
    detail="10 m pixels, the likeliest of nine classes",
    licence="Dynamic World, Google and World Resources Institute, CC BY 4.0; contains modified Copernicus Sentinel data",
    note="One file shows the days that it was made of; choose those of your own period.",
    aliases=MappingProxyType({}),
    classes=_classes("""
        0 | water              | water     |
        1 | trees              | green     |
        2 | grass              | green     |
        3 | flooded vegetation | green     |
        4 | crops              | crop      | human-planted cereals and grasses, also when bare
        5 | shrub and scrub    | green     | open scrub with bare soil is in it
        6 | built              | not green |
        7 | bare               | not green |
        8 | snow and ice       | not green |
    """),
)

_CLC = _classes("""
    111 | continuous urban fabric                   | not green |
    112 | discontinuous urban fabric                | not green | 30-80 % sealed: houses with their gardens are one area
    121 | industrial or commercial units            | not green |
    122 | road and rail networks                    | not green |
    123 | port areas                                | not green |
    124 | airports                                  | not green | grass between the runways is part of the airport
    131 | mineral extraction sites                  | not green |
    132 | dump sites                                | not green |
    133 | construction sites                        | not green |
    141 | green urban areas                         | green     |
    142 | sport and leisure facilities              | green     | golf courses, parks with halls and camp sites: mostly lawn
    211 | non-irrigated arable land                 | crop      |
    212 | permanently irrigated land                | crop      |
    213 | rice fields                               | crop      |
    221 | vineyards                                 | crop      | rows with soil between them
    222 | fruit trees and berry plantations         | crop      |
    223 | olive groves                              | crop      |
    231 | pastures                                  | green     |
    241 | annual crops with permanent crops         | crop      |
    242 | complex cultivation patterns              | crop      |
    243 | agriculture with natural vegetation       | crop      | 25-75 % natural: the rest is fields
    244 | agro-forestry areas                       | green     | grass or crops under trees
    311 | broad-leaved forest                       | green     |
    312 | coniferous forest                         | green     |
    313 | mixed forest                              | green     |
    321 | natural grassland                         | green     |
    322 | moors and heathland                       | green     |
    323 | sclerophyllous vegetation                 | green     |
    324 | transitional woodland-shrub               | green     |
    331 | beaches, dunes, sands                     | not green |
    332 | bare rocks                                | not green |
    333 | sparsely vegetated areas                  | not green | 10-50 % plants
    334 | burnt areas                               | not green |
    335 | glaciers and perpetual snow               | not green |
    411 | inland marshes                            | green     |
    412 | peat bogs                                 | green     |
    421 | salt marshes                              | green     |
    422 | salines                                   | not green |
    423 | intertidal flats                          | not green | mud and sand without plants
    511 | water courses                             | water     |
    512 | water bodies                              | water     |
    521 | coastal lagoons                           | water     |
    522 | estuaries                                 | water     |
    523 | sea and ocean                             | water     |
    990 | unclassified land surface                 | no data   |
    995 | unclassified water bodies                 | water     |
    999 | no data                                   | no data   |
""")

CORINE = Legend(
    key="corine",
    label="CORINE Land Cover",
    detail="areas of at least 25 ha, 100 m wide, drawn by people; not a 10 m map",
    licence="Copernicus Land Monitoring Service, European Environment Agency (EEA)",
    note=(
        "What is smaller than 25 ha or narrower than 100 m is part of its neighbour: gardens, street trees and small "
        "parks are town to it, a hamlet in the woods is wood. Disagreement in small pieces says nothing against either map."
    ),
    # The rasters number the 44 classes from 1 in the order of their codes; 48 to 50 and 255 are their no data.
    aliases=MappingProxyType(
        {number: item.code for number, item in enumerate(_CLC[:44], start=1)}
        | {0: 999, 48: 999, 49: 990, 50: 995, 255: 999}
    ),
    classes=_CLC,
)

OSM_GREEN = Legend(
    key="osm-green",
    label="OpenStreetMap, areas tagged as green",
    detail="polygons drawn by people",
    licence="© OpenStreetMap contributors, ODbL",
    note=(
        "Ground that nobody has drawn as green counts as not green: gardens, street trees and verges are mostly not "
        "mapped, and a park counts with its paths and ponds."
    ),
    aliases=MappingProxyType({}),
    classes=_classes("""
        0 | not mapped as green  | not green |
        1 | mapped as green      | green     |
        2 | fields and orchards  | crop      | farmland, orchards, vineyards, allotments as far as the tags are in use
    """),
)

LEGENDS: Mapping[str, Legend] = MappingProxyType(
    {legend.key: legend for legend in (CORINE, WORLDCOVER, DYNAMIC_WORLD, OSM_GREEN)}
)
"""By key."""
