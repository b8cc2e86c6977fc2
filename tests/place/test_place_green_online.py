"""Green areas asked of Overpass are those of an extract: a server on the loopback cuts its answers out of one."""

from __future__ import annotations

import re
from pathlib import Path

import osmium
import pytest
import shapely
from services import Reply, served

from howgreen.core.errors import AreaError, NetworkError
from howgreen.net.endpoints import Endpoints
from howgreen.net.http import RetryPolicy
from howgreen.net.network import Network
from howgreen.osm import green_areas, green_areas_online
from howgreen.osm._green_online import PIECE_DEG, pieces, question
from howgreen.place import from_shape

QUICK = RetryPolicy(tries=3, pause_s=0, total_s=5, attempt_s=4, connect_s=1, first_wait_s=0.01)


def overpass(extract: Path, folder: Path):
    """Answers the query that it gets: objects with the tags asked for whose box meets the piece, and what they are made of."""

    spots = {n.id: (n.location.lon, n.location.lat) for n in osmium.FileProcessor(str(extract), osmium.osm.NODE)}
    lines = {w.id: [spots[n.ref] for n in w.nodes if n.ref in spots]
             for w in osmium.FileProcessor(str(extract), osmium.osm.WAY)}  # fmt: skip

    def answer(ask):
        query = ask.query["data"]
        south, west, north, east = map(float, re.search(r"\(([-\d.,]+)\);", query)[1].split(","))
        wanted = [
            (key, set(values.split("|"))) for key, values in re.findall(r'way\["(\w+)"~"\^\(([\w|]+)\)\$"\]', query)
        ]
        assert query.count("rel[") == len(wanted) == 4
        piece = shapely.box(west, south, east, north)
        out = folder / f"answer{len(list(folder.iterdir()))}.osm"
        with osmium.BackReferenceWriter(str(out), str(extract), overwrite=True) as writer:
            for thing in osmium.FileProcessor(str(extract), osmium.osm.WAY | osmium.osm.RELATION):
                if not any(thing.tags.get(key) in values for key, values in wanted):
                    continue
                members = [thing.id] if thing.is_way() else [m.ref for m in thing.members if m.type == "w"]
                points = [point for ref in members for point in lines.get(ref, [])]
                if points and shapely.MultiPoint(points).envelope.intersects(piece):
                    writer.add(thing)
        return Reply(out.read_bytes())

    return answer


def online(service, tmp_path):
    return Network(
        endpoints=Endpoints(overpass=(f"{service.url}/api",)), cache=tmp_path / "kept", retry=QUICK
    )  # fmt: skip


def same(found, expected):
    assert list(found.columns) == list(expected.columns)
    for column in ("osm_id", "name", "tag", "group", "area_m2"):
        assert list(found[column]) == list(expected[column])
    assert all(one.equals(other) for one, other in zip(found.geometry, expected.geometry, strict=True))
    assert found.attrs == expected.attrs


@pytest.fixture
def town(osm, ring, tmp_path):
    """Across four pieces: a wood with a hole over all of them, a park in one, a meadow outside the limits."""
    hole, outer = osm.way(ring(9.095, 47.095, 0.01)), osm.way(ring(9.08, 47.08, 0.04))
    osm.relation(5, [outer], {"type": "multipolygon", "natural": "wood"}, inner=[hole])
    osm.way(ring(9.07, 47.07, 0.005), {"leisure": "park", "name": "P & Q"})
    osm.way(ring(9.0, 47.0, 0.01), {"landuse": "meadow"})
    osm.way(ring(9.1, 47.07, 0.005), {"landuse": "residential"})
    return osm.save(tmp_path / "town.osm"), from_shape(shapely.box(9.06, 47.06, 9.13, 47.13), name="Town")


def test_the_answers_of_overpass_give_the_polygons_of_the_extract(town, tmp_path):
    extract, city = town
    answers = tmp_path / "answers"
    answers.mkdir()
    with served(overpass(extract, answers)) as service:
        found = green_areas_online(city, network=online(service, tmp_path))
        assert len(service.asked) == 4
        again = green_areas_online(city, network=online(service, tmp_path))
        assert len(service.asked) == 4  # kept
    same(found, green_areas(city, osm=extract))
    same(again, found)
    wood = found[found["osm_id"] == "R5"].geometry.iloc[0]
    assert len(wood.geoms[0].interiors) == 1


@pytest.mark.real
def test_a_real_extract_gives_the_same_polygons_by_overpass(shared_data, tmp_path):
    extract = shared_data / "osm" / "monaco.osm.pbf"
    city = from_shape(shapely.box(7.41, 43.724, 7.445, 43.751), name="Monaco")
    answers = tmp_path / "answers"
    answers.mkdir()
    with served(overpass(extract, answers)) as service:
        found = green_areas_online(city, network=online(service, tmp_path))
    same(found, green_areas(city, osm=extract))
    assert len(found) == 18


def test_a_server_that_gives_up_is_one_error_and_the_rerun_goes_on(town, tmp_path):
    extract, city = town
    answers = tmp_path / "answers"
    answers.mkdir()
    whole = overpass(extract, answers)
    with served(whole) as service:
        tired = Reply(b"<osm><remark>runtime error: Query timed out</remark></osm>")
        service.replies[:] = [whole_reply(service, city, whole), tired, tired, tired]
        with pytest.raises(
            NetworkError, match=r"Overpass gave no answer .*Query timed out.*or give an extract with --osm FILE"
        ):
            green_areas_online(city, network=online(service, tmp_path))
        service.replies.clear()
        before = len(service.asked)
        same(green_areas_online(city, network=online(service, tmp_path)), green_areas(city, osm=extract))
        assert len(service.asked) == before + 3  # the first piece was kept


def whole_reply(service, city, whole):
    from services import Ask

    return whole(Ask("/api", {"data": question(next(iter(pieces(city))))}, "", 0.0))


def test_a_country_is_not_asked_of_a_public_server():
    country = from_shape(shapely.box(5.0, 45.0, 7.0, 47.0), name="Country")
    with pytest.raises(AreaError, match=r"too large to ask Overpass.*give --osm"):
        green_areas_online(country, network=Network(offline=True))


def test_pieces_cover_the_city_and_only_it():
    city = from_shape(shapely.box(9.06, 47.06, 9.13, 47.13).union(shapely.box(9.32, 47.32, 9.33, 47.33)), name="Two")
    found = [shapely.box(*piece) for piece in pieces(city)]
    assert shapely.union_all(found).covers(city.boundary)
    assert len(found) == 5
    assert all(piece.area == pytest.approx(PIECE_DEG**2) for piece in found)


def test_offline_says_what_to_give(tmp_path):
    city = from_shape(shapely.box(9.06, 47.06, 9.07, 47.07), name="T")
    with pytest.raises(NetworkError, match=r"Overpass may not be asked \(offline\).*give an extract"):
        green_areas_online(city, network=Network(offline=True, cache=tmp_path))
