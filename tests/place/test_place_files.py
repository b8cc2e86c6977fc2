from __future__ import annotations

import json
import zipfile

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Point, Polygon

from howgreen.core.errors import AmbiguousPlaceError, AreaError, PlaceNotFoundError
from howgreen.core.geometry import geodesic_area_m2
from howgreen.place import from_file, from_shape, from_text
from howgreen.place._districts import from_districts_file
from howgreen.place.vectors import MAX_TEXT, is_shape_text

# Not symmetric: exchanged axes would put it into the Gulf of Aden.
TRIANGLE = Polygon([(11.30, 46.45), (11.40, 46.47), (11.33, 46.53)])
AREA_M2 = geodesic_area_m2(TRIANGLE)


def frame(*shapes, crs="EPSG:4326", **columns):
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=crs)


def box(west, south, side=0.1):
    return shapely.box(west, south, west + side, south + side)


@pytest.mark.parametrize(
    ("name", "driver"),
    [("a.geojson", "GeoJSON"), ("a.gpkg", "GPKG"), ("a.shp", "ESRI Shapefile"), ("a.kml", "KML"), ("a.fgb", "FlatGeobuf"),
     ("a.gml", "GML")],
)  # fmt: skip
def test_every_format_gives_the_same_shape(tmp_path, name, driver):
    frame(TRIANGLE, name=["Bolzano/Bozen"]).to_file(tmp_path / name, driver=driver)
    city = from_file(tmp_path / name)
    assert city.area_m2 == pytest.approx(AREA_M2, rel=1e-6)
    assert city.boundary.bounds == pytest.approx(TRIANGLE.bounds, abs=1e-6)
    assert city.id == f"file:{name}"
    assert city.crs == "EPSG:32632"


def test_a_zipped_shapefile_is_read_without_unpacking(tmp_path):
    frame(TRIANGLE, crs="EPSG:4326").to_crs("EPSG:25832").to_file(tmp_path / "a.shp")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for part in tmp_path.glob("a.*"):
            if part.suffix != ".zip":
                archive.write(part, part.name)
    assert from_file(tmp_path / "a.zip").area_m2 == pytest.approx(AREA_M2, rel=1e-5)


def test_gml_that_writes_latitude_first_is_not_turned_around(tmp_path):
    points = " ".join(f"{lat} {lon}" for lon, lat in TRIANGLE.exterior.coords)
    (tmp_path / "a.gml").write_text(
        '<?xml version="1.0"?><c:FeatureCollection xmlns:c="http://www.opengis.net/wfs/2.0" '
        'xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:t="urn:t"><c:member><t:city gml:id="c1"><t:geom>'
        '<gml:Polygon gml:id="p1" srsName="urn:ogc:def:crs:EPSG::4326"><gml:exterior><gml:LinearRing><gml:posList>'
        f"{points}</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></t:geom></t:city></c:member>"
        "</c:FeatureCollection>"
    )
    assert from_file(tmp_path / "a.gml").boundary.equals(TRIANGLE)


@pytest.mark.parametrize(
    "crs", ["EPSG:4258", "EPSG:31287", "EPSG:3857", "EPSG:2056", "EPSG:5514", "ESRI:102013", "EPSG:4326"]
)
def test_axis_order_of_the_authority_does_not_matter(tmp_path, crs):
    # EPSG:4258 is lat, lon and 31287 northing, easting by their authority: files hold x, y all the same.
    frame(TRIANGLE).to_crs(crs).to_file(tmp_path / "a.gpkg")
    city = from_file(tmp_path / "a.gpkg")
    assert city.boundary.bounds == pytest.approx(TRIANGLE.bounds, abs=2e-5)
    assert city.area_m2 == pytest.approx(AREA_M2, rel=1e-4)


