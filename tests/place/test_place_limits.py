from __future__ import annotations

import osmium
import pytest
import shapely

from howgreen.core.errors import AreaError, PlaceNotFoundError
from howgreen.core.geometry import geodesic_area_m2
from howgreen.osm.extract import OsmId, extract_date, read_areas
from howgreen.place._osm_boundaries import parse_id, search, with_districts

ADMIN = [("boundary", "administrative")]


def box(west, south, side):
    return shapely.box(west, south, round(west + side, 7), round(south + side, 7))


@pytest.fixture
def country(osm, ring):
    """A land with two Springfields, one of them with a lake district, and a Zürich that answers to many names."""
    osm.limits(1, ring(0, 0, 1.0), level=2, name="Landia", **{"name:de": "Ländchen"})
    osm.limits(2, ring(0.1, 0.1, 0.2), level=8, name="Springfield")
    osm.limits(3, ring(0.5, 0.5, 0.1), level=8, name="Springfield", place="town")
    osm.limits(4, ring(0.7, 0.1, 0.1), level=8, name="Zürich/Turitg", alt_name="Limmatstadt;Zurigo", int_name="Zurich")
    osm.limits(5, ring(0.1, 0.1, 0.1), level=9, name="Northend")
    osm.limits(6, ring(0.2, 0.1, 0.1), level=9, name="Lakeside")
    osm.limits(7, ring(0.11, 0.11, 0.01), level=10, name="Nook")
    osm.limits(8, ring(0.29, 0.5, 0.1), level=9, name="Elsewhere")
    return osm


@pytest.fixture
def path(country, tmp_path):
    return country.save(tmp_path / "landia.osm")


def ids(cities):
    return [city.id for city in cities]


@pytest.mark.parametrize("query", ["Zürich", "ZURICH", "turitg", "Zürich/Turitg", "limmatstadt", "Zurigo", "zurich"])
def test_a_place_answers_to_all_its_names(path, query):
    (city,) = search(query, osm=path)
    assert (city.id, city.name, city.label, city.admin_level) == ("osm:R4", query, "Zürich/Turitg", 8)
    assert city.boundary.equals(box(0.7, 0.1, 0.1))
    assert city.area_m2 == pytest.approx(geodesic_area_m2(box(0.7, 0.1, 0.1)))
    assert city.licence == "© OpenStreetMap contributors, ODbL"


def test_all_places_of_a_name_are_found_largest_first(path):
    cities = search("springfield", osm=path)
    assert ids(cities) == ["osm:R2", "osm:R3"]
    assert [city.kind for city in cities] == ["municipality", "town"]


@pytest.mark.parametrize("query", ["R3", "r3", "osm:R3", "OSM:r3", "relation/3"])
def test_an_id_is_exact(path, query):
    assert ids(search(query, osm=path)) == ["osm:R3"]


@pytest.mark.parametrize(
    ("text", "key"), [("W12", OsmId("W", 12)), ("way/12", OsmId("W", 12)), ("R2D2", None), ("Rome", None)]
)
def test_ids_are_told_from_names(text, key):
    assert parse_id(text) == key


def test_what_follows_the_comma_narrows_the_choice(path):
    assert ids(search("Zürich, Ländchen", osm=path)) == ["osm:R4"]
    assert ids(search("Nook, Springfield, Landia", osm=path)) == ["osm:R7"]
    with pytest.raises(PlaceNotFoundError, match="no place of that name lies in Zürich"):
        search("Nook, Zürich", osm=path)


def test_what_follows_the_comma_and_is_unknown_is_said(path):
    (city,) = search("Nook, Atlantis", osm=path)
    assert "not checked whether it lies in 'Atlantis'" in city.note


def test_a_comma_inside_a_name_is_part_of_it(osm, ring, tmp_path):
    osm.limits(1, ring(0, 0, 0.1), level=8, name="Washington, D.C.")
    (city,) = search("washington, d.c.", osm=osm.save(tmp_path / "a.osm"))
    assert city.note == ""


def test_unknown_names_are_answered_with_what_is_alike_or_known(path):
    with pytest.raises(PlaceNotFoundError, match="did you mean Springfield"):
        search("Sprinfeld", osm=path)
    with pytest.raises(PlaceNotFoundError, match="it names Elsewhere, Lakeside, Landia, Nook"):
        search("Qqqq", osm=path)
    with pytest.raises(PlaceNotFoundError, match="check the id"):
        search("R99", osm=path)


