from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, MultiPolygon, Point, Polygon
from shapely.geometry import GeometryCollection

from howgreen.core.errors import AreaError
from howgreen.core.geometry import geodesic_area_m2
from howgreen.place._shapes import centre, clean, from_shape, join_notes, split_antimeridian

SUVA = Polygon([(178, -18.5), (182, -18.5), (182, -17.5), (178, -17.5)]).segmentize(0.1)
BOW_TIE = Polygon([(0, 0), (0.1, 0.1), (0.1, 0), (0, 0.1)])


def moved(shape, degrees):
    return shapely.transform(shape, lambda xy: xy + np.array([degrees, 0.0]))


def box(west, south, side=0.1):
    return shapely.box(west, south, west + side, south + side)


def unchecked(*numbers):
    with np.errstate(invalid="ignore"):
        return Polygon(np.reshape(numbers, (-1, 2)))


def test_a_plain_shape_keeps_its_vertices():
    shape = Polygon([(4.8, 45.7), (4.9, 45.7), (4.9, 45.8)])
    city = from_shape(shape, name="Lyon")
    assert city.boundary.equals(shape)
    assert (city.name, city.label, city.crs, city.kind) == ("Lyon", "Lyon", "EPSG:32631", "drawn shape")
    assert city.area_m2 == pytest.approx(geodesic_area_m2(shape), rel=1e-12)
    assert city.note == ""


def test_the_id_is_of_the_shape_and_not_of_where_its_ring_begins():
    points = [(4.8, 45.7), (4.9, 45.7), (4.9, 45.8)]
    one, other = (from_shape(Polygon(p), name="x").id for p in (points, points[1:] + points[:1]))
    assert one == other
    assert one.startswith("shape:")
    assert one != from_shape(moved(Polygon(points), 0.001), name="x").id


def test_holes_and_exclaves_are_kept():
    shape = MultiPolygon([Polygon(box(0, 0, 0.3).exterior, [box(0.1, 0.1, 0.05).exterior]), box(1, 1)])
    city = from_shape(shape, name="x")
    assert isinstance(city.boundary, MultiPolygon)
    assert sum(len(part.interiors) for part in city.boundary.geoms) == 1
    parts = [geodesic_area_m2(b) for b in (box(0, 0, 0.3), box(1, 1), box(0.1, 0.1, 0.05))]
    assert city.area_m2 == pytest.approx(parts[0] + parts[1] - parts[2], rel=1e-9)


def test_height_is_dropped():
    city = from_shape(Polygon([(0, 0, 5), (0.1, 0, 5), (0.1, 0.1, 5)]), name="x")
    assert not city.boundary.has_z


def test_the_areas_of_a_collection_are_taken_and_its_lines_left():
    collection = GeometryCollection([Point(9, 9), box(0, 0), MultiPolygon([box(1, 1)])])
    assert from_shape(collection, name="x").boundary.equals(MultiPolygon([box(0, 0), box(1, 1)]))


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        (None, "empty"),
        (Polygon(), "empty"),
        (Point(1, 1), "Point is not an area"),
        (shapely.LineString([(0, 0), (1, 1), (1, 0), (0, 0)]), "LineString is not an area"),
        (Polygon([(0, 0), (1, 1), (0.5, 0.5)]), "no area"),
        (BOW_TIE, "crosses itself"),
        (box(0, 0, 1e-5), "less than one pixel"),
        (box(0, 0, 5), "more than 100,000 km²"),
        (Polygon([(679000, 5151000), (680000, 5151000), (680000, 5152000)]), "look like metres"),
        (Polygon([(45.0, 120.0), (45.1, 120.0), (45.1, 120.1)]), "write lon first"),
        (unchecked(0, 0, np.nan, 1, 1, 1, 0, 0), "finite"),
        (unchecked(0, 0, np.inf, 1, 1, 1, 0, 0), "finite"),
        (Polygon([(-180, -80), (-60, -80), (60, -80), (180, -80)]), "around a pole"),
    ],
)
def test_what_is_no_good_is_refused_in_one_line(shape, says):
    with pytest.raises(AreaError, match=says) as caught:
        from_shape(shape, name="Nowhere")
    assert "Nowhere" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_crossing_is_named_with_its_place():
    with pytest.raises(AreaError, match=r"lon 0\.05000, lat 0\.05000"):
        from_shape(BOW_TIE, name="x")


def test_a_crossing_too_small_to_matter_is_repaired_and_said():
    # The last edge overshoots by a metre: the loop encloses a ten-thousandth of the area.
    shape = Polygon([(0, 0), (0.1, 0), (0.1, 0.1), (0, 0.1), (0, 0.00001), (0.00001, -0.00001)])
    assert not shape.is_valid
    city = from_shape(shape, name="x")
    assert city.boundary.is_valid
    assert "boundary repaired: self-intersection near lon 0.0" in city.note
    assert city.area_m2 == pytest.approx(geodesic_area_m2(box(0, 0)), rel=1e-3)


def test_a_hole_that_reaches_out_of_its_shell_is_refused():
    with pytest.raises(AreaError, match="crosses itself"):
        from_shape(Polygon(box(0, 0).exterior, [box(0.05, 0.05).exterior]), name="x")


def test_overlapping_parts_count_once_and_the_note_says_so():
    city = from_shape(MultiPolygon([box(0, 0), box(0.05, 0)]), name="x")
    assert city.area_m2 == pytest.approx(geodesic_area_m2(shapely.box(0, 0, 0.15, 0.1)), rel=1e-6)
    assert "merged" in city.note


