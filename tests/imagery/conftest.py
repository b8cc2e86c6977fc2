"""Scenes and cities made of arrays, for the tests of the imagery stage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Geod, Transformer
from shapely import box

from far import FRAME, SIDE, cog
from faults import Faults
from howgreen.core.types import Asset, City, Scene
from howgreen.net import _ranges

UTM = "EPSG:32632"


def lonlat(crs, shape):
    to_lonlat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform
    return shapely.transform(shape, lambda xy: np.column_stack(to_lonlat(xy[:, 0], xy[:, 1])))


@pytest.fixture
def make_scene(tmp_path):
    """Write arrays (or (array, resolution, west, north, crs)) as GeoTIFFs and return their Scene."""
    made = []

    def make(
        rasters, *, name=None, day=0, minutes=0, scale=1e-4, offset=0.0, nodata=0, resolution=10.0, west=600_000.0,
        north=5_200_000.0, crs=UTM, sensor="sentinel-2", native=None, tile=64,
    ):  # fmt: skip
        name = name or f"scene-{len(made)}"
        made.append(name)
        folder = tmp_path / name
        folder.mkdir()
        assets, footprint = [], None
        for band, raster in rasters.items():
            values, res, x, y, system = raster if isinstance(raster, tuple) else (raster, resolution, west, north, crs)
            values = np.asarray(values)
            res_x, res_y = res if isinstance(res, tuple) else (res, res)
            path = folder / f"{band}.tif"
            with rasterio.open(
                path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype,
                crs=system, transform=Affine(res_x, 0, x, 0, -res_y, y), tiled=True, blockxsize=tile, blockysize=tile,
                compress="deflate",
            ) as out:  # fmt: skip
                out.write(values, 1)
            area = lonlat(system, box(x, y - res_y * values.shape[0], x + res_x * values.shape[1], y))
            footprint = area if footprint is None else footprint.union(area)
            assets.append(Asset(band=band, href=str(path), size_bytes=path.stat().st_size))
        return Scene(
            id=name, sensor=sensor, time=datetime(2024, 6, 1, 10, tzinfo=UTC) + timedelta(days=day, minutes=minutes),
            footprint=footprint, assets=tuple(assets), scale=scale, offset=offset, nodata=nodata, synthetic=True,
            native=native or {},
        )  # fmt: skip

    return make


@pytest.fixture
def make_city():
    """A City from a shape in UTM metres or lon, lat."""

    def make(shape, *, crs=UTM, in_lonlat=False, name="Testville"):
        boundary = shape if in_lonlat else lonlat(crs, shape.segmentize(200))
        area, _ = Geod(ellps="WGS84").geometry_area_perimeter(boundary)
        return City(name=name, label=name, id="shape:test", boundary=boundary, crs=crs, area_m2=abs(area))

    return make


@pytest.fixture(autouse=True)
def _forget_looks():
    from howgreen.imagery.catalog import _coverage

    _coverage._looked.cache_clear()


@pytest.fixture(scope="session")
def far_folder(tmp_path_factory):
    """Noise, which no codec makes small: tiles lie far apart in the file."""
    folder = tmp_path_factory.mktemp("far")
    rng = np.random.default_rng(3)
    for number in range(2):
        for band, dtype, top in (("red", "uint16", 9000), ("nir", "uint16", 9000), ("scl", "uint8", 7)):
            side = SIDE // 2 if band == "scl" else SIDE
            cog(folder / f"{band}{number}.tif", rng.integers(4, top, (side, side)).astype(dtype), 10 * SIDE // side)
    values = rng.integers(1, 9000, (SIDE, SIDE)).astype(np.uint16)
    with rasterio.open(
        folder / "red.jp2", "w", driver="JP2OpenJPEG", width=SIDE, height=SIDE, count=1, dtype="uint16", crs="EPSG:32632",
        transform=FRAME.affine, quality=100, reversible="YES", blockxsize=128, blockysize=128,
    ) as out:  # fmt: skip
        out.write(values, 1)
    with rasterio.open(
        folder / "plain.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="uint16", crs="EPSG:32632",
        transform=FRAME.affine,
    ) as out:  # fmt: skip
        out.write(values, 1)
    return folder


@pytest.fixture(scope="session")
def far_server(far_folder):
    with Faults(far_folder) as running:
        yield running


@pytest.fixture
def far(far_server, monkeypatch):
    far_server.heal()
    monkeypatch.setattr(_ranges, "POLICY", replace(_ranges.POLICY, first_wait_s=0.01, attempt_s=0.4))
    return far_server
