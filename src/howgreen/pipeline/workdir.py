"""Finished blocks of runs: one folder per plan, named after all that decides its pixels, so that runs resume."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from howgreen.core.errors import PlanError
from howgreen.core.types import Asset, Plan
from howgreen.pipeline import locks, plan_json
from howgreen.pipeline.image_sources import cache_folder

DAYS_KEPT = 7
"""Blocks of runs untouched for this long are deleted."""


def work_folder(plan: Plan, work: str | Path | None = None) -> Path:
    """Name the folder of a plan's finished blocks.

    The name changes with everything that decides the pixels, including the state of the image files and our own
    version.
    """
    base = Path(work) if work is not None else cache_folder() / "runs"
    _forget_old_runs(base)
    files = [_stamp(asset) for scene in (*plan.scenes, *plan.radar) for asset in scene.assets]
    decisive = json.dumps([plan_json.to_json(plan), version("howgreen"), files])
    return base / hashlib.sha256(decisive.encode()).hexdigest()[:20]


def forget(plan: Plan) -> None:
    """Delete a plan's finished blocks once its result is written, except those that another process uses."""
    folder = work_folder(plan)
    locks.release(folder)
    locks.discard(folder)


def _stamp(asset: Asset) -> tuple[int, int]:
    """Return a value that changes whenever a local file does."""
    try:
        there = Path(asset.href).stat()
    except OSError:  # remote or gone: reading it will report that
        return 0, 0
    return there.st_mtime_ns, there.st_size


def check_files(plan: Plan) -> None:
    """Raise PlanError if a local image's size differs from its catalogue entry, or all of them are gone."""
    local = [asset for scene in (*plan.scenes, *plan.radar) for asset in scene.assets if "://" not in asset.href]
    if local and not any(Path(asset.href).exists() for asset in local):
        raise PlanError(
            f"{local[0].href}: not there, nor any other image of the plan; where their store has moved, name it: `howgreen city "
            "--plan FILE --store FOLDER`, or Plan.load(file, store=folder) in Python"
        )
    for scene in (*plan.scenes, *plan.radar):
        for asset in scene.assets:
            size = _stamp(asset)[1]
            if size and asset.size_bytes and size != asset.size_bytes:
                raise PlanError(
                    f"{asset.href}: has {size} bytes, but {asset.size_bytes} when it was catalogued: it was truncated "
                    "or altered; run `howgreen store verify`, add the image again with --replace, and plan anew"
                )


def _forget_old_runs(base: Path) -> None:
    limit = time.time() - DAYS_KEPT * 86_400
    for folder in base.glob("[0-9a-f]" * 20):
        with suppress(FileNotFoundError):  # another process has just deleted its own
            if folder.stat().st_mtime < limit:
                locks.discard(folder)
