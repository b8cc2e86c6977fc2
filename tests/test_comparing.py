"""The whole comparison on the synthetic city, against figures counted apart from its truth, and over HTTP."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import jsonschema
import numpy as np
import pytest
import rasterio
import shapely
from rio_cogeo import cog_validate

from faults import Faults
from howgreen import sample
from howgreen.cli import howgreen as command
from howgreen.compare import LEGENDS
from howgreen.core.agreement import BOTH, NEITHER, NOT_COMPARED, ONLY_OURS, ONLY_THEIRS
from howgreen.core.errors import ImageError, NetworkError, PlanError
from howgreen.core.geometry import project
from howgreen.core.grid import inside
from howgreen.net.endpoints import Endpoints
from howgreen.net.http import RetryPolicy
from howgreen.net.network import Network
from howgreen.pipeline import city as pipeline
from howgreen.pipeline import compare_maps
from howgreen.pipeline.schemas import schemas
from howgreen.report._details import pieces
from howgreen.report._language import catalogue, language

OFFLINE = Network(offline=True)
TO_WORLDCOVER = {1: 10, 2: 20, 3: 30, 4: 40, 5: 60, 6: 60, 7: 50, 8: 50, 9: 50, 10: 80, 11: 80}
TO_CORINE = {10: "311", 20: "324", 30: "231", 40: "211", 50: "112", 60: "331", 80: "523"}


@pytest.fixture(scope="module")
def result(sampleton, tmp_path_factory):
    planned = pipeline.plan("Sampleton", store=sampleton)
    return pipeline.run(planned, work=tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def truth(sampleton, tmp_path_factory):
    """A WorldCover-like map of the simulated truth: synthetic, on the city's own grid, in WorldCover's codes."""
    with rasterio.open(sample.truth(sampleton).classes_10m) as file:
        classes, transform, crs = file.read(1), file.transform, file.crs
    codes = np.zeros(256, np.uint8)
    codes[list(TO_WORLDCOVER)] = list(TO_WORLDCOVER.values())
    path = tmp_path_factory.mktemp("maps") / "truth_as_worldcover.tif"
    with rasterio.open(path, "w", driver="COG", count=1, dtype="uint8", height=classes.shape[0], width=classes.shape[1],
                       crs=crs, transform=transform, nodata=0) as file:  # fmt: skip
        file.write(codes[classes], 1)
    return path


@pytest.fixture(scope="module")
def squares(truth):
    """A CORINE-like map: the commonest class of squares of 500 m, as polygons in Europe's CRS of such files."""
    with rasterio.open(truth) as file:
        codes, t = file.read(1), file.transform
    rows = []
    for top in range(0, codes.shape[0], 50):
        for left in range(0, codes.shape[1], 50):
            part = codes[top : top + 50, left : left + 50]
            commonest = int(np.bincount(part.ravel()).argmax())
            west, north = t.c + t.a * left, t.f + t.e * top
            east, south = west + t.a * part.shape[1], north + t.e * part.shape[0]
            rows.append((TO_CORINE[commonest], shapely.box(west, south, east, north)))
    frame = gpd.GeoDataFrame(
        {"Code_18": [code for code, _ in rows]}, geometry=[box for _, box in rows], crs="EPSG:32625"
    )
    path = truth.parent / "corine.gpkg"
    frame.to_file(path, layer="U2018_CLC2018", driver="GPKG")
    return path


