"""Progress of work done by several threads: any thread reports a finished step, and the display a rising count."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from howgreen.core.types import Progress


class Ticks:
    """Counts the finished steps of a stage, called once a step from any thread.

    Parameters
    ----------
    stage
        Name of the stage for progress.
    total
        Steps in all.
    progress
        Called with ``(stage, steps done, steps in all)``; None for no display.
    """

    def __init__(self, stage: str, total: int, progress: Progress | None) -> None:
        self._stage, self._total, self._progress = stage, total, progress
        self._done = 0
        self._lock = Lock()

    def __call__(self) -> None:
        """Report one more finished step."""
        with self._lock:
            self._done += 1
            if self._progress is not None:
                self._progress(self._stage, self._done, self._total)
