"""The page where things go wrong: a full queue, limits that cannot be, no storage, no map, no answer, and people in a hurry."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from browsing import NARROW, km2, shot, told
from serving import Answered, listening

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium (apt-get install chromium)"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def address(answered: Answered) -> Iterator[str]:
    """A server with one answer."""
    with listening(answered.rig.app) as address:
        yield address


def outline(folder: Path, name: str, *corners: tuple[float, float]) -> Path:
    """A file of limits with one area."""
    shape = {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
    path = folder / f"limits{len(list(folder.iterdir()))}.geojson"
    path.write_text(json.dumps({"type": "Feature", "properties": {"name": name}, "geometry": shape}))
    return path


def forgive(open_tab, *words: str) -> None:
    """Leave out what has to stand in the console here; 404: these answers have no sample to look at."""
    open_tab.troubles[:] = [one for one in open_tab.troubles if not any(word in one for word in ("404", *words))]


def test_too_large_crossed_and_a_full_queue_are_said_on_the_page(open_tab, make_rig, tmp_path):
    with listening(make_rig(tmp_path / "data", queue=1, most_area_km2=50.0).app) as address:
        found = told(f"{address}/places?q=sampleton")["places"][0]["id"]
        tab = open_tab(address, f"#p={found}")
        tab.wait_for_selector(".problem:has-text('60.0 km² is too large: at most 50.0 km²')")
        assert not tab.is_enabled("button.go"), "said before anybody asks"
        tab.goto(f"{address}/#")
        crossed = outline(tmp_path, "crossed", (-33, 45), (-32.9, 45.1), (-32.9, 45), (-33, 45.1))
        tab.set_input_files("#upload", crossed)
        tab.wait_for_selector(".problem:has-text('crosses itself')")
        assert not tab.is_enabled("button.go")
        corners = ((-33, 45.03), (-32.98, 45.03), (-32.98, 45.045), (-33, 45.045))
        shape = {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
        body = json.dumps({"inputs": {"place": shape, "name": "first"}}).encode()
        kind = {"Content-Type": "application/json"}
        first = told(urllib.request.Request(f"{address}/processes/city/execution", body, kind))["jobID"]
        german = open_tab(address, size=NARROW, language="de-DE")
        german.set_input_files("#upload", outline(tmp_path, "<b>second</b>", *corners[1:], (-32.99, 45.02)))
        german.click("button.go:enabled")
        german.wait_for_selector(".problem:has-text('Warteschlange ist gerade voll. In 30 Sekunden')")
        assert german.text_content("h1") == "<b>second</b>"
        shot(german, "narrow-queue-full")
        german.goto(f"{address}/#j={first}")
        german.wait_for_selector(".state:has-text('Nummer 1'), .state:has-text('arbeitet niemand')")
        german.close()  # before its server is
        forgive(open_tab, "503")


def test_what_is_drawn_outlives_a_reload_another_language_and_back(open_tab, address, tmp_path):
    tab = open_tab(address)
    corners = ((-33, 45.03), (-32.98, 45.03), (-32.98, 45.045), (-33, 45.045))
    tab.set_input_files("#upload", outline(tmp_path, "mine", *corners))
    tab.click("text=Change the limits")
    tab.fill("#own-name", "My park")
    tab.select_option("#language", "de")
    tab.wait_for_selector("text=Ecken ziehen")
    assert tab.input_value("#own-name") == "My park"
    assert 2 < km2(tab) / 100 < 3, "2.63 km² with a German comma"
    tab.go_back()
    tab.wait_for_selector("#query")
    tab.click("text=Gebiet zeichnen")
    tab.wait_for_selector(".size:has-text('Noch ist nichts')")


def test_back_leads_past_a_measurement_that_is_over_and_links_to_views_are_followed(open_tab, address, answered):
    job = answered.job.id
    tab = open_tab(address)
    tab.wait_for_selector("#query")
    tab.evaluate(f"location.hash = '#j={job}'")
    tab.wait_for_selector(".number")
    tab.evaluate(f"location.hash = '#r={answered.result}&l=photo'")
    tab.wait_for_selector("input[value=photo]:checked", state="attached")
    tab.go_back()
    tab.wait_for_selector("input[value=fraction]:checked", state="attached")
    tab.go_back()
    tab.wait_for_selector("#query")
    # Who goes on before a screen is there is not held by it.
    tab.evaluate(
        "{ const real = fetch; window.fetch = async (...asked) => { await new Promise((on) => setTimeout(on, 250)); return real(...asked); }; }"
    )
    tab.evaluate(f"location.hash = '#r={answered.result},{answered.result}'")
    tab.wait_for_timeout(350)
    tab.evaluate("location.hash = '#'")
    tab.evaluate(f"location.hash = '#r={answered.result}'")
    tab.wait_for_timeout(100)
    tab.evaluate("location.hash = '#'")
    tab.wait_for_selector("#query")
    tab.wait_for_timeout(1500)
    assert tab.locator("body.comparing, .grid").count() == 0
    assert tab.title() == "How green is my city?"
    forgive(open_tab)


def test_without_storage_and_without_a_map_the_words_are_there(open_tab, address, answered):
    tab = open_tab(address)
    tab.add_init_script("""
        for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, {get() { throw new DOMException("refused", "SecurityError"); }});
        HTMLCanvasElement.prototype.getContext = () => null;
    """)
    row = told(f"{address}/results")["results"][0]
    tab.route("**/results?limit=30", lambda asked: asked.fulfill(json={"results": [row]}))
    tab.reload()
    tab.wait_for_selector(".problem:has-text('WebGL')")
    tab.wait_for_selector(".answers li")
    assert "false" not in tab.text_content(".before"), "one answer, and nothing to compare it with"
    tab.click(".answers a")
    tab.wait_for_selector(".number")
    tab.click(".districts button >> nth=0")
    tab.wait_for_selector(".zone")
    tab.click("text=/more files/")
    assert tab.text_content(".files a >> nth=0") == "report.html"
    forgive(open_tab, "WebGL", "webgl")


def test_a_server_that_does_not_answer_is_asked_again(open_tab, address, answered):
    job = answered.job.id
    tab = open_tab(address)
    tab.wait_for_selector("#query")
    tab.route(f"**/jobs/{job}", lambda asked: asked.abort())
    tab.evaluate(f"location.hash = '#j={job}'")
    tab.wait_for_selector("text=The server does not answer just now; still trying.")
    tab.unroute(f"**/jobs/{job}")
    tab.wait_for_selector(".number")
    forgive(open_tab, "ERR_FAILED")
