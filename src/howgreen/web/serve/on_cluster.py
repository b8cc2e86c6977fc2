"""Reading and measuring for a job on a Dask worker that shares the server's folders.

The process that waits for it may be killed at any moment, without notice. So it keeps confirming that the task is
wanted, by a file beside the report. A task without confirmation for long ends itself; one still queued is dropped by
the scheduler, like everything of a lost client.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from howgreen.core.errors import OutputError

if TYPE_CHECKING:
    from howgreen.core.types import Plan, Progress

WANTED = "wanted"
SAID_S = 2.0
"""Interval of the confirmation."""
SILENT_S = 60.0
"""Without a confirmation for this long, nobody waits for it: shared folders may propagate a change only after half a
minute or so."""


def make(plan: Plan, out: Path, scheduler: str, *, language: str) -> None:
    """Run a plan on a worker of a cluster, and wait for it; the task ends soon after this process does.

    Raises
    ------
    HowgreenError
        As :func:`howgreen.pipeline.city.run`, or if no scheduler responds.
    """
    from howgreen.pipeline import plan_json
    from howgreen.pipeline.cluster import cluster

    with cluster(scheduler) as client, _wanted(out.parent / WANTED) as word:
        text, folder = plan_json.to_json(plan), str(out.absolute())
        client.submit(carried_out, text, folder, language, str(word.absolute()), pure=False, retries=0).result()


@contextlib.contextmanager
def _wanted(word: Path) -> Iterator[Path]:
    """Confirm that a task is wanted, for the duration of the block and of this process."""
    over = threading.Event()

    def say() -> None:
        while not over.wait(SAID_S):
            word.write_text(str(time.monotonic_ns()), encoding="ascii")

    word.write_text("", encoding="ascii")
    saying = threading.Thread(target=say, daemon=True)
    saying.start()
    try:
        yield word
    finally:
        over.set()
        saying.join()
        word.unlink(missing_ok=True)


def carried_out(plan: str, out: str, language: str, word: str, silent_s: float = SILENT_S) -> None:
    """Run a plan, given as JSON, and write its report, while somebody wants it: the task of a cluster's worker.

    Raises
    ------
    OutputError
        Nobody waits for it any more.
    """
    from howgreen.pipeline import city, plan_json, workdir
    from howgreen.pipeline.result import write

    wanted = while_wanted(Path(word), silent_s)
    result = city.run(plan_json.from_json(plan), progress=wanted)
    write(result, out, language=language, published=True, progress=wanted)
    workdir.forget(result.plan)


def while_wanted(word: Path, silent_s: float = SILENT_S) -> Progress:
    """Return a progress callback that stops the pipeline if confirmations have ceased for long.

    Only changes of the file count, by the observer's clock: the clocks of two computers differ.
    """
    said, heard = "", time.monotonic()

    def look(*_: object) -> None:
        nonlocal said, heard
        now = time.monotonic()
        try:
            saying = word.read_text(encoding="ascii")
        except OSError as error:
            raise OutputError(f"{word.parent.name}: nobody waits for this answer any more; ask again") from error
        if saying != said:
            said, heard = saying, now
        elif now - heard > silent_s:
            raise OutputError(f"{word.parent.name}: nobody waits for this answer any more; ask again")

    return look
