"""How green is my city? One name in, one trustworthy number out, with the map that proves it.

>>> import howgreen
>>> result = howgreen.city("Sampleton")  # doctest: +SKIP

The names below load on first use, so that ``import howgreen`` is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import HowgreenError
from howgreen.core.warnings import HowgreenWarning

if TYPE_CHECKING:
    from howgreen.core.types import Period
    from howgreen.pipeline.city import city, plan, read_plan, run, write

__version__ = "0.1.0"
__all__ = ["HowgreenError", "HowgreenWarning", "Period", "__version__", "city", "plan", "read_plan", "run", "write"]

_HOMES = dict.fromkeys(("city", "plan", "read_plan", "run", "write"), "howgreen.pipeline.city") | {
    "Period": "howgreen.core.types"
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'howgreen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})  # completion shows them before their first use
