"""Progress of work that several threads do: who finishes a step says so, and what shows the progress hears one number after another."""

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
        What the progress is called.
    total
        Steps in all.
    progress
        Told ``(stage, steps done, steps in all)``; None for nobody.
    """

    def __init__(self, stage: str, total: int, progress: Progress | None) -> None:
        self._stage, self._total, self._progress = stage, total, progress
        self._done = 0
        self._lock = Lock()

    def __call__(self) -> None:
        """Tell of one more finished step."""
        with self._lock:
            self._done += 1
            if self._progress is not None:
                self._progress(self._stage, self._done, self._total)
