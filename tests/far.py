"""Synthetic images behind a server with every fault, and how they are read: from there, and from disk."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import box

from howgreen.core.grid import Window
from howgreen.core.types import Asset, Scene
from howgreen.imagery.read._resample import read_band

SIDE, TILE = 512, 128
FRAME = GeoBox((SIDE, SIDE), Affine(10, 0, 600_000, 0, -10, 5_200_000), "EPSG:32632")
WHOLE = Window(top=0, bottom=SIDE, left=0, right=SIDE)


def cog(path, values, resolution_m):
    with rasterio.open(
        path, "w", driver="COG", width=values.shape[1], height=values.shape[0], count=1, dtype=values.dtype,
        crs="EPSG:32632", transform=Affine(resolution_m, 0, 600_000, 0, -resolution_m, 5_200_000), blocksize=TILE,
        compress="deflate", resampling="nearest", nodata=0,
    ) as out:  # fmt: skip
        out.write(values, 1)


def red(far, name="red0.tif", **options):
    return Asset(band="red", href=f"{far.url}/{name}", **options)


def read(asset, *, window=WHOLE, files=None):
    return read_band(asset, grid=FRAME, window=window, nodata=0, files=files)[0]


def local(asset, far):
    return replace(asset, href=asset.href.replace(far.url, str(far.root)), signer="")


def scene(folder, number=0):
    """A synthetic scene of the files in a folder, or below an address."""
    assets = tuple(Asset(band=band, href=f"{folder}/{band}{number}.tif") for band in ("red", "nir", "scl"))
    return Scene(
        id=f"scene-{number}", sensor="sentinel-2", time=datetime(2024, 6, 1 + number, 10, tzinfo=UTC),
        footprint=box(10, 46, 11, 47), assets=assets, scale=1e-4, offset=0.0, nodata=0, synthetic=True,
    )  # fmt: skip
