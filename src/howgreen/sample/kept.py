"""Sampleton's store, built at first use and then kept.

Simulating needs libraries that nothing else uses and that take a quarter of a second to load: they are imported only
then.
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
"""Remains of a killed build are deleted after this many seconds; a running build never takes as long."""


def _sweep(cache_dir: Path) -> None:
    for left in cache_dir.glob(".sampleton-*.tmp"):
        if time.time() - left.stat().st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)


def ensure(cache_dir: Path, *, extent_m: int = EXTENT_M, progress: Progress | None = None) -> Path:
    """Return the sample city's store below ``cache_dir``, building it at first use.

    If two processes come at once, both build; the first to finish wins and the other uses its store. Of two threads,
    the second waits for the first.
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
