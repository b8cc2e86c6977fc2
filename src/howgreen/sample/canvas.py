"""The painted 1 m maps, and the patch of ground that a painter works on."""

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
"""Tone that leaves a material's brightness unchanged; 64 halves it."""
WINDOW_PX = 1500
_DICE = 4096
_CROWN_TONE = (0.82 + 0.36 * (np.arange(256) / 255 * 7.3 % 1)).astype(np.float32)
"""Brightness of a crown by its hue."""


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


def rows(x: Floats, pitch: float) -> tuple[Ints, Floats]:
    """Return ``x // pitch`` as integers, and ``x % pitch``; numpy's own operators take ten times as long."""
    whole = np.floor(x * np.float32(1 / pitch))
    return whole.astype(np.int64), x - whole * np.float32(pitch)


@dataclass(kw_only=True)
class Ground:
    """Some pixels of the canvas, as flat arrays of one length, for a painter to work on."""

    canvas: Canvas
    rng: np.random.Generator
    flat: Ints
    """Positions in the flattened canvas."""
    spot: Ints
    """Positions in the flattened tiles."""
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
        self._table = np.tile(self.rng.random(_DICE, np.float32), 2)

    def pick(self, key: npt.NDArray[np.integer], salt: int) -> Floats:
        """Draw a number 0-1 for each key, the same for the same key and salt."""
        start = salt * 1543 & (_DICE - 1)
        number: Floats = self._table[start : start + _DICE].take(key & (_DICE - 1))
        return number

    def put(self, where: Bools, name: str, *, height: float = 0, tone: float | Floats = 1.0) -> None:
        """Paint a material. ``tone`` may be an array over all pixels."""
        self.material[where] = CODE[name]
        self.height[where] = height
        np.copyto(self.tone, np.asarray(tone, np.float32), where=where)

    def _tile(self, tile: npt.NDArray[Value], extra: int = 0) -> npt.NDArray[Value]:
        # One flat offset shifts rows and columns; it tears the tile by one row at one column, which is invisible.
        return tile[extra * (3 * TILE_PX + 5) :].take(self.spot)

    @property
    def patch(self) -> Floats:
        """Smooth noise of 30-120 m over the pixels, deviation 1."""
        return self._tile(self.canvas.tiles.patch)

    def patch_at(self, extra: int) -> Floats:
        """Return an independent field of smooth noise."""
        return self._tile(self.canvas.tiles.patch, extra)

    def trees(
        self, density: float | Floats, where: Bools | None = None, *, kind: str = "broadleaf", conifer: float = 0.1
    ) -> None:
        """Plant tree crowns that cover about ``density`` x 0.9 of the pixels ``where``; a share of them conifers."""
        rank = self._tile(self.canvas.tiles.rank)
        here = (rank < np.asarray(density, np.float32) * 255) & (rank != 255)
        if where is not None:
            here &= where
        crowns = np.flatnonzero(here)
        spot = self.spot.take(crowns)
        hue = self.canvas.tiles.hue.take(spot)
        self.material[crowns] = np.where(hue < conifer * 255, CODE["conifer"], CODE[kind]).astype(np.uint8)
        self.height[crowns] = self.canvas.tiles.height.take(spot)
        self.tone[crowns] = _CROWN_TONE.take(hue)

    def commit(self) -> None:
        """Write the pixels into the canvas, with fine grain."""
        grain = self._tile(self.canvas.tiles.grain)
        grain *= np.float32(0.05 * PLAIN)
        grain += PLAIN
        grain *= self.tone
        self.canvas.material.reshape(-1)[self.flat] = self.material
        self.canvas.height.reshape(-1)[self.flat] = self.height
        self.canvas.tone.reshape(-1)[self.flat] = np.clip(grain, 1, 255, out=grain).astype(np.uint8)


def block_windows(land: Land, blocks: Sequence[Block]) -> Ints:
    """Return windows (left, top, right, bottom) around the blocks, shape (n, 4); empty outside the image."""
    shares = np.linspace(0, 1, 6)[:-1, None, None]
    rims = [(b.corners + (np.roll(b.corners, -1, 0) - b.corners) * shares).reshape(-1, 2) for b in blocks]
    ends = np.cumsum([0, *(len(rim) for rim in rims)])[:-1]
    on_map = land.unbend(np.concatenate(rims))
    low = np.floor(np.minimum.reduceat(on_map, ends)).astype(np.int64) - 6
    high = np.ceil(np.maximum.reduceat(on_map, ends)).astype(np.int64) + 6
    return np.concatenate([low, high], 1).clip(0, land.extent_m)


