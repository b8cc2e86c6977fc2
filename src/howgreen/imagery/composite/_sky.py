"""Clouds detected in the pixels themselves, for all dates of a composite: beside the images' masks, or without them."""

from __future__ import annotations

from threading import Lock

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen import clouds
from howgreen.core.acquisitions import Acquisitions
from howgreen.core.grid import Window
from howgreen.imagery.read import quality, sky
from howgreen.imagery.read._coarse import together
from howgreen.imagery.read.opener import Files

_FLAGS = np.zeros(4, np.uint8)
_FLAGS[clouds.CLOUD_CELL] = quality.CLOUD
_FLAGS[[clouds.SHADOW_CELL, clouds.SNOW_CELL]] = quality.DOUBT
"""Mask flag for each kind of cell."""


class Sky:
    """Flags of each date on coarse cells, computed once for all blocks: when the first block needs them, if not before.

    A copy sent elsewhere (to a cluster) computes them again.
    """

    def __init__(self, acquisitions: Acquisitions, grid: GeoBox, files: Files) -> None:
        self._acquisitions, self._grid, self._files = acquisitions, grid, files
        self._lock = Lock()
        self._masked = all(any(map(sky.has_mask, group)) for group in acquisitions)
        self._cells: list[NDArray[np.uint8]] | None = None

    def __reduce__(self) -> tuple[type[Sky], tuple[Acquisitions, GeoBox, Files]]:
        return Sky, (self._acquisitions, self._grid, self._files)

    def look(self) -> list[NDArray[np.uint8]]:
        """Compute the flags of all dates, once."""
        with self._lock:
            if self._cells is None:
                self._cells = flags(self._acquisitions, self._grid, self._files)
            return self._cells

    def flags(self, date: int, window: Window) -> NDArray[np.uint8] | None:
        """Return the flags (y, x) of a date in a window of the grid; None if the pixels allow no detection."""
        cells = self.look()[date]
        if not cells.any():
            return None
        _, k = sky.cells_of(self._grid, wide=self._masked)
        rows = np.clip(np.arange(window.top, window.bottom) // k, 0, cells.shape[0] - 1)
        columns = np.clip(np.arange(window.left, window.right) // k, 0, cells.shape[1] - 1)
        return cells[np.ix_(rows, columns)]


def flags(acquisitions: Acquisitions, grid: GeoBox, files: Files) -> list[NDArray[np.uint8]]:
    """Find the flags of each date on the cells of a grid, (y, x), or a single zero if the pixels allow no detection.

    Dates without a mask rely on the pixels alone. For dates that have one, only strong, sizeable clouds absent from
    other dates are added.
    """
    masked = [any(sky.has_mask(scene) for scene in group) for group in acquisitions]
    nothing = [np.zeros((1, 1), np.uint8)] * len(acquisitions)
    if all(masked) and len(acquisitions) < clouds.FEWEST_DATES:
        return nothing
    frame, _ = sky.cells_of(grid, wide=all(masked))
    cell_m = abs(frame.affine.a)
    detectors = [sky.detector_of(group, few=has_mask) for group, has_mask in zip(acquisitions, masked, strict=True)]
    known = [t for t, name in enumerate(detectors) if name is not None]
    with together(scene for t in known for scene in acquisitions[t]) as pool:
        looks = list(
            pool.map(lambda t: sky.look(acquisitions[t], frame, detector=str(detectors[t]), files=files), known)
        )
    if not looks:
        return nothing
    days = [acquisitions[t][0].time.date() for t in known]
    found = list(nothing)
    if not all(masked):
        kinds = clouds.together(looks, cell_m=cell_m, latitude=sky.latitude_of(frame), days=days)
        for t, cells in zip(known, kinds, strict=True):
            found[t] = _FLAGS[cells]
    if any(masked):
        for t, cloud in zip(known, clouds.moved(looks, cell_m=cell_m), strict=True):
            if masked[t]:
                found[t] = np.where(cloud, quality.CLOUD, np.uint8(0))
    return found
