"""Polygons, points and rasters with a class, burnt onto the pixels of images; every fault in them is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from howgreen.core.errors import HowgreenError, LabelError
from howgreen.core.geometry import transformer
from howgreen.core.labels import burn, class_of, classes_of, read_shapes, word
from howgreen.store import sources
from howgreen.training.contest.classes import CLASSES, GREEN, NAMES
from howgreen.training.own.images import Floats, Image

FEWEST = 10
"""Pixels that a class needs."""
BLOCK_PX = 16
"""Points, and shapes of a pixel or two, in one block of this side are held out together: neighbours are not
independent."""
SMALL_PX = 4
"""Shapes of at most this many pixels are grouped by block."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Labelled pixels of one or several images."""

    rows: npt.NDArray[np.int_]
    columns: npt.NDArray[np.int_]
    code: npt.NDArray[np.int_]
    """Index in :data:`howgreen.training.contest.classes.CLASSES`."""
    shape: npt.NDArray[np.int_]
    """Number of the polygon or point containing the pixel, the same in all images: whole ones are held out."""
    block: npt.NDArray[np.int64]
    """Number of the block of ground containing the pixel, the same in all images."""
    image: npt.NDArray[np.int_]
    """Number of the image."""
    notes: tuple[str, ...] = ()
    """Labels that were not used, and why, for people."""
    learned: npt.NDArray[np.bool_] | None = None
    """Which of them are used for training; the others only judge. None for all: labels filtered by the image must not
    be judged by those that passed."""

    @property
    def teaching(self) -> Labels:
        """Those used for training."""
        return self if self.learned is None else self.kept(self.learned)

    def kept(self, keep: npt.NDArray[np.bool_]) -> Labels:
        """Select some of the pixels."""
        return replace(
            self, **{name: getattr(self, name)[keep] for name in FIELDS},
            learned=None if self.learned is None else self.learned[keep],
        )  # fmt: skip

    def groups(self) -> npt.NDArray[np.int64]:
        """Return each pixel's group, held out as a whole: a polygon, or all small shapes of one block.

        Points of one field are no more independent than its pixels.
        """
        _, inverse = np.unique(self.shape, return_inverse=True)
        sizes = [np.bincount(inverse[self.image == number], minlength=1) for number in np.unique(self.image)]
        largest = np.zeros(int(inverse.max(initial=0)) + 1, int)
        for size in sizes:
            largest[: len(size)] = np.maximum(largest[: len(size)], size)
        return np.where(largest[inverse] <= SMALL_PX, -1 - self.block, self.shape)

    def counts(self) -> dict[str, int]:
        """Count pixels by class name, without empty classes."""
        found = Counter(self.code.tolist())
        return {cls.name: found[cls.code] for cls in CLASSES if found[cls.code]}

    def reflectance(self, images: Sequence[Image]) -> Floats:
        """Return the reflectance (n, band) of the labelled pixels."""
        found = np.empty((len(self.code), len(images[0].bands)), np.float32)
        for number, image in enumerate(images):
            ours = self.image == number
            found[ours] = image.reflectance[:, self.rows[ours], self.columns[ours]].T
        return found


FIELDS = ("rows", "columns", "code", "shape", "block", "image")
"""Fields of :class:`Labels` with one value per pixel."""


def read_labels(
    path: Path, images: Sequence[Image], *, column: str = "class", classes: Mapping[str, str] | None = None
) -> Labels:
    """Read the pixels with their centre in a polygon, and those under points. Ground of two classes is left out.

    A raster of classes (GeoTIFF) labels the pixels that are filled by one class.

    Parameters
    ----------
    images
        Of the same ground; each seen pixel is labelled in each.
    column
        Column of the class: one of howgreen's names, a common synonym, or a key of ``classes``.
    classes
        Class for each value of the column or the raster: ``{"1": "water"}``.

    Raises
    ------
    LabelError
        The file, its CRS or column is missing, classes are unknown or too few, or all labels are outside the image or
        on pixels without data.
    """
    if path.suffix.lower() in RASTERS:
        return _of_raster(path, images, classes or {})
    frame = read_shapes(path, column)
    codes = [NAMES.index(name) for name in classes_of(frame, path, column, classes or {})]
    parts = []
    for number, image in enumerate(images):
        here = frame.to_crs(str(image.grid.crs))
        found = burnt(list(here.geometry), codes, image, number=number, first=images[0])
        inside = here.intersects(image.grid.extent.geom).to_numpy()
        if not inside.any():
            raise LabelError(f"labels {path}: none lies on the image {image.name} ({_where(here, image)}); check their places and "
                             "CRS, or use another image")  # fmt: skip
        if not len(found.code):
            raise LabelError(f"labels {path}: no pixel of {image.name} is claimed by one class alone: shapes of different classes "
                             "lie on each other, or hold no pixel's centre; draw larger ones, each with one class")  # fmt: skip
        _check_covered(path, codes, found, here[inside], inside)
        seen = _seen(path, found, image)
        parts.append(replace(seen, notes=tuple(_unused(inside, found, seen, image))))
    return together(parts)


