"""Sampleton's store, built at first use and then kept.

Simulating takes libraries that nothing else needs, a quarter of a second to load: they are imported when it comes to that.
"""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from howgreen.core.errors import StoreError
from howgreen.sample.identity import EXTENT_M, SEED, VERSION

if TYPE_CHECKING:
    from howgreen.core.types import Progress

_ONE_BUILD = threading.Lock()
_STALE_S = 3600
"""Leavings of a killed build are swept away after this long; a living one never takes so."""


def _sweep(cache_dir: Path) -> None:
    for left in cache_dir.glob(".sampleton-*.tmp"):
        if time.time() - left.stat().st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)


def ensure(cache_dir: Path, *, extent_m: int = EXTENT_M, progress: Progress | None = None) -> Path:
    """Return the sample city's store below ``cache_dir``, built at first use and then kept.

    Two processes may come at once: both build, the first to finish wins and the other takes its store. Of two
    threads the second waits for the first.
    """
    root = cache_dir / f"sampleton-{VERSION}-{SEED}-{extent_m}"
    with _ONE_BUILD:
        if root.is_dir():
            return root
        from howgreen.sample.simulation import build

        cache_dir.mkdir(parents=True, exist_ok=True)
        _sweep(cache_dir)
        try:
            build(root, seed=SEED, extent_m=extent_m, progress=progress)
        except StoreError:
            if not root.is_dir():
                raise
    return root
