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
from howgreen.place import PlaceFiles, _coast, find, from_shape
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
    found = _coast.of_lines(CITY, [SHORE], source="test")
    same(found.land, box(9.0, 44.0, 9.05, 44.1))
    same(_coast.of_lines(CITY, [SHORE.reverse()], source="test").land, box(9.05, 44.0, 9.1, 44.1))
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
    found = _coast.of_lines(CITY, lines, source="test")
    share = shapely.intersection(land, CITY.boundary).area / CITY.boundary.area
    if found.warnings:  # an islet of a river looks the same: what is nearly all sea is not believed
        assert share < 0.5
        assert found.land is None
        return
    same(found.land or found.boundary, shapely.intersection(land, CITY.boundary))


def _pieces(ring: LineString, cuts: int) -> list[LineString]:
    points = list(ring.coords)
    edges = sorted({0, len(points) - 1, *np.linspace(0, len(points) - 1, cuts + 1).astype(int).tolist()})
    return [LineString(points[a : b + 1]) for a, b in itertools.pairwise(edges)]


def test_a_broken_coastline_is_not_guessed():
    gap = [LineString([(9.05, 43.0), (9.05, 44.03)]), LineString([(9.05, 44.06), (9.05, 45.0)])]
    found = _coast.of_lines(CITY, gap, source="coastline of a test")
    assert found.land is None
    assert "sea told by its colour alone: the coastline of a test is broken here" in found.note


@pytest.mark.parametrize(("stray", "guessed"), [(0.0008, True), (0.0016, False), (0.006, False), (0.05, False)])
def test_a_coast_with_a_hundredth_on_the_wrong_side_is_not_guessed(stray: float, guessed: bool):
    """A piece of ``stray`` degrees in the land has the same face on both sides; the shore is 0.1 to 0.12 degrees long."""
    piece = LineString([(9.02, 44.03), (9.02, 44.03 + stray)])
    found = _coast.of_lines(CITY, [SHORE, piece], source="coastline of a test")
    assert (found.land is not None) is guessed
    assert ("broken here" in found.note) is not guessed


@pytest.mark.parametrize(
    ("width", "believed"), [(0.00003, False), (0.02, False), (0.049, False), (0.051, True), (0.09, True)]
)
def test_rings_alone_are_believed_only_where_they_hold_half_of_the_limits(width: float, believed: bool):
    """geoclimate#867."""
    ring = LineString(shapely.orient_polygons(box(9.001, 43.999, 9.001 + width, 44.101)).exterior.coords)
    found = _coast.of_lines(CITY, [ring], source="coast of a test")
    assert (found.land is not None) is believed
    assert [caution.code for caution in found.warnings] == ([] if believed else ["coast-unclear"])
    assert ("islets of a river" in found.note) is not believed


@pytest.mark.parametrize(("width", "believed"), [(0.0008, False), (0.0012, True)])
def test_limits_that_are_almost_all_sea_are_not_believed(width: float, believed: bool):
    """A coast that leaves the box, with less or more than a hundredth of land."""
    found = _coast.of_lines(CITY, [LineString([(9.0 + width, 43.0), (9.0 + width, 45.0)])], source="test")
    assert (found.land is not None) is believed
    assert ("would be sea" in found.note) is not believed


def test_a_lagoon_in_the_land_is_sea():
    ring = LineString(shapely.orient_polygons(box(9.02, 44.02, 9.04, 44.04)).exterior.coords).reverse()
    same(_coast.of_lines(CITY, [ring], source="test").land, CITY.boundary.difference(box(9.02, 44.02, 9.04, 44.04)))


def land_file(folder: Path, *shapes: object, **columns: list[str]) -> Path:
    import geopandas as gpd

    path = folder / "a.gpkg"
    gpd.GeoDataFrame(columns, geometry=list(shapes), crs="EPSG:4326").to_file(path)
    return path


ISLAND, LAKE = box(9.01, 44.01, 9.09, 44.09), box(9.03, 44.03, 9.05, 44.05)


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
def test_closed_lines_of_a_file_are_islands_and_their_lakes_whichever_way_they_run(
    tmp_path: Path, turned: tuple[bool, bool]
):
    """osmcoastline#42."""
    rings = [LineString(ring.exterior.coords) for ring in (ISLAND, LAKE)]
    lines = [ring.reverse() if turn else ring for ring, turn in zip(rings, turned, strict=True)]
    found = find("Port", area=CITY.boundary.wkt, files=PlaceFiles(land=land_file(tmp_path, *lines)))
    same(found.land, ISLAND.difference(LAKE))


def ring(shape: Polygon, *, clockwise: bool) -> LineString:
    line = LineString(shapely.orient_polygons(shape).exterior.coords)
    return line.reverse() if clockwise else line


def test_a_file_whose_rings_run_both_ways_says_nothing_of_its_open_lines(tmp_path: Path):
    far = box(50.0, 10.0, 50.1, 10.1)
    for clockwise in ((True,), (True, False)):
        path = land_file(tmp_path, SHORE, *[ring(far, clockwise=one) for one in clockwise])
        with pytest.raises(AreaError, match="on which side of the others land lies"):
            find("Port", area=CITY.boundary.wkt, files=PlaceFiles(land=path))
    sure = find(
        "Port", area=CITY.boundary.wkt, files=PlaceFiles(land=land_file(tmp_path, SHORE, ring(far, clockwise=False)))
    )
    doubtful = find("Port", area=CITY.boundary.wkt, files=PlaceFiles(land=land_file(tmp_path, SHORE)))
    assert (sure.warnings, [caution.code for caution in doubtful.warnings]) == ((), ["coast-unclear"])
    same(sure.land, doubtful.land)


