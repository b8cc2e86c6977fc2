"""Land covers whose sums can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely import MultiPolygon, Polygon, transform

from howgreen.core.models import ModelCard, ModelClass, ReferenceScore
from howgreen.core.types import City, District, LandCover, Population

CRS = "EPSG:32632"
WEST, NORTH = 500_000.0, 5_000_000.0
"""On the central meridian, where the grid's scale hardly changes."""


def make_card(*, error: bool = True) -> ModelCard:
    names = [("tree", True), ("built", False), ("water", False)]
    score = ReferenceScore(
        source="a test", n=9, rmse=0.1, mae=0.1, bias=0.0, r2=0.9, half_width=0.06, level=0.95, method="by hand"
    )
    return ModelCard(
        name="toy",
        version="1",
        description="",
        bands=("red", "nir"),
        resolution_m=10,
        normalisation="none",
        tile_px=64,
        halo_px=0,
        stride_px=64,
        classes=tuple(ModelClass(code=i, name=n, green=g, colour="#00ff00") for i, (n, g) in enumerate(names)),
        scores={},
        reference_error=score if error else None,
        training_data="none",
        licence="none",
    )


def make_cover(label, fraction, *, chunks: tuple | None = None, error: bool = True) -> LandCover:
    label, fraction = np.asarray(label, np.uint8), np.asarray(fraction, np.float32)
    data = xr.Dataset({"label": (("y", "x"), label), "green_fraction": (("y", "x"), fraction)})
    if chunks:
        data = data.chunk(dict(zip(("y", "x"), chunks, strict=True)))
    grid = GeoBox(label.shape, Affine(10, 0, WEST, 0, -10, NORTH), CRS)
    return LandCover(data=data, grid=grid, card=make_card(error=error))


def on_earth(shape):
    """A shape in pixels (column, row from the upper left) as EPSG:4326."""
    to_earth = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform
    return transform(shape, lambda p: np.column_stack(to_earth(WEST + 10 * p[:, 0], NORTH - 10 * p[:, 1])))


def make_city(
    shape: Polygon | MultiPolygon,
    districts: Sequence[Polygon | MultiPolygon] = (),
    inhabitants: int | None = None,
    land: Polygon | None = None,
) -> City:
    return City(
        name="Toytown",
        label="Toytown",
        id="file:toy",
        boundary=on_earth(shape),
        crs=CRS,
        area_m2=0.0,
        districts=tuple(District(name=f"D{i}", id=f"d{i}", boundary=on_earth(d)) for i, d in enumerate(districts)),
        land=None if land is None else on_earth(land),
        population=None if inhabitants is None else Population(count=inhabitants, year=2024, source="test"),
    )


@pytest.fixture
def cover() -> Callable[..., LandCover]:
    return make_cover


@pytest.fixture
def city() -> Callable[..., City]:
    return make_city


@pytest.fixture(scope="session")
def patchwork() -> tuple[np.ndarray, np.ndarray]:
    """Labels with water and unseen patches, and fractions, on 150 x 130 pixels."""
    rng = np.random.default_rng(5)
    label = rng.integers(0, 3, (150, 130)).astype(np.uint8)
    fraction = rng.random((150, 130)).astype(np.float32)
    label[40:70, 20:60] = 255
    fraction[label == 255] = np.nan
    return label, fraction
