"""One job in a subprocess: ``python -m howgreen.web.serve.child PARENT``.

It receives one line of JSON (:class:`Order`) and returns lines of JSON (:func:`main`). Each further input byte confirms
that the job still belongs to this process; if none comes for long, if the pipe closes, or if the parent dies, it exits
at once, wherever it is: finished files are in place under their names, everything else is unnamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from howgreen.core.errors import HowgreenError, NetworkError, NoClearImageError, NoImageError, OutputError
from howgreen.core.known_types import known
from howgreen.core.text import one_line
from howgreen.core.wording import for_a_shell
from howgreen.web.serve import on_cluster
from howgreen.web.serve.questions import Question
from howgreen.web.serve.results import OSM_GREEN, PLACE, QUESTIONS, SCRATCH, row_of
from howgreen.web.serve.settings import Settings

if TYPE_CHECKING:
    from howgreen.core.types import Plan, Progress, Scene
    from howgreen.pipeline.inputs import Catalogs, Store
    from howgreen.web.serve.results import ResultRow

SILENT_S = 25.0
"""Silence of the worker after which the job may be reassigned: the child must exit before the lease expires."""
NICENESS = 10
"""Pages and tiles take precedence."""
MOST_DATES = 200
Tell = Callable[[str, dict[str, Any]], None]
"""Called with kind and data of an event."""
STAGES: Mapping[str, tuple[str, float, float]] = {
    "search": ("searching images", 1, 5),
    "look": ("looking for clouds", 5, 15),
    "season": ("measuring the season", 5, 15),
    "composite and land cover": ("reading images and mapping green", 15, 80),
    "measure": ("measuring", 80, 85),
    "report": ("writing the report", 85, 99),
}
"""By pipeline stage: display text, and first and last percent of the whole."""
_ON_CLUSTER = "reading images and mapping green, on a cluster"
_NO_ROOM = "the report cannot be written: this server's disk is full or refuses; whoever runs it has to free some space"
_OPTION = re.compile(r"--([a-z])")
_ADVICE = re.compile(r"[;:,]? (?:add|give|use|run|make|try|see)\b[^;:.]*\bhowgreen [a-z]+ [a-z]+[^;:.]*$")
"""What whoever runs the server could type, at the end of an error."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker asks of this process."""

    job: str
    question: Question
    settings: Settings


class _FolderIsThere(Exception):  # noqa: N818 (no error: the way out of a run that is not needed here)
    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder


def encode(value: Any) -> bytes:
    """Encode settings and containers of them as one line of JSON."""
    return msgspec.json.encode(value, enc_hook=str) + b"\n"


def decode(line: bytes, kind: Any) -> Any:
    """Decode the output of :func:`encode`."""
    return msgspec.json.decode(line, type=known(kind), dec_hook=lambda wanted, text: wanted(text))


