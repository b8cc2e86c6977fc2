from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask

from howgreen.core.grid import inside


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (211, 197)])
def test_as_rasterio_draws_it(size):
    """A holed blob and an exclave, moved so that no pixel centre lies on an edge."""
    blob = shapely.Point(900.3, -1100.7).buffer(700) - shapely.Point(1000.1, -900.3).buffer(211)
    shape = shapely.MultiPolygon([blob, shapely.box(3.3, -42.1, 61.7, -3.3)])
    transform = Affine(10, 0, 0, 0, -10, 0)
    np.testing.assert_array_equal(
        inside(shape, GeoBox(size, transform, "EPSG:32632")), geometry_mask([shape], size, transform, invert=True)
    )


def test_of_several_shapes_a_pixel_in_any_counts_once():
    frame = GeoBox((20, 30), Affine(10, 0, 500, 0, -10, 900), "EPSG:32632")
    shapes = [shapely.box(500, 850, 561, 900), shapely.box(540, 700, 700, 872), shapely.box(5000, 0, 5001, 1)]
    either = inside(shapely.union_all(shapes), frame)
    np.testing.assert_array_equal(inside(shapes, frame), either)
    assert either.sum() == 6 * 5 + 16 * 17 - 2 * 2
    assert not inside([], frame).any()


def test_a_shape_that_reaches_beyond_the_grid_or_misses_it():
    frame = GeoBox((4, 4), Affine(10, 0, 0, 0, -10, 0), "EPSG:32632")
    assert inside(shapely.box(-1e6, -1e6, 1e6, 1e6), frame).all()
    assert not inside(shapely.box(41, -40, 50, 0), frame).any()
    assert not inside(shapely.Polygon(), frame).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 2100), (1500, 3), (130, 210)])
@pytest.mark.parametrize("in_part", [False, True])
def test_each_pixel_is_as_if_it_were_looked_at_alone(size, in_part):
    height, width = size
    transform = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    corners = [(-0.1, 0.2), (0.3, -0.2), (1.1, 0.4), (0.7, 0.6), (0.9, 1.2), (0.25, 0.7)]
    hole = shapely.Polygon([(0.4, 0.4), (0.6, 0.4), (0.5, 0.5)])
    shape = shapely.transform(
        shapely.Polygon(corners).difference(hole),
        lambda ends: np.column_stack(transform @ (ends[:, 0] * width, ends[:, 1] * height)),
    )
    west, north = np.meshgrid(500_000 + 10 * np.arange(width), 5_000_000 - 10 * np.arange(height))
    alone = (
        shapely.intersects(shape, shapely.box(west + 1e-5, north - 10 + 1e-5, west + 10 - 1e-5, north - 1e-5))
        if in_part
        else shapely.contains_xy(shape, west + 5, north - 5)
    )
    np.testing.assert_array_equal(inside(shape, GeoBox(size, transform, "EPSG:32631"), in_part=in_part), alone)
