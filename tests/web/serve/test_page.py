"""The page of `howgreen serve` in a real browser, against a real server that measures Sampleton, with no network but the loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import shapely

from browsing import NARROW, SHOTS, WIDE, km2, shot, told
from howgreen.core.geometry import geodesic_area_m2

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium (apt-get install chromium)"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
pytest.importorskip("fastapi", reason="needs the extra [web]")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(data: Path, *options: str) -> Iterator[str]:
    """A server of its own, as a person starts it."""
    port = free_port()
    with (data / "server.log").open("wb") as log:
        command = ["-m", "howgreen.cli", "serve", "--port", str(port), "--data", str(data / "data"), *options]
        server = subprocess.Popen([sys.executable, *command], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                told(f"{address}/health")
                break
            except OSError:
                assert server.poll() is None, (data / "server.log").read_text()
                time.sleep(0.1)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


@pytest.fixture(scope="module")
def address(tmp_path_factory, request):
    """The demo: Sampleton alone, offline; on PostgreSQL where HOWGREEN_PAGE_DATABASE says so."""
    wanted = os.environ.get("HOWGREEN_PAGE_DATABASE", "sqlite")
    database = ["--database", request.getfixturevalue("postgres")] if wanted == "postgresql" else []
    with serving(tmp_path_factory.mktemp("serve"), "--demo", *database) as address:
        yield address


@pytest.fixture(scope="module")
def bolzano(tmp_path_factory):
    """A server of one real image and its commune's limits."""
    real = Path(__file__).parents[4] / "shared" / "data" / "bolzano"
    if not real.is_dir():
        pytest.skip("no real data beside the checkout")
    folder = tmp_path_factory.mktemp("bolzano")
    add = ["store", "add", str(real / "S2_L2A_sample.tif"), "--city", "Bolzano", "--date", "2023-06-20"]
    options = [*add, "--area", str(real / "boundary.geojson"), "--store", str(folder / "shelf")]
    subprocess.run([sys.executable, "-m", "howgreen.cli", *options], check=True, capture_output=True)
    with serving(folder, "--offline", "--store", str(folder / "shelf")) as address:
        yield address


@pytest.fixture(scope="module")
def sampleton(address):
    """The id of Sampleton's answer, measured once for all."""
    found = told(f"{address}/places?q=sampleton")["places"][0]["id"]
    return measured(address, {"place": {"id": found}})


def measured(address, inputs) -> str:
    body = json.dumps({"inputs": inputs}).encode()
    asked = urllib.request.Request(
        f"{address}/processes/city/execution",
        body,
        {"Content-Type": "application/json", "Prefer": "respond-async"},
    )
    job = told(asked)
    for _ in range(900):
        if job["status"] in ("successful", "failed"):
            break
        time.sleep(0.1)
        job = told(f"{address}/jobs/{job['jobID']}")
    assert job["status"] == "successful", job
    return job["result"]


