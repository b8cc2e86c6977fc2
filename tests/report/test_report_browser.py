"""The page in a real browser, with the network off."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from howgreen import report
from howgreen.report._page import page
from howgreen.report._pictures import from_data, photo_rgb

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def address(make, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    result = make(240, 280)
    preview = from_data(result)
    path.write_text(page(result, report.summary(result).to_dict(), preview, photo=photo_rgb(preview)), encoding="utf-8")
    return path.as_uri()


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


def centre(tab):
    box = tab.locator(".stage").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def wheel_with_ctrl(tab, x, y, delta):
    tab.mouse.move(x, y)
    tab.keyboard.down("Control")
    before = tab.locator(".world").evaluate("world => world.style.transform")
    tab.mouse.wheel(0, delta)
    tab.wait_for_function("before => document.querySelector('.world').style.transform !== before", arg=before)
    tab.keyboard.up("Control")


def test_a_wheel_over_the_map_scrolls_the_page_and_tells_how_to_zoom(tab):
    tab.locator(".stage").scroll_into_view_if_needed()
    first, top = transform(tab), tab.evaluate("scrollY")
    tab.mouse.move(*centre(tab))
    tab.mouse.wheel(0, 300)
    tab.wait_for_function("top => scrollY > top + 200", arg=top)
    assert transform(tab) == first
    assert "Ctrl" in tab.locator(".knack.on").inner_text()


def test_ctrl_and_wheel_drag_and_buttons(tab):
    tab.locator(".stage").scroll_into_view_if_needed()
    x, y = centre(tab)
    first, top = transform(tab), tab.evaluate("scrollY")
    wheel_with_ctrl(tab, x, y, -600)
    near = transform(tab)
    assert near[2] > 2 * first[2]
    assert tab.evaluate("scrollY") == top
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


def test_zooming_keeps_the_place_under_the_pointer(tab):
    tab.locator(".stage").scroll_into_view_if_needed()
    box = tab.locator(".stage").bounding_box()
    px, py = box["width"] * 0.6, box["height"] * 0.4
    tab.get_by_role("button", name="Zoom in").click()
    a = transform(tab)
    wheel_with_ctrl(tab, box["x"] + px, box["y"] + py, -200)
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


def touch(client, kind, *points):
    """Real fingers, as the browser gets them from a screen."""
    client.send(
        "Input.dispatchTouchEvent",
        {"type": kind, "touchPoints": [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]},
    )


def test_two_fingers_zoom_the_map(tab):
    tab.locator(".stage").scroll_into_view_if_needed()
    first, top = transform(tab), tab.evaluate("scrollY")
    x, y = centre(tab)
    fingers = tab.context.new_cdp_session(tab)
    touch(fingers, "touchStart", (x - 50, y), (x + 50, y))
    for reach in (80, 110, 150):
        touch(fingers, "touchMove", (x - reach, y), (x + reach, y))
    touch(fingers, "touchEnd")
    assert transform(tab)[2] == pytest.approx(3 * first[2], rel=0.05)
    assert tab.evaluate("scrollY") == top


def test_one_finger_scrolls_the_page(tab):
    tab.locator(".stage").scroll_into_view_if_needed()
    first, top = transform(tab), tab.evaluate("scrollY")
    x, y = centre(tab)
    fingers = tab.context.new_cdp_session(tab)
    touch(fingers, "touchStart", (x, y))
    for way in range(20, 220, 20):
        touch(fingers, "touchMove", (x, y - way))
    touch(fingers, "touchEnd")
    tab.wait_for_function("top => scrollY > top + 100", arg=top)
    assert transform(tab) == first


def seen(tab):
    """What the layers show: name to opacity, 0 where hidden."""
    return tab.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.over')].map(item =>
        [item.id, getComputedStyle(item).visibility === 'hidden' ? 0 : Number(getComputedStyle(item).opacity)]))"""
    )


def test_layers_and_fading(tab):
    slider = tab.locator("#fade")
    others = dict.fromkeys(seen(tab), 0)
    assert {"classes", "uncertainty"} < set(others)
    assert seen(tab) == others | {"fraction": 1}
    slider.fill("40")
    assert seen(tab)["fraction"] == pytest.approx(0.4)
    tab.get_by_role("button", name="Uncertainty", exact=True).click()
    assert seen(tab) == pytest.approx(others | {"uncertainty": 0.4})
    slider.focus()
    tab.keyboard.press("ArrowRight")
    assert seen(tab)["uncertainty"] == pytest.approx(0.41)
    tab.get_by_role("button", name="Photo", exact=True).click()
    assert seen(tab) == others
    assert slider.is_disabled()


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


def test_on_a_phone_a_day_is_one_line_and_a_long_table_has_a_height(tab):
    tab.set_viewport_size({"width": 390, "height": 844})
    lines = tab.locator(".dates tbody th").evaluate_all(
        "cells => cells.map(cell => { const all = document.createRange(); all.selectNodeContents(cell);"
        " return new Set([...all.getClientRects()].map(box => Math.round(box.top))).size })"
    )
    assert set(lines) == {1}
    tall = "document.getElementById('districts').parentElement.getBoundingClientRect().height"
    assert tab.locator(".long").count() == 0
    assert tab.evaluate(tall) > 0.8 * 844
    tab.evaluate("document.getElementById('districts').parentElement.classList.add('long')")
    assert tab.evaluate(tall) <= 0.8 * 844


