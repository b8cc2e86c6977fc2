"""Grouping of scenes into acquisitions: everything one overpass of the satellite recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from howgreen.core.types import Scene

SAME_ACQUISITION = timedelta(minutes=15)
"""Scenes of one sensor closer in time are tiles of one acquisition: where they overlap, they show the same
observation."""

Acquisitions = tuple[tuple[Scene, ...], ...]
"""Scenes by acquisition, oldest first."""


def by_time(scene: Scene) -> tuple[datetime, str]:
    """Order scenes independently of their input order."""
    return scene.time, scene.id


def acquisitions(scenes: Sequence[Scene]) -> Acquisitions:
    """Group scenes by acquisition, oldest first, independently of their input order."""
    groups: list[list[Scene]] = []
    for scene in sorted(scenes, key=lambda s: (s.sensor, *by_time(s))):
        last = groups[-1][-1] if groups else None
        if last is not None and last.sensor == scene.sensor and scene.time - last.time <= SAME_ACQUISITION:
            groups[-1].append(scene)
        else:
            groups.append([scene])
    return tuple(tuple(group) for group in sorted(groups, key=lambda g: by_time(g[0])))
