"""Classes of other maps that count as green, water or cropland: the one table, with reasons.

Our map calls ground green if vegetation covers it, seen from above in the growing season. A class counts as green if
its definition requires vegetation on at least half of the ground. Fields are a kind of their own
(:data:`howgreen.core.agreement.CROPLAND`): green when something grows on them, and no land use map knows the date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from howgreen.core.agreement import Cropland

Kind = Literal["green", "not green", "crop", "water", "no data"]

NOT_GREEN, GREEN, WATER, UNKNOWN = 0, 1, 2, 255
"""Pixels of another map after resampling to the grid (uint8)."""


@dataclass(frozen=True, kw_only=True)
class LegendClass:
    """One class of another map."""

    code: int
    name: str
    kind: Kind
    why: str = ""
    """Reason, if the kind is not obvious from the name."""


@dataclass(frozen=True, kw_only=True)
class Legend:
    """All classes of another map, and caveats for its readers."""

    key: str
    label: str
    detail: str
    licence: str
    note: str
    classes: tuple[LegendClass, ...]
    aliases: Mapping[int, int]
    """Other codes for the same classes in files."""
    file_names: str = ""
    """Regular expression that its own file names match; empty if it has no standard names."""

    def kinds(self, cropland: Cropland) -> dict[int, int]:
        """Map each code of a file to its kind on the grid."""
        fields = {"green": GREEN, "not-green": NOT_GREEN, "left-out": UNKNOWN}[cropland]
        become = {"green": GREEN, "not green": NOT_GREEN, "water": WATER, "no data": UNKNOWN, "crop": fields}
        own = {item.code: become[item.kind] for item in self.classes}
        return own | {alias: own[code] for alias, code in self.aliases.items()}


def on_kinds(values: np.ndarray[Any, Any], kinds: Mapping[int, int]) -> tuple[np.ndarray[Any, Any], set[int]]:
    """Translate codes (y, x) to uint8 kinds, UNKNOWN for those missing from ``kinds``; return also the set of all codes."""
    codes, where = np.unique(values, return_inverse=True)
    table = np.array([kinds.get(int(code), UNKNOWN) for code in codes], dtype=np.uint8)
    return table[where].reshape(values.shape), {int(code) for code in codes}


def _classes(rows: str) -> tuple[LegendClass, ...]:
    """Parse lines of ``code | name | kind | why``."""
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
    note="A class is what covers most of a pixel over the year: trees in a street are lost, and so is a street under trees.",
    aliases=MappingProxyType({}),
    file_names=r"world_?cover",
    classes=_classes("""
         0 | no data                  | no data   |
        10 | tree cover               | green     |
        20 | shrubland                | green     |
        30 | grassland                | green     |
        40 | cropland                 | crop      | sown and harvested within the year: green on some days only
        50 | built-up                 | not green | gardens between houses count as built
        60 | bare / sparse vegetation | not green | at most 10 % plants
        70 | snow and ice             | not green |
        80 | permanent water bodies   | water     |
        90 | herbaceous wetland       | green     |
        95 | mangroves                | green     |
       100 | moss and lichen          | green     | plants to us too: the red edge shows them
    """),
)

DYNAMIC_WORLD = Legend(
    key="dynamic-world",
    label="Dynamic World V1",
    detail="10 m pixels, the likeliest of nine classes",
    licence="Dynamic World, Google and World Resources Institute, CC BY 4.0; contains modified Copernicus Sentinel data",
    note="A file shows the days that it was made from: choose those of your own period.",
    aliases=MappingProxyType({}),
    file_names=r"dynamic_?world",
    classes=_classes("""
        0 | water              | water     |
        1 | trees              | green     |
        2 | grass              | green     |
        3 | flooded vegetation | green     |
        4 | crops              | crop      | planted cereals and grasses, even when the ground is bare
        5 | shrub and scrub    | green     | includes open scrub with bare soil
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
        "What is smaller than 25 ha or narrower than 100 m belongs to its neighbour: gardens, street trees and small "
        "parks count as town, and a hamlet in the woods as wood. Disagreement in small pieces says nothing against either map."
    ),
    # The rasters number the 44 classes from 1 in the order of their codes; 48 to 50 and 255 are no data.
    aliases=MappingProxyType(
        {number: item.code for number, item in enumerate(_CLC[:44], start=1)}
        | {0: 999, 48: 999, 49: 990, 50: 995, 255: 999}
    ),
    file_names=r"corine|u\d{4}_clc|clc_?\d{2,4}",
    classes=_CLC,
)

CLCPLUS = Legend(
    key="clcplus",
    label="CLCplus Backbone",
    detail="10 m pixels, the class that covers most of each",
    licence="Copernicus Land Monitoring Service, European Environment Agency (EEA)",
    note=(
        "A class is what covers most of a pixel: a street tree narrower than that is lost. Green roofs, greenhouses and "
        "railway beds count as sealed; vineyards and hops count as woody plants."
    ),
    aliases=MappingProxyType({}),
    file_names=r"clc_?plus|backbone",
    classes=_classes("""
          1 | sealed                                | not green | green roofs, greenhouses and railway beds too
          2 | woody, needle-leaved trees            | green     |
          3 | woody, broad-leaved deciduous trees   | green     |
          4 | woody, broad-leaved evergreen trees   | green     |
          5 | low-growing woody plants              | green     | includes vineyards and hops
          6 | permanent herbaceous                  | green     |
          7 | periodically herbaceous               | crop      | sown and harvested within the year: green on some days only
          8 | lichens and mosses                    | green     | plants to us too
          9 | bare or sparsely vegetated            | not green | under 30 % plants
         10 | water                                 | water     |
         11 | snow and ice                          | not green |
        253 | coastal sea                           | water     |
        254 | outside of the mapped area            | no data   |
        255 | no data                               | no data   |
    """),
)


