"""What each route says, on the sample city: by the figures of its own report, and by pixels that are read another way."""

from __future__ import annotations

import io
import json
import math
import time
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image
from pyproj import Transformer

from howgreen.core.types import UNSEEN
from howgreen.report import shades
from serving import HOST, SQUARE


def tile_of(lon, lat, z):
    n = 2**z
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return int((lon + 180) / 360 * n), int(y * n)


def lonlat_of(x, y, z):
    """Of a place on the map of tiles, in tiles."""
    n = 2**z
    return x / n * 360 - 180, math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y / n))))


def test_typing_offers_the_place_by_its_beginning_and_no_other(answered):
    found = answered.client.get("/places", params={"q": "sampl"}).json()["places"]
    assert [one["id"] for one in found] == ["sample:sampleton"]
    assert found[0]["source"] == "store"
    assert found[0]["kind"] == "city"
    assert found[0]["area_km2"] == pytest.approx(60, abs=0.1)
    assert answered.client.get("/places", params={"q": "xylo"}).json() == {"places": []}


def test_a_place_that_was_offered_has_its_limits(answered, city):
    found = answered.client.get("/places/sample:sampleton").json()
    assert shapely.geometry.shape(found["geometry"]).equals(city.boundary)
    assert found["properties"]["districts"] == 6
    assert answered.client.get("/places/sample:nowhere").status_code == 404


def test_an_outline_is_looked_at_while_it_is_drawn(answered):
    good = answered.client.post("/places/check", json=SQUARE).json()
    assert good["ok"]
    assert good["problems"] == []
    assert good["vertices"] == 5
    assert good["area_km2"] == pytest.approx(2.63, abs=0.01)
    bow = {"type": "Polygon", "coordinates": [[[11, 46], [11.1, 46.1], [11.1, 46], [11, 46.1], [11, 46]]]}
    crossed = answered.client.post("/places/check", json=bow).json()
    assert not crossed["ok"]
    assert "crosses itself" in crossed["problems"][0]
    assert "11.05" in crossed["problems"][0]
    large = {"type": "Polygon", "coordinates": [[[10, 46], [11, 46], [11, 47], [10, 47], [10, 46]]]}
    too_large = answered.client.post(
        "/places/check", json={"type": "Feature", "geometry": large, "properties": {}}
    ).json()
    assert not too_large["ok"]
    assert "at most 3,000 km²" in too_large["problems"][0]
    assert too_large["geometry"] is not None


def test_an_outline_with_a_hole_and_an_exclave_has_the_area_of_its_parts(answered):
    outer = [[11, 46], [11.1, 46], [11.1, 46.1], [11, 46.1], [11, 46]]
    hole = [[11.02, 46.02], [11.02, 46.04], [11.04, 46.04], [11.04, 46.02], [11.02, 46.02]]
    other = [[11.2, 46], [11.3, 46], [11.3, 46.1], [11.2, 46.1], [11.2, 46]]

    def area(coordinates):
        return answered.client.post("/places/check", json={"type": "MultiPolygon", "coordinates": coordinates}).json()[
            "area_km2"
        ]

    assert area([[outer, hole], [other]]) == pytest.approx(area([[outer]]) + area([[other]]) - area([[hole]]), rel=1e-9)


def test_too_many_vertices_are_told_with_both_numbers(make_rig, tmp_path):
    rig = make_rig(tmp_path, most_vertices=4)
    with rig.client() as client:
        found = client.post("/places/check", json=SQUARE).json()
    assert found["problems"] == ["5 vertices; at most 4 are taken: simplify it"]
    assert not found["ok"]