ZONES = {"EPSG:27700": ((-5, 50.5), (1, 57)), "EPSG:3035": ((-8, 38), (28, 62)), "EPSG:2154": ((-4, 43), (7, 50))}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from([*ZONES, "utm"]), st.floats(0.02, 0.4))
def test_whatever_the_projection_the_area_comes_back(tmp_path, data, crs, side):
    (west, south), (east, north) = ZONES.get(crs, ((-170, -70), (170, 75)))
    lon, lat = data.draw(st.floats(west, east)), data.draw(st.floats(south, north))
    shape = shapely.box(lon, lat, lon + side, lat + side * 0.7).segmentize(0.01)
    code = from_shape(shape, name="x").crs if crs == "utm" else crs
    path = tmp_path / "a.gpkg"
    path.unlink(missing_ok=True)
    frame(shape).to_crs(code).to_file(path)
    assert from_file(path).area_m2 == pytest.approx(geodesic_area_m2(shape), rel=1e-4)


def test_long_straight_edges_of_a_projection_are_bent_on_the_globe(tmp_path):
    square = shapely.box(4_300_000, 4_000_000, 4_500_000, 4_200_000)  # EPSG:3035 keeps areas
    frame(square, crs="EPSG:3035").to_file(tmp_path / "a.gpkg")
    assert from_file(tmp_path / "a.gpkg").area_m2 == pytest.approx(square.area, rel=1e-4)


def test_a_projected_shape_over_the_antimeridian_is_split(tmp_path):
    disc = Point(2_130_000, 3_900_000).buffer(30_000)  # Fiji Map Grid, around Taveuni
    frame(disc, crs="EPSG:3460").to_file(tmp_path / "a.gpkg")
    city = from_file(tmp_path / "a.gpkg")
    assert isinstance(city.boundary, MultiPolygon)
    assert city.boundary.bounds[::2] == pytest.approx((-180, 180))
    assert city.area_m2 == pytest.approx(disc.area, rel=2e-3)  # its scale is 0.99985 and varies


def test_a_missing_crs_is_named_with_its_cure(tmp_path):
    frame(TRIANGLE).to_file(tmp_path / "a.shp")
    (tmp_path / "a.prj").unlink()
    with pytest.raises(AreaError, match=r"a\.shp: has no CRS; save it with one"):
        from_file(tmp_path / "a.shp")


def test_a_wrong_crs_is_seen_by_its_numbers(tmp_path):
    metres = frame(TRIANGLE).to_crs("EPSG:32632")
    metres.set_crs("EPSG:4326", allow_override=True).to_file(tmp_path / "a.gpkg")
    with pytest.raises(AreaError, match="look like metres; its CRS is missing or wrong"):
        from_file(tmp_path / "a.gpkg")
    frame(TRIANGLE).set_crs("EPSG:32632", allow_override=True).to_file(tmp_path / "b.gpkg")
    with pytest.raises(AreaError, match="check its CRS"):
        from_file(tmp_path / "b.gpkg")


def test_coordinates_outside_their_projection_are_refused(tmp_path):
    far = Polygon([(1e30, 1e30), (2e30, 1e30), (2e30, 2e30)])
    frame(far, crs="EPSG:27700").to_file(tmp_path / "a.gpkg")
    with pytest.raises(AreaError, match="CRS"):
        from_file(tmp_path / "a.gpkg")


