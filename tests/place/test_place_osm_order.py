"""OpenStreetMap files in any order, with ids below 0, and areas cut at their edge."""

from __future__ import annotations

import bz2
import random
import re

import osmium
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from howgreen.core.errors import AreaError
from howgreen.core.geometry import geodesic_area_m2
from howgreen.core.warnings import HowgreenWarning
from howgreen.osm import green_areas, green_share, order
from howgreen.osm.extract import read_areas, read_lines
from howgreen.osm.order import OsmId, in_order
from howgreen.place import find, from_shape

TOWN = shapely.box(9.0, 47.0, 9.04, 47.04)


@pytest.fixture
def town(osm, ring, tmp_path):
    osm.limits(20, ring(9.0, 47.0, 0.04), level=8, name="Town")
    osm.way(ring(9.01, 47.01, 0.01), {"leisure": "park", "name": "Park"})
    return osm.save(tmp_path / "town.osm")


def objects(path):
    head, *found = re.split(r"(?=<node |<way |<relation )", path.read_text().replace("</osm>", "").replace("\n", ""))
    return head, found


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_order_of_a_file_does_not_matter(town, rng: random.Random):
    head, found = objects(town)
    rng.shuffle(found)
    mixed = town.with_name("mixed.osm")
    mixed.write_text(head + "".join(found) + "</osm>")
    assert find("Town", osm=mixed).boundary.equals(TOWN)
    assert green_share(
        green_areas(from_shape(TOWN, name="Town"), osm=mixed), from_shape(TOWN, name="Town")
    ) == pytest.approx(0.0625, rel=1e-3)


def test_relations_first_as_overpass_writes_them(town):
    """Overpass-API#265, #460; abstreet#212."""
    head, found = objects(town)
    town.write_text(head + "".join(found[::-1]) + "</osm>")
    assert find("Town", osm=town).id == "osm:R20"
    packed = town.with_suffix(".osm.bz2")
    packed.write_bytes(bz2.compress(town.read_bytes()))
    assert find("Town", osm=packed).boundary.equals(TOWN)


def negative(path):
    """As JOSM saves what was never uploaded."""
    text = re.sub(r'((?:id|ref)=")(\d+)', lambda m: f"{m[1]}-{m[2]}", path.read_text())
    target = path.with_name("josm.osm")
    target.write_text(text)
    return target


def test_ids_below_0_are_read_and_stay_what_they_are(town):
    """osmium-tool#77, osm2pgsql#1251."""
    path = negative(town)
    city = find("Town", osm=path)
    assert (city.id, city.boundary.equals(TOWN)) == ("osm:R-20", True)
    assert find("R-20", osm=path).id == "osm:R-20"
    areas = green_areas(city, osm=path)
    assert list(areas["osm_id"]) == ["W-2"]


def test_a_mixture_of_ids_keeps_both_kinds(town):
    text = town.read_text().replace('<relation id="20"', '<relation id="-20"')
    town.write_text(text)
    assert find("Town", osm=town).id == "osm:R-20"
    assert list(green_areas(from_shape(TOWN, name="x"), osm=town)["osm_id"]) == ["W2"]


def placed(path):
    """As Overpass writes it for ``out geom;``: no nodes, their positions in the ways."""
    text = path.read_text()
    nodes = dict(re.findall(r'<node id="(\d+)" version="1" (lat="[^"]+" lon="[^"]+")/>', text))
    without = re.sub(r"<node [^>]*/>\s*", "", text)
    target = path.with_name("geom.osm")
    target.write_text(re.sub(r'<nd ref="(\d+)"/>', lambda m: f'<nd ref="{m[1]}" {nodes[m[1]]}/>', without))
    return target


def test_positions_in_the_ways_are_read_as_nodes_are(town):
    path = placed(town)
    assert find("Town", osm=path).boundary.equals(TOWN)
    assert list(green_areas(from_shape(TOWN, name="x"), osm=path)["osm_id"]) == ["W2"]
    assert find("Town", osm=negative(path)).boundary.equals(TOWN)


def test_positions_in_relations_name_the_question_that_gives_ways(town):
    text = town.read_text().replace('role="outer"/>', 'role="outer"><nd lat="47.0" lon="9.0"/></member>')
    town.write_text(text)
    with pytest.raises(AreaError, match="out body; >; out skel qt;"):
        find("Town", osm=town)