def test_a_question_waits_is_told_of_and_its_answer_is_had(rig, client, city, report):
    asked = client.post(
        "/processes/city/execution",
        json={"inputs": {"place": {"id": "sample:sampleton"}, "period": "2024"}},
        headers={"Prefer": "respond-async"},
    )
    assert asked.status_code == 201
    there = asked.headers["location"].removeprefix(HOST)
    assert asked.json()["status"] == "accepted"
    assert asked.json()["placeInLine"] == 1
    assert client.get(f"{there}/results").status_code == 404
    assert client.get(f"{there}/results").json()["type"].endswith("/result-not-ready")
    limits = client.get(f"{there}/limits.geojson").json()
    assert shapely.geometry.shape(limits["geometry"]).equals(city.boundary)
    again = client.post(
        "/processes/city/execution", json={"inputs": {"place": {"id": "sample:sampleton"}, "period": "2024"}}
    )
    assert again.headers["location"] == HOST + there, "the same question is one job"
    job = rig.work()
    assert client.get(there).json()["status"] == "running"
    result = rig.answer(job, report)
    done = client.get(there).json()
    assert done["status"] == "successful"
    assert done["result"] == result
    answer = client.get(f"{there}/results").json()
    assert answer["summary"]["green_ratio"] == json.loads((report / "summary.json").read_text())["green_ratio"]
    assert client.get(answer["report"]["href"]).text.startswith("<!doctype html>")
    for file in answer["files"]:
        got = client.get(file["href"])
        assert got.status_code == 200, file
    assert (
        client.post(
            "/processes/city/execution", json={"inputs": {"place": {"id": "sample:sampleton"}, "period": "2024"}}
        ).json()["status"]
        == "successful"
    ), "answered at once"