def test_files_that_are_no_boundary_are_refused_in_one_line(tmp_path):
    frame(Point(1, 1)).to_file(tmp_path / "points.geojson")
    (tmp_path / "none.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    (tmp_path / "broken.geojson").write_text('{"type": "FeatureCollection", "features": [{"type": "Fea')
    (tmp_path / "garbage.gpkg").write_bytes(b"SQLite format 3\0garbage")
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "empty.shp").write_bytes(b"")
    (tmp_path / "x.osm.pbf").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    says = {
        "points.geojson": "only Point",
        "none.geojson": "no features",
        "missing.gpkg": "no such file",
        "x.osm.pbf": "--osm",
    }
    for name in ["broken.geojson", "garbage.gpkg", "text.txt", "empty.shp", "folder", *says]:
        with pytest.raises(AreaError, match=says.get(name, name)) as caught:
            from_file(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("head", [b"II*\0", b"MM\0*", b"\x89PNG\r\n"])
def test_a_picture_is_called_a_picture(tmp_path, head):
    """Text in a GeoTIFF's head may look like an address of other files."""
    (tmp_path / "limits.tif").write_bytes(head + b"<OGRVRTDataSource" + bytes(80))
    with pytest.raises(AreaError, match="it is a picture or a raster, which has no outlines"):
        from_file(tmp_path / "limits.tif")


def test_a_file_that_may_not_be_read_is_told_as_such(tmp_path, monkeypatch):
    frame(TRIANGLE).to_file(tmp_path / "a.geojson", driver="GeoJSON")

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("howgreen.place.vectors.vector_files", refuse)
    with pytest.raises(AreaError, match=r"a\.geojson: cannot be read \(Permission denied\); change its permissions"):
        from_file(tmp_path / "a.geojson")


def test_a_cut_short_geopackage_is_refused(tmp_path):
    frame(TRIANGLE).to_file(tmp_path / "a.gpkg")
    whole = (tmp_path / "a.gpkg").read_bytes()
    (tmp_path / "cut.gpkg").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(AreaError, match=r"cut\.gpkg"):
        from_file(tmp_path / "cut.gpkg")


@pytest.fixture
def communes(tmp_path):
    path = tmp_path / "communes.geojson"
    names = ["Bolzano/Bozen", "Laives/Leifers", "Appiano"]
    provinces = ["Bolzano/Bozen"] * 3
    frame(TRIANGLE, box(11.5, 46), box(11.7, 46), name=names, prov_name=provinces).to_file(path)
    return path


@pytest.mark.parametrize("query", ["Leifers", "laives", "LAIVES/LEIFERS"])
def test_the_area_with_the_name_is_taken(communes, query):
    city = from_file(communes, name=query)
    assert (city.name, city.label, city.id) == (query, "Laives/Leifers", "file:communes.geojson#2")
    assert city.boundary.equals(box(11.5, 46))


def test_several_areas_without_the_name_are_listed_and_nothing_is_guessed(communes):
    with pytest.raises(AmbiguousPlaceError) as caught:
        from_file(communes, name="Merano")
    lines = str(caught.value).splitlines()
    assert "3 areas" in lines[0]
    assert "'Merano'" in lines[0]
    assert "--pick" in lines[0]
    assert lines[1] == f"  1. Bolzano/Bozen, {AREA_M2 / 1e6:.1f} km²"


def test_a_name_that_is_nearly_one_of_many_is_proposed(tmp_path):
    path = tmp_path / "many.geojson"
    names = [*(f"Town {n}" for n in range(25)), "Appiano"]
    frame(*(box(11 + n / 10, 46) for n in range(26)), name=names).to_file(path)
    with pytest.raises(AmbiguousPlaceError, match=r"none of them called 'Apiano' \(did you mean Appiano\?\)"):
        from_file(path, name="Apiano")


def test_a_province_of_the_same_name_does_not_make_the_answer_ambiguous(communes):
    assert from_file(communes, name="Bozen").label == "Bolzano/Bozen"


@pytest.mark.parametrize("pick", [2, "2", "Laives/Leifers", "leifers"])
def test_one_of_several_is_picked(communes, pick):
    assert from_file(communes, pick=pick).label == "Laives/Leifers"


@pytest.mark.parametrize("pick", [0, 4, -1, "Merano"])
def test_a_pick_that_is_not_there_is_refused(communes, pick):
    with pytest.raises(PlaceNotFoundError, match="1 to 3"):
        from_file(communes, pick=pick)


def test_all_are_taken_together_when_asked(communes):
    city = from_file(communes, name="Tre", pick="all")
    expected = sum(map(geodesic_area_m2, [TRIANGLE, box(11.5, 46), box(11.7, 46)]))
    assert city.area_m2 == pytest.approx(expected, rel=1e-9)
    assert "3 areas" in city.note


def test_areas_of_all_layers_are_seen(tmp_path):
    path = tmp_path / "a.gpkg"
    frame(box(1, 1), name=["one"]).to_file(path, layer="first")
    frame(Point(5, 5), name=["dot"]).to_file(path, layer="dots")
    frame(box(2, 2), name=["two"]).to_file(path, layer="second")
    assert from_file(path, name="two").boundary.equals(box(2, 2))


def test_one_area_is_taken_whatever_its_name(tmp_path):
    frame(TRIANGLE, NAME=["Bolzano/Bozen"]).to_file(tmp_path / "a.geojson")
    city = from_file(tmp_path / "a.geojson", name="my town")
    assert (city.name, city.label) == ("my town", "Bolzano/Bozen")
    assert from_file(tmp_path / "a.geojson").name == "Bolzano/Bozen"


def test_without_any_name_the_file_gives_it(tmp_path):
    frame(TRIANGLE).to_file(tmp_path / "limits.geojson")
    assert from_file(tmp_path / "limits.geojson").name == "limits"


def drawn(*shapes):
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)} for shape in shapes]
    return json.dumps({"type": "FeatureCollection", "features": features})


