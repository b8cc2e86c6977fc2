"""Files that strangers send as boundaries: those that are ones, and those that would like to be something else."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import zipfile

import geopandas as gpd
import pytest
import shapely

from howgreen.web.serve import read_upload as child
from howgreen.web.serve import uploads
from howgreen.web.serve.places import upload_name
from serving import SQUARE

OCTETS = {"Content-Type": "application/octet-stream"}


def send(client, body, name="limits.geojson"):
    return client.post("/places/upload", params={"filename": name}, content=body, headers=OCTETS)


def refused(reply, says, status=422):
    assert reply.status_code == status, reply.text[:300]
    told = reply.json()["detail"]
    assert says in told, told
    assert "\n" not in told
    assert "/tmp" not in told
    return told


def nothing_left(rig):
    assert not rig.settings.scratch.exists() or list(rig.settings.scratch.iterdir()) == []


@pytest.fixture
def frame():
    return gpd.GeoDataFrame({"name": ["North", "South"]}, geometry=[shapely.box(11, 46, 11.1, 46.1), shapely.box(11, 45.8, 11.1, 45.9)],
                            crs="EPSG:4326")  # fmt: skip


def packed(frame, folder, driver):
    if driver == "shp.zip":
        frame.to_file(folder / "x.shp")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for file in folder.glob("x.*"):
                archive.write(file, file.name)
        return buffer.getvalue()
    frame.to_file(folder / f"x.{driver}")
    return (folder / f"x.{driver}").read_bytes()


@pytest.mark.parametrize("driver", ["gpkg", "fgb", "shp.zip"])
def test_boundary_files_are_read_with_the_names_of_their_areas(rig, client, frame, tmp_path, driver):
    found = send(client, packed(frame.to_crs("EPSG:32632"), tmp_path, driver), f"limits.{driver}")
    assert found.status_code == 200, found.text
    areas = {one["properties"]["label"]: one for one in found.json()["features"]}
    assert areas.keys() == {"North", "South"}
    for name, shape in zip(frame["name"], frame.geometry, strict=True):
        got = shapely.geometry.shape(areas[name]["geometry"])
        # A straight edge of one map is a curve on another: the file has only its ends.
        assert got.symmetric_difference(shape).area < 1e-3 * shape.area
        assert areas[name]["properties"]["ok"]
    nothing_left(rig)


def test_what_was_uploaded_can_be_asked_about(client, frame, tmp_path):
    one = send(client, packed(frame[:1], tmp_path, "geojson"), "limits.geojson").json()["features"][0]
    asked = client.post("/processes/city/execution", json={"inputs": {"place": one}})
    assert asked.status_code == 201, asked.text
    assert asked.json()["label"] == "North"


VRT = (
    '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/vsicurl/http://127.0.0.1:{port}/x.geojson</SrcDataSource>'
    "</OGRVRTLayer></OGRVRTDataSource>"
)
WFS = "<OGRWFSDataSource><URL>http://127.0.0.1:{port}/wfs</URL></OGRWFSDataSource>"
NETWORK_LINK = (
    '<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><NetworkLink><Link>'
    "<href>http://127.0.0.1:{port}/more.kml</href></Link></NetworkLink></Document></kml>"
)
ENTITY = (
    '<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>&x;</name></Placemark></Document></kml>'
)
SCHEMA = (
    '<?xml version="1.0"?><gml:FeatureCollection xmlns:gml="http://www.opengis.net/gml" xmlns:xsi="http://www.w3.org/2001/'
    'XMLSchema-instance" xsi:schemaLocation="http://x http://127.0.0.1:{port}/schema.xsd"><gml:featureMember/></gml:FeatureCollection>'
)


@pytest.fixture
def tripwire():
    """A port on the loopback that nobody may come to."""
    came = []
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(0.1)
        done = threading.Event()

        def watch():
            while not done.is_set():
                try:
                    came.append(door.accept()[1])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=watch)
        thread.start()
        yield door.getsockname()[1], came
        done.set()
        thread.join()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (VRT, "limits.geojson"), (VRT, "limits.vrt"), (VRT, "limits.gpkg"), (WFS, "limits.xml"), (WFS, "limits.geojson"),
        (NETWORK_LINK, "limits.kml"), (ENTITY, "limits.kml"), (SCHEMA, "limits.gml"),
    ],
)  # fmt: skip
def test_a_document_that_points_elsewhere_is_not_followed(rig, client, tripwire, text, name):
    port, came = tripwire
    reply = send(client, text.replace("{port}", str(port)).encode(), name)
    assert reply.status_code == 422, reply.text
    assert "root:" not in reply.text
    assert came == []
    nothing_left(rig)


def test_a_process_that_reads_a_file_reaches_no_server(tripwire):
    """Whatever a reader would do: GDAL's own HTTP client in this process ends at nobody's door, and Python's at a refusal."""
    port, came = tripwire
    program = (
        "from howgreen.web.serve import read_upload as child; child._cut_off()\n"
        "import rasterio, socket\n"
        f"try:\n    rasterio.open('/vsicurl/http://127.0.0.1:{port}/x.tif')\nexcept rasterio.errors.RasterioIOError: print('refused')\n"
        f"try:\n    socket.create_connection(('127.0.0.1', {port}), timeout=2)\nexcept PermissionError: print('refused')\n"
        "try:\n    __import__('subprocess').run(['true'])\nexcept PermissionError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == ["refused"] * 3, done.stderr
    assert came == []


def bomb(size, inner="x.geojson"):
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(inner, "w", force_zip64=True) as file,
    ):
        file.write(b'{"type":"FeatureCollection","features":[')
        for _ in range(size // 10_000_000):
            file.write(b" " * 10_000_000)
        file.write(b"]}")
    return buffer.getvalue()


def test_an_archive_that_unpacks_to_much_is_stopped(rig, client):
    begun = time.monotonic()
    told = refused(send(client, bomb(1_000_000_000), "limits.zip"), "limits.zip")
    assert "unpacks to more than" in told or "too much" in told, told
    assert time.monotonic() - begun < uploads.SECONDS
    nothing_left(rig)


def test_a_gzip_that_unpacks_to_much_is_stopped(rig, client):
    refused(send(client, gzip.compress(b" " * 300_000_000), "limits.geojson.gz"), "limits.geojson.gz")
    nothing_left(rig)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"[" * 5_000_000, "deep.geojson"),
        (b'{"type":"Polygon","coordinates":' + b"[" * 1_000_000, "deep.geojson"),
        (b"", "empty.geojson"),
        (b"SQLite format 3\0" + b"\xff" * 5000, "broken.gpkg"),
        (b"fgb\x03fgb\x01" + b"\xff" * 500, "broken.fgb"),
        (b"\xff\xfe" + "{}".encode("utf-16-le"), "wide.geojson"),
        (b"<!doctype html><html>no</html>", "page.kml"),
    ],
)
def test_what_is_no_boundary_is_one_line(rig, client, body, name):
    refused(send(client, body, name), "")
    nothing_left(rig)