def main(arguments: list[str], work: Callable[[Question, Settings, Tell], ResultRow] | None = None) -> int:
    """Execute the order on standard input; report progress as lines of JSON on standard output.

    ``{"kind": "progress" | "date" | "note", …}`` are events; the last line is ``{"kind": "result", …}`` with the row of
    the result, or ``{"kind": "failed", "message": …}``.

    Parameters
    ----------
    work
        Function that does the job; None for :func:`answer`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from a terminal: the worker decides when to stop
    die_with(int(arguments[0]))
    order: Order = decode(sys.stdin.buffer.readline(), Order)
    _LastWord(SILENT_S).start()
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # output of libraries must not mix with our lines
    lock = threading.Lock()

    def tell(kind: str, data: dict[str, Any]) -> None:
        line = json.dumps({**data, "kind": kind}, ensure_ascii=False).encode() + b"\n"
        with lock, contextlib.suppress(BrokenPipeError):
            out.write(line)

    bound(order.settings)
    try:
        row = (work or answer)(order.question, order.settings, tell)
    except OutputError as error:  # it names our folders, and remedies that a visitor does not have
        tell("failed", {"message": _NO_ROOM, "log": words_of(error)})
    except HowgreenError as error:
        tell("failed", {"message": for_visitors(words_of(error), order.settings)})
    except MemoryError:
        tell("failed", {"message": "not enough memory on this server for so large a place: ask for a smaller one"})
    except OSError as error:
        tell("failed", {"message": _NO_ROOM, "log": f"{error.filename}: {error.strerror or error}"})
    else:
        tell("result", json.loads(msgspec.json.encode(asdict(row))))
    return 0


def die_with(parent: int) -> None:
    """Exit when the parent does: by a kernel signal on Linux, else when the pipe closes."""
    if sys.platform == "linux":
        import ctypes

        set_death_signal = 1
        ctypes.CDLL(None, use_errno=True).prctl(set_death_signal, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before this was set up
        os._exit(1)


class _LastWord(threading.Thread):
    """Waits for bytes on standard input, and ends the process if none comes for long, or the pipe closes."""

    def __init__(self, silent_s: float) -> None:
        super().__init__(daemon=True)
        self._silent_s, self._heard = silent_s, time.monotonic()

    def start(self) -> None:
        super().start()
        threading.Thread(target=self._watch, daemon=True).start()

    def run(self) -> None:
        while os.read(0, 1024):
            self._heard = time.monotonic()
        os._exit(1)

    def _watch(self) -> None:
        while time.monotonic() - self._heard < self._silent_s:
            time.sleep(0.5)
        os._exit(1)


def bound(settings: Settings) -> None:
    """Limit this process's memory, confine its writes to the server's folder, and yield to pages and tiles."""
    for name, folder in (("XDG_CACHE_HOME", settings.cache), ("MPLCONFIGDIR", settings.cache / "matplotlib")):
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(folder.absolute())
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("CPL_LOG", os.devnull)
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        most = settings.most_memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICENESS)


def answer(question: Question, settings: Settings, tell: Tell) -> ResultRow:
    """Plan, run and write the report of a question; if the same plan has been answered, only plan.

    Raises
    ------
    HowgreenError
        One line: why there is no answer.
    """
    from howgreen.core.files import folder_lock

    # If two processes have the same question, for whatever reason, the second waits for the first to end.
    mine = settings.scratch / QUESTIONS / question.key
    mine.mkdir(parents=True, exist_ok=True)
    with folder_lock(mine):
        try:
            folder = _made(question, settings, tell)
        except _FolderIsThere as there:
            folder = there.folder
        return row_of(folder, language=question.language)


def _made(question: Question, settings: Settings, tell: Tell) -> Path:
    from howgreen.pipeline import city, planning, reruns, workdir
    from howgreen.pipeline.inputs import Network

    planned: list[Plan] = []

    def look(plan: Plan) -> None:
        planned.append(plan)
        _tell_plan(plan, tell)
        folder = settings.results / result_id(plan, question.language)
        if (folder / PLACE).is_file() and reruns.still_valid(plan, folder) is not None:
            tell("note", {"text": "the same images were measured before: this is that answer"})
            raise _FolderIsThere(folder)
        if settings.dask is not None:
            tell("progress", {"stage": _ON_CLUSTER, "done": 0, "of": 1, "percent": 15})
            with in_place(folder, settings) as made:
                on_cluster.make(plan, made, str(settings.dask), language=question.language)
                _add_place(made, plan)
            raise _FolderIsThere(folder)

    progress = in_words(tell)
    choice = planning.Choice(sensor=question.sensor, model=question.model, period=question.when)
    network = Network(offline=settings.offline)
    failures: list[HowgreenError] = []
    for images in sources(settings):
        try:
            result = city.answer(question.city, images, choice, network=network, check=look, progress=progress)
        except (NoImageError, NetworkError) as error:
            failures.append(error)
            continue
        folder = settings.results / result_id(planned[-1], question.language)
        _write(result, folder, question, settings, progress, tell)
        _draw_sample(result, folder.name, settings, tell)
        workdir.forget(result.plan)
        return folder
    if not failures:
        raise NoImageError("this server has no images: whoever runs it has to name a store or catalogues")
    raise next((error for error in failures if isinstance(error, NoClearImageError)), failures[-1])


def sources(settings: Settings) -> list[Store | Catalogs]:
    """List the image sources in the order tried."""
    from howgreen.pipeline.inputs import Catalogs, Store

    stores: list[Store | Catalogs] = [Store(root) for root in settings.stores]
    return stores if settings.offline else [*stores, Catalogs(settings.catalogs)]


def result_id(plan: Plan, language: str) -> str:
    """Return a result's id: the SHA-256 of the plan and the report's language."""
    from howgreen.pipeline import plan_json

    return hashlib.sha256(f"{plan_json.to_json(plan)}\n{language}".encode()).hexdigest()


def _write(result: Any, folder: Path, question: Question, settings: Settings, progress: Progress, tell: Tell) -> None:
    from howgreen.pipeline.result import write

    with in_place(folder, settings) as made:
        write(result, made, language=question.language, published=True, progress=progress)
        _add_place(made, result.plan)
        _add_osm_green(made, result.plan, settings, tell)


def _add_osm_green(folder: Path, plan: Plan, settings: Settings, tell: Tell) -> None:
    """Add green areas mapped in the server's extract as a layer beside the observed green; the answer works without it."""
    from howgreen.pipeline.osm_green import add_layer

    if settings.osm is None or plan.city.synthetic:
        return
    try:
        add_layer(folder, plan.city, osm=settings.osm, name=OSM_GREEN)
    except HowgreenError as error:
        tell("note", {"text": for_visitors(f"OpenStreetMap's green is not shown: {error}", settings)})


