"""Sampleton, the synthetic sample city: simulated on demand, with exactly known truth.

It lets a first try work offline and serves as the tests' oracle. It is always called synthetic, and no accuracy
measured on it applies to a real city.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from howgreen.sample.identity import SEED
from howgreen.sample.kept import ensure
from howgreen.sample.truth import Truth, ZoneTruth, truth

if TYPE_CHECKING:
    from howgreen.sample.earlier import ensure_earlier as ensure_earlier
    from howgreen.sample.simulation import build as build

__all__ = ["SEED", "Truth", "ZoneTruth", "build", "ensure", "ensure_earlier", "truth"]


def __getattr__(name: str) -> Any:
    if name == "build":
        from howgreen.sample.simulation import build

        return build
    if name == "ensure_earlier":
        from howgreen.sample.earlier import ensure_earlier

        return ensure_earlier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