def shapefile_of(points):
    """A shapefile whose one polygon claims any number of points."""
    record = (
        struct.pack("<i4d2i", 5, 0, 0, 1, 1, 1, points)
        + struct.pack("<i", 0)
        + struct.pack("<8d", 0, 0, 1, 0, 1, 1, 0, 0)
    )
    content = struct.pack(">2i", 1, len(record) // 2) + record
    head = struct.pack(">7i", 9994, 0, 0, 0, 0, 0, (100 + len(content)) // 2) + struct.pack(
        "<2i8d", 1000, 5, 0, 0, 1, 1, 0, 0, 0, 0
    )
    index = struct.pack(">7i", 9994, 0, 0, 0, 0, 0, 54) + head[28:100] + struct.pack(">2i", 50, len(record) // 2)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.shp", head + content)
        archive.writestr("x.shx", index)
        archive.writestr("x.prj", 'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
                                  'UNIT["degree",0.0174532925199433]]')  # fmt: skip
    return buffer.getvalue()


@pytest.mark.parametrize("points", [1_000_000_000, -1])
def test_a_claim_of_a_thousand_million_vertices_costs_nothing(rig, client, points):
    begun = time.monotonic()
    reply = send(client, shapefile_of(points), "limits.zip")
    assert reply.status_code in {200, 422}
    if reply.status_code == 200:
        assert not any(one["properties"]["ok"] for one in reply.json()["features"])
    assert time.monotonic() - begun < uploads.SECONDS
    nothing_left(rig)


def test_more_vertices_than_are_taken_are_told(make_rig, tmp_path):
    circle = shapely.Point(11, 46).buffer(0.1, quad_segs=8000)
    rig = make_rig(tmp_path)
    with rig.client() as client:
        found = send(client, shapely.to_geojson(circle).encode()).json()["features"][0]
    assert found["geometry"] is None
    assert not found["properties"]["ok"]
    assert "at most 20,000" in found["properties"]["problems"][0]


def test_a_larger_file_than_is_taken_is_refused_unread(make_rig, tmp_path):
    with make_rig(tmp_path, most_upload_bytes=1000).client() as client:
        refused(send(client, b" " * 1001), "at most 1,000", status=413)


def topology(depth=0):
    arcs = [[[11, 46], [11.1, 46], [11.1, 46.1], [11, 46.1], [11, 46]]]
    whole = {
        "type": "Topology",
        "objects": {"a": {"type": "GeometryCollection", "geometries": [{"type": "Polygon", "arcs": [[0]]}]}},
    }
    return {**whole, "arcs": arcs, "bbox": [[]] * depth}


def test_topojson_is_read_as_what_it_is(client):
    found = send(client, json.dumps(topology()).encode(), "limits.topojson")
    assert found.status_code == 200, found.text
    assert found.json()["features"][0]["properties"]["area_km2"] == pytest.approx(86.02, abs=0.01)


def test_topojson_with_arcs_that_are_not_there_is_one_line(client):
    broken = {**topology(), "arcs": []}
    refused(send(client, json.dumps(broken).encode(), "limits.topojson"), "limits.topojson")


EVIL = "\x1b]0;owned\x07<img src=x onerror=alert(1)>\r\nHTTP/1.1 200"


def test_names_of_areas_and_files_are_plain_text(client):
    feature = {"type": "Feature", "properties": {"name": EVIL}, "geometry": SQUARE}
    found = send(
        client, json.dumps({"type": "FeatureCollection", "features": [feature]}).encode(), f"../../{EVIL}.geojson"
    )
    assert found.status_code == 200, found.text
    label = found.json()["features"][0]["properties"]["label"]
    assert label.isprintable()
    assert found.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("../../etc/passwd", "passwd"), ("..\\..\\x.geojson", "x.geojson"), ("/abs/limits.gpkg", "limits.gpkg"), ("...", "upload"),
        ("", "upload"), (".hidden", "hidden"), ("a\x00b.shp", "a b.shp"), ("Zürich Süd.geojson", "Zürich Süd.geojson"),
        ("x" * 300 + ".zip", "x" * 80 + ".zip"), ("/vsizip/x.zip", "x.zip"), ("a:b|c.geojson", "a_b_c.geojson"),
        ("-rf.geojson", "-rf.geojson"),
    ],
)  # fmt: skip
def test_a_files_name_becomes_a_plain_one(given, made):
    assert upload_name(given) == made