@pytest.mark.parametrize("width", [390, 840, 1000, 1100, 1280])
def test_nothing_sticks_out_sideways(tab, width):
    tab.set_viewport_size({"width": width, "height": 844})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    box = tab.locator(".stage").bounding_box()
    assert box["width"] > 0.85 * width - 130
    assert tab.evaluate("[...document.querySelectorAll('.scroll')].every(box => box.scrollWidth <= box.clientWidth)")
    shown = tab.locator("#districts tbody tr").first.inner_text()
    assert re.search(r"\d+\s*$", shown)
    cells = tab.locator("#districts tbody tr > *").evaluate_all(
        "cells => cells.map(cell => cell.getBoundingClientRect().right)"
    )
    assert max(cells) <= width
    wide = tab.locator("#districts tbody tr > *").evaluate_all(
        "cells => cells.every(cell => cell.scrollWidth <= cell.clientWidth + 1)"
    )
    assert wide
    names = tab.locator("#districts tbody th")
    lines = names.evaluate_all(
        """cells => cells.map(cell => {
          const range = document.createRange(); range.selectNodeContents(cell);
          return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size;
        })"""
    )
    words = [len(name.split()) for name in names.all_inner_texts()]
    assert all(line <= word for line, word in zip(lines, words, strict=True))  # no name is broken inside a word


def test_in_print_the_heads_of_tables_are_text_that_is_repeated_on_the_next_page(tab):
    """Chromium repeats no buttons."""
    tab.emulate_media(media="print")
    assert set(tab.locator("th button").evaluate_all("all => all.map(one => getComputedStyle(one).display)")) == {
        "contents"
    }


@pytest.mark.parametrize("width", [390, 1000, 1400])
def test_without_scripts_the_green_map_shows_whole(browser, address, width):
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, java_script_enabled=False)
    tab = context.new_page()
    tab.goto(address)
    stage = tab.locator(".stage").bounding_box()
    for name in ("#photo", "#fraction"):
        assert tab.locator(name).is_visible()
        assert tab.locator(name).bounding_box() == pytest.approx(stage, abs=2)
    assert not tab.locator("#classes").is_visible()
    assert not tab.locator("#area").is_visible()
    assert not tab.get_by_role("button", name="Copy the sentence").is_visible()
    context.close()


def test_the_sentence_is_copied(browser, address):
    context = browser.new_context(offline=True)
    tab = context.new_page()
    tab.goto(address)
    tab.get_by_role("button", name="Copy the sentence").click()
    tab.locator("#quote-box .done").wait_for()
    tab.evaluate("() => { const box = document.createElement('textarea'); document.body.append(box); box.focus(); }")
    tab.keyboard.press("Control+v")
    assert tab.locator("textarea").last.input_value() == tab.locator("#quote").inner_text()
    context.close()


def test_tiles_and_outlines_lie_over_each_other(tab):
    """Photo, classes and limits are drawn in one frame of the same size."""
    boxes = [tab.locator(f".world > {name}").bounding_box() for name in ("#photo", "#fraction", "#classes", "svg")]
    for box in boxes[1:]:
        assert box == pytest.approx(boxes[0], abs=0.01)


@pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="needs poppler-utils")
def test_printed_to_pdf_it_is_whole_and_tagged(browser, address, tmp_path):
    """Rendered to pictures: the map is there, no page is half empty but the last, and nothing is cut at the right."""
    import numpy as np
    from PIL import Image

    tab = browser.new_context(offline=True).new_page()
    tab.goto(address)
    tab.pdf(path=tmp_path / "page.pdf", format="A4", tagged=True)
    about = subprocess.run(["pdfinfo", tmp_path / "page.pdf"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Tagged:\s+yes", about)
    subprocess.run(["pdftoppm", "-r", "30", "-png", tmp_path / "page.pdf", tmp_path / "page"], check=True)
    pages = [np.asarray(Image.open(path).convert("RGB")).astype(int) for path in sorted(tmp_path.glob("page-*.png"))]
    assert 3 <= len(pages) <= 8
    for page_px in pages[:-1]:
        inked = np.flatnonzero((page_px.min(axis=2) < 200).any(axis=1))
        assert inked.max() > 0.6 * page_px.shape[0]
    for page_px in pages:
        assert page_px[:, -10:].min() > 200  # the margin
    green = sum(((p[..., 1] > p[..., 0] + 15) & (p[..., 1] > p[..., 2] + 10)).sum() for p in pages)
    assert green > 0.05 * pages[0].shape[0] * pages[0].shape[1]
    text = subprocess.run(["pdftotext", tmp_path / "page.pdf", "-"], capture_output=True, text=True, check=True).stdout
    for heading in (
        "The map",
        "District by district",
        "What was not seen",
        "The days it was seen",
        "How it was measured",
        "How to cite",
    ):
        assert heading in text
    assert "Other ways of counting" in text
    assert "Draw an area" not in text
