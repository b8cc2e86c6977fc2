"""The notebook's map in a real browser with the network off: everything can be reached, drawn, cut and exported."""

from __future__ import annotations

import json
import re

import pytest
import shapely

from howgreen import report

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def address(make, tmp_path_factory):
    path = tmp_path_factory.mktemp("explore") / "map.html"
    report.explore(make(120, 140)).save(str(path))
    return path.as_uri()


@pytest.fixture(params=[(1200, 800), (700, 420)], ids=["window", "notebook"])
def tab(browser, address, request):
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True, has_touch=True)
    opened = context.new_page()
    troubles, asked = [], []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("request", lambda r: asked.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
    opened.goto(address)
    yield opened
    context.close()
    assert troubles == []
    assert all(re.match(r"https://(\w\.)?tile\.openstreetmap\.org/", url) for url in asked), asked


def area(tab):
    box = tab.locator(".leaflet-container").bounding_box()
    return [
        (box["x"] + x * box["width"], box["y"] + y * box["height"])
        for x, y in ((0.35, 0.4), (0.6, 0.4), (0.6, 0.7), (0.35, 0.7))
    ]


def draw(tab, corners, *, tap=False):
    press = tab.touchscreen.tap if tap else tab.mouse.click
    button = tab.locator(".leaflet-pm-toolbar [title='Draw Polygons'] > a, .leaflet-pm-icon-polygon").first
    button.tap() if tap else button.click()
    for x, y in [*corners, corners[0]]:
        press(x, y)
        tab.wait_for_timeout(400 if tap else 120)  # two quick taps are a double tap, wherever they are


def export(tab):
    with tab.expect_download() as waited:
        tab.get_by_role("button", name="Export").click()
    assert waited.value.suggested_filename == "area.geojson"
    found = json.loads(waited.value.path().read_text(encoding="utf-8"))
    return [shapely.from_geojson(json.dumps(feature["geometry"])) for feature in found["features"]]


def test_every_point_of_the_export_button_can_be_clicked(tab):
    hit, asked = tab.evaluate(
        """() => {
          const button = document.querySelector('.howgreen-export button'), box = button.getBoundingClientRect();
          let hit = 0, asked = 0;
          for (let x = box.left + 1; x < box.right - 1; x += 2) for (let y = box.top + 1; y < box.bottom - 1; y += 2) {
            asked += 1;
            if (document.elementFromPoint(x, y) === button) hit += 1;
          }
          return [hit, asked];
        }"""
    )
    assert asked > 300
    assert hit == asked


def test_drawn_by_mouse_dragged_and_exported(tab, address):
    corners = area(tab)
    draw(tab, corners)
    (shape,) = export(tab)
    assert shape.is_valid
    assert len(shape.exterior.coords) == 5
    tab.locator(".leaflet-pm-icon-edit").click()
    (x, y) = corners[0]
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x - 40, y - 40, steps=5)
    tab.mouse.up()
    tab.locator(".leaflet-pm-icon-edit").click()
    (larger,) = export(tab)
    assert larger.area > 1.1 * shape.area
    assert larger.covers(shape)


def test_a_hole_is_cut(tab):
    corners = area(tab)
    draw(tab, corners)
    (whole,) = export(tab)
    middle = [sum(part) / 4 for part in zip(*corners, strict=True)]
    tab.locator(".leaflet-pm-icon-cut").click()
    hole = [(middle[0] - 30, middle[1] - 30), (middle[0] + 30, middle[1] - 30), (middle[0], middle[1] + 30)]
    for x, y in [*hole, hole[0]]:
        tab.mouse.click(x, y)
        tab.wait_for_timeout(120)
    (cut,) = export(tab)
    assert len(cut.interiors) == 1
    assert cut.area < whole.area


def test_drawn_by_touch(tab):
    draw(tab, area(tab), tap=True)
    (shape,) = export(tab)
    assert len(shape.exterior.coords) == 5


def test_nothing_drawn_is_said(tab):
    tab.get_by_role("button", name="Export").click()
    assert tab.locator(".howgreen-export").inner_text() == "Draw an area first"
