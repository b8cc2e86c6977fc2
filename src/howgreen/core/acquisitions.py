"""Scenes gathered into acquisitions: what the satellite showed as it passed once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from howgreen.core.types import Scene

SAME_ACQUISITION = timedelta(minutes=15)
"""Scenes of one sensor closer in time are tiles of one acquisition: where they overlap they show the same light."""

Acquisitions = tuple[tuple[Scene, ...], ...]
"""Scenes by acquisition, oldest first."""


def by_time(scene: Scene) -> tuple[datetime, str]:
    """Order scenes in a way that does not depend on how they came."""
    return scene.time, scene.id


def acquisitions(scenes: Sequence[Scene]) -> Acquisitions:
    """Group scenes by acquisition, oldest first, whatever order they come in."""
    groups: list[list[Scene]] = []
    for scene in sorted(scenes, key=lambda s: (s.sensor, *by_time(s))):
        last = groups[-1][-1] if groups else None
        if last is not None and last.sensor == scene.sensor and scene.time - last.time <= SAME_ACQUISITION:
            groups[-1].append(scene)
        else:
            groups.append([scene])
    return tuple(tuple(group) for group in sorted(groups, key=lambda g: by_time(g[0])))
