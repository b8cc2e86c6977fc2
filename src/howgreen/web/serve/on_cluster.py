"""A job's reading and measuring on a worker of a Dask cluster, which sees the same folders as the server.

The process that waits for it may be killed at any moment, and then can tell nobody. So it says, again and again, that the task is
wanted: a file beside the report. A task that has not heard that for long ends itself; one that still waits for a worker is dropped by
the scheduler, as all that a lost client asked for.
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
"""Between two words that the task is wanted."""
SILENT_S = 60.0
"""Without a word for so long, nobody waits for it: folders that several computers share tell of a change after half a minute or so."""


def make(plan: Plan, out: Path, scheduler: str, *, language: str) -> None:
    """Have a plan carried out by a worker of a cluster, and wait for it; it ends soon after this process does.

    Raises
    ------
    HowgreenError
        As :func:`howgreen.pipeline.city.run`, or no scheduler answers.
    """
    from howgreen.pipeline import plan_json
    from howgreen.pipeline.cluster import cluster

    with cluster(scheduler) as client, _wanted(out.parent / WANTED) as word:
        text, folder = plan_json.to_json(plan), str(out.absolute())
        client.submit(carried_out, text, folder, language, str(word.absolute()), pure=False, retries=0).result()


@contextlib.contextmanager
def _wanted(word: Path) -> Iterator[Path]:
    """Say that a task is wanted, as long as this lasts and this process lives."""
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
    """Carry out a plan, given as JSON, and write its report, as long as somebody wants it: what a worker of a cluster does.

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
    """Return what a pipeline tells its steps to, and what ends it there once nobody has said for long that it is wanted.

    Only changes of the file count, by the clock of whoever looks: two computers' clocks differ.
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
