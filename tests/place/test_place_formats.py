"""Files of many formats and wrappings, those that lie about what they are, and letters of old tables."""

from __future__ import annotations

import gzip
import json
import sqlite3
import threading
import zipfile
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import geopandas as gpd
import pytest
import shapely

from howgreen.core import vector_files
from howgreen.core.errors import AmbiguousPlaceError, AreaError, MissingExtraError
from howgreen.core.geometry import geodesic_area_m2
from howgreen.place import from_file, from_text, place_from_geometry, vectors, with_districts, with_land

TOWN = shapely.Polygon([(11.30, 46.45), (11.40, 46.47), (11.33, 46.53)])
AREA_M2 = geodesic_area_m2(TOWN)


def frame(*shapes, crs="EPSG:4326", **columns):
    return gpd.GeoDataFrame(columns, geometry=list(shapes or [TOWN]), crs=crs)


def area_of(path, **how):
    return from_file(path, **how).area_m2


def town(**properties):
    return {"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(TOWN)}


# Wrappings


def test_a_shapefile_in_a_folder_of_a_zip_with_what_finder_adds(tmp_path):
    """pyogrio#494."""
    frame(name=["Town"]).to_file(tmp_path / "town.shp")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in tmp_path.glob("town.*"):
            archive.write(part, f"data/2024/{part.name}")
            archive.writestr(f"__MACOSX/data/2024/._{part.name}", b"\0\5\x16\7")
        archive.writestr("data/readme.txt", "hello")
        archive.writestr("data/._town.shp", b"x")
    city = from_file(tmp_path / "a.zip")
    assert city.area_m2 == pytest.approx(AREA_M2, rel=1e-9)
    assert (city.label, city.id) == ("Town", "file:a.zip")


def test_a_zip_in_a_zip_is_opened_once(tmp_path):
    frame(name=["Town"]).to_file(tmp_path / "town.gpkg")
    for name, inner in (("in.zip", "town.gpkg"), ("out.zip", "in.zip"), ("deep.zip", "out.zip")):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(tmp_path / inner, f"data/{inner}")
    assert area_of(tmp_path / "out.zip") == pytest.approx(AREA_M2, rel=1e-9)
    with pytest.raises(AreaError, match="no vector file in it"):
        from_file(tmp_path / "deep.zip")


def test_a_zip_with_several_formats_of_one_thing_gives_it_once(tmp_path):
    frame(shapeName=["Town"]).to_file(tmp_path / "a.shp")
    frame(shapeName=["Town"]).to_file(tmp_path / "a.geojson")
    (tmp_path / "a-metaData.json").write_text('{"boundaryID": "X"}')
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for part in tmp_path.glob("a*"):
            archive.write(part, part.name) if part.suffix != ".zip" else None
    assert area_of(tmp_path / "a.zip") == pytest.approx(AREA_M2, rel=1e-9)


def test_kmz_gz_folders_and_capital_suffixes(tmp_path):
    frame(name=["Town"]).to_file(tmp_path / "doc.kml", driver="KML")
    with zipfile.ZipFile(tmp_path / "town.kmz", "w") as archive:
        archive.write(tmp_path / "doc.kml", "doc.kml")
    (tmp_path / "town.geojson.gz").write_bytes(gzip.compress(json.dumps(town(name="Town")).encode()))
    folder = tmp_path / "shapes"
    folder.mkdir()
    frame(name=["Town"]).to_file(folder / "town.shp")
    for part in list(folder.iterdir()):
        part.rename(part.with_suffix(part.suffix.upper()))
    for path in (tmp_path / "town.kmz", tmp_path / "town.geojson.gz", folder, folder / "town.SHP"):
        assert area_of(path) == pytest.approx(AREA_M2, rel=1e-9), path
    assert from_file(tmp_path / "town.geojson.gz").id == "file:town.geojson.gz"


def test_what_unpacks_to_more_than_the_bound_is_refused(tmp_path, monkeypatch):
    body = json.dumps(town(name="x" * 2_000_000)).encode()
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.geojson", body)
    (tmp_path / "a.geojson.gz").write_bytes(gzip.compress(body))
    (tmp_path / "b.geojson").write_bytes(body)
    for path in (tmp_path / "a.zip", tmp_path / "a.geojson.gz", tmp_path / "b.geojson"):
        assert area_of(path) == pytest.approx(AREA_M2, rel=1e-9)
    monkeypatch.setattr(vector_files, "MAX_TEXT_BYTES", 1_900_000)
    for path in (tmp_path / "a.zip", tmp_path / "a.geojson.gz"):
        with pytest.raises(AreaError, match="unpacks to more than 2 MB"):
            from_file(path)
    with pytest.raises(AreaError, match="save it as a GeoPackage"):
        from_file(tmp_path / "b.geojson")
    assert vector_files.MAX_UNPACKED_BYTES == 2 * 2**30


def test_the_sum_of_an_archive_is_bounded_and_not_each_part(tmp_path, monkeypatch):
    frame(name=["Town"]).to_file(tmp_path / "a.gpkg")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.write(tmp_path / "a.gpkg", f"{number}.gpkg")
    size = (tmp_path / "a.gpkg").stat().st_size
    monkeypatch.setattr(vector_files, "MAX_UNPACKED_BYTES", 3 * size)
    with pytest.raises(AreaError, match="unpacks to more than"):
        from_file(tmp_path / "a.zip")


def test_the_number_of_members_is_bounded(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(5):
            archive.writestr(f"{number}.geojson", json.dumps(town(name=f"Town {number}")))
    assert from_file(tmp_path / "a.zip", name="Town 3").label == "Town 3"
    monkeypatch.setattr(vector_files, "MAX_MEMBERS", 4)
    with pytest.raises(AreaError, match="more than 4 files in it"):
        from_file(tmp_path / "a.zip")


def test_no_member_of_an_archive_leaves_its_folder(tmp_path):
    inner = tmp_path / "in"
    inner.mkdir()
    with zipfile.ZipFile(inner / "a.zip", "w") as archive:
        for name in ("../out.geojson", "/tmp/out-howgreen.geojson", "..\\out.geojson", "C:\\out.geojson"):
            archive.writestr(name, json.dumps(town(name="Out")))
    with pytest.raises(AreaError, match="no vector file in it"):
        from_file(inner / "a.zip")
    assert [path.name for path in tmp_path.rglob("*.geojson")] == []


@pytest.mark.parametrize("body", [b"PK\3\4 broken", b"\x1f\x8b\x08broken", b"SQLite format 3\0broken"])
def test_broken_archives_are_one_line(tmp_path, body):
    (tmp_path / "a.zip").write_bytes(body)
    with pytest.raises(AreaError, match="cannot be read as a boundary") as told:
        from_file(tmp_path / "a.zip")
    assert "\n" not in str(told.value)


# Formats


@pytest.mark.parametrize(
    ("driver", "name", "told"),
    [("ESRI Shapefile", "a.shp", "cut short: [0-9]+ of 580 bytes"), ("GeoJSONSeq", "a.geojsonl", "feature 4 is cut short")],
)  # fmt: skip
def test_files_whose_end_is_missing_are_refused_and_not_a_smaller_place(tmp_path, driver, name, told):
    """GDAL leaves out what is missing of a shapefile; of a sequence it closes the outline where the file ends."""
    path = tmp_path / name
    frame(*(shapely.affinity.translate(TOWN, step) for step in range(4)), name=list("abcd")).to_file(
        path, driver=driver
    )
    whole = path.read_bytes()
    assert from_file(path, name="a").area_m2 == pytest.approx(AREA_M2, rel=1e-6)
    path.write_bytes(whole[: whole.rindex(b",")] if driver == "GeoJSONSeq" else whole[:-100])
    with pytest.raises(AreaError, match=told):
        from_file(path, name="a")


def test_a_shapefile_without_its_index_says_what_belongs_to_it(tmp_path):
    frame(name=["Town"]).to_file(tmp_path / "a.shp")
    (tmp_path / "a.shx").unlink()
    with pytest.raises(AreaError, match=r"a\.shx is missing; copy the \.shp, \.shx, \.dbf and \.prj together"):
        from_file(tmp_path / "a.shp")


@pytest.mark.parametrize(
    "made",
    [
        "CREATE VIEW v AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS fid, geom FROM c, t",
        "CREATE TABLE v (fid INTEGER PRIMARY KEY, geom BLOB, big TEXT AS (hex(zeroblob(100000000))))",
    ],
)
def test_a_geopackage_whose_layers_are_queries_is_refused_and_not_run(tmp_path, made):
    """The view has rows without end, and counting them never ends."""
    path = tmp_path / "a.gpkg"
    frame(name=["Town"]).to_file(path, layer="t")
    with closing(sqlite3.connect(path)) as file:
        file.execute(made)
        file.execute("INSERT INTO gpkg_contents (table_name, data_type, srs_id) VALUES ('v', 'features', 4326)")
        file.execute("INSERT INTO gpkg_geometry_columns VALUES ('v', 'geom', 'POLYGON', 4326, 0, 0)")
        file.commit()
    with pytest.raises(
        AreaError, match="its layer v is computed by a query, which is not run; save it as a plain table"
    ):
        from_file(path, name="Town")


def test_topojson_has_no_crs_and_is_in_degrees(tmp_path):
    """gdal#12216."""
    arcs = [list(map(list, TOWN.exterior.coords))]
    shape = {"type": "Polygon", "arcs": [[0]], "properties": {"name": "Town"}}
    body = {
        "type": "Topology",
        "objects": {"towns": {"type": "GeometryCollection", "geometries": [shape]}},
        "arcs": arcs,
    }
    (tmp_path / "a.json").write_text(json.dumps(body))
    assert area_of(tmp_path / "a.json", name="Town") == pytest.approx(AREA_M2, rel=1e-9)
    (tmp_path / "a.json").write_text(json.dumps({key: body[key] for key in ("objects", "arcs", "type")}))
    assert area_of(tmp_path / "a.json", name="Town") == pytest.approx(AREA_M2, rel=1e-9)
    body["arcs"] = [[[x * 1e5, y * 1e5] for x, y in TOWN.exterior.coords]]
    (tmp_path / "b.topojson").write_text(json.dumps(body))
    with pytest.raises(AreaError, match="look like metres"):
        from_file(tmp_path / "b.topojson")


def test_geojson_line_by_line_and_esri_json(tmp_path):
    (tmp_path / "a.geojsonl").write_text(json.dumps(town(name="Town")) + "\n" + json.dumps(town(name="Other")) + "\n")
    assert from_file(tmp_path / "a.geojsonl", name="Town").label == "Town"
    esri = {"geometryType": "esriGeometryPolygon", "spatialReference": {"wkid": 4326}, "fields": [{"name": "NAME", "type":
            "esriFieldTypeString"}], "features": [{"attributes": {"NAME": "Town"}, "geometry": {"rings":
            [list(map(list, TOWN.exterior.coords))[::-1]]}}]}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(esri))
    assert (from_file(tmp_path / "a.json").label, area_of(tmp_path / "a.json")) == ("Town", pytest.approx(AREA_M2))


def test_a_saved_answer_of_nominatim(tmp_path):
    records = [
        {"osm_type": "relation", "osm_id": 1, "name": "Town", "display_name": "Town, Land", "licence": "Data © OSM",
         "geojson": shapely.geometry.mapping(TOWN)},
        {"osm_type": "node", "osm_id": 2, "name": "Town", "geojson": {"type": "Point", "coordinates": [11.3, 46.4]}},
    ]  # fmt: skip
    (tmp_path / "answer.json").write_text(json.dumps(records))
    city = from_file(tmp_path / "answer.json")
    assert (city.label, city.licence, city.id) == ("Town", "Data © OSM", "file:answer.json")
    assert from_text(json.dumps(records)).boundary.equals(TOWN)
    (tmp_path / "bare.json").write_text(json.dumps([{"osm_id": 1, "name": "Town"}]))
    with pytest.raises(AreaError, match="polygon_geojson=1"):
        from_file(tmp_path / "bare.json")
    for deep in ("[", '{"type":"Polygon","coordinates":['):
        (tmp_path / "deep.json").write_text(deep + "[" * 100_000)
        with pytest.raises(AreaError, match="cannot be read"):
            from_file(tmp_path / "deep.json")
    (tmp_path / "none.json").write_text("[1, 2]")
    with pytest.raises(AreaError, match="a list in JSON without places"):
        from_file(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("more", "told"),
    [({"exceededTransferLimit": True}, True), ({"properties": {"exceededTransferLimit": True}}, True), ({"numberMatched": 9, "numberReturned": 1}, True),
     ({"exceededTransferLimit": False}, False), ({"numberMatched": 1, "numberReturned": 1}, False)],
)  # fmt: skip
def test_a_saved_answer_that_is_only_a_part_is_told(tmp_path, more, told):
    (tmp_path / "a.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [town(name="Town")], **more})
    )
    assert [caution.code for caution in from_file(tmp_path / "a.geojson").warnings] == ["limits-doubtful"] * told


def test_names_in_all_languages_as_overture_writes_them(tmp_path):
    pytest.importorskip("pyarrow")
    frame(names=[{"primary": "Town", "common": None}]).to_parquet(tmp_path / "a.parquet")
    assert from_file(tmp_path / "a.parquet").label == "Town"


def test_a_polygon_file_of_osmosis_with_a_hole(tmp_path):
    ring = "\n".join(f"   {x:.7E}   {y:.7E}" for x, y in TOWN.exterior.coords)
    hole = shapely.box(11.33, 46.48, 11.34, 46.49)
    inner = "\n".join(f"   {x} {y}" for x, y in hole.exterior.coords)
    (tmp_path / "town.poly").write_text(f"town\n1\n{ring}\nEND\n!2\n{inner}\nEND\nEND\n")
    city = from_file(tmp_path / "town.poly")
    assert (city.label, city.area_m2) == ("town", pytest.approx(AREA_M2 - geodesic_area_m2(hole), rel=1e-6))


def test_geoparquet_is_read_or_names_its_extra(tmp_path):
    pytest.importorskip("pyarrow")
    frame(name=["Town"]).to_crs("EPSG:25832").to_parquet(tmp_path / "a.parquet")
    assert area_of(tmp_path / "a.parquet") == pytest.approx(AREA_M2, rel=1e-5)


def test_a_geoparquet_file_of_kilobytes_that_fills_the_memory_is_refused(tmp_path, monkeypatch):
    """Equal values are packed once: 290 kB held 20 million areas, 10 MB six gigabytes of vertices."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    frame(*[TOWN.segmentize(1e-4)] * 300, name=["Town"] * 300).to_parquet(path)
    most = 300 * len(shapely.to_wkb(TOWN.segmentize(1e-4)))
    assert path.stat().st_size < most / 10
    monkeypatch.setattr(vectors, "MOST_PARQUET_BYTES", most)
    with pytest.raises(AreaError, match="it unpacks to more than"):
        from_file(path)
    monkeypatch.setattr(vectors, "MOST_PARQUET_BYTES", 2 * most)
    monkeypatch.setattr(vectors, "MOST_FEATURES", 299)
    with pytest.raises(AreaError, match="300 features, at most 299"):
        from_file(path)
    monkeypatch.setattr(vectors, "MOST_FEATURES", 300)
    with pytest.raises(AmbiguousPlaceError, match="holds 300 areas"):
        from_file(path)


def test_a_file_that_claims_a_billion_features_is_refused(tmp_path):
    """Room for all that a FlatGeobuf file states is made before one is read."""
    path = tmp_path / "a.fgb"
    frame(*[TOWN] * 3, name=list("abc")).to_file(path, driver="FlatGeobuf", SPATIAL_INDEX="NO")
    body = bytearray(path.read_bytes())
    count = body.find((3).to_bytes(8, "little"), 12)
    body[count : count + 8] = (10**9).to_bytes(8, "little")
    path.write_bytes(body)
    with pytest.raises(AreaError, match="1,000,000,000 features, at most 1,000,000"):
        from_file(path)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(20) + b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"howgreen\[parquet\]"):
        from_file(tmp_path / "a.parquet")


UTM = frame(crs="EPSG:4326").to_crs(32632).geometry[0]
AWAY = shapely.affinity.translate(TOWN, 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", f'name,the_geom,n\nTown,"{TOWN.wkt}",1\nAway,"{AWAY.wkt}",2\nNowhere,,3\n'),
        ("a.csv", f"n;geom;name\r\n1;{TOWN.wkt};Town\r\n2;{AWAY.wkt};Away\r\n"),
        ("a.tsv", f"name\tgeom\nAway\tSRID=32632;POLYGON EMPTY\nTown\tSRID=32632;{UTM.wkt}\n"),
        ("a.csv", f"name,geom\nTown,{shapely.to_wkb(shapely.set_srid(UTM, 32632), hex=True, include_srid=True)}\n"),
        ("a.csv", f'\ufeffname,geometry\nTown,"{shapely.force_3d(TOWN).wkt}"\n'),
        ("a.wkt", TOWN.wkt),
        ("a.wkt", f"SRID=32632;{UTM.wkt}\n"),
    ],
)
def test_outlines_as_text_are_read_as_databases_write_them(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    city = from_file(path, name="Town")
    assert city.area_m2 == pytest.approx(AREA_M2, rel=1e-5)
    assert city.label == "Town"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,lon,lat\nTown,11,46\n", "a table without a column of them"),
        ('name,geom\nA,"POLYGON((11 46,11.1"\n', "the outline of row 1 is broken"),
        (f'name,geom\nA,"SRID=999999;{TOWN.wkt}"\n', "SRID 999999 is not known to EPSG"),
        (f'name,geom\nA,"{TOWN.wkt}"\nB,"SRID=32632;{UTM.wkt}"\nC,"SRID=25832;{UTM.wkt}"\n', "several SRIDs"),
        (f'name,geom\nA,"{UTM.wkt}"\n', "they look like metres"),
        (f'name,geom\nA,"{TOWN.wkt}\n', "EOF inside string"),
        ("", "cannot be read as a boundary"),
    ],
)
def test_tables_without_usable_outlines_say_what_is_wrong(tmp_path, text, told):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(AreaError, match=told) as caught:
        from_file(tmp_path / "a.csv")
    assert "\n" not in str(caught.value)


def test_letters_of_a_table_are_found_by_the_name_that_is_asked_for(tmp_path):
    (tmp_path / "a.csv").write_bytes(f'name,geom\nMüstair,"{TOWN.wkt}"\n'.encode("cp1252"))
    assert from_file(tmp_path / "a.csv", name="Müstair").label == "Müstair"


def test_collections_of_geometries_give_their_areas(tmp_path):
    collection = {
        "type": "GeometryCollection",
        "geometries": [{"type": "Point", "coordinates": [11.3, 46.5]}, town()["geometry"]],
    }
    (tmp_path / "a.geojson").write_text(
        json.dumps({"type": "Feature", "properties": {"name": "Town"}, "geometry": collection})
    )
    assert area_of(tmp_path / "a.geojson") == pytest.approx(AREA_M2, rel=1e-9)


def test_a_crs_is_what_it_says_and_not_what_it_is_called(tmp_path):
    """QGIS#34240, odc-geo#41."""
    frame(name=["Town"]).to_file(tmp_path / "a.shp")
    wgs84 = 'DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]'
    (tmp_path / "a.prj").write_text(f'GEOGCS["GCS_unknown",{wgs84}]')
    assert area_of(tmp_path / "a.shp") == pytest.approx(AREA_M2, rel=1e-9)
    frame(name=["Town"]).to_crs("+proj=laea +lat_0=46 +lon_0=11 +datum=WGS84").to_file(tmp_path / "b.shp")
    assert "unknown" in (tmp_path / "b.prj").read_text().lower()
    assert area_of(tmp_path / "b.shp") == pytest.approx(AREA_M2, rel=1e-4)
    assert from_file(tmp_path / "b.shp").warnings == ()
    frame(name=["Town"]).to_crs("+proj=laea +lat_0=46 +lon_0=11 +ellps=GRS80").to_file(tmp_path / "c.gpkg")
    city = from_file(tmp_path / "c.gpkg")
    assert (city.area_m2, [caution.code for caution in city.warnings]) == (
        pytest.approx(AREA_M2, rel=1e-4),
        ["crs-assumed"],
    )
    (tmp_path / "b.prj").write_text('LOCAL_CS["unknown",UNIT["metre",1]]')
    with pytest.raises(AreaError, match="has no CRS"):
        from_file(tmp_path / "b.shp")


# Files that are not what their name says


@pytest.fixture
def listener():
    """A server that must never be asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    server.asked = asked
    yield server
    server.shutdown()
    server.server_close()


def traps(secret, port):
    url = f"http://127.0.0.1:{port}/wfs"
    vrt = f'<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource>{secret}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'
    collection = {"type": "FeatureCollection", "features": [town(name="Town")]}
    return {
        "vrt": vrt,
        "vrt after a comment": "<!-- a long remark -->\n" + vrt,
        "remote vrt": vrt.replace(str(secret), f"/vsicurl/{url}/a.geojson"),
        "wfs": f"<OGRWFSDataSource><URL>{url}</URL></OGRWFSDataSource>",
        "vrt in geojson": json.dumps({"x": vrt.replace('"', "'"), **collection}),
        "streamed": json.dumps(
            {"type": "gdal_streamed_alg", "command_line": f"gdal vector pipeline ! read {secret} ! write x"}
        ),
        "streamed in geojson": json.dumps(
            {"y": {"type": "gdal_streamed_alg", "command_line": f"read {secret}"}, **collection}
        ),
        "wms": f"<GDAL_WMS><Service name='TMS'><ServerUrl>{url}</ServerUrl></Service></GDAL_WMS>",
        "entity": f'<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY a SYSTEM "file://{secret}">]><kml>&a;</kml>',
        "page": "<!doctype html><html><body>Sign in</body></html>",
        "table": f'!table\n!version 300\nDefinition Table\n"\\IsSeamless" = "TRUE"\nOpen Table "{secret}"',
    }


@pytest.mark.parametrize("kind", list(traps("x", 0)))
def test_a_file_that_points_elsewhere_is_not_followed(tmp_path, listener, kind):
    secret = tmp_path / "secret.geojson"
    secret.write_text(json.dumps(town(name="secret")))
    name = "a.tab" if kind == "table" else "a.geojson"
    (tmp_path / name).write_text(traps(secret, listener.server_port)[kind])
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / name, name)
    city = place_from_geometry(TOWN)
    for path in (tmp_path / name, tmp_path / "a.zip"):
        for read in (from_file, lambda p: with_districts(city, p), lambda p: with_land(city, p)):
            with pytest.raises(AreaError, match="cannot be read"):
                read(path)
    assert listener.asked == []


def test_a_typed_shape_points_nowhere_either(tmp_path):
    secret = tmp_path / "secret.geojson"
    secret.write_text(json.dumps(town(name="secret")))
    for kind in ("vrt in geojson", "streamed in geojson"):
        with pytest.raises(AreaError, match="points to other files"):
            from_text(traps(secret, 0)[kind])


def test_links_in_kml_and_gml_are_not_followed(tmp_path, listener):
    url = f"http://127.0.0.1:{listener.server_port}"
    ring = " ".join(f"{x},{y}" for x, y in TOWN.exterior.coords)
    (tmp_path / "a.kml").write_text(
        f'<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><NetworkLink><Link><href>{url}/x.kml</href></Link>'
        f"</NetworkLink><Placemark><name>Town</name><styleUrl>{url}/s.kml#a</styleUrl><Polygon><outerBoundaryIs><LinearRing>"
        f"<coordinates>{ring}</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Document></kml>"
    )
    points = " ".join(f"{lat} {lon}" for lon, lat in TOWN.exterior.coords)
    (tmp_path / "a.gml").write_text(
        '<?xml version="1.0"?><c:FeatureCollection xmlns:c="http://www.opengis.net/wfs/2.0" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:t="urn:t"><c:member><t:city gml:id="c1"><t:name>Town</t:name>'
        f'<t:ref xlink:href="{url}/x.gml#a"/><t:geom><gml:Polygon gml:id="p1" srsName="urn:ogc:def:crs:EPSG::4326"><gml:exterior>'
        f"<gml:LinearRing><gml:posList>{points}</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon></t:geom></t:city>"
        "</c:member></c:FeatureCollection>"
    )
    for name in ("a.kml", "a.gml"):
        assert area_of(tmp_path / name) == pytest.approx(AREA_M2, rel=1e-6)
    assert listener.asked == []


def test_a_gml_file_asks_no_server_for_its_schema_and_leaves_nothing_beside_it(tmp_path, listener):
    frame(name=["Town"]).to_file(tmp_path / "a.gml", driver="GML")
    (tmp_path / "a.xsd").unlink(missing_ok=True)
    url = f"http://127.0.0.1:{listener.server_port}/wfs?service=WFS&request=DescribeFeatureType"
    body = (tmp_path / "a.gml").read_text().replace("a.xsd", url.replace("&", "&amp;"))
    (tmp_path / "a.gml").write_text(body)
    assert area_of(tmp_path / "a.gml") == pytest.approx(AREA_M2, rel=1e-6)
    assert listener.asked == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.gml"]


# Letters


def shapefile(folder, names, encoding, *, cpg=None):
    frame(*[shapely.box(11 + i, 46, 11.1 + i, 46.1) for i in range(len(names))], name=names).to_file(
        folder / "a.shp", encoding=encoding
    )
    (folder / "a.cpg").unlink(missing_ok=True)
    raw = bytearray((folder / "a.dbf").read_bytes())
    raw[29] = 0
    (folder / "a.dbf").write_bytes(raw)
    if cpg:
        (folder / "a.cpg").write_text(cpg)
    return folder / "a.shp"


def test_utf_8_without_a_word_about_it_is_not_garbled(tmp_path):
    path = shapefile(tmp_path, ["Zürich", "Genève", "東京"], "utf-8")
    with pytest.raises(AmbiguousPlaceError, match=r"1\. Zürich.*\n.*Genève.*\n.*東京"):
        from_file(path)
    assert from_file(path, name="Zurich").warnings == ()


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["Zürich", "Genève"], "cp1252"),
        (["Łódź", "Kraków"], "cp1250"),
        (["Москва", "Казань"], "cp1251"),
        (["新宿区", "渋谷区"], "cp932"),
        (["강남구", "송파구"], "cp949"),
        (["北京市", "上海市"], "gb18030"),
    ],
)
def test_the_name_that_is_asked_for_finds_its_encoding(tmp_path, names, encoding):
    path = shapefile(tmp_path, names, encoding)
    city = from_file(path, name=names[1])
    assert (city.label, city.warnings) == (names[1], ())
    assert from_file(path, name=names[0]).label == names[0]


def test_a_guess_is_told_and_a_given_encoding_is_taken(tmp_path):
    from howgreen.place.vectors import TableOptions

    path = shapefile(tmp_path, ["Genève", "Zürich"], "cp1252")
    city = from_file(path, pick=1)
    assert [caution.code for caution in city.warnings] == ["encoding-assumed"]
    told = from_file(path, pick=1, options=TableOptions(encoding="cp1252"))
    assert (told.label, told.warnings) == ("Genève", ())
    with pytest.raises(AreaError, match="encoding 'klingon' is not known"):
        from_file(path, pick=1, options=TableOptions(encoding="klingon"))


def test_a_cpg_that_says_what_is_not_so_does_not_stop_the_file(tmp_path):
    path = shapefile(tmp_path, ["Genève", "Zürich"], "cp1252", cpg="UTF-8")
    assert from_file(path, name="Zürich").label == "Zürich"
    kept = shapefile(tmp_path, ["Łódź", "Kraków"], "cp1250", cpg="1250")
    assert from_file(kept, pick=1).label == "Łódź"


def test_geojson_in_other_letters_than_utf_8(tmp_path):
    body = json.dumps({"type": "FeatureCollection", "features": [town(name="Zürich")]}, ensure_ascii=False)
    (tmp_path / "a.geojson").write_bytes(body.encode("cp1252"))
    assert from_file(tmp_path / "a.geojson", name="Zürich").label == "Zürich"
    assert from_file(tmp_path / "a.geojson").warnings[0].code == "encoding-assumed"
    (tmp_path / "c.geojson").write_bytes(body.encode("utf-16"))
    assert from_file(tmp_path / "c.geojson").label == "Zürich"
    (tmp_path / "b.geojson").write_bytes(b"\xef\xbb\xbf" + body.encode())
    assert (from_file(tmp_path / "b.geojson").label, from_file(tmp_path / "b.geojson").warnings) == ("Zürich", ())


@pytest.mark.parametrize("name", ["Zürich", "Łódź", "Genève", "São Paulo", "東京", "O’Fallon"])
def test_names_that_were_read_wrongly_before_are_mended(tmp_path, name):
    mangled = name.encode().decode("cp1252", errors="ignore")
    frame(name=[mangled]).to_file(tmp_path / "a.gpkg")
    back = mangled.encode("cp1252", errors="ignore") == name.encode()  # some bytes are no letter there
    assert (from_file(tmp_path / "a.gpkg").label == name) is back
    frame(name=[name]).to_file(tmp_path / "b.gpkg")
    assert from_file(tmp_path / "b.gpkg").label == name


@pytest.mark.parametrize("name", ["SÃO PAULO", "ÎLE", "Ã", "Åse", "Ø", "Ça", "PÃRNU"])
def test_names_that_only_look_mangled_stay(tmp_path, name):
    frame(name=[name]).to_file(tmp_path / "a.gpkg")
    assert from_file(tmp_path / "a.gpkg").label == name
