"""Paint the canvas in order: blocks, then the features across them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from howgreen.core.types import Progress
from howgreen.sample import paint_green, paint_urban
from howgreen.sample.blocks import Block, make_blocks
from howgreen.sample.canvas import PLAIN, Canvas, Ground, Ints, block_ground, block_windows
from howgreen.sample.layout import Land
from howgreen.sample.overlay import paint_overlay
from howgreen.sample.spectra import CODE
from howgreen.sample.texture import make_tiles

_PAINTERS: dict[str, Callable[[Ground], None]] = {
    "old town": paint_urban.old_town,
    "inner": paint_urban.inner,
    "square": paint_urban.square,
    "villas": paint_urban.villas,
    "houses": paint_urban.houses,
    "terraces": paint_urban.terraces,
    "village": paint_urban.village,
    "estate": paint_urban.estate,
    "industry": paint_urban.industry,
    "shops": paint_urban.shops,
    "school": paint_urban.school,
    "park": paint_green.park,
    "cemetery": paint_green.cemetery,
    "sports": paint_green.sports,
    "allotments": paint_green.allotments,
    "orchard": paint_green.orchard,
    "farm": paint_green.farm,
    "meadow": paint_green.meadow,
    "forest": paint_green.forest,
}


def _paint_block(canvas: Canvas, block: Block, window: Ints) -> None:
    ground = block_ground(canvas, block, window)
    if ground is not None:
        _PAINTERS[block.use](ground)
        ground.commit()


def paint_city(land: Land, *, progress: Progress | None = None) -> Canvas:
    """Paint the finished 1 m maps of a land."""
    size = land.extent_m
    canvas = Canvas(
        land=land,
        tiles=make_tiles(land.seed),
        material=np.full((size, size), CODE["asphalt"], np.uint8),
        height=np.zeros((size, size), np.uint8),
        tone=np.full((size, size), PLAIN, np.uint8),
    )
    blocks = list(make_blocks(land))
    windows = block_windows(land, blocks)
    # In one thread: two gain nothing on arrays this small, and where rounding makes neighbours overlap by a pixel the
    # later one must always win.
    for done, (block, window) in enumerate(zip(blocks, windows, strict=True)):
        _paint_block(canvas, block, window)
        if progress and done % 200 == 0:
            progress("painting the city", done, len(blocks))
    paint_overlay(canvas)
    return canvas