def _check_covered(path: Path, codes: list[int], found: Labels, frame: Any, inside: npt.NDArray[np.bool_]) -> None:
    """Raise LabelError if one shape covers all ground of other classes, as a background does."""
    here = [NAMES[code] for code, there in zip(codes, inside, strict=True) if there]
    lost = sorted(set(here) - set(found.counts()))
    background = int(frame.geometry.area.to_numpy().argmax())
    under = frame.geometry[np.isin(here, lost)]
    if lost and here[background] not in lost and under.intersects(frame.geometry.iloc[background]).all():
        raise LabelError(f"labels {path}: one shape ({here[background]}) lies over all those of {', '.join(lost)}, and ground that two "
                         "classes claim teaches nothing; delete that shape, or cut the others out of it")  # fmt: skip


def _seen(path: Path, found: Labels, image: Image) -> Labels:
    """Keep the labelled pixels that have data; LabelError if none has."""
    seen = found.kept(image.seen[found.rows, found.columns])
    if not len(seen.code):
        raise LabelError(f"labels {path}: all {len(found.code)} labelled pixels of {image.name} hold no data (NaN, nodata or cloud); "
                         "label ground that was seen")  # fmt: skip
    return seen


RASTERS = (".tif", ".tiff")
_QUARTERS = (0.25, 0.75)
_MOST_CLASSES = 64
"""More distinct numbers mean an image, not classes."""


def _of_raster(path: Path, images: Sequence[Image], classes: Mapping[str, str]) -> Labels:
    """Label the pixels whose centre and quarter centres all have one class.

    Raises
    ------
    LabelError
        A number of the raster is not in ``classes``, or no labelled pixel lies on an image.
    """
    try:
        with sources.opened(path) as dataset:
            values, nodata = dataset.read(1), dataset.nodatavals[0]
            grid = sources.grid_of(dataset, path)
    except HowgreenError as error:
        raise LabelError(f"labels {error}") from error
    code_of = _meanings(path, values, nodata, classes)
    parts = []
    for number, image in enumerate(images):
        rows, columns = (side.ravel() for side in np.indices((image.grid.shape.y, image.grid.shape.x)))
        codes = [_sampled(values, grid, image.grid, rows + down, columns + right, code_of)
                 for down, right in ((0.5, 0.5), *((y, x) for y in _QUARTERS for x in _QUARTERS))]  # fmt: skip
        pure = np.logical_and.reduce([codes[0] == other for other in codes]) & (codes[0] >= 0)
        if not pure.any():
            raise LabelError(
                f"labels {path}: no pixel of {image.name} lies in one class of it alone; check its place and CRS"
            )
        # Each pixel is a shape of its own: they are held out by blocks of ground.
        found = _labels(rows[pure], columns[pure], codes[0][pure], np.flatnonzero(pure), image, number, images[0])
        seen = _seen(path, found, image)
        notes = (
            f"{len(seen.code)} of {pure.size} pixels of {image.name} lie in one class of {path.name} alone and have data",
        )
        parts.append(replace(seen, notes=notes))
    return together(parts)


def _meanings(
    path: Path, values: npt.NDArray[Any], nodata: float | None, classes: Mapping[str, str]
) -> dict[float, int]:
    """Return the code of each number in a raster; one without a class is an error, unless it is no data."""
    there = [number for number in np.unique(values).tolist() if np.isfinite(number) and number != nodata]
    if len(there) > _MOST_CLASSES:
        raise LabelError(
            f"labels {path}: holds {len(there)} different numbers, which are no classes; give a raster with a class a pixel"
        )
    found = {number: name for number in there if (name := class_of(number, classes)) is not None}
    left = [word(number) for number in there if number not in found]
    if not found or (left and not set(left) <= {"0"}):
        raise LabelError(f"labels {path}: says nothing of what its numbers {', '.join(left[:8])} mean; say it with --classes "
                         f"{left[0]}=tree,... (the classes are {', '.join(NAMES)})")  # fmt: skip
    return {number: NAMES.index(name) for number, name in found.items()}


def _sampled(
    values: npt.NDArray[Any],
    grid: GeoBox,
    onto: GeoBox,
    rows: npt.NDArray[Any],
    columns: npt.NDArray[Any],
    code_of: Mapping[float, int],
) -> npt.NDArray[np.int_]:
    """Sample the class code (n,) at positions of another grid; -1 for none."""
    x, y = _world(onto, rows, columns)
    x, y = transformer(str(onto.crs), str(grid.crs)).transform(x, y)
    down, right = _on_grid(grid, x, y)
    inside = (right >= 0) & (down >= 0) & (right < values.shape[1]) & (down < values.shape[0])
    numbers = values[down[inside].astype(int), right[inside].astype(int)]
    found = np.full(len(rows), -1)
    found[inside] = np.select([numbers == number for number in code_of], list(code_of.values()), -1)
    return found


def _world(grid: GeoBox, rows: npt.NDArray[Any], columns: npt.NDArray[Any]) -> tuple[Any, Any]:
    """Convert positions on a grid to coordinates in its CRS."""
    at: Any = grid.transform  # its own types support only single numbers
    x, y = at @ (columns, rows)
    return x, y


