from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import Geod
from shapely import MultiPolygon, box

from howgreen.core.geometry import geodesic_area_m2
from howgreen.core.types import City
from howgreen.measure._zones import zone_shapes


def town(boundary, crs):
    return City(name="x", label="x", id="file:x", boundary=boundary, crs=crs, area_m2=0)


def test_area_of_a_box_between_meridians_and_parallels():
    """In closed form: the ellipsoidal zone between two parallels (Snyder 1987, eq. 3-12)."""
    a, f = 6378137.0, 1 / 298.257223563
    e = np.sqrt(f * (2 - f))

    def q(lat):
        s = np.sin(np.radians(lat))
        return (1 - e**2) * (s / (1 - e**2 * s**2) - np.log((1 - e * s) / (1 + e * s)) / (2 * e))

    expected = a**2 / 2 * (q(47) - q(46)) * np.radians(2)
    dense = shapely.segmentize(box(8, 46, 10, 47), 0.005)
    assert geodesic_area_m2(dense) == pytest.approx(expected, rel=1e-8)


def test_holes_and_the_order_of_points_do_not_matter():
    ring = box(8, 46, 8.5, 46.5) - box(8.1, 46.1, 8.2, 46.2)
    expected = sum(
        sign * abs(Geod(ellps="WGS84").geometry_area_perimeter(part)[0])
        for sign, part in ((1, box(8, 46, 8.5, 46.5)), (-1, box(8.1, 46.1, 8.2, 46.2)))
    )
    assert geodesic_area_m2(ring) == pytest.approx(expected, rel=1e-9)
    assert geodesic_area_m2(ring.reverse()) == pytest.approx(expected, rel=1e-9)


def test_grid_scale_follows_the_projection():
    """0.9996 squared on the central meridian, larger away from it."""
    central, far = (zone_shapes(town(box(x, 46, x + 0.01, 46.01), "EPSG:32632"), "EPSG:32632")[0] for x in (9, 11.9))
    assert central.scale == pytest.approx(1 / 0.9996**2, rel=1e-6)
    assert far.scale < central.scale


def test_boundary_split_at_the_antimeridian_is_one_again():
    """Suva-like: both halves on the grid of zone 60."""
    halves = MultiPolygon([box(179.9, -18, 180, -17.9), box(-180, -18, -179.9, -17.9)])
    ground = zone_shapes(town(halves, "EPSG:32760"), "EPSG:32760")[0]
    assert ground.shape.is_valid
    assert ground.shape.bounds[2] - ground.shape.bounds[0] < 25_000
    assert ground.scale == pytest.approx(1, abs=2e-3)