def test_exclaves_and_holes_are_assembled(osm, ring, tmp_path):
    ways = [osm.way(ring(*at)) for at in [(0, 0, 0.3), (1, 1, 0.1), (0.1, 0.1, 0.1)]]
    tags = {"type": "multipolygon", "boundary": "administrative", "admin_level": "8", "name": "Parts"}
    osm.relation(1, ways[:2], tags, inner=ways[2:])
    (city,) = search("parts", osm=osm.save(tmp_path / "a.osm"))
    assert city.boundary.equals(box(0, 0, 0.3).difference(box(0.1, 0.1, 0.1)).union(box(1, 1, 0.1)))


def test_a_ring_in_several_ways_is_joined(osm, tmp_path):
    halves = [osm.way([(0, 0), (0.1, 0), (0.1, 0.1)]), osm.way([(0, 0), (0, 0.1), (0.1, 0.1)])]
    osm.relation(1, halves, {"type": "boundary", "boundary": "administrative", "admin_level": "8", "name": "Joined"})
    (city,) = search("joined", osm=osm.save(tmp_path / "a.osm"))
    assert city.boundary.equals(box(0, 0, 0.1))


def test_a_closed_way_can_be_limits_and_an_open_one_cannot(osm, ring, tmp_path):
    tags = {"boundary": "administrative", "admin_level": "8", "name": "Way"}
    closed = osm.way(ring(0, 0, 0.1), tags)
    osm.way(ring(0.5, 0, 0.1)[:-1], tags)
    assert ids(search("way", osm=osm.save(tmp_path / "a.osm"))) == [f"osm:W{closed}"]


@pytest.mark.parametrize("lost", ["way", "node"])
def test_limits_cut_by_the_extract_are_explained(country, tmp_path, lost):
    path = country.save(tmp_path / "cut.osm", **({"lost_ways": [4]} if lost == "way" else {"lost_nodes": [13]}))
    with pytest.raises(PlaceNotFoundError, match=r"Zürich/Turitg \(R4, level 8\) is cut at the edge of this extract"):
        search("Zürich", osm=path)


def test_whole_limits_are_taken_and_their_cut_namesakes_said(country, tmp_path):
    (city,) = search("springfield", osm=country.save(tmp_path / "cut.osm", lost_ways=[2]))
    assert city.id == "osm:R3"
    assert "cut in the extract: Springfield (R2, level 8)" in city.note


def test_place_polygons_are_asked_only_where_no_limits_have_the_name(country, ring, tmp_path):
    country.way(ring(0.5, 0.5, 0.05), {"place": "town", "name": "Springfield"})
    number = country.way(ring(0.8, 0.8, 0.05), {"place": "village", "name": "Hamlet"})
    path = country.save(tmp_path / "a.osm")
    assert ids(search("springfield", osm=path)) == ["osm:R2", "osm:R3"]
    (hamlet,) = search("hamlet", osm=path)
    assert (hamlet.id, hamlet.kind, hamlet.admin_level) == (f"osm:W{number}", "village", None)


@pytest.mark.parametrize(
    ("tags", "count", "year"),
    [
        ({"population": "35881", "population:date": "2011-04-13"}, 35881, 2011),
        ({"population": "1 234", "population:date": "2020"}, 1234, 2020),
        ({"population": "1234", "population:year": "2019"}, 1234, 2019),
    ],
)
def test_a_population_with_its_year_is_taken(osm, ring, tmp_path, tags, count, year):
    osm.limits(1, ring(0, 0, 0.1), level=8, name="Town", **tags)
    (city,) = search("town", osm=osm.save(tmp_path / "a.osm"))
    assert (city.population.count, city.population.year, city.population.source) == (count, year, "OpenStreetMap")


@pytest.mark.parametrize("tags", [{}, {"population": "many"}, {"population": "0", "population:date": "2020"}])
def test_no_usable_population_is_none(osm, ring, tmp_path, tags):
    osm.limits(1, ring(0, 0, 0.1), level=8, name="Town", **tags)
    (city,) = search("town", osm=osm.save(tmp_path / "a.osm"))
    assert city.population is None
    assert city.note == ""


def test_a_population_without_a_year_is_left_out_and_said(osm, ring, tmp_path):
    osm.limits(1, ring(0, 0, 0.1), level=8, name="Town", population="11145")
    (city,) = search("town", osm=osm.save(tmp_path / "a.osm"))
    assert city.population is None
    assert "population of 11,145 has no year" in city.note