def block_ground(canvas: Canvas, block: Block, window: Ints) -> Ground | None:
    """Return the pixels of a block with their positions in it; None if it lies outside the image."""
    left, top, right, bottom = (int(value) for value in window)
    if right <= left or bottom <= top:
        return None
    corners = block.corners.astype(np.float32)
    edges = corners[np.arange(1, len(corners) + 1) % len(corners)] - corners
    big_x, big_y = canvas.land.bend_window(_middles(left, right), _middles(top, bottom))
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    keep = lengths > 0.05
    units = edges[keep] / lengths[keep, None]
    inside = np.ones(big_x.shape, bool)
    off, part = np.empty_like(big_x), np.empty_like(big_x)
    for (ux, uy), (px, py) in zip(units, corners[keep], strict=True):
        np.multiply(big_y, ux, out=off)
        off -= np.multiply(big_x, uy, out=part)
        inside &= off > py * ux - px * uy
    spots = np.flatnonzero(inside)
    if not len(spots):
        return None
    flat_x, flat_y = big_x.reshape(-1).take(spots), big_y.reshape(-1).take(spots)
    rng = np.random.default_rng([canvas.land.seed, 41, block.index])
    flat, spot = _positions(canvas, (left, top), inside, spots, rng)
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
    canvas: Canvas, corner: tuple[int, int], inside: Bools, spots: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Return positions in the canvas and, randomly shifted, in the tiles, of the spots inside a window."""
    left, top = corner
    down, along = (int(value) for value in rng.integers(TILE_PX, size=2))
    row, per_row = np.arange(len(inside)), inside.sum(1)
    flat = ((top + row) * canvas.land.extent_m + left - row * inside.shape[1]).repeat(per_row)
    flat += spots
    tiled = (left + along - row * inside.shape[1]).repeat(per_row)
    tiled += spots
    tiled &= TILE_PX - 1
    tiled += (((top + row + down) & (TILE_PX - 1)) * TILE_PX).repeat(per_row)
    return flat, tiled


def _nearest_kerb(
    x: Floats, y: Floats, corners: Floats, units: Floats, half_widths: npt.NDArray[np.float64]
) -> tuple[Floats, Floats, npt.NDArray[np.int8]]:
    d, edge = np.full(len(x), np.inf, np.float32), np.zeros(len(x), np.int8)
    starts = (corners * units).sum(1)
    offs = corners[:, 1] * units[:, 0] - corners[:, 0] * units[:, 1] + half_widths.astype(np.float32)
    for i, (ux, uy) in enumerate(units):
        off = y * ux
        off -= x * uy
        off -= offs[i]
        np.copyto(edge, np.int8(i), where=off < d)
        np.minimum(d, off, out=d)
    which = edge.astype(np.int64)
    t = x * units[:, 0].take(which)
    t += y * units[:, 1].take(which)
    t -= starts.take(which)
    return d, t, edge


def area_masks(canvas: Canvas, area: BaseGeometry) -> Iterator[tuple[tuple[int, int, int, int], Bools]]:
    """Yield windows (left, top, right, bottom) that an area (local metres) touches, and the pixel centres inside it."""
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
    # A margin of one pixel keeps the transform from being the identity, which triggers a rasterio warning.
    out = np.zeros((bottom - top + 2, right - left + 2), np.uint8)
    rasterize(shapes, out=out, transform=Affine.translation(left - 1, top - 1))
    return np.ascontiguousarray(out[1:-1, 1:-1]).view(bool)


def fill_area(canvas: Canvas, area: BaseGeometry, code: int, *, tone: float = 1.0, height: int = 0) -> None:
    """Paint an area (local metres) uniformly."""
    for (left, top, right, bottom), mask in area_masks(canvas, area):
        window = (slice(top, bottom), slice(left, right))
        np.copyto(canvas.material[window], np.uint8(code), where=mask)
        np.copyto(canvas.tone[window], np.uint8(PLAIN * tone), where=mask)
        np.copyto(canvas.height[window], np.uint8(height), where=mask)


def area_grounds(canvas: Canvas, area: BaseGeometry, *, salt: int) -> Iterator[Ground]:
    """Yield the pixels whose centre lies in an area (local metres), window by window; ``u``, ``v`` are x, y."""
    for bounds, mask in area_masks(canvas, area):
        spots = np.flatnonzero(mask)
        if not len(spots):
            continue
        rng = np.random.default_rng([canvas.land.seed, 42, salt])
        flat, spot = _positions(canvas, bounds[:2], mask, spots, rng)
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