def test_archives_with_ways_out_stay_inside(rig, client, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../../../escaped.geojson", json.dumps(SQUARE))
        archive.writestr("/tmp/escaped.geojson", json.dumps(SQUARE))
        archive.writestr("limits.geojson", json.dumps(SQUARE))
    assert send(client, buffer.getvalue(), "limits.zip").status_code == 200
    escaped = [path for folder in (rig.settings.data, tmp_path) for path in folder.rglob("escaped*")]
    assert escaped == []
    nothing_left(rig)


def test_a_file_that_takes_too_long_is_given_up(rig, client, monkeypatch):
    monkeypatch.setattr(uploads, "SECONDS", 0.2)
    refused(send(client, json.dumps(SQUARE).encode()), "takes more than")
    nothing_left(rig)


def test_the_reader_is_bounded_in_memory_and_time():
    import resource

    if not sys.platform.startswith("linux"):
        pytest.skip("bounds of Linux")
    program = (
        "from howgreen.web.serve import read_upload as child; child._bound(); import resource as r, sys\n"
        "print(r.getrlimit(r.RLIMIT_CPU)[0], r.getrlimit(r.RLIMIT_FSIZE)[0], r.getrlimit(r.RLIMIT_AS)[0])\n"
        "try:\n    x = bytearray(3 << 30)\nexcept MemoryError: print('bounded')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, size, memory, word = done.stdout.split()
    assert (int(seconds), int(size), word) == (child.MOST_SECONDS, child.MOST_FILE_BYTES, "bounded")
    assert int(memory) < resource.RLIM_INFINITY or int(memory) > 0


def test_others_wait_only_so_long(rig, client, monkeypatch):
    monkeypatch.setattr(uploads, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(uploads, "_one_of_few", threading.BoundedSemaphore(1))
    assert uploads._one_of_few.acquire()
    reply = send(client, json.dumps(SQUARE).encode())
    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) > 0


def test_a_long_line_grows_no_longer(rig, client, monkeypatch):
    """Who waits holds one of the threads that answer everybody: a few may, and the others come back."""
    monkeypatch.setattr(uploads, "_in_line", threading.BoundedSemaphore(1))
    monkeypatch.setattr(uploads, "_one_of_few", threading.BoundedSemaphore(1))
    assert uploads._in_line.acquire()
    begun = time.monotonic()
    assert send(client, json.dumps(SQUARE).encode()).status_code == 503
    assert time.monotonic() - begun < uploads.WAIT_SECONDS / 2
    uploads._in_line.release()
    assert send(client, json.dumps(SQUARE).encode()).status_code == 200, "and whoever was served makes room"
    assert send(client, json.dumps(SQUARE).encode()).status_code == 200


def test_the_reader_has_no_secrets_of_the_server(rig, client, monkeypatch, tmp_path):
    seen = {}
    real = subprocess.Popen

    def watched(command, **options):
        seen.update(options["env"])
        return real(command, **options)

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(uploads.subprocess, "Popen", watched)
    assert send(client, json.dumps(SQUARE).encode()).status_code == 200
    assert "secret" not in seen.values()
    assert seen["HOME"] != os.environ.get("HOME")