def test_a_file_in_order_is_read_as_it_is_and_a_sorted_copy_is_made_once(town):
    assert in_order(town).path == town
    path = negative(town)
    assert in_order(path) is in_order(path)
    assert in_order(path).path != path


def test_a_small_pbf_is_checked_and_a_large_one_trusted(town, monkeypatch):
    plain, pbf = negative(town), town.with_name("josm.osm.pbf")
    with osmium.SimpleWriter(str(pbf)) as writer:
        for item in osmium.FileProcessor(str(plain)):
            writer.add(item)
    assert find("Town", osm=pbf).id == "osm:R-20"
    large = pbf.rename(pbf.with_name("large.osm.pbf"))
    monkeypatch.setattr(order, "_CHECKED_PBF_BYTES", 10)
    assert in_order(large).path == large


def test_what_is_too_large_to_be_sorted_names_the_command_that_does(town, monkeypatch):
    monkeypatch.setattr(order, "MOST_BYTES", 100)
    head, found = objects(town)
    town.write_text(head + "".join(found[::-1]) + "</osm>")
    with pytest.raises(AreaError, match="osmium sort"):
        find("Town", osm=town)
    with pytest.raises(AreaError, match="osmium renumber"):
        find("Town", osm=negative(town))


# Cut at the edge


def test_green_that_is_cut_counts_as_far_as_it_goes_and_is_told(osm, ring, tmp_path):
    city = from_shape(TOWN, name="Town")
    osm.way(
        [(9.03, 47.0), (9.06, 47.0), (9.06, 47.02), (9.03, 47.02), (9.03, 47.0)],
        {"leisure": "park", "name": "Edge Park"},
    )
    osm.way(ring(9.0, 47.0, 0.01), {"landuse": "forest"})
    lost = [osm.nodes[9.06, 47.0], osm.nodes[9.06, 47.02]]
    osm.nodes[9.04, 47.0] = 90
    osm.nodes[9.04, 47.02] = 91
    osm.ways[0][1][:] = [1, 90, *osm.ways[0][1][1:3], 91, *osm.ways[0][1][3:]]
    path = osm.save(tmp_path / "cut.osm", lost_nodes=lost)
    with pytest.warns(HowgreenWarning, match="Edge Park: green areas cut where the OpenStreetMap extract ends"):
        areas = green_areas(city, osm=path)
    assert list(areas["osm_id"]) == ["W1", "W2"]
    expected = geodesic_area_m2(shapely.box(9.03, 47.0, 9.04, 47.02))
    assert areas["area_m2"][0] == pytest.approx(expected, rel=1e-6)
    assert [caution.code for caution in areas.attrs["warnings"]] == ["osm-cut"]


def test_a_relation_without_one_of_its_ways_keeps_its_hole(osm, ring, tmp_path):
    south = osm.way([(9.0, 47.0), (9.02, 47.0), (9.02, 47.02), (9.0, 47.02)])
    west = osm.way([(9.0, 47.02), (9.0, 47.0)])
    hole = osm.way(ring(9.005, 47.005, 0.005))
    osm.relation(1, [south, west], {"type": "multipolygon", "landuse": "forest"}, inner=[hole])
    path = osm.save(tmp_path / "cut.osm", lost_ways=[west])
    found = read_areas(path, tags=[("landuse", "forest")], matches=lambda *_: True, partial=True)
    whole = shapely.box(9.0, 47.0, 9.02, 47.02).difference(shapely.box(9.005, 47.005, 9.01, 47.01))
    assert found.shapes == {}
    assert found.partial[OsmId("R", 1)].symmetric_difference(whole).area < 1e-9
    assert read_areas(path, tags=[("landuse", "forest")], matches=lambda *_: True).partial == {}


def test_lines_of_an_unsorted_file_are_whole(osm, tmp_path):
    osm.way([(9.0, 47.0), (9.1, 47.1), (9.2, 47.0)], {"natural": "coastline"})
    path = osm.save(tmp_path / "a.osm")
    head, found = objects(path)
    path.write_text(head + "".join(found[::-1]) + "</osm>")
    (line,) = read_lines(path, tags=[("natural", "coastline")])
    assert list(line.coords) == [(9.0, 47.0), (9.1, 47.1), (9.2, 47.0)]


def test_a_file_of_elsewhere_that_does_not_say_so_is_doubted(town):
    far = from_shape(shapely.box(20.0, 10.0, 20.1, 10.1), name="Far")
    with pytest.warns(HowgreenWarning, match="does not say which ground it holds"):
        assert green_areas(far, osm=town).empty
