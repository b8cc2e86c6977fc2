"""Samples of results, and their readers: `howgreen label` behind the server's own guard.

A sample is drawn beside its report, from the same map, and is kept once anybody has answered any of it: the answers are
people's work, and exempt from retention.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from threading import Lock
from typing import TYPE_CHECKING, Any

from howgreen.core.errors import EstimateError
from howgreen.core.files import scratch_folder, sync_folder
from howgreen.estimate.answers import GOLD
from howgreen.estimate.evaluate import evaluate, may_show
from howgreen.estimate.sample import load
from howgreen.web.labelling import Session, all_answers
from howgreen.web.pictures import picture
from howgreen.web.serve.results import SCRATCH

if TYPE_CHECKING:
    from pathlib import Path

    from howgreen.core.types import Result
    from howgreen.estimate.sample import Sample
    from howgreen.web.serve.settings import Settings

HALF_WIDTH = 0.03
"""Half width of the interval that determines the sample size, as in ``howgreen sample``."""
DOTS = 9
SEED = 1
MOST_READERS = 20
"""Most readers per sample: more would be invented names."""
MOST_SESSIONS = 200
TOGETHER = "@together"
"""Suffix of a reader's name: two readers resolve their disagreements."""
_ID = re.compile(r"[0-9a-f]{64}")


def draw(result: Result, result_id: str, settings: Settings) -> None:
    """Draw the sample of a result, unless it exists, in a folder moved into place atomically.

    Raises
    ------
    EstimateError
        The place is too small, or has no land to sample.
    """
    from howgreen.pipeline import sampling

    target = settings.samples / result_id
    if target.exists():
        return
    settings.samples.mkdir(parents=True, exist_ok=True)
    options = sampling.SampleOptions(
        looks=None, half_width=HALF_WIDTH, dots=DOTS, design="stratified", by_district=False, seed=SEED
    )
    with scratch_folder(settings.scratch, SCRATCH) as scratch:
        made = scratch / result_id
        sampling.sample(result, options, made)
        with contextlib.suppress(OSError):  # another process was first
            made.rename(target)
        sync_folder(settings.samples)


class Labels:
    """All samples of a server, with their reading sessions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions: dict[tuple[str, str], Session] = {}
        self._lock = Lock()

    def folder(self, result_id: str) -> Path | None:
        """Return the folder of a result's sample; None if it has none."""
        folder = self._settings.samples / result_id
        return folder if _ID.fullmatch(result_id) and (folder / "sample.json").is_file() else None

    def session(self, result_id: str, reader: str) -> Session | None:
        """Return a reader's session, shared by all browser tabs; None without a sample.

        Raises
        ------
        EstimateError
            An invalid name, or too many readers.
        """
        folder = self.folder(result_id)
        if folder is None:
            return None
        with self._lock:
            known = self._sessions.get((result_id, reader))
            if known is not None:
                return known
            name = reader.removesuffix(TOGETHER)
            if name.casefold() == GOLD:
                raise EstimateError(f"reader {name!r}: this name stands for what readers agree on; take another")
            readers = {one.stem.removeprefix("answers-") for one in folder.glob("answers-*.csv")}
            if name not in readers and len(readers) >= MOST_READERS:
                raise EstimateError(f"there are {MOST_READERS} readers of this sample, which is the most")
            made = Session(
                folder=folder, sample=load(folder / "sample.json"), reader=name, pictures=_pictures(folder), agree=name != reader
            )  # fmt: skip
            if len(self._sessions) >= MOST_SESSIONS:
                self._sessions.pop(next(iter(self._sessions)))
            self._sessions[result_id, reader] = made
            return made

    def may_read(self, result_id: str, reader: str, client: str) -> bool:
        """Tell whether a name belongs to a client, or to nobody yet; without tokens, clients cannot be told apart."""
        owner = self._owner(result_id, reader)
        try:
            return owner is None or owner.read_text(encoding="ascii") == client
        except FileNotFoundError:
            return True

    def own(self, result_id: str, reader: str, client: str) -> bool:
        """Assign a name to the first client who answers under it; return whether it is this client's."""
        owner = self._owner(result_id, reader)
        if owner is not None and not owner.exists():
            written = owner.with_suffix(f".{secrets.token_hex(8)}")
            written.write_text(client, encoding="ascii")
            with contextlib.suppress(FileExistsError):  # written completely, or another client's
                os.link(written, owner)
            written.unlink()
        return self.may_read(result_id, reader, client)

    def _owner(self, result_id: str, reader: str) -> Path | None:
        """Return the file that stores the owner of a reader's name; None if ownership is not checked."""
        folder = self.folder(result_id)
        if folder is None or self._settings.tokens is None:
            return None
        name = reader.removesuffix(TOGETHER).casefold()
        return folder / f"owner-{hashlib.sha256(name.encode()).hexdigest()[:32]}.txt"

    def state(self, result_id: str) -> dict[str, Any] | None:
        """Report progress, and the estimate so far if it may be shown; None without a sample."""
        folder = self.folder(result_id)
        if folder is None:
            return None
        sample: Sample = load(folder / "sample.json")
        answers = all_answers(folder, sample)
        readers = sorted({one.reader for one in answers if one.reader != GOLD})
        told: dict[str, Any] = {
            "looks": len(sample.units), "looked": len({one.unit for one in answers}), "readers": len(readers), "estimate": None,
        }  # fmt: skip
        if may_show(sample, answers):
            one = evaluate(sample, answers).headline
            told["estimate"] = {"ratio": one.ratio, "low": one.low, "high": one.high, "n": one.n, "method": one.method}
        return told


def _pictures(folder: Path) -> list[Any]:
    from howgreen.pipeline.sampling import PICTURES

    return [picture(str(folder / file), name=name) for file, name in PICTURES if (folder / file).exists()]
