"""The dates available, those used and why: pictures for the plan and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from howgreen import imagery
from howgreen.core.acquisitions import by_time
from howgreen.core.errors import ImageError, NetworkError
from howgreen.core.sensors import SENSORS
from howgreen.core.types import Candidate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from howgreen.core.types import Plan, Scene

MOST_SHOWN = 24
"""Pictures in a strip: the dates used, then the clearest of the others."""


def candidates(plan: Plan, *, far: bool = False) -> tuple[Candidate, ...]:
    """List the optical images that a plan chose from, by day, each with a picture.

    Parameters
    ----------
    far
        Whether to read remote images too; else they are listed without a picture.
    """
    scenes = [scene for scene in (*plan.scenes, *plan.passed_over) if not SENSORS[scene.sensor].is_radar][:MOST_SHOWN]
    frame = imagery.thumbnail_frame(plan.grid)

    def drawn(scene: Scene) -> NDArray[np.uint8] | None:
        if not far and any("://" in asset.href for asset in scene.assets):
            return None
        try:
            return imagery.thumbnail(scene, frame)
        except (ImageError, NetworkError):  # only a picture is lost; if the pixels matter, the run reports it
            return None

    with imagery.shared_files(), imagery.together(scenes) as pool:
        pictures = list(pool.map(drawn, scenes))
    used = {scene.id for scene in plan.scenes}
    made = [
        (by_time(scene), _candidate(scene, picture, plan, taken=scene.id in used))
        for scene, picture in zip(scenes, pictures, strict=True)
    ]
    return tuple(one for _, one in sorted(made, key=lambda pair: pair[0]))


def _candidate(scene: Scene, picture: NDArray[np.uint8] | None, plan: Plan, *, taken: bool) -> Candidate:
    has_mask = scene.asset(SENSORS[scene.sensor].mask) is not None
    return Candidate(
        id=scene.id,
        day=scene.time.date(),
        clear_pct=scene.clear_pct,
        mask="own" if has_mask else "detector" if imagery.detector_of([scene]) else "none",
        why="taken" if taken else _why(scene, plan),
        picture=picture,
    )


def _why(scene: Scene, plan: Plan) -> str:
    """Say why an image was not taken: a key of :data:`howgreen.core.types.Candidate.why`."""
    if any(scene.asset(band) is None for band in plan.bands):
        return "bands"
    if (scene.clear_pct or 0.0) < imagery.MIN_CLEAR_PCT:
        return "cloudy"
    return "enough"