def _per_cent(kinds: tuple[Kind, Kind], thing: str) -> tuple[tuple[LegendClass, ...], Mapping[int, int]]:
    """Make the two classes of a percentage layer, below one half and from it on, and their other codes."""
    classes = (
        LegendClass(code=0, name=f"less than half {thing}", kind=kinds[0]),
        LegendClass(code=50, name=f"at least half {thing}", kind=kinds[1]),
        LegendClass(code=254, name="could not be classified", kind="no data"),
        LegendClass(code=255, name="outside of the mapped area", kind="no data"),
    )
    return classes, MappingProxyType({share: 0 if share < 50 else 50 for share in range(101) if share not in (0, 50)})


_TREES, _TREE_SHARES = _per_cent(("not green", "green"), "under trees")
_SEALED, _SEALED_SHARES = _per_cent(("green", "not green"), "sealed")

TREE_COVER = Legend(
    key="tree-cover",
    label="High Resolution Layer Tree Cover Density",
    detail="10 m pixels, per cent of each under trees; at least half is taken for green",
    licence="Copernicus Land Monitoring Service, European Environment Agency (EEA)",
    note="It shows trees only: lawns, meadows and fields, which are green on our map, count as not green here.",
    aliases=_TREE_SHARES,
    file_names=r"tree_?cover|(^|[_-])tcd([_-]|$)",
    classes=_TREES,
)

IMPERVIOUSNESS = Legend(
    key="imperviousness",
    label="High Resolution Layer Imperviousness Density",
    detail="10 m pixels, per cent of each that is sealed; less than half is taken for green",
    licence="Copernicus Land Monitoring Service, European Environment Agency (EEA)",
    note="It shows sealed ground only: bare soil, gravel and water, which are not green on our map, count as green here.",
    aliases=_SEALED_SHARES,
    file_names=r"imperv|(^|[_-])imd([_-]|$)",
    classes=_SEALED,
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
        2 | fields and orchards  | crop      | farmland, orchards, vineyards and allotments, where they are tagged
    """),
)

LEGENDS: Mapping[str, Legend] = MappingProxyType(
    {
        legend.key: legend
        for legend in (CORINE, WORLDCOVER, DYNAMIC_WORLD, OSM_GREEN, CLCPLUS, TREE_COVER, IMPERVIOUSNESS)
    }
)
"""By key."""

CORINE_PX_M = 50
"""CORINE rasters have 100 m pixels; a finer one with numeric codes is probably another map."""

_ESRI = frozenset({1, 2, 4, 5, 7, 8, 9, 10, 11})
"""Codes of Esri's and Impact Observatory's 10 m land cover: 1 water, 2 trees, 7 built, 8 bare."""
_CODES: Mapping[str, frozenset[int]] = MappingProxyType(
    {legend.label: frozenset(item.code for item in legend.classes) for legend in (CLCPLUS, WORLDCOVER, DYNAMIC_WORLD)}
    | {"Esri's 10 m land cover": _ESRI}
)


def other_map(legend: Legend, codes: Set[int], *, pixel_m: float, file_name: str = "") -> str | None:
    """Name the map that a file more likely is than the one it was given as; None if nothing contradicts that.

    Codes of several maps are the same small numbers with other meanings: with the wrong legend, a map gives ratios that
    look like any other.

    Parameters
    ----------
    All codes in the file around the city.
        All that the file holds around the city.
    pixel_m
        Width of its pixels.
    file_name
        Name without its folder.
    """
    if not (legend.file_names and _is_called(legend, file_name)):
        named = next((other.label for other in LEGENDS.values() if _is_called(other, file_name)), None)
        if named:
            return named
    real = codes - {item.code for item in legend.classes if item.kind == "no data"}
    if not real:
        return None
    if legend is CORINE:
        by_number = not real <= {item.code for item in CORINE.classes}
        fitting = [label for label, known in _CODES.items() if codes <= known]
        return " or ".join(fitting) if by_number and pixel_m < CORINE_PX_M and fitting else None
    if legend is DYNAMIC_WORLD and 7 in real and not real & {0, 6} and real <= _ESRI:  # bare ground, but nothing built
        return "Esri's 10 m land cover"
    if legend is CLCPLUS and not real & {3, 6} and real <= _ESRI:  # neither deciduous trees nor grass, in Europe
        return "Esri's 10 m land cover"
    if legend in (TREE_COVER, IMPERVIOUSNESS) and (0 not in real or max(real) <= max(_ESRI)):  # no town lacks 0 %
        return "a map of classes"
    return None


def _is_called(legend: Legend, file_name: str) -> bool:
    return bool(legend.file_names and re.search(legend.file_names, file_name, re.IGNORECASE))
