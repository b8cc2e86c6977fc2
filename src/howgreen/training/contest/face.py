"""The contest as one call: run, draw, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from howgreen.core.errors import ModelError
from howgreen.core.types import Progress
from howgreen.training.contest.effort import QUICK, Effort
from howgreen.training.contest.page import write_page
from howgreen.training.contest.pictures import draw
from howgreen.training.contest.run import CONTESTANTS, World, benchmark
from howgreen.training.shipped_page import shipped_page

__all__ = ["contest_page", "shipped_page"]


def contest_page(
    data: Path,
    *,
    out: Path,
    work: Path,
    band_sets: Sequence[str],
    names: Sequence[str] = (),
    quick: bool,
    progress: Progress,
) -> Path:
    """Run a contest for each set of bands and write ``out/contest.md``.

    Raises
    ------
    ModelError
        No such algorithm, or the data folder lacks a file.
    """
    unknown = sorted(set(names) - set(CONTESTANTS))
    if unknown:
        raise ModelError(f"algorithm {', '.join(unknown)}: not known; there are {', '.join(CONTESTANTS)}")
    effort = QUICK if quick else Effort()
    contests, pictures = [], dict[str, str]()
    for band_set in dict.fromkeys(band_sets):
        contest = benchmark(data, work=work, effort=effort, band_set=band_set, names=names, progress=progress)
        contests.append(contest)
        shown = World(data=data, band_set=band_set, effort=effort).simulated[0]
        pictures |= draw(contest, shown, out)
    return write_page(contests, out, pictures=pictures, quick=quick)
