"""Progress on standard error: bars on a terminal, lines with ``-v``."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from howgreen.cli.say import say
from howgreen.cli.settings import quiet

if TYPE_CHECKING:
    from howgreen.core.types import Progress

_LOG = logging.getLogger(__name__)

WIDE_ENOUGH = 60
"""Terminal width, in characters, from which a bar shows its times."""


def tell_first(text: str) -> None:
    """Announce long work: to a person at a terminal, elsewhere only with ``-v``."""
    if sys.stderr.isatty() and not quiet():
        say(text, err=True)
    else:
        _LOG.info("%s", text)


@contextmanager
def bars() -> Iterator[Progress]:
    """Show progress bars on standard error, one per stage; none with ``-q`` or without a terminal.

    Enter it before anything heavy is loaded, so that a first line appears at once.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    # In a narrow window, drop the times before truncating the counts.
    times = (TimeElapsedColumn(), TimeRemainingColumn()) if console.width >= WIDE_ENOUGH else ()
    columns = (TextColumn("{task.description:12s}"), BarColumn(), MofNCompleteColumn(), *times)
    with Bars(*columns, console=console, disable=quiet() or not console.is_terminal) as shown:
        starting = shown.add_task("loading", total=None)
        shown.refresh()
        tasks: dict[str, Any] = {}
        begun: dict[str, float] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                shown.update(starting, visible=False)
                tasks[stage], begun[stage] = shown.add_task(stage, total=total), time.monotonic()
            shown.update(tasks[stage], completed=done, total=total)
            if done == total and stage in begun:
                _LOG.info("%s: %d steps in %.2f s", stage, total, time.monotonic() - begun.pop(stage))

        yield progress
        shown.update(starting, visible=False)
