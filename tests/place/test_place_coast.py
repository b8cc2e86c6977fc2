"""Land and sea: random coasts whose land is known, broken ones, and the coast of two real cities."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from services import Reply, served
from shapely import LineString, Polygon, box

from howgreen.core.errors import AreaError
from howgreen.net.endpoints import Endpoints
from howgreen.net.network import Network
from howgreen.osm.extract import read_lines
from howgreen.place import PlaceFiles, coast, find, from_shape
from howgreen.store import city_from_feature, city_to_feature

CITY = from_shape(box(9.0, 44.0, 9.1, 44.1), name="Port")
LAND = shapely.box(8.0, 43.0, 9.05, 45.0)
"""West of 9.05 E."""
SHORE = LineString([(9.05, 43.0), (9.05, 45.0)])
"""Northwards: the land lies on the left."""


def blob(x: float, y: float, radius: float, seed: int) -> Polygon:
    """A star-shaped island, counter-clockwise."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    far = radius * rng.uniform(0.4, 1, 24)
    return Polygon(np.column_stack([x + far * np.cos(angles), y + far * np.sin(angles)]))


def same(one: shapely.Geometry, other: shapely.Geometry) -> None:
    assert shapely.symmetric_difference(one, other).area < 1e-9


def test_the_land_lies_on_the_left_of_its_coastline():
    found = coast.of_lines(CITY, [SHORE], source="test")
    same(found.land, box(9.0, 44.0, 9.05, 44.1))
    same(coast.of_lines(CITY, [SHORE.reverse()], source="test").land, box(9.05, 44.0, 9.1, 44.1))
    assert "km² of the limits are sea" in found.note
    assert found.boundary == CITY.boundary


centres = st.tuples(st.floats(9.0, 9.1), st.floats(44.0, 44.1), st.floats(0.002, 0.03), st.integers(0, 10**6))


@settings(max_examples=60, deadline=None)
@given(islands=st.lists(centres, min_size=1, max_size=6), cuts=st.integers(1, 5), shore=st.booleans())
def test_islands_lagoons_and_coasts_that_leave_the_box(islands, cuts, shore):
    land = shapely.union_all([blob(*one) for one in islands] + ([LAND] if shore else []))
    world = shapely.box(8.5, 43.5, 9.6, 44.6)  # coasts end far outside the limits
    rings = shapely.get_parts(shapely.boundary(shapely.orient_polygons(shapely.intersection(land, world))))
    lines = [piece for ring in rings for piece in _pieces(ring, cuts)]
    if shapely.intersection(land, CITY.boundary).area < 1e-8:
        with pytest.raises(AreaError, match="all of its limits are sea"):
            coast.of_lines(CITY, lines, source="test")
        return
    found = coast.of_lines(CITY, lines, source="test")
    same(found.land or found.boundary, shapely.intersection(land, CITY.boundary))


def _pieces(ring: LineString, cuts: int) -> list[LineString]:
    points = list(ring.coords)
    edges = sorted({0, len(points) - 1, *np.linspace(0, len(points) - 1, cuts + 1).astype(int).tolist()})
    return [LineString(points[a : b + 1]) for a, b in itertools.pairwise(edges)]


def test_a_broken_coastline_is_not_guessed():
    gap = [LineString([(9.05, 43.0), (9.05, 44.03)]), LineString([(9.05, 44.06), (9.05, 45.0)])]
    found = coast.of_lines(CITY, gap, source="coastline of a test")
    assert found.land is None
    assert "sea told by its colour alone: the coastline of a test is broken here" in found.note


@pytest.mark.parametrize(("stray", "guessed"), [(0.0008, True), (0.0016, False), (0.006, False), (0.05, False)])
def test_a_coast_with_a_hundredth_on_the_wrong_side_is_not_guessed(stray: float, guessed: bool):
    """A piece of ``stray`` degrees in the land has the same face on both sides; the shore is 0.1 to 0.12 degrees long."""
    piece = LineString([(9.02, 44.03), (9.02, 44.03 + stray)])
    found = coast.of_lines(CITY, [SHORE, piece], source="coastline of a test")
    assert (found.land is not None) is guessed
    assert ("broken here" in found.note) is not guessed


def test_inland_nothing_changes():
    assert coast.of_lines(CITY, [], source="test") == CITY
    assert coast.of_lines(CITY, [LineString([(20, 50), (21, 51)])], source="test") == CITY


def test_a_coast_beside_the_limits_leaves_all_land():
    assert coast.of_lines(CITY, [LineString([(9.105, 43.0), (9.105, 45.0)])], source="test") == CITY


