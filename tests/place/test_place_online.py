"""Places over a loopback that speaks as Nominatim and Overpass do. Each line of the field notes has its test."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack

import pytest
import shapely
from services import DATA, Reply, admin, listed, osm_file, point, record, rectangle, says, served

from howgreen.cli import main
from howgreen.core.errors import AmbiguousPlaceError, AreaError, NetworkError, PlaceNotFoundError
from howgreen.net.endpoints import Endpoints
from howgreen.net.http import RetryPolicy
from howgreen.net.network import Network
from howgreen.osm.overpass import elements, has_areas
from howgreen.place import PlaceFiles, candidates, find, from_shape
from howgreen.place._nominatim import hit_of, records
from howgreen.store import place, put_place

BOX = (4.8, 45.7, 4.9, 45.8)
QUICK = RetryPolicy(tries=3, pause_s=0.0, total_s=2.0, attempt_s=0.4, connect_s=0.3, first_wait_s=0.02)
EMPTY = listed()


def inland(ask):
    """An Overpass that knows no limits and no coastline."""
    return says(b"<osm></osm>") if "coastline" in ask.query.get("data", "") else EMPTY


class World:
    """A Nominatim and an Overpass, and leave to ask them."""

    def __init__(self, nominatim, overpass, tmp_path):
        self.nominatim, self.overpass = nominatim, overpass
        table = Endpoints(nominatim=nominatim.url, overpass=(overpass.url,), ign=nominatim.url)
        self.online = Network(endpoints=table, cache=tmp_path / "kept", retry=QUICK)


@pytest.fixture
def world(tmp_path):
    with ExitStack() as stack:
        yield World(stack.enter_context(served()), stack.enter_context(served(inland)), tmp_path)


def recorded(name):
    return says((DATA / name).read_bytes())


def test_a_city_is_found_by_name_with_everything_that_is_known(world):
    tags = {"population": "522250", "population:date": "2021-01-01"}
    lyon = record(120965, "Lyon", geojson=rectangle(*BOX), country="fr", extratags=tags)
    world.nominatim.replies.append(says([lyon]))
    city = find("Lyon, France", network=world.online)
    assert (city.id, city.kind, city.admin_level, city.country) == ("osm:R120965", "city", 8, "FR")
    assert (city.population.count, city.population.year) == (522250, 2021)
    assert (city.name, city.label, city.crs) == ("Lyon, France", "Lyon", "EPSG:32631")
    assert "ODbL" in city.licence
    asked = world.nominatim.asked[0]
    assert asked.path == "/search"
    assert asked.query["q"] == "Lyon, France"
    assert all(asked.query[key] == "1" for key in ("polygon_geojson", "addressdetails", "extratags"))


def test_brokenspoke_912_orange_ca_is_a_county_or_a_city_and_never_guessed(world):
    """brokenspoke#912: "Orange, CA" resolves to a county."""
    world.nominatim.usual = lambda _: recorded("nominatim_orange.json")
    with pytest.raises(AmbiguousPlaceError) as caught:
        find("Orange, CA", network=world.online)
    first, second = str(caught.value).splitlines()[1:]
    assert first == "  1. Orange: city, level 8, 154.1 km², osm:R9002, US"
    assert second.startswith("  2. Orange County: county, level 6, ")
    assert second.endswith(" km², 3,186,989 people (2020), osm:R9001, US")
    assert find("Orange, CA", network=world.online, pick="R9002").kind == "city"
    assert find("Orange, CA", network=world.online, pick=2).kind == "county"


def test_a_lone_match_of_another_name_is_not_taken_without_asking(world):
    county, *_ = json.loads((DATA / "nominatim_orange.json").read_bytes())
    world.nominatim.usual = lambda _: says([county])
    with pytest.raises(AmbiguousPlaceError, match=r"nothing is called 'Orange, CA'.*\n  1. Orange County: county"):
        find("Orange, CA", network=world.online)
    assert find("Orange County, CA", network=world.online).id == "osm:R9001"


