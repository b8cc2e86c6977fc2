"""Plans whose images have moved to another folder or computer; images are identified by checksum."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from howgreen import store as stores
from howgreen.core.errors import PlanError

if TYPE_CHECKING:
    from pathlib import Path

    from howgreen.core import types
    from howgreen.core.types import Asset, Scene

P = TypeVar("P", bound="types.Plan")


def rebased(plan: P, root: Path) -> P:
    """Return the plan with its local images taken from a store, matched by checksum; remote images stay.

    Raises
    ------
    StoreError
        ``root`` is no store.
    PlanError
        The store lacks a file that the plan needs, or the plan was made before checksums were kept.
    """
    there = {
        (asset.sha256, asset.index): asset for scene in stores.scenes(root) for asset in scene.assets if asset.sha256
    }

    def moved(asset: Asset, scene: Scene) -> Asset:
        if "://" in asset.href:
            return asset
        found = there.get((asset.sha256, asset.index)) if asset.sha256 else None
        if found is None:
            reason = (
                "which the plan has no checksum of" if asset.sha256 is None else f"with checksum {asset.sha256[:12]}…"
            )
            raise PlanError(
                f"{root}: holds no file of {asset.band} of {scene.id} {reason}; name the store that the plan was made with, "
                "or make a new plan"
            )
        return replace(asset, href=found.href)

    def with_files(scenes: tuple[Scene, ...]) -> tuple[Scene, ...]:
        return tuple(replace(scene, assets=tuple(moved(asset, scene) for asset in scene.assets)) for scene in scenes)

    scenes, radar = with_files(plan.scenes), with_files(plan.radar)
    if all("://" in asset.href for scene in (*scenes, *radar) for asset in scene.assets):
        return plan
    return replace(plan, scenes=scenes, radar=radar, source=str(root.resolve()))
