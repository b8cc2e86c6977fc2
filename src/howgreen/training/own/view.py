"""An image beside a model's map of it, thinned for display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from howgreen.landcover.classify import classify_array
from howgreen.landcover.model import Model
from howgreen.training.contest.samples import Floats
from howgreen.training.own.images import Image
from howgreen.training.own.labels import Labels

MOST_PX = 420
"""Longest side shown for a pixel model: pixels are subsampled."""
LARGEST_PIECE_PX = 640
"""Side of the piece shown for a model with context, which needs all pixels."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Some pixels of an image, with a model's predictions."""

    image: Image
    top: int
    left: int
    step: int
    """Row and column of the first pixel, and the sampling step."""
    photo: Floats
    """(y, x, 3), 0-1."""
    green: Floats
    """(y, x); NaN where unseen."""
    probability: Floats
    """(class, y, x); NaN where unseen."""

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """(y, x)."""
        return np.asarray(np.isfinite(self.green))

    def at(self, rows: npt.NDArray[np.int_], columns: npt.NDArray[np.int_]) -> tuple[Any, Any]:
        """Return the positions (y, x) of an image's pixels in the view."""
        return (rows - self.top) / self.step, (columns - self.left) / self.step


def view_of(model: Model, image: Image, labels: Labels) -> View:
    """Map an image, or the piece of it with the most labels, at display size."""
    height, width = image.reflectance.shape[1:]
    top = left = 0
    step = max(1, -(-max(height, width) // MOST_PX))
    if model.card.looks_around:
        step = 1
        top, left = (
            max(0, min(int(np.median(side)) - LARGEST_PIECE_PX // 2, size - LARGEST_PIECE_PX)) if len(side) else 0
            for side, size in ((labels.rows, height), (labels.columns, width))
        )
    size = LARGEST_PIECE_PX if model.card.looks_around else max(height, width)
    piece = image.reflectance[:, top : top + size : step, left : left + size : step]
    values = piece[[image.bands.index(band) for band in model.card.bands]]
    block = classify_array(np.ascontiguousarray(values), model)
    return View(
        image=image, top=top, left=left, step=step, photo=photo(piece, image.bands), green=block[1],
        probability=block[2 : 2 + len(model.card.classes)],
    )  # fmt: skip


def photo(reflectance: Floats, bands: tuple[str, ...]) -> Floats:
    """Make a display image (y, x, 3): red, green, blue, else near-infrared, red, green; white where unseen."""
    names = ("red", "green", "blue") if "blue" in bands else ("nir", "red", "green")
    layers = reflectance[[bands.index(name) for name in names]]
    seen = np.isfinite(layers).all(axis=0)
    brightest = max(float(np.percentile(layers[:, seen], 98)), 0.05) if seen.any() else 1.0
    shown = np.clip(np.nan_to_num(np.moveaxis(layers, 0, -1)) / brightest, 0, 1) ** 0.7
    shown[~seen] = 1
    return np.asarray(shown, dtype=np.float32)
