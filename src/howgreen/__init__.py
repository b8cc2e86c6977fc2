"""How green is my city? One name in, one trustworthy number out, with the map that proves it.

>>> import howgreen
>>> result = howgreen.city("Sampleton")  # doctest: +SKIP
>>> result.stats.green_ratio, result.stats.interval  # doctest: +SKIP

The names below load on first use, so that ``import howgreen`` is instant.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from howgreen.core.errors import HowgreenError
    from howgreen.core.types import City, GreenStats, Period, Season
    from howgreen.core.warnings import HowgreenWarning
    from howgreen.net.network import Network
    from howgreen.pipeline.city import city, plan, read_plan, run
    from howgreen.pipeline.compare_maps import layers
    from howgreen.pipeline.inputs import Catalogs, Store, place_from_name, where
    from howgreen.pipeline.osm_green import osm_green
    from howgreen.pipeline.plan_json import Plan
    from howgreen.pipeline.result import CityResult, write
    from howgreen.place import place_from_file, place_from_geometry, place_from_point, with_districts, with_land
    from howgreen.report.figures import Summary

__version__ = "0.1.0"
__all__ = [
    "Catalogs",
    "City",
    "CityResult",
    "GreenStats",
    "HowgreenError",
    "HowgreenWarning",
    "Network",
    "Period",
    "Plan",
    "Season",
    "Store",
    "Summary",
    "__version__",
    "city",
    "layers",
    "osm_green",
    "place_from_file",
    "place_from_geometry",
    "place_from_name",
    "place_from_point",
    "plan",
    "read_plan",
    "run",
    "where",
    "with_districts",
    "with_land",
    "write",
]

_HOMES = {
    "core.errors": ("HowgreenError",),
    "core.types": ("City", "GreenStats", "Period", "Season"),
    "core.warnings": ("HowgreenWarning",),
    "net.network": ("Network",),
    "pipeline.city": ("city", "plan", "read_plan", "run"),
    "pipeline.compare_maps": ("layers",),
    "pipeline.osm_green": ("osm_green",),
    "pipeline.inputs": ("Catalogs", "Store", "place_from_name", "where"),
    "pipeline.plan_json": ("Plan",),
    "pipeline.result": ("CityResult", "write"),
    "place": ("place_from_file", "place_from_geometry", "place_from_point", "with_districts", "with_land"),
    "report.figures": ("Summary",),
}


def __getattr__(name: str) -> Any:
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'howgreen' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    return getattr(import_module(f"howgreen.{home}"), name)


def __dir__() -> list[str]:
    # Completion shows them before their first use, and nothing that is only needed here.
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
