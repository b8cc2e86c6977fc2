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