@pytest.mark.parametrize("columns", [{"featurecla": ["Ocean"]}, {"natural": ["water"]}, {"fclass": ["riverbank"]}])
def test_polygons_of_water_are_not_taken_for_land(tmp_path: Path, columns: dict[str, list[str]]):
    path = land_file(tmp_path, LAND, **columns)
    with pytest.raises(AreaError, match="seems to hold water"):
        find("Port", area=CITY.boundary.wkt, files=PlaceFiles(land=path))
    path.rename(tmp_path / "water_polygons.gpkg")
    with pytest.raises(AreaError, match="seems to hold water"):
        find("Port", area=CITY.boundary.wkt, files=PlaceFiles(land=tmp_path / "water_polygons.gpkg"))


def test_names_of_places_at_the_sea_are_not_water(tmp_path: Path):
    path = land_file(tmp_path, LAND, name=["Mar del Plata"], kind=["Seaside"])
    for name in ("a.gpkg", "bay_area.gpkg", "sea_and_land.gpkg", "swansea.gpkg"):
        path = path.rename(tmp_path / name)
        same(find("Port", area=CITY.boundary.wkt, files=PlaceFiles(land=path)).land, LAND.intersection(CITY.boundary))


def test_land_that_cannot_be_the_citys_is_refused_with_its_cure(tmp_path: Path):
    sliver = box(8.9, 43.9, 9.0005, 44.2)
    with pytest.raises(AreaError, match="does it hold water"):
        find("Port", area=CITY.boundary.wkt, files=PlaceFiles(land=land_file(tmp_path, sliver)))
    near = land_file(tmp_path, box(9.105, 44.0, 9.2, 44.1))
    with pytest.raises(AreaError, match="all limits of Port are sea; leave --land out"):
        find("Port", area=CITY.boundary.wkt, files=PlaceFiles(land=near))


def test_inland_nothing_changes():
    assert _coast.of_lines(CITY, [], source="test") == CITY
    assert _coast.of_lines(CITY, [LineString([(20, 50), (21, 51)])], source="test") == CITY


def test_a_coast_beside_the_limits_leaves_all_land():
    assert _coast.of_lines(CITY, [LineString([(9.105, 43.0), (9.105, 45.0)])], source="test") == CITY


def test_at_the_antimeridian_both_halves_have_their_coast():
    suva = from_shape(box(179.9, -18.1, 180.1, -18.0), name="Suva")
    west = LineString([(179.95, -17), (179.95, -19)])  # southwards: land in the east
    east = LineString([(-179.95, -19), (-179.95, -17)])  # northwards: land in the west
    found = _coast.of_lines(suva, [west, east], source="test")
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
    found = _coast.of_lines(CITY, [SHORE], source="test")
    assert city_from_feature(city_to_feature(found)) == found


def test_limits_of_an_extract_lose_their_sea(osm, ring, tmp_path: Path):
    osm.limits(1, ring(9.0, 44.0, 0.1), level=8, name="Port")
    osm.way([(9.05, 43.9), (9.05, 44.05), (9.05, 44.2)], {"natural": "coastline"})
    path = osm.save(tmp_path / "port.osm")
    assert [len(line.coords) for line in read_lines(path, tags=[_coast.COAST])] == [3]
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
    from howgreen.place import _online

    with served(lambda _: Reply(body)) as service:
        asked = Network(endpoints=Endpoints(overpass=(service.url,)), cache=tmp_path / "cache")
        found = _online.with_land(CITY, client=asked.client())
        again = _online.with_land(CITY, client=replace(asked, offline=True).client())
    same(found.land, box(9.0, 44.0, 9.05, 44.1))
    assert again == found
    (ask,) = service.asked
    assert 'way["natural"="coastline"](43.990000,8.990000,44.110000,9.110000);' in ask.query["data"]


def test_without_an_answer_the_city_stays_and_says_so(tmp_path: Path):
    from howgreen.place import _online

    client = Network(cache=tmp_path, offline=True).client()
    found = _online.with_land(CITY, client=client)
    assert found.land is None
    assert "sea told by its colour alone: no coastline (offline)" in found.note


def test_limits_that_follow_a_shore_whose_line_breaks_off_beyond_are_all_land():
    broken = LineString([(9.1, 44.0), (9.1, 44.1), (9.099, 44.105)])  # ends in the margin
    assert _coast.of_lines(CITY, [broken], source="test") == CITY


@pytest.mark.real
def test_monaco_ends_at_the_shore_and_a_box_around_it_does_not(shared_data: Path):
    """Level 8 of Monaco, 2.0 km2, follows the coastline, which breaks off at the edge of the extract."""
    path = shared_data / "osm/monaco.osm.pbf"
    monaco = find("Monaco", osm=path, pick=1)
    assert monaco.land is None
    assert "sea" not in monaco.note
    port = from_shape(box(7.4195, 43.7325, 7.431, 43.738), name="Port Hercule")
    found = _coast.with_land(port, osm=path)
    assert 0.4 < found.land.area / port.boundary.area < 0.9


@pytest.mark.real
def test_helsinki_is_cut_and_not_guessed(shared_data: Path):
    centre = from_shape(box(24.935, 60.16, 24.96, 60.18), name="Helsinki")
    found = _coast.with_land(centre, osm=shared_data / "osm/Helsinki.osm.pbf")
    assert found.land is None
    assert "broken here" in found.note