def test_brokenspoke_929_polygons_beat_points(world):
    """brokenspoke#929: points beat polygons."""
    near = point("Springfield", 45.75, 4.85)
    world.nominatim.replies.append(says([near, record(7, "Springfield", geojson=rectangle(*BOX))]))
    assert [city.id for city in candidates("Springfield", network=world.online)] == ["osm:R7"]
    assert world.overpass.asked == []


def test_osmnx_663_a_second_source_where_nominatim_has_only_a_point(world):
    """osmnx#663: a polygon can vanish overnight."""
    world.nominatim.replies.append(says([point("Springfield", 45.75, 4.85)]))
    tags = admin("Springfield", 8, population="30720")
    others = [(8, admin("Shelby", 6), (4, 45, 5, 46)), (9, admin("Springfield Lake", 9), BOX)]
    world.overpass.replies += [listed((7, tags, BOX), *others), says(osm_file((7, tags, BOX)))]
    city = find("springfield", network=world.online)
    assert (city.id, city.admin_level, city.country) == ("osm:R7", 8, "XX")
    assert shapely.equals_exact(city.boundary.normalize(), shapely.box(*BOX).normalize(), 1e-9)
    assert "by Overpass" in city.note
    assert "30,720 has no year" in city.note
    assert "is_in(45.7500000,4.8500000)" in world.overpass.asked[0].query["data"]
    assert "rel(7);" in world.overpass.asked[1].query["data"]
    assert "springfield" not in "".join(ask.query["data"] for ask in world.overpass.asked).lower()


def test_only_a_point_anywhere_is_said_with_the_cure(world):
    world.nominatim.replies.append(says([point("Nowhere", 45.75, 4.85)]))
    with pytest.raises(PlaceNotFoundError, match=r'only a point.*--radius: "45.7500, 4.8500"'):
        find("Nowhere", network=world.online)


def test_limits_that_cross_themselves_are_not_used(world):
    bow = {"type": "Polygon", "coordinates": [[[4.8, 45.7], [4.9, 45.8], [4.9, 45.7], [4.8, 45.8], [4.8, 45.7]]]}
    world.nominatim.replies.append(says([record(7, "Bow", geojson=bow)]))
    with pytest.raises(AreaError, match="crosses itself"):
        find("Bow", network=world.online)


@pytest.mark.parametrize("query", ["R120965", "osm:r120965", "relation/120965"])
def test_osm_ids_are_looked_up(world, query):
    """Accept R<osm id>."""
    world.nominatim.replies.append(says([record(120965, "Lyon", geojson=rectangle(*BOX))]))
    assert find(query, network=world.online).label == "Lyon"
    assert (world.nominatim.asked[0].path, world.nominatim.asked[0].query["osm_ids"]) == ("/lookup", "R120965")


def test_an_id_that_nominatim_cannot_give_comes_from_overpass(world):
    world.overpass.replies.append(says(osm_file((7, admin("Far", 8), BOX))))
    assert find("R7", network=world.online).label == "Far"
    world.nominatim.usual = lambda _: Reply(status=500)
    world.overpass.replies.append(says(osm_file((8, admin("Away", 8), BOX))))
    assert find("R8", network=world.online).label == "Away"


def test_an_unknown_id_says_so(world):
    world.overpass.usual = lambda ask: says(osm_file()) if "out:xml" in ask.query["data"] else EMPTY
    with pytest.raises(PlaceNotFoundError, match="R7: OpenStreetMap has no whole limits with this id"):
        find("R7", network=world.online)


