"""Small towns of grass and street as images of a store: what most journeys begin with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
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
