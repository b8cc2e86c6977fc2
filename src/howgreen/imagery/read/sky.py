"""Dates on coarse cells, for detecting clouds in the pixels: read from overviews, never from whole files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen import clouds
from howgreen.clouds import Look
from howgreen.core.grid import outline
from howgreen.core.sensors import S2_OFFSET_04, SENSORS
from howgreen.core.types import Scene
from howgreen.imagery.read._coarse import read_means
from howgreen.imagery.read.opener import Files

MOST_CELLS = 1024
"""Cells along the longer side: larger areas get larger cells."""
LIKE_AN_OFFSET = 0.8
"""Share of the place, clear without the offset and hidden with it, from which a remaining offset is taken for haze."""


def detector_of(scenes: Sequence[Scene], *, few: bool = False) -> str | None:
    """Name the detector that the bands common to all scenes allow; None if there is none, or radar is among them."""
    if not scenes or any(SENSORS[scene.sensor].is_radar for scene in scenes):
        return None
    return clouds.detector_for(set.intersection(*(set(scene.bands) for scene in scenes)), few=few)


def has_mask(scene: Scene) -> bool:
    """Tell whether an image comes with a cloud mask."""
    return scene.asset(SENSORS[scene.sensor].mask) is not None


def cells_of(grid: GeoBox, *, wide: bool = False) -> tuple[GeoBox, int]:
    """Make a grid of cells, each of k x k pixels of a grid; return it and k.

    Parameters
    ----------
    wide
        Cells of twice the side: enough for additions to existing masks.
    """
    k = max(1, round(clouds.CELL_M / abs(grid.affine.a))) * (2 if wide else 1)
    while max(grid.shape) > k * MOST_CELLS:
        k *= 2
    return grid.zoom_out(k), k


def latitude_of(frame: GeoBox) -> float:
    """Return the latitude of a grid's centre in degrees north."""
    return float(outline(frame).centroid.y)


def clear_alone(
    scene: Scene, frame: GeoBox, *, detector: str, cell_m: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], bool]:
    """Find where an image without a mask has data, and where it is clear, (y, x) each, from its own pixels.

    The third value tells whether the clear part may lie under an even veil.

    Ground with a remaining offset looks like thin haze all over: if hardly anything is clear with the numbers as
    interpreted, but nearly everything without the offset, nothing is masked; it may be a veil all the same.
    """

    def clear(shift: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_], bool]:
        seen = look([scene], frame, detector=detector, shift=shift)
        cells = clouds.alone(seen, cell_m=cell_m, latitude=latitude_of(frame), day=scene.time.date())
        return seen.data, np.asarray(seen.data & (cells == clouds.CLEAR_CELL)), clouds.evenly_veiled(seen, cells)

    data, as_understood, veiled = clear(0.0)
    if (
        as_understood.sum() < (1 - LIKE_AN_OFFSET) * data.sum()
        and clear(S2_OFFSET_04)[1].sum() > LIKE_AN_OFFSET * data.sum()
    ):
        return data, data, True
    return data, as_understood, veiled


def look(
    scenes: Sequence[Scene], frame: GeoBox, *, detector: str, shift: float = 0.0, files: Files | None = None
) -> Look:
    """Read the scenes of one pass on a grid of cells; where they overlap, the first with data is used.

    Parameters
    ----------
    shift
        Added to the reflectance, to test another offset.
    files
        Files that stay open for later readers.

    Raises
    ------
    ImageError, NetworkError
        A file cannot be read.
    """
    names = clouds.bands_of(detector)
    light = _light(scenes[0], frame, names, files)
    for scene in scenes[1:]:
        empty = np.isnan(light[0])
        if empty.any():
            light = np.where(empty, _light(scene, frame, names, files), light)
    light = light + np.float32(shift)
    chance = clouds.probabilities(detector, light)
    return Look(
        probability=np.rint(chance * 255).astype(np.uint8),
        visible=light[0],
        nir=light[names.index("nir")],
    )


def _light(scene: Scene, frame: GeoBox, bands: Sequence[str], files: Files | None) -> NDArray[np.float32]:
    """Reflectance (band, y, x) of cells, as means of their pixels; NaN where a band has no data, or all are zero."""
    out = np.empty((len(bands), *frame.shape), np.float32)
    empty = np.ones(frame.shape, bool)
    for plane, band in zip(out, bands, strict=True):
        asset, own = scene.asset(band), scene.encoding(band)
        if asset is None:
            raise ValueError(f"scene {scene.id} has no band {band}")
        values = read_means(asset, frame, nodata=own.nodata, files=files)
        empty &= values == 0
        plane[...] = values * np.float32(own.scale) + np.float32(own.offset)
    out[:, np.isnan(out).any(axis=0) | (empty & (scene.nodata is None))] = np.nan
    return out
