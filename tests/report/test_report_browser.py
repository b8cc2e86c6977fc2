"""The page in a real browser, with the network off."""

from __future__ import annotations

import re
import shutil

import pytest

from howgreen import report
from howgreen.report._page import page
from howgreen.report._pictures import from_data, photo_rgb

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium (apt-get install chromium)"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def address(make, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    result = make(240, 280)
    preview = from_data(result)
    path.write_text(page(result, report.summary(result).to_dict(), preview, photo=photo_rgb(preview)), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser, address):
    """The page opened offline; fails on any console error and on any request but for the file itself."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True, has_touch=True)
    tab = context.new_page()
    troubles = []
    tab.on("console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on("request", lambda r: troubles.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    tab.goto(address)
    yield tab
    context.close()
    assert troubles == []


def transform(tab) -> tuple[float, float, float]:
    text = tab.evaluate("document.querySelector('.world').style.transform")
    return tuple(float(number) for number in re.findall(r"-?\d[\d.e-]*", text))


def opacity(tab, name) -> float:
    return float(tab.evaluate(f"getComputedStyle(document.getElementById('{name}')).opacity"))


def centre(tab):
    box = tab.locator(".stage").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_wheel_drag_and_buttons(tab):
    tab.locator(".stage").scroll_into_view_if_needed()
    x, y = centre(tab)
    first = transform(tab)
    tab.mouse.move(x, y)
    tab.mouse.wheel(0, -600)
    tab.wait_for_function("document.querySelector('.stage').classList.contains('close')")
    near = transform(tab)
    assert near[2] > 2 * first[2]
    tab.mouse.down()
    tab.mouse.move(x + 60, y + 40, steps=4)
    tab.mouse.up()
    moved = transform(tab)
    assert (moved[0] - near[0], moved[1] - near[1], moved[2]) == pytest.approx((60, 40, near[2]), abs=1)
    tab.mouse.move(x, y)
    assert transform(tab) == moved
    tab.get_by_role("button", name="Zoom out").click()
    assert transform(tab)[2] < moved[2]
    tab.get_by_role("button", name="Show the whole city").click()
    assert transform(tab) == first


def test_wheel_keeps_the_place_under_the_pointer(tab):
    tab.locator(".stage").scroll_into_view_if_needed()
    box = tab.locator(".stage").bounding_box()
    px, py = box["width"] * 0.6, box["height"] * 0.4
    tab.get_by_role("button", name="Zoom in").click()
    a = transform(tab)
    tab.mouse.move(box["x"] + px, box["y"] + py)
    tab.mouse.wheel(0, -200)
    tab.wait_for_function(f"!document.querySelector('.world').style.transform.includes('scale({a[2]})')")
    b = transform(tab)
    assert (px - a[0]) / a[2] == pytest.approx((px - b[0]) / b[2], abs=0.5)
    assert (py - a[1]) / a[2] == pytest.approx((py - b[1]) / b[2], abs=0.5)


def test_keys(tab):
    first = transform(tab)
    tab.locator(".stage").focus()
    tab.keyboard.press("+")
    tab.keyboard.press("+")
    near = transform(tab)
    assert near[2] > first[2]
    tab.keyboard.press("ArrowRight")
    assert transform(tab)[0] == pytest.approx(near[0] - 60, abs=1)
    tab.keyboard.press("0")
    assert transform(tab) == first


def test_pinch(tab):
    first = transform(tab)
    tab.evaluate(
        """() => {
          const stage = document.querySelector('.stage'), box = stage.getBoundingClientRect();
          stage.setPointerCapture = () => {};
          const send = (type, id, x, y) => stage.dispatchEvent(new PointerEvent(type,
            {pointerId: id, clientX: box.left + x, clientY: box.top + y, bubbles: true, pointerType: 'touch'}));
          send('pointerdown', 1, 300, 200); send('pointerdown', 2, 400, 200);
          send('pointermove', 1, 200, 200); send('pointermove', 2, 500, 200);
          send('pointerup', 1, 200, 200); send('pointerup', 2, 500, 200);
        }"""
    )
    assert transform(tab)[2] == pytest.approx(3 * first[2], rel=0.01)


def test_fading(tab):
    slider = tab.locator("#fade")
    assert (opacity(tab, "fraction"), opacity(tab, "classes")) == (1, 0)
    for value, expected in (("0", (0, 0)), ("0.4", (0.4, 0)), ("1.25", (1, 0.25)), ("2", (1, 1))):
        slider.fill(value)
        assert (opacity(tab, "fraction"), opacity(tab, "classes")) == pytest.approx(expected, abs=0.01)
    tab.get_by_role("button", name="Uncertainty", exact=True).click()
    assert [opacity(tab, name) for name in ("photo", "fraction", "classes", "uncertainty")] == [1, 1, 1, 1]
    tab.get_by_role("button", name="Photo", exact=True).click()
    assert opacity(tab, "uncertainty") == 0
    assert (opacity(tab, "fraction"), opacity(tab, "classes")) == (0, 0)
    slider.focus()
    tab.keyboard.press("ArrowRight")
    assert opacity(tab, "fraction") == pytest.approx(0.01)


def test_switches(tab):
    unseen = tab.locator("#unseen")
    assert unseen.is_visible()
    tab.get_by_role("checkbox", name="Not seen").uncheck()
    assert not unseen.is_visible()


def test_hovering_names_the_district(tab):
    tab.locator(".stage").scroll_into_view_if_needed()
    x, y = centre(tab)
    tab.mouse.move(x, y)
    assert tab.locator(".tip b").inner_text() == "Old Town"
    assert "% green" in tab.locator(".tip").inner_text()
    assert tab.locator("tr.on th").inner_text() == "Old Town"


def test_sorting_the_table(tab):
    def column(n):
        return tab.locator("#districts tbody tr").evaluate_all(f"rows => rows.map(r => r.children[{n}].dataset.value)")

    tab.locator("#districts").get_by_role("button", name="Green").click()
    values = [float(value) for value in column(1)]
    assert values == sorted(values, reverse=True)
    tab.locator("#districts").get_by_role("button", name="Green").click()
    assert [float(value) for value in column(1)] == sorted(values)
    tab.locator("#districts").get_by_role("button", name="District").click()
    assert column(0) == sorted(column(0), key=str.casefold)


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_sideways(tab, width):
    tab.set_viewport_size({"width": width, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    box = tab.locator(".stage").bounding_box()
    assert box["width"] > 0.85 * width - 130


def test_tiles_and_outlines_lie_over_each_other(tab):
    """Photo, classes and limits are drawn in one frame of the same size."""
    boxes = [tab.locator(f".world > {name}").bounding_box() for name in ("#photo", "#fraction", "#classes", "svg")]
    for box in boxes[1:]:
        assert box == pytest.approx(boxes[0], abs=0.01)