@pytest.fixture(scope="module")
def made(result, truth, squares, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "layers"
    wanted = compare_maps.LayerOptions(worldcover=str(truth), corine=str(squares), network=OFFLINE)
    return out, compare_maps.layers(result, wanted, out=out)


@pytest.fixture(scope="module")
def answer(result, tmp_path_factory):
    """The city's own report: its maps are the other side of the count."""
    out = tmp_path_factory.mktemp("report") / "city"
    return out, pipeline.write(result, out)


def read(path):
    with rasterio.open(path) as file:
        return file.read(1)


def test_the_agreement_is_that_of_the_reports_mask_and_the_truth(result, made, answer, truth):
    """Counted apart: the mask of the city's own report (0, 1, 255 outside, unseen or water) against the codes."""
    out, found = made
    mask, codes = read(answer[0] / "green_mask.tif"), read(truth)
    centres = inside(project(result.plan.city.boundary, str(result.plan.grid.crs)), result.plan.grid)
    common = (mask != 255) & centres & (codes != 80) & (codes != 0)
    green = np.isin(codes, (10, 20, 30, 40))
    expected = np.full(mask.shape, NOT_COMPARED, np.uint8)
    for ours, theirs, code in ((1, 1, BOTH), (1, 0, ONLY_OURS), (0, 1, ONLY_THEIRS), (0, 0, NEITHER)):
        expected[common & (mask == ours) & (green == theirs)] = code
    np.testing.assert_array_equal(read(out / "agreement_worldcover.tif"), expected)
    city = found["layers"][1]["city"]
    counts = {code: 100.0 * np.count_nonzero(expected == code) for code in (BOTH, ONLY_OURS, ONLY_THEIRS, NEITHER)}
    assert [city[key] for key in ("both_m2", "only_ours_m2", "only_theirs_m2", "neither_m2")] == list(counts.values())
    assert city["their_ratio"] == pytest.approx(green[common].mean())
    assert city["our_pixel_ratio"] == pytest.approx((mask[common] == 1).mean())
    assert city["overall_agreement"] == pytest.approx(((mask == 1) == green)[common].mean())
    fraction = read(answer[0] / "green_fraction.tif")
    assert city["our_ratio"] == pytest.approx(fraction[common].mean(), abs=1e-4)


def test_the_truth_of_the_synthetic_city_is_met(made, sampleton):
    """Majority classes of the truth give nearly its pixel ratio, and we agree with it in at least nine pixels of ten."""
    city = made[1]["layers"][1]["city"]
    assert city["their_ratio"] == pytest.approx(sample.truth(sampleton).green_pixel_ratio, abs=0.02)
    assert city["overall_agreement"] > 0.9
    assert city["kappa"] > 0.8
    assert made[1]["layers"][0]["city"]["kappa"] < city["kappa"]  # squares of 500 m know less


def test_districts_make_up_the_city(made):
    for layer in made[1]["layers"]:
        for key in ("both_m2", "only_ours_m2", "only_theirs_m2", "neither_m2", "observed_m2"):
            assert sum(zone[key] for zone in layer["districts"]) == pytest.approx(layer["city"][key], rel=2e-3)


def test_the_folder_holds_what_its_summary_says(made):
    out, found = made
    written = json.loads((out / "summary.json").read_text())
    assert written == found.to_dict()
    jsonschema.validate(written, schemas()["report/layers.schema.json"], cls=jsonschema.Draft202012Validator)
    rasters = {name for name in written["files"] if name.endswith(".tif")}
    beside = {f"{name}.aux.xml" for name in rasters} | {name.replace(".tif", ".qml") for name in rasters}
    assert {path.name for path in out.iterdir()} == set(written["files"]) | beside
    for key in ("corine", "worldcover"):
        path = out / f"agreement_{key}.tif"
        assert cog_validate(str(path))[0]
        with rasterio.open(path) as file:
            assert file.colormap(1)[BOTH] == (47, 125, 79, 255)
            assert file.tags(1)["CLASS_2"] == "only ours green"
    assert written["synthetic"] is True
    assert "SYNTHETIC" in (out / "layers.html").read_text()


def test_what_both_schemas_describe_they_describe_alike():
    ours, layers = (schemas()[f"report/{name}.schema.json"] for name in ("summary", "layers"))
    shared = set(ours["properties"]) & set(layers["properties"]) - {"format", "files", "notes", "attributions"}
    assert {key: layers["properties"][key] for key in shared} == {key: ours["properties"][key] for key in shared}
    for key in set(ours["$defs"]) & set(layers["$defs"]):
        assert layers["$defs"][key] == ours["$defs"][key]


def test_cropland_is_the_readers_choice(result, truth, tmp_path):
    codes, ratios = read(truth), {}
    for cropland in ("green", "not-green", "left-out"):
        wanted = compare_maps.LayerOptions(worldcover=str(truth), network=OFFLINE, cropland=cropland)
        ratios[cropland] = compare_maps.layers(result, wanted, out=tmp_path / cropland)["layers"][0]["city"]
    assert ratios["green"]["their_ratio"] > ratios["left-out"]["their_ratio"] > ratios["not-green"]["their_ratio"]
    fields = ratios["green"]["compared_m2"] - ratios["left-out"]["compared_m2"]
    assert 0 < fields <= 100 * np.count_nonzero(codes == 40)
    moved = ratios["green"]["their_ratio"] - ratios["not-green"]["their_ratio"]
    assert moved == pytest.approx(fields / ratios["green"]["compared_m2"])


def test_tiles_over_http_give_what_the_file_gives(result, truth, made, tmp_path):
    """The public layout on the loopback: one tile of two is there, the other would be open sea."""
    from howgreen.compare import tile_names

    root = tmp_path / "map"
    root.mkdir()
    names = tile_names(result.plan.city.boundary)
    shutil.copy(truth, root / f"ESA_WorldCover_10m_2021_v200_{names[0]}_Map.tif")
    with Faults(root=tmp_path) as server:
        wanted = compare_maps.LayerOptions(
            layers=("worldcover",), network=Network(endpoints=Endpoints(worldcover=f"{server.url}/map"))
        )
        found = compare_maps.layers(result, wanted, out=tmp_path / "out")
        assert found["layers"][0]["city"] == made[1]["layers"][1]["city"]
        assert found["layers"][0]["source"] == f"{server.url.removeprefix('http://')}/map"
        server.fail("status", status=403)
        with pytest.raises(NetworkError, match=r"ESA_WorldCover.*\(HTTP 403\)"):
            compare_maps.layers(result, wanted, out=tmp_path / "out2")
        assert not (tmp_path / "out2").exists()


def test_corine_comes_from_an_arcgis_server_as_from_a_file(result, squares, made, tmp_path):
    """The real layout of the answers, from a file server: one page; paging is tested where the pages are asked for."""
    folder = tmp_path / "MapServer" / "0"
    folder.mkdir(parents=True)
    (folder / "query").write_text(gpd.read_file(squares).to_crs("EPSG:4326").to_json())
    with Faults(root=tmp_path) as server:
        network = Network(
            endpoints=Endpoints(corine=f"{server.url}/MapServer/0"),
            cache=tmp_path / "kept",
            retry=RetryPolicy(tries=3, pause_s=0, first_wait_s=0.01),
        )
        wanted = compare_maps.LayerOptions(layers=("corine",), network=network)
        found = compare_maps.layers(result, wanted, out=tmp_path / "out")
        (folder / "query").write_text('{"error": {"code": 500, "message": "Error performing query"}}')
        elsewhere = compare_maps.LayerOptions(layers=("corine",), network=replace(network, cache=tmp_path / "new"))
        with pytest.raises(
            NetworkError, match=r"CORINE service gave no answer .*Error performing query.* give --corine FILE"
        ):
            compare_maps.layers(result, elsewhere, out=tmp_path / "out2")
    ours, file = found["layers"][0], made[1]["layers"][0]
    assert ours["label"] == "CORINE Land Cover 2018"
    for key, value in file["city"].items():  # a GeoJSON has fewer digits: single pixels on an edge may differ
        assert ours["city"][key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-3, abs=2000))


