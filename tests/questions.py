"""Questions that are quick to ask of a server, and a store that answers one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from howgreen import place
from howgreen.core.sensors import SENSORS
from howgreen.core.stac import Header
from howgreen.core.types import City
from howgreen.pipeline.inputs import to_city
from howgreen.store import put_place, put_scene
from howgreen.web.serve.questions import Question, question

GRID = GeoBox((30, 40), Affine(10, 0, 680_000, 0, -10, 5_150_000), "EPSG:32632")


def asked(number: int = 0, **more: object) -> Question:
    """A question about one of many squares."""
    west = 11.0 + number / 100
    return question(to_city(box(west, 46.4, west + 0.005, 46.405)), period="2024", **more)


def city_of_grass() -> City:
    """A town of twelve hectares, green all over."""
    return place.from_shape(GRID.extent.to_crs("EPSG:4326").geom.buffer(-0.0003), name="Small")


def fill_shelf(root: Path) -> Path:
    """Make a store with one image of the city of grass."""
    grass = {"blue": 400, "green": 700, "red": 500, "nir": 4000}
    rasters = {band: (np.full(GRID.shape, value, np.uint16), GRID) for band, value in grass.items()}
    header = Header(
        id="s1",
        sensor=SENSORS["sentinel-2"],
        time=datetime(2024, 6, 1, 10, tzinfo=UTC),
        scale=1e-4,
        offset=0.0,
        nodata=0,
    )
    put_scene(root, header, rasters)
    put_place(root, city_of_grass())
    return root
