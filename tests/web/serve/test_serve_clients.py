"""Clients that nobody here wrote, on a server that listens on the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pystac
import pytest
from owslib.ogcapi.processes import Processes
from pystac_client import Client

from serving import listening

PYTHON = "/usr/bin/python3"
"""Debian's QGIS belongs to Debian's Python."""


@pytest.fixture(scope="module")
def url(answered):
    with listening(answered.rig.app) as url:
        yield url


@pytest.fixture(scope="module")
def served(sampleton, home, tmp_path_factory):
    """The whole program, with a worker of its own."""
    data = tmp_path_factory.mktemp("served")
    environment = {**os.environ, "XDG_CACHE_HOME": str(home / "cache"), "XDG_DATA_HOME": str(home / "data")}
    command = [
        sys.executable,
        "-m",
        "howgreen.cli",
        "serve",
        "--store",
        sampleton,
        "--offline",
        "--port",
        "0",
        "--data",
        data,
    ]
    log = (data / "log").open("w")
    server = subprocess.Popen(
        [str(one) for one in command], stdout=subprocess.PIPE, stderr=log, env=environment, text=True
    )
    try:
        line = server.stdout.readline()
        assert "http://" in line, (data / "log").read_text()
        yield line.split()[-1].rstrip("/")
    finally:
        server.terminate()
        server.wait(20)
        server.stdout.close()
        log.close()


def test_owslib_asks_waits_and_has_the_answer(served, report):
    service = Processes(served)
    assert [one["id"] for one in service.processes()] == ["city"]
    assert "place" in service.process("city")["inputs"]
    assert any(one.endswith("conf/dismiss") for one in service.conformance()["conformsTo"])
    assert service.api()["paths"]["/processes/{process_id}/execution"]
    said = service.execute("city", {"place": {"id": "sample:sampleton"}, "period": "2024"}, async_=True)
    assert said["status"] in {"accepted", "running"}
    there = next(link["href"] for link in said["links"] if link["rel"] == "self")
    stages = []
    with httpx.stream("GET", f"{there}/events", timeout=120) as stream:
        stages += [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert stages[-1]["status"] == "successful", stages[-1]
    assert any(one.get("percent", 0) > 0 for one in stages)
    results = httpx.get(f"{there}/results").json()
    expected = json.loads((report / "summary.json").read_text())
    assert results["summary"]["green_ratio"] == expected["green_ratio"]
    service.execute("city", {"place": {"id": "sample:sampleton"}, "period": "2024"}, async_=True)
    assert service.response_headers["location"] == there, "the same question is answered at once"


def test_pystac_client_walks_to_every_file(answered, url):
    catalog = Client.open(f"{url}/stac")
    assert [one.id for one in catalog.get_collections()] == ["howgreen"]
    collection = catalog.get_collection("howgreen")
    items = list(collection.get_items())
    assert [one.id for one in items] == [answered.result]
    item = items[0]
    assert item.properties["howgreen:green_ratio"] == pytest.approx(0.594, abs=0.01)
    assert item.assets["green_fraction.tif"].roles == ["data"]
    for asset in item.assets.values():
        got = httpx.head(asset.href)
        assert got.status_code in {200, 405}, asset.href
        assert int(httpx.get(asset.href).headers["content-length"]) > 0
    assert collection.get_item(answered.result).id == answered.result


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"bbox": [-33.1, 45, -32.9, 45.1]}, 1),
        ({"bbox": [11, 46, 12, 47]}, 0),
        ({"bbox": [170, 40, -30, 50]}, 1),  # across the antimeridian, to the east as far as the city
        ({"bbox": [170, 40, -170, 50]}, 0),
        ({"datetime": "2024-06-01/2024-06-30"}, 1),
        ({"datetime": "2023-01-01/2023-12-31"}, 0),
        ({"datetime": "2024-06-01/.."}, 1),
        ({"collections": ["other"]}, 0),
    ],
)
def test_pystac_client_finds_by_place_and_days(url, where, found):
    assert len(list(Client.open(f"{url}/stac").search(**where).items())) == found


def test_items_are_read_and_written_back_by_pystac_alike(answered, url):
    told = httpx.get(f"{url}/stac/collections/howgreen/items/{answered.result}").json()
    item = pystac.Item.from_dict(told)
    again = item.to_dict(include_self_link=True, transform_hrefs=False)
    assert again["assets"] == told["assets"]
    assert again["geometry"] == json.loads(json.dumps(told["geometry"]))
    assert pystac.Collection.from_dict(httpx.get(f"{url}/stac/collections/howgreen").json()).id == "howgreen"


def test_a_rasterio_reads_the_report_over_http(answered, url):
    import rasterio

    files = httpx.get(f"{url}/results/{answered.result}").json()["files"]
    there = next(one["href"] for one in files if one["href"].endswith("landcover.tif"))
    part = httpx.get(url + there, headers={"Range": "bytes=0-99"})
    assert part.status_code == 206
    assert len(part.content) == 100
    with rasterio.io.MemoryFile(httpx.get(url + there).content) as memory, memory.open() as file:
        assert file.count == 1


def test_who_was_cut_off_hears_the_rest(rig, city, report):
    """A stream that is broken off in the middle goes on behind the last number that arrived."""
    rig.ask(city)
    job = rig.work()
    rig.jobs.tell(job, "progress", {"stage": "reading", "done": 1, "of": 8, "percent": 10})
    with listening(rig.app) as url:
        there, last = f"{url}/jobs/{job.id}/events", None
        with httpx.stream("GET", there, timeout=30) as stream:
            for line in stream.iter_lines():
                if line.startswith("id: "):
                    last = line[4:]
                if line.startswith("event: progress"):
                    break  # the tab is hidden, or the network gone
        rig.jobs.tell(job, "date", {"date": "2024-06-15", "clear": 0.9, "taken": True, "bytes": 1})
        rig.answer(job, report)
        rest = httpx.get(there, headers={"Last-Event-ID": last}, timeout=30).text
    kinds = [line[7:] for line in rest.splitlines() if line.startswith("event: ")]
    assert kinds == ["date", "status", "status"]


def test_events_come_as_they_happen(rig, city):
    rig.ask(city)
    with (
        listening(rig.app) as url,
        httpx.stream("GET", f"{url}/jobs/{rig.jobs.jobs()[0].id}/events", timeout=30) as stream,
    ):
        lines = stream.iter_lines()
        seen = []
        for line in lines:
            seen.append(line)
            if line.startswith("event: status"):
                break
        job = rig.work()
        begun = time.monotonic()
        for line in lines:
            if '"running"' in line:
                break
        assert time.monotonic() - begun < 5
        rig.jobs.fail(job, "no images")
        assert any('"failed"' in line for line in lines), "and the stream ends by itself"


def qgis_there() -> bool:
    if not Path(PYTHON).exists():
        return False
    return subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False).returncode == 0


LOADS = """
import json, sys
from qgis.core import QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsRasterLayer, QgsRectangle, QgsCoordinateReferenceSystem
from qgis.PyQt.QtCore import QSize
app = QgsApplication([], False); app.initQgis()
told = json.load(open(sys.argv[1]))
tiles = told["tiles"][0].replace("{", "%7B").replace("}", "%7D")
layer = QgsRasterLayer(f"type=xyz&url={tiles}&zmin={told['minzoom']}&zmax={told['maxzoom']}", "tiles", "wms")
settings = QgsMapSettings(); settings.setLayers([layer])
crs = QgsCoordinateReferenceSystem("EPSG:3857"); settings.setDestinationCrs(crs)
settings.setExtent(QgsRectangle(*map(float, sys.argv[3:7]))); settings.setOutputSize(QSize(400, 400))
job = QgsMapRendererParallelJob(settings); job.start(); job.waitForFinished()
job.renderedImage().save(sys.argv[2])
print("valid" if layer.isValid() else "not valid")
"""


def test_qgis_shows_the_tiles(answered, url, report, tmp_path):
    if not qgis_there():
        pytest.skip("needs Debian's python3-qgis")
    import numpy as np
    from PIL import Image
    from pyproj import Transformer

    told = httpx.get(f"{url}/results/{answered.result}/tiles/classes/tilejson.json").json()
    (tmp_path / "t.json").write_text(json.dumps(told))
    (tmp_path / "load.py").write_text(LOADS)
    west, south, east, north = told["bounds"]
    box = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True).transform_bounds(west, south, east, north)
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(tmp_path),
        "HOME": str(tmp_path),
    }
    environment.pop("PYTHONPATH", None)
    out = tmp_path / "seen.png"
    done = subprocess.run(
        [PYTHON, str(tmp_path / "load.py"), str(tmp_path / "t.json"), str(out), *map(str, box)],
        env=environment, check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.strip().endswith("valid"), done.stderr
    seen = np.asarray(Image.open(out).convert("RGB"))
    classes = json.loads((report / "summary.json").read_text())["model"]["classes"]
    for one in classes:
        if one["name"] in {"vegetation", "built", "water"}:
            share = (np.abs(seen.astype(int) - list(bytes.fromhex(one["colour"][1:]))).max(axis=-1) <= 2).mean()
            assert share > 0.05, one["name"]