def test_boundaries_are_cached(world):
    """Cache boundaries: the second time nothing is asked, and --offline works."""
    world.nominatim.replies.append(says([record(7, "Lyon", geojson=rectangle(*BOX))]))
    first = find("Lyon", network=world.online)
    asked = len(world.nominatim.asked) + len(world.overpass.asked)
    assert find("Lyon", network=world.online) == first
    offline = Network(endpoints=world.online.endpoints, cache=world.online.cache, offline=True)
    assert find("Lyon", network=offline) == first
    assert len(world.nominatim.asked) + len(world.overpass.asked) == asked
    with pytest.raises(PlaceNotFoundError, match=r"'Bergen' is not known.*--area FILE"):
        find("Bergen", network=offline)


def test_osmnx_663_a_polygon_that_vanished_overnight_is_still_there(world):
    """osmnx#663: yesterday's limits are kept; where they never were, the second source has them."""
    world.nominatim.replies.append(says([record(7, "Lyon", geojson=rectangle(*BOX))]))
    first = find("Lyon", network=world.online)
    world.nominatim.usual = lambda _: says([point("Lyon", 45.75, 4.85)])
    assert find("Lyon", network=world.online) == first
    new = Network(endpoints=world.online.endpoints, cache=world.online.cache / "new", retry=QUICK)
    tags = admin("Lyon", 8)
    world.overpass.replies += [listed((7, tags, BOX)), says(osm_file((7, tags, BOX)))]
    second = find("Lyon", network=new)
    assert (second.id, second.area_m2) == (first.id, pytest.approx(first.area_m2))


def test_osmnx_663_limits_that_are_gone_when_asked_again_stay_with_the_day_of_their_answer(world, caplog):
    """osmnx#663: after a month the answer is asked for anew, and then the polygon is gone from both services."""
    world.nominatim.replies.append(says([record(7, "Lyon", geojson=rectangle(*BOX))]))
    first = find("Lyon", network=world.online)
    for kept in world.online.cache.glob("*.json"):
        os.utime(kept, (0, 0))
    gone = (says([point("Lyon", 45.75, 4.85)]), says([]), says([record(6, "Lyons", geojson=rectangle(*BOX))]))
    for answer in gone:
        world.nominatim.replies.append(answer)
        asked = len(world.nominatim.asked)
        again = find("Lyon", network=world.online)
        assert len(world.nominatim.asked) == asked + 1
        assert (again.boundary, again.id) == (first.boundary, first.id)
        assert "asked on 1970-01-01" in again.note
        assert "Nominatim no longer has what it had on 1970-01-01" in caplog.text
    world.nominatim.replies.append(says([record(8, "Lyon", geojson=rectangle(*BOX))]))
    assert find("Lyon", network=world.online).id == "osm:R8"  # what is there anew is taken


def test_districts_are_the_next_level_below(world):
    world.nominatim.replies.append(says([record(7, "Lyon", geojson=rectangle(*BOX))]))
    west, south, east, north = BOX
    halves = [(11, admin("East", 9), (4.85, south, east, north)), (10, admin("West", 9), (west, south, 4.85, north))]
    quarter = (12, admin("Quarter", 10), (west, south, 4.85, 45.75))
    neighbour = (13, admin("Next", 9), (4.7, south, 4.8, north))
    world.overpass.replies += [listed((7, admin("Lyon", 8), BOX), *halves, quarter, neighbour), says(osm_file(*halves))]
    city = find("Lyon", network=world.online)
    assert [(part.name, part.id) for part in city.districts] == [("East", "osm:R11"), ("West", "osm:R10")]
    assert "rel(10);rel(11);" in world.overpass.asked[1].query["data"]


