"""The 1 m maps that are painted, and the patch of ground that a painter works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from affine import Affine
from rasterio.features import rasterize
from shapely import STRtree, box, clip_by_rect
from shapely.geometry.base import BaseGeometry

from howgreen.sample.blocks import Block
from howgreen.sample.layout import Land
from howgreen.sample.spectra import CODE
from howgreen.sample.texture import TILE_PX, Tiles

Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Value = TypeVar("Value", bound=np.generic)

PLAIN = 128
"""Tone that leaves a material's brightness as it is; 64 halves it."""
WINDOW_PX = 1500


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """Maps of the whole image at 1 m, (y, x), painted in place."""

    land: Land
    tiles: Tiles
    material: Bytes
    """Code of :data:`howgreen.sample.spectra.MATERIALS`."""
    height: Bytes
    """Metres above the ground."""
    tone: Bytes
    """Brightness x 128."""


@dataclass(kw_only=True)
class Ground:
    """Some pixels of the canvas, as flat arrays of one length, while a painter works on them."""

    canvas: Canvas
    rng: np.random.Generator
    flat: Ints
    """Positions in the flattened canvas."""
    spot: Ints
    """Positions in the flattened tiles, before wrapping."""
    d: Floats
    """Metres from the nearest kerb into the lot; negative on the street."""
    t: Floats
    """Metres along that kerb."""
    edge: npt.NDArray[np.int8]
    """Which kerb is nearest."""
    u: Floats
    """Metres along the block's longest side, from its middle."""
    v: Floats
    """Metres across."""
    material: Bytes = field(init=False)
    height: Bytes = field(init=False)
    tone: Floats = field(init=False)
    _table: Floats = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.flat)
        self.material, self.height = np.zeros((2, n), np.uint8)
        self.tone = np.ones(n, np.float32)
        self._table = self.rng.random(4096, np.float32)

    def pick(self, key: npt.NDArray[np.integer], salt: int) -> Floats:
        """A number 0-1 for each key, the same for the same key and salt."""
        number: Floats = self._table.take((key * 797 + salt * 1543) & 4095)
        return number

    def put(self, where: Bools, name: str, *, height: float = 0, tone: float | Floats = 1.0) -> None:
        """Paints a material. ``tone`` may be an array over all pixels."""
        self.material[where] = CODE[name]
        self.height[where] = height
        self.tone[where] = tone[where] if isinstance(tone, np.ndarray) else tone

    def _tile(self, tile: npt.NDArray[Value], extra: int = 0) -> npt.NDArray[Value]:
        # One flat offset shifts rows and columns; it tears the tile by one row at one column, which nobody sees.
        return tile.reshape(-1).take((self.spot + extra * (3 * TILE_PX + 5)) & (TILE_PX * TILE_PX - 1))

    @property
    def patch(self) -> Floats:
        """Smooth noise of 30-120 m over the pixels, deviation 1."""
        return self._tile(self.canvas.tiles.patch)

    def patch_at(self, extra: int) -> Floats:
        """Another smooth noise."""
        return self._tile(self.canvas.tiles.patch, extra)

    def trees(
        self, density: float | Floats, where: Bools | None = None, *, kind: str = "broadleaf", conifer: float = 0.1
    ) -> None:
        """Tree crowns that cover about ``density`` x 0.9 of the pixels ``where``; a share of them conifers."""
        rank = self._tile(self.canvas.tiles.rank)
        here = (rank < np.asarray(density, np.float32) * 255) & (rank != 255)
        if where is not None:
            here &= where
        hue = self._tile(self.canvas.tiles.hue)[here].astype(np.float32) / 255
        self.material[here] = np.where(hue < conifer, CODE["conifer"], CODE[kind])
        self.height[here] = self._tile(self.canvas.tiles.height)[here]
        self.tone[here] = 0.82 + 0.36 * ((hue * 7.3) % 1)

    def commit(self) -> None:
        """Writes the pixels into the canvas, with fine grain."""
        grain = self._tile(self.canvas.tiles.grain)
        tone = self.tone * (1 + 0.05 * grain) * PLAIN
        self.canvas.material.reshape(-1)[self.flat] = self.material
        self.canvas.height.reshape(-1)[self.flat] = self.height
        self.canvas.tone.reshape(-1)[self.flat] = np.clip(tone, 1, 255).astype(np.uint8)


def block_windows(land: Land, blocks: Sequence[Block]) -> Ints:
    """Windows (left, top, right, bottom) that hold the blocks, shape (n, 4); empty ones lie outside the image."""
    shares = np.linspace(0, 1, 9)[:-1, None, None]
    rims = [(b.corners + (np.roll(b.corners, -1, 0) - b.corners) * shares).reshape(-1, 2) for b in blocks]
    ends = np.cumsum([0, *(len(rim) for rim in rims)])[:-1]
    on_map = land.unbend(np.concatenate(rims))
    low = np.floor(np.minimum.reduceat(on_map, ends)).astype(np.int64) - 6
    high = np.ceil(np.maximum.reduceat(on_map, ends)).astype(np.int64) + 6
    return np.concatenate([low, high], 1).clip(0, land.extent_m)