def _on_grid(grid: GeoBox, x: Any, y: Any) -> tuple[Any, Any]:
    """Convert coordinates in a grid's CRS to rows and columns."""
    at: Any = ~grid.transform
    columns, rows = at @ (x, y)
    return rows, columns


def together(parts: Sequence[Labels]) -> Labels:
    """Merge labels of several images: the same shapes, each note once."""
    learned = [np.ones(len(part.code), bool) if part.learned is None else part.learned for part in parts]
    return Labels(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS},
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        learned=None if all(part.learned is None for part in parts) else np.concatenate(learned),
    )


def _unused(inside: npt.NDArray[np.bool_], found: Labels, seen: Labels, image: Image) -> Iterator[str]:
    """Make sentences about unused labels; they appear on the page, which names no folder."""
    name = Path(image.name).name
    if not inside.all():
        yield f"{(~inside).sum()} of {len(inside)} shapes lie outside {name} and teach nothing"
    if len(seen.code) < len(found.code):
        yield f"{len(found.code) - len(seen.code)} of {len(found.code)} labelled pixels hold no data in {name}"
    silent = int(inside.sum()) - len(np.unique(found.shape))
    if silent:
        yield f"{silent} shapes hold no pixel's centre of their own: too small, or claimed by another class"


def _where(frame: Any, image: Image) -> str:
    west, south, east, north = frame.total_bounds
    box = image.grid.extent.boundingbox
    return (f"labels x {west:.0f}…{east:.0f}, y {south:.0f}…{north:.0f}; image x {box.left:.0f}…{box.right:.0f}, "
            f"y {box.bottom:.0f}…{box.top:.0f}")  # fmt: skip


def burnt(
    shapes: list[Any],
    codes: list[int],
    image: Image,
    *,
    number: int = 0,
    first: Image | None = None,
    shrink_px: float = 0.0,
) -> Labels:
    """Rasterise shapes in the image's CRS to labelled pixels.

    Parameters
    ----------
    number
        Index of the image among the training images.
    first
        The first of those images, whose pixels define the blocks of ground; None for ``image``.
    shrink_px
        Keeps polygons away from their edges.
    """
    if shrink_px:
        shapes = [shape.buffer(-shrink_px * abs(image.grid.transform.a)) for shape in shapes]
    found = burn(shapes, codes, image.grid)
    return _labels(found.rows, found.columns, found.code, found.shape, image, number, first or image)


def _labels(
    rows: npt.NDArray[np.int_], columns: npt.NDArray[np.int_], code: npt.NDArray[np.int_], shape: npt.NDArray[np.int_],
    image: Image, number: int, first: Image,
) -> Labels:  # fmt: skip
    """Make labelled pixels of one image, with their blocks of ground."""
    return Labels(
        rows=rows, columns=columns, code=code, shape=shape, block=blocks_of(rows, columns, image, first),
        image=np.full(len(rows), number),
    )  # fmt: skip


def blocks_of(
    rows: npt.NDArray[np.int_], columns: npt.NDArray[np.int_], image: Image, first: Image
) -> npt.NDArray[np.int64]:
    """Return the block of ground, a square of the first image's pixels, that contains each pixel of an image."""
    if image.grid != first.grid:
        x, y = _world(image.grid, rows + 0.5, columns + 0.5)
        x, y = transformer(str(image.grid.crs), str(first.grid.crs)).transform(x, y)
        down, right = _on_grid(first.grid, x, y)
        rows, columns = np.floor(down).astype(np.int64), np.floor(right).astype(np.int64)
    half = 500_000  # so that blocks west and north of the first image have numbers too
    return np.asarray((rows // BLOCK_PX + half).astype(np.int64) * 1_000_003 + columns // BLOCK_PX + half)


def check(labels: Labels, images: Sequence[Image], *, source: str) -> None:
    """Check that training is possible: two kinds of ground, enough pixels, bands in the stated order.

    Raises
    ------
    LabelError
        There is only one class, nothing green or nothing else, or too few pixels of a class.
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
    for number, image in enumerate(images):
        here = labels.kept(labels.image == number)
        green = GREEN[here.code]
        if green.any() and not green.all():
            _check_order(here, image)
            _check_shift(here, image)


def _check_order(labels: Labels, image: Image) -> None:
    """Check the band order: plants reflect more near-infrared than red, and more so than other ground."""
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
"""Just under the 0.1 of reflectance that Sentinel-2's numbers contain from baseline 04.00 on."""


def _check_shift(labels: Labels, image: Image) -> None:
    """Check for a remaining offset: plants are dark in red, and some ground is dark in every band."""
    green = GREEN[labels.code]
    red = float(np.median(image.band("red")[labels.rows, labels.columns][green]))
    darkest = min(float(np.nanpercentile(layer, 1)) for layer in image.reflectance)
    if red > _SHIFT and darkest > _SHIFT:
        raise LabelError(
            f"image {image.name}: what is labelled green reflects {red:.2f} in red light and no pixel is darker than {darkest:.2f}: "
            "an offset of 0.1 (+1000) seems to be left in; give --offset -0.1"
        )
