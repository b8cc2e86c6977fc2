"""Polygons and points with a class, onto the pixels of an image; whatever is wrong with them is said by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import LabelError
from howgreen.core.labels import burn, classes_of, read_shapes
from howgreen.training.contest.classes import CLASSES, GREEN, NAMES
from howgreen.training.own.images import Image

if TYPE_CHECKING:
    pass

FEWEST = 10
"""Pixels that a class needs."""
BLOCK_PX = 16
"""Points, and shapes of a pixel or two, that lie in one block of this side are held out together: neighbours are no strangers."""
SMALL_PX = 4
"""Shapes of at most so many pixels are grouped by their block."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labelled pixels of one image."""

    rows: npt.NDArray[np.int_]
    columns: npt.NDArray[np.int_]
    code: npt.NDArray[np.int_]
    """Place in :data:`howgreen.training.contest.classes.CLASSES`."""
    shape: npt.NDArray[np.int_]
    """Number of the polygon or point that the pixel lies in: whole ones are held out to judge."""
    notes: tuple[str, ...] = ()
    """What of the file taught nothing, and why, for people."""
    learned: npt.NDArray[np.bool_] | None = None
    """Which of them teach; the others only judge. None for all: what was filtered by the image must not be judged by what passed."""

    @property
    def teaching(self) -> Labels:
        """Those that teach."""
        return self if self.learned is None else self.kept(self.learned)

    def kept(self, keep: npt.NDArray[np.bool_]) -> Labels:
        """Take some of the pixels."""
        return replace(
            self, rows=self.rows[keep], columns=self.columns[keep], code=self.code[keep], shape=self.shape[keep],
            learned=None if self.learned is None else self.learned[keep],
        )  # fmt: skip

    def groups(self) -> npt.NDArray[np.int64]:
        """Give each pixel the number of the group that is held out whole: a polygon, or all small shapes of one block.

        Points of one field are no more strangers to each other than its pixels are.
        """
        _, inverse, counts = np.unique(self.shape, return_inverse=True, return_counts=True)
        blocks = (self.rows // BLOCK_PX).astype(np.int64) * 1_000_003 + self.columns // BLOCK_PX
        return np.where(counts[inverse] <= SMALL_PX, -1 - blocks, self.shape)

    def counts(self) -> dict[str, int]:
        """Pixels by class name, classes without any left out."""
        found = Counter(self.code.tolist())
        return {cls.name: found[cls.code] for cls in CLASSES if found[cls.code]}


def read_labels(path: Path, image: Image, *, column: str = "class", classes: Mapping[str, str] | None = None) -> Labels:
    """Read the pixels whose centre lies in a polygon, and those under points. Ground that two classes claim is left out.

    Parameters
    ----------
    column
        Holds the class: one of howgreen's names, a usual synonym, or what ``classes`` says.
    classes
        Class by what the column holds: ``{"1": "water"}``.

    Raises
    ------
    LabelError
        No such file, no CRS, no column, unknown or too few classes, all outside the image or on pixels without data.
    """
    frame = read_shapes(path, column)
    codes = [NAMES.index(name) for name in classes_of(frame, path, column, classes or {})]
    frame = frame.to_crs(str(image.grid.crs))
    found = burnt(list(frame.geometry), codes, image)
    inside = frame.intersects(image.grid.extent.geom).to_numpy()
    if not inside.any():
        raise LabelError(f"labels {path}: none lies on the image {image.name} ({_where(frame, image)}); check their places and "
                         "CRS, or use another image")  # fmt: skip
    if not len(found.code):
        raise LabelError(f"labels {path}: no pixel of {image.name} is claimed by one class alone: shapes of different classes "
                         "lie on each other, or hold no pixel's centre; draw larger ones, each with one class")  # fmt: skip
    seen = found.kept(image.seen[found.rows, found.columns])
    if not len(seen.code):
        raise LabelError(f"labels {path}: all {len(found.code)} labelled pixels of {image.name} hold no data (NaN, nodata or cloud); "
                         "label ground that was seen")  # fmt: skip
    return replace(seen, notes=tuple(_unused(inside, found, seen, image)))


def _unused(inside: npt.NDArray[np.bool_], found: Labels, seen: Labels, image: Image) -> Iterator[str]:
    """Sentences about labels that teach nothing."""
    if not inside.all():
        yield f"{(~inside).sum()} of {len(inside)} shapes lie outside {image.name} and teach nothing"
    if len(seen.code) < len(found.code):
        yield f"{len(found.code) - len(seen.code)} of {len(found.code)} labelled pixels hold no data in {image.name}"
    silent = int(inside.sum()) - len(np.unique(found.shape))
    if silent:
        yield f"{silent} shapes hold no pixel's centre of their own: too small, or claimed by another class"


def _where(frame: Any, image: Image) -> str:
    west, south, east, north = frame.total_bounds
    box = image.grid.extent.boundingbox
    return (f"labels x {west:.0f}…{east:.0f}, y {south:.0f}…{north:.0f}; image x {box.left:.0f}…{box.right:.0f}, "
            f"y {box.bottom:.0f}…{box.top:.0f}")  # fmt: skip


def burnt(shapes: list[Any], codes: list[int], image: Image, *, shrink_px: float = 0.0) -> Labels:
    """Shapes in the image's CRS as labelled pixels; ``shrink_px`` keeps polygons away from their edges."""
    if shrink_px:
        shapes = [shape.buffer(-shrink_px * abs(image.grid.transform.a)) for shape in shapes]
    found = burn(shapes, codes, image.grid)
    return Labels(rows=found.rows, columns=found.columns, code=found.code, shape=found.shape)


def check(labels: Labels, image: Image, *, source: str) -> None:
    """Check that something can be learned: two kinds of ground, enough pixels, bands in the order they are said to be in.

    Raises
    ------
    LabelError
        One class only, nothing green or nothing else, too few pixels of a class.
    """
    counts = labels.counts()
    if len(counts) < 2:
        raise LabelError(
            f"labels {source}: one class only ({', '.join(counts)}); a model needs green and other ground to tell apart"
        )
    if len({bool(GREEN[NAMES.index(name)]) for name in counts}) < 2:
        raise LabelError(f"labels {source}: only {'green' if GREEN[NAMES.index(next(iter(counts)))] else 'other than green'} ground "
                         f"({', '.join(counts)}); label both")  # fmt: skip
    few = [f"{name} ({count})" for name, count in counts.items() if count < FEWEST]
    if few:
        raise LabelError(
            f"labels {source}: too few pixels with data of {', '.join(few)}; label at least {FEWEST} of each class"
        )
    _check_order(labels, image)
    _check_shift(labels, image)


def _check_order(labels: Labels, image: Image) -> None:
    """Plants reflect more near-infrared than red, and in the infrared other ground is not greener: else bands are mixed up."""
    index = image.ndvi[labels.rows, labels.columns]
    green = GREEN[labels.code]
    plants, others = float(np.median(index[green])), float(np.median(index[~green]))
    if plants < 0.1 or plants <= others:
        raise LabelError(
            f"image {image.name}: the median NDVI of what is labelled green is {plants:.2f}, of the rest {others:.2f}: its bands are in "
            f"another order than {', '.join(image.bands)}, or the labels are exchanged; give the order with --bands"
        )
    if {"blue", "green"} <= set(image.bands):
        blue, leaf = (
            float(np.median(image.band(name)[labels.rows, labels.columns][green])) for name in ("blue", "green")
        )
        if blue > 1.6 * leaf:
            raise LabelError(f"image {image.name}: what is labelled green reflects {blue:.3f} in blue and {leaf:.3f} in green light: "
                             "the bands seem to be in another order; give it with --bands")  # fmt: skip


_SHIFT = 0.09
"""Just under the 0.1 of reflectance that Sentinel-2's numbers hold from baseline 04.00 on."""


def _check_shift(labels: Labels, image: Image) -> None:
    """Plants are dark in red light and some ground is dark in every band: where nothing is, an offset was left in."""
    green = GREEN[labels.code]
    red = float(np.median(image.band("red")[labels.rows, labels.columns][green]))
    darkest = min(float(np.nanpercentile(layer, 1)) for layer in image.reflectance)
    if red > _SHIFT and darkest > _SHIFT:
        raise LabelError(
            f"image {image.name}: what is labelled green reflects {red:.2f} in red light and no pixel is darker than {darkest:.2f}: "
            "an offset of 0.1 (+1000) seems to be left in; give --offset -0.1"
        )