def test_districts_are_the_next_level_inside(path):
    city = with_districts(search("R2", osm=path)[0], osm=path)
    assert [(d.name, d.id) for d in city.districts] == [("Lakeside", "osm:R6"), ("Northend", "osm:R5")]
    assert city.districts[1].boundary.equals(box(0.1, 0.1, 0.1))
    assert "the districts (2) cover 50% of the city" in city.note


def test_as_many_levels_as_are_asked_for_are_districts_each_told_what_it_leaves_out(path):
    city = with_districts(search("R2", osm=path)[0], osm=path, levels=(10, 9))
    assert [(d.level, d.name) for d in city.districts] == [(9, "Lakeside"), (9, "Northend"), (10, "Nook")]
    whole = city.area_m2 / 1e6
    assert f"the districts of level 9 (2) cover 50% of the city, {whole / 2:.1f} km² lie in none" in city.note
    assert "the districts of level 10 (1) cover 0% of the city" in city.note
    again = with_districts(city, osm=path, levels=[9])
    assert again.note.count("the districts") == 1
    with pytest.raises(AreaError, match=r"no areas of level 4 lie inside; levels with areas: 9 \(2\), 10 \(1\)"):
        with_districts(city, osm=path, levels=[9, 4])


def test_a_level_that_is_missing_is_skipped(path):
    land = with_districts(search("Landia", osm=path)[0], osm=path)
    assert [d.id for d in land.districts] == ["osm:R2", "osm:R3", "osm:R4"]


def test_a_city_without_areas_below_says_so(path):
    city = with_districts(search("Zürich", osm=path)[0], osm=path)
    assert city.districts == ()
    assert "without districts: this extract has no administrative areas inside" in city.note


def test_limits_without_a_level_have_the_lowest_level_of_the_areas_inside(osm, ring, tmp_path):
    osm.relation(1, [osm.way(ring(0, 0, 0.2))], {"type": "boundary", "place": "city", "name": "Town"})
    osm.limits(2, ring(0, 0, 0.2), level=6, name="Ceremonial Town")  # the same ground: not a part of it
    osm.limits(3, ring(0, 0, 0.1), level=8, name="Camden")
    osm.limits(4, ring(0.1, 0, 0.1), level=8, name="Barnet")
    osm.limits(5, ring(0, 0, 0.05), level=10, name="Ward")
    path = osm.save(tmp_path / "a.osm")
    town = next(city for city in search("Town", osm=path) if city.id == "osm:R1")
    assert [district.name for district in with_districts(town, osm=path).districts] == ["Barnet", "Camden"]


@pytest.mark.parametrize(("side", "alone"), [(0.196, True), (0.194, False)])
def test_a_lone_area_with_nearly_the_same_limits_is_the_city_itself(osm, ring, tmp_path, side, alone):
    osm.limits(1, ring(0, 0, 0.2), level=6, name="Town")
    osm.limits(2, ring(0, 0, side), level=8, name="Town borough")  # 4 % or 6 % less
    path = osm.save(tmp_path / "a.osm")
    assert (with_districts(search("Town", osm=path)[0], osm=path).districts == ()) is alone


def test_census_places_are_found_where_no_administrative_limits_bear_the_name(osm, ring, tmp_path):
    osm.relation(1, [osm.way(ring(0, 0, 0.2))], {"type": "boundary", "boundary": "census", "name": "Kailua"})
    osm.relation(2, [osm.way(ring(1, 0, 0.2))], {"type": "boundary", "boundary": "census", "name": "Hilo"})
    osm.limits(3, ring(2, 0, 0.2), level=8, name="Hilo")
    path = osm.save(tmp_path / "a.osm")
    kailua = search("Kailua", osm=path)
    assert [(city.id, city.kind, city.admin_level) for city in kailua] == [("osm:R1", "census area", None)]
    assert [city.id for city in search("Hilo", osm=path)] == ["osm:R3"]


@pytest.mark.parametrize(("hole", "told"), [(0.02, True), (0.004, False)])
def test_ground_that_limits_surround_and_leave_out_is_told(osm, ring, tmp_path, hole, told):
    outer, inner = osm.way(ring(0, 0, 0.2)), osm.way(ring(0.1, 0.1, hole))
    tags = {"type": "boundary", "boundary": "administrative", "admin_level": "6", "name": "Greater Town"}
    osm.relation(1, [outer], tags, inner=[inner])
    note = search("Greater Town", osm=osm.save(tmp_path / "a.osm"))[0].note
    assert ("the limits surround 4.9 km² that are not part of them" in note) is told


