"""How green is *this* area? Asked in a real browser, by mouse, finger and keys, and compared with what Python measures."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest
import shapely
from pyproj import Transformer

import howgreen
from howgreen import measure, report
from howgreen.report._cells import cells, side_of, to_degrees
from howgreen.report._page import page
from howgreen.report._pictures import from_data, photo_rgb


@pytest.fixture(scope="module")
def result(make):
    """With a model that tells how wide the interval of a small zone is."""
    made = make(240, 280)
    scores = {"zone_1_ha_half_width": 0.078, "zone_9_ha_half_width": 0.041, "zone_36_ha_half_width": 0.026}
    card = dataclasses.replace(made.card, scores=scores)
    cover = dataclasses.replace(made.landcover, card=card)
    zones = measure.green(cover, made.plan.city)
    return dataclasses.replace(made, card=card, landcover=cover, stats=zones[0].stats, zones=measure.to_frame(zones))


@pytest.fixture(scope="module")
def tab(browser, result, tmp_path_factory):
    path = tmp_path_factory.mktemp("area") / "report.html"
    preview = from_data(result)
    path.write_text(page(result, report.summary(result).to_dict(), preview, photo=photo_rgb(preview)), encoding="utf-8")
    context = browser.new_context(
        viewport={"width": 1280, "height": 1000}, offline=True, has_touch=True, accept_downloads=True
    )
    opened = context.new_page()
    troubles = []
    opened.on("console", lambda m: troubles.append(m.text) if m.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.goto(path.as_uri())
    yield opened
    context.close()
    assert troubles == []


@pytest.fixture
def clean(tab):
    """The page as it was opened, the map in view."""
    tab.reload()
    tab.locator(".stage").scroll_into_view_if_needed()
    tab.evaluate("document.querySelector('.stage').scrollIntoView({block: 'start'})")
    return tab


def on_screen(tab, points):
    """Where points of the map (pixels) are on the screen."""
    box = tab.locator(".stage").bounding_box()
    x, y, k = (
        float(n) for n in re.findall(r"-?\d[\d.e-]*", tab.evaluate("document.querySelector('.world').style.transform"))
    )
    return [(box["x"] + x + k * px, box["y"] + y + k * py) for px, py in points]


def settle(tab):
    """Wait until the page has answered: it does so in the next frame, once its shares are unpacked."""
    tab.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 20))))"
    )


def answer(tab):
    settle(tab)
    data = tab.locator(".found").evaluate("item => ({...item.dataset})")
    return {key: float(value) for key, value in data.items() if key != "testid" and value}


def draw(tab, points, *, button="draw"):
    tab.locator(f"[data-area={button}]").click()
    for x, y in on_screen(tab, points):
        tab.mouse.click(x, y)
    tab.mouse.click(*on_screen(tab, points[:1])[0])


def truth(result, rings):
    """What Python measures for rings in pixels of the map: pixels of the grid in the browser's test."""
    t = result.plan.grid.transform
    outline, *holes = ([(t.c + t.a * x, t.f + t.e * y) for x, y in ring] for ring in rings)
    shape = shapely.Polygon(outline, holes)
    to_earth = Transformer.from_crs(result.plan.grid.crs, "EPSG:4326", always_xy=True).transform
    earth = shapely.transform(shape, lambda p: np.column_stack(to_earth(p[:, 0], p[:, 1])))
    city = dataclasses.replace(result.plan.city, boundary=earth, districts=())
    return measure.green(result.landcover, city)[0].stats


def same(found, stats, *, points=0.004):
    assert found["ratio"] == pytest.approx(stats.green_ratio, abs=points)
    assert found["seen"] == pytest.approx(stats.observed_ratio, abs=points)
    assert found["land"] == pytest.approx(stats.land_area_m2, rel=0.01)
    assert (found["low"], found["high"]) == pytest.approx((stats.interval.low, stats.interval.high), abs=2 * points)


SQUARE = [(120, 80), (190, 85), (185, 160), (125, 150)]
HOLE = [(140, 100), (165, 105), (155, 130)]


@pytest.mark.browser
def test_a_drawn_area_is_measured_as_the_tool_measures_it(clean, result):
    draw(clean, SQUARE)
    same(answer(clean), truth(result, [SQUARE]))
    shown = clean.locator(".found").inner_text()
    assert "green" in shown
    assert "95% interval" in shown
    assert "of land" in shown


