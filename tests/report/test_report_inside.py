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
