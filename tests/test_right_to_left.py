"""The pages of people, trend, change, law and ranking from right to left, in a language that marks every text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from howgreen import batch, cli
from howgreen.batch._page import page, ranking_of
from howgreen.report import Language, _sections
from towns import mixed, put_image, put_town

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::howgreen.HowgreenWarning", "ignore::ResourceWarning"),
]

GRID = GeoBox((60, 80), Affine(10, 0, 680_000, 0, -10, 5_150_000), "EPSG:32632")
BARE = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  const data = '[lang=en], .code, script, style, noscript, pre, title, footer, .sources, .brand';
  while (walker.nextNode()) {
    const node = walker.currentNode, text = node.textContent.trim();
    if (/\\p{L}{3}/u.test(text) && !/[‹›]/.test(text) && !node.parentElement.closest(data) && !/[‹›]/.test((node.parentElement.closest('p, li, label') || node.parentElement).textContent)) found.push(text);
  }
  for (const item of document.querySelectorAll('[aria-label], [alt], [title]')) {
    for (const name of ['aria-label', 'alt', 'title']) {
      const text = item.getAttribute(name);
      if (text && /\\p{L}{3}/u.test(text) && !text.includes('‹')) found.push(text);
    }
  }
  return found;
}"""
DRAWN = """() => [...document.querySelectorAll('main svg')].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => text.textContent.trim()).map(text => {
    const at = text.getBoundingClientRect();
    return {text: text.textContent, direction: getComputedStyle(text).direction, out: at.left < box.left - 3 || at.right > box.right + 3};
  });
}).filter(one => one.direction !== 'ltr' || one.out)"""


class Marked(Language):
    """Marks each text, so that one which bypasses the catalogue is seen."""

    def gettext(self, text):
        return f"‹{text}›"

    def ngettext(self, one, many, number):
        return f"‹{one if number == 1 else many}›"


MARKED = Marked(code="ar", rtl=True)


def call(*arguments: object) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main([str(part) for part in arguments])
    assert not done.value.code


def raster(path: Path, values, grid, **more) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=grid.shape[0], width=grid.shape[1], count=1, dtype=values.dtype, crs=str(grid.crs),
        transform=grid.affine, **more,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A town that loses a quarter of its meadow, with people on both; two communes; and four cities in two years."""
    root = tmp_path_factory.mktemp("rtl")
    put_town(root / "store", GRID)
    rng = np.random.default_rng(0)
    for year in range(2019, 2025):
        share = (np.arange(80) < 40) * np.ones((60, 1))
        share[:30, :20] *= year < 2022
        numbers = {band: values * rng.normal(1, 0.02, share.shape) for band, values in mixed(share).items()}
        put_image(root / "store", f"s-{year}", datetime(year, 7, 9, 10, tzinfo=UTC), numbers, GRID)
    counts = (
        25 + np.arange(48, dtype=np.float32).reshape(6, 8) % 3
    )  # the same number everywhere would be no count of people
    people = raster(root / "people.tif", counts, GeoBox((6, 8), GRID.affine * Affine.scale(10), GRID.crs))
    law = GeoBox((200, 400), Affine(10, 0, 4_100_000, 0, -10, 3_080_000), "EPSG:3035")
    codes = np.full((200, 400), 1, np.uint8)
    codes[:100] = 3
    communes = gpd.GeoDataFrame(
        [
            {"GISCO_ID": f"XX_{n}", "CNTR_CODE": "XX", "LAU_NAME": name, "geometry": shapely.box(4_100_000 + 2000 * n, 3_078_000, 4_102_000 + 2000 * n, 3_080_000)}
            for n, name in enumerate(["Árvíz", "Bruck"])
        ],
        crs="EPSG:3035",
    )  # fmt: skip
    communes.to_file(root / "lau.gpkg")
    law_files = (
        "--clcplus",
        raster(root / "clc.tif", codes, law, nodata=255),
        "--tree-cover",
        raster(root / "tcd.tif", codes * 20, law, nodata=255),
    )
    small, told = ("Small", "--store", root / "store", "--offline"), ("--language", "de")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sections, "language_of", lambda _: MARKED)
        call(
            "people",
            *small,
            "--population",
            people,
            "--population-year",
            2024,
            "--period",
            2024,
            *told,
            "--out",
            root / "people",
        )
        call("trend", *small, "--years", "2019:2024", *told, "--out", root / "trend")
        call("change", *small, "--from", 2019, "--to", 2024, *told, "--out", root / "change")
        call("nrr", "--communes", root / "lau.gpkg", *law_files, *told, "--out", root / "nrr")
    found = {topic: root / topic / f"{topic}.html" for topic in ("people", "trend", "change", "nrr")}
    rows = [
        batch.Row(
            key=f"c{n}", name=f"‹City {n}›", label=f"City {n}", year=year, green_ratio=0.3 + 0.1 * n, low=0.25 + 0.1 * n, high=0.35 + 0.1 * n,
            model_low=0.28 + 0.1 * n, model_high=0.32 + 0.1 * n, level=0.95, observed_ratio=1.0, land_area_m2=1e7, n_dates=3,
            first_date=f"{year}-05-01", last_date=f"{year}-09-01", sensor="sentinel-2", series="sentinel-2", model="m",
            wkt=shapely.box(9 + n / 10, 47, 9.1 + n / 10, 47.1).wkt,
        )
        for n in range(4)
        for year in (2019, 2024)
    ]  # fmt: skip
    found["rank"] = root / "ranking.html"
    found["rank"].write_text(page(ranking_of(rows), files=["ranking.csv"], language=MARKED), encoding="utf-8")
    return found


@pytest.mark.parametrize("topic", ["people", "trend", "change", "nrr", "rank"])
def test_a_page_stands_from_right_to_left_and_nothing_bypasses_its_language(browser, pages, topic):
    for width in (1400, 390):
        tab = browser.new_context(viewport={"width": width, "height": 900}, offline=True).new_page()
        tab.goto(pages[topic].as_uri())
        assert tab.evaluate("getComputedStyle(document.body).direction") == "rtl"
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        heading = tab.locator("h1").first.bounding_box()
        assert heading["x"] + heading["width"] > 0.85 * width
        for stage in tab.locator(".stage").all():
            assert stage.evaluate("stage => getComputedStyle(stage).direction") == "ltr", "a map is no text"
        cells = tab.evaluate("[...document.querySelectorAll('td.n')].map(cell => getComputedStyle(cell).direction)")
        assert set(cells) <= {"ltr"}, "a sign stands before its number, a unit behind it"
        assert tab.evaluate(DRAWN) == [], "letters of a drawing stand where they were drawn"
    names = r"Small|Árvíz|Bruck|Gini|Sentinel-2 L2A|Jan|Jun|Jul|Aug|Sep|May"
    assert [text for text in tab.evaluate(BARE) if re.search(r"[^\W\d_]{3}", re.sub(names, "", text))] == []