@pytest.mark.browser
def test_a_hole_is_cut_and_a_corner_dragged(clean, result):
    draw(clean, SQUARE)
    draw(clean, HOLE, button="hole")
    same(answer(clean), truth(result, [SQUARE, HOLE]))
    (x, y), (to_x, to_y) = on_screen(clean, [SQUARE[0], (100, 60)])
    clean.mouse.move(x, y)
    clean.mouse.down()
    clean.mouse.move(to_x, to_y, steps=5)
    clean.mouse.up()
    same(answer(clean), truth(result, [[(100, 60), *SQUARE[1:]], HOLE]))
    clean.locator("[data-area=undo]").click()
    same(answer(clean), truth(result, [SQUARE, HOLE]))


@pytest.mark.browser
def test_what_is_saved_is_what_was_drawn_to_a_pixel(clean, result):
    draw(clean, SQUARE)
    draw(clean, HOLE, button="hole")
    answer(clean)
    with clean.expect_download() as waited:
        clean.locator("[data-area=save]").click()
    assert waited.value.suggested_filename == "area.geojson"
    found = json.loads(waited.value.path().read_text(encoding="utf-8"))
    feature = found["features"][0]
    shape = shapely.from_geojson(json.dumps(feature["geometry"]))
    assert shape.is_valid
    assert len(shape.interiors) == 1
    assert shape.exterior.is_ccw
    assert not shape.interiors[0].is_ccw
    t = result.plan.grid.transform
    to_grid = Transformer.from_crs("EPSG:4326", result.plan.grid.crs, always_xy=True).transform
    corners = {
        (round((x - t.c) / t.a), round((y - t.f) / t.e)) for x, y in (to_grid(*p) for p in shape.exterior.coords)
    }
    assert corners == set(SQUARE)
    place = howgreen.place_from_file(waited.value.path().rename(waited.value.path().with_suffix(".geojson")))
    assert place.area_m2 == pytest.approx(1e2 * (shapely.Polygon(SQUARE).area - shapely.Polygon(HOLE).area), rel=0.01)
    assert feature["properties"]["green_ratio"] == pytest.approx(truth(result, [SQUARE, HOLE]).green_ratio, abs=0.004)


@pytest.mark.browser
def test_every_district_agrees_with_the_table(clean, result):
    """Outlines on the page are simplified to 0.4 pixels, shares are in hundredths: within half a point."""
    rows = [row for row in result.zones.to_dict("records") if row["kind"] == "district"]
    for number, row in enumerate(rows):
        clean.locator("[data-area=district]").select_option(str(number))
        found = answer(clean)
        assert found["ratio"] == pytest.approx(row["green_ratio"], abs=0.005)
        assert found["seen"] == pytest.approx(row["observed_ratio"], abs=0.005)
        assert found["land"] == pytest.approx(row["land_area_m2"], rel=0.01)
        assert found["low"] == pytest.approx(row["interval_low"], abs=0.006)
        assert found["high"] == pytest.approx(row["interval_high"], abs=0.006)


@pytest.mark.browser
def test_fingers_draw_and_drag(clean, result):
    clean.locator("[data-area=draw]").tap()
    for x, y in on_screen(clean, [*SQUARE, SQUARE[0]]):
        clean.touchscreen.tap(x, y)
        clean.wait_for_timeout(350)  # two taps at one place within 300 ms would be a double tap
    same(answer(clean), truth(result, [SQUARE]))
    top = clean.evaluate("scrollY")
    (x, y), (to_x, to_y) = on_screen(clean, [SQUARE[2], (170, 190)])
    client = clean.context.new_cdp_session(clean)
    for kind, points in (
        ("touchStart", [(x, y)]),
        *(("touchMove", [(x + (to_x - x) * n / 5, y + (to_y - y) * n / 5)]) for n in range(1, 6)),
        ("touchEnd", []),
    ):
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})
        clean.wait_for_timeout(30)
    assert clean.evaluate("scrollY") == top
    same(answer(clean), truth(result, [[*SQUARE[:2], (170, 190), SQUARE[3]]]))