def test_a_drawn_place_is_asked_about_under_its_name(client):
    body = {"inputs": {"place": {"type": "Feature", "geometry": SQUARE, "properties": {"label": "The middle"}}}}
    assert client.post("/processes/city/execution", json=body).json()["label"] == "The middle"
    named = {"inputs": {"place": {"value": SQUARE}, "name": "Elsewhere"}}
    assert client.post("/processes/city/execution", json=named).json()["label"] == "Elsewhere"


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"place": {"id": "sample:sampleton"}, "model": "/tmp/evil.onnx"}, "model"),
        ({"place": {"id": "sample:sampleton"}, "sensor": "modis"}, "sensor"),
        ({"place": {"id": "sample:sampleton"}, "period": "yesterday"}, "period"),
        ({"place": {"id": "osm:R1"}}, "no place here has that id"),
        ({"place": {"href": "http://127.0.0.1/x.geojson"}}, "place"),
        ({"place": {"type": "Point", "coordinates": [1, 2]}}, "place"),
        ({"place": {"id": "sample:sampleton"}, "url": "file:///etc/passwd"}, "url"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(client, inputs, says):
    refused = client.post("/processes/city/execution", json={"inputs": inputs})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert says in refused.json()["detail"]
    assert "\n" not in refused.json()["detail"]


def test_a_job_is_ended_by_who_asked_for_it_and_by_nobody_else(rig, client, city):
    own = client.post("/processes/city/execution", json={"inputs": {"place": {"id": "sample:sampleton"}}}).json()
    assert client.delete(f"/jobs/{own['jobID']}").json()["status"] == "dismissed"
    others = rig.ask(city, period="2023", client="another")
    refused = client.delete(f"/jobs/{others.id}")
    assert refused.status_code == 403
    assert client.get(f"/jobs/{others.id}").json()["status"] == "accepted"
    assert client.delete(f"/jobs/{'0' * 32}").status_code == 404


def test_a_full_queue_and_a_day_that_is_used_up_are_told_with_when_to_come_back(make_rig, tmp_path):
    with make_rig(tmp_path / "a", queue=1).client() as client:
        ask = lambda period: client.post(  # noqa: E731 (said three times below)
            "/processes/city/execution", json={"inputs": {"place": {"id": "sample:sampleton"}, "period": period}}
        )
        assert ask("2020").status_code == 201
        full = ask("2021")
    assert full.status_code == 503
    assert int(full.headers["retry-after"]) > 0
    assert full.json()["type"] == "urn:howgreen:queue-full"
    with make_rig(tmp_path / "b", jobs_per_day=1).client() as client:
        assert client.post("/processes/city/execution", json={"inputs": {"place": SQUARE}}).status_code == 201
        used = client.post("/processes/city/execution", json={"inputs": {"place": {"id": "sample:sampleton"}}})
    assert used.status_code == 429
    assert "retry-after" in used.headers
    assert used.json()["type"] == "urn:howgreen:used-up"


def test_the_page_hears_what_is_measured_here_at_most(make_rig, tmp_path):
    with make_rig(tmp_path / "a", most_area_km2=50.0, most_vertices=99, most_upload_bytes=10).client() as client:
        told = client.get("/?f=json").json()
    assert (told["most_area_km2"], told["most_vertices"], told["most_upload_bytes"]) == (50.0, 99, 10)
    assert told["today"] == f"{datetime.now(UTC):%Y-%m-%d}"


def test_scripts_are_packed_for_who_takes_that_and_kept_apart(client):
    there = "/static/vendor/maplibre-gl/maplibre-gl.mjs"
    plain = client.get(there, headers={"Accept-Encoding": "gzip;q=0, br"})
    packed = client.get(there, headers={"Accept-Encoding": "br, gzip;q=0.5"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < 0.35 * int(plain.headers["content-length"])
    assert packed.content == plain.content
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    again = client.get(there, headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["etag"]})
    assert again.status_code == 304


def events_of(text):
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "data" in lines:
            found.append((lines.get("id"), lines["event"], json.loads(lines["data"])))
    return found


def test_events_are_told_in_their_order_and_who_comes_back_hears_the_rest(answered):
    there = f"/jobs/{answered.job.id}/events"
    whole = events_of(answered.client.get(there).text)
    kinds = [kind for _, kind, _ in whole]
    assert kinds == ["status", "status", "progress", "date", "status", "status"]
    assert [number for number, *_ in whole[:-1]] == ["1", "2", "3", "4", "5"]
    assert whole[2][2] == {"stage": "reading", "done": 3, "of": 8, "percent": 41}
    assert whole[3][2]["bytes"] == 1234567
    assert whole[0][2]["status"] == "accepted"
    assert whole[-1][2]["status"] == "successful"
    assert whole[-1][2]["result"] == answered.result
    rest = events_of(answered.client.get(there, headers={"Last-Event-ID": "3"}).text)
    assert rest == whole[3:]
    assert events_of(answered.client.get(there, params={"after": 3}).text) == rest, "for those who cannot set a header"
    assert answered.client.get(there, headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_result_has_its_layers_files_dates_and_figures(answered, report):
    found = answered.client.get(f"/results/{answered.result}").json()
    assert [layer["id"] for layer in found["layers"]] == ["photo", "fraction", "classes", "uncertainty", "n_clear"]
    assert found["summary"] == json.loads((report / "summary.json").read_text())
    assert {date["date"] for date in found["dates"] if date["taken"]} == {
        scene["date"] for scene in found["summary"]["scenes"]
    }
    names = {file["href"].rpartition("/")[2] for file in found["files"]}
    assert {"report.html", "summary.json", "composite.tif", "districts.gpkg", "plan.json"} <= names
    assert answered.client.get(f"/results/{'0' * 64}").status_code == 404


def test_districts_and_limits_carry_the_figures_of_the_report(answered):
    summary = answered.client.get(f"/results/{answered.result}").json()["summary"]
    parts = answered.client.get(f"/results/{answered.result}/districts.geojson").json()["features"]
    told = {one["properties"]["name"]: one["properties"]["green_ratio"] for one in parts}
    assert told == {one["name"]: pytest.approx(one["green_ratio"]) for one in summary["districts"]}
    whole = answered.client.get(f"/results/{answered.result}/limits.geojson").json()["features"]
    assert whole[0]["properties"]["green_ratio"] == pytest.approx(summary["green_ratio"])


def test_a_plan_names_no_folder_of_this_computer(answered, sampleton):
    text = answered.client.get(f"/results/{answered.result}/files/plan.json").text
    assert str(sampleton) not in text
    assert str(sampleton.parent) not in text
    assert json.loads(text)["scenes"]


@pytest.mark.parametrize("spot", [(0.3, 0.4), (0.5, 0.5), (0.62, 0.41), (0.2, 0.7)])
def test_a_pixel_says_what_the_rasters_hold_there(answered, report, spot):
    with rasterio.open(report / "green_fraction.tif") as file:
        row, column = int(spot[1] * file.height), int(spot[0] * file.width)
        fraction, crs = file.read(1)[row, column], file.crs
        x, y = file.xy(row, column)
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    told = answered.client.get(f"/results/{answered.result}/pixel", params={"lon": lon, "lat": lat}).json()
    with rasterio.open(report / "landcover.tif") as file:
        code = int(file.read(1)[row, column])
    with rasterio.open(report / "n_clear.tif") as file:
        clear = int(file.read(1)[row, column])
    with rasterio.open(report / "composite.tif") as file:
        bands = dict(zip(file.descriptions, file.read()[:, row, column] * np.array(file.scales), strict=True))
    assert told["fraction"] == (None if np.isnan(fraction) else pytest.approx(float(fraction)))
    assert (told["class"] or {"code": UNSEEN})["code"] == code
    assert told["n_clear"] == (None if clear == UNSEEN else clear)
    assert {one["name"]: one["reflectance"] for one in told["spectrum"]} == pytest.approx(bands)
    waves = [one["wavelength_nm"] for one in told["spectrum"]]
    assert waves == sorted(waves)
    assert told["inside"]


def test_beyond_the_images_nothing_is_known(answered):
    told = answered.client.get(f"/results/{answered.result}/pixel", params={"lon": 11, "lat": 46}).json()
    assert told == {"lon": 11, "lat": 46, "inside": False, "fraction": None, "standard_error": None, "class": None,
                    "n_clear": None, "dates": [], "spectrum": []}  # fmt: skip
    pole = answered.client.get(f"/results/{answered.result}/pixel", params={"lon": 0, "lat": 90})
    assert pole.status_code == 200


def test_an_area_is_measured_as_the_districts_are(answered):
    """A district drawn anew has the district's figures."""
    parts = answered.client.get(f"/results/{answered.result}/districts.geojson").json()["features"]
    for part in parts:
        told = answered.client.post(f"/results/{answered.result}/area", json=part["geometry"]).json()
        figures = part["properties"]
        assert told["green_ratio"] == pytest.approx(figures["green_ratio"], abs=2e-4)
        assert told["area_m2"] == pytest.approx(figures["zone_area_m2"], rel=1e-6)
        assert told["observed_ratio"] == pytest.approx(figures["observed_ratio"], abs=1e-6)
        assert told["interval"]["low"] == pytest.approx(figures["interval_low"], abs=2e-4)


def test_an_area_beyond_the_limits_holds_nothing(answered):
    far = {"type": "Polygon", "coordinates": [[[11, 46], [11.1, 46], [11.1, 46.1], [11, 46.1], [11, 46]]]}
    told = answered.client.post(f"/results/{answered.result}/area", json=far).json()
    assert told["area_m2"] == 0
    assert told["green_ratio"] is None


def picture_of(answered, layer, z, x, y, at=""):
    got = answered.client.get(f"/results/{answered.result}/tiles/{layer}/{z}/{x}/{y}{at}.png")
    assert got.status_code == 200, got.text
    assert got.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(got.content)).convert("RGBA")).astype(int)


@pytest.mark.parametrize("layer", ["fraction", "classes", "uncertainty", "n_clear"])
def test_a_tile_shows_each_pixel_in_the_colour_of_the_report_where_it_lies(answered, report, layer):
    """Pixels of the finest tiles, looked up in the rasters by their own position."""
    z = answered.client.get(f"/results/{answered.result}/tiles/{layer}/tilejson.json").json()["maxzoom"]
    x, y = tile_of(-32.99, 45.04, z)
    shown = picture_of(answered, layer, z, x, y)
    name = {"fraction": "green_fraction", "classes": "landcover", "uncertainty": "green_uncertainty"}.get(layer, layer)
    with rasterio.open(report / f"{name}.tif") as file, rasterio.open(report / "landcover.tif") as classes:
        values, codes = file.read(1), classes.read(1)
        move = Transformer.from_crs("EPSG:4326", file.crs, always_xy=True)
        rng, checked = np.random.default_rng(5), 0
        for row, column in rng.integers(0, 256, (200, 2)):
            lon, lat = lonlat_of(x + (column + 0.5) / 256, y + (row + 0.5) / 256, z)
            across, down = ~file.transform @ move.transform(lon, lat)
            if min(across % 1, 1 - across % 1, down % 1, 1 - down % 1) < 0.2:  # on an edge either is right
                continue
            here = int(down), int(across)
            checked += 1
            assert tuple(shown[row, column]) == colour_of(layer, values[here], codes[here], report)
    assert checked > 50


def colour_of(layer, value, code, report):
    classes = json.loads((report / "summary.json").read_text())["model"]["classes"]
    of_code = {one["code"]: one for one in classes}
    if layer == "classes":
        text = None if value == UNSEEN else of_code[value]["colour"]
    elif layer == "n_clear":
        text = None if value in (0, UNSEEN) else shades.CLEAR_RAMP[min(value, shades.CLEAR_MOST)]
    elif code != UNSEEN and of_code[code]["name"] == "water":
        text = shades.WATER
    elif layer == "fraction":
        text = None if np.isnan(value) else shades.ramp(round(float(value) * shades.STEPS) / shades.STEPS)
    else:
        share = min(value * 0.01 / shades.UNSURE_MOST, 1)
        text = None if value == UNSEEN else shades.ramp(round(share * shades.STEPS) / shades.STEPS, shades.UNSURE_RAMP)
    return (0, 0, 0, 0) if text is None else (*bytes.fromhex(text[1:]), 255)


def test_the_photo_has_the_stretch_of_the_reports_own_page(answered, report):
    """The white that QGIS's style of the same report holds."""
    from xml.etree import ElementTree as ET

    from howgreen.web.serve.tiles import _stretch

    style = ET.parse(report / "composite.qml").getroot()
    white = float(style.find(".//redContrastEnhancement/maxValue").text)
    black, found = _stretch(report / "composite.tif", report / "n_clear.tif", "x")
    assert black == 0
    assert found[0] == pytest.approx(white, rel=0.03)


def test_a_tile_of_twice_the_size_shows_the_same(answered):
    x, y = tile_of(-32.99, 45.04, 14)
    small, large = (picture_of(answered, "classes", 14, x, y, at) for at in ("", "@2x"))
    assert small.shape == (256, 256, 4)
    assert large.shape == (512, 512, 4)
    assert (large[::2, ::2] == small).all(axis=-1).mean() > 0.6


def test_tiles_are_kept_by_who_asked_and_not_sent_twice(answered):
    x, y = tile_of(-32.99, 45.04, 13)
    there = f"/results/{answered.result}/tiles/fraction/13/{x}/{y}.png"
    first = answered.client.get(there)
    assert "immutable" in first.headers["cache-control"]
    again = answered.client.get(there, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert not again.content


@pytest.mark.parametrize(
    "where", ["0/0/0", "1/0/0", "9/167/147", "30/0/0", "13/9000/0", "2/4/0", "17/0/0", "-1/0/0", "a/0/0"]
)
def test_tiles_beyond_a_layer_are_refused(answered, where):
    assert answered.client.get(f"/results/{answered.result}/tiles/fraction/{where}.png").status_code in {404, 422}


def test_every_level_that_is_told_is_drawn_in_no_time(answered):
    """GDAL takes minutes to warp a city for half a hemisphere: such tiles are not told of, and refused."""
    told = answered.client.get(f"/results/{answered.result}/tiles/photo/tilejson.json").json()
    assert (told["minzoom"], told["maxzoom"]) == (10, 15)
    begun = time.monotonic()
    for z in range(told["minzoom"], told["maxzoom"] + 1):
        assert picture_of(answered, "photo", z, *tile_of(-32.99, 45.04, z))[..., 3].any()
    assert time.monotonic() - begun < 20


def test_a_head_says_what_a_get_says_without_its_body(answered):
    there = f"/results/{answered.result}/files/landcover.tif"
    head, got = answered.client.head(there), answered.client.get(there)
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.content))
    assert answered.client.head(f"/jobs/{answered.job.id}/events").status_code == 405


