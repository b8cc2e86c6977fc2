"""One picture of what the cameras saw and what the radar saw: reflectance, and beside it backscatter in decibels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen.core.sensors import RADAR_BANDS, SENSORS, step_of
from howgreen.core.types import NEVER_CLEAR, Composite, Scene
from howgreen.imagery.composite import optical
from howgreen.imagery.composite.optical import BLOCK_PX
from howgreen.imagery.composite.radar import backscatter

if TYPE_CHECKING:
    import xarray as xr


def composite(
    scenes: Sequence[Scene],
    *,
    grid: GeoBox,
    bands: Sequence[str],
    radar: Sequence[Scene] = (),
    block_px: int = BLOCK_PX,
) -> Composite:
    """The median of the clear dates, pixel by pixel, lazily; the parameters are those of :func:`composite_numbers`."""
    numbers = composite_numbers(scenes, grid=grid, bands=bands, radar=radar, block_px=block_px)
    return from_numbers(numbers, grid=grid, scenes=(*scenes, *radar))


def composite_numbers(
    scenes: Sequence[Scene],
    *,
    grid: GeoBox,
    bands: Sequence[str],
    radar: Sequence[Scene] = (),
    block_px: int = BLOCK_PX,
) -> xr.Dataset:
    """A composite as it is best kept; what :func:`from_numbers` makes of it lies on one grid and in one order.

    Parameters
    ----------
    scenes
        Of one sensor, Sentinel-1 among them.
    grid, block_px
        See :func:`howgreen.imagery.composite.optical.composite_numbers`.
    bands
        Common names; ``vv`` and ``vh`` come from ``radar``, where ``scenes`` are not radar themselves.
    radar
        Scenes of Sentinel-1.

    Returns
    -------
    ``numbers`` int16 (band, y, x) in steps of :func:`howgreen.core.sensors.step_of`, NEVER_CLEAR; ``n_clear`` uint8 (y, x), how many
    dates (passes, where all is radar) showed the pixel.

    Raises
    ------
    MissingBandsError, ImageError, NoImageError
        If a scene lacks a band or a file cannot be read (the latter also while computing).
    """
    import dask.array as da

    waves = [band for band in bands if band in RADAR_BANDS]
    colours = [band for band in bands if band not in RADAR_BANDS]
    if not waves:
        return optical.composite_numbers(scenes, grid=grid, bands=colours, block_px=block_px)
    if scenes and SENSORS[scenes[0].sensor].is_radar:
        return backscatter(scenes, grid=grid, bands=[*waves, *colours], block_px=block_px)
    data = optical.composite_numbers(scenes, grid=grid, bands=colours, block_px=block_px)
    chunks = data.chunks["y"], data.chunks["x"]
    beside = backscatter(radar, grid=grid, bands=waves, block_px=block_px, chunks=chunks)
    both = da.concatenate([data["numbers"].data, beside["numbers"].data]).rechunk({0: -1})
    return (
        data.drop_vars(["numbers", "band"])
        .assign_coords(band=[*colours, *waves])
        .assign(numbers=(("band", "y", "x"), both))
    )


def from_numbers(data: xr.Dataset, *, grid: GeoBox, scenes: Sequence[Scene]) -> Composite:
    """The composite of what :func:`composite_numbers` made, wherever that was kept in between."""
    steps = tuple(step_of(str(band)) for band in data["band"].values)
    values = data["numbers"].data.map_blocks(
        _values, steps=steps, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
    )
    words = {"units": "1", "long_name": "surface reflectance"}
    if any(band in RADAR_BANDS for band in data["band"].values):
        words = {"long_name": "surface reflectance; backscatter (gamma nought) of vv and vh in dB"}
    return Composite(
        data=data.assign(reflectance=(("band", "y", "x"), values, words)),
        grid=grid,
        scenes=tuple(scenes),
        corner=data.attrs.get("corner", (0, 0)),
    )


def _values(numbers: NDArray[np.int16], *, steps: tuple[float, ...]) -> NDArray[Any]:
    """What whole numbers (band, y, x) stand for, float32; NaN where they say *never clear*."""
    per_step = np.array([round(1 / step) for step in steps], np.float32)
    values = np.divide(numbers, per_step[:, None, None], dtype=np.float32)
    values[numbers == NEVER_CLEAR] = np.nan
    return values
