"""One picture of what the cameras saw and what the radar saw: reflectance, and beside it backscatter in decibels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from odc.geo.geobox import GeoBox

from howgreen.imagery import compositing
from howgreen.imagery.compositing import BLOCK_PX
from howgreen.imagery.radar import backscatter_steps, from_half_steps
from howgreen.sensors import RADAR_BANDS, SENSORS
from howgreen.types import Composite, Scene

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
    """The median of the clear dates, pixel by pixel, lazily; the parameters are those of :func:`composite_steps`."""
    steps = composite_steps(scenes, grid=grid, bands=bands, radar=radar, block_px=block_px)
    return from_steps(steps, grid=grid, scenes=(*scenes, *radar))


def composite_steps(
    scenes: Sequence[Scene],
    *,
    grid: GeoBox,
    bands: Sequence[str],
    radar: Sequence[Scene] = (),
    block_px: int = BLOCK_PX,
) -> xr.Dataset:
    """A composite as it is best kept; what :func:`from_steps` makes of it lies on one grid and in one order.

    Parameters
    ----------
    scenes
        Of one sensor, Sentinel-1 among them.
    grid, block_px
        See :func:`howgreen.imagery.compositing.composite_steps`.
    bands
        Common names; ``vv`` and ``vh`` come from ``radar``, where ``scenes`` are not radar themselves.
    radar
        Scenes of Sentinel-1.

    Returns
    -------
    ``steps`` and ``n_clear`` as of :func:`howgreen.imagery.compositing.composite_steps`, where any band is reflectance;
    ``backscatter`` as of :func:`howgreen.imagery.radar.backscatter_steps`, where any is not.

    Raises
    ------
    MissingBandsError, ImageError, NoImageError
        As those.
    """
    waves = [band for band in bands if band in RADAR_BANDS]
    colours = [band for band in bands if band not in RADAR_BANDS]
    if not waves:
        return compositing.composite_steps(scenes, grid=grid, bands=colours, block_px=block_px)
    if scenes and SENSORS[scenes[0].sensor].is_radar:
        return backscatter_steps(scenes, grid=grid, bands=[*waves, *colours], block_px=block_px)
    data = compositing.composite_steps(scenes, grid=grid, bands=colours, block_px=block_px)
    chunks = data.chunks["y"], data.chunks["x"]
    beside = backscatter_steps(radar, grid=grid, bands=waves, block_px=block_px, chunks=chunks)
    return data.assign(backscatter=beside["backscatter"])


def from_steps(data: xr.Dataset, *, grid: GeoBox, scenes: Sequence[Scene]) -> Composite:
    """The composite of what :func:`composite_steps` made, wherever that was kept in between."""
    import dask.array as da
    import xarray as xr

    if "backscatter" not in data:
        return compositing.from_steps(data, grid=grid, scenes=scenes)
    meta = np.empty((0, 0, 0), np.float32)
    planes: list[Any] = [data["backscatter"].data.map_blocks(from_half_steps, dtype=np.float32, meta=meta)]
    names = [str(name) for name in data["polarisation"].values]
    if "steps" in data:
        colours = compositing.from_steps(data.drop_vars(["backscatter", "polarisation"]), grid=grid, scenes=scenes)
        planes.insert(0, colours.data["reflectance"].data)
        names = [*colours.bands, *names]
    words = {"long_name": "surface reflectance; backscatter (gamma nought) of vv and vh in dB"}
    rest = data.drop_vars([name for name in ("steps", "band", "backscatter", "polarisation") if name in data.variables])
    pixels = xr.DataArray(da.concatenate(planes).rechunk({0: -1}), dims=("band", "y", "x"), attrs=words)
    whole = rest.assign(reflectance=pixels)[["reflectance", "n_clear"]].assign_coords(band=names)
    return Composite(data=whole, grid=grid, scenes=tuple(scenes))