def test_at_the_antimeridian_both_halves_have_their_coast():
    suva = from_shape(box(179.9, -18.1, 180.1, -18.0), name="Suva")
    west = LineString([(179.95, -17), (179.95, -19)])  # southwards: land in the east
    east = LineString([(-179.95, -19), (-179.95, -17)])  # northwards: land in the west
    found = coast.of_lines(suva, [west, east], source="test")
    same(found.land, shapely.union_all([box(179.95, -18.1, 180, -18.0), box(-180, -18.1, -179.95, -18.0)]))


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32632", "EPSG:3857"])
@pytest.mark.parametrize("kind", ["land", "coast"])
def test_a_file_of_land_or_of_coastlines_in_any_crs(tmp_path: Path, crs: str, kind: str):
    import geopandas as gpd

    shapes = [shapely.segmentize(LAND if kind == "land" else SHORE, 0.01), box(100, 10, 101, 11)][
        : 2 if kind == "land" else 1
    ]
    path = tmp_path / "land.gpkg"
    gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326").to_crs(crs).to_file(path)
    found = find("Port", area=CITY.boundary.wkt, files=PlaceFiles(land=path))
    assert shapely.symmetric_difference(found.land, box(9.0, 44.0, 9.05, 44.1)).area < 1e-6
    assert found.land_source == "land of land.gpkg"


def test_a_file_without_land_there_is_one_line(tmp_path: Path):
    import geopandas as gpd

    path = tmp_path / "land.gpkg"
    gpd.GeoDataFrame(geometry=[box(100, 10, 101, 11)], crs="EPSG:4326").to_file(path)
    with pytest.raises(AreaError, match=r"land\.gpkg: shows no land inside the limits of Port"):
        find("Port", area=CITY.boundary.wkt, files=PlaceFiles(land=path))
    with pytest.raises(AreaError, match="no such file"):
        find("Port", area=CITY.boundary.wkt, files=PlaceFiles(land=tmp_path / "none.gpkg"))


def test_land_survives_json():
    found = coast.of_lines(CITY, [SHORE], source="test")
    assert city_from_feature(city_to_feature(found)) == found


def test_limits_of_an_extract_lose_their_sea(osm, ring, tmp_path: Path):
    osm.limits(1, ring(9.0, 44.0, 0.1), level=8, name="Port")
    osm.way([(9.05, 43.9), (9.05, 44.05), (9.05, 44.2)], {"natural": "coastline"})
    path = osm.save(tmp_path / "port.osm")
    assert [len(line.coords) for line in read_lines(path, tags=[coast.COAST])] == [3]
    same(find("Port", osm=path).land, box(9.0, 44.0, 9.05, 44.1))


def test_a_coastline_cut_by_the_extract_is_not_guessed(osm, ring, tmp_path: Path):
    osm.limits(1, ring(9.0, 44.0, 0.1), level=8, name="Port")
    osm.way([(9.05, 43.9), (9.05, 44.03), (9.05, 44.06), (9.05, 44.2)], {"natural": "coastline"})
    lost = osm.nodes[(9.05, 44.06)]
    found = find("Port", osm=osm.save(tmp_path / "port.osm", lost_nodes=[lost]))
    assert found.land is None
    assert "broken here" in found.note


def test_overpass_is_asked_for_the_coastline_around_the_limits(osm, tmp_path: Path):
    osm.way([(9.05, 43.9), (9.05, 44.2)], {"natural": "coastline"})
    body = osm.save(tmp_path / "coast.osm").read_bytes()
    from howgreen.place import online

    with served(lambda _: Reply(body)) as service:
        asked = Network(endpoints=Endpoints(overpass=(service.url,)), cache=tmp_path / "cache")
        found = online.with_land(CITY, client=asked.client())
        again = online.with_land(CITY, client=replace(asked, offline=True).client())
    same(found.land, box(9.0, 44.0, 9.05, 44.1))
    assert again == found
    (ask,) = service.asked
    assert 'way["natural"="coastline"](43.990000,8.990000,44.110000,9.110000);' in ask.query["data"]


def test_without_an_answer_the_city_stays_and_says_so(tmp_path: Path):
    from howgreen.place import online

    client = Network(cache=tmp_path, offline=True).client()
    found = online.with_land(CITY, client=client)
    assert found.land is None
    assert "sea told by its colour alone: no coastline (offline)" in found.note


def test_limits_that_follow_a_shore_whose_line_breaks_off_beyond_are_all_land():
    broken = LineString([(9.1, 44.0), (9.1, 44.1), (9.099, 44.105)])  # ends in the margin
    assert coast.of_lines(CITY, [broken], source="test") == CITY


@pytest.mark.real
def test_monaco_ends_at_the_shore_and_a_box_around_it_does_not(shared_data: Path):
    """Level 8 of Monaco, 2.0 km2, follows the coastline, which breaks off at the edge of the extract."""
    path = shared_data / "osm/monaco.osm.pbf"
    monaco = find("Monaco", osm=path, pick=1)
    assert monaco.land is None
    assert "sea" not in monaco.note
    port = from_shape(box(7.4195, 43.7325, 7.431, 43.738), name="Port Hercule")
    found = coast.with_land(port, osm=path)
    assert 0.4 < found.land.area / port.boundary.area < 0.9


@pytest.mark.real
def test_helsinki_is_cut_and_not_guessed(shared_data: Path):
    centre = from_shape(box(24.935, 60.16, 24.96, 60.18), name="Helsinki")
    found = coast.with_land(centre, osm=shared_data / "osm/Helsinki.osm.pbf")
    assert found.land is None
    assert "broken here" in found.note