def test_a_tile_far_from_the_city_is_empty(answered):
    shown = picture_of(answered, "fraction", 12, *tile_of(11, 46, 12))
    assert not shown[..., 3].any()


def test_health_and_metrics_tell_of_jobs(answered):
    answered.rig.jobs.beat("worker")
    health = answered.client.get("/health")
    assert health.json()["jobs"]["successful"] == 1
    answered.client.get(f"/results/{answered.result}")
    text = answered.client.get("/metrics").text
    assert 'howgreen_jobs{status="successful"} 1.0' in text
    assert 'route="/results/{result_id}"' in text, "by route, never by address"
    assert answered.result not in text


@pytest.mark.real
def test_an_extract_offers_its_places_by_the_beginning_of_any_of_their_names(make_rig, tmp_path, shared_data):
    rig = make_rig(tmp_path, osm=shared_data / "osm" / "liechtenstein.osm.pbf")
    with rig.client() as client:
        for _ in range(40):  # the names are read once; until then there are none
            found = client.get("/places", params={"q": "vad"}).json()["places"]
            if found:
                break
        assert found[0]["label"] == "Vaduz"
        assert found[0]["source"] == "osm"
        place = client.get(f"/places/{found[0]['id']}").json()
        assert place["properties"]["area_km2"] == pytest.approx(17.3, abs=0.3)
        assert [one["label"] for one in client.get("/places", params={"q": "Triesenb"}).json()["places"]] == [
            "Triesenberg"
        ]
        asked = client.post(
            "/processes/city/execution", json={"inputs": {"place": {"id": found[0]["id"]}, "period": "2024"}}
        )
    assert asked.json().get("label") == "Vaduz", asked.text