def block_ground(canvas: Canvas, block: Block, window: Ints) -> Ground | None:
    """The pixels of a block with their places in it; None where it lies outside the image."""
    left, top, right, bottom = (int(value) for value in window)
    if right <= left or bottom <= top:
        return None
    corners = block.corners.astype(np.float32)
    edges = np.roll(corners, -1, 0) - corners
    big_x, big_y = canvas.land.bend_window(_middles(left, right), _middles(top, bottom))
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    keep = lengths > 0.05
    units = edges[keep] / lengths[keep, None]
    inside = np.ones(big_x.shape, bool)
    for (ux, uy), (px, py) in zip(units, corners[keep], strict=True):
        inside &= (big_y - py) * ux - (big_x - px) * uy > 0
    spots = np.flatnonzero(inside)
    if not len(spots):
        return None
    flat_x, flat_y = big_x.reshape(-1).take(spots), big_y.reshape(-1).take(spots)
    rng = np.random.default_rng([canvas.land.seed, 41, block.index])
    flat, spot = _positions(canvas, (left, top, right, bottom), spots, rng)
    d, t, edge = _nearest_kerb(flat_x, flat_y, corners[keep], units, block.half_width_m[keep])
    axis = units[int(np.argmax(lengths[keep]))]
    middle = corners.mean(0)
    return Ground(
        canvas=canvas,
        rng=rng,
        flat=flat,
        spot=spot,
        d=d,
        t=t,
        edge=edge,
        u=(flat_x - middle[0]) * axis[0] + (flat_y - middle[1]) * axis[1],
        v=(flat_y - middle[1]) * axis[0] - (flat_x - middle[0]) * axis[1],
    )


def _middles(start: int, stop: int) -> npt.NDArray[np.float64]:
    return np.arange(start, stop, dtype=np.float64) + 0.5


def _positions(
    canvas: Canvas, bounds: tuple[int, int, int, int], spots: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Positions in the canvas and, shifted at random, in the tiles, of some spots of a window."""
    left, top, right, bottom = bounds
    down, along = (int(value) for value in rng.integers(TILE_PX, size=2))
    rows, cols = np.arange(top, bottom), np.arange(left, right)
    flat = (rows[:, None] * canvas.land.extent_m + cols).reshape(-1).take(spots)
    tiled = ((rows[:, None] + down) * TILE_PX + ((cols + along) & (TILE_PX - 1))).reshape(-1).take(spots)
    return flat, tiled


def _nearest_kerb(
    x: Floats, y: Floats, corners: Floats, units: Floats, half_widths: npt.NDArray[np.float64]
) -> tuple[Floats, Floats, npt.NDArray[np.int8]]:
    d = np.full(len(x), np.inf, np.float32)
    t, edge = np.zeros(len(x), np.float32), np.zeros(len(x), np.int8)
    for i, ((ux, uy), (px, py), half) in enumerate(zip(units, corners, half_widths.astype(np.float32), strict=True)):
        off = (y - py) * ux - (x - px) * uy - half
        nearer = off < d
        d = np.minimum(d, off)
        np.copyto(t, (x - px) * ux + (y - py) * uy, where=nearer)
        edge[nearer] = i
    return d, t, edge


def area_masks(canvas: Canvas, area: BaseGeometry) -> Iterator[tuple[tuple[int, int, int, int], Bools]]:
    """Windows (left, top, right, bottom) that an area (local metres) touches, and whose pixel centres lie in it."""
    size = canvas.land.extent_m
    parts = [part for part in getattr(area, "geoms", [area]) if not part.is_empty]
    tree = STRtree(parts)
    for top in range(0, size, WINDOW_PX):
        for left in range(0, size, WINDOW_PX):
            bounds = (left, top, min(left + WINDOW_PX, size), min(top + WINDOW_PX, size))
            hits = tree.query(box(*bounds), predicate="intersects")
            mask = _mask([parts[i] for i in sorted(hits)], bounds)
            if mask is not None:
                yield bounds, mask


def _mask(parts: list[BaseGeometry], bounds: tuple[int, int, int, int]) -> Bools | None:
    left, top, right, bottom = bounds
    shapes = [clip_by_rect(part, left - 2, top - 2, right + 2, bottom + 2) for part in parts]
    shapes = [shape for shape in shapes if not shape.is_empty and shape.area > 0]
    if not shapes:
        return None
    # A rim of one pixel keeps the transform from being the identity, of which rasterio warns.
    out = np.zeros((bottom - top + 2, right - left + 2), np.uint8)
    rasterize(shapes, out=out, transform=Affine.translation(left - 1, top - 1))
    return np.ascontiguousarray(out[1:-1, 1:-1]).view(bool)


def fill_area(canvas: Canvas, area: BaseGeometry, code: int, *, tone: float = 1.0, height: int = 0) -> None:
    """Paints an area (local metres) evenly."""
    for (left, top, right, bottom), mask in area_masks(canvas, area):
        window = (slice(top, bottom), slice(left, right))
        np.copyto(canvas.material[window], np.uint8(code), where=mask)
        np.copyto(canvas.tone[window], np.uint8(PLAIN * tone), where=mask)
        np.copyto(canvas.height[window], np.uint8(height), where=mask)


def area_grounds(canvas: Canvas, area: BaseGeometry, *, salt: int) -> Iterator[Ground]:
    """The pixels whose centre lies in an area (local metres), window by window; ``u``, ``v`` are x, y."""
    for bounds, mask in area_masks(canvas, area):
        spots = np.flatnonzero(mask)
        if not len(spots):
            continue
        rng = np.random.default_rng([canvas.land.seed, 42, salt])
        flat, spot = _positions(canvas, bounds, spots, rng)
        zero = np.zeros(len(spots), np.float32)
        ground = Ground(
            canvas=canvas,
            rng=rng,
            flat=flat,
            spot=spot,
            d=zero,
            t=zero,
            edge=zero.astype(np.int8),
            u=(flat % canvas.land.extent_m).astype(np.float32),
            v=(flat // canvas.land.extent_m).astype(np.float32),
        )
        ground.material[:] = canvas.material.reshape(-1).take(flat)
        ground.height[:] = canvas.height.reshape(-1).take(flat)
        ground.tone[:] = canvas.tone.reshape(-1).take(flat) / np.float32(PLAIN)
        yield ground
