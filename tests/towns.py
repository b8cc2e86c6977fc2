"""Small towns of grass and street as images of a store: what most journeys begin with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen import place
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import Header
from howgreen.core.types import City
from howgreen.store import put_place, put_scene

GRID = GeoBox((30, 40), Affine(10, 0, 680_000, 0, -10, 5_150_000), "EPSG:32632")
GRASS = {"blue": 400, "green": 700, "red": 500, "nir": 4000}
STREET = {"blue": 900, "green": 1000, "red": 1100, "nir": 1300}
"""Digital numbers: reflectance x 10,000."""


def limits(grid: GeoBox = GRID, *, name: str = "Small") -> City:
    """A town that fills a grid, but for its outermost pixels."""
    return place.from_shape(grid.extent.to_crs("EPSG:4326").geom.buffer(-0.0003), name=name)


def put_town(root: Path, grid: GeoBox = GRID) -> City:
    """Put the town's limits into a store."""
    town = limits(grid)
    put_place(root, town)
    return town


def mixed(share: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    """Digital numbers of ground of which a share (y, x) is grass, the rest street."""
    return {band: share * GRASS[band] + (1 - share) * STREET[band] for band in GRASS}


def put_image(
    root: Path, name: str, moment: datetime, numbers: Mapping[str, npt.ArrayLike], grid: GeoBox = GRID, *, sensor: str = "sentinel-2",
    platform: str | None = None,
) -> None:  # fmt: skip
    """Put an image into a store: digital numbers by band, (y, x) or one for all pixels."""
    header = Header(
        id=name, sensor=SENSORS[sensor], time=moment, scale=1e-4, offset=0.0, nodata=0, platform=platform
    )  # fmt: skip
    whole = {band: np.broadcast_to(np.round(values), grid.shape).astype(np.uint16) for band, values in numbers.items()}
    put_scene(root, header, {band: (values, grid) for band, values in whole.items()})


def meadow_built_on(folder: Path) -> tuple[Path, Path]:
    """Write two images of a meadow beside a town; a corner of the meadow, 15 by 15 pixels, is built on in the second one."""
    rng = np.random.default_rng(0)
    leaf, stone = np.array([350, 700, 400, 4000]), np.array([1400, 1500, 1700, 2100])
    green = np.where(np.arange(80)[:, None] < 40, 0.95, 0.05) * np.ones((80, 80))
    green += rng.uniform(-0.04, 0.04, green.shape)
    later = green.copy()
    later[5:20, 5:20] = 0.03
    paths = folder / "before.tif", folder / "after.tif"
    for path, share in zip(paths, (green, later), strict=True):
        values = share * leaf[:, None, None] + (1 - share) * stone[:, None, None]
        values = np.rint(values * (1 + rng.normal(0, 0.01, values.shape))).astype(np.uint16)
        values = np.concatenate(
            [values, np.full((1, 80, 80), 4, np.uint16)]
        )  # clear: an even bare half passes for haze in part
        with rasterio.open(
            path, "w", driver="GTiff", width=80, height=80, count=5, dtype="uint16", crs="EPSG:32632", nodata=0,
            transform=Affine(10, 0, 680_000, 0, -10, 5_150_000),
        ) as file:  # fmt: skip
            file.write(values)
    return paths
