"""Placement of tiles on the grid, and blending of overlapping predictions.

A tile's *middle* is the tile without its halo. If ``stride_px`` is the middle's size, middles lie side by side and each
pixel has one prediction. If it is less they overlap, and predictions are averaged with weights that rise from a
middle's edge as a squared sine: neighbours' weights sum to 1 and meet smoothly (Hann windows; Pielawski & Wählby 2020,
doi:10.1371/journal.pone.0229839). Weights depend on the position on the grid alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from howgreen.core.models import ModelCard

Weights = npt.NDArray[np.float32]


def margin_px(card: ModelCard) -> int:
    """Return the margin around a block, in pixels, that the tiles touching it may use."""
    middle = card.tile_px - 2 * card.halo_px
    return card.halo_px + (-(-middle // card.stride_px) - 1) * card.stride_px


def starts(start: int, size: int, card: ModelCard) -> Iterator[int]:
    """Return the first grid rows (or columns) of middles that touch ``size`` pixels from ``start`` on, ascending.

    None starts before the grid: such a tile would see only pixels it shares with the first.
    """
    stride, middle = card.stride_px, card.tile_px - 2 * card.halo_px
    first = max((start - middle) // stride + 1, 0)
    return iter(range(first * stride, start + size, stride))


def ramp(card: ModelCard) -> Weights:
    """Return the weight of each row or column of a middle, (middle,); all 1 if none overlap."""
    middle = card.tile_px - 2 * card.halo_px
    if not card.overlap_px:
        return np.ones(middle, np.float32)
    inward = np.minimum(np.arange(middle), np.arange(middle)[::-1]) + 0.5
    part = np.minimum(inward / min(card.overlap_px, middle / 2), 1)
    return np.asarray(np.sin(np.pi / 2 * part) ** 2, dtype=np.float32)


def total(start: int, size: int, card: ModelCard) -> Weights:
    """Sum the weights of all tiles at each row or column from ``start`` on, (size,)."""
    weights, summed = ramp(card), np.zeros(size, np.float32)
    for first in starts(start, size, card):
        there, within = window(first - start, len(weights), size)
        summed[there] += weights[within]
    return summed


def window(start: int, size: int, limit: int) -> tuple[slice, slice]:
    """Clip ``start .. start + size`` to ``0 .. limit``: the slice there, and the slice within the window itself."""
    first, last = max(start, 0), min(start + size, limit)
    return slice(first, last), slice(first - start, last - start)


def shifted(part: slice, by: int) -> slice:
    """Shift a slice by a number of pixels."""
    return slice(part.start + by, part.stop + by)


def aligned_chunks(sizes: tuple[int, ...], card: ModelCard) -> tuple[int, ...]:
    """Return chunk sizes close to ``sizes`` that cut at multiples of the stride and are at least a margin wide."""
    total_px, margin, stride = sum(sizes), margin_px(card), card.stride_px
    step = stride * -(-max(*sizes, margin) // stride)
    edges = [*range(0, total_px, step), total_px]
    if len(edges) > 2 and edges[-1] - edges[-2] < margin:
        del edges[-2]
    return tuple(right - left for left, right in pairwise(edges))