@pytest.mark.parametrize(
    "shape",
    [
        SUVA,
        moved(SUVA, -360),
        shapely.transform(SUVA, lambda xy: np.column_stack([(xy[:, 0] + 180) % 360 - 180, xy[:, 1]])),
    ],
    ids=["beyond 180", "before -180", "jumping from 179 to -179"],
)
def test_a_shape_over_the_antimeridian_is_split_there(shape):
    city = from_shape(shape, name="Suva")
    assert isinstance(city.boundary, MultiPolygon)
    west, east = sorted(city.boundary.geoms, key=lambda part: part.bounds[0])
    assert west.bounds == pytest.approx((-180, -18.5, -178, -17.5))
    assert east.bounds == pytest.approx((178, -18.5, 180, -17.5))
    assert city.area_m2 == pytest.approx(geodesic_area_m2(moved(SUVA, -90)), rel=1e-9)
    assert city.crs in {"EPSG:32701", "EPSG:32760"}


def test_a_hole_across_the_antimeridian_stays_a_hole():
    hole = shapely.box(179.5, -18.2, 180.5, -17.8).segmentize(0.1)
    shape = Polygon(SUVA.exterior, [hole.exterior])
    jumping = shapely.transform(shape, lambda xy: np.column_stack([(xy[:, 0] + 180) % 360 - 180, xy[:, 1]]))
    expected = geodesic_area_m2(moved(SUVA, -90)) - geodesic_area_m2(moved(hole, -90))
    assert from_shape(jumping, name="x").area_m2 == pytest.approx(expected, rel=1e-9)


def test_a_shape_already_split_is_left_alone():
    split = MultiPolygon([shapely.box(179, -18, 180, -17), shapely.box(-180, -18, -179, -17)])
    city = from_shape(split, name="x")
    assert city.boundary.equals(split)
    assert abs(centre(city.boundary)[0]) == pytest.approx(180)
    assert city.crs in {"EPSG:32701", "EPSG:32760"}


@given(st.floats(-360, 360), st.floats(-70, 70), st.floats(0.01, 2.0))
def test_wherever_a_shape_lies_it_keeps_its_area_and_fits_the_globe(lon, lat, side):
    shape = shapely.box(lon, lat, lon + side, lat + side).segmentize(0.05)
    cleaned = clean(shape, what="x")
    assert (cleaned.notes, cleaned.warnings) == ((), ())
    boundary = cleaned.boundary
    west, _, east, _ = boundary.bounds
    assert -180 <= west <= east <= 180
    assert boundary.is_valid
    expected = geodesic_area_m2(moved(shape, -lon))
    assert geodesic_area_m2(boundary) == pytest.approx(expected, rel=1e-6)
    turns = (centre(boundary)[0] - (lon + side / 2)) / 360
    assert turns == pytest.approx(round(turns), abs=1e-6)


def test_splitting_what_does_not_cross_is_no_change():
    assert split_antimeridian(box(0, 0)) == box(0, 0)


def test_notes_are_joined_without_the_empty_ones():
    assert join_notes("a", "", "b") == "a; b"


A, B, C = box(11.3, 46.45), box(11.5, 46.45), box(11.32, 46.47, 0.02)
NEEDLE = Polygon([(11.6, 46.5), (11.61, 46.5), (11.6, 46.5), (11.6, 46.5)])


def test_a_part_without_area_is_left_out_and_told():
    """vector2dggs#23, jts#558."""
    city = from_shape(MultiPolygon([A, NEEDLE]), name="Isles")
    assert city.boundary.equals(A)
    assert "1 part without area left out" in city.note
    assert [caution.code for caution in city.warnings] == ["limits-mended"]
    with pytest.raises(AreaError, match="encloses no area"):
        from_shape(NEEDLE, name="Isles")


def test_islands_written_as_holes_are_areas_and_a_ring_in_one_is_its_hole():
    lake = box(11.52, 46.47, 0.02)
    city = from_shape(Polygon(A.exterior, [C.exterior, B.exterior, lake.exterior]), name="Isleton")
    expected = geodesic_area_m2(A) - geodesic_area_m2(C) + geodesic_area_m2(B) - geodesic_area_m2(lake)
    assert city.area_m2 == pytest.approx(expected, rel=1e-9)
    assert "2 rings written as holes lie outside" in city.note
    assert city.warnings[0].code == "limits-mended"


def test_an_island_that_touches_is_one_too():
    beside = box(11.4, 46.45)
    city = from_shape(Polygon(A.exterior, [beside.exterior]), name="Isleton")
    assert city.area_m2 == pytest.approx(geodesic_area_m2(A) + geodesic_area_m2(beside), rel=1e-9)


def test_areas_are_found_however_deep_a_collection_is_nested():
    nested = GeometryCollection([GeometryCollection([MultiPolygon([A]), Point(0, 0)]), LineString([(0, 0), (1, 1)]), B])
    assert from_shape(nested, name="x").boundary.equals(MultiPolygon([A, B]))


def test_texts_of_strangers_lose_what_a_terminal_would_obey():
    city = from_shape(A, name="x\x1b]0;title\x07", label="To\r\nwn", note="a\x1b[2Jb")
    assert (city.name, city.label, city.note) == ("x ]0;title", "To wn", "a [2Jb")
