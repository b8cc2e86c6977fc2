"""Files in, model file out."""

from __future__ import annotations

from pathlib import Path

from howgreen.core.errors import LabelError, OutputError
from howgreen.core.types import Progress
from howgreen.training.contest.effort import SEED
from howgreen.training.own.fit import Trained, train_own
from howgreen.training.own.images import read_image
from howgreen.training.own.labels import read_labels
from howgreen.training.own.weak import joined, weak_labels


def train_from_files(
    images: list[Path],
    *,
    labels: Path | None,
    column: str = "class",
    osm_green: Path | None = None,
    bands: tuple[str, ...] | None = None,
    scale: float | None = None,
    offset: float | None = None,
    algorithm: str = "forest",
    out: Path,
    progress: Progress,
) -> Trained:
    """Train on own labels, on OpenStreetMap's green areas, or on both.

    Raises
    ------
    LabelError, ImageError, MissingBandsError
        What is wrong with the input, by name.
    OutputError
        ``out`` cannot be written.
    """
    given = [path for path in (labels, osm_green) if path is not None]
    if not given:
        raise LabelError("nothing to learn from: give --labels or --osm-green")
    if out.suffix != ".onnx":
        raise OutputError(f"{out}: a model file ends in .onnx; choose another --out")
    image = read_image(images, bands=bands, scale=scale, offset=offset)
    parts = [read_labels(labels, image, column=column)] if labels else []
    parts += [weak_labels(osm_green, image, seed=SEED)] if osm_green else []
    return train_own(image, joined(*parts), source=" and ".join(path.name for path in given), algorithm=algorithm, out=out, name=out.stem,
                     progress=progress)  # fmt: skip
