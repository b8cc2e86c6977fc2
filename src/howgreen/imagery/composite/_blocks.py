"""Partition of a composite: scenes into acquisitions, the grid into blocks, and what each block will read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from odc.geo.geobox import GeoBox

from howgreen.core.acquisitions import Acquisitions, acquisitions
from howgreen.core.errors import ImageError, MissingBandsError, NoImageError
from howgreen.core.grid import Window, chunk_sizes
from howgreen.core.sensors import SENSORS
from howgreen.core.types import Asset, Scene
from howgreen.imagery.composite import cloud_mask
from howgreen.imagery.read._prefetch import Prefetch
from howgreen.imagery.read._resample import tile_grid
from howgreen.imagery.read.opener import Files

MOST_DATES = 255
"""n_clear is uint8."""


def asset_of(scene: Scene, band: str) -> Asset:
    """Return a scene's asset of a band; MissingBandsError without it."""
    asset = scene.asset(band)
    if asset is None:
        raise MissingBandsError(f"scene {scene.id}: has no band {band}; it has {', '.join(scene.bands)}")
    return asset


def corner_of(acquisitions: Acquisitions, *, grid: GeoBox, bands: tuple[str, ...]) -> tuple[int, int]:
    """Return row and column of the grid where the first image begins; the grid's own corner if it is not aligned."""
    return tile_grid(asset_of(acquisitions[0][0], bands[0]), grid=grid) or (0, 0)


def layout(corner: tuple[int, int], *, grid: GeoBox, block_px: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return heights and widths of the blocks, counted from the images' corner."""
    if block_px < 1:
        raise ValueError(f"block_px={block_px}: must be at least 1")
    return chunk_sizes(grid.shape[0], block_px, first=corner[0]), chunk_sizes(grid.shape[1], block_px, first=corner[1])


def prepared(scenes: Sequence[Scene], bands: Sequence[str]) -> tuple[Acquisitions, tuple[str, ...]]:
    """Prepare the scenes by date, and the bands, for the tasks.

    Raises
    ------
    NoImageError, MissingBandsError, ImageError
        There is nothing to take the median of, a scene lacks bands, scenes cannot be combined, or there are too many
        dates.
    """
    if not scenes:
        raise NoImageError("a composite of no scenes: choose at least one")
    if not bands:
        raise MissingBandsError("a composite of no bands: name at least one")
    if len({scene.sensor for scene in scenes}) > 1:
        raise ImageError(
            f"scenes of {', '.join(sorted({s.sensor for s in scenes}))} in one composite: their bands differ; use one sensor"
        )
    for scene in scenes:
        for band in bands:
            asset_of(scene, band)
    groups = acquisitions([replace(scene, native={}) for scene in scenes])  # the graph does not need STAC items
    if len(groups) > MOST_DATES:
        raise ImageError(f"{len(groups)} dates in one composite: at most {MOST_DATES}; choose a shorter period")
    return groups, tuple(bands)


def prefetch_for(
    acquisitions: Acquisitions, grid: GeoBox, block_windows: Iterable[Window], bands: tuple[str, ...], files: Files
) -> Prefetch:
    """List what each block will read: the bands, and the mask with its margin."""
    margin_px = cloud_mask.halo_px(abs(grid.affine.a))
    scenes = [scene for group in acquisitions for scene in group]
    assets = [asset_of(scene, band) for scene in scenes for band in bands]
    masks = [quality for scene in scenes if (quality := scene.asset(SENSORS[scene.sensor].mask))]
    wishes = [
        (window, [(one, window.grown(margin_px)) for one in masks] + [(one, window) for one in assets])
        for window in block_windows
    ]
    return Prefetch(wishes, grid=grid, files=files)