def test_levels_that_are_asked_for_are_fetched_and_one_that_is_not_there_is_an_error(world):
    world.nominatim.replies.append(says([record(7, "Lyon", geojson=rectangle(*BOX))]))
    west, south, east, north = BOX
    halves = [(11, admin("East", 9), (4.85, south, east, north)), (10, admin("West", 9), (west, south, 4.85, north))]
    quarter = (12, admin("Quarter", 10), (west, south, 4.85, 45.75))
    there = listed((7, admin("Lyon", 8), BOX), *halves, quarter)
    world.overpass.replies += [there, says(osm_file(*halves, quarter))]
    city = find("Lyon", network=world.online, files=PlaceFiles(district_levels=(10, 9)))
    assert [(part.level, part.name) for part in city.districts] == [(9, "East"), (9, "West"), (10, "Quarter")]
    assert "rel(10);rel(11);rel(12);" in world.overpass.asked[1].query["data"]
    with pytest.raises(AreaError, match=r"no areas of level 5 .* 9 \(2\), 10 \(1\)"):
        find("Lyon", network=world.online, files=PlaceFiles(district_levels=(5,)))


@pytest.mark.parametrize(
    "fault", [Reply(b"busy", 504), Reply(wait_s=1), says({"elements": [], "remark": "runtime error: out of memory"})]
)
def test_osmnx_832_445_1299_overpass_pauses_and_time_outs_do_not_cost_the_answer(world, fault):
    """osmnx#832, #445, #1299: silent 60 s pauses, 180 s time-outs; OSM is optional to the ratio."""
    world.nominatim.replies.append(says([record(7, "Lyon", geojson=rectangle(*BOX))]))
    world.overpass.usual = lambda _: fault
    city = find("Lyon", network=world.online)
    assert city.districts == ()
    assert "without districts: they could not be looked up (Overpass gave no answer" in city.note


def test_an_answer_that_ran_out_of_time_is_never_taken_for_a_whole_one():
    whole = osm_file((7, admin("A", 8), BOX))
    assert has_areas(whole)
    assert not has_areas(osm_file())
    remark = whole.replace(b"</osm>", b'<remark> runtime error: Query timed out in "recurse" </remark></osm>')
    for broken in (remark, whole[:-40], b"<html><body>Too busy</body></html>"):
        with pytest.raises(ValueError, match=r"gave up|cut short|web page"):
            has_areas(broken)
    for broken in (b"{", b"<html>", b"[]", b'{"elements": [], "remark": "timed out"}'):
        with pytest.raises(ValueError, match=r"broken|page|error|gave up"):
            elements(broken)


def test_multipolygons_holes_and_exclaves_are_kept_never_a_box_or_a_first_part(world):
    """MultiPolygons, holes and exclaves are ordinary."""
    ring = rectangle(*BOX)["coordinates"][0]
    hole = [[4.84, 45.74], [4.86, 45.74], [4.86, 45.76], [4.84, 45.76], [4.84, 45.74]]
    exclave = rectangle(5.0, 45.7, 5.01, 45.71)["coordinates"]
    geojson = {"type": "MultiPolygon", "coordinates": [[ring, hole], exclave]}
    world.nominatim.replies.append(says([record(7, "Capital", geojson=geojson)]))
    boundary = find("Capital", network=world.online).boundary
    assert boundary.area == pytest.approx(0.01 - 0.0004 + 0.0001)
    assert not boundary.contains(shapely.Point(4.85, 45.75))
    assert boundary.contains(shapely.Point(5.005, 45.705))


def test_limits_that_reach_into_the_sea_keep_their_area_so_that_water_is_told_by_its_class(world):
    """OSM has no sea polygons; administrative limits reach into the sea: nothing here pretends to have cut it off."""
    world.nominatim.replies.append(says([record(7, "Port", geojson=rectangle(*BOX))]))
    city = find("Port", network=world.online)
    assert city.boundary.area == pytest.approx(0.01)
    assert "land" not in city.note