def test_a_district_that_sticks_out_is_cut_to_the_city(osm, ring, tmp_path):
    osm.limits(1, ring(0, 0, 0.2), level=8, name="Town")
    osm.limits(2, [(0, 0), (0.3, 0), (0.3, 0.1), (0, 0.1), (0, 0)], level=9, name="Wide")
    path = osm.save(tmp_path / "a.osm")
    (wide,) = with_districts(search("town", osm=path)[0], osm=path).districts
    assert wide.boundary.equals(shapely.box(0, 0, 0.2, 0.1))


def test_a_district_cut_by_the_extract_is_missing_and_the_note_shows_it(country, tmp_path):
    path = country.save(tmp_path / "cut.osm", lost_ways=[6])
    city = with_districts(search("R2", osm=path)[0], osm=path)
    assert [d.name for d in city.districts] == ["Northend"]
    assert "the districts (1) cover 25%" in city.note


def test_two_levels_around_the_same_ground_are_one_place_the_deeper(osm, ring, tmp_path):
    osm.limits(1, ring(2, 48, 0.1), level=6, name="Paris")
    osm.limits(2, ring(2, 48, 0.1), level=8, name="Paris")
    osm.limits(3, ring(9, 48, 0.1), level=8, name="Paris")
    osm.limits(4, ring(2, 48, 0.05), level=9, name="1er")
    path = osm.save(tmp_path / "a.osm")
    one, other = search("paris", osm=path)
    assert {one.id, other.id} == {"osm:R2", "osm:R3"}
    assert [c.note for c in (one, other) if c.id == "osm:R2"] == ["has the same limits as Paris (osm:R1, level 6)"]
    (department,) = search("R1", osm=path)
    assert [d.name for d in with_districts(department, osm=path).districts] == ["1er"]


def test_a_pbf_gives_the_same_as_xml(path, tmp_path):
    header = osmium.io.Header()
    header.set("osmosis_replication_timestamp", "2024-05-06T07:08:09Z")
    pbf = tmp_path / "landia.osm.pbf"
    with osmium.SimpleWriter(str(pbf), header=header) as writer:
        for item in osmium.FileProcessor(str(path)):
            writer.add(item)
    (a,), (b,) = search("Zürich", osm=path), search("Zürich", osm=pbf)
    assert a.boundary.equals(b.boundary)
    assert extract_date(pbf) == "2024-05-06"
    assert extract_date(path) == ""
    assert "extract of 2024-05-06" in b.note
    whole = pbf.read_bytes()
    pbf.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(AreaError, match="cut short"):
        search("Zürich", osm=pbf)


@pytest.mark.parametrize("name", ["a.osm.pbf", "a.osm", "a.txt", "a.osm.bz2"])
def test_other_files_are_refused_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"not a map")
    with pytest.raises(AreaError, match="not an OpenStreetMap extract, or cut short") as caught:
        search("x", osm=tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.osm.pbf", tmp_path):
        with pytest.raises(AreaError, match="no such file"):
            search("x", osm=path)


def test_only_wanted_objects_are_assembled(path):
    found = read_areas(path, tags=ADMIN, matches=lambda key, tags: tags["admin_level"] == "9")
    assert [str(key) for key in found.shapes] == ["R5", "R6", "R8"]
    assert found.cut == []


@pytest.mark.real
def test_liechtenstein_has_its_eleven_communes_as_well_as_its_two_regions(shared_data):
    osm = shared_data / "osm/liechtenstein.osm.pbf"
    (country,) = search("Liechtenstein", osm=osm)
    assert [d.name for d in with_districts(country, osm=osm).districts] == ["Oberland", "Unterland"]
    both = with_districts(country, osm=osm, levels=(6, 8)).districts
    assert [d.level for d in both] == [6] * 2 + [8] * 11
    assert {"Vaduz", "Schaan", "Ruggell", "Triesenberg"} < {d.name for d in both if d.level == 8}


def test_limits_that_were_deleted_are_none(osm, ring, tmp_path):
    """As files with history have them."""
    osm.limits(7, ring(10, 46, 0.1), level=8, name="Here")
    text = osm.save(tmp_path / "a.osm").read_text()
    gone = tmp_path / "gone.osm"
    gone.write_text(text.replace('<relation id="7" version="1"', '<relation id="7" version="2" visible="false"'))
    assert search("Here", osm=tmp_path / "a.osm")
    with pytest.raises(PlaceNotFoundError, match="is not in"):
        search("Here", osm=gone)