@pytest.mark.browser
def test_keys_draw_move_and_delete(clean):
    clean.locator("[data-area=draw]").press("Enter")
    clean.keyboard.press("+")
    clean.keyboard.press("+")
    for way in ("ArrowLeft", "ArrowDown", "ArrowRight", "ArrowRight"):
        clean.keyboard.press(" ")
        clean.keyboard.press(way)
        clean.keyboard.press(way)
    clean.keyboard.press("Enter")
    first = answer(clean)
    assert first["land"] > 0
    clean.locator(".corner[data-corner='0']").focus()
    for _ in range(5):
        clean.keyboard.press("Shift+ArrowUp")
    assert answer(clean)["land"] != first["land"]
    before = clean.locator(".corner[data-corner]").count()
    clean.keyboard.press("Delete")
    assert clean.locator(".corner[data-corner]").count() == before - 1


@pytest.mark.browser
def test_what_cannot_be_answered_is_said(clean):
    draw(clean, [(2, 200), (12, 200), (12, 238), (2, 238)])
    settle(clean)
    assert "No land of the city" in clean.locator(".found").inner_text()
    clean.locator("[data-area=clear]").click()
    draw(clean, [(120, 80), (190, 150), (190, 80), (120, 150)])
    settle(clean)
    assert "crosses itself" in clean.locator(".guide").inner_text()
    assert clean.locator("[data-area=save]").is_disabled()
    clean.locator("[data-area=clear]").click()
    draw(clean, SQUARE)
    draw(clean, [(10, 10), (30, 10), (30, 30)], button="hole")
    settle(clean)
    assert "must lie inside" in clean.locator(".guide").inner_text()


@pytest.mark.browser
def test_intervals_are_those_of_every_zone(clean, result):
    """The page's rule and Python's are one, for any size, ratio and share seen."""
    rng = np.random.default_rng(4)
    for area, ratio, observed in zip(
        10 ** rng.uniform(2, 9, 40), rng.random(40), rng.uniform(0.05, 1, 40), strict=True
    ):
        page_says = clean.evaluate("([r, a, o]) => howgreenArea.intervalOf(r, a, o)", [ratio, area, observed])
        python_says = measure.interval.interval(ratio, result.card, area_m2=area, observed_ratio=observed)
        assert (page_says["low"], page_says["high"]) == pytest.approx((python_says.low, python_says.high), abs=1e-12)


# ---- without a browser ------------------------------------------------------------------------------------------------


def test_cells_keep_the_sums():
    """However coarse: green area, seen and unseen land are those of the pixels, to the rounding."""
    rng = np.random.default_rng(1)
    fraction = np.where(rng.random((97, 83)) < 0.2, np.nan, rng.random((97, 83))).astype(np.float32)
    label = np.where(np.isnan(fraction), 255, 1).astype(np.uint8)
    land = rng.random((97, 83)) < 0.8
    for side in (1, 2, 5):
        tops = range(0, 97, 5 * side)
        strips = [tuple(part[top : top + 5 * side] for part in (label, fraction, land)) for top in tops]
        found = cells(strips, side)
        seen, green, unseen = (
            plane.astype(float) * side * side / 100 for plane in (found.seen, found.green, found.unseen)
        )
        assert seen.sum() == pytest.approx((~np.isnan(fraction)).sum(), rel=0.003)
        assert (seen * found.green / 100).sum() == pytest.approx(np.nansum(fraction), rel=0.003)
        assert unseen.sum() == pytest.approx((land & np.isnan(fraction)).sum(), rel=0.01)
        assert green.shape == (-(-97 // side), -(-83 // side))


def test_a_large_city_has_coarser_cells_not_more_of_them():
    assert side_of((900, 1000)) == 1
    assert side_of((4000, 4000)) == 4
    assert side_of((1001, 1000)) == 2


@pytest.mark.parametrize(
    ("crs", "west", "north", "size"),
    [
        ("EPSG:32632", 677_000, 5_156_000, 6000),
        ("EPSG:32601", 240_000, 7_800_000, 4000),
        ("EPSG:32725", 300_000, 8_900_000, 10_000),
    ],
)
def test_degrees_without_a_projection_are_good_to_a_tenth_of_a_pixel(crs, west, north, size):
    from affine import Affine
    from odc.geo.geobox import GeoBox

    grid = GeoBox((size, size), Affine(10, 0, west, 0, -10, north), crs)
    fitted = to_degrees(grid)
    assert fitted["worst_px"] < 0.1
    u, v = 0.37, -0.81
    lon, lat = (
        sum(f * u**i * v**j for f, (i, j) in zip(fitted[key], fitted["terms"], strict=True)) for key in ("lon", "lat")
    )
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    assert ((x - west) / 10, (north - y) / 10) == pytest.approx((size / 2 * (1 + u), size / 2 * (1 + v)), abs=0.1)
