from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, box

from howgreen.osm._ways import walkable
from howgreen.people import SNAP_M, walking_m
from howgreen.people._network import ENTRANCE_M, FURTHEST_M

STREET = LineString([(0, 0), (1000, 0)])
PARK = box(1000, -100, 1200, 100)


def far(homes, ways, parks=(PARK,)):
    return walking_m(np.array(homes, float), ways, list(parks))


def test_the_way_runs_along_the_street_and_from_the_door_to_it():
    found = far([(400, 30), (1000 - ENTRANCE_M, 0), (1100, 0)], [STREET])
    assert found[0] == pytest.approx(30 + 1000 - ENTRANCE_M - 400, abs=0.05)
    assert found[1] == pytest.approx(0, abs=0.05)
    assert found[2] == 0


def test_a_park_that_no_way_leads_to_is_not_at_nought():
    elsewhere = box(200, 200, 300, 300)
    assert np.isinf(far([(250, 100)], [STREET], [elsewhere]))[0]
    lane = LineString([(250, 0), (250, 205)])
    assert far([(250, 50)], [STREET, lane], [elsewhere])[0] == pytest.approx(150 - ENTRANCE_M, abs=0.05)


def test_ways_join_only_where_they_share_a_vertex():
    bridge = LineString([(500, -300), (500, 300)])
    assert np.isinf(far([(500, 250)], [STREET, bridge]))[0]
    crossing = LineString([(500, -300), (500, 0), (500, 300)])
    street = LineString([(0, 0), (500, 0), (1000, 0)])
    assert far([(500, 250)], [street, crossing])[0] == pytest.approx(250 + 500 - ENTRANCE_M, abs=0.05)


def test_a_long_edge_is_cut_where_it_meets_the_park():
    """Snapping to the nearest crossing would give 0 m or 1,000 m."""
    through = LineString([(0, 0), (2000, 0)])
    found = far([(700, 0), (1500, 0)], [through])
    assert found == pytest.approx([300 - ENTRANCE_M, 300 - ENTRANCE_M], abs=0.05)


def test_homes_far_from_any_way_reach_none():
    assert np.isfinite(far([(500, SNAP_M - 1)], [STREET]))[0]
    assert np.isinf(far([(500, SNAP_M + 1)], [STREET]))[0]


def test_beyond_two_kilometres_nothing_is_measured():
    street = LineString([(1000 - FURTHEST_M - 500, 0), (1000, 0)])
    assert np.isinf(far([(1000 - FURTHEST_M - 400, 0)], [street]))[0]


def test_of_two_edges_between_the_same_nodes_the_shorter_counts():
    loop = LineString([(0, 0), (500, 400), (1000, 0)])
    ways = [LineString([(0, 0), (1000, 0)]), loop, LineString([(1000, 0), (0, 0)])]
    assert far([(0, 0)], ways)[0] == pytest.approx(1000 - ENTRANCE_M, abs=0.05)


def test_nothing_given_reaches_nothing():
    assert np.isinf(far([(0, 0)], [])).all()
    assert np.isinf(far([(0, 0)], [STREET], [])).all()
    assert far(np.zeros((0, 2)), [STREET]).shape == (0,)


@given(st.floats(0, 950), st.floats(-90, 90))
def test_no_way_is_shorter_than_the_straight_line(x, y):
    straight = max(1000 - ENTRANCE_M - x, 0)
    assert far([(x, y)], [STREET])[0] >= straight - 0.05


@pytest.mark.parametrize(
    ("tags", "open_"),
    [
        ({"highway": "residential"}, True),
        ({"highway": "footway", "foot": "no"}, False),
        ({"highway": "service", "access": "private"}, False),
        ({"highway": "service", "access": "private", "foot": "permissive"}, True),
        ({"highway": "pedestrian", "area": "yes"}, False),
        ({"highway": "cycleway"}, True),
    ],
)
def test_where_people_may_walk(tags, open_):
    assert walkable(tags) is open_