def _draw_sample(result: Any, result_id: str, settings: Settings, tell: Tell) -> None:
    """Draw the sample whose interpretation narrows the interval; the answer does not depend on it."""
    from howgreen.web.serve.labels import draw

    try:
        draw(result, result_id, settings)
    except (HowgreenError, OSError) as error:
        tell("note", {"text": for_visitors(f"no sample to look at was drawn: {error}", settings)})


def _add_place(folder: Path, plan: Plan) -> None:
    from howgreen.store import city_to_feature

    (folder / PLACE).write_text(json.dumps(city_to_feature(plan.city), ensure_ascii=False), encoding="utf-8")


@contextlib.contextmanager
def in_place(folder: Path, settings: Settings) -> Iterator[Path]:
    """Provide a hidden path to build a folder at; at the end it is moved into place atomically.

    An older folder there is replaced at the same moment.
    """
    from howgreen.core.files import exchange, scratch_folder, sync_files, sync_folder

    settings.results.mkdir(parents=True, exist_ok=True)
    settings.scratch.mkdir(parents=True, exist_ok=True)
    with scratch_folder(settings.scratch, SCRATCH) as scratch:
        made = scratch / folder.name
        yield made
        sync_files(made)
        if not folder.exists():
            made.rename(folder)
        elif not exchange(made, folder):
            folder.rename(scratch / "old")
            made.rename(folder)
        sync_folder(settings.results)


def _tell_plan(plan: Plan, tell: Tell) -> None:
    from howgreen.pipeline.plan_json import bytes_to_read

    def date(scene: Scene, *, taken: bool) -> dict[str, Any]:
        clear = None if scene.clear_pct is None else round(scene.clear_pct / 100, 4)
        size = bytes_to_read(plan, [scene]) if taken else 0
        return {"date": f"{scene.time:%Y-%m-%d}", "clear": clear, "taken": taken, "bytes": size, "scene": scene.id[:80]}

    both = [date(scene, taken=True) for scene in plan.scenes] + [date(scene, taken=False) for scene in plan.passed_over]
    for one in both[:MOST_DATES]:
        tell("date", one)
    for caution in plan.warnings[:20]:
        tell("note", {"text": caution.text, "code": caution.code})


def in_words(tell: Tell) -> Progress:
    """Convert the pipeline's stages to display text, with one overall percentage that never decreases."""
    most = 0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal most
        words, start, end = STAGES.get(stage, (stage, most, most))
        percent = int(start + (end - start) * done / max(total, 1))
        most = max(most, percent)
        tell("progress", {"stage": words, "done": done, "of": total, "percent": most})

    return progress


def words_of(error: HowgreenError) -> str:
    """Return an error's text, naming command-line options."""
    with for_a_shell():
        return str(error)


def for_visitors(text: str, settings: Settings) -> str:
    """Rephrase an error for visitors: without the server's folders or command-line options."""
    from howgreen.report.private import without_paths

    roots = sorted(
        {str(path) for path in (settings.data, settings.data.absolute(), *settings.stores, Path.home())},
        key=len,
        reverse=True,
    )
    flat: str = without_paths(one_line(text), [root for root in roots if len(root) > 1])
    for store in settings.stores:
        flat = flat.replace(f"the store {store.name}", "this server's store")
    return _ADVICE.sub("", _OPTION.sub(r"\1", flat.replace("`", "")))[:500]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