def serious(tab) -> list[str]:
    """What axe finds that is serious or worse."""
    import axe_playwright_python

    tab.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text())
    found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:150]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def clicks(tab, *corners):
    for x, y in corners:
        tab.mouse.move(x, y)
        tab.wait_for_timeout(50)
        tab.mouse.click(x, y)
        tab.wait_for_timeout(80)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_name_is_typed_measured_and_answered(open_tab, address, size):
    name = "wide" if size is WIDE else "narrow"
    tab = open_tab(address, size=size)
    tab.wait_for_selector("#query")
    assert serious(tab) == []
    shot(tab, f"{name}-1-question")
    tab.fill("#query", "samp")
    tab.wait_for_selector("[role=option]")
    tab.press("#query", "ArrowDown")
    assert tab.get_attribute("#query", "aria-activedescendant") == "candidate-0"
    tab.press("#query", "Enter")
    tab.wait_for_selector("button.go:enabled")
    assert abs(km2(tab) - 60) < 0.2
    assert tab.evaluate("document.activeElement.id") == "panel", "keys go on where the screen begins"
    assert serious(tab) == []
    shot(tab, f"{name}-2-limits")
    tab.click("button.go")
    tab.wait_for_selector(".number", state="attached")
    assert re.fullmatch(r"59 % green", re.sub(r"\s+", " ", tab.text_content(".number")))
    assert "#r=" in tab.url
    assert tab.text_content(".synthetic strong") == "SYNTHETIC"
    assert re.search(r"Between 36% and 82%, 19 times out of 20", tab.text_content(".between"))
    assert serious(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "the page must not scroll sideways"
    shot(tab, f"{name}-4-answer")


def test_limits_are_drawn_by_hand_with_a_hole_and_an_exclave(open_tab, address):
    found = told(f"{address}/places?q=sampleton")["places"][0]["id"]
    tab = open_tab(address, f"#p={found}")
    tab.click("text=Change the limits")
    tab.wait_for_selector("[data-mode=select][aria-pressed=true]")
    tab.wait_for_timeout(400)
    whole = km2(tab)
    tab.click("text=Cut a hole")
    clicks(tab, (800, 400), (900, 400), (900, 500), (800, 500))
    tab.keyboard.press("Enter")
    tab.wait_for_timeout(700)
    holed = km2(tab)
    assert 0.5 < whole - holed < 2
    tab.click("text=Draw a part")
    clicks(tab, (560, 820), (580, 820), (580, 880), (480, 880), (480, 820), (560, 820), (560, 820))
    tab.click("text=Move corners")
    tab.wait_for_timeout(700)
    assert km2(tab) > holed
    # The page's own sum of the ellipsoid's area is that of many short geodesics, and the server's but for the edges' bend.
    areas = tab.evaluate("""async () => {
        const { areaOf } = await import('/static/geodesy.js');
        const shape = {type: 'Polygon', coordinates: [[[11.32, 46.44], [11.35, 46.442], [11.341, 46.46], [11.32, 46.44]], [[11.335, 46.445], [11.338, 46.45], [11.34, 46.445], [11.335, 46.445]]]};
        const {check} = await import('/static/api.js');
        return [areaOf(shape) / 1e6, (await check(shape)).area_km2];
    }""")
    rings = [[(11.32, 46.44), (11.35, 46.442), (11.341, 46.46)], [(11.335, 46.445), (11.338, 46.45), (11.34, 46.445)]]
    fine = shapely.segmentize(shapely.Polygon(rings[0], rings[1:]), 1e-4)
    assert areas[0] == pytest.approx(geodesic_area_m2(fine) / 1e6, rel=1e-7)
    assert areas[0] == pytest.approx(areas[1], rel=2e-4)
    shot(tab, "wide-drawn")
    # A corner is dragged across: said at once, and nothing can be asked.
    before = km2(tab)
    tab.mouse.click(850, 700)
    tab.wait_for_timeout(400)
    shot(tab, "wide-corners")
    tab.click("text=Clear")
    assert tab.text_content(".size") == "Nothing is drawn yet."
    clicks(tab, (600, 300), (900, 300), (900, 600), (600, 600))
    tab.keyboard.press("Enter")
    tab.wait_for_timeout(500)
    drawn = km2(tab)
    tab.mouse.move(900, 600)
    tab.wait_for_timeout(300)
    tab.mouse.down()
    tab.mouse.move(500, 450, steps=8)
    tab.mouse.up()
    tab.wait_for_selector(".problem:not(:empty)")
    assert "crosses itself near" in tab.text_content(".problem")
    assert tab.is_disabled("button.go")
    tab.click("text=Undo")
    tab.wait_for_timeout(600)
    assert km2(tab) == drawn
    assert before > 0


def test_a_square_that_is_drawn_is_measured_and_called_by_its_name(open_tab, address):
    tab = open_tab(address, "#v=-32.98,45.04,12.5")
    tab.click("text=Draw an area")
    tab.wait_for_selector("[data-mode=part][aria-pressed=true]")
    clicks(tab, (800, 350), (950, 350), (950, 500), (800, 500))
    tab.keyboard.press("Enter")
    tab.wait_for_timeout(600)
    tab.fill("#own-name", "<b>Mine</b> & yours")
    tab.click("button.go:enabled")
    tab.wait_for_selector(".number")
    assert "<b>Mine</b> & yours" in tab.text_content("h1.place"), "a name is text"
    assert tab.locator("h1.place b").count() == 0


def test_a_file_of_limits_is_uploaded_and_a_bad_one_is_refused_in_a_line(open_tab, address):
    tab = open_tab(address)
    square = [[-32.99, 45.03], [-32.97, 45.03], [-32.97, 45.05], [-32.99, 45.05], [-32.99, 45.03]]
    feature = {
        "type": "Feature",
        "properties": {"name": "<img src=x onerror=alert(1)>"},
        "geometry": {"type": "Polygon", "coordinates": [square]},
    }
    tab.set_input_files(
        "#upload",
        {"name": "mine.geojson", "mimeType": "application/geo+json", "buffer": json.dumps(feature).encode()},
    )
    tab.wait_for_selector("button.go:enabled")
    assert 3.4 < km2(tab) < 3.6
    assert tab.locator("main img[src=x]").count() == 0
    again = open_tab(address)
    again.set_input_files("#upload", {"name": "mine.geojson", "mimeType": "text/plain", "buffer": b"<VRTDataset/>"})
    again.wait_for_selector(".problem:not(:empty)")
    assert "\n" not in again.text_content(".problem").strip()
    open_tab.troubles[:] = [one for one in open_tab.troubles if "status of 4" not in one]  # the refusal itself


def test_a_pixel_and_a_district_tell_their_story(open_tab, address, sampleton):
    tab = open_tab(address, f"#r={sampleton}")
    tab.wait_for_selector(".bars.districts")
    tab.wait_for_timeout(800)
    tab.mouse.click(925, 365)
    tab.wait_for_selector(".spectrum svg")
    assert re.search(r"\d+% green, give or take \d+ points", tab.text_content(".here"))
    assert re.search(r"Seen clearly on \d+ of 8 dates", tab.text_content(".here"))
    assert tab.locator(".spectrum .dot").count() >= 8
    assert tab.locator(".zone h3").count() == 1
    assert "d=" in tab.url
    shot(tab, "wide-pixel")
    tab.click(".districts button >> text=Old Town")
    assert tab.text_content(".zone h3") == "Old Town"
    tab.keyboard.press("Tab")
    tab.click("text=What is in the middle?")
    tab.wait_for_selector(".spectrum svg")
    assert serious(tab) == []


def test_layers_fade_and_part_and_a_link_opens_the_very_view(open_tab, address, sampleton):
    tab = open_tab(address, f"#r={sampleton}")
    tab.wait_for_selector(".layers")
    for layer in ("photo", "classes", "uncertainty", "n_clear"):
        tab.check(f".layers input[value={layer}]")
        tab.wait_for_timeout(500)
        shot(tab, f"layer-{layer}")
        assert tab.locator(".legend li").count() >= (0 if layer == "photo" else 2)
    tab.check(".layers input[value=fraction]")
    tab.select_option("#against", "photo")
    tab.wait_for_selector(".rule")
    box = tab.locator(".rule").bounding_box()
    assert abs(box["x"] + 14 - 700) < 2
    tab.mouse.move(box["x"] + 14, 450)
    tab.mouse.down()
    tab.mouse.move(1000, 450, steps=5)
    tab.mouse.up()
    tab.wait_for_timeout(400)
    assert re.search(r"s=photo&at=7[01]", tab.url)
    tab.focus("input.swipe")
    tab.keyboard.press("ArrowLeft")
    tab.fill("#opacity", "60")
    tab.mouse.move(1100, 300)
    tab.mouse.wheel(0, -400)
    tab.wait_for_timeout(1500)
    shot(tab, "wide-swipe")
    view = re.search(r"v=([-\d.,]+)", tab.url).group(1)
    again = open_tab(address, tab.url.split("/", 3)[3])
    again.wait_for_selector(".rule")
    again.wait_for_timeout(800)
    assert re.search(r"v=([-\d.,]+)", again.url).group(1) == view
    assert again.input_value("#opacity") == "60"
    assert again.input_value("#against") == "photo"
    at = tab.input_value("input.swipe")
    assert again.input_value("input.swipe") == at
    shot(again, "wide-swipe-again")


def test_a_measurement_survives_a_reload_and_can_be_stopped(open_tab, address):
    square = [[-33.0, 45.02], [-32.95, 45.02], [-32.95, 45.06], [-33.0, 45.06], [-33.0, 45.02]]
    body = {"inputs": {"place": {"type": "Polygon", "coordinates": [square]}, "name": "to be stopped"}}
    asked = urllib.request.Request(
        f"{address}/processes/city/execution", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    job = told(asked)["jobID"]
    tab = open_tab(address, f"#j={job}", size=NARROW)
    tab.wait_for_selector("h1:has-text('to be stopped')")
    shot(tab, "narrow-3-running")
    tab.reload()
    tab.wait_for_selector("h1:has-text('to be stopped')")
    if tab.locator("text=Stop measuring").count():
        tab.click("text=Stop measuring")
        tab.click("text=Ask again")
        tab.wait_for_selector("button.go:enabled")
        assert tab.input_value("#own-name") == "to be stopped"


def test_answers_stand_side_by_side_at_one_scale(open_tab, address, sampleton):
    square = [[-33.0, 45.03], [-32.96, 45.03], [-32.96, 45.05], [-33.0, 45.05], [-33.0, 45.03]]
    other = measured(address, {"place": {"type": "Polygon", "coordinates": [square]}, "name": "Part"})
    tab = open_tab(address)
    tab.wait_for_selector(".answers input")
    for label in ("Sampleton", "Part"):
        tab.check(f".answers li:has-text('{label}') input >> nth=0")
    tab.click("text=Show side by side")
    tab.wait_for_selector(".grid figure >> nth=1")
    tab.wait_for_selector(".compared")
    tab.wait_for_timeout(1500)
    assert tab.locator(".compared tbody tr").count() == 2
    assert "cannot be told apart" in tab.text_content(".screen")
    assert serious(tab) == []
    shot(tab, "wide-side-by-side")
    narrow = open_tab(address, f"#r={sampleton},{other}", size=NARROW)
    narrow.wait_for_selector(".grid figure >> nth=1")
    narrow.wait_for_timeout(1500)
    shot(narrow, "narrow-side-by-side")


def test_places_are_looked_at_from_the_answer_and_the_estimate_leads(open_tab, address, sampleton):
    tab = open_tab(address, f"#r={sampleton}")
    tab.fill("#reader", "ann")
    tab.click("text=Begin to look")
    tab.wait_for_selector("#views img")
    assert tab.url == f"{address}/label/{sampleton}/ann/"
    for _ in range(9):
        tab.keyboard.press("g")
    tab.wait_for_selector("body[data-done='1']")
    looked = tab.evaluate("""async () => {
        const state = await (await fetch('state.json')).json();
        for (const [at, unit] of state.queue.slice(1, 60).entries()) {
            const {asked} = await (await fetch(`unit/${unit}/120.json`)).json();
            const pattern = [...asked].map((one, dot) => one === '1' ? ((unit + dot) % 10 < 6 ? 'g' : 'u') : '-').join('');
            const told = await fetch('answer', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({unit, pattern})});
            if (!told.ok) return await told.text();
        }
        return 'all';
    }""")
    assert looked == "all"
    state = told(f"{address}/results/{sampleton}/sample")
    assert (state["looked"], state["readers"]) == (60, 1)
    tab.click("text=Back to the map")
    tab.wait_for_selector(".number")
    shown = round(100 * state["estimate"]["ratio"])
    assert tab.text_content(".number").startswith(str(shown))
    assert "read by one person, and the map. The map alone says 59%" in tab.text_content(".screen")
    shot(tab, "wide-estimate")
    for reader in ("gold", "GOLD", "..", "a%2Fb", "<b>"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            told(f"{address}/label/{sampleton}/{urllib.parse.quote(reader)}/")
        with refused.value:
            assert refused.value.code in (404, 422)
    for unit, pattern in ((1, "g"), (10**6, "ggggggggg"), (2, "zzzzzzzzz")):
        body = json.dumps({"unit": unit, "pattern": pattern}).encode()
        asked = urllib.request.Request(
            f"{address}/label/{sampleton}/ann/answer", body, {"Content-Type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            told(asked)
        with refused.value:
            assert refused.value.code in (400, 422)


def test_only_readers_with_a_token_look_on_a_server_that_others_reach(tmp_path):
    from howgreen.web.serve.api_labels import offered
    from howgreen.web.serve.settings import Settings

    assert offered(Settings(data=tmp_path))
    assert not offered(Settings(data=tmp_path, host="0.0.0.0"))
    assert offered(Settings(data=tmp_path, host="0.0.0.0", tokens=tmp_path / "tokens"))


@pytest.mark.parametrize(("language", "words"), [("fr-FR", "de vert"), ("de-DE", "grün"), ("es-ES", "de verde")])
def test_other_languages(open_tab, address, sampleton, language, words):
    tab = open_tab(address, f"#r={sampleton}", language=language)
    tab.wait_for_selector(".number")
    assert words in tab.text_content(".number")
    assert tab.get_attribute("html", "lang") == language[:2]


def test_dark_and_on_paper(open_tab, address, sampleton):
    tab = open_tab(address, f"#r={sampleton}", color_scheme="dark")
    tab.wait_for_selector(".bars.districts")
    tab.wait_for_timeout(1000)
    assert serious(tab) == []
    shot(tab, "wide-dark")
    tab.emulate_media(media="print", color_scheme="light")
    shot(tab, "paper")
    SHOTS.mkdir(parents=True, exist_ok=True)
    tab.pdf(path=SHOTS / "paper.pdf", format="A4", print_background=True)


@pytest.mark.slow
def test_a_visitor_of_one_server_is_answered_by_the_worker_of_another(open_tab, postgres, tmp_path):
    """Two servers on one PostgreSQL: one has the pages, the other works; who works is stopped in the middle."""
    (tmp_path / "work").mkdir()
    database = f"{postgres.removesuffix('postgres')}template1"  # no other server's worker is there
    shared = ["--demo", "--database", database, "--data", str(tmp_path / "data")]
    with serving(tmp_path, *shared, "--workers", "0") as address:
        found = told(f"{address}/places?q=sampleton")["places"][0]["id"]
        tab = open_tab(address, f"#p={found}")
        tab.click("button.go:enabled")
        tab.wait_for_selector(".state:has-text('In line: number 1.'), .state:has-text('nobody works')")
        with serving(tmp_path / "work", *shared):
            tab.wait_for_selector(".stages li")
        tab.wait_for_selector(".state:has-text('In line: number 1.'), .state:has-text('nobody works')")
        with serving(tmp_path / "work", *shared):
            tab.wait_for_selector(".number")
        tab.close()


@pytest.mark.real
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_real_city_from_its_name_to_its_pixels(open_tab, bolzano, size):
    tab = open_tab(bolzano, size=size)
    tab.fill("#query", "bozen")
    tab.wait_for_selector("[role=option]:has-text('Bolzano')")
    tab.press("#query", "Enter")
    tab.click("button.go:enabled")
    tab.wait_for_selector(".number")
    assert 70 <= float(re.match(r"\d+", tab.text_content(".number")).group()) <= 80
    assert "15 % of the land" in tab.text_content(".doubts")
    assert "on one date" in tab.text_content(".facts")
    tab.wait_for_timeout(1500)
    box = tab.locator("#map").bounding_box()
    tab.mouse.click(box["x"] + box["width"] * (0.66 if size is WIDE else 0.5), box["y"] + box["height"] * 0.45)
    tab.wait_for_selector(".spectrum svg")
    assert tab.locator(".spectrum .dot").count() == 4, "a four-band image"
    shot(tab, f"bolzano-{'wide' if size is WIDE else 'narrow'}")
