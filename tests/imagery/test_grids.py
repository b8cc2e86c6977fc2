import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from shapely import MultiPolygon, Point, box

from howgreen.core.errors import AreaError
from howgreen.core.geometry import geodesic_area_m2, project
from howgreen.core.grid import coarse_grid, outline
from howgreen.imagery import grid


def test_edges_are_multiples_outside_the_boundary(make_city):
    city = make_city(box(600_003, 5_199_001, 601_234, 5_200_007))
    for resolution in (10, 30, 100):
        got = grid(city, resolution_m=resolution)
        west, north = got.affine.c, got.affine.f
        east, south = west + resolution * got.shape[1], north - resolution * got.shape[0]
        assert all(abs(v / resolution - round(v / resolution)) < 1e-9 for v in (west, north, east, south))
        assert west <= 600_003 < west + resolution
        assert south <= 5_199_001 < south + resolution
        assert 0 <= east - 601_234 < resolution
        assert 0 <= north - 5_200_007 < resolution
    assert str(got.crs) == "EPSG:32632"


def test_a_boundary_on_the_grid_gains_no_row(make_city):
    assert grid(make_city(box(600_000, 5_199_000, 601_000, 5_200_000))).shape == (100, 100)


@settings(max_examples=20, deadline=None)
@given(st.floats(-170, 170), st.floats(-60, 60), st.floats(0.02, 1.5))
def test_every_point_of_the_edge_lies_inside(lon, lat, size):
    """Edges straight in degrees bulge in metres."""
    from howgreen.core.types import City

    zone = int((lon + 180) // 6) + 1
    crs = f"EPSG:{(32600 if lat >= 0 else 32700) + zone}"
    city = City(name="x", label="x", id="x", boundary=box(lon, lat, lon + size, lat + size), crs=crs, area_m2=1e9)
    got = grid(city)
    edge = np.array([city.boundary.exterior.interpolate(f, normalized=True).coords[0] for f in np.linspace(0, 1, 777)])
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(edge[:, 0], edge[:, 1])
    west, north = got.affine.c, got.affine.f
    assert (x >= west - 0.2).all()
    assert (x <= west + 10 * got.shape[1] + 0.2).all()
    assert (y <= north + 0.2).all()
    assert (y >= north - 10 * got.shape[0] - 0.2).all()


def test_antimeridian_gives_one_small_grid(make_city):
    both = MultiPolygon([box(179.95, -16.85, 180, -16.75), box(-180, -16.85, -179.96, -16.75)])
    got = grid(make_city(both, crs="EPSG:32760", in_lonlat=True))
    assert got.shape[1] * 10 < 12_000
    assert got.shape[0] * 10 < 13_000
    frame, inside = coarse_grid(make_city(both, crs="EPSG:32760", in_lonlat=True))
    assert frame.shape == inside.shape
    assert inside.mean() > 0.9


@pytest.mark.parametrize(
    ("parts", "crs"),
    [
        ([box(11.28, 46.4, 11.32, 46.42)], "EPSG:32632"),
        ([box(179.97, -18.11, 180, -18.09), box(-180, -18.11, -179.97, -18.09)], "EPSG:32760"),
        ([box(179.97, -18.11, 180, -18.09), box(-180, -18.11, -179.97, -18.09)], "EPSG:32701"),
    ],
    ids=["Bolzano", "Suva, zone 60", "Suva, zone 1"],
)
def test_outline_is_the_grid_and_split_at_the_antimeridian(make_city, parts, crs):
    """PlanetaryComputer#296: a ring from 179.98 to -179.98 goes around the world, or crosses itself."""
    city = make_city(shapely.union_all(parts), crs=crs, in_lonlat=True)
    frame = grid(city)
    got = outline(frame)
    assert got.is_valid
    assert len(shapely.get_parts(got)) == len(parts)
    assert shapely.covers(got.buffer(1e-6), city.boundary)
    assert geodesic_area_m2(got) == pytest.approx(frame.shape[0] * frame.shape[1] * 100, rel=3e-3)


def test_absurd_sizes_are_named(make_city):
    with pytest.raises(AreaError, match=r"[\d,]+ x [\d,]+ km is no city"):
        grid(make_city(box(0, 30, 20, 40), in_lonlat=True))


def test_empty_boundary(make_city):
    from dataclasses import replace

    city = make_city(box(600_000, 5_199_000, 601_000, 5_200_000))
    with pytest.raises(AreaError, match="empty"):
        grid(replace(city, boundary=box(0, 0, 1, 1).difference(box(-1, -1, 2, 2))))


def test_coarse_pixels_are_those_of_the_city_not_of_its_box(make_city):
    disc = Point(600_000, 5_200_000).buffer(5000)
    frame, inside = coarse_grid(make_city(disc))
    pixel = frame.affine.a
    assert 10 <= pixel <= 100
    assert abs(inside.sum() * pixel**2 / disc.area - 1) < 0.02
    assert abs(project(make_city(disc).boundary, make_city(disc).crs).area / disc.area - 1) < 0.001


def test_a_sliver_still_has_pixels(make_city):
    _, inside = coarse_grid(make_city(box(600_001, 5_199_999, 600_004, 5_200_002)))
    assert inside.any()