def test_what_was_not_asked_for_by_name_is_passed_over_with_a_note(result, squares, tmp_path):
    nothing = compare_maps.LayerOptions(network=Network(offline=True, cache=tmp_path))
    with pytest.raises(ImageError, match=r"offline, no other map .* \(CORINE Land Cover, .*give one, as --corine FILE"):
        compare_maps.layers(result, nothing, out=tmp_path / "a")
    asked = compare_maps.LayerOptions(layers=("dynamic-world",), network=Network(offline=True, cache=tmp_path))
    with pytest.raises(ImageError, match="give --dynamic-world FILE"):
        compare_maps.layers(result, asked, out=tmp_path / "a")
    with pytest.raises(PlanError, match="layer 'modis' is unknown"):
        compare_maps.LayerOptions(layers=("modis",))
    with pytest.raises(ImageError, match=r"gone\.gpkg: no such file"):
        compare_maps.layers(result, compare_maps.LayerOptions(corine="gone.gpkg"), out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_the_command_sends_its_folder_to_a_storage(at_home, sampleton, truth):
    import fsspec
    from click.testing import CliRunner

    storage = fsspec.filesystem("memory")
    asked = ["layers", "Sampleton", "--store", str(sampleton), "--offline", "--worldcover", str(truth)]
    found = CliRunner().invoke(command, [*asked, "--out", "memory://cities/layers"], catch_exceptions=False)
    assert found.exit_code == 0
    assert "ESA WorldCover 2021 v200: ours 59% green, theirs" in found.output
    assert "page: memory://cities/layers/layers.html" in found.output
    assert json.loads(storage.cat_file("/cities/layers/summary.json"))["format"] == "howgreen-layers/1"
    assert storage.exists("/cities/layers/agreement_worldcover.tif")
    storage.rm("/cities", recursive=True)


def test_a_result_saves_itself_to_a_storage(result):
    import fsspec

    storage = fsspec.filesystem("memory")
    summary = result.save("memory://saved/city")
    there = {Path(path).name for path in storage.find("/saved/city")}
    assert set(summary["files"]) <= there
    storage.rm("/saved", recursive=True)


def test_the_page_is_in_the_language_that_was_asked_for(result, truth, tmp_path):
    wanted = compare_maps.LayerOptions(worldcover=str(truth), network=OFFLINE, cropland="left-out")
    compare_maps.layers(result, wanted, out=tmp_path / "fr", language="fr")
    html = (tmp_path / "fr" / "layers.html").read_text(encoding="utf-8")
    assert '<html lang="fr"' in html
    body = html.partition("<body>")[2]
    known = catalogue("fr")
    legend = LEGENDS["worldcover"]
    said = [
        legend.note,
        legend.detail,
        *(one.name for one in legend.classes),
        *(one.why for one in legend.classes if one.why),
    ]
    assert [text for text in said if known[text] not in body] == []
    assert "Les champs des autres cartes sont laissés de côté." in body
    assert [
        text for text in ("Ours", "theirs", "Where", "agree", "green", "pixels compared") if f" {text} " in body
    ] == []


@pytest.mark.parametrize("code", ["de", "es", "fr"])
def test_why_a_map_was_left_out_is_told_in_the_language(code):
    """Errors travel in notes and warnings; the commonest have templates, so that a reader need not know English."""
    for text in (
        "CORINE Land Cover was left out: The EEA's CORINE service may not be asked (offline), and has not been asked this before; give --corine FILE",
        "Dynamic World V1 was left out: Dynamic World has no public address without an account; export it and give --dynamic-world FILE",
        "ESA WorldCover 2021 v200 was left out: WorldCover's tiles may not be asked for (offline); give --worldcover FILE",
        "image A was left out: example.org/A.tif: is out of order (HTTP 503); run the same again, it goes on from what it has",
    ):
        assert [part for part, known in pieces(text, language(code)) if not known and part != "example.org/A.tif"] == []


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_page_shows_each_map_with_the_network_off(browser, made):
    tab = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True).new_page()
    troubles = []
    tab.on("console", lambda m: troubles.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on("request", lambda r: troubles.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    tab.goto((made[0] / "layers.html").as_uri())
    assert tab.locator("#map-corine").is_visible()
    assert not tab.locator("#map-worldcover").is_visible()
    tab.check("#pick-worldcover")
    assert tab.locator("#map-worldcover").is_visible()
    assert not tab.locator("#map-corine").is_visible()
    tab.click("[data-layer='']")
    assert tab.evaluate("getComputedStyle(document.getElementById('classes')).visibility") == "hidden"
    before = tab.evaluate("document.querySelector('.world').style.transform")
    tab.click("[data-do=in]")
    assert tab.evaluate("document.querySelector('.world').style.transform") != before
    assert tab.locator("[data-testid=agreement] tbody tr").count() == 2
    assert troubles == []


def test_a_map_that_agrees_by_chance_alone_gets_a_warning(result, truth, tmp_path):
    """Somebody else's city, or a legend that no rule knows: the figures are there, and the doubt beside them."""
    from howgreen.core.warnings import HowgreenWarning

    with rasterio.open(truth) as file:
        profile, codes = file.profile, file.read(1)
    with rasterio.open(tmp_path / "any.tif", "w", **profile) as file:
        file.write(np.random.default_rng(4).permuted(codes.ravel()).reshape(codes.shape), 1)
    wanted = compare_maps.LayerOptions(worldcover=str(tmp_path / "any.tif"), network=OFFLINE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", HowgreenWarning)
        found = compare_maps.layers(result, wanted, out=tmp_path / "out")
    (told,) = (one.message.caution for one in caught if isinstance(one.message, HowgreenWarning))
    assert told.code == "map-doubtful"
    assert "any.tif: agrees with the answer no better than chance" in told.text
    assert abs(found["layers"][0]["city"]["kappa"]) < 0.05