def test_limits_across_the_antimeridian(world):
    """Fiji: Nominatim splits there, Overpass does not."""
    jumping = {"type": "Polygon", "coordinates": [[[179.9, -18.2], [-179.9, -18.2], [-179.9, -18.1], [179.9, -18.1], [179.9, -18.2]]]}  # fmt: skip
    split = {"type": "MultiPolygon", "coordinates": [rectangle(179.9, -18.2, 180, -18.1)["coordinates"], rectangle(-180, -18.2, -179.9, -18.1)["coordinates"]]}  # fmt: skip
    areas = []
    for number, geojson in enumerate((jumping, split), start=1):
        world.nominatim.replies.append(says([record(number, f"Fiji {number}", geojson=geojson)]))
        city = find(f"Fiji {number}", network=world.online)
        areas.append(city.area_m2)
        assert len(city.boundary.geoms) == 2
        boxes, coast = (ask.query["data"] for ask in world.overpass.asked[-2:])
        assert '"coastline"](-18.210000,179.890000,-18.090000,180.000000);' in coast
        assert "(-18.200000,179.900000,-18.100000,180.000000)" in boxes
        assert "(-18.200000,-180.000000,-18.100000,-179.900000)" in boxes
    assert areas[0] == pytest.approx(areas[1])
    assert areas[0] < 300e6


def test_two_levels_of_the_same_ground_are_one_place(world):
    twins = [record(71525, "Paris", rank=12, geojson=rectangle(*BOX)), record(7444, "Paris", geojson=rectangle(*BOX))]
    world.nominatim.replies.append(says(twins))
    city = find("Paris", network=world.online)
    assert (city.id, city.admin_level) == ("osm:R7444", 8)
    assert "osm:R71525" in city.note


def test_a_country_is_refused_with_its_size(world):
    world.nominatim.replies.append(says([record(2, "Bigland", rank=4, geojson=rectangle(0, 0, 20, 20))]))
    with pytest.raises(AreaError, match="Bigland: encloses"):
        find("Bigland", network=world.online)


def test_the_store_and_the_extract_are_asked_before_the_network(world, tmp_path, osm, ring):
    put_place(tmp_path / "store", from_shape(shapely.box(*BOX), name="Lyon", id="osm:R120965"))
    osm.limits(4, ring(1.0, 1.0, 0.1), level=8, name="Bozen")
    extract = osm.save(tmp_path / "a.osm")
    assert find("R120965", stores=[tmp_path / "store"], osm=extract, network=world.online).label == "Lyon"
    assert find("Bozen", stores=[tmp_path / "store"], osm=extract, network=world.online).id == "osm:R4"
    assert world.nominatim.asked == []
    world.nominatim.replies.append(says([record(7, "Graz", geojson=rectangle(*BOX))]))
    assert find("Graz", stores=[tmp_path / "store"], osm=extract, network=world.online).id == "osm:R7"


def test_nothing_that_answers_is_one_line_with_the_name_and_what_works_without(world, tmp_path):
    put_place(tmp_path / "store", from_shape(shapely.box(*BOX), name="Lyon"))
    world.nominatim.usual = world.overpass.usual = lambda _: Reply(status=503)
    with pytest.raises(
        NetworkError, match=r"^'Lyonn': Nominatim gave no answer .*--area FILE.*; the store knows Lyon$"
    ):
        find("Lyonn", stores=[tmp_path / "store"], network=world.online)
    with pytest.raises(NetworkError, match=r"Nominatim gave no answer.*Overpass gave no answer"):
        find("R7", network=world.online)


def test_nothing_of_that_name(world):
    with pytest.raises(PlaceNotFoundError, match="'Qwxyz' is not known to OpenStreetMap"):
        find("Qwxyz", network=world.online)


