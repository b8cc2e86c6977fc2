"""One shape, asked from many threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen.core.grid import inside


def test_a_shape_is_asked_from_many_threads_at_once():
    """GEOS builds the index of a prepared shape when it is first asked; shared between threads that crashed."""
    rng = np.random.default_rng(1)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 300))
    radius = rng.uniform(3000, 5000, angles.size)
    grid = GeoBox((256, 256), Affine(40, 0, -5120, 0, -40, 5120), "EPSG:32632")
    for in_part in (False, True):
        for _ in range(4):
            shape = shapely.Polygon(np.column_stack([radius * np.cos(angles), radius * np.sin(angles)]))
            with ThreadPoolExecutor(8) as pool:
                found = list(pool.map(lambda _: inside(shape, grid, in_part=in_part), range(8)))  # noqa: B023 (all are called before the next turn)
            assert all(np.array_equal(found[0], other) for other in found)


def test_pixels_in_part_inside_are_those_that_the_shape_meets():
    shape = shapely.Polygon([(12, -3), (47, -3), (47, -38), (12, -21)])
    grid = GeoBox((5, 6), Affine(10, 0, 0, 0, -10, 0), "EPSG:32632")
    boxes = [[shapely.box(10 * x, -10 * y - 10, 10 * x + 10, -10 * y) for x in range(6)] for y in range(5)]
    met = np.array([[box.intersection(shape).area > 0 for box in row] for row in boxes])
    np.testing.assert_array_equal(inside(shape, grid, in_part=True), met)
    assert (inside(shape, grid) <= met).all()
    assert inside(shape, grid).sum() < met.sum()
