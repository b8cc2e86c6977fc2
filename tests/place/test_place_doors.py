"""The public doors: what each takes, and that all of them lead to the same worker."""

import geopandas as gpd
import pytest
import shapely

from howgreen.core.errors import AmbiguousPlaceError, AreaError
from howgreen.place import (
    from_point,
    place_from_file,
    place_from_geometry,
    place_from_point,
    with_districts,
    with_land,
)

SQUARE = shapely.box(11.3, 46.45, 11.34, 46.49)
WEST, EAST = shapely.box(11.3, 46.45, 11.32, 46.49), shapely.box(11.32, 46.45, 11.34, 46.49)


def frame(crs: str = "EPSG:4326") -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"name": ["West", "East"]}, geometry=[WEST, EAST], crs="EPSG:4326").to_crs(crs)


def test_a_point_is_the_circle_around_it():
    assert place_from_point(45.76, 4.84, radius_m=500) == from_point(45.76, 4.84, radius_m=500)


@pytest.mark.parametrize(
    "geometry",
    [
        SQUARE,
        SQUARE.wkt,
        shapely.geometry.mapping(SQUARE),
        {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(SQUARE)},
        gpd.GeoSeries([SQUARE], crs="EPSG:4326"),
        gpd.GeoDataFrame({"a": [1]}, geometry=[SQUARE], crs="EPSG:4326"),
        gpd.GeoDataFrame({"a": [1]}, geometry=[SQUARE], crs="EPSG:4326").rename_geometry("shape"),
    ],
    ids=["shapely", "WKT", "GeoJSON", "Feature", "GeoSeries", "GeoDataFrame", "another geometry column"],
)
def test_a_geometry_may_be_any_of_these(geometry):
    city = place_from_geometry(geometry, name="Town")

    assert city.boundary.equals(SQUARE)
    assert city.name == "Town"


def test_a_frame_is_moved_and_chosen_from_as_a_file_is():
    city = place_from_geometry(frame("EPSG:32632"), name="East")

    assert city.label == "East"
    assert city.boundary.symmetric_difference(EAST).area < 1e-4 * EAST.area  # its edges bend
    assert place_from_geometry(frame(), pick="all").boundary.equals(SQUARE)
    with pytest.raises(AmbiguousPlaceError, match="2 areas"):
        place_from_geometry(frame())
    with pytest.raises(AreaError, match="no CRS"):
        place_from_geometry(gpd.GeoSeries([SQUARE]))
    with pytest.raises(AreaError, match="a list is no geometry"):
        place_from_geometry([1, 2])


def test_a_file_is_read_and_may_hold_several_areas(tmp_path):
    frame().to_file(tmp_path / "two.gpkg")

    assert place_from_file(tmp_path / "two.gpkg", name="West").boundary.equals(WEST)
    assert place_from_file(str(tmp_path / "two.gpkg"), pick=2).label == "East"


def test_districts_come_from_a_file_or_a_frame_and_leave_the_given_place_as_it_was(tmp_path):
    frame().to_file(tmp_path / "d.gpkg")
    place = place_from_geometry(SQUARE, name="Town")

    for districts in (tmp_path / "d.gpkg", str(tmp_path / "d.gpkg"), frame(), frame("EPSG:3857")):
        made = with_districts(place, districts).districts
        assert [district.name for district in made] == ["West", "East"]
        assert made[0].boundary.symmetric_difference(WEST).area < 1e-4 * WEST.area
    assert place.districts == ()


def test_land_comes_from_a_file(tmp_path):
    frame().iloc[:1].to_file(tmp_path / "land.gpkg")

    city = with_land(place_from_geometry(SQUARE, name="Town"), tmp_path / "land.gpkg")

    assert city.land.equals(WEST)
