"""OpenStreetMap's green areas as weak labels, kept only where the image agrees.

A park contains paths and ponds, and a map is older or newer than the image. So areas are shrunk by a pixel, to avoid
mixed pixels, and pixels unlike most of their class are dropped; other ground is found in the image itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from howgreen.core.errors import LabelError
from howgreen.core.labels import read_shapes
from howgreen.training.contest.classes import BUILT, CROP, LOW, TREE, WATER
from howgreen.training.own.images import Image
from howgreen.training.own.labels import Labels, blocks_of, burnt, together

GROUPS = {"tree": TREE, "grass": LOW, "crop": CROP}
"""Groups of ``howgreen osm-green``; "other" (parks, graves) is a mixture by nature and not used as a label."""
SHRINK_PX = 1.0
LEAST_LIFT = 0.6
"""Least AUC: a map whose green pixels have the higher NDVI in fewer pairs than this does not fit the image; chance is
0.5."""
_LEAST_NDVI = 0.35
_MOST_SPREADS = 2.5
_GREY_NDVI = 0.15
_APART_PX = 3
"""Ground labelled as not green keeps this distance from all mapped green."""
_WATER_NIR = 0.08
_MOST_OTHER = 4000


def weak_labels(path: Path, images: Sequence[Image], *, seed: int) -> Labels:
    """Make labels from the GeoPackage of ``howgreen osm-green`` (a column ``group``), on each image.

    Trees, grass and crops come from the map; built ground and water are pixels away from all mapped green that are
    clearly grey (NDVI below 0.15) or clearly water (dark, greener than near-infrared).

    Raises
    ------
    LabelError
        There is no such file or column, or too little of it agrees with the image.
    """
    frame = read_shapes(path, "group")
    return together([_on(path, frame, images, number, seed=seed) for number in range(len(images))])


def _on(path: Path, frame: Any, images: Sequence[Image], number: int, *, seed: int) -> Labels:
    """Labels of one image."""
    image = images[number]
    frame = frame.to_crs(str(image.grid.crs))
    known = frame[frame["group"].isin(list(GROUPS))]
    codes = [GROUPS[str(group)] for group in known["group"]]
    mapped = burnt(list(known.geometry), codes, image, number=number, first=images[0], shrink_px=SHRINK_PX)
    seen = mapped.kept(image.seen[mapped.rows, mapped.columns])
    agree = agreeing(image.ndvi[seen.rows, seen.columns], seen.code)
    if not agree.any():
        raise LabelError(f"weak labels {path}: no mapped green of {len(mapped.code)} pixels looks green in {image.name}; check that map "
                         "and image show the same place, in the growing season")  # fmt: skip
    lift = _lift(list(frame.geometry), image)
    if lift < LEAST_LIFT:
        raise LabelError(
            f"weak labels {path}: what is mapped green is no greener in {image.name} than the rest (in {lift:.0%} of pairs of pixels, "
            "half would be chance): map and image do not show the same place, or not in the growing season"
        )
    other = _other_ground(list(frame.geometry), images, number, seed=seed)
    # Labels filtered by the image cannot be judged by those that passed: all of the map's own green judges.
    found = joined(replace(seen, learned=agree), other)
    share = f"{agree.mean():.0%} of the mapped green pixels look like most of their class and teach; all of them judge"
    return replace(found, notes=(*found.notes, share))


def _lift(shapes: list[object], image: Image) -> float:
    """Compute the AUC: how often a pixel mapped green has the higher NDVI of a pair with one that is not."""
    from rasterio.features import rasterize
    from scipy.stats import rankdata

    size = (image.grid.shape.y, image.grid.shape.x)
    mapped = (rasterize(shapes, out_shape=size, transform=image.grid.transform) > 0)[image.seen]
    ranks = rankdata(image.ndvi[image.seen])
    ours, rest = int(mapped.sum()), int((~mapped).sum())
    if not ours or not rest:
        return 1.0
    return float((ranks[mapped].sum() - ours * (ours + 1) / 2) / ours / rest)


def agreeing(ndvi: npt.NDArray[np.floating], code: npt.NDArray[np.int_]) -> npt.NDArray[np.bool_]:
    """Find pixels that look like vegetation and like their class: within 2.5 robust deviations of its median NDVI."""
    keep = np.asarray(ndvi >= _LEAST_NDVI)
    for number in np.unique(code):
        ours = code == number
        if (ours & keep).any():
            middle = np.median(ndvi[ours & keep])
            spread = max(1.4826 * float(np.median(np.abs(ndvi[ours & keep] - middle))), 0.02)
            keep &= ~ours | (np.abs(ndvi - middle) <= _MOST_SPREADS * spread)
    return keep


def _other_ground(shapes: list[object], images: Sequence[Image], number: int, *, seed: int) -> Labels:
    """Find built ground and water in the image, away from mapped green; every pixel is a shape of its own."""
    image = images[number]
    from rasterio.features import rasterize
    from scipy.ndimage import binary_dilation

    size = (image.grid.shape.y, image.grid.shape.x)
    mapped = rasterize(shapes, out_shape=size, transform=image.grid.transform, all_touched=True) > 0
    free = image.seen & ~binary_dilation(mapped, iterations=_APART_PX)
    water = free & (image.band("green") > image.band("nir")) & (image.band("nir") < _WATER_NIR)
    grey = free & ~water & (image.ndvi < _GREY_NDVI)
    rng, parts = np.random.default_rng(seed), []
    for code, where in ((BUILT, grey), (WATER, water)):
        rows, columns = np.nonzero(where)
        chosen = np.sort(rng.permutation(len(rows))[:_MOST_OTHER])
        # Single-pixel shapes: blocks of them are held out as one, as polygons are.
        rows, columns = rows[chosen], columns[chosen]
        parts.append(
            Labels(
                rows=rows, columns=columns, code=np.full(len(rows), code), shape=rows * image.grid.shape.x + columns,
                block=blocks_of(rows, columns, image, images[0]), image=np.full(len(rows), number),
            )
        )  # fmt: skip
    return joined(*parts)


def joined(*parts: Labels) -> Labels:
    """Merge labels of different shapes into one set; a pixel with several labels gets the first."""
    apart, shapes = 0, []
    for part in parts:
        shapes.append(replace(part, shape=part.shape + apart))
        apart += int(part.shape.max(initial=-1)) + 1
    found = together(shapes)
    _, first = np.unique(np.stack([found.image, found.rows, found.columns]), axis=1, return_index=True)
    return found.kept(np.isin(np.arange(len(found.code)), first))