@pytest.mark.parametrize(
    "text",
    [
        TRIANGLE.wkt,
        f"  {TRIANGLE.wkt.lower()}",
        f"SRID=4326;{TRIANGLE.wkt}",
        f"GEOMETRYCOLLECTION({TRIANGLE.wkt})",
        shapely.to_geojson(TRIANGLE),
        json.dumps({"type": "Feature", "properties": None, "geometry": shapely.geometry.mapping(TRIANGLE)}),
        drawn(TRIANGLE),
        drawn(TRIANGLE, Point(1, 1)),
    ],
)
def test_typed_and_drawn_shapes_are_taken(text):
    assert is_shape_text(text)
    city = from_text(text, name="x")
    assert city.boundary.equals(TRIANGLE)
    assert city.id == from_shape(TRIANGLE, name="y").id
    assert city.kind == "drawn shape"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-179, 179), st.floats(-79, 79)), min_size=3, max_size=3, unique=True))
def test_geojson_and_wkt_agree(points):
    shape = Polygon(points)
    answers = []
    for text in (shapely.to_wkt(shape, rounding_precision=15), shapely.to_geojson(shape)):
        try:
            answers.append(from_text(text).boundary.bounds)
        except AreaError as error:
            answers.append(str(error).split(": ", 1)[1])
    if isinstance(answers[0], str):
        assert answers[0] == answers[1]
    else:
        assert answers[0] == pytest.approx(answers[1], abs=1e-6)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("POLYGON((0 0, 1 1", "not WKT"),
        ("POLYGON((0 0, 1 1))", "encloses no area"),
        ("POLYGON EMPTY", "empty"),
        ("POLYGON((0 0, nan 1, 1 1, 0 0))", "finite"),
        ("POINT(1 2)", "not an area"),
        ("SRID=32632;POLYGON((0 0, 1 0, 1 1, 0 0))", "SRID 32632"),
        ('{"type": "Polygon"', "not GeoJSON"),
        ('{"type": "Polygon", "coordinates": "nonsense"}', "shape"),
        ('{"coordinates": []}', "without a type"),
        ('{"type": "Polygon", "coordinates": []}', "no area, no features"),
        ('{"type": "Feature", "geometry": null, "properties": {}}', "no area"),
        ("CURVEPOLYGON(CIRCULARSTRING(0 0, 1 1, 2 0, 1 -1, 0 0))", "not WKT"),
        ("[1, 2]", "without a type"),
        ("[1, 2", "not GeoJSON"),
        (drawn(), "no area"),
        (drawn(Point(0, 0)), "only Point"),
        (drawn(Polygon([(0, 0), (0.1, 0.1), (0.1, 0), (0, 0.1)])), "crosses itself"),
        ("{" + " " * MAX_TEXT, "more than 2,000,000"),
    ],
)
def test_texts_that_are_no_area_are_refused_in_one_line(text, says):
    with pytest.raises(AreaError, match=says) as caught:
        from_text(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "text",
    ["POLYGON((0 0, 0.1 0, 0.1 0.1))", '{"type": "Polygon", "coordinates": [[[0, 0], [0.1, 0], [0.1, 0.1]]]}'],
)
def test_a_ring_that_was_not_closed_is_closed(text):
    assert from_text(text).boundary.equals(Polygon([(0, 0), (0.1, 0), (0.1, 0.1)]))


