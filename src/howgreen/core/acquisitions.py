"""Scenes gathered into dates: what one pass of the satellite showed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from howgreen.core.types import Scene

SAME_PASS = timedelta(minutes=15)
"""Scenes of one sensor closer in time are tiles of one pass: where they overlap they show the same light."""


def by_time(scene: Scene) -> tuple[datetime, str]:
    """Order of scenes that does not depend on how they came."""
    return scene.time, scene.id


def dates(scenes: Sequence[Scene]) -> tuple[tuple[Scene, ...], ...]:
    """Scenes by date, oldest first, whatever order they come in; each group is one pass over the city."""
    groups: list[list[Scene]] = []
    for scene in sorted(scenes, key=lambda s: (s.sensor, *by_time(s))):
        last = groups[-1][-1] if groups else None
        if last is not None and last.sensor == scene.sensor and scene.time - last.time <= SAME_PASS:
            groups[-1].append(scene)
        else:
            groups.append([scene])
    return tuple(tuple(group) for group in sorted(groups, key=lambda g: by_time(g[0])))
