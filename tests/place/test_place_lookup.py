from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from howgreen.core.errors import AmbiguousPlaceError, AreaError, PlaceNotFoundError
from howgreen.osm import green_areas, green_raster
from howgreen.place import PlaceFiles, candidates, find, from_file, from_shape
from howgreen.store import places, put_place

SQUARE = shapely.box(11.3, 46.4, 11.4, 46.5)


@pytest.fixture
def store(tmp_path):
    root = tmp_path / "store"
    put_place(root, from_shape(SQUARE, name="Bolzano", label="Bolzano/Bozen", id="file:boundary.geojson"))
    put_place(root, from_shape(shapely.box(4.8, 45.7, 4.9, 45.8), name="Lyon", id="osm:R120965"))
    return root


@pytest.fixture
def extract(osm, ring, tmp_path) -> Path:
    osm.limits(1, ring(0.1, 0.1, 0.2), level=8, name="Springfield")
    osm.limits(2, ring(0.5, 0.5, 0.1), level=6, name="Springfield", border_type="county")
    osm.limits(3, ring(0.1, 0.1, 0.1), level=9, name="Northend")
    osm.limits(4, ring(1.0, 1.0, 0.1), level=8, name="Bozen")
    return osm.save(tmp_path / "a.osm")


@pytest.mark.parametrize(
    "query", ["Bolzano", "bozen", "BOLZANO/BOZEN", "bolzano bozen", "store:bolzano", "file:boundary.geojson"]
)
def test_a_place_of_a_store_is_found_by_any_of_its_names(store, query):
    city = find(query, stores=[store])
    assert (city.name, city.label) == (query, "Bolzano/Bozen")
    assert city.boundary.equals(SQUARE)


@pytest.mark.parametrize("query", ["R120965", "osm:r120965", "relation/120965"])
def test_a_place_of_a_store_is_found_by_its_osm_id(store, query):
    assert find(query, stores=[store]).label == "Lyon"


def test_what_follows_the_comma_is_left_out_and_said(store):
    city = find("Lyon, France", stores=[store])
    assert city.label == "Lyon"
    assert "not checked whether it lies in 'France'" in city.note


def test_unknown_names_say_what_is_known(store):
    with pytest.raises(PlaceNotFoundError, match="did you mean Bolzano/Bozen"):
        find("Bosen", stores=[store])
    with pytest.raises(PlaceNotFoundError, match=r"the store knows Bolzano/Bozen, Lyon; give coordinates, --area"):
        find("Reykjavik", stores=[store])
    with pytest.raises(PlaceNotFoundError, match="no store has a place"):
        find("Reykjavik")


def test_a_name_in_neither_source_is_answered_by_both(store, extract):
    with pytest.raises(PlaceNotFoundError, match=r"the store knows Lyon"):
        find("Lyonn", stores=[store], osm=extract)


def test_the_same_place_in_two_stores_is_one_and_another_of_that_name_is_not(store, tmp_path):
    second = tmp_path / "second"
    put_place(second, find("Lyon", stores=[store]))
    assert len(candidates("Lyon", stores=[store, second])) == 1
    third = tmp_path / "third"
    put_place(third, from_shape(SQUARE, name="Lyon"))
    with pytest.raises(AmbiguousPlaceError, match="2 places"):
        find("Lyon", stores=[store, third])
    assert find("Lyon", stores=[store, third], pick=2).boundary.equals(SQUARE)


def test_the_order_of_the_sources(store, extract, tmp_path):
    gpd.GeoDataFrame(geometry=[SQUARE], crs="EPSG:4326").to_file(tmp_path / "b.geojson")
    assert find("Bozen", stores=[store], osm=extract).id == "file:boundary.geojson"
    assert find("Bozen", osm=extract).id == "osm:R4"
    assert find("Bozen", stores=[store], osm=extract, area=tmp_path / "b.geojson").id == "file:b.geojson"
    assert find("1, 1", stores=[store], osm=extract).kind == "circle"
    assert find("R4", stores=[store], osm=extract).id == "osm:R4"


def test_several_matches_are_listed_with_level_area_and_id(extract):
    with pytest.raises(AmbiguousPlaceError) as caught:
        find("Springfield", osm=extract)
    first, *lines = str(caught.value).splitlines()
    assert first == "'Springfield' can be 2 places; take one with --pick N or its id:"
    assert lines == [
        "  1. Springfield: county, level 6, 123.1 km², osm:R2",
        "  2. Springfield: municipality, level 8, 492.4 km², osm:R1",
    ]


@pytest.mark.parametrize("pick", [2, "2", " 2 ", "osm:R1", "R1", "r1", "relation/1"])
def test_one_is_picked_by_number_or_id_and_brings_its_districts(extract, pick):
    city = find("Springfield", osm=extract, pick=pick)
    assert city.id == "osm:R1"
    assert [d.name for d in city.districts] == ["Northend"]


@pytest.mark.parametrize("pick", [0, 3, -1, "R9", "all", ""])
def test_a_pick_that_is_not_there_is_refused(extract, pick):
    with pytest.raises(PlaceNotFoundError, match="pick a number from 1 to 2 or an id"):
        find("Springfield", osm=extract, pick=pick)


def test_what_candidates_lists_is_what_pick_counts(extract):
    for number, city in enumerate(candidates("springfield", osm=extract), start=1):
        assert find("springfield", osm=extract, pick=number).id == city.id


