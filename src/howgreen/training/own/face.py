"""Training on files: from labels and images to a model file and its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from howgreen.core.errors import LabelError, OutputError
from howgreen.core.labels import parse_classes
from howgreen.core.types import Progress
from howgreen.store.options import Options
from howgreen.training.contest.effort import SEED
from howgreen.training.own.fit import Recipe, Trained, train_own
from howgreen.training.own.images import read_images
from howgreen.training.own.labels import read_labels
from howgreen.training.own.page import verdict, write_page
from howgreen.training.own.weak import joined, weak_labels

__all__ = ["LabelFiles", "parse_classes", "train_from_files", "verdict"]


@dataclass(frozen=True, kw_only=True)
class LabelFiles:
    """Sources of labels."""

    labels: Path | None = None
    """Polygons or points with a class, or a GeoTIFF of classes."""
    column: str = "class"
    classes: Mapping[str, str] | None = None
    """Class for each value of the column or the raster; None if it holds the classes' own names."""
    osm_green: Path | None = None
    """GeoPackage of ``howgreen osm-green``: weak labels."""

    @property
    def given(self) -> list[Path]:
        """The files given."""
        return [path for path in (self.labels, self.osm_green) if path is not None]


def train_from_files(
    images: list[Path], given: LabelFiles, *, options: Options, algorithm: str = "forest", out: Path, progress: Progress
) -> Trained:
    """Train on own labels, on OpenStreetMap's green areas, or on both; write the model with a page about it.

    Parameters
    ----------
    images
        GeoTIFFs, or folders as for a store. Several multi-band images show the same ground on different days.
    options
        The user's statements about the images: bands, scale, offset, no data, day, sensor.

    Raises
    ------
    LabelError, ImageError, MissingBandsError
        The message names what is wrong with the input.
    OutputError
        ``out`` cannot be written.
    """
    if not given.given:
        raise LabelError("nothing to learn from: give --labels or --osm-green")
    if out.suffix != ".onnx":
        raise OutputError(f"{out}: a model file ends in .onnx; choose another --out")
    read = read_images(images, options)
    parts = [read_labels(given.labels, read, column=given.column, classes=given.classes)] if given.labels else []
    parts += [weak_labels(given.osm_green, read, seed=SEED)] if given.osm_green else []
    source = " and ".join(path.name for path in given.given)
    recipe = Recipe(source=source, algorithm=algorithm, out=out, name=out.stem)
    trained = train_own(read, joined(*parts), recipe, progress=progress)
    write_page(trained, algorithm, out.with_suffix(".html"))
    return trained