def test_where_prints_kind_level_area_population_id_and_country(world, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    world.nominatim.replies.append(recorded("nominatim_orange.json"))
    table = tmp_path / "endpoints.toml"
    table.write_text(f'nominatim = "{world.nominatim.url}"\noverpass = ["{world.overpass.url}"]\n')
    with pytest.raises(SystemExit) as done:
        main(["where", "Orange, CA", "--endpoints", str(table)])
    assert done.value.code == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "  1  Orange: city, level 8, 154.1 km², osm:R9002, US"
    assert "3,186,989 people (2020), osm:R9001, US" in second


def test_a_city_from_the_network_round_trips_through_a_store(world, tmp_path):
    world.nominatim.replies.append(says([record(7, "Lyon", geojson=rectangle(*BOX), country="fr")]))
    city = find("Lyon", network=world.online)
    put_place(tmp_path / "store", city)
    assert place(tmp_path / "store", "Lyon").country == "FR"


def test_without_leave_nothing_is_asked():
    with pytest.raises(PlaceNotFoundError, match="is not known"):
        find("Lyon")


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "hits"),
    [
        ("barcelona_json", [("R347950", "Barcelona", 8, "city")]),
        ("paris_json", [("R71525", "Paris", 6, "city")]),
        ("dayton_json_three_candidates", [("R182954", "Dayton", None, "administrative area")]),
        ("frankfurt_jsonv2_two_candidates", [("R62400", "Frankfurt am Main", 6, "city"), ("R62523", "Frankfurt (Oder)", 6, "city")]),
    ],
)  # fmt: skip
def test_real_answers_are_read(shared_data, name, hits):
    body = (shared_data / "api" / "nominatim" / f"{name}.json").read_bytes()
    read = [hit for hit in (hit_of(one, day="2024-01-01") for one in records(body)) if hit]
    assert [(str(hit.id), hit.name, hit.level, hit.kind) for hit in read] == hits


@pytest.mark.real
def test_both_real_frankfurts_are_listed_and_their_populations_have_no_year(shared_data, world):
    body = json.loads((shared_data / "api" / "nominatim" / "frankfurt_jsonv2_two_candidates.json").read_bytes())
    for number, one in enumerate(body):  # recorded without their polygons
        one["geojson"] = rectangle(8 + number, 50, 8.1 + number, 50.1)
    world.nominatim.replies.append(says(body))
    with pytest.raises(AmbiguousPlaceError, match=r"1. Frankfurt \(Oder\).*osm:R62523, DE\n  2. Frankfurt am Main"):
        find("Frankfurt", network=world.online)
    assert "701,350 has no year" in find("Frankfurt", network=world.online, pick="R62400").note


def test_nominatim_3140_limits_of_a_place_have_the_boroughs_inside_and_tell_what_they_surround(world):
    """Nominatim#3140, #2911: osm-search/Nominatim#3140: London's relation is classed place=city, has no level, and leaves the City out."""
    around = rectangle(-0.5, 51.3, 0.3, 51.7)
    around["coordinates"].append(rectangle(-0.11, 51.51, -0.07, 51.52)["coordinates"][0])
    london = record(65606, "London", geojson=around, category="place", type="city", addresstype="city")
    world.nominatim.usual = lambda _: says([london])
    boroughs = [(1, admin("Camden", 8), (-0.2, 51.5, -0.1, 51.55)), (2, admin("Barnet", 8), (-0.3, 51.6, -0.2, 51.65))]

    def overpass(ask):
        question = ask.query.get("data", "")
        return (
            inland(ask)
            if "coastline" in question
            else listed(*boroughs)
            if "out:json" in question
            else says(osm_file(*boroughs))
        )

    world.overpass.usual = overpass
    city = find("London, UK", network=world.online)
    assert (city.admin_level, [district.name for district in city.districts]) == (None, ["Barnet", "Camden"])
    assert "the limits surround 3.1 km² that are not part of them" in city.note


def test_limits_without_any_district_say_so(world):
    world.nominatim.usual = lambda _: says([record(7, "Bow", geojson=rectangle(*BOX))])
    assert (
        "without districts: OpenStreetMap has no administrative areas inside" in find("Bow", network=world.online).note
    )


def test_a_census_place_has_no_level_that_nobody_gave(world):
    bow = record(7, "Bow", geojson=rectangle(*BOX), type="census", addresstype="town", rank=16)
    world.nominatim.usual = lambda _: says([bow])
    (city,) = candidates("Bow", network=world.online)
    assert (city.admin_level, city.kind) == (None, "town")