def test_geojson_may_name_its_crs():
    metres = json.loads(shapely.to_geojson(shapely.box(679_000, 5_151_000, 680_000, 5_152_000)))
    metres["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    city = from_text(json.dumps(metres))
    assert city.area_m2 == pytest.approx(1e6, rel=2e-3)
    assert city.crs == "EPSG:32632"


def test_several_drawn_shapes_are_listed_or_taken_together():
    text = drawn(TRIANGLE, box(11.5, 46))
    with pytest.raises(AmbiguousPlaceError, match="2 areas"):
        from_text(text)
    assert from_text(text, pick="all").area_m2 == pytest.approx(AREA_M2 + geodesic_area_m2(box(11.5, 46)))


@pytest.mark.parametrize("text", ["limits.geojson", "/data/Polygon town.gpkg", "polygon.shp", "Lyon"])
def test_paths_are_not_mistaken_for_shapes(text):
    assert not is_shape_text(text)


@pytest.fixture
def town():
    return from_shape(box(10, 50, 0.2), name="Town")


def test_districts_are_cut_to_the_city_and_neighbours_left_out(tmp_path, town):
    path = tmp_path / "d.gpkg"
    shapes = [box(10, 50), box(10.1, 50, 0.15), box(10.2, 50), box(12, 50)]
    frame(*shapes, name=["West", "East", "Next door", "Far"]).to_crs("EPSG:25832").to_file(path)
    city = from_districts_file(town, path)
    assert [(d.name, d.id) for d in city.districts] == [("West", "file:d.gpkg#1"), ("East", "file:d.gpkg#2")]
    areas = [geodesic_area_m2(d.boundary) for d in city.districts]
    expected = [geodesic_area_m2(s) for s in (box(10, 50), shapely.box(10.1, 50, 10.2, 50.15))]
    assert areas == pytest.approx(expected, rel=1e-4)
    assert "the districts (2) cover 63% of the city" in city.note


@pytest.mark.parametrize(("inside", "counts"), [(0.009, False), (0.011, True), (0.05, True), (0.19, True)])
def test_an_area_with_a_hundredth_inside_is_a_district(tmp_path, town, inside, counts):
    """All but a strip of the second lies east of the town, which ends at 10.2 degrees."""
    edge = shapely.box(10.2 - 0.1 * inside, 50, 10.3 - 0.1 * inside, 50.1)
    frame(box(10, 50), edge, name=["West", "Edge"]).to_file(tmp_path / "d.geojson")
    city = from_districts_file(town, tmp_path / "d.geojson")
    assert [d.name for d in city.districts] == ["West", "Edge"][: 1 + counts]


def test_districts_that_fill_the_city_need_no_note(tmp_path, town):
    halves = [shapely.box(10, 50, 10.1, 50.2), shapely.box(10.1, 50, 10.2, 50.2)]
    frame(*halves).to_file(tmp_path / "d.geojson")
    city = from_districts_file(town, tmp_path / "d.geojson")
    assert [d.name for d in city.districts] == ["district 1", "district 2"]
    assert city.note == ""


def test_equal_district_names_get_numbers(tmp_path, town):
    frame(box(10, 50), box(10.1, 50), name=["Old", "Old"]).to_file(tmp_path / "d.geojson")
    assert [d.name for d in from_districts_file(town, tmp_path / "d.geojson").districts] == ["Old 1", "Old 2"]


def test_districts_smaller_than_a_pixel_are_named(tmp_path, town):
    tiny = [shapely.box(10.05, 50.05, 10.05001, 50.05001), shapely.box(12, 50, 12.00001, 50.00001)]
    frame(box(10, 50), box(10.1, 50), *tiny, name=["West", "East", "Kiosk", "Kiosk elsewhere"]).to_file(
        tmp_path / "d.gpkg"
    )
    city = from_districts_file(town, tmp_path / "d.gpkg")
    assert [district.name for district in city.districts] == ["West", "East"]
    assert "districts smaller than a pixel were left out: Kiosk" in city.note.split("; ")


def test_districts_of_another_city_are_refused(tmp_path, town):
    frame(box(20, 50)).to_file(tmp_path / "d.geojson")
    with pytest.raises(AreaError, match="none of its 1 areas lies in Town"):
        from_districts_file(town, tmp_path / "d.geojson")


def test_axis_order_oracle_is_not_symmetric():
    assert not np.isclose(TRIANGLE.centroid.x, TRIANGLE.centroid.y, atol=10)
