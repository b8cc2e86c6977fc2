"""The contest as one call: run, draw, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from howgreen.core.errors import ModelError
from howgreen.core.files import write_atomic
from howgreen.core.types import Progress
from howgreen.training.contest.cards import COMBINATION, MEMBERS
from howgreen.training.contest.effort import QUICK, Effort
from howgreen.training.contest.page import write_page
from howgreen.training.contest.pictures import draw
from howgreen.training.contest.run import CONTESTANTS, World, benchmark, pictured
from howgreen.training.shipped_page import shipped_page

__all__ = ["Asked", "contest_page", "shipped_page"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which contest to run."""

    band_sets: Sequence[str]
    names: Sequence[str] = ()
    """Algorithms; all if empty."""
    quick: bool = False
    """Tiny samples, whose figures mean nothing."""
    real_pictures: bool = True
    """Whether to draw real images, or only the maps made from them: the licence of some forbids passing on pictures."""


def contest_page(
    data: Path,
    *,
    out: Path,
    work: Path,
    ask: Asked,
    progress: Progress,
) -> Path:
    """Run a contest for each set of bands; write ``out/contest.md`` with pictures, and all models to ``out/models``.

    Raises
    ------
    ModelError
        No such algorithm, or the data folder lacks a file.
    """
    known = (*CONTESTANTS, COMBINATION)
    unknown = sorted(set(ask.names) - set(known))
    if unknown:
        raise ModelError(f"algorithm {', '.join(unknown)}: not known; there are {', '.join(known)}")
    # The combination needs both.
    names = [name for name in CONTESTANTS if name in ask.names or (COMBINATION in ask.names and name in MEMBERS)]
    effort = QUICK if ask.quick else Effort()
    contests, pictures = [], dict[str, str]()
    for band_set in dict.fromkeys(ask.band_sets):
        contest = benchmark(data, work=work, effort=effort, band_set=band_set, names=names, progress=progress)
        contests.append(contest)
        world = World(data=data, band_set=band_set, effort=effort)
        real = pictured(world, Path(contest["folder"]))
        pictures |= draw(contest, world.simulated[0], out, real=real, photo=ask.real_pictures)
        _hand_over(contest, out / "models")
    return write_page(contests, out, pictures=pictures, quick=ask.quick)


def _hand_over(contest: Mapping[str, Any], folder: Path) -> None:
    """Copy the models trained on everything to their published place: ``models/forest-sentinel-2.onnx``."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(Path(contest["folder"]).glob("model_*_all-cities.onnx")):
        name = file.stem.removeprefix("model_").removesuffix("_all-cities")
        write_atomic(folder / f"{name}-{contest['band_set']}.onnx", file.read_bytes())
