"""What OpenStreetMap maps as green is a layer of a result, where the server has an extract that holds the place."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from PIL import Image
from test_serve_api import tile_of

import howgreen
from howgreen import report as reports
from howgreen.web.serve import child
from howgreen.web.serve.results import OSM_GREEN
from serving import SQUARE

PARK = (-32.994, 45.034, -32.986, 45.041)
"""West, south, east, north: inside SQUARE."""


def extract(path, *, held: bool):
    west, south, east, north = PARK if held else (10.0, 46.0, 10.1, 46.1)
    corners = [(west, south), (east, south), (east, north), (west, north)]
    nodes = "".join(f'<node id="{i}" version="1" lat="{y}" lon="{x}"/>' for i, (x, y) in enumerate(corners, start=1))
    refs = "".join(f'<nd ref="{i}"/>' for i in (1, 2, 3, 4, 1))
    bounds = f'<bounds minlat="{south - 0.1}" minlon="{west - 0.1}" maxlat="{north + 0.1}" maxlon="{east + 0.1}"/>'
    way = f'<way id="1" version="1">{refs}<tag k="leisure" v="park"/></way>'
    path.write_text(f'<osm version="0.6">{bounds}{nodes}{way}</osm>')
    return path


def added(rig, report, folder, osm):
    shutil.copytree(report, folder)
    told = []
    plan = SimpleNamespace(city=howgreen.place_from_geometry(SQUARE, name="Part"))
    child._add_osm_green(folder, plan, replace(rig.settings, osm=osm), lambda kind, data: told.append((kind, data)))
    return plan.city, told


def test_a_park_is_drawn_where_it_lies(rig, report, tmp_path):
    folder = tmp_path / "made"
    city, told = added(rig, report, folder, extract(tmp_path / "town.osm", held=True))
    assert told == []
    assert reports.is_unaltered(folder), "it is one of the folder's files"
    rig.ask(city)
    result = rig.answer(rig.work(), folder)
    with rig.client() as client:
        layer = next(one for one in client.get(f"/results/{result}").json()["layers"] if one["id"] == "osm")
        assert "OpenStreetMap contributors" in layer["legend"][0]["label"]
        x, y = tile_of((PARK[0] + PARK[2]) / 2, (PARK[1] + PARK[3]) / 2, 15)
        got = client.get(f"/results/{result}/tiles/osm/15/{x}/{y}.png")
    shown = np.asarray(Image.open(io.BytesIO(got.content)).convert("RGBA"))
    colours = {tuple(int(v) for v in one) for one in shown.reshape(-1, 4)}
    assert {(0x2E, 0x7D, 0x32, 255), (0xD6, 0xD0, 0xC4, 255)} <= colours


def test_an_extract_of_elsewhere_adds_no_layer_and_says_so(rig, report, tmp_path):
    _, told = added(rig, report, tmp_path / "made", extract(tmp_path / "far.osm", held=False))
    assert [kind for kind, _ in told] == ["note"]
    assert told[0][1]["text"].startswith("OpenStreetMap's green is not shown: ")
    assert str(tmp_path) not in told[0][1]["text"]
    assert not (tmp_path / "made" / OSM_GREEN).exists()
