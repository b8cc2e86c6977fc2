"""One composite of optical and radar images: reflectance, and beside it backscatter in decibels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from howgreen.core.sensors import RADAR_BANDS, SENSORS, scale_factor
from howgreen.core.types import NEVER_CLEAR, Composite, Scene
from howgreen.imagery.composite import _optical
from howgreen.imagery.composite._optical import BLOCK_PX
from howgreen.imagery.composite._radar import backscatter

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import xarray as xr


def composite(
    scenes: Sequence[Scene],
    *,
    grid: GeoBox,
    bands: Sequence[str],
    radar: Sequence[Scene] = (),
    block_px: int = BLOCK_PX,
) -> Composite:
    """Take the median of the clear dates, pixel by pixel, lazily; parameters as for :func:`composite_scaled`."""
    scaled = composite_scaled(scenes, grid=grid, bands=bands, radar=radar, block_px=block_px)
    return from_scaled(scaled, grid=grid, scenes=(*scenes, *radar))


def composite_scaled(
    scenes: Sequence[Scene],
    *,
    grid: GeoBox,
    bands: Sequence[str],
    radar: Sequence[Scene] = (),
    block_px: int = BLOCK_PX,
    aside: Executor | None = None,
) -> xr.Dataset:
    """Make a composite in its stored form, from which :func:`from_scaled` restores one grid and one band order.

    Parameters
    ----------
    scenes
        Of one sensor, Sentinel-1 among them.
    grid, block_px, aside
        See :func:`howgreen.imagery.composite._optical.composite_scaled`.
    bands
        Common names; ``vv`` and ``vh`` come from ``radar`` unless ``scenes`` are radar themselves.
    radar
        Scenes of Sentinel-1.

    Returns
    -------
    ``scaled`` int16 (band, y, x) in units of :func:`howgreen.core.sensors.scale_factor`, NEVER_CLEAR; ``n_clear`` uint8 (y, x), the number
    of dates (passes, if all is radar) that showed the pixel.

    Raises
    ------
    MissingBandsError, ImageError, NoImageError
        A scene lacks a band or a file cannot be read (the latter also while computing).
    """
    sar_bands = [band for band in bands if band in RADAR_BANDS]
    optical_bands = [band for band in bands if band not in RADAR_BANDS]
    if not sar_bands:
        return _optical.composite_scaled(scenes, grid=grid, bands=optical_bands, block_px=block_px, aside=aside)
    if scenes and SENSORS[scenes[0].sensor].is_radar:
        return backscatter(scenes, grid=grid, bands=[*sar_bands, *optical_bands], block_px=block_px)
    data = _optical.composite_scaled(scenes, grid=grid, bands=optical_bands, block_px=block_px, aside=aside)
    import dask.array as da

    chunks = data.chunks["y"], data.chunks["x"]
    beside = backscatter(radar, grid=grid, bands=sar_bands, block_px=block_px, chunks=chunks)
    both = da.concatenate([data["scaled"].data, beside["scaled"].data]).rechunk({0: -1})
    return (
        data.drop_vars(["scaled", "band"])
        .assign_coords(band=[*optical_bands, *sar_bands])
        .assign(scaled=(("band", "y", "x"), both))
    )


def from_scaled(data: xr.Dataset, *, grid: GeoBox, scenes: Sequence[Scene]) -> Composite:
    """Make the composite from the output of :func:`composite_scaled`, wherever it was stored in between."""
    factors = tuple(scale_factor(str(band)) for band in data["band"].values)
    values = data["scaled"].data.map_blocks(
        _values, factors=factors, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
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


def _values(scaled: NDArray[np.int16], *, factors: tuple[float, ...]) -> NDArray[Any]:
    """Decode scaled int16 (band, y, x) to float32; NaN where it is *never clear*."""
    per_unit = np.array([round(1 / factor) for factor in factors], np.float32)
    values = np.divide(scaled, per_unit[:, None, None], dtype=np.float32)
    values[scaled == NEVER_CLEAR] = np.nan
    return values
