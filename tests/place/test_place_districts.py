"""Districts out of files as people have them."""

from __future__ import annotations

import dataclasses

import geopandas as gpd
import pytest
import shapely
from shapely import Polygon

from howgreen.core.errors import AreaError
from howgreen.core.types import District
from howgreen.place import PlaceFiles, _lookup, from_shape, with_districts

CITY = from_shape(shapely.box(11.3, 46.45, 11.34, 46.49), name="Town")
WEST, EAST = shapely.box(11.3, 46.45, 11.32, 46.49), shapely.box(11.32, 46.45, 11.34, 46.49)
NEEDLE = Polygon([(0, 0), (1, 0), (0, 0), (0, 0)])


def frame(**shapes):
    return gpd.GeoDataFrame({"name": list(shapes)}, geometry=list(shapes.values()), crs="EPSG:4326")


def names(city):
    return [district.name for district in city.districts]


def test_a_broken_area_elsewhere_spoils_nothing_and_one_inside_is_told():
    far = with_districts(CITY, frame(West=WEST, East=EAST, Far=NEEDLE))
    assert (names(far), far.warnings) == (["West", "East"], ())
    bow_tie = Polygon([(11.31, 46.46), (11.33, 46.48), (11.33, 46.46), (11.31, 46.48)])
    near = with_districts(CITY, frame(West=WEST, East=EAST, Tie=bow_tie))
    assert names(near) == ["West", "East"]
    assert [caution.code for caution in near.warnings] == ["districts-doubtful"]
    assert "Tie: the boundary crosses itself" in near.warnings[0].text
    with pytest.raises(AreaError, match="crosses itself"):
        with_districts(CITY, frame(Tie=bow_tie))


def test_the_city_itself_and_what_it_lies_in_are_no_districts():
    """foot#42, mapshaper#368."""
    region = shapely.box(11.2, 46.4, 11.5, 46.6)
    assert names(with_districts(CITY, frame(Town=CITY.boundary, Region=region, West=WEST, East=EAST))) == [
        "West",
        "East",
    ]
    assert names(with_districts(CITY, frame(Town=CITY.boundary))) == ["Town"]


def test_of_layers_on_each_other_the_one_with_most_districts_is_taken(tmp_path):
    path = tmp_path / "levels.gpkg"
    frame(Town=CITY.boundary).to_file(path, layer="level2")
    frame(Left=shapely.box(11.3, 46.45, 11.31, 46.49), Rest=shapely.box(11.31, 46.45, 11.34, 46.49)).to_file(
        path, layer="level3"
    )
    third = [shapely.box(11.3, s, 11.34, s + 0.02) for s in (46.45, 46.47)]
    frame(A=third[0], B=WEST.difference(third[0]), C=EAST.difference(third[0])).to_file(path, layer="level4")
    city = with_districts(CITY, path)
    assert names(city) == ["A", "B", "C"]
    assert "not of level3, on the same ground" in city.note


def test_layers_side_by_side_are_all_taken(tmp_path):
    frame(West=WEST).to_file(tmp_path / "a.gpkg", layer="one")
    frame(East=EAST).to_file(tmp_path / "a.gpkg", layer="two")
    assert names(with_districts(CITY, tmp_path / "a.gpkg")) == ["West", "East"]


def test_districts_that_overlap_are_told():
    wide = shapely.box(11.3, 46.45, 11.3205, 46.49)  # 1.25 % of the city lies in both
    thin = shapely.box(11.3, 46.45, 11.3203, 46.49)  # 0.75 %
    doubts = [with_districts(CITY, frame(West=west, East=EAST)).warnings for west in (wide, thin)]
    assert "its areas overlap" in doubts[0][0].text
    assert doubts[1] == ()


def test_latitude_and_longitude_exchanged_are_noticed():
    turned = shapely.transform(WEST, lambda xy: xy[:, ::-1])
    with pytest.raises(AreaError, match="latitude and longitude are exchanged"):
        with_districts(CITY, frame(West=turned))
    with pytest.raises(AreaError, match="none of its 1 areas lies in Town"):
        with_districts(CITY, frame(Far=shapely.box(5, 50, 6, 51)))


def test_levels_of_a_file_stand_beside_each_other_and_each_says_what_it_leaves_out(tmp_path):
    shapes = {"Town": CITY.boundary, "West": WEST, "East": EAST, "Nook": shapely.box(11.3, 46.45, 11.31, 46.46)}
    table = frame(**shapes).assign(ADMIN_LEVEL=["8", "9", "9", "10"])
    table.to_file(tmp_path / "d.gpkg")
    files = PlaceFiles(districts=tmp_path / "d.gpkg", district_levels=(10, 9))
    city = files.with_districts(CITY)
    assert [(d.level, d.name) for d in city.districts] == [(9, "West"), (9, "East"), (10, "Nook")]
    assert "the districts of level 10 (1) cover 6% of the city" in city.note
    assert "level 9" not in city.note  # they fill it
    assert city.warnings == ()  # one level on the other is no overlap
    with pytest.raises(AreaError, match=r"no areas of level 11 .*8 \(1\), 9 \(2\), 10 \(1\)"):
        PlaceFiles(districts=tmp_path / "d.gpkg", district_levels=(11,)).with_districts(CITY)


def test_stored_districts_answer_for_their_levels_offline():
    parts = [District(name=n, id=n, boundary=b, level=9) for n, b in (("West", WEST), ("East", EAST))]
    city = dataclasses.replace(CITY, districts=(*parts, District(name="Nook", id="N", boundary=WEST, level=10)))
    known = _lookup._Known(stores=(), osm=None, client=None)
    assert names(_lookup._with_levels(city, known, (9,))) == ["West", "East"]
    with pytest.raises(AreaError, match=r"no areas of level 8 .*9 \(2\), 10 \(1\)"):
        _lookup._with_levels(city, known, (8,))