def test_an_area_may_be_a_path_a_text_of_a_path_or_a_shape(tmp_path):
    path = tmp_path / "b.geojson"
    gpd.GeoDataFrame({"name": ["Bolzano/Bozen"]}, geometry=[SQUARE], crs="EPSG:4326").to_file(path)
    for area in (path, str(path), SQUARE.wkt, shapely.to_geojson(SQUARE)):
        city = find("Bolzano", area=area)
        assert city.name == "Bolzano"
        assert city.boundary.equals(SQUARE)
    assert find(None, area=path).name == "Bolzano/Bozen"


def test_districts_of_a_file_replace_others(extract, tmp_path):
    halves = [shapely.box(0.1, 0.1, 0.2, 0.3), shapely.box(0.2, 0.1, 0.3, 0.3)]
    gpd.GeoDataFrame({"name": ["W", "E"]}, geometry=halves, crs="EPSG:4326").to_file(tmp_path / "d.gpkg")
    city = find("R1", osm=extract, files=PlaceFiles(districts=tmp_path / "d.gpkg"))
    assert [d.name for d in city.districts] == ["W", "E"]
    assert "cover" not in city.note


def test_a_radius_belongs_to_coordinates_only(store):
    assert find("45.76, 4.84", radius_m=500).area_m2 == pytest.approx(785_398, rel=1e-4)
    with pytest.raises(AreaError, match="there is no radius for"):
        find("Lyon", stores=[store], radius_m=500)
    with pytest.raises(AreaError, match="there is no radius for"):
        find(None, area=SQUARE.wkt, radius_m=500)


@pytest.mark.parametrize("query", ["", "   ", None])
def test_no_place_is_asked_for(query):
    with pytest.raises(PlaceNotFoundError, match="no place given"):
        find(query)


@pytest.mark.parametrize(
    ("area", "says"), [("", "no boundary given"), ("a" * 5000, "no such file"), ("a\0b", "no such file")]
)
def test_areas_that_are_neither_file_nor_shape(area, says):
    with pytest.raises(AreaError, match=says) as caught:
        find("x", area=area)
    assert len(str(caught.value)) < 300


def test_paths_may_be_plain_strings(store, extract, tmp_path):
    gpd.GeoDataFrame(geometry=[SQUARE], crs="EPSG:4326").to_file(tmp_path / "b.geojson")
    assert find("Lyon", stores=[str(store)]).id == "osm:R120965"
    assert find("R1", osm=str(extract)).id == "osm:R1"
    assert from_file(str(tmp_path / "b.geojson")).name == "b"
    town = find(None, area=str(tmp_path / "b.geojson"), files=PlaceFiles(districts=str(tmp_path / "b.geojson")))
    areas = green_areas(town, osm=str(extract))
    assert green_raster(areas, town, out=str(tmp_path / "g.tif")) == tmp_path / "g.tif"


def test_a_very_long_name_is_not_repeated_in_full(extract):
    with pytest.raises(PlaceNotFoundError) as caught:
        find("x" * 10_000, osm=extract)
    assert len(str(caught.value)) < 400


def test_the_population_and_districts_of_a_store_come_along(tmp_path, extract):
    city = find("Springfield", osm=extract, pick=2)
    put_place(tmp_path / "s", replace(city, name="Springfield"))
    assert find("springfield", stores=[tmp_path / "s"]).districts == city.districts


def test_importing_the_stage_loads_no_geometry_library():
    code = "import sys, howgreen.place; print([m for m in ('osmium', 'geopandas', 'pyproj', 'shapely') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_public_names_are_there():
    import howgreen.place as place

    assert all(getattr(place, name) is not None for name in place.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = place.nonsense


def test_a_boundary_with_latitude_and_longitude_exchanged_is_noticed_where_the_name_is_known(store, extract, tmp_path):
    turned = shapely.box(45.7, 4.8, 45.8, 4.9).wkt
    with pytest.raises(AreaError, match="latitude and longitude of its boundary are exchanged"):
        find("Lyon", area=turned, stores=[store])
    assert find("Lyon", area=shapely.box(4.81, 45.71, 4.82, 45.72).wkt, stores=[store]).warnings == ()
    far = find("Lyon", area=shapely.box(100, 10, 100.1, 10.1).wkt, stores=[store])
    assert [caution.code for caution in far.warnings] == ["limits-doubtful"]
    assert find("Graz", area=turned, stores=[store]).warnings == ()


def test_a_place_that_a_store_has_under_two_names_is_found_by_both(tmp_path):
    """The second was stored, and then "not known"."""
    root = tmp_path / "two"
    put_place(root, from_shape(SQUARE, name="Centre"))
    put_place(root, from_shape(SQUARE, name="Old town"))
    for name in ("Centre", "Old town"):
        assert find(name, stores=[root]).boundary.equals(SQUARE)
    assert len(candidates(from_shape(SQUARE, name="x").id, stores=[root])) == 1


def test_names_of_a_strangers_store_are_one_harmless_line(tmp_path):
    put_place(tmp_path / "s", replace(from_shape(SQUARE, name="x"), name="a\n\x1b]0;b\x07\u202ec", label="a\r\nb"))
    (city,) = places(tmp_path / "s")
    assert not {"\n", "\r", "\x1b", "\x07", "\u202e"} & {*city.name, *city.label}
